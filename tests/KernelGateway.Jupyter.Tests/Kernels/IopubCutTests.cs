using System.Collections.Concurrent;
using KernelGateway.Jupyter.Messaging;
using KernelGateway.Jupyter.Tests.Support;

namespace KernelGateway.Jupyter.Tests.Kernels;

/// <summary>What a subscriber does not hear is gone; what matters is to know it.</summary>
[Parallelizable(ParallelScope.All)]
[CancelAfter(120_000)]
public sealed class IopubCutTests
{
    [Test]
    public async Task A_time_in_which_nobody_listened_is_told_in_its_place_and_a_run_whose_end_was_lost_ends(CancellationToken cancellationToken)
    {
        await using var kernel = await RealKernel.StartAsync("tcp");
        await using var relay = new TcpRelay(kernel.Connection.IopubPort);
        var heard = new ConcurrentQueue<string>();
        await using var client = await KernelClient.ConnectAsync(
            kernel.Connection with { IopubPort = relay.Port },
            new KernelClientOptions
            {
                ConnectTimeout = KernelRuns.Patience,
                OnIopubReconnected = () => heard.Enqueue("gap"),
                OnIopub = message =>
                {
                    if (message.MsgType == MessageTypes.Stream)
                    {
                        heard.Enqueue(message.Content["text"]!.ToString().Trim());
                    }

                    return ValueTask.CompletedTask;
                },
            },
            cancellationToken);
        await client.WaitForReadyAsync(KernelRuns.Patience, cancellationToken);
        await client.RunAsync("print('before')");

        using var execution = await client.ExecuteAsync(
            new ExecuteRequest("import time, os\nprint('begun', flush=True)\nwhile not os.path.exists('cut'): time.sleep(0.01)\nprint('lost')"),
            cancellationToken);
        await using var outputs = execution.Outputs(cancellationToken).GetAsyncEnumerator(cancellationToken);
        await outputs.UntilPrintedAsync("begun");
        relay.Cut();
        await File.WriteAllTextAsync(Path.Combine(kernel.Folder, "cut"), "", cancellationToken);
        await execution.Reply.InTimeAsync("the reply, which comes by another channel");

        // The reply overtakes: only a second one tells that the outputs of the first are published, to nobody.
        await client.KernelInfoAsync(cancellationToken);
        execution.Completion.IsCompleted.Should().BeFalse();
        relay.Mend();
        await execution.Completion.InTimeAsync("the end of a run whose idle status is lost");
        (await outputs.MoveNextAsync()).Should().BeFalse("nothing more can come");

        (await client.RunAsync("print('after')")).Text().Should().Be("after\n");
        heard.Should().Equal("before", "begun", "gap", "after");
        client.DroppedMessages.Should().Be(0);
    }
}
