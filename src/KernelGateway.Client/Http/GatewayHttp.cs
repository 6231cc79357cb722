using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json;
using KernelGateway.Client.Connections;
using KernelGateway.Contracts.Errors;

namespace KernelGateway.Client.Http;

/// <summary>Sends requests, and sends them again when that is safe and the gateway was away.</summary>
internal sealed class GatewayHttp : IDisposable
{
    private const long LargestAnswer = 64 * 1024 * 1024;

    private readonly KernelGatewayClient _client;
    private readonly HttpClient _http;
    private readonly TimeSpan _attemptDeadline;

    public GatewayHttp(KernelGatewayClient client, string? apiKey, HttpMessageHandler handler, TimeSpan attemptDeadline)
    {
        _client = client;
        _attemptDeadline = attemptDeadline;
        _http = new HttpClient(handler, disposeHandler: false)
        {
            BaseAddress = client.BaseAddress,
            Timeout = Timeout.InfiniteTimeSpan,
            MaxResponseContentBufferSize = LargestAnswer,
        };
        _http.DefaultRequestHeaders.Accept.Add(new MediaTypeWithQualityHeaderValue("application/json"));
        if (apiKey is not null)
        {
            _http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", apiKey);
        }
    }

    public Task<T> GetAsync<T>(string path, CancellationToken cancellationToken) =>
        ReadAsync<T>(HttpMethod.Get, path, null, Repeat.Always, null, cancellationToken);

    /// <summary>Creates something, at most once however often the request has to be sent.</summary>
    public Task<T> CreateAsync<T>(string path, object body, string idempotencyKey, CancellationToken cancellationToken) =>
        ReadAsync<T>(HttpMethod.Post, path, body, Repeat.Always, idempotencyKey, cancellationToken);

    public Task<T> PostAsync<T>(string path, object? body, Repeat repeat, CancellationToken cancellationToken) =>
        ReadAsync<T>(HttpMethod.Post, path, body, repeat, null, cancellationToken);

    /// <summary>Puts something in the place of what is there; doing it twice is doing it once.</summary>
    public Task<T> PutAsync<T>(string path, object body, CancellationToken cancellationToken) =>
        ReadAsync<T>(HttpMethod.Put, path, body, Repeat.Always, null, cancellationToken);

    public async Task SendAsync(HttpMethod method, string path, object? body, Repeat repeat, CancellationToken cancellationToken) =>
        await SendAsync(method, path, body, repeat, null, static (_, _) => Task.FromResult(true), cancellationToken);

    public void Dispose() => _http.Dispose();

    private Task<T> ReadAsync<T>(HttpMethod method, string path, object? body, Repeat repeat, string? key, CancellationToken cancellationToken) =>
        SendAsync(method, path, body, repeat, key, ParseAsync<T>, cancellationToken);

    private async Task<T> SendAsync<T>(
        HttpMethod method,
        string path,
        object? body,
        Repeat repeat,
        string? idempotencyKey,
        Func<HttpResponseMessage, CancellationToken, Task<T>> parse,
        CancellationToken cancellationToken)
    {
        var outage = new Outage(_client);
        while (true)
        {
            Exception failure;
            using var deadline = new CancellationTokenSource(_attemptDeadline, _client.Time);
            using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, deadline.Token);
            try
            {
                return await AttemptAsync(method, path, body, idempotencyKey, parse, either.Token);
            }
            catch (KernelGatewayException e) when (CutOf(e.Code, e.Status) is { } cut)
            {
                failure = cut == Cut.Maybe && repeat == Repeat.WhenNotSent ? throw Lost(e) : e;
            }
            catch (HttpRequestException e)
            {
                failure = !SurelyNotSent(e) && repeat == Repeat.WhenNotSent ? throw Lost(e) : e;
            }
            catch (IOException e)
            {
                failure = repeat == Repeat.WhenNotSent ? throw Lost(e) : e;
            }
            catch (OperationCanceledException e) when (deadline.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
            {
                var late = new TimeoutException($"The gateway did not answer within {_attemptDeadline.TotalSeconds:0.###} s.", e);
                failure = repeat == Repeat.WhenNotSent ? throw Lost(late) : late;
            }

            await outage.PauseAsync(failure, cancellationToken);
        }
    }

    private async Task<T> AttemptAsync<T>(
        HttpMethod method,
        string path,
        object? body,
        string? idempotencyKey,
        Func<HttpResponseMessage, CancellationToken, Task<T>> parse,
        CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(method, path);
        if (body is not null)
        {
            request.Content = JsonContent.Create(body, body.GetType(), options: ClientJson.Options);
        }

        if (idempotencyKey is not null)
        {
            request.Headers.Add("Idempotency-Key", idempotencyKey);
        }

        using var response = await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
        if (!response.IsSuccessStatusCode)
        {
            var refusal = await ProblemAnswer.ReadAsync(response, cancellationToken);
            if (CutOf(refusal.Code, refusal.Status) is null)
            {
                _client.Answered();
            }

            throw refusal;
        }

        var answer = await parse(response, cancellationToken);
        _client.Answered();
        return answer;
    }

    private static async Task<T> ParseAsync<T>(HttpResponseMessage response, CancellationToken cancellationToken)
    {
        await response.Content.LoadIntoBufferAsync(LargestAnswer, cancellationToken);
        try
        {
            return await response.Content.ReadFromJsonAsync<T>(ClientJson.Options, cancellationToken) ?? throw new JsonException("The answer is empty.");
        }
        catch (JsonException e)
        {
            throw new KernelGatewayException(
                ClientErrorCodes.UnexpectedAnswer,
                $"{response.RequestMessage?.RequestUri} did not answer as a KernelGateway does: {e.Message}",
                (int)response.StatusCode,
                null,
                e);
        }
    }

    private enum Cut
    {
        /// <summary>The request may have taken effect.</summary>
        Maybe,

        /// <summary>The gateway itself said that it did nothing.</summary>
        Surely,
    }

    /// <summary>Whether an error answer means that the gateway is away for a moment; <c>null</c> when it is a real answer.</summary>
    private static Cut? CutOf(string code, int? status) => (code, status) switch
    {
        (ErrorCodes.ShuttingDown, _) => Cut.Surely,
        (ClientErrorCodes.UnexpectedAnswer, 502 or 503 or 504) => Cut.Maybe,
        _ => null,
    };

    private static bool SurelyNotSent(HttpRequestException e) =>
        e.HttpRequestError is HttpRequestError.ConnectionError or HttpRequestError.NameResolutionError or HttpRequestError.SecureConnectionError or HttpRequestError.ProxyTunnelError;

    private static KernelGatewayException Lost(Exception cause) => new(
        ClientErrorCodes.ConnectionLost,
        "The connection was cut after the request was sent, so it is not known whether it took effect; it was not repeated because that could do harm.",
        innerException: cause);
}
