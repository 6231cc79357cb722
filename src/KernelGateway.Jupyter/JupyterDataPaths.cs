namespace KernelGateway.Jupyter;

/// <summary>
/// The folders that Jupyter keeps its data in (jupyter_core documentation, "Common Directories and File Locations",
/// Linux): JUPYTER_PATH, the user's, the Python environment's, the system's.
/// </summary>
public sealed class JupyterDataPaths
{
    private static readonly string[] SystemFolders = ["/usr/local/share/jupyter", "/usr/share/jupyter"];

    private readonly string? _python;
    private readonly string? _prefix;

    private JupyterDataPaths(IReadOnlyList<string> dataFolders, IReadOnlyList<string> kernelFolders, string? python, string? prefix)
    {
        DataFolders = dataFolders;
        KernelFolders = kernelFolders;
        _python = python;
        _prefix = prefix;
    }

    /// <summary>The data folders, most important first.</summary>
    public IReadOnlyList<string> DataFolders { get; }

    /// <summary>The folders of kernelspecs, most important first.</summary>
    public IReadOnlyList<string> KernelFolders { get; }

    /// <summary>The folders for this process.</summary>
    /// <param name="python">The path of the Python interpreter whose environment counts; null for none.</param>
    public static JupyterDataPaths ForThisProcess(string? python = null)
    {
        var variables = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (System.Collections.DictionaryEntry variable in Environment.GetEnvironmentVariables())
        {
            variables[(string)variable.Key] = (string?)variable.Value ?? "";
        }

        return ForEnvironment(variables, Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), python);
    }

    /// <summary>The folders for a given environment.</summary>
    /// <param name="variables">The environment variables.</param>
    /// <param name="home">The user's home folder.</param>
    /// <param name="python">The path of the Python interpreter whose environment counts; null for none.</param>
    public static JupyterDataPaths ForEnvironment(IReadOnlyDictionary<string, string> variables, string home, string? python = null)
    {
        ArgumentNullException.ThrowIfNull(variables);
        ArgumentNullException.ThrowIfNull(home);
        var folders = new List<string>();
        if (Value(variables, "JUPYTER_PATH") is { } explicitPath)
        {
            folders.AddRange(explicitPath.Split(':', StringSplitOptions.RemoveEmptyEntries).Select(TrimSlash));
        }

        var prefix = python is null ? null : PrefixOf(python);
        string[] environment = prefix is null ? [] : [Path.Combine(prefix, "share/jupyter")];
        environment = [.. environment.Except(SystemFolders)];
        string[] user =
        [
            Value(variables, "JUPYTER_DATA_DIR")
                ?? Path.Combine(Value(variables, "XDG_DATA_HOME") ?? Path.Combine(home, ".local/share"), "jupyter"),
            Path.Combine(Value(variables, "PYTHONUSERBASE") ?? Path.Combine(home, ".local"), "share/jupyter"),
        ];
        folders.AddRange(IsSet(variables, "JUPYTER_PREFER_ENV_PATH") ? [.. environment, .. user] : [.. user, .. environment]);
        folders.AddRange(SystemFolders);
        var data = folders.Distinct().ToArray();
        var ipython = Value(variables, "IPYTHONDIR") ?? Path.Combine(home, ".ipython");
        string[] kernels = [.. data.Select(folder => Path.Combine(folder, "kernels")), Path.Combine(ipython, "kernels")];
        return new JupyterDataPaths(data, kernels, python, prefix);
    }

    /// <summary>
    /// The spec that needs no file: ipykernel is installed for the interpreter. Found by looking, not by starting the
    /// interpreter, which takes half a second.
    /// </summary>
    internal KernelSpec? FindNativeKernel()
    {
        if (_prefix is null || PackageFolders(_prefix).FirstOrDefault(folder =>
            File.Exists(Path.Combine(folder, "ipykernel_launcher.py"))) is not { } packages)
        {
            return null;
        }

        return new KernelSpec
        {
            Name = KernelSpecCatalog.NativeKernelName,
            Argv = [_python!, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
            DisplayName = "Python 3 (ipykernel)",
            Language = "python",
            Metadata = new Newtonsoft.Json.Linq.JObject { ["debugger"] = true },
            ResourceDirectory = Path.Combine(packages, "ipykernel/resources"),
        };
    }

    private static IEnumerable<string> PackageFolders(string prefix)
    {
        string[] libraries = [Path.Combine(prefix, "lib"), Path.Combine(prefix, "local/lib")];
        foreach (var library in libraries.Where(Directory.Exists))
        {
            foreach (var version in Directory.GetDirectories(library, "python3*"))
            {
                yield return Path.Combine(version, "site-packages");
                yield return Path.Combine(version, "dist-packages");
            }
        }
    }

    // bin/python of the prefix. Links are not followed: in a virtual environment it is a link out of it.
    private static string? PrefixOf(string python) => Path.GetDirectoryName(Path.GetDirectoryName(Path.GetFullPath(python)));

    private static string? Value(IReadOnlyDictionary<string, string> variables, string name) =>
        variables.TryGetValue(name, out var value) && value.Length > 0 ? value : null;

    private static bool IsSet(IReadOnlyDictionary<string, string> variables, string name) =>
        Value(variables, name) is { } value && value.ToUpperInvariant() is not ("NO" or "N" or "FALSE" or "OFF" or "0" or "0.0");

    private static string TrimSlash(string path) => path.Length > 1 ? path.TrimEnd('/') : path;
}
