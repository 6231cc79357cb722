using KernelGateway.Core.Errors;

namespace KernelGateway.Core.Sandboxes;

/// <summary>The spellings of variants: case, <c>_</c> and <c>-</c> do not matter, and each has a short form.</summary>
public static class VariantName
{
    private static readonly Dictionary<string, string> Canonical = new(StringComparer.Ordinal)
    {
        ["local"] = "local",
        ["localeval"] = "local-eval",
        ["eval"] = "local-eval",
        ["localdocker"] = "local-docker",
        ["docker"] = "local-docker",
        ["localjupyter"] = "local-jupyter",
        ["jupyterserver"] = "local-jupyter",
        ["datalayerruntime"] = "datalayer-runtime",
        ["datalayer"] = "datalayer-runtime",
    };

    /// <summary>The canonical name of a spelling.</summary>
    /// <exception cref="GatewayException"><see cref="ErrorCode.VariantNotFound"/>.</exception>
    public static string Normalize(string spelling)
    {
        var key = spelling.Trim().Replace("-", "", StringComparison.Ordinal).Replace("_", "", StringComparison.Ordinal).ToLowerInvariant();
        return Canonical.TryGetValue(key, out var name)
            ? name
            : throw new GatewayException(
                ErrorCode.VariantNotFound,
                $"There is no variant '{(spelling.Length > 64 ? spelling[..64] + "…" : spelling)}'. Choose one of: {string.Join(", ", Canonical.Values.Distinct())}.",
                "variant");
    }
}
