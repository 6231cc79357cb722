using KernelGateway.Client.Connections;
using KernelGateway.Client.Events;
using KernelGateway.Client.Http;

namespace KernelGateway.Client;

/// <summary>
/// One gateway and one key. Cheap to keep, safe to share between threads and sandboxes: all of them read events over one
/// connection, which is opened when it is first needed and again whenever it was cut.
/// </summary>
public sealed class KernelGatewayClient : IAsyncDisposable
{
    private static readonly TimeSpan TcpConnectTimeout = TimeSpan.FromSeconds(10);

    private readonly SocketsHttpHandler? _ownHandler;
    private readonly HttpMessageInvoker _upgrades;
    private volatile bool _hasAnswered;

    /// <summary>Creates a client; nothing is sent yet.</summary>
    /// <param name="options">Where the gateway is; what is left out comes from <c>KERNEL_GATEWAY_URL</c> and <c>KERNEL_GATEWAY_API_KEY</c>.</param>
    /// <exception cref="ArgumentException">The address or the key cannot be right.</exception>
    public KernelGatewayClient(KernelGatewayClientOptions? options = null)
    {
        options ??= new KernelGatewayClientOptions();
        BaseAddress = options.ResolveBaseAddress();
        var key = options.ResolveApiKey();
        Time = options.TimeProvider;
        GiveUpAfter = options.GiveUpAfter;
        FirstContactTimeout = options.FirstContactTimeout;
        // Redirects are not followed: the key would go where nobody meant it to.
        _ownHandler = options.HttpMessageHandler is not null ? null : new SocketsHttpHandler
        {
            AllowAutoRedirect = false,
            ConnectTimeout = TcpConnectTimeout,
            // The system's proxy cannot reach a gateway on this machine.
            UseProxy = !BaseAddress.IsLoopback,
        };
        var handler = options.HttpMessageHandler ?? _ownHandler!;
        _upgrades = new HttpMessageInvoker(handler, disposeHandler: false);
        Http = new GatewayHttp(this, key, handler, options.RequestTimeout);
        Webhooks = new GatewayWebhooks(this);
        Hub = new HubLink(this, new WebSocketConnectionFactory(key, _upgrades));
    }

    /// <summary>The gateway's address; ends with a slash.</summary>
    public Uri BaseAddress { get; }

    /// <summary>Who is told what happens to your sandboxes.</summary>
    public GatewayWebhooks Webhooks { get; }

    internal TimeProvider Time { get; }

    internal TimeSpan GiveUpAfter { get; }

    internal TimeSpan FirstContactTimeout { get; }

    /// <summary>Whether this client has ever been answered: from then on an outage is a pause, not a wrong address.</summary>
    internal bool HasAnswered => _hasAnswered;

    internal GatewayHttp Http { get; }

    internal HubLink Hub { get; }

    internal void Answered() => _hasAnswered = true;

    internal EventReader EventsOf(string sandboxId) => new(this, sandboxId);

    /// <summary>Closes the connections. Sandboxes and runs are left as they are.</summary>
    public async ValueTask DisposeAsync()
    {
        await Hub.DisposeAsync();
        Http.Dispose();
        _upgrades.Dispose();
        _ownHandler?.Dispose();
    }
}
