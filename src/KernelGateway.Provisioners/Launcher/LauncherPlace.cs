using System.Text.Json.Nodes;
using KernelGateway.Core.Provisioning;
using KernelGateway.Provisioners.Files;
using KernelGateway.Provisioners.Native;

namespace KernelGateway.Provisioners.Launcher;

/// <summary>Where an agent runs: what differs between the variants whose kernels are started by one.</summary>
internal abstract class LauncherPlace : IDisposable
{
    /// <summary>The variant's canonical name.</summary>
    internal abstract string Variant { get; }

    internal required string SandboxId { get; init; }

    /// <summary>The uid on this host of the agent and of kernels.</summary>
    internal required uint Uid { get; init; }

    /// <summary>The opened folder of the agent's and the kernels' sockets.</summary>
    internal required FolderHandle Sockets { get; init; }

    /// <summary>The same folder, as kernels see it.</summary>
    internal required string SocketsInside { get; init; }

    /// <summary>The launcher's code, as kernels see it.</summary>
    internal required string LauncherInside { get; init; }

    /// <summary>Where kernels start unless told otherwise, as they see it.</summary>
    internal required string WorkInside { get; init; }

    /// <summary>The folder of all kernels' logs, as the host sees it.</summary>
    internal required string LogsOnHost { get; init; }

    /// <summary>Environment of kernels, before that of the environment's definition and of the sandbox.</summary>
    internal required IReadOnlyDictionary<string, string> Variables { get; init; }

    /// <summary>Where its files begin on the host.</summary>
    internal abstract FileRoot Files { get; }

    /// <summary>The opened folder of the socket to the gateway's proxy, which code in the place can look into and not change; <c>null</c> where the place is not confined.</summary>
    internal FolderHandle? Egress { get; init; }

    /// <summary>The same folder, as code in the place sees it.</summary>
    internal string EgressInside { get; init; } = "";

    /// <summary>Completes when the process that stands for the place has ended.</summary>
    internal abstract Task Gone { get; }

    /// <summary>What the system inside comes from.</summary>
    internal virtual string? RunsOn => null;

    /// <summary>Why no packages of the system can be installed in it, and the way out.</summary>
    internal abstract string WhyNoSystemPackages { get; }

    /// <summary>How full its disk is; <c>null</c> when it has none of its own.</summary>
    internal virtual DiskUse? MeasureDisk() => null;

    /// <summary>What makes the place stand still; <c>null</c> where nothing can.</summary>
    internal virtual IFreezer? Freezer => null;

    /// <summary>How often a process here was ended for want of memory, since the place was made.</summary>
    internal abstract long OomKills();

    /// <summary>What somebody outside, such as a daemon, knows of an end that nobody here asked for; <c>null</c> when nobody knows more. Never faults, and takes a few seconds at most.</summary>
    internal virtual Task<HostExit?> AskForEndAsync() => Task.FromResult<HostExit?>(null);

    /// <summary>The end of what the first processes said, for a message about their end; empty when nothing.</summary>
    internal abstract string LastWords();

    /// <summary>Kills every process at once; returns when they are gone.</summary>
    /// <exception cref="IOException">Some do not go.</exception>
    internal abstract Task KillAsync();

    /// <summary>Kills every process and removes everything the place has on the host. Can be repeated after a failure.</summary>
    /// <exception cref="IOException">Something could not be removed.</exception>
    internal abstract Task RemoveAsync();

    /// <summary>What the variant needs to find the place again.</summary>
    internal abstract JsonObject Describe();

    public virtual void Dispose()
    {
        Sockets.Dispose();
        Egress?.Dispose();
    }
}
