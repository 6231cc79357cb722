using KernelGateway.Client;
using KernelGateway.Contracts.Events;

namespace Walkthrough;

/// <summary>Running code.</summary>
internal static class CodeChapters
{
    public static async Task TellAsync(Sandbox sandbox)
    {
        Say.Chapter("Running code");
        var result = await sandbox.RunCodeAsync("print('hello')");
        Say.Line($"It printed {result.Stdout.TrimEnd()} and is a {(result.Success ? "success" : "failure")}.");
        result = await sandbox.RunCodeAsync("x = 10\nx * 2");
        Say.Line($"The last expression is {result.Text}.");
        result = await sandbox.RunCodeAsync("1 / 0");
        Say.Line($"{result.Error!.Name}: {result.Error.Value}");
        result = await sandbox.RunCodeAsync("import sys; sys.exit(3)");
        Say.Line($"It exited with {result.ExitCode}.");
        result = await sandbox.RunCodeAsync("while True: pass", new() { Timeout = TimeSpan.FromSeconds(0.5) });
        Say.Line($"A loop without end is ended: {result.ReasonCode}.");

        Say.Chapter("State");
        await sandbox.RunCodeAsync("counter = 1");
        await sandbox.RunCodeAsync("counter += 1");
        Say.Line($"The counter is {(await sandbox.RunCodeAsync("counter")).Text}.");

        Say.Chapter("Output, line by line, while the code runs");
        await sandbox.RunCodeAsync(
            "import sys\nfor i in range(3): print(f'Step {i}')\nprint('careful', file=sys.stderr)",
            new()
            {
                OnStdout = line => Say.Line($"[{line.Stream}] {line.Line}"),
                OnStderr = line => Say.Line($"[{line.Stream}] {line.Line}"),
            });

        Say.Chapter("Questions of the code");
        await sandbox.RunCodeAsync(
            "name = input('Who are you? ')\nprint('Welcome,', name)",
            new()
            {
                OnInput = (question, _) =>
                {
                    Say.Line($"It asks: {question.Prompt.Trim()}");
                    return Task.FromResult("Ada");
                },
                OnStdout = line => Say.Line(line.Line),
            });

        Say.Chapter("Environment variables");
        const string Show = "import os; print(os.environ.get('GREETING'), os.environ.get('TOKEN'))";
        result = await sandbox.RunCodeAsync(Show, new() { Env = new Dictionary<string, string> { ["TOKEN"] = "secret" } });
        Say.Line($"In a run of its own: {result.Stdout.TrimEnd()}");
        Say.Line($"In the next one: {(await sandbox.RunCodeAsync(Show)).Stdout.TrimEnd()}");

        Say.Chapter("Rich results");
        result = await sandbox.RunCodeAsync("import pandas as pd\npd.DataFrame({'a': [1, 2, 3]})");
        Say.Line($"A table comes as {string.Join(", ", result.Results[0].Data.Keys.Order(StringComparer.Ordinal))}.");
        result = await sandbox.RunCodeAsync("import matplotlib.pyplot as plt\nplt.plot([1, 2, 3])\nplt.show()");
        Say.Line($"A figure comes as {string.Join(", ", result.Results[0].Data.Keys.Order(StringComparer.Ordinal))}.");

        Say.Chapter("Interrupting");
        var running = await sandbox.StartCodeAsync("import time\nprint('begun', flush=True)\ntime.sleep(60)");
        await foreach (var next in running.Events())
        {
            if (next is OutputEvent)
            {
                break;
            }
        }

        await running.InterruptAsync();
        result = await running.WaitAsync();
        Say.Line($"The run is {result.Status}; what it had printed is there: {result.Stdout.TrimEnd()}");
    }
}
