using System.Net.Http.Headers;
using System.Runtime.CompilerServices;
using System.Text.Json;
using KernelGateway.Client.Connections;
using KernelGateway.Client.Http;
using KernelGateway.Contracts.Errors;
using KernelGateway.Contracts.Files;
using KernelGateway.Contracts.Sandboxes;

namespace KernelGateway.Client.Files;

/// <summary>Follows the changes of files over any number of connections, until the sandbox has ended.</summary>
internal sealed class ChangeReader(KernelGatewayClient client, string sandboxId, string route)
{
    public async IAsyncEnumerable<FileChange> ReadAsync([EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        var outage = new Outage(client);
        var isFirst = true;
        while (true)
        {
            using var response = await OpenAsync(isFirst, cancellationToken);
            if (response is null)
            {
                yield break;
            }

            using var lines = new StreamReader(await response.Content.ReadAsStreamAsync(cancellationToken));
            while (await NextAsync(lines, cancellationToken) is { } line)
            {
                if (line.Length == 0)
                {
                    continue;
                }

                outage.End();
                var change = JsonSerializer.Deserialize<FileChange>(line, ClientJson.Options)!;

                // A watch that began anew does not know what happened in between.
                yield return isFirst || change.Type != FileChangeType.Ready ? change : change with { Type = FileChangeType.Overflow };
                isFirst = false;
            }

            if (await HasEndedAsync(cancellationToken))
            {
                yield break;
            }

            await outage.PauseAsync(new IOException("The watch was cut."), cancellationToken);
        }
    }

    private async Task<HttpResponseMessage?> OpenAsync(bool isFirst, CancellationToken cancellationToken)
    {
        try
        {
            return await client.Http.OpenAsync(
                () =>
                {
                    var request = new HttpRequestMessage(HttpMethod.Get, route);
                    request.Headers.Accept.Add(new MediaTypeWithQualityHeaderValue("application/x-ndjson"));
                    return request;
                },
                cancellationToken);
        }
        catch (KernelGatewayException error) when (!isFirst && error.Code is ErrorCodes.Conflict or ErrorCodes.SandboxNotFound)
        {
            return null;
        }
    }

    private static async Task<string?> NextAsync(StreamReader lines, CancellationToken cancellationToken)
    {
        try
        {
            return await lines.ReadLineAsync(cancellationToken);
        }
        catch (Exception error) when (error is HttpRequestException or IOException)
        {
            return null;
        }
    }

    private async Task<bool> HasEndedAsync(CancellationToken cancellationToken) =>
        (await client.Http.GetSandboxAsync(sandboxId, cancellationToken)).State is not (SandboxState.Running or SandboxState.Starting or SandboxState.Paused);
}
