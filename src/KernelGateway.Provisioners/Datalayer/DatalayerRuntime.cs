using System.Text.Json;
using System.Text.RegularExpressions;
using KernelGateway.Provisioners.JupyterServer;

namespace KernelGateway.Provisioners.Datalayer;

/// <summary>A runtime as the control plane describes it. Holds a secret, which its text does not show.</summary>
/// <param name="Uid">Its id.</param>
/// <param name="Pod">The name by which it is called.</param>
/// <param name="GivenName">The name that we gave it.</param>
/// <param name="Ingress">The address of its Jupyter Server; empty while there is none.</param>
/// <param name="Token">The token of that server.</param>
/// <param name="ExpiresAt">When the cloud ends it; <c>null</c>: not told.</param>
internal sealed partial record DatalayerRuntime(string Uid, string Pod, string GivenName, string Ingress, string Token, DateTimeOffset? ExpiresAt)
{
    /// <summary>Reads a runtime; <c>null</c> when it is none that can be used.</summary>
    internal static DatalayerRuntime? Read(JsonElement json)
    {
        var pod = RestAnswer.TextOf(json, "pod_name") ?? "";
        var token = RestAnswer.TextOf(json, "token") ?? "";
        return PodName().IsMatch(pod) && token.Length <= 8192 && token.All(c => c is > ' ' and <= '~')
            ? new DatalayerRuntime(
                RestAnswer.TextOf(json, "uid") ?? "", pod, RestAnswer.TextOf(json, "given_name") ?? "", RestAnswer.TextOf(json, "ingress") ?? "", token, ReadTime(json))
            : null;
    }

    public override string ToString() => $"runtime {Pod}";

    /// <summary>Seconds since 1970, as a number or as text.</summary>
    private static DateTimeOffset? ReadTime(JsonElement json)
    {
        var seconds = RestAnswer.NumberOf(json, "expired_at")
            ?? (double.TryParse(RestAnswer.TextOf(json, "expired_at"), System.Globalization.CultureInfo.InvariantCulture, out var read) ? read : null);
        return seconds is > 0 and < 1e11 ? DateTimeOffset.FromUnixTimeMilliseconds((long)(seconds.Value * 1000)) : null;
    }

    [GeneratedRegex("^[A-Za-z0-9][A-Za-z0-9._-]{0,127}\\z")]
    private static partial Regex PodName();
}
