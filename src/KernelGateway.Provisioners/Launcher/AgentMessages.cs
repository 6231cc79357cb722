using System.Text.Json;
using System.Text.Json.Nodes;
using KernelGateway.Provisioners.Native;

namespace KernelGateway.Provisioners.Launcher;

/// <summary>What the agent has.</summary>
/// <param name="Kernels">Kernels that run or have run.</param>
/// <param name="Commands">Commands that were not forgotten.</param>
/// <param name="Held">Whether the time limits of commands stand still.</param>
internal sealed record AgentHello(IReadOnlyList<AgentKernel> Kernels, IReadOnlyList<AgentCommand> Commands, bool Held);

/// <summary>A command that the agent has.</summary>
/// <param name="Command">Its id.</param>
/// <param name="SaidAll">Whether nothing more will come into its log.</param>
internal sealed record AgentCommand(string Command, bool SaidAll)
{
    internal static AgentCommand? Parse(JsonElement json) =>
        json.ValueKind == JsonValueKind.Object && AgentKernel.Text(json, "command") is { } command ? new AgentCommand(command, AgentKernel.Flag(json, "said_all")) : null;
}

/// <summary>What the agent says of a kernel it has or had. Said by a process of the sandbox: bounded and cleaned here.</summary>
/// <param name="Kernel">The kernel's id.</param>
/// <param name="Running">False when it has ended.</param>
/// <param name="End">How it ended, when it has.</param>
internal sealed record AgentKernel(string Kernel, bool Running, AgentExit? End)
{
    internal static AgentKernel? Parse(JsonElement json)
    {
        if (json.ValueKind != JsonValueKind.Object || Text(json, "kernel") is not { } kernel)
        {
            return null;
        }

        var running = json.TryGetProperty("running", out var value) && value.ValueKind == JsonValueKind.True;
        return new AgentKernel(kernel, running, running ? null : AgentExit.Parse(json));
    }

    internal static bool Flag(JsonElement json, string name) => json.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.True;

    internal static string? Text(JsonElement json, string name) =>
        json.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;
}

/// <summary>How a kernel's process ended, in the agent's words.</summary>
/// <param name="Code">The exit code, when it ended by itself.</param>
/// <param name="Signal">The signal, when one ended it.</param>
/// <param name="StderrTail">The last of its raw output; <c>null</c> when nothing.</param>
internal sealed record AgentExit(int? Code, int? Signal, string? StderrTail)
{
    internal static AgentExit Parse(JsonElement json)
    {
        var tail = TextTail.Clean(AgentKernel.Text(json, "stderr") ?? "");
        return new AgentExit(Number(json, "code"), Number(json, "signal"), tail.Length > 0 ? tail : null);
    }

    private static int? Number(JsonElement json, string name) =>
        json.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out var number) ? number : null;
}

/// <summary>One kernel to be launched by the agent.</summary>
/// <param name="Kernel">Its id.</param>
/// <param name="Argv">The command; the agent puts in the path of the connection file.</param>
/// <param name="Variables">The whole environment.</param>
/// <param name="WorkingDirectory">Where it starts.</param>
/// <param name="Connection">The content of its connection file.</param>
internal sealed record AgentLaunch(
    string Kernel,
    IReadOnlyList<string> Argv,
    IReadOnlyDictionary<string, string> Variables,
    string WorkingDirectory,
    JsonObject Connection);
