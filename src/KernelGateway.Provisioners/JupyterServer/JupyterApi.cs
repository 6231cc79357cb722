using System.Net;
using System.Net.Http.Headers;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using KernelGateway.Core.Errors;

namespace KernelGateway.Provisioners.JupyterServer;

/// <summary>The kernels of a Jupyter Server over its REST API.</summary>
internal sealed partial class JupyterApi(HttpMessageInvoker http, ServerAccess access, TimeProvider time)
{
    private const int MaxKernels = 10_000;

    private static readonly TimeSpan Quick = TimeSpan.FromSeconds(10);

    // A server ends a kernel within 5 s, and starts one when the host has a moment.
    private static readonly TimeSpan Slow = TimeSpan.FromSeconds(40);

    private readonly RestCalls _calls = new(
        http, access.Url, access.Token.Length > 0 ? new AuthenticationHeaderValue("token", access.Token) : null, $"The Jupyter Server at {access}", time);

    /// <summary>The names of the kernels that it can start.</summary>
    /// <exception cref="GatewayException"><see cref="ErrorCode.HostNotReady"/>: it refuses the token.</exception>
    internal async Task<IReadOnlyList<string>> KernelNamesAsync(CancellationToken cancellationToken)
    {
        var answer = await _calls.CallAsync(HttpMethod.Get, "api/kernelspecs", null, Quick, cancellationToken);
        Demand(answer, "tell its kernels");
        return answer.Json.ValueKind == JsonValueKind.Object && answer.Json.TryGetProperty("kernelspecs", out var specs) && specs.ValueKind == JsonValueKind.Object
            ? [.. specs.EnumerateObject().Select(spec => spec.Name).Take(MaxKernels)]
            : throw answer.Unexpected("tell its kernels");
    }

    /// <summary>Starts a kernel; its id there.</summary>
    internal async Task<string> StartAsync(string name, CancellationToken cancellationToken)
    {
        var answer = await _calls.CallAsync(HttpMethod.Post, "api/kernels", new JsonObject { ["name"] = name }, Slow, cancellationToken);
        Demand(answer, "start a kernel");
        return IdOf(answer.Json) ?? throw answer.Unexpected("start a kernel that has an id");
    }

    /// <summary>The state of a kernel, such as <c>idle</c>; <c>null</c> when there is no such kernel.</summary>
    internal async Task<string?> FindAsync(string id, CancellationToken cancellationToken)
    {
        var answer = await _calls.CallAsync(HttpMethod.Get, $"api/kernels/{Checked(id)}", null, Quick, cancellationToken);
        if (answer.Status == HttpStatusCode.NotFound)
        {
            return null;
        }

        Demand(answer, "tell the state of a kernel");
        return RestAnswer.TextOf(answer.Json, "execution_state") ?? "unknown";
    }

    /// <summary>The ids of all kernels.</summary>
    internal async Task<IReadOnlyList<string>> ListAsync(CancellationToken cancellationToken)
    {
        var answer = await _calls.CallAsync(HttpMethod.Get, "api/kernels", null, Quick, cancellationToken);
        Demand(answer, "list its kernels");
        return answer.Json.ValueKind == JsonValueKind.Array
            ? [.. answer.Json.EnumerateArray().Take(MaxKernels).Select(IdOf).OfType<string>()]
            : throw answer.Unexpected("list its kernels");
    }

    /// <summary>Starts a kernel under a name by which it is found again; its id.</summary>
    internal async Task<string> StartNamedAsync(string name, string kernel, CancellationToken cancellationToken)
    {
        var body = new JsonObject { ["path"] = name, ["name"] = name, ["type"] = "console", ["kernel"] = new JsonObject { ["name"] = kernel } };
        var answer = await _calls.CallAsync(HttpMethod.Post, "api/sessions", body, Slow, cancellationToken);
        Demand(answer, "start a kernel");
        return KernelOf(answer.Json) ?? throw answer.Unexpected("start a kernel that has an id");
    }

    /// <summary>The id of the kernel that was started under a name; <c>null</c> when there is none.</summary>
    internal async Task<string?> FindNamedAsync(string name, CancellationToken cancellationToken)
    {
        var answer = await _calls.CallAsync(HttpMethod.Get, "api/sessions", null, Quick, cancellationToken);
        Demand(answer, "list its sessions");
        return answer.Json.ValueKind == JsonValueKind.Array
            ? answer.Json.EnumerateArray().Take(MaxKernels).Where(session => RestAnswer.TextOf(session, "path") == name).Select(KernelOf).FirstOrDefault(id => id is not null)
            : throw answer.Unexpected("list its sessions");
    }

    internal async Task InterruptAsync(string id, CancellationToken cancellationToken) =>
        Demand(await _calls.CallAsync(HttpMethod.Post, $"api/kernels/{Checked(id)}/interrupt", null, Quick, cancellationToken), "interrupt the kernel");

    /// <summary>Ends a kernel; one that is not there is as good as ended.</summary>
    internal async Task DeleteAsync(string id, CancellationToken cancellationToken)
    {
        var answer = await _calls.CallPatientlyAsync(HttpMethod.Delete, $"api/kernels/{Checked(id)}", null, Slow, cancellationToken);
        if (answer.Status != HttpStatusCode.NotFound)
        {
            Demand(answer, "end the kernel");
        }
    }

    /// <summary>Waits until it answers, as one that was just started does.</summary>
    /// <exception cref="GatewayException"><see cref="ErrorCode.HostNotReady"/>: it refuses the token, or did not answer in time.</exception>
    internal async Task WaitAsync(TimeSpan within, TimeSpan first, CancellationToken cancellationToken)
    {
        var started = time.GetTimestamp();
        for (var wait = first; ; wait = wait * 2 < Most ? wait * 2 : Most)
        {
            var answer = await _calls.CallAsync(HttpMethod.Get, "api/kernels", null, Quick, cancellationToken);
            if (answer.IsGood || answer.IsRefused)
            {
                Demand(answer, "become ready");
                return;
            }

            if (time.GetElapsedTime(started) + wait > within)
            {
                throw new GatewayException(ErrorCode.HostNotReady, $"The server was not ready within {within.TotalSeconds:0.#} s. {answer.Unexpected("become ready").Message}");
            }

            await Task.Delay(wait, time, cancellationToken);
        }
    }

    private static readonly TimeSpan Most = TimeSpan.FromSeconds(4);

    private static string? KernelOf(JsonElement session) =>
        session.ValueKind == JsonValueKind.Object && session.TryGetProperty("kernel", out var kernel) ? IdOf(kernel) : null;

    private static string? IdOf(JsonElement kernel) => RestAnswer.TextOf(kernel, "id") is { } id && KernelId().IsMatch(id) ? id : null;

    private static string Checked(string id) => KernelId().IsMatch(id) ? id : throw new GatewayException(ErrorCode.InvalidArgument, "That is no id of a kernel.", "kernelId");

    private static void Demand(RestAnswer answer, string what)
    {
        if (answer.IsRefused)
        {
            throw new GatewayException(ErrorCode.HostNotReady, $"{answer.Who} refuses the token. Give the one that it was started with.");
        }

        if (!answer.IsGood)
        {
            throw answer.Unexpected(what);
        }
    }

    [GeneratedRegex("^[A-Za-z0-9-]{1,64}\\z")]
    private static partial Regex KernelId();
}
