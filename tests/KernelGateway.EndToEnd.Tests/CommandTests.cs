using System.Globalization;
using System.Text;
using KernelGateway.Client;
using KernelGateway.Contracts.Commands;
using KernelGateway.Contracts.Errors;
using KernelGateway.Contracts.Events;
using KernelGateway.EndToEnd.Tests.Support;

namespace KernelGateway.EndToEnd.Tests;

/// <summary>Commands in real containers, through the SDK, and over crashes of the gateway.</summary>
public sealed class CommandTests : GatewayFixture
{
    [Test]
    public async Task A_command_runs_beside_the_code_in_the_same_place(CancellationToken cancellationToken)
    {
        await using var sandbox = await Sandbox.CreateAsync(Client, null, cancellationToken);
        await sandbox.RunCodeAsync("open('/workspace/a.txt', 'w').write('from code')", null, cancellationToken);
        var busy = await sandbox.StartCodeAsync("import time; time.sleep(30)", null, cancellationToken);
        var lines = new List<string>();

        var outcome = await sandbox.Commands.RunAsync(
            "cat a.txt; echo; id -u; echo oops >&2; exit 4",
            new CommandOptions { OnStdout = line => lines.Add(line.Line), OnStderr = line => lines.Add($"! {line.Line}") },
            cancellationToken);

        outcome.ExitCode.Should().Be(4);
        outcome.Success.Should().BeFalse();
        outcome.Stderr.Should().Be("oops\n");
        lines.Should().Contain("from code").And.Contain("! oops");
        outcome.Stdout.Should().NotContain("\n0\n", "nobody in a sandbox is root");
        await busy.InterruptAsync(cancellationToken);
    }

    [Test]
    public async Task A_handle_writes_reads_signals_and_can_be_taken_up_again(CancellationToken cancellationToken)
    {
        await using var sandbox = await Sandbox.CreateAsync(Client, null, cancellationToken);
        var command = await sandbox.Commands.ExecAsync(["cat"], new CommandOptions { KeepStdinOpen = true }, cancellationToken);
        await command.WriteStdinAsync("one\n", cancellationToken);
        (await sandbox.FirstAsync<CommandOutputEvent>(command.Info.FirstSequence, cancellationToken)).Text.Should().Be("one\n");

        var again = await sandbox.Commands.GetAsync(command.Id, null, cancellationToken);
        again.Info.State.Should().Be(CommandState.Running);
        await again.WriteStdinAsync("two\n"u8.ToArray(), cancellationToken);
        await again.CloseStdinAsync(cancellationToken);
        var outcome = await again.WaitAsync(cancellationToken);

        (outcome.ExitCode, outcome.Stdout).Should().Be((0, "one\ntwo\n"));
        var replay = new StringBuilder();
        await foreach (var chunk in command.Output(cancellationToken))
        {
            replay.Append(chunk.Text);
        }

        replay.ToString().Should().Be("one\ntwo\n");
        (await sandbox.Commands.ListAsync(cancellationToken)).Should().ContainSingle().Which.ExitCode.Should().Be(0);
        var sleeping = await sandbox.Commands.StartAsync("sleep 100", null, cancellationToken);
        await sleeping.SignalAsync("SIGINT", cancellationToken);
        (await sleeping.WaitAsync(cancellationToken)).ExitCode.Should().Be(130);
        var terminal = await sandbox.Commands.StartAsync("read x; stty size", new CommandOptions { Pty = new PtySize(80, 24) }, cancellationToken);
        await terminal.ResizeAsync(90, 33, cancellationToken);
        await terminal.WriteStdinAsync("\n", cancellationToken);
        (await terminal.WaitAsync(cancellationToken)).Stdout.Should().Contain("33 90");
    }

    [Test]
    public async Task Packages_of_the_system_are_refused_with_the_way_out(CancellationToken cancellationToken)
    {
        await using var sandbox = await Sandbox.CreateAsync(Client, null, cancellationToken);

        var refused = await ((Func<Task>)(() => sandbox.Commands.InstallSystemPackagesAsync(["curl"], cancellationToken: cancellationToken))).Should().ThrowAsync<KernelGatewayException>();

        refused.Which.Code.Should().Be(ErrorCodes.NotSupported);
        refused.Which.Message.Should().Contain("kernel-images/build.sh");
    }

    [Test]
    public async Task A_command_that_is_killed_for_memory_says_so(CancellationToken cancellationToken)
    {
        await using var sandbox = await Sandbox.CreateAsync(Client, new() { MemoryMb = 128 }, cancellationToken);

        var outcome = await sandbox.Commands.RunAsync("exec python3 -c 'x = bytearray(400 << 20)'", null, cancellationToken);

        outcome.ExitCode.Should().Be(137);
        outcome.ReasonCode.Should().Be("oom");
        outcome.Violations.Should().Contain(v => v.Kind == "oom");
    }

