using System.Diagnostics;
using System.Text.Json;
using System.Text.Json.Nodes;
using KernelGateway.Core.Errors;
using KernelGateway.Core.Provisioning;
using KernelGateway.Jupyter;
using KernelGateway.Provisioners.Native;
using KernelGateway.Provisioners.Tests.Support;

namespace KernelGateway.Provisioners.Tests.Contract;

/// <summary>Places: found again, ended, lost, forgotten.</summary>
public abstract partial class KernelProvisionerContract
{
    [Test]
    public async Task Kernels_outlive_the_gateway_and_are_found_again(CancellationToken cancellationToken)
    {
        var host = await ProvisionAsync(cancellationToken);
        var ended = await host.LaunchKernelAsync(RunsAnyProgram ? TestKernels.Script("k1", "exit 4") : TestKernels.Python("k1"), cancellationToken);
        if (!RunsAnyProgram)
        {
            await ended.SignalAsync(KernelSignal.Kill, cancellationToken);
        }

        var end = await ended.Exited.WaitAsync(cancellationToken);
        var kernel = await RunningKernel.LaunchAsync(host, TestKernels.Python("k2"), cancellationToken);
        await kernel.RunAsync("x = 41", cancellationToken);
        var stored = JsonSerializer.Serialize(host.Describe());
        await kernel.DisposeAsync();
        await host.DisposeAsync();

        // Another gateway: it has nothing but the text.
        var other = Create(State);
        using var disposing = other as IDisposable;
        var again = Keep(await other.ReattachAsync(JsonSerializer.Deserialize<HostDescription>(stored)!, cancellationToken));
        again.Kernels.Select(it => it.Id).Should().BeEquivalentTo("k1", "k2");
        (await again.Kernels.Single(it => it.Id == "k1").Exited.WaitAsync(cancellationToken)).Should().Be(end);
        await using var found = await RunningKernel.ConnectAsync(again.Kernels.Single(it => it.Id == "k2"), cancellationToken);
        (await found.RunAsync("print(x + 1)", cancellationToken)).Should().Be("42");
        await using var third = await RunningKernel.LaunchAsync(again, TestKernels.Python("k3"), cancellationToken);
        (await third.RunAsync("import os; print(os.environ['FROM_ENVIRONMENT'])", cancellationToken)).Should().Be("env");
        await found.Kernel.SignalAsync(KernelSignal.Kill, cancellationToken);
        (await found.Kernel.Exited.WaitAsync(cancellationToken)).Reason.Should().Be("terminated");
    }

    [Test]
    public async Task A_place_has_a_way_out_exactly_when_it_is_confined_and_the_same_one_every_time(CancellationToken cancellationToken)
    {
        var host = await ProvisionAsync(cancellationToken);
        (host.Egress is not null).Should().Be(Provisioner.ConfinesNetwork);
        if (host.Egress is not { } door)
        {
            return;
        }

        await door.OpenAsync(cancellationToken);
        using var first = door.Listen();
        var description = host.Describe();
        await host.DisposeAsync();
        var again = Keep(await Provisioner.ReattachAsync(description, cancellationToken));
        await again.Egress!.OpenAsync(cancellationToken);
        using var second = again.Egress.Listen();
        await again.LaunchKernelAsync(TestKernels.Script("k1", "exec bash -c 'exec 3<>/dev/tcp/127.0.0.1/3128; echo hello >&3; exec sleep 600'"), cancellationToken);
        using var visitor = await second.AcceptAsync(cancellationToken);
        var heard = new byte[6];
        (await visitor.ReceiveAsync(heard, cancellationToken)).Should().Be(6);
        first.Poll(TimeSpan.Zero, System.Net.Sockets.SelectMode.SelectRead).Should().BeFalse("whoever listened before is nobody now");
        await again.Egress.CloseAsync(cancellationToken);
        await again.Egress.CloseAsync(cancellationToken);
        var refused = await again.LaunchKernelAsync(TestKernels.Script("k2", "exec bash -c 'exec 3<>/dev/tcp/127.0.0.1/3128'"), cancellationToken);
        (await refused.Exited.WaitAsync(cancellationToken)).StderrTail.Should().Contain("Connection refused");
    }

