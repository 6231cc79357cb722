using System.Globalization;
using KernelGateway.Client;
using KernelGateway.Contracts.Errors;
using KernelGateway.Contracts.Events;
using KernelGateway.Contracts.Executions;
using KernelGateway.Contracts.Sandboxes;

namespace KernelGateway.EndToEnd.Tests;

/// <summary>Several kernels in one sandbox, over the SDK and over a crash of the gateway.</summary>
public sealed class ContextTests
{
    [Test]
    public async Task All_contexts_are_taken_up_again_after_a_crash_each_with_all_it_said()
    {
        await using var gateway = await GatewayProcess.StartNewAsync();
        await using var client = gateway.Client();
        await using var sandbox = await Sandbox.CreateAsync(client);
        var second = await sandbox.CreateContextAsync(new CreateContextRequest { Name = "second" });
        var gone = await sandbox.CreateContextAsync();
        await sandbox.RunCodeAsync("x = 1");
        await sandbox.RunCodeAsync("x = 2", new RunCodeOptions { ContextId = second.Id });
        await sandbox.RemoveContextAsync(gone.Id);
        const string Code = "import time\nprint('begun', flush=True)\ntime.sleep(1)\nfor i in range(500): print(x, i, flush=True)";
        var first = await sandbox.StartCodeAsync(Code);
        var other = await sandbox.StartCodeAsync(Code, new RunCodeOptions { ContextId = second.Id });
        await BegunAsync(sandbox, first);
        await BegunAsync(sandbox, other);
        await gateway.KillAsync();
        await QuietFolder.WaitForAsync(Path.Combine(gateway.DataFolder, "hosts"));

        await gateway.StartAsync();

        foreach (var (run, x) in new[] { (first, 1), (other, 2) })
        {
            var result = await run.WaitAsync();
            result.Status.Should().Be(ExecutionStatus.Ok);
            result.Lines.Select(l => l.Line).Should().Equal(["begun", .. Enumerable.Range(0, 500).Select(i => string.Create(CultureInfo.InvariantCulture, $"{x} {i}"))]);
        }

        var contexts = await sandbox.ListContextsAsync();
        contexts.Select(c => (c.Id, c.Name)).Should().Equal(("default", null), (second.Id, "second"));
        (await sandbox.RunCodeAsync("x", new RunCodeOptions { ContextId = second.Id })).Text.Should().Be("2");
    }

    [Test]
    public async Task The_sdk_makes_uses_lists_and_removes_contexts()
    {
        await using var gateway = await GatewayProcess.StartNewAsync();
        await using var client = gateway.Client();
        await using var sandbox = await Sandbox.CreateAsync(client);
        var context = await sandbox.CreateContextAsync(new CreateContextRequest { Name = "sdk", Language = "python" });

        var result = await sandbox.RunCodeAsync("6*7", new RunCodeOptions { ContextId = context.Id });

        result.Text.Should().Be("42");
        (await sandbox.ListContextsAsync()).Select(c => c.Name).Should().Equal(null, "sdk");
        await sandbox.RemoveContextAsync(context.Id);
        (await sandbox.ListContextsAsync()).Should().ContainSingle();
        (await sandbox.Awaiting(s => s.RemoveContextAsync("default")).Should().ThrowAsync<KernelGatewayException>()).Which.Code.Should().Be(ErrorCodes.Conflict);
    }

    [Test]
    public async Task A_crash_in_the_middle_of_making_a_context_leaves_none_and_no_kernel()
    {
        await using var gateway = await GatewayProcess.StartNewAsync(("Gateway:Faults:Enabled", "true"), ("KERNEL_GATEWAY_FAULTS", "context.kernel_launched:crash"));
        await using var client = gateway.Client();
        await using var sandbox = await Sandbox.CreateAsync(client);
        await sandbox.RunCodeAsync("x = 41");
        var before = Kernels(sandbox.Id);
        var making = sandbox.CreateContextAsync(new CreateContextRequest { Name = "half made" });
        await gateway.Ended;
        Kernels(sandbox.Id).Should().Be(before + 1, "it was launched");
        gateway.Set("KERNEL_GATEWAY_FAULTS", null);

        await gateway.StartAsync();

        (await ((Func<Task>)(() => making)).Should().ThrowAsync<KernelGatewayException>()).Which.Code.Should().Be(ClientErrorCodes.ConnectionLost);
        (await sandbox.ListContextsAsync()).Should().ContainSingle().Which.Id.Should().Be("default");
        (await sandbox.RunCodeAsync("x + 1")).Text.Should().Be("42");
        Kernels(sandbox.Id).Should().Be(before, "nobody could ever talk to the other");
        (await sandbox.CreateContextAsync(new CreateContextRequest { Name = "whole" })).State.Should().Be(KernelState.Idle);
    }

    private static int Kernels(string sandboxId) =>
        HostProcesses.ProcessesOf(sandboxId).Count(pid => HostProcesses.CommandLineOf(pid).Contains("kernel.py", StringComparison.Ordinal));

    private static async Task BegunAsync(Sandbox sandbox, RunningCode run)
    {
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        await foreach (var one in sandbox.EventsAsync(run.FirstSequence, deadline.Token))
        {
            if (one is OutputEvent && one.ExecutionId == run.Id)
            {
                return;
            }
        }
    }
}
