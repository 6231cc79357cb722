using KernelGateway.Core.Errors;
using KernelGateway.Core.Provisioning;
using KernelGateway.Provisioners.Launcher;

namespace KernelGateway.Provisioners.Docker;

/// <summary>Whether the variant can be used now, tried out with a container.</summary>
public sealed partial class DockerProvisioner
{
    private static readonly TimeSpan ReadyFor = TimeSpan.FromSeconds(1);

    private static readonly ResourceLimits TrialLimits = new(1.0, 256L << 20, 64) { DiskBytes = 16L << 20, DiskInodes = 1024 };

    private EngineFacts? _proven;
    private volatile ReadyAt? _lastReady;

    /// <inheritdoc/>
    public async Task<ProvisionerReadiness> CheckAsync(CancellationToken cancellationToken)
    {
        // Everybody may ask for readiness, as often as he likes; an engine has better things to do.
        if (_lastReady is { } last && _time.GetElapsedTime(last.At) < ReadyFor && _site is { HasLeftovers: false })
        {
            return last.Readiness;
        }

        var details = new Dictionary<string, string> { ["socket"] = _options.SocketPath };
        var reason = await FindMissingAsync(details, cancellationToken);
        var readiness = new ProvisionerReadiness(reason is null, reason, details);
        _lastReady = readiness.Ready ? new ReadyAt(_time.GetTimestamp(), readiness) : null;
        return readiness;
    }

    /// <summary>Everything a sandbox needs, and a trial of it; what is missing, with the way to get it.</summary>
    private async Task<string?> FindMissingAsync(Dictionary<string, string> details, CancellationToken cancellationToken)
    {
        try
        {
            var site = await SiteAsync(cancellationToken);
            var facts = await _engine.FactsAsync(cancellationToken, fresh: true);
            details["engine"] = facts.Version;
            details["api"] = facts.ApiVersion;
            details["cgroupDriver"] = facts.CgroupDriver;
            details["liveRestore"] = facts.LiveRestore ? "yes" : "no: kernels end when the engine is restarted";
            details["userNamespace"] = "no: own user ids per sandbox, which are those of the host";
            details["diskQuota"] = _options.DiskQuota ? "yes" : "no: sandboxes can fill the host's disk";
            details["stateFolder"] = _options.StateFolder;
            var policy = PolicyFor(facts);
            await site.RemoveLeftoversAsync(LogStays);
            if (await _images.SurveyAsync(cancellationToken) is not { } name)
            {
                return $"The Docker engine has none of the images that are configured ({_options.Image}). Make them: sudo kernel-images/build.sh --docker. Or set {DockerProvisionerOptions.Section}:{nameof(_options.Image)}.";
            }

            details["image"] = name;
            if (_proven != facts)
            {
                await TryOutAsync(site, name, policy, cancellationToken);
                _proven = facts;
            }

            return null;
        }
        catch (EngineException error)
        {
            return error.Message;
        }
        catch (GatewayException error)
        {
            return error.Message;
        }
    }

    private async Task TryOutAsync(DockerSite site, string name, DockerPolicy policy, CancellationToken cancellationToken)
    {
        var image = await _images.InspectAsync(name, null, needsPythonKernel: false, policy, cancellationToken);
        var place = await site.StartAsync($"trial-{Guid.NewGuid():N}", image, TrialLimits, policy, cancellationToken);
        try
        {
            // An engine returns before the filter is in place; the agent's socket says that all of it is.
            var (socket, _) = await AgentSocket.ConnectAsync(place.Sockets, place.Uid, place.Gone, _options.StartTimeout, _time, cancellationToken);
            socket.Dispose();
            if (place.Deviations(_options, TrialLimits, image.Tini is null) is { Count: > 0 } deviations)
            {
                throw NotIsolated(deviations);
            }
        }
        finally
        {
            try
            {
                await place.KillAsync();
                await place.RemoveAsync();
            }
            catch (IOException error)
            {
                LogStays(place.SandboxId, error);
            }

            place.Dispose();
        }
    }

    private sealed record ReadyAt(long At, ProvisionerReadiness Readiness);
}
