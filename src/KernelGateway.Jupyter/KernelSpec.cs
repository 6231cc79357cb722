using System.Text.RegularExpressions;
using KernelGateway.Jupyter.Messaging;
using Newtonsoft.Json;
using Newtonsoft.Json.Linq;

namespace KernelGateway.Jupyter;

/// <summary>How a kernel wants to be interrupted (<c>interrupt_mode</c>).</summary>
public enum KernelInterruptMode
{
    /// <summary>By SIGINT to its process group.</summary>
    Signal,

    /// <summary>By an <c>interrupt_request</c> on the control channel.</summary>
    Message,
}

/// <summary>How to start one kind of kernel (jupyter_client documentation, "Kernel specs").</summary>
public sealed partial record KernelSpec
{
    /// <summary>The folder's name in lower case; what people ask for.</summary>
    public required string Name { get; init; }

    /// <summary>The command; may hold <c>{connection_file}</c>, <c>{resource_dir}</c> and <c>{prefix}</c>.</summary>
    public required IReadOnlyList<string> Argv { get; init; }

    /// <summary>The name shown to people.</summary>
    public string DisplayName { get; init; } = "";

    /// <summary>The language's name.</summary>
    public string Language { get; init; } = "";

    /// <summary>Variables to add to the kernel's environment; may hold <c>$NAME</c> and <c>${NAME}</c>.</summary>
    public IReadOnlyDictionary<string, string> Env { get; init; } = new Dictionary<string, string>();

    /// <summary>How to interrupt it.</summary>
    public KernelInterruptMode InterruptMode { get; init; }

    /// <summary>Anything else, such as <c>debugger</c>. Treat as read-only.</summary>
    public JObject Metadata { get; init; } = [];

    /// <summary>The folder with <c>kernel.json</c>, logos and scripts.</summary>
    public string ResourceDirectory { get; init; } = "";

    /// <summary>The files that a front end may ask for: <c>kernel.js</c>, <c>kernel.css</c>, <c>logo-*</c>; name → path.</summary>
    public IReadOnlyDictionary<string, string> Resources { get; init; } = new Dictionary<string, string>();

    /// <summary>Reads the text of a <c>kernel.json</c>.</summary>
    /// <param name="name">The spec's name.</param>
    /// <param name="json">The text.</param>
    /// <param name="resourceDirectory">The folder it was found in.</param>
    /// <exception cref="InvalidKernelFileException">It is not one; the message names the field.</exception>
    public static KernelSpec Parse(string name, string json, string resourceDirectory = "")
    {
        ArgumentNullException.ThrowIfNull(json);
        JObject found;
        try
        {
            found = LenientJson.ReadObject(System.Text.Encoding.UTF8.GetBytes(json));
        }
        catch (JsonException e)
        {
            throw new InvalidKernelFileException($"The kernel.json of {name} is not a JSON object.", e);
        }

        if (found["argv"] is not JArray { Count: > 0 } argv || argv.Any(part => part is not JValue { Value: string }))
        {
            throw new InvalidKernelFileException($"The argv in the kernel.json of {name} must be a list of at least one text.");
        }

        if (found["env"] is not (null or JObject) || found.Object("env").Properties().Any(p => p.Value is not JValue { Value: string }))
        {
            throw new InvalidKernelFileException($"The env in the kernel.json of {name} must be an object of texts.");
        }

        var mode = found.Text("interrupt_mode", "signal");
        return new KernelSpec
        {
            Name = name,
            Argv = found.Texts("argv"),
            DisplayName = found.Text("display_name", name),
            Language = found.Text("language"),
            Env = found.TextMap("env"),
            InterruptMode = mode.ToUpperInvariant() switch
            {
                "SIGNAL" => KernelInterruptMode.Signal,
                "MESSAGE" => KernelInterruptMode.Message,
                _ => throw new InvalidKernelFileException(
                    $"The interrupt_mode in the kernel.json of {name} is \"{mode}\"; signal and message are known."),
            },
            Metadata = found.Object("metadata"),
            ResourceDirectory = resourceDirectory,
        };
    }

    /// <summary>The command with its variables filled in; unknown ones stay as they are, as in jupyter_client.</summary>
    /// <param name="connectionFile">The path of the connection file, as the kernel sees it.</param>
    /// <param name="resourceDirectory">The resource folder as the kernel sees it; null is <see cref="ResourceDirectory"/>.</param>
    /// <param name="python">What <c>python</c>, <c>python3</c> and <c>python3.N</c> as the first word mean; null leaves them.</param>
    /// <param name="prefix">The value of <c>{prefix}</c>, Python's <c>sys.prefix</c>.</param>
    public IReadOnlyList<string> FormatArgv(
        string connectionFile, string? resourceDirectory = null, string? python = null, string? prefix = null)
    {
        ArgumentNullException.ThrowIfNull(connectionFile);
        var formatted = Argv.Select(part => ArgumentVariable().Replace(part, match => match.Groups[1].ValueSpan switch
        {
            "connection_file" => connectionFile,
            "resource_dir" => resourceDirectory ?? ResourceDirectory,
            "prefix" when prefix is not null => prefix,
            _ => match.Value,
        })).ToArray();
        if (python is not null && PythonName().IsMatch(formatted[0]))
        {
            formatted[0] = python;
        }

        return formatted;
    }

    /// <summary>The kernel's environment: the given one, and <see cref="Env"/> with its variables filled in from the given one.</summary>
    /// <param name="environment">The environment to start from.</param>
    public IReadOnlyDictionary<string, string> FormatEnv(IReadOnlyDictionary<string, string> environment)
    {
        ArgumentNullException.ThrowIfNull(environment);
        var formatted = new Dictionary<string, string>(environment, StringComparer.Ordinal);
        foreach (var (name, template) in Env)
        {
            formatted[name] = TemplateVariable().Replace(template, match => Fill(match, environment));
        }

        return formatted;
    }

    // Python's string.Template.safe_substitute: $$ is a dollar, unknown names stay.
    private static string Fill(Match match, IReadOnlyDictionary<string, string> environment)
    {
        if (match.Value == "$$")
        {
            return "$";
        }

        var name = match.Groups["plain"].Success ? match.Groups["plain"].Value : match.Groups["braced"].Value;
        return environment.TryGetValue(name, out var value) ? value : match.Value;
    }

    [GeneratedRegex("""\{([A-Za-z0-9_]+)\}""")]
    private static partial Regex ArgumentVariable();

    [GeneratedRegex("""\$(?:\$|(?<plain>[_A-Za-z][_A-Za-z0-9]*)|\{(?<braced>[_A-Za-z][_A-Za-z0-9]*)\})""")]
    private static partial Regex TemplateVariable();

    [GeneratedRegex("""^python(3(\.[0-9]+)?)?$""")]
    private static partial Regex PythonName();
}
