using System.Net;
using System.Net.WebSockets;
using Microsoft.AspNetCore.Connections;

namespace KernelGateway.Client.Connections;

/// <summary>
/// Opens the hub's WebSocket directly, without negotiation. Stands in for the HTTP connection package of SignalR:
/// only WebSockets are needed here, and its transport fallback would cost round trips.
/// </summary>
internal sealed class WebSocketConnectionFactory(string? apiKey, HttpMessageInvoker invoker) : IConnectionFactory
{
    public async ValueTask<ConnectionContext> ConnectAsync(EndPoint endpoint, CancellationToken cancellationToken = default)
    {
        var address = ((UriEndPoint)endpoint).Uri;
        var socket = new ClientWebSocket();
        socket.Options.CollectHttpResponseDetails = true;
        if (apiKey is not null)
        {
            socket.Options.SetRequestHeader("Authorization", $"Bearer {apiKey}");
        }

        try
        {
            await socket.ConnectAsync(address, invoker, cancellationToken);
        }
        catch (WebSocketException e) when (Refusal.Of(socket.HttpStatusCode, address, e) is { } refusal)
        {
            socket.Dispose();
            throw refusal;
        }
        catch
        {
            socket.Dispose();
            throw;
        }

        return new WebSocketConnection(socket);
    }
}
