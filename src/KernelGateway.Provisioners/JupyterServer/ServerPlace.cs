using System.Text.Json.Nodes;

namespace KernelGateway.Provisioners.JupyterServer;

/// <summary>Whose server it is, and what becomes of it: what differs between the variants whose kernels live in a Jupyter Server.</summary>
internal abstract class ServerPlace : IDisposable
{
    /// <summary>The variant's canonical name.</summary>
    internal abstract string Variant { get; }

    internal required string SandboxId { get; init; }

    internal required ServerAccess Access { get; init; }

    /// <summary>What reaching its files and commands needs on this host.</summary>
    internal required ServerReach Reach { get; init; }

    /// <summary>Where kernels start unless told otherwise, as they see it; <c>null</c>: where the server starts them.</summary>
    internal virtual string? WorkFolder => null;

    /// <summary>Whether all kernels of the server are the sandbox's, and end with it.</summary>
    internal abstract bool IsOwn { get; }

    /// <summary>Whether its end is that of every process in it, commands among them.</summary>
    internal virtual bool EndsItsProcesses => false;

    /// <summary>Whether the whole machine is the sandbox's, so that all its files may be given access to, and not only those below the working folder.</summary>
    internal virtual bool IsWholeMachine => false;

    /// <summary>Why no sandbox may install packages on the server's machine; <c>null</c> where it may.</summary>
    internal virtual string? WhyNoSystemPackages => null;

    /// <summary>Where the system inside comes from.</summary>
    internal virtual string? RunsOn => null;

    /// <summary>Completes when the server is known to be gone; never by itself for one of somebody else.</summary>
    internal abstract Task Gone { get; }

    /// <summary>Why it has gone, a sentence.</summary>
    internal abstract string WhyGone { get; }

    /// <summary>Looks whether it is there still, for those that nobody tells; asked now and then.</summary>
    internal virtual Task LookAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <summary>Ends a server of our own, with all in it, and removes what is left. Can be called again.</summary>
    /// <exception cref="IOException">Something is left.</exception>
    internal abstract Task EndAsync(TimeSpan grace);

    /// <summary>The variant's own part of the description.</summary>
    internal abstract JsonObject Describe();

    public abstract void Dispose();
}
