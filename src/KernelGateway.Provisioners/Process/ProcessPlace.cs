using System.Text.Json.Nodes;
using KernelGateway.Provisioners.Files;
using KernelGateway.Provisioners.Launcher;
using KernelGateway.Provisioners.Native;

namespace KernelGateway.Provisioners.Process;

/// <summary>One agent that is a plain process of this host, and its kernels.</summary>
internal sealed class ProcessPlace(ProcessSite site, WatchedProcess agent, MarkedProcesses processes) : LauncherPlace
{
    internal override string Variant => ProcessProvisioner.VariantName;

    internal override IFreezer Freezer { get; } = new StopSignals(agent, processes, site.Ground.Time);

    internal override Task Gone => agent.Exited;

    internal override string RunsOn => "host";

    internal override string WhyNoSystemPackages =>
        "In the variant 'local-eval' packages of the system would be installed on the gateway's own host, which no sandbox may change. Install them on the host, or use the variant 'local' with an image made by kernel-images/build.sh.";

    /// <summary>Its work folder, and nothing else of the host: there is no wall, but no need to lead past it either.</summary>
    internal override FileRoot Files => new(WorkInside, WorkInside, "/", [], () => agent.IsAlive);

    /// <summary>Nobody counts for single processes.</summary>
    internal override long OomKills() => 0;

    internal override string LastWords() => TextTail.OfFile(site.FoldersOf(SandboxId).Stdio);

    internal override async Task KillAsync()
    {
        // The agent first: it starts what the others would have to be looked for again.
        agent.Signal(LibC.SigKill);
        await processes.KillAsync();
    }

    internal override Task RemoveAsync() => site.Ground.RemoveAsync(SandboxId);

    internal override JsonObject Describe() => new() { ["pid"] = agent.Pid, ["startedAt"] = agent.StartedAt };

    public override void Dispose()
    {
        agent.Dispose();
        base.Dispose();
        site.Ground.Held.LetGo(SandboxId);
    }
}
