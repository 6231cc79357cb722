using System.Text.Json;
using System.Text.Json.Nodes;
using KernelGateway.Core.Environments;
using KernelGateway.Core.Errors;
using KernelGateway.Core.Provisioning;

namespace KernelGateway.Provisioners.Launcher;

/// <summary>What the agent is asked about commands, and what its refusals mean.</summary>
internal static class CommandRequest
{
    internal static JsonObject For(CommandLaunch launch, EnvironmentDefinition environment, IReadOnlyDictionary<string, string> variables, LauncherPlace place) => new()
    {
        ["argv"] = new JsonArray([.. launch.Argv.Select(word => (JsonNode)word)]),
        ["shell"] = launch.Shell,
        ["env"] = new JsonObject(KernelPlan.Merge(place.Variables, [environment.Variables, variables, launch.Variables])
            .Select(variable => KeyValuePair.Create(variable.Key, (JsonNode?)variable.Value))),
        ["cwd"] = KernelPlan.WorkingDirectory(launch.WorkingDirectory, place),
        ["input"] = Convert.ToBase64String(launch.Input.Span),
        ["keep_input"] = launch.KeepInputOpen,
        ["terminal"] = launch.Terminal is { } size ? Size(size) : null,
        ["timeout"] = launch.Timeout.TotalSeconds,
        ["grace"] = launch.Grace.TotalSeconds,
    };

    internal static JsonArray Size(TerminalSize size) => [size.Columns, size.Rows];

    /// <summary>The code of a refusal, and the field of the API that it is about.</summary>
    internal static (ErrorCode Code, string? Field) Meaning(JsonElement answer) => AgentKernel.Text(answer, "code") switch
    {
        "cwd" => (ErrorCode.InvalidArgument, "cwd"),
        "full" or "many" => (ErrorCode.LimitReached, null),
        "ended" or "closed" => (ErrorCode.Conflict, null),
        _ => (ErrorCode.KernelFailed, null),
    };
}
