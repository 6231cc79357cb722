using System.Diagnostics;
using System.Text;
using KernelGateway.Core.Errors;
using KernelGateway.Core.Provisioning;

namespace KernelGateway.Provisioners.Tests.Remote;

/// <summary>Commands that are reached through a kernel.</summary>
[CancelAfter(90_000)]
public sealed class RemoteCommandsTests
{
    private RealKernel _utility = null!;
    private RemoteStage _stage = null!;

    [OneTimeSetUp]
    public async Task StartKernel() => _utility = await RealKernel.StartAsync("ipc");

    [OneTimeTearDown]
    public async Task EndKernel() => await _utility.DisposeAsync();

    [SetUp]
    public void Open() => _stage = new RemoteStage(_utility);

    [TearDown]
    public async Task Close() => await _stage.DisposeAsync();

    [Test]
    public async Task A_command_has_its_folder_variables_input_and_exit_code(CancellationToken cancellationToken)
    {
        Directory.CreateDirectory(Path.Combine(_stage.Work, "sub"));
        var id = await StartAsync("pwd; echo $OF_PLACE $OF_CALL; cat; echo err >&2; exit 7", cancellationToken, launch => launch with
        {
            WorkingDirectory = "sub",
            Variables = new Dictionary<string, string> { ["OF_CALL"] = "call" },
            Input = Encoding.UTF8.GetBytes("given\n"),
        });
        var said = await _stage.ReadAsync(id, cancellationToken);
        (said.Output, said.Errors, said.Code).Should().Be(($"{_stage.Work}/sub\nplace call\ngiven\n", "err\n", 7));
        said.Faults.Should().BeEmpty();
        await _stage.Commands.ForgetCommandAsync(id, cancellationToken);
        Directory.Exists(_stage.Commands.CommandLog(id).Directory).Should().BeFalse();
    }

    [TestCase("true", 0)]
    [TestCase("false", 1)]
    [TestCase("no-such-program-here", 127)]
    [TestCase("/etc/passwd", 126)]
    public async Task Exit_codes_are_those_of_a_shell(string command, int code, CancellationToken cancellationToken) =>
        (await _stage.ReadAsync(await StartAsync(command, cancellationToken), cancellationToken)).Code.Should().Be(code);

    [Test]
    public async Task What_cannot_be_started_is_refused(CancellationToken cancellationToken)
    {
        (await RefusalAsync(launch => launch with { WorkingDirectory = "/no/such/folder" })).Should().Match<GatewayException>(it => it.Code == ErrorCode.InvalidArgument && it.Field == "cwd");
        (await RefusalAsync(launch => launch with { Argv = [new string('x', 1 << 20)] })).Code.Should().Be(ErrorCode.InvalidArgument);
        (await RefusalAsync(launch => launch with { Variables = new Dictionary<string, string> { ["a=b"] = "c" } })).Code.Should().Be(ErrorCode.InvalidArgument);
        (await _stage.Commands.Awaiting(it => it.SignalCommandAsync(Id(), 15, false, cancellationToken)).Should().ThrowAsync<GatewayException>()).Which.Code.Should().Be(ErrorCode.KernelFailed);

        async Task<GatewayException> RefusalAsync(Func<CommandLaunch, CommandLaunch> change) =>
            (await this.Awaiting(_ => StartAsync("true", cancellationToken, change)).Should().ThrowAsync<GatewayException>()).Which;
    }

    [Test]
    public async Task A_hundred_thousand_lines_come_exactly_once_also_when_the_gateways_side_is_replaced(CancellationToken cancellationToken)
    {
        var id = await StartAsync("seq 1 100000", cancellationToken);
        var half = await _stage.ReadAsync(id, cancellationToken, until: seen => seen.Output.Length > 100_000);
        await _stage.BeginAnewAsync();
        await _stage.Commands.FindAsync(cancellationToken);
        _stage.Commands.CommandsFound.Should().Equal(id);
        var rest = await _stage.ReadAsync(id, cancellationToken, half.Position);
        (half.Output + rest.Output).Should().Be(string.Concat(Enumerable.Range(1, 100_000).Select(i => $"{i}\n")));
        half.Faults.Concat(rest.Faults).Should().BeEmpty();
        rest.Code.Should().Be(0);
    }

