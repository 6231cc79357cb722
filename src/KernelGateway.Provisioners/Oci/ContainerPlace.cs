using System.Globalization;
using KernelGateway.Core.Provisioning;
using KernelGateway.Provisioners.Files;
using KernelGateway.Provisioners.Launcher;
using KernelGateway.Provisioners.Native;

namespace KernelGateway.Provisioners.Oci;

/// <summary>A container of this host, whoever made it: known by its first process and its control group, and needing nobody for what these can do.</summary>
internal abstract class ContainerPlace : LauncherPlace, IMeasurable
{
    private static readonly TimeSpan KillPatience = TimeSpan.FromSeconds(5);

    /// <summary>What is not the sandbox's to keep files in: views of the kernel, and the gateway's own folders.</summary>
    private static readonly string[] NoFiles = ["proc", "sys", "dev", "run/kg"];

    private readonly CgroupFreezer _freezer;
    private readonly TimeProvider _time;

    protected ContainerPlace(CgroupLayout layout, CgroupLimits cgroup, WatchedProcess init, TimeProvider time)
    {
        Cgroup = cgroup;
        Meter = new CgroupMeter(layout, cgroup.Group);
        Init = init;
        _freezer = new CgroupFreezer(layout, cgroup, time);
        _time = time;

        // By what the kernel knows the container's root as, whatever it is made of and mounted on.
        Files = new FileRoot(string.Create(CultureInfo.InvariantCulture, $"/proc/{init.Pid}/root"), "/", OciPolicy.Workspace, NoFiles, () => init.IsAlive);
    }

    internal override Task Gone => Init.Exited;

    internal override FileRoot Files { get; }

    internal override IFreezer Freezer => _freezer;

    /// <summary>Its control group.</summary>
    protected CgroupLimits Cgroup { get; }

    /// <summary>What it uses.</summary>
    protected CgroupMeter Meter { get; }

    /// <summary>Its first process.</summary>
    protected WatchedProcess Init { get; }

    public ResourceUsage ReadUsage() => Meter.ReadUsage();

    public LimitCounters ReadCounters() => Meter.ReadCounters();

    internal override long OomKills() => Cgroup.OomKills();

    internal override async Task KillAsync()
    {
        // The first process of a pid namespace takes all others with it. The pidfd cannot hit a stranger, and needs no runtime.
        Init.Signal(LibC.SigKill);
        _freezer.KillFrozen();
        try
        {
            await Gone.WaitAsync(KillPatience, _time);
        }
        catch (TimeoutException error)
        {
            throw new IOException($"Process {Init.Pid} of sandbox {SandboxId} was killed and does not go.", error);
        }
    }

    public override void Dispose()
    {
        Meter.Dispose();
        Init.Dispose();
        base.Dispose();
    }
}
