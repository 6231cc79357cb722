using System.Diagnostics;

namespace KernelGateway.EndToEnd.Tests.Support;

/// <summary>A program that a user would start, and what it said.</summary>
internal static class ChildProcess
{
    /// <summary>Runs a program to its end; kills it when the test is cancelled.</summary>
    public static async Task<(int ExitCode, string Output)> RunAsync(string program, string[] arguments, (string Key, string Value)[] environment, CancellationToken cancellationToken)
    {
        var start = new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var (key, value) in environment)
        {
            start.Environment[key] = value;
        }

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
}
