using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using DiagnosticsProcess = System.Diagnostics.Process;

namespace KernelGateway.Provisioners.Native;

/// <summary>Runs a program of the host to its end: no shell words, an environment made from nothing, bounded output, a deadline.</summary>
internal static class ExternalProgram
{
    /// <summary>A list of some ten thousand containers.</summary>
    private const int MaxOutput = 1 << 20;

    /// <summary>Nothing else of the gateway's environment is passed on: it may hold secrets.</summary>
    private const string SearchPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

    /// <summary>Runs a program and returns what it wrote.</summary>
    /// <exception cref="Win32Exception">It could not be started.</exception>
    /// <exception cref="TimeoutException">It did not end in time and was killed.</exception>
    internal static async Task<Result> RunAsync(
        string path,
        IEnumerable<string> arguments,
        TimeSpan within,
        TimeProvider time,
        IReadOnlyDictionary<string, string>? variables = null)
    {
        var start = new ProcessStartInfo(path, arguments)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        using var process = Start(start, variables);
        // Disposing a process leaves its pipes to the garbage collector.
        using var standardOutput = process.StandardOutput;
        using var standardError = process.StandardError;
        process.StandardInput.Close();
        var output = TextTail.ReadAsync(standardOutput, MaxOutput);
        var error = TextTail.ReadAsync(standardError);
        await EndAsync(process, Task.WhenAll(output, error), within, time);
        return new Result(process.ExitCode, await output, await error);
    }

    /// <summary>Runs a program whose children live on with its standard output and error, which are appended to a file.</summary>
    /// <remarks>Never through pipes: the children inherit them, and reading to the end would wait for their whole life.</remarks>
    /// <returns>The exit code and the end of the file.</returns>
    /// <exception cref="Win32Exception">It could not be started.</exception>
    /// <exception cref="TimeoutException">It did not end in time and was killed.</exception>
    internal static async Task<Result> RunDetachingAsync(
        string path,
        IEnumerable<string> arguments,
        string stdio,
        TimeSpan within,
        TimeProvider time)
    {
        // A shell opens the file and becomes the program.
        const string Redirect = "umask 077; out=$1; shift; exec \"$@\" </dev/null >>\"$out\" 2>&1";
        var start = new ProcessStartInfo("/bin/sh", ["-c", Redirect, "sh", stdio, path, .. arguments]);
        using var process = Start(start, null);
        await EndAsync(process, Task.CompletedTask, within, time);
        return new Result(process.ExitCode, "", TextTail.OfFile(stdio));
    }

    /// <summary>Starts a program in the background that is not our child and has a session of its own, so that it outlives us; its output is appended to a file.</summary>
    /// <returns>Its number.</returns>
    /// <exception cref="IOException">It was not started.</exception>
    /// <exception cref="Win32Exception">The shell could not be started.</exception>
    /// <exception cref="TimeoutException">The shell did not end in time and was killed.</exception>
    internal static async Task<int> StartAloneAsync(IEnumerable<string> command, string folder, string stdio, TimeSpan within, TimeProvider time, IReadOnlyDictionary<string, string> variables)
    {
        // The background process of a shell leads no group, so that setsid becomes the program itself and $! is its number.
        const string Script = "umask 077; out=$1; cd \"$2\" || exit 1; shift 2; setsid \"$@\" </dev/null >>\"$out\" 2>&1 & echo $!";
        var result = await RunAsync("/bin/sh", ["-c", Script, "sh", stdio, folder, .. command], within, time, variables);
        return int.TryParse(result.Output, NumberStyles.None, CultureInfo.InvariantCulture, out var pid) ? pid : throw new IOException(result.Error);
    }

    private static DiagnosticsProcess Start(ProcessStartInfo start, IReadOnlyDictionary<string, string>? variables)
    {
        start.Environment.Clear();
        start.Environment["PATH"] = SearchPath;
        foreach (var (name, value) in variables ?? new Dictionary<string, string>())
        {
            start.Environment[name] = value;
        }

        return DiagnosticsProcess.Start(start) ?? throw new InvalidOperationException($"{start.FileName} was not started.");
    }

    private static async Task EndAsync(DiagnosticsProcess process, Task reading, TimeSpan within, TimeProvider time)
    {
        using var deadline = new CancellationTokenSource(within, time);
        try
        {
            await reading.WaitAsync(deadline.Token);
            await process.WaitForExitAsync(deadline.Token);
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            throw new TimeoutException($"{process.StartInfo.FileName} did not end within {within.TotalSeconds:0} seconds and was killed.");
        }
    }

    /// <summary>How a program ended and the end of what it wrote.</summary>
    internal sealed record Result(int ExitCode, string Output, string Error);
}
