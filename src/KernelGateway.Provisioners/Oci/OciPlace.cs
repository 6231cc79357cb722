using System.Diagnostics.CodeAnalysis;
using System.Text.Json.Nodes;
using KernelGateway.Core.Provisioning;
using KernelGateway.Provisioners.Containers;
using KernelGateway.Provisioners.Native;

namespace KernelGateway.Provisioners.Oci;

/// <summary>One container.</summary>
[method: SetsRequiredMembers]
internal sealed class OciPlace(OciSite site, OciSandbox sandbox, string system, WatchedProcess init) : ContainerPlace(site.Ground, sandbox, sandbox.Cgroup, init), ILimitable
{
    internal override string Variant => OciProvisioner.VariantName;

    /// <summary>Its range of user ids.</summary>
    internal int Slot => sandbox.Slot;

    /// <summary>The first process of the container, by its number on the host.</summary>
    internal int InitPid => Init.Pid;

    internal override string RunsOn => system;

    internal override string WhyNoSystemPackages =>
        "Sandboxes of the variant 'local' have no root and a read-only /usr, so packages of the system cannot be installed in them. Add them to packages.txt of the environment, run kernel-images/build.sh for it, and make a new sandbox.";

    public Task SetLimitsAsync(ResourceLimits limits)
    {
        SandboxIds.Check(limits);
        ProcessRoom.Demand(Init.Pid, limits.Pids);
        new CgroupChange(site.Ground.Layout, sandbox.Cgroup.Group).Apply(limits, Meter.MemoryHeld());
        return Task.CompletedTask;
    }

    internal override Task RemoveAsync() => site.RemoveAsync(sandbox);

    internal override JsonObject Describe()
    {
        var description = base.Describe();
        description["system"] = system;
        return description;
    }
}

/// <summary>What one sandbox has on the host.</summary>
/// <param name="Id">Its id.</param>
/// <param name="Slot">Its range of uids.</param>
/// <param name="Folders">Its folders.</param>
/// <param name="Cgroup">Its control group.</param>
internal sealed record OciSandbox(string Id, int Slot, ContainerFolders.SandboxFolders Folders, CgroupLimits Cgroup) : ContainerSandbox(Id, Slot, Folders);