    [Test]
    public async Task A_command_that_prints_for_ever_waits_for_its_reader_on_both_sides(CancellationToken cancellationToken)
    {
        var id = await StartAsync("yes 0123456789abcdef", cancellationToken);
        var local = _stage.Commands.CommandLog(id).Directory;
        var remote = $"/tmp/kg-0-{_stage.Place.Name}/logs/{id}";
        long here, there, before;
        do
        {
            before = Size(local) + Size(remote);
            await Task.Delay(200, cancellationToken); // Nobody tells that nothing happens any more.
            (here, there) = (Size(local), Size(remote));
        }
        while (here + there == 0 || here + there != before);
        here.Should().BeInRange(4 << 20, 6 << 20);
        there.Should().BeInRange(3 << 20, 6 << 20);
        (await _stage.Files.StatAsync(Core.Files.SandboxPath.Parse("."), cancellationToken)).Name.Should().Be("work", "others do not wait for it");
        await _stage.Commands.SignalCommandAsync(id, 9, true, cancellationToken);
        var said = await _stage.ReadAsync(id, cancellationToken);
        said.Signal.Should().Be(9);
        said.Output.Replace("0123456789abcdef\n", "", StringComparison.Ordinal).Length.Should().BeLessThan(17, "nothing is lost or doubled");
        said.Faults.Should().BeEmpty();

        static long Size(string folder) => Directory.Exists(folder) ? Directory.EnumerateFiles(folder).Sum(path => new FileInfo(path).Length) : 0;
    }

    [Test]
    public async Task Input_signals_and_time_limits_reach_it(CancellationToken cancellationToken)
    {
        var cat = await StartAsync("cat", cancellationToken, launch => launch with { KeepInputOpen = true });
        await _stage.Commands.WriteCommandAsync(cat, Encoding.UTF8.GetBytes("one\n"), false, cancellationToken);
        await _stage.Commands.WriteCommandAsync(cat, Encoding.UTF8.GetBytes("two\n"), true, cancellationToken);
        (await _stage.ReadAsync(cat, cancellationToken)).Output.Should().Be("one\ntwo\n");
        (await _stage.Commands.Awaiting(it => it.WriteCommandAsync(cat, new byte[1], false, cancellationToken)).Should().ThrowAsync<GatewayException>()).Which.Code.Should().Be(ErrorCode.Conflict);

        var trap = await StartAsync("trap 'echo got; exit 3' TERM; echo ready; while :; do sleep 0.05; done", cancellationToken);
        await _stage.ReadAsync(trap, cancellationToken, until: seen => seen.Output == "ready\n");
        await _stage.Commands.SignalCommandAsync(trap, 15, false, cancellationToken);
        (await _stage.ReadAsync(trap, cancellationToken)).Should().Match<CommandTranscript>(it => it.Output.EndsWith("got\n", StringComparison.Ordinal) && it.Code == 3);

        var slow = await StartAsync("setsid sleep 300 & sleep 300", cancellationToken, launch => launch with { Timeout = TimeSpan.FromMilliseconds(300), Grace = TimeSpan.FromMilliseconds(200) });
        var ended = await _stage.ReadAsync(slow, cancellationToken);
        (ended.Signal, ended.End!.Value.GetProperty("timed_out").GetBoolean()).Should().Be((15, true));
    }

    [Test]
    public async Task A_terminal_has_a_size_that_can_change(CancellationToken cancellationToken)
    {
        var id = await StartAsync("stty -echo size; read go; stty size; test -t 1 && echo terminal", cancellationToken, launch => launch with { Terminal = new TerminalSize(100, 40), KeepInputOpen = true });
        await _stage.ReadAsync(id, cancellationToken, until: seen => seen.Output.Contains("40 100", StringComparison.Ordinal));
        await _stage.Commands.ResizeCommandAsync(id, new TerminalSize(120, 50), cancellationToken);
        await _stage.Commands.WriteCommandAsync(id, "go\n"u8.ToArray(), false, cancellationToken);
        var said = await _stage.ReadAsync(id, cancellationToken);
        said.Output.Should().Be("40 100\r\n50 120\r\nterminal\r\n");
    }

    [Test]
    public async Task Commands_outlive_the_utility_kernel(CancellationToken cancellationToken)
    {
        await using var stage = new RemoteStage(deadline: TimeSpan.FromSeconds(2));
        var id = Id();
        await stage.Commands.StartCommandAsync(Launch(id, "echo before; read go; echo after $go") with { KeepInputOpen = true }, cancellationToken);
        await stage.ReadAsync(id, cancellationToken, until: seen => seen.Output == "before\n");
        await stage.KillUtilityAsync();
        await stage.Commands.Awaiting(it => it.WriteCommandAsync(id, "lost\n"u8.ToArray(), false, cancellationToken)).Should().ThrowAsync<GatewayException>();
        await stage.Commands.WriteCommandAsync(id, "found\n"u8.ToArray(), false, cancellationToken);
        var said = await stage.ReadAsync(id, cancellationToken);
        (said.Output, said.Code).Should().Be(("before\nafter found\n", 0));
    }

