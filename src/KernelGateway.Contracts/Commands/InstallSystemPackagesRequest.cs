namespace KernelGateway.Contracts.Commands;

/// <summary>Body of <c>POST /api/v1/sandboxes/{id}/system-packages</c>.</summary>
public sealed record InstallSystemPackagesRequest
{
    /// <summary>Names of packages of the system's distribution, with a version where wanted: <c>curl</c>, <c>curl=7.88.1-10</c>. No addresses, paths or options.</summary>
    public IReadOnlyList<string>? Packages { get; init; }

    /// <summary>What installs them: <c>apt-get</c>, <c>dnf</c>, <c>yum</c> or <c>apk</c>; the first of these that there is when left out.</summary>
    public string? Manager { get; init; }

    /// <summary>Time limit, seconds; 0 means none; the gateway's default for installations when left out.</summary>
    public double? TimeoutSeconds { get; init; }

    /// <summary>The same key within one sandbox gives the same installation instead of a second one; the <c>Idempotency-Key</c> header does the same.</summary>
    public string? IdempotencyKey { get; init; }
}