    [Test]
    public async Task What_ended_while_the_gateway_was_away_is_told(CancellationToken cancellationToken)
    {
        var host = await ProvisionAsync(cancellationToken);
        if (!RunsAnyProgram)
        {
            await EndsWhileAwayAsync(host, cancellationToken);
            return;
        }

        var kernel = await host.LaunchKernelAsync(TestKernels.Script("k1", "while ! [ -e go ]; do sleep 0.02; done; echo bye >&2; exit 5"), cancellationToken);
        var description = host.Describe();
        await host.LaunchKernelAsync(TestKernels.Script("k2", "touch go; exec sleep 600"), cancellationToken);
        await kernel.Exited.WaitAsync(cancellationToken);
        await host.DisposeAsync();
        var again = Keep(await Provisioner.ReattachAsync(description, cancellationToken));
        var exit = await again.Kernels.Should().ContainSingle("a kernel whose key was not stored is no use to anybody").Which.Exited.WaitAsync(cancellationToken);
        exit.Should().Match<KernelExit>(it => it.ExitCode == 5 && it.StderrTail == "bye");
    }

    /// <summary>The same where it is not known how a kernel ended, only that it has.</summary>
    private async Task EndsWhileAwayAsync(IKernelHost host, CancellationToken cancellationToken)
    {
        var kernel = await RunningKernel.LaunchAsync(host, TestKernels.Python("k1"), cancellationToken);
        var description = host.Describe();
        using var run = await kernel.Client.ExecuteAsync(new ExecuteRequest("import os; os._exit(5)"), cancellationToken);
        await kernel.Kernel.Exited.WaitAsync(cancellationToken);
        await kernel.DisposeAsync();
        await host.DisposeAsync();
        var again = Keep(await Provisioner.ReattachAsync(description, cancellationToken));
        var found = again.Kernels.Should().ContainSingle().Which;
        try
        {
            // Perhaps its server has started another one in its place, which says so as soon as it is asked anything.
            await using var connected = await RunningKernel.ConnectAsync(found, cancellationToken);
        }
        catch (Exception e) when (e is GatewayException or KernelException)
        {
            // Or there is none.
        }

        var exit = await found.Exited.WaitAsync(cancellationToken);
        exit.Reason.Should().BeOneOf(["lost", "exited"], "it said {0}", exit);
    }

    [Test]
    public async Task A_place_that_has_gone_cannot_be_found_again_and_is_tidied_away(CancellationToken cancellationToken)
    {
        DemandThisHost();
        var id = NextId();
        var host = await Provisioner.ProvisionAsync(TestKernels.Spec(id), cancellationToken);
        await host.LaunchKernelAsync(Sleeper("k1"), cancellationToken);
        var description = host.Describe();
        await host.DisposeAsync();
        using (var agent = WatchedProcess.Open(AgentOf(description))!)
        {
            agent.Signal(LibC.SigKill);
            await agent.Exited.WaitAsync(cancellationToken);
        }

        (await Provisioner.Invoking(it => it.ReattachAsync(description, cancellationToken)).Should().ThrowAsync<GatewayException>())
            .Which.Should().Match<GatewayException>(it => it.Code == ErrorCode.KernelFailed && it.Message.Contains("ended"));
        HostTraces.Find(State, CgroupParent).Should().BeEmpty();
    }

    [Test]
    public async Task A_process_with_a_reused_number_is_no_place_and_is_not_killed(CancellationToken cancellationToken)
    {
        DemandThisHost();
        var host = await ProvisionAsync(cancellationToken);
        using var stranger = System.Diagnostics.Process.Start("/bin/sleep", "600");
        var state = JsonNode.Parse(host.Describe().Data.GetRawText())!;
        state["place"]!["pid"] = stranger.Id;
        var description = new HostDescription(Variant, NextId(), JsonSerializer.SerializeToElement(state));
        await Provisioner.Invoking(it => it.ReattachAsync(description, cancellationToken)).Should().ThrowAsync<GatewayException>();
        stranger.HasExited.Should().BeFalse("it only has the same number");
        stranger.Kill();
        await stranger.WaitForExitAsync(cancellationToken);
    }

    [TestCase("""{"environment":1}"""), TestCase("[]"), TestCase("null")]
    public async Task A_description_that_is_none_is_refused(string data, CancellationToken cancellationToken)
    {
        var description = new HostDescription(Variant, "s0", JsonDocument.Parse(data).RootElement);
        (await Provisioner.Invoking(it => it.ReattachAsync(description, cancellationToken)).Should().ThrowAsync<GatewayException>())
            .Which.Code.Should().Be(ErrorCode.InvalidArgument);
        var foreign = new HostDescription("elsewhere", "s0", JsonDocument.Parse("{}").RootElement);
        (await Provisioner.Invoking(it => it.ReattachAsync(foreign, cancellationToken)).Should().ThrowAsync<GatewayException>())
            .Which.Code.Should().Be(ErrorCode.InvalidArgument);
    }

