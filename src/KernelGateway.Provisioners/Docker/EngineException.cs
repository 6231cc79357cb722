namespace KernelGateway.Provisioners.Docker;

/// <summary>The engine could not be asked, did not answer in time, answered nonsense, or refused.</summary>
/// <param name="message">A sentence fit to show, with what the engine said.</param>
/// <param name="status">The HTTP status of a refusal; <c>null</c> when there was no answer that could be understood.</param>
/// <param name="inner">What went wrong.</param>
internal sealed class EngineException(string message, int? status = null, Exception? inner = null) : Exception(message, inner)
{
    internal int? Status => status;

    /// <summary>True when the engine has no such thing.</summary>
    internal bool IsNotFound => status == 404;
}
