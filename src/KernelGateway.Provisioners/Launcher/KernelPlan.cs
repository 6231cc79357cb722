using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using KernelGateway.Core.Environments;
using KernelGateway.Core.Errors;
using KernelGateway.Core.Provisioning;
using KernelGateway.Jupyter;

namespace KernelGateway.Provisioners.Launcher;

/// <summary>Turns "launch this kernel" into the request to the agent and the record that is kept, after checking every part.</summary>
internal static partial class KernelPlan
{
    /// <summary>Variables by which the gateway knows processes of its own.</summary>
    internal const string PlaceMarkPrefix = "KERNELGATEWAY_";

    private const int MaxVariables = 1000;

    /// <exception cref="GatewayException"><see cref="ErrorCode.InvalidArgument"/>, with the field.</exception>
    internal static (KernelRecord Record, AgentLaunch Request) Make(
        KernelLaunch launch,
        EnvironmentDefinition environment,
        IReadOnlyDictionary<string, string> variables,
        LauncherPlace place)
    {
        var recipe = Check(launch, environment);
        var record = new KernelRecord(launch.KernelId, launch.KernelName, ConnectionFile.NewKey(), recipe.KeepsLog, recipe.InterruptMode == "signal");
        var argv = recipe.Argv.Select(word => word.Replace("{launcher}", place.LauncherInside, StringComparison.Ordinal)).ToList();
        // System.Text.Json for the agent, Newtonsoft on the Jupyter wire: the text is what both agree on.
        var connection = JsonNode.Parse(ConnectionOf(record, place).ToJson().ToString(Newtonsoft.Json.Formatting.None))!.AsObject();
        var request = new AgentLaunch(
            launch.KernelId,
            argv,
            Merge(place.Variables, [environment.Variables, variables, launch.Variables]),
            WorkingDirectory(launch.WorkingDirectory, place.WorkInside),
            connection);
        return (record, request);
    }

    /// <summary>Checks id and name; the recipe of that name.</summary>
    /// <exception cref="GatewayException"><see cref="ErrorCode.InvalidArgument"/>, with the field.</exception>
    internal static EnvironmentKernel Check(KernelLaunch launch, EnvironmentDefinition environment)
    {
        if (!KernelId().IsMatch(launch.KernelId))
        {
            throw Invalid("kernelId", $"'{launch.KernelId}' is no id of a kernel: 1 to 32 lower-case letters and digits.");
        }

        return environment.Kernels.TryGetValue(launch.KernelName, out var recipe)
            ? recipe
            : throw Invalid("kernelName", $"The environment '{environment.Name}' has no kernel '{launch.KernelName}'; it has {string.Join(", ", environment.Kernels.Keys)}.");
    }

    /// <summary>The connection file as the kernel gets it.</summary>
    internal static ConnectionFile ConnectionOf(KernelRecord record, LauncherPlace place) =>
        ConnectionFile.ForIpc($"{place.SocketsInside}/{record.Id}", record.Key) with { KernelName = record.Name };

    /// <summary>Checks variables that come from outside.</summary>
    /// <exception cref="GatewayException"><see cref="ErrorCode.InvalidArgument"/>, with the field.</exception>
    internal static void CheckVariables(IReadOnlyDictionary<string, string> variables)
    {
        if (variables.Count > MaxVariables)
        {
            throw Invalid("variables", $"There are {variables.Count} environment variables; at most {MaxVariables} are possible.");
        }

        foreach (var (name, value) in variables)
        {
            if (name == "KG_LOG_DIR" || name.StartsWith(PlaceMarkPrefix, StringComparison.Ordinal))
            {
                throw Invalid("variables", $"The environment variable {name} is set by the gateway itself.");
            }

            if (!VariableName().IsMatch(name))
            {
                throw Invalid("variables", "The name of an environment variable has 1 to 256 letters, digits and underscores and does not begin with a digit.");
            }

            if (value.Contains('\0', StringComparison.Ordinal))
            {
                throw Invalid("variables", $"The value of the environment variable {name} holds a NUL character.");
            }
        }
    }

    internal static Dictionary<string, string> Merge(IReadOnlyDictionary<string, string> own, IReadOnlyDictionary<string, string>[] layers)
    {
        var merged = new Dictionary<string, string>(own, StringComparer.Ordinal);
        foreach (var layer in layers)
        {
            CheckVariables(layer);
            foreach (var (name, value) in layer)
            {
                merged[name] = value;
            }
        }

        return merged;
    }

    internal static string WorkingDirectory(string? asked, string workFolder)
    {
        if (string.IsNullOrEmpty(asked))
        {
            return workFolder;
        }

        CheckFolder(asked);

        // Joined, not resolved: whether it leads out is a question for the sandbox, which it cannot leave.
        return asked.StartsWith('/') ? asked : $"{workFolder}/{asked}";
    }

    /// <summary>Checks a folder to start in.</summary>
    /// <exception cref="GatewayException"><see cref="ErrorCode.InvalidArgument"/>, with the field.</exception>
    internal static void CheckFolder(string asked)
    {
        if (asked.Contains('\0', StringComparison.Ordinal) || asked.Length > 4000)
        {
            throw Invalid("workingDirectory", "The working directory is no path.");
        }
    }

    private static GatewayException Invalid(string field, string message) => new(ErrorCode.InvalidArgument, message, field);

    [GeneratedRegex("^[a-z0-9]{1,32}\\z")]
    private static partial Regex KernelId();

    [GeneratedRegex("^[A-Za-z_][A-Za-z0-9_]{0,255}\\z")]
    private static partial Regex VariableName();
}
