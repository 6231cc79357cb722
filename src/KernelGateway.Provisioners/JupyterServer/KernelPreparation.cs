using System.Text;
using System.Text.Json;
using KernelGateway.Core.Errors;
using KernelGateway.Jupyter;
using Newtonsoft.Json.Linq;

namespace KernelGateway.Provisioners.JupyterServer;

/// <summary>Gives a new kernel its environment variables and its folder by code, because a Jupyter Server takes neither. History and names stay as they are.</summary>
internal static class KernelPreparation
{
    private static readonly TimeSpan ReadyWithin = TimeSpan.FromSeconds(60);

    /// <summary>Waits until the kernel answers and prepares it.</summary>
    /// <param name="client">A client of its own.</param>
    /// <param name="variables">Its variables.</param>
    /// <param name="folder">Its folder; <c>null</c>: where it is.</param>
    /// <param name="cancellationToken">Stops the waiting.</param>
    /// <returns>What the kernel calls its session.</returns>
    /// <exception cref="GatewayException"><see cref="ErrorCode.NotSupported"/>: it is no Python kernel. <see cref="ErrorCode.KernelFailed"/>: it cannot.</exception>
    internal static async Task<string> RunAsync(KernelClient client, IReadOnlyDictionary<string, string> variables, string? folder, CancellationToken cancellationToken)
    {
        await client.WaitForReadyAsync(ReadyWithin, cancellationToken);
        var info = await client.KernelInfoAsync(cancellationToken);
        if (variables.Count > 0 || folder is not null)
        {
            if (info.Content["language_info"]?["name"] is not JValue { Value: "python" })
            {
                throw new GatewayException(
                    ErrorCode.NotSupported, "A Jupyter Server takes neither environment variables nor a folder for a new kernel, and only in Python can they be set afterwards. Leave 'env' and 'cwd' out for this kernel.", "env");
            }

            await SetAsync(client, JsonSerializer.Serialize(new { env = variables, cwd = folder }), folder, cancellationToken);
        }

        return info.Header.Session;
    }

    private static async Task SetAsync(KernelClient client, string json, string? folder, CancellationToken cancellationToken)
    {
        // Base64 needs no quoting; a lambda leaves no name behind.
        var code =
            $"(lambda os, d: (os.chdir(d['cwd'] or '.'), os.environ.update(d['env'])))(__import__('os'), __import__('json').loads(__import__('base64').b64decode('{Convert.ToBase64String(Encoding.UTF8.GetBytes(json))}')))";
        using var run = await client.ExecuteAsync(new ExecuteRequest(code, Silent: true, StoreHistory: false, StopOnError: false), wantsOutputs: false, cancellationToken: cancellationToken);
        var reply = await run.Reply.WaitAsync(cancellationToken);
        if (reply.Content["status"] is not JValue { Value: "ok" })
        {
            var why = reply.Content["evalue"] is JValue { Value: string text } ? Native.TextTail.Clean(text, 300) : "";
            throw new GatewayException(ErrorCode.KernelFailed, folder is null ? $"The kernel's environment could not be set: {why}" : $"The kernel could not enter {folder}: {why}");
        }
    }
}
