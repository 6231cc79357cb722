using System.Net;
using System.Net.Sockets;
using KernelGateway.Contracts.Sandboxes;
using KernelGateway.Core.Egress;
using KernelGateway.Core.Errors;
using KernelGateway.Core.Policies;
using Microsoft.Extensions.Options;

namespace KernelGateway.Core.Webhooks;

/// <summary>
/// The way out for webhooks. Addresses come from owners, who must not reach through the gateway what they cannot reach themselves: the
/// address that is dialled is the one that was judged, redirects are not followed, no proxy, and what a receiver answers is not read.
/// </summary>
public sealed class WebhookDoor : IDisposable
{
    private const int MaxUrl = 2048;

    private readonly NetworkGuard _guard;
    private readonly GuardedDialler _dialler;
    private readonly WebhookOptions _options;
    private readonly NetworkRules _rules;
    private readonly HttpMessageInvoker _http;

    /// <param name="guard">How names are resolved, and which addresses are this host's.</param>
    /// <param name="options">Validated settings.</param>
    public WebhookDoor(NetworkGuard guard, IOptions<WebhookOptions> options)
    {
        ArgumentNullException.ThrowIfNull(options);
        _guard = guard;
        _dialler = new GuardedDialler(guard);
        _options = options.Value;
        var policy = _options.AllowedHosts.Count > 0 ? NetworkPolicy.Allowlist : NetworkPolicy.All;
        _rules = new NetworkRules(new NetworkSettings(policy, _options.AllowedHosts, []), [], [.. _options.AllowedPrivateAddresses.Select(IPNetwork.Parse)]);
        _http = new HttpMessageInvoker(new SocketsHttpHandler
        {
            AllowAutoRedirect = false,
            UseProxy = false,
            UseCookies = false,
            AutomaticDecompression = DecompressionMethods.None,
            ActivityHeadersPropagator = null,
            ConnectCallback = ConnectAsync,
            PooledConnectionLifetime = TimeSpan.FromMinutes(1),
            MaxResponseHeadersLength = 16,
            MaxResponseDrainSize = 4096,
            ResponseDrainTimeout = TimeSpan.FromSeconds(1),
        });
    }

    /// <summary>Reads an owner's address.</summary>
    /// <exception cref="GatewayException"><see cref="ErrorCode.InvalidArgument"/>: it is none, or the configuration does not allow it.</exception>
    internal Uri Check(string? url)
    {
        if (url is null || url.Length > MaxUrl || url.Any(c => c is <= ' ' or > '~') || !Uri.TryCreate(url, UriKind.Absolute, out var parsed)
            || parsed.Scheme is not ("https" or "http") || parsed.UserInfo.Length > 0 || parsed.Fragment.Length > 0)
        {
            throw Invalid($"must be an absolute https address in ASCII, without user and fragment, of at most {MaxUrl} characters");
        }

        if (parsed.Scheme == "http" && !_options.AllowHttp)
        {
            throw Invalid($"must begin with https; only the operator can allow http ({WebhookOptions.Section}:{nameof(WebhookOptions.AllowHttp)})");
        }

        var verdict = Decide(parsed.Host, parsed.Port, out var destination);
        if (verdict.Allowed && destination!.Host.Address is { } address)
        {
            verdict = _rules.Decide(destination, address, _guard.OwnAddresses());
        }

        return verdict.Allowed ? parsed : throw Invalid($"leads where webhooks may not ({verdict.Rule}). {WayOut}");
    }

    /// <summary>Sends one request; the answer's status is all that is taken of it.</summary>
    /// <exception cref="HttpRequestException">It could not be sent, or was not answered.</exception>
    internal async Task<int> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        using var answer = await _http.SendAsync(request, cancellationToken);
        return (int)answer.StatusCode;
    }

    /// <inheritdoc/>
    public void Dispose() => _http.Dispose();

    private static string WayOut =>
        $"Only the operator can allow it, with {WebhookOptions.Section}:{nameof(WebhookOptions.AllowedHosts)} and {nameof(WebhookOptions.AllowedPrivateAddresses)}.";

    private NetworkVerdict Decide(string host, int port, out Destination? destination)
    {
        destination = HostName.TryParse(host, out var name, out var problem) ? new Destination(name, port) : null;
        return destination is null ? NetworkVerdict.Deny(problem, "") : _rules.Decide(destination);
    }

    private async ValueTask<Stream> ConnectAsync(SocketsHttpConnectionContext context, CancellationToken cancellationToken)
    {
        var verdict = Decide(context.DnsEndPoint.Host, context.DnsEndPoint.Port, out var destination);
        return verdict.Allowed
            ? new NetworkStream(await _dialler.ConnectAsync(_rules, destination!, cancellationToken), ownsSocket: true)
            : throw new HttpRequestException($"It leads where webhooks may not ({verdict.Rule}). {WayOut}");
    }

    private static GatewayException Invalid(string problem) => new(ErrorCode.InvalidArgument, $"'url' {problem}.".Replace("..", ".", StringComparison.Ordinal), "url");
}
