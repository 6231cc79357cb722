namespace KernelGateway.Contracts.Sandboxes;

/// <summary>Body of <c>POST /api/v1/sandboxes/{id}/pause</c>; may be left out.</summary>
public sealed record PauseRequest
{
    /// <summary>Whether the next run, command or question resumes the sandbox instead of being refused; as it was created when left out.</summary>
    public bool? AutoResume { get; init; }
}
