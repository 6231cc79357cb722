using System.Globalization;
using System.Text;

namespace KernelGateway.Chaos.Tests.Nemesis;

/// <summary>Reads lines of JSON over plain HTTP, little at a time, and goes on after the last whole line whenever it is cut.</summary>
internal sealed class SlowReader(GatewayProcess gateway, string sandboxId, History history)
{
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(50);
    private readonly StringBuilder _rest = new();
    private long _after;

    public async Task ReadAsync(CancellationToken cancellationToken)
    {
        using var http = gateway.Http();
        while (!cancellationToken.IsCancellationRequested)
        {
            try
            {
                await ReadOnceAsync(http, cancellationToken);
            }
            catch (Exception e) when (e is HttpRequestException or IOException or OperationCanceledException)
            {
                // Cut off. What was half a line is read again.
            }

            _rest.Clear();
            await Task.Delay(Pause, TimeProvider.System, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private async Task ReadOnceAsync(HttpClient http, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, string.Create(CultureInfo.InvariantCulture, $"/api/v1/sandboxes/{sandboxId}/events?after={_after}"));
        request.Headers.Add("Accept", "application/x-ndjson");
        using var response = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
        if (!response.IsSuccessStatusCode)
        {
            history.Violate($"the slow reader was refused after {_after}: {(int)response.StatusCode} {await response.Content.ReadAsStringAsync(cancellationToken)}");
            await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, cancellationToken); // It is told once, and then until the end.
        }

        await using var stream = await response.Content.ReadAsStreamAsync(cancellationToken);
        var buffer = new byte[8 << 10];
        while (await stream.ReadAsync(buffer, cancellationToken) is > 0 and var read)
        {
            _rest.Append(Encoding.UTF8.GetString(buffer, 0, read));
            Take();
            await Task.Delay(Pause, TimeProvider.System, cancellationToken);
        }
    }

    private void Take()
    {
        var text = _rest.ToString();
        var end = text.LastIndexOf('\n') + 1;
        _rest.Clear().Append(text, end, text.Length - end);
        foreach (var line in text[..end].Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            history.ShowSlowly(line);
            using var json = System.Text.Json.JsonDocument.Parse(line);
            _after = json.RootElement.GetProperty("sequence").GetInt64();
        }
    }
}
