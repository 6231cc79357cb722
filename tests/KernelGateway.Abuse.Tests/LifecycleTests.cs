using System.Net;
using KernelGateway.Abuse.Tests.Support;
using KernelGateway.Client;
using KernelGateway.Contracts.Events;
using KernelGateway.Contracts.Executions;
using KernelGateway.Contracts.Sandboxes;

namespace KernelGateway.Abuse.Tests;

/// <summary>L: two things at once, in every order.</summary>
public sealed class LifecycleTests : AbuseFixture
{
    [Test]
    public async Task L01_A_run_that_its_sandbox_is_ended_under_ends_once_and_leaves_nothing(CancellationToken cancellationToken)
    {
        var sandbox = await AttackerAsync(cancellationToken);
        var running = await sandbox.StartCodeAsync("import time\nprint('begun', flush=True)\ntime.sleep(1000)", cancellationToken: cancellationToken);
        var waiting = await sandbox.StartCodeAsync("1", cancellationToken: cancellationToken);
        await foreach (var one in sandbox.EventsAsync(0, cancellationToken))
        {
            if (one is OutputEvent)
            {
                break;
            }
        }

        await sandbox.TerminateAsync(TimeSpan.Zero, cancellationToken);

        (await running.WaitAsync(cancellationToken)).Status.Should().BeOneOf(ExecutionStatus.KernelDied, ExecutionStatus.Cancelled);
        (await waiting.WaitAsync(cancellationToken)).Status.Should().Be(ExecutionStatus.Cancelled);
        var ends = new List<string>();
        await foreach (var one in sandbox.EventsAsync(0, cancellationToken))
        {
            if (one is ExecutionFinishedEvent)
            {
                ends.Add(one.ExecutionId!);
            }
        }

        ends.Should().BeEquivalentTo([running.Id, waiting.Id]);
        (await sandbox.RefreshAsync(cancellationToken)).State.Should().Be(SandboxState.Terminated);
        var run = () => sandbox.RunCodeAsync("1", cancellationToken: cancellationToken);
        (await run.Should().ThrowAsync<KernelGatewayException>()).Which.Code.Should().Be("conflict");
    }

    [Test]
    public async Task L01_A_caller_that_leaves_while_its_sandbox_starts_leaves_no_sandbox(CancellationToken cancellationToken)
    {
        using var http = Site.HttpAs(Site.AttackersKey);
        var before = await CountAsync(cancellationToken);
        for (var milliseconds = 20; milliseconds <= 320; milliseconds *= 2)
        {
            using var leave = new CancellationTokenSource(milliseconds);
            var create = async () =>
            {
                using var answer = await http.PostAsync("/api/v1/sandboxes", new StringContent("{}", System.Text.Encoding.UTF8, "application/json"), leave.Token);
            };
            await create.Should().ThrowAsync<OperationCanceledException>();
        }

        await Wait.UntilAsync(async () => await CountAsync(cancellationToken) <= before, TimeSpan.FromSeconds(30), "what nobody waits for is removed", cancellationToken);

        async Task<int> CountAsync(CancellationToken token) => await Sandbox.ListAsync(Site.Attacker, cancellationToken: token).CountAsync(s => s.State is SandboxState.Running or SandboxState.Starting, token);
    }

    [Test]
    public async Task L02_A_hundred_may_end_one_sandbox_at_once(CancellationToken cancellationToken)
    {
        var sandbox = await AttackerAsync(cancellationToken);
        using var http = Site.HttpAs(Site.AttackersKey);

        var answers = await Task.WhenAll(Enumerable.Range(0, 100).Select(async _ =>
        {
            using var answer = await http.DeleteAsync($"/api/v1/sandboxes/{sandbox.Id}?graceSeconds=0", cancellationToken);
            return answer.StatusCode;
        }));

        answers.Should().OnlyContain(status => status == HttpStatusCode.NoContent || status == HttpStatusCode.NotFound);
        var ends = 0;
        await foreach (var one in sandbox.EventsAsync(0, cancellationToken))
        {
            ends += one is SandboxStateEvent { State: SandboxState.Terminated } ? 1 : 0;
        }

        ends.Should().Be(1);
    }

    [Test]
    public async Task L04_Runs_that_are_sent_at_once_have_their_turn_each_and_never_mix(CancellationToken cancellationToken)
    {
        var sandbox = await AttackerAsync(cancellationToken);

        // With a client of its own, whose forty connections end with it.
        await using var client = new KernelGatewayClient(new KernelGatewayClientOptions { BaseAddress = Gateway.Address, ApiKey = Site.AttackersKey });
        var same = await Sandbox.FromIdAsync(sandbox.Id, client, cancellationToken);

        var results = await Task.WhenAll(Enumerable.Range(0, 40).Select(i => same.RunCodeAsync($"for _ in range(20): print({i}, flush=True)\n{i}", cancellationToken: cancellationToken)));

        for (var i = 0; i < results.Length; i++)
        {
            results[i].Lines.Should().HaveCount(20).And.OnlyContain(l => l.Line == $"{i}");
            results[i].Text.Should().Be($"{i}");
        }
    }

    [TestCase("import os; os._exit(0)")]
    [TestCase("import os; os.execv('/bin/sleep', ['sleep', '1000'])")]
    public async Task L08_A_kernel_that_leaves_is_dead_soon_or_can_be_replaced(string code)
    {
        var cancellationToken = TestContext.CurrentContext.CancellationToken;
        var sandbox = await AttackerAsync(cancellationToken);
        var running = await sandbox.StartCodeAsync(code, cancellationToken: cancellationToken);
        if (code.Contains("_exit", StringComparison.Ordinal))
        {
            (await running.WaitAsync(cancellationToken)).Status.Should().Be(ExecutionStatus.KernelDied);
        }

        await sandbox.RestartAsync(cancellationToken: cancellationToken);

        (await running.WaitAsync(cancellationToken)).Success.Should().BeFalse();
        (await sandbox.RunCodeAsync("6 * 7", cancellationToken: cancellationToken)).Text.Should().Be("42");
    }
}
