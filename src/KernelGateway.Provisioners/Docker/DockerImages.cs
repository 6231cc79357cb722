using System.Collections.Concurrent;
using System.Text.RegularExpressions;
using KernelGateway.Core.Environments;
using KernelGateway.Core.Errors;
using KernelGateway.Core.Provisioning;
using KernelGateway.Provisioners.Native;

namespace KernelGateway.Provisioners.Docker;

/// <summary>Which image a sandbox runs on, and whether it has what a sandbox needs, which is looked up once for each.</summary>
internal sealed partial class DockerImages(DockerProvisionerOptions options, DockerEngine engine) : IDisposable
{
    private static readonly TimeSpan LookDeadline = TimeSpan.FromSeconds(60);
    private static readonly ResourceLimits LookLimits = new(1.0, 256L << 20, 64);

    /// <summary>Runs in the image, as nobody and with nothing: which interpreter has ipykernel, and is there a first process.</summary>
    private const string LookScript = """
        for p in /usr/bin/python3 /usr/local/bin/python3 /opt/conda/bin/python3 "$(command -v python3)"; do
          [ -x "$p" ] || continue
          if "$p" -I -c 'import importlib.util as u, sys; sys.exit(0 if u.find_spec("ipykernel") else 9)' 2>/dev/null; then echo "kernelpython=$p"; break; fi
          echo "python=$p"
        done
        for t in /usr/bin/tini /sbin/tini /usr/sbin/tini /usr/local/bin/tini; do
          if [ -x "$t" ]; then echo "tini=$t"; break; fi
        done
        """;

    // By the id of the image, which never changes what it means.
    private readonly ConcurrentDictionary<string, Look> _looks = new(StringComparer.Ordinal);
    private readonly SemaphoreSlim _looking = new(1, 1);
    private volatile Dictionary<string, string> _seen = [];

    /// <summary>What a new sandbox of an environment would run on, as of the last look at the engine; <c>null</c> when there was nothing.</summary>
    internal string? LabelOf(string environment)
    {
        var name = NameFor(environment);
        return _seen.TryGetValue(name, out var id) ? $"{name}@{id}" : null;
    }

    /// <summary>Looks at which of the configured images the engine has; one that a sandbox could run on, or <c>null</c>.</summary>
    internal async Task<string?> SurveyAsync(CancellationToken cancellationToken)
    {
        var pattern = options.Image.Replace(DockerProvisionerOptions.EnvironmentMark, "*", StringComparison.Ordinal);
        var seen = new Dictionary<string, string>(await engine.ListImagesAsync(pattern, cancellationToken), StringComparer.Ordinal);
        foreach (var name in options.Images.Values.Concat(options.AllowedImages).Distinct().Where(name => !seen.ContainsKey(name)))
        {
            if (await engine.FindImageAsync(name, cancellationToken) is { } image && EngineAnswer.Text(image, "Id") is { } id && EngineAnswer.ImageDigits(id) is not null)
            {
                seen[name] = id;
            }
        }

        _seen = seen;
        return seen.Keys.Order(StringComparer.Ordinal).FirstOrDefault();
    }

    /// <summary>The image for a sandbox, with all that it needs.</summary>
    /// <param name="environment">Whose image, unless another is asked for.</param>
    /// <param name="asked">The name of another.</param>
    /// <param name="policy">What a look into it is confined by.</param>
    /// <param name="cancellationToken">Stops waiting.</param>
    /// <exception cref="GatewayException"><see cref="ErrorCode.HostNotReady"/>: it is missing, or lacks something; <see cref="ErrorCode.InvalidArgument"/>: it is not one of those that are allowed.</exception>
    internal async Task<DockerImage> FindAsync(EnvironmentDefinition environment, string? asked, DockerPolicy policy, CancellationToken cancellationToken)
    {
        if (asked is not null && !options.AllowedImages.Contains(asked))
        {
            throw new GatewayException(ErrorCode.InvalidArgument, $"The image is not one of those in {DockerProvisionerOptions.Section}:{nameof(options.AllowedImages)}.", "image");
        }

        var needsPythonKernel = environment.Kernels.Values.Any(kernel => kernel.KeepsLog);
        return await InspectAsync(asked ?? NameFor(environment.Name), asked is null ? environment.Name : null, needsPythonKernel, policy, cancellationToken);
    }

