using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Net.Sockets;
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

    /// <summary>Posts what may take longer than most.</summary>
    public Task<T> PostAsync<T>(string path, object body, Repeat repeat, TimeSpan within, CancellationToken cancellationToken) =>
        SendAsync(() => Request(HttpMethod.Post, path, body, null), repeat, ParseAsync<T>, within, cancellationToken);

    /// <summary>Puts something in the place of what is there; doing it twice is doing it once.</summary>
    public Task<T> PutAsync<T>(string path, object body, CancellationToken cancellationToken) =>
        ReadAsync<T>(HttpMethod.Put, path, body, Repeat.Always, null, cancellationToken);

    public Task<T> PatchAsync<T>(string path, object body, Repeat repeat, CancellationToken cancellationToken) =>
        ReadAsync<T>(HttpMethod.Patch, path, body, repeat, null, cancellationToken);

    public async Task SendAsync(HttpMethod method, string path, object? body, Repeat repeat, CancellationToken cancellationToken) =>
        await SendAsync(() => Request(method, path, body, null), repeat, static (_, _) => Task.FromResult(true), _attemptDeadline, cancellationToken);

    /// <summary>Sends what a content has; it is made anew for every attempt.</summary>
    /// <param name="path">Where to.</param>
    /// <param name="content">Makes the content.</param>
    /// <param name="repeat">Whether it can be sent again.</param>
    /// <param name="within">How long one attempt may take.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    public Task<T> PutAsync<T>(string path, Func<HttpContent> content, Repeat repeat, TimeSpan? within, CancellationToken cancellationToken) =>
        SendAsync(() => new HttpRequestMessage(HttpMethod.Put, path) { Content = content() }, repeat, ParseAsync<T>, within ?? _attemptDeadline, cancellationToken);

    /// <summary>Gets the beginning of an answer whose body the caller reads, and disposes.</summary>
    public Task<HttpResponseMessage> OpenAsync(Func<HttpRequestMessage> request, CancellationToken cancellationToken) =>
        SendAsync(request, Repeat.Always, static (response, _) => Task.FromResult(response), _attemptDeadline, cancellationToken);

    public void Dispose() => _http.Dispose();

    private Task<T> ReadAsync<T>(HttpMethod method, string path, object? body, Repeat repeat, string? key, CancellationToken cancellationToken) =>
        SendAsync(() => Request(method, path, body, key), repeat, ParseAsync<T>, _attemptDeadline, cancellationToken);

    private static HttpRequestMessage Request(HttpMethod method, string path, object? body, string? idempotencyKey)
    {
        var request = new HttpRequestMessage(method, path);
        if (body is not null)
        {
            request.Content = JsonContent.Create(body, body.GetType(), options: ClientJson.Options);
        }

        if (idempotencyKey is not null)
        {
            request.Headers.Add("Idempotency-Key", idempotencyKey);
        }

        return request;
    }

    private async Task<T> SendAsync<T>(
        Func<HttpRequestMessage> make,
        Repeat repeat,
        Func<HttpResponseMessage, CancellationToken, Task<T>> parse,
        TimeSpan within,
        CancellationToken cancellationToken)
    {
        var outage = new Outage(_client);
        while (true)
        {
            Exception failure;
            using var deadline = new CancellationTokenSource(within, _client.Time);
            using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, deadline.Token);
            try
            {
                return await AttemptAsync(make, parse, either.Token);
            }
            catch (KernelGatewayException e) when (CutOf(e.Code, e.Status) is { } cut)
            {
                failure = cut == Cut.Maybe && repeat == Repeat.WhenNotSent ? throw Lost(e) : e;
            }
            catch (HttpRequestException e)
            {
                failure = !SurelyNotSent(e) && repeat == Repeat.WhenNotSent ? throw Lost(e) : e;
            }
            catch (SocketException e)
            {
                // A connection that was reset before it was used: only connecting lets one through unwrapped.
                failure = e;
            }
            catch (IOException e)
            {
                failure = repeat == Repeat.WhenNotSent ? throw Lost(e) : e;
            }
            catch (OperationCanceledException e) when (deadline.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
            {
                var late = new TimeoutException($"The gateway did not answer within {within.TotalSeconds:0.###} s.", e);
                failure = repeat == Repeat.WhenNotSent ? throw Lost(late) : late;
            }

            await outage.PauseAsync(failure, cancellationToken);
        }
    }

    private async Task<T> AttemptAsync<T>(Func<HttpRequestMessage> make, Func<HttpResponseMessage, CancellationToken, Task<T>> parse, CancellationToken cancellationToken)
    {
        using var request = make();
        var response = await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
        var handedOver = false;
        try
        {
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
            handedOver = ReferenceEquals(answer, response);
            _client.Answered();
            return answer;
        }
        finally
        {
            if (!handedOver)
            {
                response.Dispose();
            }
        }
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
