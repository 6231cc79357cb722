using System.Text.Json;
using KernelGateway.Contracts.Events;

namespace KernelGateway.Server.Tests.Support;

/// <summary>Reads the event streams as a client of the REST API would.</summary>
internal static class Events
{
    /// <summary>Lines of JSON after a number, as typed events.</summary>
    public static async IAsyncEnumerable<SandboxEvent> LinesAsync(this HttpClient http, string sandboxId, long after, bool follow)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, $"/api/v1/sandboxes/{sandboxId}/events?after={after}&follow={(follow ? "true" : "false")}");
        request.Headers.Accept.ParseAdd("application/x-ndjson");
        using var answer = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        answer.IsSuccessStatusCode.Should().BeTrue();
        using var reader = new StreamReader(await answer.Content.ReadAsStreamAsync());
        while (await reader.ReadLineAsync() is { } line)
        {
            if (line.Length > 0)
            {
                yield return JsonSerializer.Deserialize<SandboxEvent>(line, JsonSerializerOptions.Web)!;
            }
        }
    }

    /// <summary>All events there are now.</summary>
    public static async Task<List<SandboxEvent>> AllAsync(this HttpClient http, string sandboxId, long after = 0)
    {
        var all = new List<SandboxEvent>();
        await foreach (var one in http.LinesAsync(sandboxId, after, follow: false))
        {
            all.Add(one);
        }

        return all;
    }

    /// <summary>Follows until an event of the kind wanted has come.</summary>
    public static async Task<T> WaitForAsync<T>(this HttpClient http, string sandboxId, long after, Func<T, bool>? wanted = null)
        where T : SandboxEvent
    {
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        await foreach (var one in http.LinesAsync(sandboxId, after, follow: true).WithCancellation(deadline.Token))
        {
            if (one is T found && (wanted is null || wanted(found)))
            {
                return found;
            }
        }

        throw new AssertionException($"The events ended without the {typeof(T).Name} wanted.");
    }
}
