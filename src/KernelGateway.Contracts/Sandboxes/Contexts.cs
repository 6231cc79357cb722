namespace KernelGateway.Contracts.Sandboxes;

/// <summary>Body of <c>POST /api/v1/sandboxes/{id}/contexts</c>; may be left out for one more kernel like the default one.</summary>
public sealed record CreateContextRequest
{
    /// <summary>A name for people: 1 to 64 characters. It need not be unique; the id is.</summary>
    public string? Name { get; init; }

    /// <summary>The folder its kernel starts in; relative to the workspace unless it starts with <c>/</c>. It must exist.</summary>
    public string? Cwd { get; init; }

    /// <summary>Environment variables of its kernel, over those of the sandbox.</summary>
    public IReadOnlyDictionary<string, string>? Env { get; init; }

    /// <summary>The language, for example <c>python</c> or <c>r</c>: the first kernel of the environment that speaks it. Not together with <see cref="Kernel"/>.</summary>
    public string? Language { get; init; }

    /// <summary>The kernelspec's name in the environment, for example <c>python3</c>. The default kernel when both are left out.</summary>
    public string? Kernel { get; init; }
}
