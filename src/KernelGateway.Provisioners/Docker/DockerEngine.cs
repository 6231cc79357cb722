using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace KernelGateway.Provisioners.Docker;

/// <summary>What is asked of a Docker engine, in the words of its API (versions 1.41, Docker 20.10, and later).</summary>
internal sealed class DockerEngine(EngineClient client, TimeProvider time)
{
    private const int MaxLogBytes = 64 << 10;

    /// <summary>What this is written for; an engine that no longer serves it is asked for the oldest that it does.</summary>
    private static readonly Version Written = new(1, 44);
    private static readonly Version Oldest = new(1, 41);

    private static readonly TimeSpan Quick = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan Slow = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan RemovalStep = TimeSpan.FromMilliseconds(20);

    private volatile EngineFacts? _facts;

    internal string SocketPath => client.SocketPath;

    /// <summary>Who it is; asked again after it could not be reached.</summary>
    /// <exception cref="EngineException">It cannot be reached, or is not one that can be used.</exception>
    internal async Task<EngineFacts> FactsAsync(CancellationToken cancellationToken, bool fresh = false)
    {
        if (!fresh && _facts is { } known)
        {
            return known;
        }

        _facts = null;
        var version = await client.AskAsync(HttpMethod.Get, "/version", null, Quick, cancellationToken);
        if (EngineAnswer.ApiVersion(version, "ApiVersion") is not { } newest || EngineAnswer.Text(version, "Version") is not { } name)
        {
            throw new EngineException($"What listens at {SocketPath} does not say which version of the Docker API it has; it is no Docker engine.");
        }

        name = Native.TextTail.Clean(name, 40);
        if (newest < Oldest)
        {
            throw new EngineException($"The Docker engine at {SocketPath} is version {name} (API {newest}); Docker 20.10 (API {Oldest}) or newer is needed.");
        }

        var oldest = EngineAnswer.ApiVersion(version, "MinAPIVersion") ?? Oldest;
        var spoken = newest < Written ? newest : oldest > Written ? oldest : Written;
        var info = await client.AskAsync(HttpMethod.Get, $"/v{spoken}/info", null, Quick, cancellationToken);
        var security = EngineAnswer.Texts(info, "SecurityOptions").Select(option => option.Split(',')[0]).ToHashSet();
        var facts = new EngineFacts(
            spoken.ToString(),
            name,
            EngineAnswer.Text(info, "OSType") ?? "",
            EngineAnswer.Text(info, "CgroupDriver") ?? "",
            EngineAnswer.Is(info, "LiveRestoreEnabled"),
            security.Contains("name=seccomp"),
            security.Contains("name=rootless"));
        return _facts = facts;
    }

    /// <summary>An image by name, one that <see cref="DockerProvisionerOptions.IsImageName"/>; <c>null</c> when the engine does not have it.</summary>
    internal async Task<JsonElement?> FindImageAsync(string name, CancellationToken cancellationToken)
    {
        try
        {
            return await AskAsync(HttpMethod.Get, $"/images/{name}/json", null, Quick, cancellationToken);
        }
        catch (EngineException error) when (error.IsNotFound)
        {
            return null;
        }
    }

    /// <summary>Makes a container, which does not run yet; its id.</summary>
    internal async Task<string> CreateAsync(string name, JsonObject body, CancellationToken cancellationToken)
    {
        var answer = await AskAsync(HttpMethod.Post, $"/containers/create?name={Uri.EscapeDataString(name)}", body, Slow, cancellationToken);
        return EngineAnswer.Text(answer, "Id") is { } id && EngineAnswer.IsContainerId(id)
            ? id
            : throw new EngineException($"The Docker engine at {SocketPath} made a container and gave no id for it.");
    }

    internal Task StartAsync(string id, CancellationToken cancellationToken) =>
        AskAsync(HttpMethod.Post, $"/containers/{id}/start", null, Slow, cancellationToken);

    internal Task<JsonElement> InspectAsync(string id, TimeSpan within, CancellationToken cancellationToken) =>
        AskAsync(HttpMethod.Get, $"/containers/{id}/json", null, within, cancellationToken);

    /// <summary>Waits until a container has ended and the engine knows it; the exit code.</summary>
    internal async Task<long> WaitAsync(string id, TimeSpan within, CancellationToken cancellationToken) =>
        EngineAnswer.Number(await AskAsync(HttpMethod.Post, $"/containers/{id}/wait", null, within, cancellationToken), "StatusCode")
            ?? throw new EngineException("The Docker engine did not say how a container ended.");

