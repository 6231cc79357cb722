using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text;
using KernelGateway.Jupyter;

namespace KernelGateway.Testing;

/// <summary>An ipykernel of its own, with a folder of its own. Killed, with its folder, when disposed.</summary>
public sealed partial class RealKernel : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly Process _process;
    private readonly TemporaryFolder _folder;
    private readonly StringBuilder _said;

    private RealKernel(Process process, TemporaryFolder folder, ConnectionFile connection, StringBuilder said)
    {
        _process = process;
        _folder = folder;
        _said = said;
        Connection = connection;
    }

    public ConnectionFile Connection { get; }

    public int ProcessId => _process.Id;

    public string Folder => _folder.Path;

    /// <param name="transport">ipc or tcp.</param>
    public static async Task<RealKernel> StartAsync(string transport)
    {
        Requires.Kernel();
        var folder = new TemporaryFolder();
        var connection = transport == "ipc" ? ConnectionFile.ForIpc(folder.Of("k")) : ConnectionFile.ForLoopback();
        await connection.WriteAsync(folder.Of("connection.json"));

        // A session of its own: an interrupt goes to the process group, which must not be that of the tests.
        var start = new ProcessStartInfo("/usr/bin/setsid")
        {
            WorkingDirectory = folder.Path,
            RedirectStandardError = true,
            RedirectStandardOutput = true,
        };
        string[] arguments = [Requires.Python, "-m", "ipykernel_launcher", "-f", folder.Of("connection.json")];
        Array.ForEach(arguments, start.ArgumentList.Add);
        start.Environment["IPYTHONDIR"] = folder.Of("ipython");
        start.Environment["PYDEVD_DISABLE_FILE_VALIDATION"] = "1";
        var process = Process.Start(start)!;
        var said = new StringBuilder();
        process.ErrorDataReceived += (_, line) => Append(said, line.Data);
        process.OutputDataReceived += (_, line) => Append(said, line.Data);
        process.BeginErrorReadLine();
        process.BeginOutputReadLine();
        return new RealKernel(process, folder, connection, said);
    }

    /// <summary>A client that is ready.</summary>
    public async Task<KernelClient> ConnectAsync(KernelClientOptions? options = null)
    {
        KernelClient? client = null;
        try
        {
            client = await KernelClient.ConnectAsync(Connection, (options ?? new()) with { ConnectTimeout = Patience });
            await client.WaitForReadyAsync(Patience);
            return client;
        }
        catch (KernelException e)
        {
            if (client is not null)
            {
                await client.DisposeAsync();
            }

            throw new InvalidOperationException($"{e.Message} The kernel {(_process.HasExited ? "has ended" : "runs")}. It said: {Said()}", e);
        }
    }

    /// <summary>What the gateway does when the kernelspec says <c>signal</c>.</summary>
    public Task InterruptAsync(CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return Kill(ProcessId, 2) == 0
            ? Task.CompletedTask
            : throw new InvalidOperationException($"kill failed with {Marshal.GetLastPInvokeError()}.");
    }

    public void Kill() => _process.Kill();

    public async Task WaitForExitAsync()
    {
        using var deadline = new CancellationTokenSource(Patience, TimeProvider.System);
        await _process.WaitForExitAsync(deadline.Token);
    }

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
        {
            _process.Kill();
        }

        await WaitForExitAsync();
        _process.Dispose();
        _folder.Dispose();
    }

    private static void Append(StringBuilder said, string? line)
    {
        lock (said)
        {
            said.AppendLine(line);
        }
    }

    private string Said()
    {
        lock (_said)
        {
            return _said.ToString();
        }
    }

    [LibraryImport("libc", EntryPoint = "kill", SetLastError = true)]
    private static partial int Kill(int pid, int signal);
}
