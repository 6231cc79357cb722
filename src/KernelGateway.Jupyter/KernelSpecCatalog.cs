using System.Text.RegularExpressions;

namespace KernelGateway.Jupyter;

/// <summary>A kernelspec that was found but cannot be used.</summary>
/// <param name="Path">The folder or file.</param>
/// <param name="Reason">A sentence that says what is wrong with it.</param>
public sealed record KernelSpecFault(string Path, string Reason);

/// <summary>What a search for kernelspecs found.</summary>
/// <param name="Specs">Name in lower case → spec.</param>
/// <param name="Faults">What was found and is broken.</param>
public sealed record KernelSpecSearchResult(
    IReadOnlyDictionary<string, KernelSpec> Specs, IReadOnlyList<KernelSpecFault> Faults);

/// <summary>
/// Finds the installed kernelspecs as jupyter_client does: folders in order, the first of a name wins, names in lower
/// case. Looks afresh at every call; keeps nothing.
/// </summary>
/// <param name="paths">Where to look.</param>
public sealed partial class KernelSpecCatalog(JupyterDataPaths paths)
{
    /// <summary>The name of the Python kernel that needs no kernelspec.</summary>
    public const string NativeKernelName = "python3";

    private const int MaxFileBytes = 1024 * 1024;

    /// <summary>Finds all kernelspecs.</summary>
    public KernelSpecSearchResult FindAll()
    {
        var specs = new Dictionary<string, KernelSpec>(StringComparer.Ordinal);
        var faults = new List<KernelSpecFault>();
        // A broken spec hides a later one of the same name, as it does in jupyter_client.
        var seen = new HashSet<string>(StringComparer.Ordinal);
        foreach (var folder in paths.KernelFolders)
        {
            foreach (var (name, directory) in FindIn(folder, faults))
            {
                if (seen.Add(name) && TryRead(name, directory, faults) is { } spec)
                {
                    specs.Add(name, spec);
                }
            }
        }

        if (!seen.Contains(NativeKernelName) && paths.FindNativeKernel() is { } native)
        {
            specs.Add(NativeKernelName, native with { Resources = FindResources(native.ResourceDirectory) });
        }

        return new KernelSpecSearchResult(specs, faults);
    }

    /// <summary>The spec of a name, whatever its case; null when there is none that can be used.</summary>
    /// <param name="name">The name.</param>
    public KernelSpec? Find(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        return FindAll().Specs.GetValueOrDefault(Key(name));
    }

    private static IEnumerable<(string Name, string Directory)> FindIn(string folder, List<KernelSpecFault> faults)
    {
        string[] directories;
        try
        {
            directories = Directory.Exists(folder) ? Directory.GetDirectories(folder) : [];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            faults.Add(new KernelSpecFault(folder, $"The folder cannot be read: {e.Message}"));
            yield break;
        }

        Array.Sort(directories, StringComparer.Ordinal);
        foreach (var directory in directories)
        {
            if (!File.Exists(Path.Combine(directory, "kernel.json")))
            {
                continue;
            }

            var name = Key(Path.GetFileName(directory));
            if (NamePattern().IsMatch(name))
            {
                yield return (name, directory);
            }
            else
            {
                faults.Add(new KernelSpecFault(
                    directory, "A kernelspec's name may hold ASCII letters, digits, and the signs - . _ only."));
            }
        }
    }

    private static KernelSpec? TryRead(string name, string directory, List<KernelSpecFault> faults)
    {
        var path = Path.Combine(directory, "kernel.json");
        try
        {
            if (new FileInfo(path).Length > MaxFileBytes)
            {
                throw new InvalidKernelFileException($"The kernel.json of {name} is larger than {MaxFileBytes} bytes.");
            }

            var spec = KernelSpec.Parse(name, File.ReadAllText(path), directory);
            return spec with { Resources = FindResources(directory) };
        }
        catch (Exception e) when (e is InvalidKernelFileException or IOException or UnauthorizedAccessException)
        {
            faults.Add(new KernelSpecFault(path, e.Message));
            return null;
        }
    }

    private static Dictionary<string, string> FindResources(string directory)
    {
        var resources = new Dictionary<string, string>(StringComparer.Ordinal);
        if (!Directory.Exists(directory))
        {
            return resources;
        }

        foreach (var path in Directory.GetFiles(directory))
        {
            var name = Path.GetFileName(path);
            if (name is "kernel.js" or "kernel.css" || name.StartsWith("logo-", StringComparison.Ordinal))
            {
                resources[name] = path;
            }
        }

        return resources;
    }

    // Lower case is what the file format says; it is not a comparison of ours.
#pragma warning disable CA1308
    private static string Key(string name) => name.ToLowerInvariant();
#pragma warning restore CA1308

    [GeneratedRegex("""^[a-z0-9._\-]+$""")]
    private static partial Regex NamePattern();
}
