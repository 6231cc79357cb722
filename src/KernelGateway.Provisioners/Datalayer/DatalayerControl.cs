using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Text.Json;
using System.Text.Json.Nodes;
using KernelGateway.Core.Errors;
using KernelGateway.Provisioners.JupyterServer;
using KernelGateway.Provisioners.Native;

namespace KernelGateway.Provisioners.Datalayer;

/// <summary>The control plane: makes, finds and deletes runtimes. It runs no code.</summary>
internal sealed class DatalayerControl(HttpMessageInvoker http, string url, TimeSpan within, string key, TimeProvider time)
{
    private const int MaxItems = 10_000;
    private const int MaxTitle = 200;

    private readonly RestCalls _calls = new(http, new Uri(url.TrimEnd('/') + "/"), new AuthenticationHeaderValue("Bearer", key), "The Datalayer service", time);

    /// <summary>The environments by name.</summary>
    internal async Task<IReadOnlyDictionary<string, DatalayerEnvironment>> EnvironmentsAsync(CancellationToken cancellationToken)
    {
        var answer = await CallAsync(HttpMethod.Get, "environments", null, cancellationToken);
        Demand(answer, "list its environments");
        var found = new SortedDictionary<string, DatalayerEnvironment>(StringComparer.Ordinal);
        foreach (var item in Items(answer, "environments", "list its environments"))
        {
            if (RestAnswer.TextOf(item, "name") is { Length: > 0 and <= 128 } name)
            {
                found[name] = new DatalayerEnvironment(
                    name,
                    RestAnswer.TextOf(item, "title") is { Length: > 0 } title ? TextTail.Clean(title, MaxTitle) : name,
                    RestAnswer.TextOf(item, "language") is { Length: > 0 and <= 32 } language ? language.ToLowerInvariant() : "python",
                    RestAnswer.NumberOf(item, "burning_rate") is > 0 and < 1e6 and var rate ? rate : 0);
            }
        }

        return found;
    }

    /// <summary>Makes a runtime.</summary>
    /// <param name="environment">Its environment.</param>
    /// <param name="name">What it shall be called.</param>
    /// <param name="credits">What it may cost at most.</param>
    /// <param name="cancellationToken">Stops the waiting; it may have been made all the same.</param>
    /// <exception cref="GatewayException">With what the service says: unknown environment, no credits, none free.</exception>
    internal async Task<DatalayerRuntime> CreateAsync(string environment, string name, double credits, CancellationToken cancellationToken)
    {
        var body = new JsonObject { ["type"] = "notebook", ["environment_name"] = environment, ["given_name"] = name, ["credits_limit"] = credits };
        var answer = await CallAsync(HttpMethod.Post, "runtimes", body, cancellationToken);
        switch (answer.Status)
        {
            case HttpStatusCode.NotFound:
                throw new GatewayException(ErrorCode.EnvironmentNotFound, $"Datalayer has no environment '{environment}'. {answer.Words}", "environment");
            case HttpStatusCode.PaymentRequired or HttpStatusCode.TooManyRequests:
                throw new GatewayException(ErrorCode.LimitReached, $"Datalayer gives no runtime: {Said(answer, "the quota or the credits are used up")}.");
            case HttpStatusCode.ServiceUnavailable:
                var wait = RestAnswer.NumberOf(answer.Json, "retry_after_seconds") is > 0 and < 86_400 and var seconds
                    ? $"Try again in {seconds.ToString("0", CultureInfo.InvariantCulture)} s."
                    : "Try again later.";
                throw new GatewayException(ErrorCode.LimitReached, $"Datalayer has no runtime free now: {Said(answer, "it gives no reason")}. {wait}");
        }

        Demand(answer, "make a runtime");
        return ReadRuntime(answer.Json) ?? throw answer.Unexpected("make a runtime that can be used");
    }

    /// <summary>Finds a runtime; <c>null</c> when there is none of that name.</summary>
    internal async Task<DatalayerRuntime?> FindAsync(string pod, CancellationToken cancellationToken)
    {
        var answer = await CallAsync(HttpMethod.Get, $"runtimes/{pod}", null, cancellationToken);
        if (answer.Status is HttpStatusCode.NotFound or HttpStatusCode.Gone)
        {
            return null;
        }

        Demand(answer, "tell of the runtime");
        return ReadRuntime(answer.Json) ?? throw answer.Unexpected("tell of the runtime");
    }

    /// <summary>All runtimes of the key.</summary>
    internal async Task<IReadOnlyList<DatalayerRuntime>> ListAsync(CancellationToken cancellationToken)
    {
        var answer = await CallAsync(HttpMethod.Get, "runtimes", null, cancellationToken);
        Demand(answer, "list its runtimes");
        return [.. Items(answer, "runtimes", "list its runtimes").Select(DatalayerRuntime.Read).OfType<DatalayerRuntime>()];
    }

    /// <summary>Ends a runtime; one that is not there is as good as ended.</summary>
    internal async Task DeleteAsync(string pod, CancellationToken cancellationToken)
    {
        var answer = await CallAsync(HttpMethod.Delete, $"runtimes/{pod}", null, cancellationToken);
        if (answer.Status is not (HttpStatusCode.NotFound or HttpStatusCode.Gone))
        {
            Demand(answer, "end the runtime");
        }
    }

    private static DatalayerRuntime? ReadRuntime(JsonElement json) =>
        json.ValueKind == JsonValueKind.Object ? DatalayerRuntime.Read(json.TryGetProperty("runtime", out var inner) ? inner : json) : null;

    private static IEnumerable<JsonElement> Items(RestAnswer answer, string name, string what) =>
        answer.Json.ValueKind == JsonValueKind.Object && answer.Json.TryGetProperty(name, out var items) && items.ValueKind == JsonValueKind.Array
            ? items.EnumerateArray().Take(MaxItems)
            : throw answer.Unexpected(what);

    private static string Said(RestAnswer answer, string otherwise) =>
        TextTail.Clean(RestAnswer.TextOf(answer.Json, "reason") ?? answer.Words, 300) is { Length: > 0 } words ? words.TrimEnd('.') : otherwise;

    private static void Demand(RestAnswer answer, string what)
    {
        if (answer.IsRefused)
        {
            throw new GatewayException(
                ErrorCode.HostNotReady, $"Datalayer refuses the API key. Set {DatalayerOptions.Section}:{nameof(DatalayerOptions.ApiKey)} or {DatalayerOptions.KeyVariable} to a valid one.");
        }

        if (!answer.IsGood)
        {
            throw answer.Unexpected(what);
        }
    }

    private Task<RestAnswer> CallAsync(HttpMethod method, string path, JsonObject? body, CancellationToken cancellationToken) =>
        _calls.CallPatientlyAsync(method, $"api/runtimes/v1/{path}", body, within, cancellationToken);
}
