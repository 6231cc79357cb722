using System.ComponentModel;
using KernelGateway.Provisioners.Native;

namespace KernelGateway.Provisioners.Oci;

/// <summary>Runs an OCI runtime (runc, crun, runsc) by its path, with its state in a folder of ours.</summary>
/// <param name="path">The program.</param>
/// <param name="root">Its <c>--root</c>: what it knows of containers; nobody else's containers are ever in it.</param>
/// <param name="time">For the deadline of each call.</param>
internal sealed class OciRuntime(string path, string root, TimeProvider time)
{
    /// <summary>A call takes some ten milliseconds; one that takes this long hangs.</summary>
    private static readonly TimeSpan CallDeadline = TimeSpan.FromSeconds(30);

    internal string ProgramPath => path;

    /// <summary>First line of <c>--version</c>.</summary>
    internal async Task<string> VersionAsync() =>
        (await CallAsync("--version")).Split('\n', 2)[0].Trim() is { Length: > 0 } line
            ? line
            : throw new OciRuntimeException($"{path} --version printed nothing.");

    /// <summary>Creates and starts a container, detached. Its standard output and error are appended to <paramref name="stdio"/>, after the runtime's own.</summary>
    internal async Task RunAsync(string id, string bundle, string pidFile, string stdio)
    {
        string[] arguments = ["--root", root, "run", "--detach", "--bundle", bundle, "--pid-file", pidFile, id];
        var result = await GuardedAsync(() => ExternalProgram.RunDetachingAsync(path, arguments, stdio, CallDeadline, time));
        if (result.ExitCode != 0)
        {
            throw Failed("run", result.ExitCode, result.Error);
        }
    }

    /// <summary>Removes a stopped container. With <paramref name="force"/> one in any state, which takes longer.</summary>
    internal Task DeleteAsync(string id, bool force) => force ? CallAsync("delete", "--force", id) : CallAsync("delete", id);

    /// <summary>True when the runtime has a record of the container: a folder (runc, crun) or a file (runsc). Spares a call, and works with a broken runtime.</summary>
    internal bool Knows(string id) => Directory.Exists(Path.Combine(root, id)) || File.Exists(Path.Combine(root, $"{id}_sandbox:{id}.state"));

    /// <summary>The ids of all containers under our root.</summary>
    internal async Task<IReadOnlyList<string>> ListAsync() => Directory.Exists(root) && Directory.EnumerateFileSystemEntries(root).Any()
        ? (await CallAsync("list", "-q")).Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)
        : [];

    private async Task<string> CallAsync(params string[] arguments)
    {
        var result = await GuardedAsync(() => ExternalProgram.RunAsync(path, ["--root", root, .. arguments], CallDeadline, time));
        return result.ExitCode == 0
            ? result.Output
            : throw Failed(arguments[0], result.ExitCode, result.Error.Length > 0 ? result.Error : TextTail.Clean(result.Output));
    }

    private static async Task<ExternalProgram.Result> GuardedAsync(Func<Task<ExternalProgram.Result>> call)
    {
        try
        {
            return await call();
        }
        catch (Exception error) when (error is Win32Exception or TimeoutException)
        {
            throw new OciRuntimeException(error.Message, error);
        }
    }

    private OciRuntimeException Failed(string verb, int exitCode, string said) =>
        new($"{path} {verb} failed with exit code {exitCode}{(said.Length > 0 ? $": {said}" : " and said nothing.")}");
}

/// <summary>The runtime could not do what it was asked; the message holds what it wrote to standard error.</summary>
internal sealed class OciRuntimeException(string message, Exception? inner = null) : Exception(message, inner);
