using KernelGateway.Client;

namespace Walkthrough;

/// <summary>Commands.</summary>
internal static class CommandChapters
{
    public static async Task TellAsync(Sandbox sandbox)
    {
        Say.Chapter("Commands");
        var outcome = await sandbox.Commands.RunAsync("echo out; echo err >&2; exit 4");
        Say.Line($"stdout {outcome.Stdout.TrimEnd()}, stderr {outcome.Stderr.TrimEnd()}, exit code {outcome.ExitCode}");
        outcome = await sandbox.Commands.RunAsync("no-such-program");
        Say.Line($"A program that is not there: exit code {outcome.ExitCode}");
        outcome = await sandbox.Commands.RunAsync("sleep 60", new() { Timeout = TimeSpan.FromSeconds(0.3) });
        Say.Line($"Too slow: {outcome.ReasonCode}");

        Say.Chapter("A program with live output");
        var process = await sandbox.Commands.ExecAsync(["python3", "-c", "print('hello')"]);
        await foreach (var piece in process.Output())
        {
            Say.Line($"[{piece.Stream}] {piece.Text.TrimEnd()}");
        }

        Say.Chapter("A command that runs on, found again by its id");
        var cat = await sandbox.Commands.ExecAsync(["cat"], new() { KeepStdinOpen = true });
        await cat.WriteStdinAsync("first\n");
        var again = await sandbox.Commands.GetAsync(cat.Id);
        await again.WriteStdinAsync("second\n");
        await again.CloseStdinAsync();
        outcome = await again.WaitAsync();
        Say.Line($"It said {string.Join(" and ", outcome.Stdout.Split('\n', StringSplitOptions.RemoveEmptyEntries))}; exit code {outcome.ExitCode}.");

        Say.Chapter("A terminal");
        var terminal = await sandbox.Commands.StartAsync("stty size; tty -s && echo a terminal", new() { Pty = new(100, 30) });
        outcome = await terminal.WaitAsync();
        Say.Line(string.Join(", ", outcome.Stdout.Split("\r\n", StringSplitOptions.RemoveEmptyEntries)));

        await Say.RefusedAsync("Installing system packages", () => sandbox.Commands.InstallSystemPackagesAsync(["curl"]));
    }
}
