using System.Diagnostics;

namespace KernelGateway.Testing;

/// <summary>A program that is run to its end, and what it said.</summary>
internal static class ChildProcess
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    /// <summary>Runs a program; kills it when the test is cancelled.</summary>
    public static Task<(int ExitCode, string Output)> RunAsync(string program, IEnumerable<string> arguments, IEnumerable<(string Key, string Value)> environment, CancellationToken cancellationToken)
    {
        var start = new ProcessStartInfo(program, arguments);
        foreach (var (key, value) in environment)
        {
            start.Environment[key] = value;
        }

        return RunAsync(start, cancellationToken);
    }

    /// <summary>Runs a program of the host, which is killed when it takes more than a minute.</summary>
    public static async Task<(int ExitCode, string Output)> RunAsync(string program, params string[] arguments)
    {
        using var deadline = new CancellationTokenSource(Patience);
        return await RunAsync(new ProcessStartInfo(program, arguments) { WorkingDirectory = Path.GetTempPath() }, deadline.Token);
    }

    /// <summary>Runs what was prepared.</summary>
    public static async Task<(int ExitCode, string Output)> RunAsync(ProcessStartInfo start, CancellationToken cancellationToken)
    {
        start.RedirectStandardOutput = true;
        start.RedirectStandardError = true;
        using var process = Process.Start(start)!;
        try
        {
            var output = process.StandardOutput.ReadToEndAsync(cancellationToken);
            var errors = process.StandardError.ReadToEndAsync(cancellationToken);
            await process.WaitForExitAsync(cancellationToken);
            return (process.ExitCode, await output + await errors);
        }
        catch (OperationCanceledException)
        {
            process.Kill();
            throw;
        }
    }

    /// <summary>Runs a program that must succeed; gives what it said.</summary>
    public static async Task<string> MustRunAsync(string program, params string[] arguments)
    {
        var (exitCode, output) = await RunAsync(program, arguments);
        exitCode.Should().Be(0, "{0} {1} must work: {2}", program, string.Join(' ', arguments), output);
        return output;
    }
}
