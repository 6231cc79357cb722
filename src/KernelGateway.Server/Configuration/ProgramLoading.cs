using System.Reflection;
using System.Runtime.Loader;

namespace KernelGateway.Server.Configuration;

/// <summary>
/// Loads the whole program soon after the start. The runtime loads a part when it is first needed, and one that could not be loaded, for
/// want of file descriptors, it never tries again: a moment without them would cost calls until the next restart.
/// </summary>
internal sealed class ProgramLoading : BackgroundService
{
    protected override Task ExecuteAsync(CancellationToken stoppingToken) => Task.Run(() => LoadAll(stoppingToken), stoppingToken);

    private static void LoadAll(CancellationToken cancellationToken)
    {
        var seen = new HashSet<string>(StringComparer.Ordinal);
        var loaded = new Queue<Assembly>([typeof(ProgramLoading).Assembly]);
        while (loaded.TryDequeue(out var assembly))
        {
            foreach (var name in assembly.GetReferencedAssemblies().Where(name => seen.Add(name.FullName)))
            {
                cancellationToken.ThrowIfCancellationRequested();
                try
                {
                    loaded.Enqueue(AssemblyLoadContext.Default.LoadFromAssemblyName(name));
                }
                catch (Exception e) when (e is IOException or BadImageFormatException)
                {
                    // Named, and not there: nobody needs it.
                }
            }
        }
    }
}
