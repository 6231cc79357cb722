using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.SignalR;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace KernelGateway.Client.Tests.Gateway;

/// <summary>A gateway that speaks the real routes and the real hub over real sockets; sandboxes are played by scripts.</summary>
internal sealed class FakeGateway : IAsyncDisposable
{
    private WebServer? _server;

    private FakeGateway()
    {
    }

    public FakeState State { get; } = new();

    public int Port { get; private set; }

    public Uri Address => new($"http://127.0.0.1:{Port}");

    public static async Task<FakeGateway> StartAsync()
    {
        var gateway = new FakeGateway();
        await gateway.BeginAsync();
        return gateway;
    }

    /// <summary>Starts again on the same port, with the sandboxes as they are.</summary>
    public async Task BeginAsync()
    {
        _server = await WebServer.StartAsync(
            app =>
            {
                app.Use(GuardAsync);
                app.UseRouting();
                FakeRoutes.Map(app, State);
                app.MapHub<FakeHub>("/hubs/sandboxes");
            },
            services =>
            {
                services.Configure<HostOptions>(options => options.ShutdownTimeout = TimeSpan.Zero);
                services.AddSingleton(State);
                services.AddSignalR();
            },
            Port);
        Port = _server.Port;
    }

    /// <summary>Goes away with all its connections.</summary>
    public async Task EndAsync()
    {
        if (_server is { } server)
        {
            _server = null;
            await server.DisposeAsync();
        }
    }

    public KernelGatewayClient Connect(Uri? address = null, Func<KernelGatewayClientOptions, KernelGatewayClientOptions>? change = null)
    {
        var options = new KernelGatewayClientOptions { BaseAddress = address ?? Address, ApiKey = FakeState.Key, GiveUpAfter = TimeSpan.FromSeconds(30) };
        return new KernelGatewayClient(change is null ? options : change(options));
    }

    public async ValueTask DisposeAsync() => await EndAsync();

    private async Task GuardAsync(HttpContext http, RequestDelegate next)
    {
        State.Requests.Enqueue($"{http.Request.Method} {http.Request.Path}{http.Request.QueryString}");
        if (http.Request.Headers.Authorization != $"Bearer {FakeState.Key}")
        {
            await FakeRoutes.Problem(401, "unauthenticated", "The API key is missing or unknown.").ExecuteAsync(http);
            return;
        }

        if (State.Intercept?.Invoke(http) is { } answer)
        {
            await answer.ExecuteAsync(http);
            return;
        }

        if (State.LoseAnswer?.Invoke(http) == true)
        {
            http.Response.Body = Stream.Null;
            await next(http);
            http.Abort();
            return;
        }

        await next(http);
    }
}