    [Test]
    public async Task Kills_of_the_gateway_while_a_command_prints_lose_and_double_no_line(CancellationToken cancellationToken)
    {
        const int Lines = 20_000;
        await using var gateway = await GatewayProcess.StartNewAsync();
        await using var client = gateway.Client();
        await using var sandbox = await Sandbox.CreateAsync(client, null, cancellationToken);
        var command = await sandbox.Commands.StartAsync($"for ((i = 0; i < {Lines}; i++)); do echo $i; ((i % 100)) || sleep 0.05; done; exit 5", null, cancellationToken);
        var seen = new List<string>();
        var waiting = Task.Run(
            async () =>
            {
                await foreach (var chunk in command.Output(cancellationToken))
                {
                    lock (seen)
                    {
                        seen.Add(chunk.Text);
                    }
                }
            },
            cancellationToken);

        for (var kill = 0; kill < 3; kill++)
        {
            await sandbox.FirstAsync<CommandOutputEvent>((await sandbox.RefreshAsync(cancellationToken)).LastSequence, cancellationToken);
            await gateway.KillAsync();
            await gateway.StartAsync();
        }

        await waiting;
        string.Concat(seen).Should().Be(string.Concat(Enumerable.Range(0, Lines).Select(i => i.ToString(CultureInfo.InvariantCulture) + "\n")));
        var outcome = await command.WaitAsync(cancellationToken);
        (outcome.ExitCode, outcome.Truncated).Should().Be((5, false));
    }

    [Test]
    public async Task A_command_that_ended_while_the_gateway_was_away_tells_all_of_it_afterwards(CancellationToken cancellationToken)
    {
        await using var gateway = await GatewayProcess.StartNewAsync();
        await using var client = gateway.Client();
        await using var sandbox = await Sandbox.CreateAsync(client, null, cancellationToken);
        var command = await sandbox.Commands.StartAsync("echo begun; sleep 1; seq 5000; exit 6", null, cancellationToken);
        await sandbox.FirstAsync<CommandOutputEvent>(command.Info.FirstSequence, cancellationToken);
        await gateway.KillAsync();
        await QuietFolder.WaitForAsync(Path.Combine(gateway.DataFolder, "hosts"));

        await gateway.StartAsync();

        var outcome = await command.WaitAsync(cancellationToken);
        outcome.ExitCode.Should().Be(6);
        outcome.Stdout.Should().Be("begun\n" + string.Concat(Enumerable.Range(1, 5000).Select(i => $"{i}\n")));
        (await sandbox.Commands.RunAsync("ls /run/kg/logs 2>/dev/null | wc -l", null, cancellationToken)).ExitCode.Should().Be(0);
    }

    [Test]
    public async Task A_command_that_nobody_reads_waits_and_no_memory_grows(CancellationToken cancellationToken)
    {
        await using var gateway = await GatewayProcess.StartNewAsync();
        await using var client = gateway.Client();
        await using var sandbox = await Sandbox.CreateAsync(client, null, cancellationToken);
        await sandbox.Commands.RunAsync("true", null, cancellationToken);
        var command = await sandbox.Commands.StartAsync("head -c 60000000 /dev/zero | tr '\\0' 'x'; exit 2", null, cancellationToken);
        await gateway.KillAsync();
        await QuietFolder.WaitForAsync(Path.Combine(gateway.DataFolder, "hosts"));
        var logs = Directory.EnumerateFiles(Path.Combine(gateway.DataFolder, "hosts"), "*.seg", new EnumerationOptions { RecurseSubdirectories = true, IgnoreInaccessible = true, AttributesToSkip = FileAttributes.ReparsePoint })
            .Where(path => path.Contains(command.Id, StringComparison.Ordinal)).Sum(path => new FileInfo(path).Length);
        TestContext.Out.WriteLine($"{logs} bytes of the log lay unread.");
        logs.Should().BeLessThan(8 << 20);

        await gateway.StartAsync();

        long bytes = 0;
        await foreach (var chunk in command.Output(cancellationToken))
        {
            bytes += chunk.Bytes.Length;
        }

        bytes.Should().Be(60_000_000);
        (await command.WaitAsync(cancellationToken)).ExitCode.Should().Be(2);
    }

    [Test]
    public async Task A_quarter_of_a_gigabyte_goes_through_in_bounded_memory_and_nothing_is_lost(CancellationToken cancellationToken)
    {
        const long Bytes = 256L << 20;
        await using var gateway = await GatewayProcess.StartNewAsync(("Gateway:Journal:MaxBytes", (1L << 30).ToString(CultureInfo.InvariantCulture)));
        await using var client = gateway.Client();
        await using var sandbox = await Sandbox.CreateAsync(client, null, cancellationToken);
        await sandbox.Commands.RunAsync("true", null, cancellationToken);
        await using var watch = new MemoryWatch(gateway);
        var command = await sandbox.Commands.StartAsync($"yes 0123456789abcdef0123456789abcde | head -c {Bytes}", null, cancellationToken);

        long seen = 0;
        var wrong = 0;
        await foreach (var chunk in command.Output(cancellationToken))
        {
            foreach (var character in chunk.Text)
            {
                wrong += character == "0123456789abcdef0123456789abcde\n"[(int)(seen++ % 32)] ? 0 : 1;
            }
        }

        (seen, wrong).Should().Be((Bytes, 0));
        (await sandbox.Commands.GetAsync(command.Id, null, cancellationToken)).Info.Output.Should().Match<KernelGateway.Contracts.Executions.OutputCounters>(o => o.Bytes >= Bytes && o.DroppedBytes == 0);
        watch.Growth.Should().BeLessThan(256 << 20);
    }
}
