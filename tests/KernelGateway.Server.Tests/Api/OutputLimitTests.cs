using KernelGateway.Contracts.Events;
using KernelGateway.Contracts.Executions;
using KernelGateway.Server.Tests.Support;

namespace KernelGateway.Server.Tests.Api;

/// <summary>Too much output is left out and said; the run goes on to its end.</summary>
[Parallelizable(ParallelScope.All)]
public sealed class OutputLimitTests
{
    [Test]
    public async Task Messages_over_the_limit_are_counted_and_left_out()
    {
        await using var gateway = await LiveGateway.StartAsync(("Gateway:Sandboxes:MaxOutputMessages", "10"));
        var sandbox = await gateway.CreateAsync();

        var run = await gateway.RunAsync(sandbox.Id, "from IPython.display import display\nfor i in range(1000): display(i)\nx = 5");

        run.Status.Should().Be(ExecutionStatus.Ok);
        run.Output.Messages.Should().Be(10);
        run.Output.DroppedMessages.Should().Be(990);
        run.Result!.Truncated.Should().BeTrue();
        run.Result.Results.Should().HaveCount(10);
        var events = await gateway.Http.AllAsync(sandbox.Id, run.FirstSequence);
        events.OfType<OmittedEvent>().Sum(e => e.Messages).Should().Be(990);
        events.OfType<OmittedEvent>().Should().AllSatisfy(e => e.Reason.Should().Contain("more than 10 messages"));
        events.Select(e => e.Sequence).Should().Equal(Enumerable.Range((int)run.FirstSequence + 1, events.Count).Select(n => (long)n));
        (await gateway.RunAsync(sandbox.Id, "x")).Output.Should().Be(new OutputCounters(1, (await gateway.RunAsync(sandbox.Id, "x")).Output.Bytes, 0, 0), "each run has limits of its own");
    }

    [Test]
    public async Task Bytes_over_the_limit_are_left_out_and_an_error_after_them_is_still_told()
    {
        await using var gateway = await LiveGateway.StartAsync(("Gateway:Sandboxes:MaxOutputBytes", "100000"));
        var sandbox = await gateway.CreateAsync();

        var run = await gateway.RunAsync(sandbox.Id, "for i in range(500): print('x' * 999, flush=True)\n1/0");

        run.Status.Should().Be(ExecutionStatus.Error);
        run.Result!.Error!.Name.Should().Be("ZeroDivisionError");
        run.Output.Bytes.Should().BeLessThanOrEqualTo(100_000);
        run.Output.DroppedBytes.Should().BeGreaterThan(350_000);
        run.Result.Stdout.Should().StartWith(new string('x', 999) + "\n");
    }

    [Test]
    public async Task A_line_without_end_is_cut_and_what_follows_it_is_there()
    {
        await using var gateway = await LiveGateway.StartAsync(("Gateway:Sandboxes:MaxLineBytes", "200000"));
        var sandbox = await gateway.CreateAsync();

        var run = await gateway.RunAsync(sandbox.Id, "print('y' * 3_000_000)\nprint('after')");

        run.Status.Should().Be(ExecutionStatus.Ok);
        run.Result!.Stdout.Length.Should().BeLessThan(400_000);
        run.Result.Stdout.Should().EndWith("\nafter\n");
        run.Output.DroppedBytes.Should().BeGreaterThan(2_500_000);
    }
}