    [Test]
    public async Task Terminating_ends_everything_also_what_hides_from_its_parent(CancellationToken cancellationToken)
    {
        var host = await ProvisionAsync(cancellationToken);
        await using var kernel = await RunningKernel.LaunchAsync(host, TestKernels.Python("k1"), cancellationToken);
        await kernel.RunAsync(
            !IsOnThisHost ? "pass" : "import subprocess\nfor c in ['exec sleep 601', 'trap \"\" TERM INT HUP; sleep 602 & wait']: subprocess.Popen(['/bin/sh', '-c', c], start_new_session=True)",
            cancellationToken);
        await host.TerminateAsync(TimeSpan.FromSeconds(0.3), cancellationToken);
        (await host.Exited.WaitAsync(cancellationToken)).Reason.Should().Be("terminated");
        (await kernel.Kernel.Exited.WaitAsync(cancellationToken)).Reason.Should().Be("terminated");
        HostTraces.Find(State, CgroupParent).Should().BeEmpty();
        await host.Invoking(it => it.LaunchKernelAsync(TestKernels.Python("k2"), cancellationToken)).Should().ThrowAsync<GatewayException>();
        await host.TerminateAsync(TimeSpan.Zero, cancellationToken);
    }

    [Test]
    public async Task A_process_may_use_the_grace_to_tidy_up(CancellationToken cancellationToken)
    {
        var host = await ProvisionAsync(cancellationToken);
        await DemandAnyProgramAsync(host, cancellationToken);
        var kernel = await host.LaunchKernelAsync(TestKernels.Script("k1", "trap 'echo tidy >&2; exit 0' TERM; touch ready; while :; do sleep 0.05; done"), cancellationToken);
        var witness = await host.LaunchKernelAsync(TestKernels.Script("k2", "while ! [ -e ready ]; do sleep 0.02; done"), cancellationToken);
        await witness.Exited.WaitAsync(cancellationToken);
        var watch = Stopwatch.StartNew();
        await host.TerminateAsync(TimeSpan.FromSeconds(20), cancellationToken);
        watch.Elapsed.Should().BeLessThan(TimeSpan.FromSeconds(10), "the grace is a bound, not a wait");
        (await kernel.Exited).Should().Match<KernelExit>(it => it.Reason == "terminated" && it.StderrTail!.EndsWith("tidy"));
    }

