using System.Diagnostics.CodeAnalysis;
using System.Text.Json.Nodes;
using KernelGateway.Core.Errors;
using KernelGateway.Core.Provisioning;
using KernelGateway.Provisioners.Containers;
using KernelGateway.Provisioners.Native;

namespace KernelGateway.Provisioners.Docker;

/// <summary>One container of a Docker engine. Only its limits and its removal need the engine: all else goes on while that is away.</summary>
/// <param name="site">Who made it.</param>
/// <param name="sandbox">What it has on the host.</param>
/// <param name="container">The engine's id of it.</param>
/// <param name="cgroup">The control group that the engine gave it.</param>
/// <param name="image">The label of its image.</param>
/// <param name="init">Its first process.</param>
[method: SetsRequiredMembers]
internal sealed class DockerPlace(DockerSite site, DockerSandbox sandbox, string container, string cgroup, string image, WatchedProcess init)
    : ContainerPlace(site.Ground, sandbox, new CgroupLimits(site.Ground.Layout, cgroup, site.Ground.Time), init), ILimitable
{
    /// <summary>An engine that lives knows of an end within milliseconds.</summary>
    private static readonly TimeSpan EndPatience = TimeSpan.FromSeconds(2);

    internal override string Variant => DockerProvisioner.VariantName;

    internal override string RunsOn => image;

    internal override string WhyNoSystemPackages =>
        "Sandboxes of the variant 'local-docker' have no root and a read-only image, so packages of the system cannot be installed in them. Add them to packages.txt of the environment, run kernel-images/build.sh --docker for it, and make a new sandbox.";

    public async Task SetLimitsAsync(ResourceLimits limits)
    {
        SandboxIds.Check(limits);
        ProcessRoom.Demand(Init.Pid, limits.Pids);
        if (Meter.MemoryHeld() is { } held && held > limits.MemoryBytes)
        {
            // Version 2 of control groups would take the limit and end processes until it is kept.
            throw CgroupChange.MemoryInUse(limits, held);
        }

        try
        {
            await site.Engine.UpdateAsync(container, DockerPolicy.Resources(limits), CancellationToken.None);
        }
        catch (EngineException error)
        {
            throw error.Status is null
                ? new GatewayException(ErrorCode.HostNotReady, $"The limits cannot be changed now. {error.Message}", inner: error)
                : new GatewayException(ErrorCode.Conflict, $"The limits cannot be changed. Nothing was changed. {error.Message}", inner: error);
        }
    }

    /// <summary>All differences from the policy; empty when it is as it should be.</summary>
    internal IReadOnlyList<string> Deviations(DockerProvisionerOptions options, ResourceLimits limits, bool isEnginesInit) =>
        new DockerPosture(options, site.Ground.Layout, Cgroup, Uid, limits).Deviations(Init.Pid, ContainerPolicy.OomScoreAdjust, isEnginesInit);

    /// <summary>Who ended it is known to the engine alone, which is often the one.</summary>
    internal override async Task<HostExit?> AskForEndAsync()
    {
        const string LiveRestore = "A Docker engine that stops ends its containers unless it has live-restore.";
        const int Killed = 137;
        const int Terminated = 143;
        try
        {
            var code = await site.Engine.WaitAsync(container, EndPatience, CancellationToken.None);
            var state = await site.Engine.InspectAsync(container, EndPatience, CancellationToken.None);
            return code switch
            {
                Killed when EngineAnswer.Is(state, "State", "OOMKilled") => new HostExit("oom", "The sandbox was ended because it was out of memory."),
                Killed => new HostExit("died", $"The first process of the sandbox was killed: by code in it, or from outside of the gateway, as by a stop of the Docker engine that could not wait. {LiveRestore}"),
                0 or Terminated => new HostExit("died", $"The container was stopped from outside of the gateway, as by a stop of the Docker engine or 'docker stop'. {LiveRestore}"),
                _ => null,
            };
        }
        catch (EngineException error)
        {
            return error.IsNotFound
                ? new HostExit("died", "The container was removed from outside of the gateway.")
                : new HostExit("died", $"The container ended, and the Docker engine does not answer. {LiveRestore} {error.Message}");
        }
    }

    internal override Task RemoveAsync() => site.RemoveAsync(sandbox);

    internal override JsonObject Describe()
    {
        var description = base.Describe();
        description["container"] = container;
        description["cgroup"] = cgroup;
        description["image"] = image;
        return description;
    }
}
