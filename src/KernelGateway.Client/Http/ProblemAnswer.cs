using System.Globalization;
using System.Text.Json;

namespace KernelGateway.Client.Http;

/// <summary>Reads an error answer: problem details (RFC 9457) of the gateway, or whatever stands before it.</summary>
internal static class ProblemAnswer
{
    private const int MostBytes = 64 * 1024;

    private sealed record Problem(string? Code, string? Detail, string? Title, string? Field);

    public static async Task<KernelGatewayException> ReadAsync(HttpResponseMessage response, CancellationToken cancellationToken)
    {
        var status = (int)response.StatusCode;
        var problem = await ReadProblemAsync(response, cancellationToken);
        var message = problem?.Detail ?? problem?.Title
            ?? string.Create(CultureInfo.InvariantCulture, $"{response.RequestMessage?.RequestUri} answered {status} {response.ReasonPhrase}, which is not an answer of a KernelGateway.");
        return new KernelGatewayException(problem?.Code ?? ClientErrorCodes.UnexpectedAnswer, message, status, problem?.Field);
    }

    private static async Task<Problem?> ReadProblemAsync(HttpResponseMessage response, CancellationToken cancellationToken)
    {
        if (response.Content.Headers.ContentType?.MediaType is not ("application/problem+json" or "application/json"))
        {
            return null;
        }

        await using var body = await response.Content.ReadAsStreamAsync(cancellationToken);
        var bytes = new byte[MostBytes];
        var length = await body.ReadAtLeastAsync(bytes, MostBytes, throwOnEndOfStream: false, cancellationToken);
        try
        {
            return JsonSerializer.Deserialize<Problem>(bytes.AsSpan(0, length), ClientJson.Options);
        }
        catch (JsonException)
        {
            return null;
        }
    }
}
