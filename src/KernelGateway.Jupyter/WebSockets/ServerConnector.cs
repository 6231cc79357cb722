using System.Net;
using System.Net.Sockets;
using System.Net.WebSockets;
using KernelGateway.Jupyter.Zmtp;

namespace KernelGateway.Jupyter.WebSockets;

/// <summary>Makes WebSocket connections to a Jupyter Server: what will pass is waited for, what is refused for good is an error at once.</summary>
internal sealed class ServerConnector(ServerKernel kernel, KernelClientOptions options) : IDisposable
{
    // A server that starts a kernel answers when the kernel does; nobody can tell that from one that hangs.
    private static readonly TimeSpan OneAttempt = TimeSpan.FromSeconds(90);

    private readonly ReconnectDelay _delay = new(new ZmtpReconnect(TimeSpan.FromMilliseconds(100), TimeSpan.FromSeconds(5)));
    private readonly HttpMessageInvoker? _own = kernel.Http is null ? NewInvoker() : null;

    /// <summary>Connects again after a connection was lost.</summary>
    /// <param name="lived">How long the last one lived.</param>
    /// <param name="cancellationToken">Stops trying.</param>
    public Task<ClientWebSocket> ReconnectAsync(TimeSpan lived, CancellationToken cancellationToken)
    {
        _delay.ConnectionLived(lived);
        return ConnectAsync(kernel.ReconnectFor, cancellationToken);
    }

    /// <exception cref="KernelException">The server refuses, has no such kernel, or was not there in time.</exception>
    public async Task<ClientWebSocket> ConnectAsync(TimeSpan within, CancellationToken cancellationToken)
    {
        using var deadline = new CancellationTokenSource(within, options.TimeProvider);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
        var last = "it did not answer";
        while (true)
        {
            try
            {
                return await TryAsync(either.Token);
            }
            catch (PassingException e)
            {
                last = e.Message;
            }
            catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
            {
                throw OutOfTime(within, last);
            }

            try
            {
                await Task.Delay(_delay.Next(), options.TimeProvider, either.Token);
            }
            catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
            {
                throw OutOfTime(within, last);
            }
        }
    }

    public void Dispose() => _own?.Dispose();

    private static KernelException OutOfTime(TimeSpan within, string last) =>
        new($"The kernel's server could not be reached within {within.TotalSeconds:0.#} s: {last}.");

    private async Task<ClientWebSocket> TryAsync(CancellationToken cancellationToken)
    {
        using var attempt = new CancellationTokenSource(OneAttempt, options.TimeProvider);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(attempt.Token, cancellationToken);
        var socket = new ClientWebSocket();
        try
        {
            socket.Options.KeepAliveInterval = kernel.PingInterval;
            socket.Options.KeepAliveTimeout = kernel.PingTimeout;
            socket.Options.CollectHttpResponseDetails = true;
            foreach (var protocol in kernel.Protocols)
            {
                socket.Options.AddSubProtocol(protocol);
            }

            if (kernel.Token.Length > 0)
            {
                socket.Options.SetRequestHeader("Authorization", $"token {kernel.Token}");
            }

            await socket.ConnectAsync(kernel.Channels(options.Identity), kernel.Http ?? _own, either.Token);
            return socket;
        }
        catch (Exception e)
        {
            var status = socket.HttpStatusCode;
            socket.Dispose();
            if (e is OperationCanceledException && !cancellationToken.IsCancellationRequested)
            {
                throw new PassingException("it did not answer");
            }

            if (e is WebSocketException or IOException or HttpRequestException)
            {
                throw Judge(status, e);
            }

            throw;
        }
    }

    private static Exception Judge(HttpStatusCode status, Exception error) => status switch
    {
        HttpStatusCode.NotFound => new KernelException("The server has no such kernel (any more)."),
        HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden => new KernelException("The server refuses the token."),
        0 => new PassingException(Innermost(error)),
        >= HttpStatusCode.InternalServerError or HttpStatusCode.TooManyRequests or HttpStatusCode.RequestTimeout => new PassingException($"it answered {(int)status}"),
        _ => new KernelException($"The server does not give the kernel's channels: it answered {(int)status}."),
    };

    private static string Innermost(Exception error)
    {
        while (error.InnerException is { } inner)
        {
            error = inner;
        }

        return error is SocketException socket ? $"{socket.SocketErrorCode}" : error.Message.TrimEnd('.');
    }

    private static HttpMessageInvoker NewInvoker() => new(new SocketsHttpHandler { AllowAutoRedirect = false, UseProxy = false, UseCookies = false }, disposeHandler: true);

    /// <summary>What may be better in a moment.</summary>
    private sealed class PassingException(string message) : Exception(message);
}
