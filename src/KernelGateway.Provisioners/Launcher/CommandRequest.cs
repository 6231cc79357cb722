using System.Text.Json;
using System.Text.Json.Nodes;
using KernelGateway.Core.Environments;
using KernelGateway.Core.Errors;
using KernelGateway.Core.Provisioning;

namespace KernelGateway.Provisioners.Launcher;

/// <summary>What the agent is asked about commands, and what its refusals mean.</summary>
internal static class CommandRequest
{
    internal static JsonObject For(CommandLaunch launch, EnvironmentDefinition environment, IReadOnlyDictionary<string, string> variables, LauncherPlace place) =>
        For(launch, KernelPlan.Merge(place.Variables, [environment.Variables, variables, launch.Variables]), place.WorkInside);

    /// <param name="launch">The command.</param>
    /// <param name="variables">All its environment variables.</param>
    /// <param name="workFolder">Where it starts when nothing else is asked for.</param>
    internal static JsonObject For(CommandLaunch launch, IReadOnlyDictionary<string, string> variables, string workFolder) => new()
    {
        ["argv"] = new JsonArray([.. launch.Argv.Select(word => (JsonNode)word)]),
        ["shell"] = launch.Shell,
        ["env"] = new JsonObject(variables.Select(variable => KeyValuePair.Create(variable.Key, (JsonNode?)variable.Value))),
        ["cwd"] = KernelPlan.WorkingDirectory(launch.WorkingDirectory, workFolder),
        ["input"] = Convert.ToBase64String(launch.Input.Span),
        ["keep_input"] = launch.KeepInputOpen,
        ["terminal"] = launch.Terminal is { } size ? Size(size) : null,
        ["timeout"] = launch.Timeout.TotalSeconds,
        ["grace"] = launch.Grace.TotalSeconds,
    };

    internal static JsonArray Size(TerminalSize size) => [size.Columns, size.Rows];

    /// <summary>The code of a refusal, and the field of the API that it is about.</summary>
    internal static (ErrorCode Code, string? Field) Meaning(JsonElement answer) => Meaning(AgentKernel.Text(answer, "code"));

    internal static (ErrorCode Code, string? Field) Meaning(string? code) => code switch
    {
        "cwd" => (ErrorCode.InvalidArgument, "cwd"),
        "large" => (ErrorCode.InvalidArgument, null),
        "full" or "many" => (ErrorCode.LimitReached, null),
        "ended" or "closed" => (ErrorCode.Conflict, null),
        _ => (ErrorCode.KernelFailed, null),
    };
}