    /// <summary>An image by name, with all that a sandbox needs.</summary>
    /// <exception cref="GatewayException"><see cref="ErrorCode.HostNotReady"/>: it is missing, or lacks something.</exception>
    internal async Task<DockerImage> InspectAsync(string name, string? environment, bool needsPythonKernel, DockerPolicy policy, CancellationToken cancellationToken)
    {
        if (await engine.FindImageAsync(name, cancellationToken) is not { } description)
        {
            throw Unfit($"The Docker engine has no image '{name}'. {WayToGet(name, environment)}");
        }

        if (EngineAnswer.Text(description, "Id") is not { } id || EngineAnswer.ImageDigits(id) is null)
        {
            throw Unfit($"The Docker engine gives no id for the image '{name}'.");
        }

        if (EngineAnswer.Names(description, "Config", "Volumes").FirstOrDefault() is { } volume)
        {
            throw Unfit($"The image '{name}' declares the volume '{TextTail.Clean(volume, 100)}', which would be a place to write that nothing bounds. Build it without VOLUME.");
        }

        var look = await LookAsync(name, id, policy, cancellationToken);
        if (look.Python is not { } python)
        {
            throw Unfit($"The image '{name}' has no python3. {Needs}");
        }

        return look.HasKernel || !needsPythonKernel
            ? new DockerImage(name, id, python, look.Tini)
            : throw Unfit($"{python} of the image '{name}' has no ipykernel. {Needs}");
    }

    public void Dispose() => _looking.Dispose();

    private const string Needs = "A sandbox needs an image with /bin/sh, python3 and ipykernel; with tini as well the engine's own init is not needed.";

    private string NameFor(string environment) => options.Images.TryGetValue(environment, out var name)
        ? name
        : options.Image.Replace(DockerProvisionerOptions.EnvironmentMark, environment, StringComparison.Ordinal);

    /// <summary>How an image that is missing comes to be.</summary>
    internal string WayToGet(string name, string? environment) =>
        environment is not null && !options.Images.ContainsKey(environment) && options.Image.StartsWith("kernel-gateway/", StringComparison.Ordinal)
            ? $"Make it: sudo kernel-images/build.sh --docker {environment}."
            : $"Bring it there: docker pull {name}, or docker build -t {name} with its Dockerfile. The gateway pulls none itself.";

    private async Task<Look> LookAsync(string name, string id, DockerPolicy policy, CancellationToken cancellationToken)
    {
        if (_looks.TryGetValue(id, out var known))
        {
            return known;
        }

        await _looking.WaitAsync(cancellationToken);
        try
        {
            return _looks.TryGetValue(id, out known) ? known : _looks[id] = Look.Parse(await RunLookAsync(new DockerImage(name, id, "", null), policy));
        }
        catch (EngineException error) when (error.Status is not null)
        {
            throw Unfit($"The image '{name}' cannot be used: {error.Message} {Needs}");
        }
        finally
        {
            _looking.Release();
        }
    }

    /// <summary>Not with the caller's token: it must be removed whatever happens.</summary>
    private async Task<string> RunLookAsync(DockerImage image, DockerPolicy policy)
    {
        var look = $"look-{Guid.NewGuid():N}";
        var container = DockerSandbox.NameOf(options.StateFolder, look);
        try
        {
            // The first id of the first range: of no process, and of no file.
            var id = await engine.CreateAsync(container, policy.ForLook(look, image, options.UidBase, LookLimits, LookScript), CancellationToken.None);
            await engine.StartAsync(id, CancellationToken.None);
            await engine.WaitAsync(id, LookDeadline, CancellationToken.None);
            return await engine.LogAsync(id, CancellationToken.None);
        }
        finally
        {
            await engine.RemoveAsync(container, CancellationToken.None);
        }
    }

    private static GatewayException Unfit(string message) => new(ErrorCode.HostNotReady, message);

    /// <summary>What was found in an image. Said by a program in it: only what can be a path is believed.</summary>
    private sealed partial record Look(string? Python, bool HasKernel, string? Tini)
    {
        internal static Look Parse(string printed)
        {
            var found = printed.Split('\n', 50).Select(line => line.Trim().Split('=', 2)).Where(parts => parts.Length == 2 && ProgramPath().IsMatch(parts[1]))
                .ToLookup(parts => parts[0], parts => parts[1]);
            var kernel = found["kernelpython"].FirstOrDefault();
            return new Look(kernel ?? found["python"].FirstOrDefault(), kernel is not null, found["tini"].FirstOrDefault());
        }

        [GeneratedRegex("^/[A-Za-z0-9._/+-]{1,200}\\z")]
        private static partial Regex ProgramPath();
    }
}
