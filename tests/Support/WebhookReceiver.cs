using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Threading.Channels;
using KernelGateway.Contracts.Webhooks;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;

namespace KernelGateway.Testing;

/// <summary>One request as it came.</summary>
internal sealed record ReceivedHook(string Path, string Id, string Timestamp, string Signature, string Body)
{
    public WebhookMessage Message => JsonSerializer.Deserialize<WebhookMessage>(Body, JsonSerializerOptions.Web)!;

    /// <summary>As the README tells receivers to check it.</summary>
    public bool IsSignedWith(string secret)
    {
        var key = Convert.FromBase64String(secret["whsec_".Length..]);
        var expected = "v1," + Convert.ToBase64String(HMACSHA256.HashData(key, Encoding.UTF8.GetBytes($"{Id}.{Timestamp}.{Body}")));
        return CryptographicOperations.FixedTimeEquals(Encoding.UTF8.GetBytes(expected), Encoding.UTF8.GetBytes(Signature));
    }
}

/// <summary>A receiver of webhooks on loopback; each path behaves as the test says.</summary>
internal sealed class WebhookReceiver : IAsyncDisposable
{
    private readonly Channel<ReceivedHook> _received = Channel.CreateUnbounded<ReceivedHook>();
    private readonly ConcurrentDictionary<string, Func<ReceivedHook, HttpContext, Task>> _answers = new();
    private WebServer _server = null!;

    private WebhookReceiver()
    {
    }

    public string Address => $"http://127.0.0.1:{_server.Port}";

    public static async Task<WebhookReceiver> StartAsync()
    {
        var receiver = new WebhookReceiver();
        receiver._server = await WebServer.StartAsync(app => app.MapPost("/{**path}", receiver.TakeAsync));
        return receiver;
    }

    /// <summary>What a path answers; 200 when nothing is said.</summary>
    public void Answer(string path, Func<ReceivedHook, HttpContext, Task> answer) => _answers[path] = answer;

    /// <summary>The next request to a path; those to others are skipped.</summary>
    public async Task<ReceivedHook> NextAsync(string path)
    {
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        while (true)
        {
            var next = await _received.Reader.ReadAsync(deadline.Token);
            if (next.Path == path)
            {
                return next;
            }
        }
    }

    public ValueTask DisposeAsync() => _server.DisposeAsync();

    private async Task TakeAsync(HttpContext http)
    {
        using var reader = new StreamReader(http.Request.Body);
        var headers = http.Request.Headers;
        var hook = new ReceivedHook(http.Request.Path, headers["webhook-id"]!, headers["webhook-timestamp"]!, headers["webhook-signature"]!, await reader.ReadToEndAsync());
        _received.Writer.TryWrite(hook);
        if (_answers.TryGetValue(http.Request.Path, out var answer))
        {
            await answer(hook, http);
        }
    }
}
