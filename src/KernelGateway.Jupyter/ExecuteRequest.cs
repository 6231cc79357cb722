using Newtonsoft.Json.Linq;

namespace KernelGateway.Jupyter;

/// <summary>What to run (execute_request).</summary>
/// <param name="Code">The source.</param>
/// <param name="Silent">Without counting, history or results.</param>
/// <param name="StoreHistory">Whether it goes into the kernel's history.</param>
/// <param name="AllowStdin">Whether <c>input()</c> may ask.</param>
/// <param name="StopOnError">Whether an error aborts what is queued behind it.</param>
public sealed record ExecuteRequest(string Code, bool Silent = false, bool StoreHistory = true, bool AllowStdin = false, bool StopOnError = true)
{
    /// <summary>Name → expression, evaluated in the kernel after the code; the values are in the reply.</summary>
    public IReadOnlyDictionary<string, string> UserExpressions { get; init; } = new Dictionary<string, string>();

    /// <summary>The message's content.</summary>
    public JObject ToJson() => new()
    {
        ["code"] = Code,
        ["silent"] = Silent,
        ["store_history"] = StoreHistory && !Silent,
        ["user_expressions"] = new JObject(UserExpressions.Select(e => new JProperty(e.Key, e.Value))),
        ["allow_stdin"] = AllowStdin,
        ["stop_on_error"] = StopOnError,
    };
}