    /// <summary>What a container with a terminal has printed.</summary>
    internal async Task<string> LogAsync(string id, CancellationToken cancellationToken)
    {
        var facts = await FactsAsync(cancellationToken);
        var text = await client.ReadTextAsync($"/v{facts.ApiVersion}/containers/{id}/logs?stdout=1&stderr=1", Quick, cancellationToken);
        return text.Length > MaxLogBytes ? text[..MaxLogBytes] : text;
    }

    /// <summary>Changes limits of a container that runs.</summary>
    internal Task UpdateAsync(string id, JsonObject resources, CancellationToken cancellationToken) =>
        AskAsync(HttpMethod.Post, $"/containers/{id}/update", resources, Quick, cancellationToken);

    /// <summary>Ends and removes a container by name or id; returns when it is gone, or was not there.</summary>
    internal async Task RemoveAsync(string nameOrId, CancellationToken cancellationToken)
    {
        const int Busy = 409;
        var started = time.GetTimestamp();
        while (true)
        {
            try
            {
                await AskAsync(HttpMethod.Delete, $"/containers/{Uri.EscapeDataString(nameOrId)}?force=true&v=true", null, Slow, cancellationToken);
                return;
            }
            catch (EngineException error) when (error.IsNotFound)
            {
                return;
            }
            catch (EngineException error) when (error.Status == Busy && time.GetElapsedTime(started) < Quick)
            {
                // Somebody else is removing it; there is no event for "gone" that could not be missed.
                await Task.Delay(RemovalStep, time, cancellationToken);
            }
        }
    }

    /// <summary>The values of one label on all containers that have another one with a given value, whether they run or not.</summary>
    internal async Task<IReadOnlyList<string>> ListAsync(string ownerLabel, string owner, string label, CancellationToken cancellationToken)
    {
        var filters = new JsonObject { ["label"] = new JsonArray($"{ownerLabel}={owner}") }.ToJsonString();
        var list = await AskAsync(HttpMethod.Get, $"/containers/json?all=true&filters={Uri.EscapeDataString(filters)}", null, Quick, cancellationToken);
        return [.. EngineAnswer.Items(list)
            // The filter is the engine's; what it gives is looked at all the same, for what comes of it is removal.
            .Where(container => EngineAnswer.Text(container, "Labels", ownerLabel) == owner)
            .Select(container => EngineAnswer.Text(container, "Labels", label)).OfType<string>()];
    }

    /// <summary>The names and ids of all images whose name fits a pattern of the engine, such as <c>kernel-gateway/*:latest</c>.</summary>
    internal async Task<IReadOnlyDictionary<string, string>> ListImagesAsync(string pattern, CancellationToken cancellationToken)
    {
        var filters = new JsonObject { ["reference"] = new JsonArray(pattern) }.ToJsonString();
        var list = await AskAsync(HttpMethod.Get, $"/images/json?filters={Uri.EscapeDataString(filters)}", null, Quick, cancellationToken);
        var images = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var image in EngineAnswer.Items(list))
        {
            if (EngineAnswer.Text(image, "Id") is { } id && EngineAnswer.ImageDigits(id) is not null)
            {
                foreach (var tag in EngineAnswer.Texts(image, "RepoTags"))
                {
                    images[tag] = id;
                }
            }
        }

        return images;
    }

    private async Task<JsonElement> AskAsync(HttpMethod method, string path, JsonNode? body, TimeSpan within, CancellationToken cancellationToken)
    {
        var facts = await FactsAsync(cancellationToken);
        try
        {
            return await client.AskAsync(method, string.Create(CultureInfo.InvariantCulture, $"/v{facts.ApiVersion}{path}"), body, within, cancellationToken);
        }
        catch (EngineException error) when (error.Status is null)
        {
            // Whoever answers next may be of another version.
            _facts = null;
            throw;
        }
    }
}

/// <summary>What an engine says of itself.</summary>
/// <param name="ApiVersion">The version of the API that it is asked in.</param>
/// <param name="Version">Its own.</param>
/// <param name="System">The operating system of its containers.</param>
/// <param name="CgroupDriver"><c>cgroupfs</c> or <c>systemd</c>.</param>
/// <param name="LiveRestore">Whether containers outlive it.</param>
/// <param name="HasSeccomp">Whether it can filter system calls.</param>
/// <param name="IsRootless">Whether it runs as an ordinary user.</param>
internal sealed record EngineFacts(string ApiVersion, string Version, string System, string CgroupDriver, bool LiveRestore, bool HasSeccomp, bool IsRootless);
