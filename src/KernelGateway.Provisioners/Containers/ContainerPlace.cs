using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Text.Json.Nodes;
using KernelGateway.Core.Provisioning;
using KernelGateway.Provisioners.Files;
using KernelGateway.Provisioners.Launcher;
using KernelGateway.Provisioners.Native;

namespace KernelGateway.Provisioners.Containers;

/// <summary>A container of this host, whoever made it: known by its first process and its control group, and needing nobody for what these can do.</summary>
internal abstract class ContainerPlace : LauncherPlace, IMeasurable
{
    private static readonly TimeSpan KillPatience = TimeSpan.FromSeconds(5);

    /// <summary>What is not the sandbox's to keep files in: views of the kernel, and the gateway's own folders.</summary>
    private static readonly string[] NoFiles = ["proc", "sys", "dev", "run/kg"];

    private readonly ContainerGround _ground;
    private readonly ContainerSandbox _sandbox;
    private readonly CgroupFreezer _freezer;

    /// <summary>Opens what it shares with the gateway.</summary>
    /// <param name="ground">Where it stands.</param>
    /// <param name="sandbox">What it has there.</param>
    /// <param name="cgroup">Its control group.</param>
    /// <param name="init">Its first process; disposed with this, also when this cannot be made.</param>
    /// <exception cref="IOException">Something of it is not there.</exception>
    [SetsRequiredMembers]
    protected ContainerPlace(ContainerGround ground, ContainerSandbox sandbox, CgroupLimits cgroup, WatchedProcess init)
    {
        _ground = ground;
        _sandbox = sandbox;
        _freezer = new CgroupFreezer(ground.Layout, cgroup, ground.Time);
        Cgroup = cgroup;
        Init = init;
        Meter = new CgroupMeter(ground.Layout, cgroup.Group);

        // By what the kernel knows the container's root as, whatever it is made of and mounted on.
        Files = new FileRoot(string.Create(CultureInfo.InvariantCulture, $"/proc/{init.Pid}/root"), "/", ContainerPolicy.Workspace, NoFiles, () => init.IsAlive);
        SandboxId = sandbox.Id;
        Uid = ground.Slots.KernelUid(sandbox.Slot);
        SocketsInside = ContainerPolicy.SocketsInside;
        LauncherInside = ContainerPolicy.LauncherInside;
        WorkInside = ContainerPolicy.Workspace;
        EgressInside = ContainerPolicy.EgressInside;
        LogsOnHost = sandbox.Folders.Logs;
        Variables = ContainerPolicy.KernelVariables;
        try
        {
            Sockets = FolderHandle.Open(sandbox.Folders.Sockets);
            Egress = FolderHandle.Open(sandbox.Folders.Egress);
        }
        catch
        {
            Sockets?.Dispose();
            Meter.Dispose();
            init.Dispose();
            throw;
        }
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

    internal override DiskUse? MeasureDisk() => _ground.Disks.Measure(_sandbox.Folders);

    internal override long OomKills() => Cgroup.OomKills();

    internal override string LastWords() => TextTail.OfFile(_sandbox.Folders.Stdio);

    internal override async Task KillAsync()
    {
        // The first process of a pid namespace takes all others with it. The pidfd cannot hit a stranger, and needs no runtime.
        Init.Signal(LibC.SigKill);
        _freezer.KillFrozen();
        try
        {
            await Gone.WaitAsync(KillPatience, _ground.Time);
        }
        catch (TimeoutException error)
        {
            throw new IOException($"Process {Init.Pid} of sandbox {SandboxId} was killed and does not go.", error);
        }
    }

    internal override JsonObject Describe() => new() { ["slot"] = _sandbox.Slot, ["pid"] = Init.Pid, ["startedAt"] = Init.StartedAt };

    public override void Dispose()
    {
        Meter.Dispose();
        Init.Dispose();
        base.Dispose();
        _ground.Held.LetGo(SandboxId);
    }
}
