using System.Text.Json;
using System.Text.Json.Nodes;
using KernelGateway.Core.Provisioning;
using KernelGateway.Provisioners.Containers;
using KernelGateway.Provisioners.Launcher;

namespace KernelGateway.Provisioners.Oci;

/// <summary>Writes <c>config.json</c> of one sandbox (OCI runtime specification 1.0.2) from <see cref="OciPolicy"/>.</summary>
internal sealed class OciBundle(OciProvisionerOptions options, UidSlots slots)
{
    private readonly string _seccomp = SeccompProfile.Load().ToJsonString();

    private readonly Lazy<string> _seccompWithoutSetId = new(() => SeccompProfile.LoadWithoutSetId().ToJsonString());

    internal void Write(ContainerFolders.SandboxFolders folders, int slot, ResourceLimits limits, CgroupLimits cgroup, SharedFiles shared)
    {
        using var file = new FileStream(Path.Combine(folders.Bundle, "config.json"), FileMode.CreateNew, FileAccess.Write);
        using var json = new Utf8JsonWriter(file);
        Build(folders, slot, limits, cgroup, shared).WriteTo(json);
    }

    internal JsonObject Build(ContainerFolders.SandboxFolders folders, int slot, ResourceLimits limits, CgroupLimits cgroup, SharedFiles shared) => new()
    {
        ["ociVersion"] = "1.0.2",
        ["hostname"] = SharedFiles.Hostname,
        ["root"] = new JsonObject { ["path"] = folders.Disk, ["readonly"] = false },
        ["process"] = Process(limits),
        ["mounts"] = new JsonArray([.. OciPolicy.Mounts(options, shared, folders).Concat(HostFolders.Binds(folders)).Select(Mount)]),
        ["linux"] = new JsonObject
        {
            ["namespaces"] = new JsonArray([.. OciPolicy.Namespaces.Select(type => new JsonObject { ["type"] = type })]),
            ["uidMappings"] = Mappings(slot),
            ["gidMappings"] = Mappings(slot),
            ["rootfsPropagation"] = "private",
            ["cgroupsPath"] = cgroup.Group,
            ["resources"] = cgroup.ToResources(limits),
            ["maskedPaths"] = Strings(ContainerPolicy.MaskedPaths),
            ["readonlyPaths"] = Strings(ContainerPolicy.ReadOnlyPaths),
            ["seccomp"] = JsonNode.Parse(HostFolders.Binds(folders).Any() ? _seccompWithoutSetId.Value : _seccomp),
        },
    };

    private JsonObject Process(ResourceLimits limits) => new()
    {
        ["terminal"] = false,
        ["cwd"] = ContainerPolicy.Workspace,
        ["args"] = Strings([options.TiniPath, "--", .. LauncherCommand.For(
            options.PythonPath, ContainerPolicy.LauncherInside, ContainerPolicy.SocketsInside, ContainerPolicy.LogsInside, ContainerPolicy.TmpInside)]),
        ["env"] = Strings(ContainerPolicy.BaseVariables.Select(variable => $"{variable.Key}={variable.Value}")),
        ["user"] = new JsonObject
        {
            ["uid"] = SharedFiles.KernelUid,
            ["gid"] = SharedFiles.KernelUid,
            ["umask"] = ContainerPolicy.Umask,
            ["additionalGids"] = new JsonArray(),
        },
        ["capabilities"] = new JsonObject(OciPolicy.CapabilitySets.Select(set => KeyValuePair.Create(set, (JsonNode?)new JsonArray()))),
        ["noNewPrivileges"] = true,
        ["oomScoreAdj"] = ContainerPolicy.OomScoreAdjust,
        ["rlimits"] = new JsonArray([.. ContainerPolicy.ResourceLimits(options.MaxFileBytes, limits.Pids).Select(limit => new JsonObject
        {
            ["type"] = $"RLIMIT_{limit.Name}",
            ["soft"] = limit.Soft,
            ["hard"] = limit.Hard,
        })]),
    };

    private JsonArray Mappings(int slot) => new(
        Mapping(0, slots.RootUid(slot)),
        Mapping(SharedFiles.KernelUid, slots.KernelUid(slot)),
        Mapping(SharedFiles.NobodyUid, slots.NobodyUid(slot)));

    private static JsonObject Mapping(uint inside, uint outside) =>
        new() { ["containerID"] = inside, ["hostID"] = outside, ["size"] = 1 };

    private static JsonObject Mount(PolicyMount mount) => new()
    {
        ["destination"] = mount.Destination,
        ["type"] = mount.Type,
        ["source"] = mount.Source,
        ["options"] = Strings(mount.MakeOptions.Concat(mount.Flags)),
    };

    private static JsonArray Strings(IEnumerable<string> values) => new([.. values.Select(value => (JsonNode)value)]);
}
