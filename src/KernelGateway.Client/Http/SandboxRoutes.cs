using System.Globalization;
using System.Text.Json;
using KernelGateway.Contracts.Environments;
using KernelGateway.Contracts.Executions;
using KernelGateway.Contracts.Sandboxes;

namespace KernelGateway.Client.Http;

/// <summary>The gateway's routes. Every part of a path that a caller gave is escaped.</summary>
internal static class SandboxRoutes
{
    private const string Root = "api/v1/sandboxes";

    public static Task<EnvironmentList> GetEnvironmentsAsync(this GatewayHttp http, string? variant, CancellationToken ct) =>
        http.GetAsync<EnvironmentList>(variant is null ? "api/v1/environments" : $"api/v1/environments?variant={Uri.EscapeDataString(variant)}", ct);

    public static Task<SandboxInfo> CreateSandboxAsync(this GatewayHttp http, CreateSandboxRequest request, string key, CancellationToken ct) =>
        http.CreateAsync<SandboxInfo>(Root, request, key, ct);

    public static Task<SandboxInfo> GetSandboxAsync(this GatewayHttp http, string id, CancellationToken ct) =>
        http.GetAsync<SandboxInfo>(Of(id), ct);

    public static Task<SandboxList> ListSandboxesAsync(this GatewayHttp http, SandboxFilter filter, string? cursor, CancellationToken ct)
    {
        var query = new List<string>();
        void Add(string name, string? value)
        {
            if (value is not null)
            {
                query.Add($"{name}={Uri.EscapeDataString(value)}");
            }
        }

        Add("variant", filter.Variant);
        Add("state", filter.State is { } state ? char.ToLowerInvariant(state.ToString()[0]) + state.ToString()[1..] : null);
        foreach (var (key, value) in filter.Tags ?? new Dictionary<string, string>())
        {
            Add("tag", $"{key}:{value}");
        }

        Add("limit", filter.PageSize?.ToString(CultureInfo.InvariantCulture));
        Add("cursor", cursor);
        return http.GetAsync<SandboxList>(query.Count == 0 ? Root : $"{Root}?{string.Join('&', query)}", ct);
    }

    public static Task DeleteSandboxAsync(this GatewayHttp http, string id, TimeSpan? grace, CancellationToken ct) =>
        http.SendAsync(HttpMethod.Delete, grace is { } time ? string.Create(CultureInfo.InvariantCulture, $"{Of(id)}?graceSeconds={time.TotalSeconds}") : Of(id), null, Repeat.Always, ct);

    public static Task<SandboxInfo> UpdateSandboxAsync(this GatewayHttp http, string id, UpdateSandboxRequest request, Repeat repeat, CancellationToken ct) =>
        http.PatchAsync<SandboxInfo>(Of(id), request, repeat, ct);

    public static Task<SandboxUsage> GetUsageAsync(this GatewayHttp http, string id, CancellationToken ct) =>
        http.GetAsync<SandboxUsage>($"{Of(id)}/usage", ct);

    public static Task<SandboxInfo> PauseAsync(this GatewayHttp http, string id, PauseRequest request, CancellationToken ct) =>
        http.PostAsync<SandboxInfo>($"{Of(id)}/pause", request, Repeat.Always, ct);

    public static Task<SandboxInfo> ResumeAsync(this GatewayHttp http, string id, CancellationToken ct) =>
        http.PostAsync<SandboxInfo>($"{Of(id)}/resume", null, Repeat.Always, ct);

    public static Task<SandboxInfo> RestartAsync(this GatewayHttp http, string id, string? contextId, CancellationToken ct) =>
        http.PostAsync<SandboxInfo>($"{Of(id)}/restart", new RestartRequest(contextId), Repeat.WhenNotSent, ct);

    public static Task<ContextInfo> CreateContextAsync(this GatewayHttp http, string id, CreateContextRequest request, CancellationToken ct) =>
        http.PostAsync<ContextInfo>($"{Of(id)}/contexts", request, Repeat.WhenNotSent, ct);

