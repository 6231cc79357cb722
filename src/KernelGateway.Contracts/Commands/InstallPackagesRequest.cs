namespace KernelGateway.Contracts.Commands;

/// <summary>Body of <c>POST /api/v1/sandboxes/{id}/packages</c>.</summary>
public sealed record InstallPackagesRequest
{
    /// <summary>Names of Python packages, with extras and versions where wanted: <c>requests</c>, <c>requests[socks]</c>, <c>requests&gt;=2.0,&lt;3</c>. No addresses, paths or options.</summary>
    public IReadOnlyList<string>? Packages { get; init; }

    /// <summary>The context whose interpreter they are for; the default one when left out.</summary>
    public string? ContextId { get; init; }

    /// <summary>Time limit, seconds; 0 means none; the gateway's default for installations when left out.</summary>
    public double? TimeoutSeconds { get; init; }

    /// <summary>The same key within one sandbox gives the same installation instead of a second one; the <c>Idempotency-Key</c> header does the same.</summary>
    public string? IdempotencyKey { get; init; }
}
