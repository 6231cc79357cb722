using System.Security.Cryptography;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using KernelGateway.Core.Errors;

namespace KernelGateway.Provisioners.Remote;

/// <summary>The code that is sent to the utility kernel, as expressions for it to evaluate.</summary>
/// <remarks>Expressions leave nothing behind: no names, no history, and no copy of the code for tracebacks, as executed code does.</remarks>
internal sealed class RemoteSources
{
    // In the order in which they import each other.
    private static readonly string[] Modules =
    [
        "remote_logs", "remote_refusals", "remote_calls", "remote_handles", "remote_inotify", "remote_link",
        "remote_paths", "remote_folders", "remote_place", "remote_commands", "remote_trees", "remote_uploads",
        "remote_changes", "remote_files", "remote_watch", "remote_watches", "remote_agent",
    ];

    // What the agent of commands consists of, by the names of the files.
    private static readonly string[] AgentFiles = ["agent.py", "agent_*.py", "kernel_log.py"];

    private const string Installer = """
        import sys, types
        for name, source in SOURCES:
            module = types.ModuleType(name)
            sys.modules[name] = module
            exec(compile(source, "<kernel gateway: " + name + ">", "exec"), module.__dict__)
        sys.modules[NAME] = module
        """;

    private static readonly JsonSerializerOptions Plain = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private readonly string _name;

    private RemoteSources(string install, string name, JsonObject agent)
    {
        Install = install;
        _name = name;
        Agent = agent;
    }

    /// <summary>Makes the code known in the kernel.</summary>
    internal string Install { get; }

    /// <summary>What runs the commands: file name → source.</summary>
    internal JsonObject Agent { get; }

    /// <exception cref="GatewayException"><see cref="ErrorCode.HostNotReady"/>: the gateway's own files are incomplete.</exception>
    internal static RemoteSources Read(string launcherFolder)
    {
        try
        {
            var modules = new JsonArray([.. Modules.Select(name => (JsonNode)new JsonArray(name, File.ReadAllText(Path.Combine(launcherFolder, name + ".py"))))]);
            var agent = new JsonObject(AgentFiles.SelectMany(pattern => FilesOf(launcherFolder, pattern)).Select(path => KeyValuePair.Create(Path.GetFileName(path), (JsonNode?)File.ReadAllText(path))));
            var text = modules.ToJsonString();

            // Other code has another name: a gateway of another version does not find this one's.
            var name = "_kernel_gateway_" + Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)))[..16];
            var install = $"__import__('builtins').exec({Literal(Installer)}, {{'NAME': '{name}', 'SOURCES': __import__('json').loads({Literal(text)})}})";
            return new RemoteSources(install, name, agent);
        }
        catch (IOException e)
        {
            throw new GatewayException(ErrorCode.HostNotReady, $"The code for kernels of other servers cannot be read from '{launcherFolder}': {e.Message}");
        }
    }

    /// <summary>In an order that is always the same.</summary>
    private static string[] FilesOf(string folder, string pattern)
    {
        var paths = Directory.GetFiles(folder, pattern);
        Array.Sort(paths, StringComparer.Ordinal);
        return paths.Length > 0 ? paths : throw new FileNotFoundException($"there is no {pattern}");
    }

    /// <summary>Calls it; evaluates to an answer, or fails when it is not known in the kernel.</summary>
    internal string Call(JsonObject request) => $"__import__('sys').modules['{_name}'].call({Literal(request.ToJsonString())})";

    /// <summary>A Python literal of a text that is ASCII only, as the JSON given here is; of such a text JSON and Python write the same.</summary>
    private static string Literal(string text) => JsonSerializer.Serialize(text, Plain);
}
