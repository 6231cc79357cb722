using System.Security.Cryptography;
using System.Text;
using KernelGateway.Provisioners.Native;

namespace KernelGateway.Provisioners.JupyterServer;

/// <summary>What reaching the files and commands of a server needs on this host: our code, and room for copies of what commands put out.</summary>
/// <param name="LauncherFolder">The folder <c>kernel-images/launcher</c>.</param>
/// <param name="StateFolder">The folder of the variant's state.</param>
internal sealed record ServerReach(string LauncherFolder, string StateFolder)
{
    private string Copies => Path.Combine(StateFolder, "commands");

    /// <summary>Where the copies of one sandbox are.</summary>
    internal string CopiesOf(string sandboxId) => Path.Combine(Copies, sandboxId);

    /// <summary>The name of a sandbox on the server's machine, on which there may be those of other gateways. Short: it is a part of a socket's path.</summary>
    internal string NameOf(string sandboxId) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes($"{Environment.MachineName}\n{StateFolder}\n{sandboxId}")))[..16];

    /// <summary>Removes the copies of one sandbox.</summary>
    /// <exception cref="IOException">Something is left.</exception>
    internal Task RemoveAsync(string sandboxId, TimeProvider time) => FolderRemoval.RemoveAsync(CopiesOf(sandboxId), time);

    /// <summary>Removes the copies of sandboxes that are neither known nor held.</summary>
    internal Task SweepAsync(IReadOnlySet<string> known, HeldPlaces held, Action<string, IOException> failed, TimeProvider time, CancellationToken cancellationToken) =>
        held.RemoveOrphansAsync(Copies, known, id => RemoveAsync(id, time), failed, cancellationToken);
}
