using System.Globalization;

namespace KernelGateway.Jupyter;

/// <summary>A kernel that lives in a Jupyter Server, and how to reach it. Holds a secret, which its text does not show.</summary>
public sealed record ServerKernel
{
    /// <summary>The sub-protocol with binary frames, in which the JSON of kernels is passed on as it is.</summary>
    public const string BinaryProtocol = "v1.kernel.websocket.jupyter.org";

    /// <summary>The server's base address, <c>http</c> or <c>https</c>, with the path before <c>/api</c> if it has one.</summary>
    public required Uri Server { get; init; }

    /// <summary>The kernel's id in the server.</summary>
    public required string KernelId { get; init; }

    /// <summary>The server's token, sent as a header and never in an address; empty: none.</summary>
    public string Token { get; init; } = "";

    /// <summary>What makes the connections, for example over a unix socket; null: the framework's own, without proxy. Must live as long as the client.</summary>
    public HttpMessageInvoker? Http { get; init; }

    /// <summary>Sub-protocols offered; one that is not known here is not understood. With none, or when the server takes none, the older JSON form is spoken.</summary>
    public IReadOnlyList<string> Protocols { get; init; } = [BinaryProtocol];

    /// <summary>How often the server is asked for a sign of life. Default 20 s.</summary>
    public TimeSpan PingInterval { get; init; } = TimeSpan.FromSeconds(20);

    /// <summary>How long it may take for that before the connection counts as lost. Default 40 s.</summary>
    public TimeSpan PingTimeout { get; init; } = TimeSpan.FromSeconds(40);

    /// <summary>How long a lost connection is tried again, with growing waits, before the kernel counts as gone. Default 5 min.</summary>
    public TimeSpan ReconnectFor { get; init; } = TimeSpan.FromMinutes(5);

    /// <inheritdoc/>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"kernel {KernelId} at {Server.GetLeftPart(UriPartial.Path)}");

    /// <summary>The address of the kernel's channels for one session.</summary>
    internal Uri Channels(string session)
    {
        var path = new UriBuilder(Server) { Scheme = Server.Scheme == Uri.UriSchemeHttps ? "wss" : "ws", UserName = "", Password = "" };
        path.Path = $"{path.Path.TrimEnd('/')}/api/kernels/{Uri.EscapeDataString(KernelId)}/channels";
        path.Query = $"session_id={Uri.EscapeDataString(session)}";
        return path.Uri;
    }
}
