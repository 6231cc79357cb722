using System.Globalization;
using System.Text.Json.Nodes;
using KernelGateway.Core.Provisioning;
using KernelGateway.Provisioners.Containers;
using KernelGateway.Provisioners.Launcher;

namespace KernelGateway.Provisioners.Docker;

/// <summary>The isolation policy of the <c>local-docker</c> variant: that of <c>local</c> (<see cref="Oci.OciPolicy"/>) in the words of the engine's API, as far as the engine has them.</summary>
internal sealed class DockerPolicy(DockerProvisionerOptions options, EngineFacts engine)
{
    internal const string StdioInside = "/run/kg/stdio";

    /// <summary>Where a sandbox can keep files: folders of its own disk. The rest of the image is read-only.</summary>
    internal static readonly string[] OwnFolders = ["workspace", "data", "remote", "home"];

    /// <summary>Files of <c>/etc</c> that the gateway makes: the engine would give the host's, and the image's know no such user.</summary>
    internal static readonly string[] EtcFiles = ["passwd", "group", "hosts", "resolv.conf"];

    /// <summary>A sandbox sees no <c>/sys</c> in <c>local</c>, and here an empty one.</summary>
    private static readonly string[] MaskedPaths = [.. ContainerPolicy.MaskedPaths.Where(path => !path.StartsWith("/sys/", StringComparison.Ordinal)), "/sys"];

    private readonly string _seccomp = SeccompProfile.Load().ToJsonString();

    /// <summary>The control group below which the engine makes those of containers.</summary>
    internal string Parent => options.CgroupParent.Length > 0 ? options.CgroupParent : UsesSystemd ? "kernelgateway.slice" : "/kernel-gateway-docker";

    /// <summary>Why the group that was configured cannot be used with this engine; <c>null</c> when it can.</summary>
    internal string? FindUnfitParent() => DockerProvisionerOptionsValidator.IsSlice(Parent) == UsesSystemd
        ? null
        : $"{DockerProvisionerOptions.Section}:{nameof(options.CgroupParent)} is '{Parent}', and the Docker engine manages control groups with '{engine.CgroupDriver}'. Give {(UsesSystemd ? "the name of a slice, for example kernelgateway.slice" : "a path, for example /kernel-gateway-docker")}, or leave it empty.";

    private bool UsesSystemd => engine.CgroupDriver == "systemd";

    /// <summary>Body of <c>POST /containers/create</c> for a sandbox.</summary>
    internal JsonObject ForSandbox(DockerSandbox sandbox, string launcher, uint uid, DockerImage image, ResourceLimits limits)
    {
        var agent = LauncherCommand.For(image.Python, ContainerPolicy.LauncherInside, ContainerPolicy.SocketsInside, ContainerPolicy.LogsInside, ContainerPolicy.TmpInside);
        string[] command = image.Tini is { } tini ? [tini, "--", .. agent] : agent;
        // The engine knows no umask, and its own logs have no bound that holds for one who reads them late.
        string[] entry = ["/bin/sh", "-c", $"umask 077; exec \"$@\" >>{StdioInside} 2>&1", "sh"];
        var body = Container(image, uid, limits, entry, command);
        body["Labels"] = Labels(sandbox.Id);
        var host = body["HostConfig"]!.AsObject();
        host["Init"] = image.Tini is null;
        host["LogConfig"] = new JsonObject { ["Type"] = "none" };
        host["Mounts"] = new JsonArray([.. Binds(sandbox, launcher).Select(bind => new JsonObject
        {
            ["Type"] = "bind",
            ["Source"] = bind.Source,
            ["Target"] = bind.Target,
            ["ReadOnly"] = bind.ReadOnly,
            ["BindOptions"] = new JsonObject { ["Propagation"] = "rprivate" },
        })]);
        return body;
    }

    /// <summary>The same for a look into an image: nothing of the host is mounted, and what it prints is kept.</summary>
    internal JsonObject ForLook(string id, DockerImage image, uint uid, ResourceLimits limits, string script)
    {
        var body = Container(image, uid, limits, ["/bin/sh", "-c", script, "sh"], []);
        body["WorkingDir"] = "/";
        // With a terminal its output comes as it is, not in frames.
        body["Tty"] = true;
        body["Labels"] = Labels(id);
        body["HostConfig"]!.AsObject()["LogConfig"] = new JsonObject { ["Type"] = "json-file", ["Config"] = new JsonObject { ["max-size"] = "64k", ["max-file"] = "1" } };
        return body;
    }

