using System.Diagnostics;
using System.Text;

namespace KernelGateway.Testing;

/// <summary>A Python script run as the other side of a test, spoken to in lines. Killed when disposed.</summary>
public sealed class PythonPeer : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private readonly Process _process;
    private readonly StringBuilder _errors = new();

    private PythonPeer(Process process)
    {
        _process = process;
        process.ErrorDataReceived += (_, line) =>
        {
            lock (_errors)
            {
                _errors.AppendLine(line.Data);
            }
        };
        process.BeginErrorReadLine();
    }

    public int ProcessId => _process.Id;

    /// <summary>Starts a script that lies beside the test assembly.</summary>
    public static PythonPeer Start(string script, params string[] arguments) => StartAs(null, script, arguments);

    /// <summary>The same under another uid (this needs root).</summary>
    public static PythonPeer StartAs(int? uid, string script, params string[] arguments)
    {
        var start = new ProcessStartInfo
        {
            FileName = uid is null ? Requires.Python : "/usr/bin/setpriv",
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        string[] before = uid is null ? [] : [$"--reuid={uid}", $"--regid={uid}", "--clear-groups", Requires.Python];
        foreach (var argument in (string[])[.. before, Path.Combine(TestContext.CurrentContext.TestDirectory, script), .. arguments])
        {
            start.ArgumentList.Add(argument);
        }

        return new PythonPeer(Process.Start(start)!);
    }

    public async Task WriteLineAsync(string line)
    {
        await _process.StandardInput.WriteLineAsync(line);
        await _process.StandardInput.FlushAsync();
    }

    /// <summary>The next line the script prints; fails with what it said on its error stream.</summary>
    public async Task<string> ReadLineAsync()
    {
        using var deadline = new CancellationTokenSource(Patience, TimeProvider.System);
        try
        {
            return await _process.StandardOutput.ReadLineAsync(deadline.Token)
                ?? throw new InvalidOperationException($"The peer has ended. It said: {Errors()}");
        }
        catch (OperationCanceledException)
        {
            throw new TimeoutException($"The peer printed nothing for {Patience.TotalSeconds} s. It said: {Errors()}");
        }
    }

    /// <summary>Writes a line and gives the answer.</summary>
    public async Task<string> AskAsync(string line)
    {
        await WriteLineAsync(line);
        return await ReadLineAsync();
    }

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
        {
            _process.Kill();
        }

        using var deadline = new CancellationTokenSource(Patience, TimeProvider.System);
        await _process.WaitForExitAsync(deadline.Token);
        _process.Dispose();
    }

    private string Errors()
    {
        lock (_errors)
        {
            return _errors.ToString();
        }
    }
}
