namespace KernelGateway.Server.Api;

/// <summary>Writes problems for callers that accept something else, such as event streams: the framework's own writer leaves them without a word.</summary>
internal sealed class AlwaysProblemWriter : IProblemDetailsWriter
{
    public bool CanWrite(ProblemDetailsContext context) => true;

    public ValueTask WriteAsync(ProblemDetailsContext context)
    {
        ProblemWriter.Complete(context);
        return new(context.HttpContext.Response.WriteAsJsonAsync(
            context.ProblemDetails,
            options: null,
            contentType: "application/problem+json",
            context.HttpContext.RequestAborted));
    }
}
