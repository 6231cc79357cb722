using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using KernelGateway.Core.Errors;
using KernelGateway.Provisioners.Native;

namespace KernelGateway.Provisioners.JupyterServer;

/// <summary>Calls of a JSON API whose answers are not trusted: sizes, depth and times are bounded, and their words are cleaned before they are shown.</summary>
/// <param name="http">Makes the connections.</param>
/// <param name="root">The base address; ends with a slash.</param>
/// <param name="authorization">The header's value.</param>
/// <param name="who">Whom a person would say is called.</param>
/// <param name="time">The clock.</param>
internal sealed class RestCalls(HttpMessageInvoker http, Uri root, AuthenticationHeaderValue? authorization, string who, TimeProvider time)
{
    private const int MaxAnswerBytes = 4 << 20;
    private const int MaxDepth = 32;
    private const int MaxWords = 300;

    private static readonly TimeSpan[] Waits = [TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(2), TimeSpan.FromSeconds(4)];
    private static readonly JsonDocumentOptions Reading = new() { MaxDepth = MaxDepth };

    /// <summary>Calls once. No answer is an answer too: <see cref="RestAnswer.Silence"/>.</summary>
    /// <exception cref="GatewayException"><see cref="ErrorCode.KernelFailed"/>: the answer cannot be taken.</exception>
    internal async Task<RestAnswer> CallAsync(HttpMethod method, string path, JsonNode? body, TimeSpan within, CancellationToken cancellationToken)
    {
        using var deadline = new CancellationTokenSource(within, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
        using var request = new HttpRequestMessage(method, new Uri(root, path)) { Content = body is null ? null : new StringContent(body.ToJsonString(), Encoding.UTF8, "application/json") };
        request.Headers.Authorization = authorization;
        request.Headers.Accept.ParseAdd("application/json");
        try
        {
            using var answer = await http.SendAsync(request, either.Token);
            return Read(answer.StatusCode, await ReadBodyAsync(answer, either.Token));
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return new RestAnswer(who, default, default) { Silence = $"{who} did not answer within {within.TotalSeconds:0.#} s." };
        }
        catch (Exception e) when (e is HttpRequestException or IOException or SocketException)
        {
            return new RestAnswer(who, default, default) { Silence = $"{who} cannot be reached: {TextTail.Clean(Innermost(e).Message, MaxWords)}" };
        }
    }

    /// <summary>Calls, and calls again after 1, 2 and 4 seconds while there is no answer or one that says: later.</summary>
    internal async Task<RestAnswer> CallPatientlyAsync(HttpMethod method, string path, JsonNode? body, TimeSpan within, CancellationToken cancellationToken)
    {
        foreach (var wait in Waits)
        {
            var answer = await CallAsync(method, path, body, within, cancellationToken);
            if (!answer.IsPassing)
            {
                return answer;
            }

            await Task.Delay(wait, time, cancellationToken);
        }

        return await CallAsync(method, path, body, within, cancellationToken);
    }

    private async Task<byte[]> ReadBodyAsync(HttpResponseMessage answer, CancellationToken cancellationToken)
    {
        using var body = await answer.Content.ReadAsStreamAsync(cancellationToken);
        var kept = new MemoryStream();
        var buffer = new byte[16 << 10];
        while (await body.ReadAsync(buffer, cancellationToken) is > 0 and var count)
        {
            if (kept.Length + count > MaxAnswerBytes)
            {
                throw new GatewayException(ErrorCode.KernelFailed, $"{who} answered with more than {MaxAnswerBytes} bytes, which is not read.");
            }

            kept.Write(buffer, 0, count);
        }

        return kept.ToArray();
    }

    private RestAnswer Read(HttpStatusCode status, byte[] body)
    {
        JsonElement json = default;
        try
        {
            if (body.Length > 0)
            {
                using var document = JsonDocument.Parse(body, Reading);
                json = document.RootElement.Clone();
            }
        }
        catch (JsonException) when ((int)status >= 400)
        {
            // A proxy's page of HTML: the status says enough.
        }
        catch (JsonException e)
        {
            throw new GatewayException(ErrorCode.KernelFailed, $"{who} answered with something that is not JSON.", inner: e);
        }

        return new RestAnswer(who, status, json);
    }

    private static Exception Innermost(Exception error) => error.InnerException is { } inner ? Innermost(inner) : error;
}

/// <summary>An answer of a JSON API.</summary>
/// <param name="Who">Who answered.</param>
/// <param name="Status">The status.</param>
/// <param name="Json">The body; undefined when there is none.</param>
internal sealed record RestAnswer(string Who, HttpStatusCode Status, JsonElement Json)
{
    private const int MaxWords = 300;

    /// <summary>That there was no answer, as a sentence; <c>null</c> when there was one.</summary>
    internal string? Silence { get; init; }

    internal bool IsGood => (int)Status is >= 200 and < 300;

    internal bool IsPassing => Silence is not null || Status is HttpStatusCode.BadGateway or HttpStatusCode.ServiceUnavailable or HttpStatusCode.GatewayTimeout;

    internal bool IsRefused => Status is HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden;

    /// <summary>What the server says about it, fit to be shown.</summary>
    internal string Words => TextTail.Clean(TextOf(Json, "message") ?? TextOf(Json, "reason") ?? "", MaxWords);

    /// <summary>A text of an object; <c>null</c> when it is none.</summary>
    internal static string? TextOf(JsonElement json, string name) =>
        json.ValueKind == JsonValueKind.Object && json.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    /// <summary>A number of an object; <c>null</c> when it is none.</summary>
    internal static double? NumberOf(JsonElement json, string name) =>
        json.ValueKind == JsonValueKind.Object && json.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out var number) && double.IsFinite(number)
            ? number
            : null;

    /// <summary>An answer that cannot be used, as an error.</summary>
    internal GatewayException Unexpected(string what) =>
        new(ErrorCode.KernelFailed, Silence ?? $"{Who} did not {what}: it answered {(int)Status}{(Words.Length > 0 ? $" ({Words})" : "")}.");
}
