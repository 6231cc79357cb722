using System.Diagnostics;
using KernelGateway.Jupyter.Messaging;
using KernelGateway.Jupyter.Tests.Support;

namespace KernelGateway.Jupyter.Tests.Kernels;

/// <summary>How a client ends, and how it hears that its kernel has.</summary>
[Parallelizable(ParallelScope.All)]
[CancelAfter(120_000)]
public sealed class KernelEndTests
{
    [Test]
    public async Task When_the_kernel_is_killed_all_that_waits_fails_at_once_with_the_first_reason(CancellationToken cancellationToken)
    {
        await using var kernel = await RealKernel.StartAsync("ipc");
        await using var client = await kernel.ConnectAsync();
        using var execution = await client.ExecuteAsync(
            new ExecuteRequest("import time; print('begun', flush=True); time.sleep(60)"), cancellationToken);
        await using var outputs = execution.Outputs(cancellationToken).GetAsyncEnumerator(cancellationToken);
        await outputs.UntilPrintedAsync("begun");
        var ready = client.WaitForReadyAsync(TimeSpan.FromSeconds(60), cancellationToken);
        Task[] waiting =
        [
            client.KernelInfoAsync(cancellationToken), client.CompleteAsync("a", 1, cancellationToken), execution.Reply,
            execution.Completion, ready, outputs.MoveNextAsync().AsTask(),
        ];

        kernel.Kill();
        await kernel.WaitForExitAsync();
        waiting.Should().OnlyContain(w => !w.IsCompleted, "nobody has told the client yet");
        var watch = Stopwatch.StartNew();
        client.Fail(new InvalidOperationException("The kernel was killed (SIGKILL)."));
        client.Fail(new InvalidOperationException("A second reason."));
        foreach (var task in waiting)
        {
            await task.Awaiting(t => t).Should().ThrowAsync<KernelGoneException>().WithMessage("The kernel was killed (SIGKILL).");
        }

        watch.Elapsed.Should().BeLessThan(TimeSpan.FromMilliseconds(500));
        await client.Awaiting(c => c.KernelInfoAsync(cancellationToken)).Should().ThrowAsync<KernelGoneException>();
        await client.Awaiting(c => c.ExecuteAsync(new ExecuteRequest("1"), cancellationToken)).Should().ThrowAsync<KernelGoneException>();
        (await client.Closed).Message.Should().Be("The kernel was killed (SIGKILL).");
    }

    [Test]
    public async Task A_shutdown_is_answered_and_ends_the_process(CancellationToken cancellationToken)
    {
        await using var kernel = await RealKernel.StartAsync("tcp");
        await using var client = await kernel.ConnectAsync();
        var reply = await client.ShutdownAsync(restart: false, cancellationToken);
        reply.MsgType.Should().Be(MessageTypes.ShutdownReply);
        await kernel.WaitForExitAsync();
    }

    [Test]
    public async Task Disposing_of_a_client_fails_what_waits_and_leaves_the_kernel_running(CancellationToken cancellationToken)
    {
        await using var kernel = await RealKernel.StartAsync("ipc");
        var client = await kernel.ConnectAsync();
        await client.RunAsync("kept = 1");
        using var execution = await client.ExecuteAsync(new ExecuteRequest("import time; time.sleep(0.5)"), cancellationToken);
        await client.DisposeAsync();
        await execution.Reply.Awaiting(r => r).Should().ThrowAsync<KernelGoneException>().WithMessage("The client was closed.");

        await using var next = await kernel.ConnectAsync();
        (await next.RunAsync("print(kept)")).Text().Should().Be("1\n");
    }

    [Test]
    public async Task Dispose_does_not_wait_for_a_handler_that_never_ends(CancellationToken cancellationToken)
    {
        await using var kernel = await RealKernel.StartAsync("ipc");
        var stuck = new TaskCompletionSource();
        var reached = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var client = await KernelClient.ConnectAsync(
            kernel.Connection,
            new KernelClientOptions
            {
                OnIopub = _ =>
                {
                    reached.TrySetResult();
                    return new ValueTask(stuck.Task);
                },
            },
            cancellationToken);
        await client.SendAsync(KernelChannel.Shell, client.CreateRequest(MessageTypes.KernelInfoRequest), cancellationToken);
        await reached.Task.InTimeAsync("the first IOPub message");
        await client.DisposeAsync().AsTask().InTimeAsync("the end of dispose");
        stuck.SetResult();
    }

    [Test]
    public async Task A_handler_that_throws_ends_the_client_and_says_why(CancellationToken cancellationToken)
    {
        await using var kernel = await RealKernel.StartAsync("ipc");
        await using var client = await KernelClient.ConnectAsync(
            kernel.Connection,
            new KernelClientOptions { OnIopub = _ => throw new InvalidOperationException("The disk is full.") },
            cancellationToken);
        await client.Awaiting(c => c.WaitForReadyAsync(KernelRuns.Patience, cancellationToken))
            .Should().ThrowAsync<KernelGoneException>().WithMessage("*The disk is full.");
    }

    [Test]
    public async Task A_kernel_that_does_not_listen_is_a_clear_error(CancellationToken cancellationToken)
    {
        using var folder = TemporaryFolder.ForEverybody();
        var options = new KernelClientOptions { ConnectTimeout = TimeSpan.FromMilliseconds(300) };
        var connecting = () => KernelClient.ConnectAsync(ConnectionFile.ForIpc(folder.Of("k")), options, cancellationToken);
        await connecting.Should().ThrowAsync<KernelException>().WithMessage("The kernel cannot be reached: *");
    }

    [Test]
    public async Task A_wake_up_client_is_ready_runs_code_and_is_woken_without_reading_a_message(CancellationToken cancellationToken)
    {
        await using var kernel = await RealKernel.StartAsync("ipc");
        var woken = 0;
        IReadOnlyList<string> confirmed = [];
        await using var client = await kernel.ConnectAsync(new KernelClientOptions
        {
            OnIopubActivity = () => Interlocked.Increment(ref woken),
            OnIopub = _ => throw new InvalidOperationException("IOPub is a wake-up call only."),
            ConfirmReady = (asked, _) =>
            {
                confirmed = asked;
                return Task.CompletedTask;
            },
        });
        confirmed.Should().NotBeEmpty();
        var before = Volatile.Read(ref woken);
        using var execution = await client.ExecuteAsync(new ExecuteRequest("print(1)"), cancellationToken);
        (await execution.Completion.InTimeAsync("the reply")).Content["status"]!.ToString().Should().Be("ok");
        Volatile.Read(ref woken).Should().BeGreaterThan(before);
    }

    [Test]
    public async Task A_kernel_must_run_under_the_expected_uid(CancellationToken cancellationToken)
    {
        await using var kernel = await RealKernel.StartAsync("ipc");
        await using (await kernel.ConnectAsync())
        {
            var options = new KernelClientOptions { NoFollow = true, ExpectedPeerUid = 4_000_000 };
            var connecting = () => KernelClient.ConnectAsync(kernel.Connection, options, cancellationToken);
            await connecting.Should().ThrowAsync<KernelException>().WithMessage("*uid*");
        }
    }
}
