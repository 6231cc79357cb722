using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using KernelGateway.Provisioners.Native;

namespace KernelGateway.Provisioners.Docker;

/// <summary>HTTP over the unix socket of a Docker engine: every call has a deadline, every answer a largest size and depth, and nothing of it is trusted.</summary>
/// <param name="http">Connects to the socket, whatever address is asked for.</param>
/// <param name="socketPath">The engine's socket, for messages.</param>
/// <param name="time">For deadlines.</param>
internal sealed class EngineClient(HttpClient http, string socketPath, TimeProvider time)
{
    /// <summary>A description of a container has some ten kilobytes; a list of thousands has some megabytes.</summary>
    private const int MaxAnswer = 8 << 20;

    private static readonly JsonDocumentOptions Parsing = new() { MaxDepth = 32 };

    /// <summary>A client for a socket. Never disposed, for places outlive the provisioner that made them; its connections end by themselves.</summary>
    internal static EngineClient For(string socketPath, TimeProvider time) => new(
        new HttpClient(new SocketsHttpHandler
        {
            ConnectCallback = async (_, cancellationToken) =>
            {
                var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
                try
                {
                    await socket.ConnectAsync(new UnixDomainSocketEndPoint(socketPath), cancellationToken);
                    return new NetworkStream(socket, ownsSocket: true);
                }
                catch
                {
                    socket.Dispose();
                    throw;
                }
            },
            UseProxy = false,
            UseCookies = false,
            AllowAutoRedirect = false,
            MaxResponseHeadersLength = 32,
            // An engine that was restarted has closed what was open; a short life makes that rare.
            PooledConnectionIdleTimeout = TimeSpan.FromSeconds(5),
            ActivityHeadersPropagator = null,
        })
        {
            BaseAddress = new Uri("http://engine"),
            Timeout = Timeout.InfiniteTimeSpan,
        },
        socketPath,
        time);

    internal string SocketPath => socketPath;

    /// <summary>Asks and gives the answer, which is of kind <see cref="JsonValueKind.Undefined"/> when it was empty.</summary>
    /// <param name="method">GET, POST or DELETE.</param>
    /// <param name="path">Path and query; what is put in from outside is escaped already.</param>
    /// <param name="body">What to send; <c>null</c> for nothing.</param>
    /// <param name="within">How long all of it may take.</param>
    /// <param name="cancellationToken">Stops waiting; what was asked may still happen.</param>
    /// <exception cref="EngineException">No answer, nonsense, or a refusal.</exception>
    internal async Task<JsonElement> AskAsync(HttpMethod method, string path, JsonNode? body, TimeSpan within, CancellationToken cancellationToken)
    {
        var answer = await SendAsync(method, path, body, within, cancellationToken);
        if (answer.Length == 0)
        {
            return default;
        }

        try
        {
            using var document = JsonDocument.Parse(answer, Parsing);
            return document.RootElement.Clone();
        }
        catch (JsonException error)
        {
            throw new EngineException($"What listens at {socketPath} answered {Name(method, path)} with what is no JSON; it is no Docker engine.", null, error);
        }
    }

    /// <summary>Asks for plain text, such as what a container has printed.</summary>
    /// <exception cref="EngineException">No answer, or a refusal.</exception>
    internal async Task<string> ReadTextAsync(string path, TimeSpan within, CancellationToken cancellationToken) =>
        Encoding.UTF8.GetString(await SendAsync(HttpMethod.Get, path, null, within, cancellationToken));

    private async Task<byte[]> SendAsync(HttpMethod method, string path, JsonNode? body, TimeSpan within, CancellationToken cancellationToken)
    {
        using var deadline = new CancellationTokenSource(within, time);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
        using var request = new HttpRequestMessage(method, path);
        if (body is not null)
        {
            request.Content = new StringContent(body.ToJsonString(), Encoding.UTF8, "application/json");
        }

        try
        {
            using var response = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, both.Token);
            var answer = await ReadAsync(response, both.Token);
            return response.StatusCode is >= HttpStatusCode.OK and < HttpStatusCode.MultipleChoices or HttpStatusCode.NotModified
                ? answer
                : throw new EngineException($"The Docker engine refused {Name(method, path)} ({(int)response.StatusCode}): {Reason(answer)}", (int)response.StatusCode);
        }
        catch (OperationCanceledException error) when (!cancellationToken.IsCancellationRequested)
        {
            throw new EngineException($"The Docker engine at {socketPath} did not answer {Name(method, path)} within {within.TotalSeconds:0.#} seconds.", null, error);
        }
        catch (Exception error) when (error is HttpRequestException or IOException or SocketException)
        {
            throw new EngineException(Unreachable(error), null, error);
        }
    }

    private async Task<byte[]> ReadAsync(HttpResponseMessage response, CancellationToken cancellationToken)
    {
        await using var stream = await response.Content.ReadAsStreamAsync(cancellationToken);
        using var kept = new MemoryStream();
        var buffer = new byte[16 << 10];
        int count;
        while ((count = await stream.ReadAsync(buffer, cancellationToken)) > 0)
        {
            if (kept.Length + count > MaxAnswer)
            {
                throw new EngineException($"What listens at {socketPath} sent more than {MaxAnswer} bytes; no answer that is asked for is that long.");
            }

            kept.Write(buffer, 0, count);
        }

        return kept.ToArray();
    }

    /// <summary>The engine's own sentence, made fit to show.</summary>
    private static string Reason(byte[] answer)
    {
        const int MaxShown = 500;
        var text = Encoding.UTF8.GetString(answer);
        try
        {
            using var document = JsonDocument.Parse(answer, Parsing);
            text = EngineAnswer.Text(document.RootElement, "message") ?? text;
        }
        catch (JsonException)
        {
            // As it is, then.
        }

        var clean = TextTail.Clean(text, MaxShown);
        return clean.Length > 0 ? clean : "it gave no reason.";
    }

    private string Unreachable(Exception error)
    {
        var refused = error as SocketException ?? error.InnerException as SocketException;
        return refused?.SocketErrorCode switch
        {
            // A path that does not exist comes as "address not available".
            _ when !Path.Exists(socketPath) =>
                $"There is no Docker engine at {socketPath}. Install and start one (apt install docker.io), or set {DockerProvisionerOptions.Section}:{nameof(DockerProvisionerOptions.SocketPath)}.",
            SocketError.AccessDenied =>
                $"The socket of the Docker engine, {socketPath}, may not be opened by user '{Environment.UserName}'. Start the gateway as root.",
            SocketError.ConnectionRefused =>
                $"The Docker engine of {socketPath} does not run. Start it (systemctl start docker).",
            _ => $"The Docker engine at {socketPath} cannot be reached: {TextTail.Clean((refused ?? error).Message, 300)}",
        };
    }

    /// <summary>The call without its query, for messages.</summary>
    private static string Name(HttpMethod method, string path) => $"{method} {path.Split('?')[0]}";
}