    public static Task<IReadOnlyList<ContextInfo>> ListContextsAsync(this GatewayHttp http, string id, CancellationToken ct) =>
        http.GetAsync<IReadOnlyList<ContextInfo>>($"{Of(id)}/contexts", ct);

    public static Task RemoveContextAsync(this GatewayHttp http, string id, string contextId, CancellationToken ct) =>
        http.SendAsync(HttpMethod.Delete, $"{Of(id)}/contexts/{Segment(contextId)}", null, Repeat.WhenNotSent, ct);

    public static Task<VariableList> ListVariablesAsync(this GatewayHttp http, string id, string? contextId, CancellationToken ct) =>
        http.GetAsync<VariableList>($"{Of(id)}/variables{In(contextId)}", ct);

    public static Task<VariableValue> GetVariableAsync(this GatewayHttp http, string id, string name, string? contextId, CancellationToken ct) =>
        http.GetAsync<VariableValue>($"{Of(id)}/variables/{Segment(name)}{In(contextId)}", ct);

    public static Task SetVariablesAsync(this GatewayHttp http, string id, IReadOnlyDictionary<string, JsonElement> values, string? contextId, CancellationToken ct) =>
        http.SendAsync(HttpMethod.Put, $"{Of(id)}/variables{In(contextId)}", values, Repeat.Always, ct);

    public static Task<CompleteResult> CompleteAsync(this GatewayHttp http, string id, CompleteRequest request, CancellationToken ct) =>
        http.PostAsync<CompleteResult>($"{Of(id)}/complete", request, Repeat.Always, ct);

    public static Task<InspectResult> InspectAsync(this GatewayHttp http, string id, InspectRequest request, CancellationToken ct) =>
        http.PostAsync<InspectResult>($"{Of(id)}/inspect", request, Repeat.Always, ct);

    public static Task<NetworkInfo> GetNetworkAsync(this GatewayHttp http, string id, CancellationToken ct) =>
        http.GetAsync<NetworkInfo>($"{Of(id)}/network", ct);

    public static Task<NetworkInfo> SetNetworkAsync(this GatewayHttp http, string id, SetNetworkRequest request, CancellationToken ct) =>
        http.PutAsync<NetworkInfo>($"{Of(id)}/network", request, ct);

    public static Task<ExecutionInfo> RunCodeAsync(this GatewayHttp http, string id, RunCodeRequest request, string key, CancellationToken ct) =>
        http.CreateAsync<ExecutionInfo>($"{Of(id)}/executions", request, key, ct);

    public static Task<IReadOnlyList<ExecutionInfo>> ListExecutionsAsync(this GatewayHttp http, string id, CancellationToken ct) =>
        http.GetAsync<IReadOnlyList<ExecutionInfo>>($"{Of(id)}/executions", ct);

    public static Task<ExecutionInfo> GetExecutionAsync(this GatewayHttp http, string id, string executionId, CancellationToken ct) =>
        http.GetAsync<ExecutionInfo>(Of(id, executionId), ct);

    public static Task InterruptAsync(this GatewayHttp http, string id, string executionId, bool escalate, CancellationToken ct) =>
        http.SendAsync(HttpMethod.Post, $"{Of(id, executionId)}/interrupt", escalate ? new InterruptRequest(Escalate: true) : null, Repeat.Always, ct);

    public static Task ReplyInputAsync(this GatewayHttp http, string id, string executionId, string value, CancellationToken ct) =>
        http.SendAsync(HttpMethod.Post, $"{Of(id, executionId)}/input", new ReplyInputRequest(value), Repeat.WhenNotSent, ct);

    internal static string Of(string id) => $"{Root}/{Segment(id)}";

    private static string In(string? contextId) => contextId is null ? "" : $"?contextId={Uri.EscapeDataString(contextId)}";

    private static string Of(string id, string executionId) => $"{Of(id)}/executions/{Segment(executionId)}";

    // Dots are not escaped, and Uri would resolve them to another route.
    internal static string Segment(string id) => id.Trim('.').Length > 0
        ? Uri.EscapeDataString(id)
        : throw new ArgumentException($"'{id}' cannot be an id.", nameof(id));
}
