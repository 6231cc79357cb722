using KernelGateway.Jupyter.Messaging;
using KernelGateway.Jupyter.Tests.Support;

namespace KernelGateway.Jupyter.Tests.Kernels;

/// <summary>What does not fit is held back at the kernel. Measures the memory of the whole process, so nothing else may run.</summary>
[NonParallelizable]
[CancelAfter(120_000)]
public sealed class BackPressureTests
{
    [TestCase("ipc")]
    [TestCase("tcp")]
    public async Task A_reader_that_stops_reading_holds_back_the_publisher_and_then_gets_every_line(string transport, CancellationToken cancellationToken)
    {
        // Far more than all buffers between: if nothing held back, they would be in our memory.
        await using var kernel = await RealKernel.StartAsync(transport);
        await using var client = await kernel.ConnectAsync();
        var before = GC.GetTotalMemory(forceFullCollection: true);
        using var execution = await client.ExecuteAsync(
            new ExecuteRequest("import sys\nfor i in range(60): print(str(i).ljust(1 << 20, '.'), flush=True)"), cancellationToken);
        await execution.Reply.InTimeAsync("the reply while the outputs are not read");
        (GC.GetTotalMemory(forceFullCollection: true) - before).Should().BeLessThan(30 << 20, "at most a few of the 60 MiB may be here");
        var lines = 0;
        await foreach (var output in execution.Outputs(cancellationToken))
        {
            lines += output.MsgType == MessageTypes.Stream ? output.Content["text"]!.ToString().Count(c => c == '\n') : 0;
        }

        lines.Should().Be(60);
    }
}
