using System.Net;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.SignalR.Client;
using Microsoft.Extensions.DependencyInjection;

namespace KernelGateway.Client.Connections;

/// <summary>Owns the one hub connection of a client, and opens it again when it is gone.</summary>
internal sealed class HubLink(KernelGatewayClient client, IConnectionFactory connections) : IAsyncDisposable
{
    private static readonly TimeSpan AttemptDeadline = TimeSpan.FromSeconds(15);

    private readonly SemaphoreSlim _turn = new(1, 1);
    private HubConnection? _connection;
    private bool _disposed;

    /// <summary>The open connection; makes at most one attempt to open it.</summary>
    public async Task<HubConnection> OpenAsync(CancellationToken cancellationToken)
    {
        await _turn.WaitAsync(cancellationToken);
        try
        {
            ObjectDisposedException.ThrowIf(_disposed, client);
            if (_connection is { State: HubConnectionState.Connected } open)
            {
                return open;
            }

            if (_connection is { } old)
            {
                _connection = null;
                await old.DisposeAsync();
            }

            _connection = await StartAsync(cancellationToken);
            client.Answered();
            return _connection;
        }
        finally
        {
            _turn.Release();
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _turn.WaitAsync();
        try
        {
            _disposed = true;
            if (_connection is { } open)
            {
                _connection = null;
                await open.DisposeAsync();
            }
        }
        finally
        {
            _turn.Release();
        }
    }

    private async Task<HubConnection> StartAsync(CancellationToken cancellationToken)
    {
        using var deadline = new CancellationTokenSource(AttemptDeadline, client.Time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, deadline.Token);
        var connection = Build();
        try
        {
            await connection.StartAsync(either.Token);
            return connection;
        }
        catch (OperationCanceledException e) when (deadline.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            await connection.DisposeAsync();
            throw new TimeoutException($"The gateway did not open the event connection within {AttemptDeadline.TotalSeconds:0} s.", e);
        }
        catch
        {
            await connection.DisposeAsync();
            throw;
        }
    }

    private HubConnection Build()
    {
        var hub = new UriBuilder(new Uri(client.BaseAddress, "hubs/sandboxes"));
        hub.Scheme = hub.Scheme == Uri.UriSchemeHttps ? Uri.UriSchemeWss : Uri.UriSchemeWs;
        var builder = new HubConnectionBuilder();
        builder.Services.AddSingleton(connections);
        builder.Services.AddSingleton<EndPoint>(new UriEndPoint(hub.Uri));
        builder.AddJsonProtocol(options => ClientJson.Apply(options.PayloadSerializerOptions));
        return builder.Build();
    }
}