    /// <summary>Body of <c>POST /containers/{id}/update</c>, and a part of that of creating.</summary>
    internal static JsonObject Resources(ResourceLimits limits) => new()
    {
        ["Memory"] = limits.MemoryBytes,
        ["MemorySwap"] = limits.MemoryBytes,
        ["CpuPeriod"] = CgroupLimits.CpuPeriod,
        ["CpuQuota"] = CgroupLimits.QuotaOf(limits),
        ["PidsLimit"] = limits.Pids,
    };

    /// <summary>What of the host a sandbox gets, the folders before what lies in them.</summary>
    internal static IEnumerable<Bind> Binds(DockerSandbox sandbox, string launcher) =>
    [
        .. OwnFolders.Select(name => new Bind(Path.Combine(sandbox.Folders.Disk, name), "/" + name, false)),
        .. EtcFiles.Select(name => new Bind(sandbox.EtcFile(name), "/etc/" + name, true)),
        new(launcher, ContainerPolicy.LauncherInside, true),
        new(sandbox.Folders.Sockets, ContainerPolicy.SocketsInside, false),
        // Read-only, which does not keep from connecting: what is in it is the gateway's alone to make.
        new(sandbox.Folders.Egress, ContainerPolicy.EgressInside, true),
        new(sandbox.Folders.Logs, ContainerPolicy.LogsInside, false),
        new(sandbox.Folders.Stdio, StdioInside, false),
    ];

    private JsonObject Container(DockerImage image, uint uid, ResourceLimits limits, string[] entry, string[] command)
    {
        var host = Resources(limits);
        host["CgroupParent"] = Parent;
        host["CpuShares"] = 256;
        host["OomKillDisable"] = false;
        host["OomScoreAdj"] = ContainerPolicy.OomScoreAdjust;
        host["NetworkMode"] = "none";
        host["IpcMode"] = "private";
        host["CgroupnsMode"] = "private";
        // Each sandbox has ids of its own on the host; a map that all containers share would put them back together.
        host["UsernsMode"] = "host";
        host["Privileged"] = false;
        host["CapDrop"] = new JsonArray("ALL");
        host["SecurityOpt"] = new JsonArray("no-new-privileges=true", $"seccomp={_seccomp}");
        host["ReadonlyRootfs"] = true;
        host["MaskedPaths"] = Strings(MaskedPaths);
        host["ReadonlyPaths"] = Strings(ContainerPolicy.ReadOnlyPaths);
        host["ShmSize"] = options.SharedMemoryBytes;
        host["Tmpfs"] = new JsonObject { [ContainerPolicy.TmpInside] = string.Create(CultureInfo.InvariantCulture, $"rw,exec,nosuid,nodev,size={options.TmpBytes},nr_inodes=16384,mode=1777") };
        host["Ulimits"] = new JsonArray([.. ContainerPolicy.ResourceLimits(options.MaxFileBytes, limits.Pids).Select(limit => new JsonObject
        {
            ["Name"] = limit.Name.ToLowerInvariant(),
            ["Soft"] = limit.Soft,
            ["Hard"] = limit.Hard,
        })]);
        host["RestartPolicy"] = new JsonObject { ["Name"] = "no" };
        host["AutoRemove"] = false;
        return new JsonObject
        {
            // By what it is and not by its name, which may come to mean another one meanwhile.
            ["Image"] = image.Id,
            ["User"] = string.Create(CultureInfo.InvariantCulture, $"{uid}:{uid}"),
            ["Hostname"] = SharedFiles.Hostname,
            ["WorkingDir"] = ContainerPolicy.Workspace,
            ["Env"] = Strings(ContainerPolicy.BaseVariables.Select(variable => $"{variable.Key}={variable.Value}")),
            ["Entrypoint"] = Strings(entry),
            ["Cmd"] = Strings(command),
            ["Healthcheck"] = new JsonObject { ["Test"] = new JsonArray("NONE") },
            ["HostConfig"] = host,
        };
    }

    private JsonObject Labels(string id) => new() { [DockerSandbox.OwnerLabel] = options.StateFolder, [DockerSandbox.IdLabel] = id };

    private static JsonArray Strings(IEnumerable<string> values) => new([.. values.Select(value => (JsonNode)value)]);

    /// <summary>A file or folder of the host, and its place inside.</summary>
    internal sealed record Bind(string Source, string Target, bool ReadOnly);
}
