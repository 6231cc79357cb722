using System.Globalization;
using System.Text.Json.Nodes;
using KernelGateway.Core.Provisioning;
using KernelGateway.Provisioners.Files;
using KernelGateway.Provisioners.Launcher;
using KernelGateway.Provisioners.Native;

namespace KernelGateway.Provisioners.Oci;

/// <summary>One container.</summary>
internal sealed class OciPlace(OciSite site, OciSandbox sandbox, string system, WatchedProcess init) : LauncherPlace, ILimitable, IMeasurable
{
    private static readonly TimeSpan KillPatience = TimeSpan.FromSeconds(5);

    private readonly CgroupMeter _meter = new(site.Layout, sandbox.Cgroup.Group);

    private readonly CgroupFreezer _freezer = new(site.Layout, sandbox.Cgroup, site.Time);

    internal override IFreezer Freezer => _freezer;

    internal override string Variant => OciProvisioner.VariantName;

    /// <summary>What is not the sandbox's to keep files in: views of the kernel, and the gateway's own folders.</summary>
    private static readonly string[] NoFiles = ["proc", "sys", "dev", "run/kg"];

    internal override Task Gone => init.Exited;

    // By what the kernel knows the container's root as, whatever it is made of and mounted on.
    internal override FileRoot Files { get; } = new(
        string.Create(CultureInfo.InvariantCulture, $"/proc/{init.Pid}/root"), "/", OciPolicy.Workspace, NoFiles, () => init.IsAlive);

    /// <summary>Its range of user ids.</summary>
    internal int Slot => sandbox.Slot;

    /// <summary>The first process of the container, by its number on the host.</summary>
    internal int InitPid => init.Pid;

    internal override string RunsOn => system;

    internal override string WhyNoSystemPackages =>
        "Sandboxes of the variant 'local' have no root and a read-only /usr, so packages of the system cannot be installed in them. Add them to packages.txt of the environment, run kernel-images/build.sh for it, and make a new sandbox.";

    internal override DiskUse? MeasureDisk() => site.Measure(sandbox);

    internal override long OomKills() => sandbox.Cgroup.OomKills();

    public Task SetLimitsAsync(ResourceLimits limits)
    {
        SandboxIds.Check(limits);
        ProcessRoom.Demand(init.Pid, limits.Pids);
        new CgroupChange(site.Layout, sandbox.Cgroup.Group).Apply(limits, _meter.MemoryHeld());
        return Task.CompletedTask;
    }

    public ResourceUsage ReadUsage() => _meter.ReadUsage();

    public LimitCounters ReadCounters() => _meter.ReadCounters();

    internal override string LastWords() => TextTail.OfFile(sandbox.Folders.Stdio);

    internal override async Task KillAsync()
    {
        // The first process of a pid namespace takes all others with it. The pidfd cannot hit a stranger, and spares a call of the runtime.
        init.Signal(LibC.SigKill);
        _freezer.KillFrozen();
        try
        {
            await Gone.WaitAsync(KillPatience, site.Time);
        }
        catch (TimeoutException error)
        {
            throw new IOException($"Process {init.Pid} of sandbox {SandboxId} was killed and does not go.", error);
        }
    }

    internal override Task RemoveAsync() => site.RemoveAsync(sandbox);

    internal override JsonObject Describe() => new()
    {
        ["slot"] = sandbox.Slot,
        ["pid"] = init.Pid,
        ["startedAt"] = init.StartedAt,
        ["system"] = system,
    };

    public override void Dispose()
    {
        _meter.Dispose();
        init.Dispose();
        base.Dispose();
        site.LetGo(SandboxId);
    }
}

/// <summary>What one sandbox has on the host.</summary>
/// <param name="Id">Its id.</param>
/// <param name="Slot">Its range of uids.</param>
/// <param name="Folders">Its folders.</param>
/// <param name="Cgroup">Its control group.</param>
internal sealed record OciSandbox(string Id, int Slot, OciFolders.SandboxFolders Folders, CgroupLimits Cgroup);
