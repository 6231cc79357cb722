using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json;
using KernelGateway.Contracts.Executions;
using KernelGateway.Contracts.Sandboxes;
using KernelGateway.Core.Sandboxes;
using KernelGateway.Server.Configuration;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;

namespace KernelGateway.Server.Tests.Support;

/// <summary>The whole gateway on a free port of 127.0.0.1, with a data folder of its own that is removed with it.</summary>
internal sealed class LiveGateway : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly string _folder;

    private LiveGateway(WebApplication app, string folder, string key)
    {
        _app = app;
        _folder = folder;
        Key = key;
        Address = new Uri(app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Single());
        Http = ClientWith(key);
    }

    public Uri Address { get; }

    /// <summary>The admin's key.</summary>
    public string Key { get; }

    /// <summary>Calls as the admin.</summary>
    public HttpClient Http { get; }

    public IServiceProvider Services => _app.Services;

    public string Folder => _folder;

    public static Task<LiveGateway> StartAsync(params (string Key, string Value)[] settings) => StartAsync(null, settings);

    /// <summary>Starts one with services of the test's own in place of the usual ones.</summary>
    public static async Task<LiveGateway> StartAsync(Action<IServiceCollection>? services, params (string Key, string Value)[] settings)
    {
        var folder = Directory.CreateTempSubdirectory("kg-").FullName;
        var app = GatewayHost.Build([], builder =>
        {
            builder.Configuration.AddInMemoryCollection(new Dictionary<string, string?>
            {
                ["Urls"] = "http://127.0.0.1:0",
                ["Gateway:DataDirectory"] = folder,
                ["Gateway:LocalEval:Enabled"] = "true",
                ["Gateway:Sandboxes:DefaultVariant"] = "local-eval",
                ["Gateway:Sandboxes:MaxSandboxes"] = "1000",
                ["Gateway:Sandboxes:MaxSandboxesPerOwner"] = "1000", // One gateway serves many tests, and ends their sandboxes with itself.
                ["Serilog:MinimumLevel:Default"] = "Warning",
            });
            services?.Invoke(builder.Services);
            builder.Configuration.AddInMemoryCollection(settings.Select(s => KeyValuePair.Create<string, string?>(s.Key, s.Value)));
        });
        try
        {
            await app.StartAsync();
        }
        catch
        {
            await app.DisposeAsync();
            Directory.Delete(folder, recursive: true);
            throw;
        }

        return new LiveGateway(app, folder, (await File.ReadAllTextAsync(Path.Combine(folder, "admin.key"))).Trim());
    }

    public HttpClient ClientWith(string? key) => new()
    {
        BaseAddress = Address,
        Timeout = TimeSpan.FromSeconds(100),
        DefaultRequestHeaders = { Authorization = key is null ? null : new AuthenticationHeaderValue("Bearer", key) },
    };

    /// <summary>A new owner with a key of its own.</summary>
    public async Task<HttpClient> OtherOwnerAsync(string owner)
    {
        using var answer = await Http.PostAsJsonAsync("/api/v1/keys", new { owner });
        answer.EnsureSuccessStatusCode();
        var made = await answer.Content.ReadFromJsonAsync<JsonElement>();
        return ClientWith(made.GetProperty("key").GetString());
    }

    public async Task<SandboxInfo> CreateAsync(object? request = null)
    {
        using var answer = await Http.PostAsJsonAsync("/api/v1/sandboxes", request ?? new { });
        answer.IsSuccessStatusCode.Should().BeTrue(await answer.Content.ReadAsStringAsync());
        return (await answer.Content.ReadFromJsonAsync<SandboxInfo>())!;
    }

    public async Task<ExecutionInfo> RunAsync(string sandboxId, string code)
    {
        using var answer = await Http.PostAsJsonAsync($"/api/v1/sandboxes/{sandboxId}/executions?wait=true", new { code });
        answer.IsSuccessStatusCode.Should().BeTrue(await answer.Content.ReadAsStringAsync());
        return (await answer.Content.ReadFromJsonAsync<ExecutionInfo>())!;
    }

    public async ValueTask DisposeAsync()
    {
        // Past the API, which a test may have driven to its limits.
        var registry = Services.GetRequiredService<SandboxRegistry>();
        var owners = Services.GetRequiredService<ISandboxStore>().Load().Select(record => record.Owner).Distinct();
        await Task.WhenAll(owners.SelectMany(registry.List).Select(sandbox => registry.TerminateAsync(sandbox, TimeSpan.Zero)));

        Http.Dispose();
        await _app.StopAsync();
        await _app.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }
}
