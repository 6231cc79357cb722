
namespace KernelGateway.Provisioners.Oci;

/// <summary>Settings of the <c>local</c> variant: kernels in OCI containers on this host. Section <c>Gateway:Local</c>.</summary>
public sealed class OciProvisionerOptions
{
    /// <summary>Where the settings stand in the configuration.</summary>
    public const string Section = "Gateway:Local";

    /// <summary>The OCI runtime (runc, crun or runsc): a path, or a name to be found on PATH.</summary>
    public string RuntimePath { get; set; } = "runc";

    /// <summary>Folder for bundles, sockets, logs, workspaces and the runtime's state; when empty, <c>hosts/local</c> in the gateway's data directory. Only this gateway may use it; its parents must be searchable by everybody.</summary>
    public string StateFolder { get; set; } = "";

    /// <summary>The first user id on the host for sandboxes. The range from here on, four ids a slot, must belong to nobody else.</summary>
    public uint UidBase { get; set; } = 0x4000_0000;

    /// <summary>The number of id ranges, hence of sandboxes that can live at once.</summary>
    public int UidSlots { get; set; } = 4096;

    /// <summary>The interpreter that runs the launcher; below <c>/usr</c>, which is all that a sandbox sees of the host.</summary>
    public string PythonPath { get; set; } = "/usr/bin/python3";

    /// <summary>The first process of a sandbox; below <c>/usr</c>.</summary>
    public string TiniPath { get; set; } = "/usr/bin/tini";

    /// <summary>The folder with <c>agent.py</c> and <c>kernel.py</c>.</summary>
    public string LauncherFolder { get; set; } = Path.Combine(AppContext.BaseDirectory, "kernel-images", "launcher");

    /// <summary>The control group below which each sandbox gets its own; made when missing.</summary>
    public string CgroupParent { get; set; } = "/kernel-gateway";

    /// <summary>Size of <c>/tmp</c>, bytes; it counts as memory of the sandbox.</summary>
    public long TmpBytes { get; set; } = 64L << 20;

    /// <summary>Size of <c>/dev/shm</c>, bytes; it counts as memory of the sandbox.</summary>
    public long SharedMemoryBytes { get; set; } = 64L << 20;

    /// <summary>Largest file a process may write, bytes.</summary>
    public long MaxFileBytes { get; set; } = 256L << 20;

    /// <summary>Whether each sandbox has a disk of its own, whose bytes and files the host's kernel bounds. Without it, sandboxes write to the folder of the gateway's state and can fill the host's disk.</summary>
    public bool DiskQuota { get; set; } = true;

    /// <summary>Size of the second disk of a sandbox, bytes, on which the kernels' logs wait for the gateway. A kernel waits when it is full; one log is at most 65 MiB.</summary>
    public long SharedDiskBytes { get; set; } = 256L << 20;

    /// <summary>The folder with the images that <c>kernel-images/build.sh</c> makes; when empty, <c>images</c> in the gateway's data directory. An environment without an image runs on the host's <c>/usr</c>.</summary>
    public string ImagesFolder { get; set; } = "";

    /// <summary>How long a container may take until its agent answers.</summary>
    public TimeSpan StartTimeout { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>The gateway's data directory, when the state folder lies in it: what is from here on is ours to make searchable.</summary>
    internal string? DataDirectory { get; set; }
}
