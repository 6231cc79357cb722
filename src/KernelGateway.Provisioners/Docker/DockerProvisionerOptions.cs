using System.Text.RegularExpressions;

namespace KernelGateway.Provisioners.Docker;

/// <summary>Settings of the <c>local-docker</c> variant: kernels in containers of a Docker engine on this host. Section <c>Gateway:LocalDocker</c>.</summary>
public sealed partial class DockerProvisionerOptions
{
    /// <summary>Where the settings stand in the configuration.</summary>
    public const string Section = "Gateway:LocalDocker";

    /// <summary>What stands for the environment's name in <see cref="Image"/>.</summary>
    internal const string EnvironmentMark = "{environment}";

    /// <summary>Whether the variant can be used.</summary>
    public bool Enabled { get; set; } = true;

    /// <summary>The unix socket of the engine, which must run on this host.</summary>
    public string SocketPath { get; set; } = "/var/run/docker.sock";

    /// <summary>The image of an environment that has none in <see cref="Images"/>; <c>{environment}</c> stands for the environment's name. <c>kernel-images/build.sh --docker</c> makes these.</summary>
    public string Image { get; set; } = $"kernel-gateway/{EnvironmentMark}:latest";

    /// <summary>Images of environments, by the environment's name.</summary>
    public Dictionary<string, string> Images { get; set; } = [];

    /// <summary>Images that callers may name in place of their environment's.</summary>
    public IList<string> AllowedImages { get; set; } = [];

    /// <summary>Folder for sockets, logs and disks; when empty, <c>hosts/docker</c> in the gateway's data directory. Only this gateway may use it. The engine must see it, with what is mounted in it.</summary>
    public string StateFolder { get; set; } = "";

    /// <summary>The first user id on the host for sandboxes. The range from here on, four ids a slot, must belong to nobody else, <c>local</c> included.</summary>
    public uint UidBase { get; set; } = 0x4800_0000;

    /// <summary>The number of ids, hence of sandboxes that can live at once.</summary>
    public int UidSlots { get; set; } = 4096;

    /// <summary>The control group below which the engine makes those of containers; when empty, <c>/kernel-gateway-docker</c>, or <c>kernelgateway.slice</c> where the engine leaves that to systemd.</summary>
    public string CgroupParent { get; set; } = "";

    /// <summary>The folder with <c>agent.py</c> and <c>kernel.py</c>.</summary>
    public string LauncherFolder { get; set; } = Path.Combine(AppContext.BaseDirectory, "kernel-images", "launcher");

    /// <summary>Size of <c>/tmp</c>, bytes; it counts as memory of the sandbox.</summary>
    public long TmpBytes { get; set; } = 64L << 20;

    /// <summary>Size of <c>/dev/shm</c>, bytes; it counts as memory of the sandbox.</summary>
    public long SharedMemoryBytes { get; set; } = 64L << 20;

    /// <summary>Largest file a process may write, bytes.</summary>
    public long MaxFileBytes { get; set; } = 256L << 20;

    /// <summary>Whether each sandbox has a disk of its own, made by the gateway, for the engine knows no quota on most file systems. Without it sandboxes can fill the host's disk.</summary>
    public bool DiskQuota { get; set; } = true;

    /// <summary>Size of the second disk of a sandbox, bytes, on which the kernels' logs wait for the gateway.</summary>
    public long SharedDiskBytes { get; set; } = 256L << 20;

    /// <summary>How long a container may take until its agent answers.</summary>
    public TimeSpan StartTimeout { get; set; } = TimeSpan.FromSeconds(60);

    /// <summary>The gateway's data directory, when the state folder lies in it.</summary>
    internal string? DataDirectory { get; set; }

    /// <summary>Whether a text can be the name of an image, so that it can stand in a path.</summary>
    internal static bool IsImageName(string name) => ImageName().IsMatch(name) && !name.Contains("..", StringComparison.Ordinal) && !name.Contains("//", StringComparison.Ordinal);

    [GeneratedRegex("^[A-Za-z0-9][A-Za-z0-9._/:@-]{0,254}\\z")]
    private static partial Regex ImageName();
}
