using System.Text;
using KernelGateway.Core.Errors;
using KernelGateway.Core.KernelLogs;
using KernelGateway.Core.Provisioning;

namespace KernelGateway.Provisioners.Tests.Contract;

/// <summary>Commands; a variant that cannot run them does not take part.</summary>
public abstract partial class KernelProvisionerContract
{
    [Test]
    public async Task A_command_gets_its_input_variables_and_folder_and_says_how_it_ended(CancellationToken cancellationToken)
    {
        var host = await ProvisionAsync(cancellationToken);
        await using var commands = CommandsOf(host);

        var ended = await commands.RunAsync(
            Launch("pwd; echo $GIVEN; cat; echo oops >&2; exit 7") with { WorkingDirectory = "/tmp", Variables = new Dictionary<string, string> { ["GIVEN"] = "é" }, Input = "in"u8.ToArray() },
            cancellationToken);

        ended.Output.Should().Be("/tmp\né\nin");
        ended.Errors.Should().Be("oops\n");
        ended.End.Should().Contain("\"code\": 7");
        (await commands.RunAsync(Launch("kill -9 $$"), cancellationToken)).End.Should().Contain("\"signal\": 9");
        (await commands.RunAsync(Launch("sleep 600") with { Timeout = TimeSpan.FromMilliseconds(100), Grace = TimeSpan.FromMilliseconds(100) }, cancellationToken)).End.Should().Contain("\"timed_out\": true");
    }

    [Test]
    public async Task Input_signals_and_a_terminal_reach_a_command_that_runs(CancellationToken cancellationToken)
    {
        var host = await ProvisionAsync(cancellationToken);
        await using var commands = CommandsOf(host);
        var cat = await commands.StartAsync(Launch("cat") with { KeepInputOpen = true }, cancellationToken);
        await commands.Host.WriteCommandAsync(cat, "one\n"u8.ToArray(), false, cancellationToken);
        await commands.Host.WriteCommandAsync(cat, "two\n"u8.ToArray(), true, cancellationToken);
        (await commands.WaitAsync(cat, cancellationToken)).Output.Should().Be("one\ntwo\n");

        var terminal = await commands.StartAsync(Launch("read x; stty size") with { Terminal = new TerminalSize(80, 24) }, cancellationToken);
        await commands.Host.ResizeCommandAsync(terminal, new TerminalSize(90, 33), cancellationToken);
        await commands.Host.WriteCommandAsync(terminal, "\n"u8.ToArray(), false, cancellationToken);
        (await commands.WaitAsync(terminal, cancellationToken)).Output.Should().Contain("33 90");

        var family = await commands.StartAsync(Launch("sleep 600 & wait"), cancellationToken);
        await commands.Host.SignalCommandAsync(family, 9, all: true, cancellationToken);
        (await commands.WaitAsync(family, cancellationToken)).End.Should().Contain("\"signal\": 9");
        foreach (var late in new Func<Task>[]
        {
            () => commands.Host.WriteCommandAsync(family, "x"u8.ToArray(), false, cancellationToken),
            () => commands.Host.SignalCommandAsync(family, 15, false, cancellationToken),
            () => commands.Host.ResizeCommandAsync(family, new TerminalSize(1, 1), cancellationToken),
        })
        {
            (await late.Should().ThrowAsync<GatewayException>()).Which.Code.Should().Be(ErrorCode.Conflict);
        }
    }

    [Test]
    public async Task A_folder_that_is_not_there_is_named_and_nothing_is_left_of_the_command(CancellationToken cancellationToken)
    {
        var host = await ProvisionAsync(cancellationToken);
        await using var commands = CommandsOf(host);
        var launch = Launch("true") with { WorkingDirectory = "/no/such/folder" };

        var refused = (await commands.Host.Awaiting(it => it.StartCommandAsync(launch, cancellationToken)).Should().ThrowAsync<GatewayException>()).Which;

        (refused.Code, refused.Field).Should().Be((ErrorCode.InvalidArgument, "cwd"));
        refused.Message.Should().Contain("/no/such/folder");
    }

    [Test]
    public async Task A_command_outlives_the_gateway_and_is_found_again(CancellationToken cancellationToken)
    {
        var host = await ProvisionAsync(cancellationToken);
        string id;
        await using (var commands = CommandsOf(host))
        {
            id = await commands.StartAsync(Launch("echo begun; read x; echo $x; exit 5") with { KeepInputOpen = true }, cancellationToken);
        }

        var description = host.Describe();
        await host.DisposeAsync();
        var again = Keep(await Provisioner.ReattachAsync(description, cancellationToken));
        await using var found = CommandsOf(again);

        found.Host.CommandsFound.Should().Equal(id);
        await found.Host.WriteCommandAsync(id, "later\n"u8.ToArray(), true, cancellationToken);
        var ended = await found.WaitAsync(id, cancellationToken);
        ended.Output.Should().Be("begun\nlater\n");
        ended.End.Should().Contain("\"code\": 5");
        await found.Host.ForgetCommandAsync(id, cancellationToken);
        Directory.Exists(found.Host.CommandLog(id).Directory).Should().BeFalse();
    }

    private static CommandLaunch Launch(string command) => new(
        Guid.NewGuid().ToString("N"), [command], true, null, new Dictionary<string, string>(), default, false, null, TimeSpan.Zero, TimeSpan.FromSeconds(1));

    private static CommandReader CommandsOf(IKernelHost host)
    {
        var power = host.PowerOf<ICommandHost>();
        if (power is null)
        {
            Assert.Pass("This variant cannot run commands.");
        }

        return new CommandReader(power!);
    }

    /// <summary>Reads the logs of commands as the gateway does.</summary>
    private sealed class CommandReader : IAsyncDisposable
    {
        private readonly SemaphoreSlim _activity = new(0);

        public CommandReader(ICommandHost host)
        {
            Host = host;
            host.OnCommandActivity(_ => _activity.Release());
        }

        public ICommandHost Host { get; }

        public async Task<string> StartAsync(CommandLaunch launch, CancellationToken cancellationToken)
        {
            await Host.StartCommandAsync(launch, cancellationToken);
            return launch.CommandId;
        }

        public async Task<(string Output, string Errors, string End)> RunAsync(CommandLaunch launch, CancellationToken cancellationToken) =>
            await WaitAsync(await StartAsync(launch, cancellationToken), cancellationToken);

        public async Task<(string Output, string Errors, string End)> WaitAsync(string id, CancellationToken cancellationToken)
        {
            using var log = KernelLogReader.Open(Host.CommandLog(id), KernelLogPosition.Start, new KernelLogOptions());
            var (output, errors) = (new StringBuilder(), new StringBuilder());
            while (true)
            {
                while (log.TryRead(out var record))
                {
                    if (record!.Kind == KernelLogKind.CommandEnd)
                    {
                        return (output.ToString(), errors.ToString(), Encoding.UTF8.GetString(record.Frames[0].Span));
                    }

                    (record.Frames[0].Span.SequenceEqual("stderr"u8) ? errors : output).Append(Encoding.UTF8.GetString(record.Frames[1].Span));
                }

                log.Fault.Should().BeNull();
                await _activity.WaitAsync(TimeSpan.FromMilliseconds(200), cancellationToken); // What was written before anybody listened is told to nobody.
            }
        }

        public ValueTask DisposeAsync()
        {
            Host.OnCommandActivity(_ => { });
            _activity.Dispose();
            return ValueTask.CompletedTask;
        }
    }
}
