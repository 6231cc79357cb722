using System.Text;
using System.Text.Json;
using KernelGateway.Core.Errors;
using KernelGateway.Jupyter;
using KernelGateway.Provisioners.Native;
using Newtonsoft.Json.Linq;

namespace KernelGateway.Provisioners.JupyterServer;

/// <summary>Gives a new kernel its environment variables and its folder by code, because a Jupyter Server takes neither. History and names stay as they are.</summary>
internal static class KernelPreparation
{
    private const string Name = "kg";
    private const int MaxPath = 8192;
    private static readonly TimeSpan ReadyWithin = TimeSpan.FromSeconds(60);

    /// <summary>Waits until the kernel answers and prepares it.</summary>
    /// <param name="client">A client of its own.</param>
    /// <param name="variables">Its variables.</param>
    /// <param name="folder">Its folder; <c>null</c>: where it is.</param>
    /// <param name="cancellationToken">Stops the waiting.</param>
    /// <exception cref="GatewayException"><see cref="ErrorCode.NotSupported"/>: it is no Python kernel. <see cref="ErrorCode.KernelFailed"/>: it cannot.</exception>
    internal static async Task<PreparedKernel> RunAsync(KernelClient client, IReadOnlyDictionary<string, string> variables, string? folder, CancellationToken cancellationToken)
    {
        await client.WaitForReadyAsync(ReadyWithin, cancellationToken);
        var info = await client.KernelInfoAsync(cancellationToken);
        if (info.Content["language_info"]?["name"] is JValue { Value: "python" })
        {
            return new PreparedKernel(info.Header.Session, await SetAsync(client, variables, folder, cancellationToken));
        }

        return variables.Count == 0 && folder is null
            ? new PreparedKernel(info.Header.Session, null)
            : throw new GatewayException(
                ErrorCode.NotSupported, "A Jupyter Server takes neither environment variables nor a folder for a new kernel, and only in Python can they be set afterwards. Leave 'env' and 'cwd' out for this kernel.", "env");
    }

    /// <summary>The folder in which a Python kernel works.</summary>
    internal static Task<string?> FolderOfAsync(KernelClient client, CancellationToken cancellationToken) => SetAsync(client, new Dictionary<string, string>(), null, cancellationToken);

    /// <returns>The folder in which it was before; <c>null</c> when that is none that can be used.</returns>
    private static async Task<string?> SetAsync(KernelClient client, IReadOnlyDictionary<string, string> variables, string? folder, CancellationToken cancellationToken)
    {
        // Base64 needs no quoting, and a lambda leaves no name behind.
        var wishes = Convert.ToBase64String(Encoding.UTF8.GetBytes(JsonSerializer.Serialize(new { env = variables, cwd = folder })));
        var expression =
            $"(lambda os, b, d: (b.b64encode(os.fsencode(os.getcwd())).decode(), os.chdir(d['cwd'] or '.'), os.environ.update(d['env']))[0])(__import__('os'), __import__('base64'), __import__('json').loads(__import__('base64').b64decode('{wishes}')))";
        var request = new ExecuteRequest("", Silent: true, StoreHistory: false, StopOnError: false) { UserExpressions = new Dictionary<string, string> { [Name] = expression } };
        using var run = await client.ExecuteAsync(request, wantsOutputs: false, cancellationToken: cancellationToken);
        var value = (await run.Reply.WaitAsync(cancellationToken)).Content["user_expressions"]?[Name];
        if (value?["status"] is not JValue { Value: "ok" })
        {
            var why = value?["evalue"] is JValue { Value: string text } ? TextTail.Clean(text, 300) : "";
            throw new GatewayException(ErrorCode.KernelFailed, folder is null ? $"The kernel's environment could not be set: {why}" : $"The kernel could not enter {folder}: {why}");
        }

        return value["data"]?["text/plain"] is JValue { Value: string { Length: > 2 and < MaxPath } quoted } ? PathIn(quoted[1..^1]) : null;
    }

    private static string? PathIn(string base64)
    {
        var bytes = new byte[MaxPath];
        return Convert.TryFromBase64String(base64, bytes, out var count) && Encoding.UTF8.GetString(bytes, 0, count) is var path && path.StartsWith('/') && !path.Contains('\0', StringComparison.Ordinal)
            ? path
            : null;
    }
}

/// <summary>A kernel that is ready.</summary>
/// <param name="Session">What it calls its session.</param>
/// <param name="Folder">The folder in which its server starts kernels; <c>null</c>: not known.</param>
internal sealed record PreparedKernel(string Session, string? Folder);