    [Test]
    public async Task An_agent_that_nobody_needs_any_more_ends(CancellationToken cancellationToken)
    {
        await using var stage = new RemoteStage(deadline: TimeSpan.FromSeconds(2), agentIdle: TimeSpan.FromMilliseconds(100));
        var id = Id();
        await stage.Commands.StartCommandAsync(Launch(id, "echo $PPID; sleep 0.5"), cancellationToken);
        var agent = (await stage.ReadAsync(id, cancellationToken)).Output.Trim();
        Directory.Exists($"/proc/{agent}").Should().BeTrue("somebody is connected");
        await stage.Commands.ForgetCommandAsync(id, cancellationToken);
        await stage.KillUtilityAsync();
        while (Directory.Exists($"/proc/{agent}") && !File.ReadAllText($"/proc/{agent}/stat").Contains(") Z ", StringComparison.Ordinal))
        {
            await Task.Delay(20, cancellationToken); // Nobody tells the end of another's process.
        }
    }

    [Test]
    public async Task A_command_whose_agent_was_killed_ends_as_lost_and_others_can_be_started(CancellationToken cancellationToken)
    {
        var id = await StartAsync("echo here; sleep 1000", cancellationToken);
        await _stage.ReadAsync(id, cancellationToken, until: seen => seen.Output == "here\n");
        var killer = await StartAsync("read go; kill -9 $PPID $$", cancellationToken, launch => launch with { KeepInputOpen = true });
        await _stage.Commands.WriteCommandAsync(killer, "go\n"u8.ToArray(), false, cancellationToken);
        var said = await _stage.ReadAsync(id, cancellationToken);
        (said.Output, said.End!.Value.ValueKind, said.Faults.Count).Should().Be(("here\n", System.Text.Json.JsonValueKind.Null, 0));
        (await _stage.ReadAsync(killer, cancellationToken)).End!.Value.ValueKind.Should().Be(System.Text.Json.JsonValueKind.Null);
        await _stage.Commands.ForgetCommandAsync(id, cancellationToken);
        (await _stage.ReadAsync(await StartAsync("echo again", cancellationToken), cancellationToken)).Output.Should().Be("again\n");
    }

    [Test]
    public async Task The_end_of_the_place_ends_all_and_leaves_nothing(CancellationToken cancellationToken)
    {
        var id = await StartAsync("echo $$; exec sleep 1000", cancellationToken);
        var pid = (await _stage.ReadAsync(id, cancellationToken, until: seen => seen.Output.EndsWith('\n'))).Output.Trim();
        await _stage.Commands.TerminateAsync(TimeSpan.FromSeconds(1), cancellationToken);
        Directory.Exists($"/proc/{pid}").Should().BeFalse();
        Directory.Exists($"/tmp/kg-0-{_stage.Place.Name}").Should().BeFalse();
        Directory.EnumerateFileSystemEntries(_stage.Place.LogsFolder).Should().BeEmpty();
    }

    [Test]
    public async Task A_short_command_is_fast(CancellationToken cancellationToken)
    {
        await _stage.ReadAsync(await StartAsync("true", cancellationToken), cancellationToken);
        var times = new List<double>();
        for (var i = 0; i < 30; i++)
        {
            var watch = Stopwatch.StartNew();
            var id = await StartAsync("true", cancellationToken);
            (await _stage.ReadAsync(id, cancellationToken)).Code.Should().Be(0);
            times.Add(watch.Elapsed.TotalMilliseconds);
            await _stage.Commands.ForgetCommandAsync(id, cancellationToken);
        }

        times.Sort();
        TestContext.Out.WriteLine($"true: p50 {times[15]:0.0} ms, p95 {times[28]:0.0} ms");
        times[15].Should().BeLessThan(150, "60 ms on a quiet machine");
    }

    private static string Id() => Guid.NewGuid().ToString("N");

    private static CommandLaunch Launch(string id, string command) =>
        new(id, [command], true, null, new Dictionary<string, string>(), default, false, null, TimeSpan.Zero, TimeSpan.FromSeconds(1));

    private async Task<string> StartAsync(string command, CancellationToken cancellationToken, Func<CommandLaunch, CommandLaunch>? change = null)
    {
        var launch = Launch(Id(), command);
        await _stage.Commands.StartCommandAsync(change?.Invoke(launch) ?? launch, cancellationToken);
        return launch.CommandId;
    }
}