    [Test]
    public async Task Many_may_terminate_at_once(CancellationToken cancellationToken)
    {
        var host = await ProvisionAsync(cancellationToken);
        await host.LaunchKernelAsync(Sleeper("k1"), cancellationToken);
        await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => host.TerminateAsync(TimeSpan.Zero, cancellationToken)));
        HostTraces.Find(State, CgroupParent).Should().BeEmpty();
    }

    [Test]
    public async Task Terminating_while_a_kernel_starts_hangs_nobody(CancellationToken cancellationToken)
    {
        var host = await ProvisionAsync(cancellationToken);
        var launching = Task.Run(async () =>
        {
            var kernel = await host.LaunchKernelAsync(TestKernels.Python("k1"), cancellationToken);
            await kernel.ConnectAsync(new KernelClientOptions(), cancellationToken);
        }, cancellationToken);
        await host.TerminateAsync(TimeSpan.Zero, cancellationToken);
        (await ((Func<Task>)(() => launching)).Should().ThrowAsync<GatewayException>()).Which.Code.Should().Be(ErrorCode.KernelFailed);
        HostTraces.Find(State, CgroupParent).Should().BeEmpty();
    }

    [Test]
    public async Task A_start_that_is_given_up_leaves_nothing(CancellationToken cancellationToken)
    {
        for (var milliseconds = 0; milliseconds < 100; milliseconds += 9)
        {
            using var giveUp = new CancellationTokenSource(TimeSpan.FromMilliseconds(milliseconds));
            try
            {
                await using var host = await Provisioner.ProvisionAsync(TestKernels.Spec(NextId()), giveUp.Token);
                await host.TerminateAsync(TimeSpan.Zero, cancellationToken);
            }
            catch (OperationCanceledException)
            {
                // As meant.
            }

            HostTraces.Find(State, CgroupParent).Should().BeEmpty("given up after {0} ms", milliseconds);
        }
    }

    [Test]
    public async Task The_end_of_the_agent_is_the_end_of_the_place(CancellationToken cancellationToken)
    {
        DemandThisHost();
        var host = await ProvisionAsync(cancellationToken);
        await using var kernel = await RunningKernel.LaunchAsync(host, TestKernels.Python("k1"), cancellationToken);
        using (var agent = WatchedProcess.Open(AgentOf(host.Describe()))!)
        {
            agent.Signal(LibC.SigKill);
        }

        var exit = await host.Exited.WaitAsync(TimeSpan.FromSeconds(5), cancellationToken);
        exit.Reason.Should().Be("died");
        (await kernel.Kernel.Exited.WaitAsync(cancellationToken)).Reason.Should().Be("lost");
        HostTraces.Processes(State).Should().BeEmpty("a kernel that nobody can control does not stay");
        (await host.Invoking(it => it.LaunchKernelAsync(TestKernels.Python("k2"), cancellationToken)).Should().ThrowAsync<GatewayException>())
            .Which.Code.Should().Be(ErrorCode.KernelFailed);
    }

    [Test]
    public async Task Orphans_are_removed_and_the_known_and_the_held_are_not(CancellationToken cancellationToken)
    {
        if (!KnowsItsPlaces)
        {
            (await Provisioner.RemoveOrphansAsync(new HashSet<string>(), cancellationToken)).Should().BeEmpty("nothing in a server of somebody else can be told apart");
            return;
        }

        var (orphan, known, held) = (NextId(), NextId(), NextId());
        foreach (var id in new[] { orphan, known })
        {
            var made = await Provisioner.ProvisionAsync(TestKernels.Spec(id), cancellationToken);
            await made.LaunchKernelAsync(Sleeper("k1"), cancellationToken);
            await made.DisposeAsync();
        }

        var host = await ProvisionAsync(cancellationToken, held);
        (await Provisioner.RemoveOrphansAsync(new HashSet<string> { known }, cancellationToken)).Should().Equal(orphan);
        HostTraces.Find(State, CgroupParent).Should().NotContain(line => line.Contains($"/{orphan}", StringComparison.Ordinal));
        var kernel = await host.LaunchKernelAsync(Sleeper("k1"), cancellationToken);
        await kernel.SignalAsync(KernelSignal.Kill, cancellationToken);
        await kernel.Exited.WaitAsync(cancellationToken);
        (await Provisioner.RemoveOrphansAsync(new HashSet<string> { held }, cancellationToken)).Should().Equal(known);
    }

    [Test]
    public async Task A_sandbox_id_is_used_once_and_names_no_path(CancellationToken cancellationToken)
    {
        var id = NextId();
        await ProvisionAsync(cancellationToken, id);
        if (KnowsItsPlaces)
        {
            (await Provisioner.Invoking(it => it.ProvisionAsync(TestKernels.Spec(id), cancellationToken)).Should().ThrowAsync<GatewayException>())
                .Which.Code.Should().Be(ErrorCode.Conflict);
        }

        foreach (var bad in new[] { "", "..", "a/b", "a\0", "-a", new string('a', 65), "a\n" })
        {
            (await Provisioner.Invoking(it => it.ProvisionAsync(TestKernels.Spec(bad), cancellationToken)).Should().ThrowAsync<GatewayException>())
                .Which.Code.Should().Be(ErrorCode.InvalidArgument, "of the id '{0}'", bad);
        }
    }

    [Test]
    public async Task Limits_out_of_range_are_refused_with_the_field(CancellationToken cancellationToken)
    {
        foreach (var (limits, field) in new[]
        {
            (TestKernels.Limits with { CpuCores = 0 }, "limits.cpuCores"),
            (TestKernels.Limits with { CpuCores = double.NaN }, "limits.cpuCores"),
            (TestKernels.Limits with { MemoryBytes = 1 }, "limits.memoryBytes"),
            (TestKernels.Limits with { Pids = -1 }, "limits.pids"),
        })
        {
            (await Provisioner.Invoking(it => it.ProvisionAsync(TestKernels.Spec(NextId(), limits: limits), cancellationToken)).Should().ThrowAsync<GatewayException>())
                .Which.Field.Should().Be(field);
        }
    }

    /// <summary>The agent of a place, by its number on the host.</summary>
    protected virtual int AgentOf(HostDescription description) => description.Data.GetProperty("place").GetProperty("pid").GetInt32();

    private void DemandThisHost()
    {
        if (!IsOnThisHost)
        {
            Assert.Pass("Nothing of such a place is a process of this host.");
        }
    }
}
