using System.Collections.Concurrent;
using KernelGateway.Jupyter.Messaging;
using KernelGateway.Jupyter.Tests.Support;

namespace KernelGateway.Jupyter.Tests.WebSockets;

/// <summary>Kernels of a real Jupyter Server, over its WebSocket.</summary>
[CancelAfter(120_000)]
public sealed class ServerKernelTests
{
    private JupyterServerProcess _server = null!;

    [OneTimeSetUp]
    public async Task StartServer()
    {
        JupyterServerProcess.Require();
        _server = await JupyterServerProcess.StartNewAsync();
    }

    [OneTimeTearDown]
    public async Task EndServer()
    {
        if (_server is not null)
        {
            await _server.DisposeAsync();
        }
    }

    [TestCase(true), TestCase(false)]
    public async Task A_kernel_answers_asks_and_is_interrupted_in_either_form(bool binary, CancellationToken cancellationToken)
    {
        var kernel = await KernelAsync();
        KernelClient client = null!;
        var options = new KernelClientOptions { OnInputRequest = question => new ValueTask(client.ReplyInputAsync(question, "answer", cancellationToken)) };
        client = await ConnectAsync(kernel with { Protocols = binary ? [ServerKernel.BinaryProtocol] : [] }, options, cancellationToken);
        await using (client)
        {
            var run = await client.RunAsync("print('héllo'); 6*7");
            run.Text().Should().Be("héllo\n");
            ((string?)run.The(MessageTypes.ExecuteResult).Content["data"]!["text/plain"]).Should().Be("42");
            (await client.RunAsync(new ExecuteRequest("print(input('?'))") { AllowStdin = true })).Text().Should().Be("answer\n");
            (await client.RunAsync("1/0")).The(MessageTypes.Error).Content["ename"]!.ToString().Should().Be("ZeroDivisionError");
            ((int)(await client.CompleteAsync("pri", 3, cancellationToken)).Content["cursor_end"]!).Should().Be(3);
            client.DroppedMessages.Should().Be(0);
        }
    }

    [Test]
    public async Task After_a_cut_the_gap_is_told_what_the_server_kept_follows_and_the_run_ends(CancellationToken cancellationToken)
    {
        await using var relay = new TcpRelay(_server.Port);
        var heard = new ConcurrentQueue<string>();
        var kernel = await KernelAsync() with { Server = new Uri($"http://127.0.0.1:{relay.Port}") };
        await using var client = await ConnectAsync(
            kernel,
            new KernelClientOptions
            {
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
        using var execution = await client.ExecuteAsync(
            new ExecuteRequest("import time, os\nprint('begun', flush=True)\nwhile not os.path.exists('cut'): time.sleep(0.01)\nprint('meanwhile', flush=True)\nopen('said', 'w').close()\nwhile os.path.exists('cut'): time.sleep(0.01)\nprint('end', flush=True)"),
            cancellationToken);
        await using var outputs = execution.Outputs(cancellationToken).GetAsyncEnumerator(cancellationToken);
        await outputs.UntilPrintedAsync("begun");
        relay.Cut();
        await File.WriteAllTextAsync(Path.Combine(_server.Folder, "cut"), "", cancellationToken);
        await Wait.UntilAsync(() => File.Exists(Path.Combine(_server.Folder, "said")), KernelRuns.Patience, "the kernel has printed", cancellationToken);
        relay.Mend();
        File.Delete(Path.Combine(_server.Folder, "cut"));
        var reply = await execution.Completion.InTimeAsync("the end of the run");
        ((string?)reply.Content["status"]).Should().Be("ok");
        (await client.RunAsync("print('after')")).Text().Should().Be("after\n");
        heard.Should().ContainInOrder("begun", "gap", "end", "after").And.Contain("meanwhile", "the server keeps for a session what is said while it is away");
    }

    [Test]
    public async Task A_peer_that_is_silent_is_noticed_and_connected_again(CancellationToken cancellationToken)
    {
        await using var relay = new TcpRelay(_server.Port);
        var back = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var kernel = await KernelAsync() with { Server = new Uri($"http://127.0.0.1:{relay.Port}"), PingInterval = TimeSpan.FromSeconds(0.2), PingTimeout = TimeSpan.FromSeconds(0.4) };
        await using var client = await ConnectAsync(kernel, new KernelClientOptions { OnIopubReconnected = back.SetResult }, cancellationToken);
        relay.Freeze();
        await Task.Delay(300, cancellationToken); // The time of silence that must be borne.
        await client.Invoking(it => it.HeartbeatAsync(TimeSpan.FromSeconds(2), cancellationToken)).Should().NotThrowAsync("the connection is not given up before its time");
        relay.Mend();
        await back.Task.WaitAsync(TimeSpan.FromSeconds(20), cancellationToken);
        (await client.RunAsync("print(1)")).Text().Should().Be("1\n");
    }

    [Test]
    public async Task The_end_of_the_kernel_while_nobody_was_connected_is_the_end_of_the_client(CancellationToken cancellationToken)
    {
        await using var relay = new TcpRelay(_server.Port);
        var kernel = await KernelAsync() with { Server = new Uri($"http://127.0.0.1:{relay.Port}") };
        await using var client = await ConnectAsync(kernel, new KernelClientOptions(), cancellationToken);
        using var execution = await client.ExecuteAsync(new ExecuteRequest("import time; time.sleep(60)"), cancellationToken);
        relay.Cut();
        await _server.DeleteKernelAsync(kernel.KernelId);
        relay.Mend();
        (await client.Closed.InTimeAsync("the end")).Message.Should().Contain("no such kernel");
        await ((Func<Task>)(() => execution.Completion)).Should().ThrowAsync<KernelGoneException>();
    }

    [Test]
    public async Task A_server_that_does_not_come_back_is_given_up_with_its_reason(CancellationToken cancellationToken)
    {
        await using var relay = new TcpRelay(_server.Port);
        var kernel = await KernelAsync() with { Server = new Uri($"http://127.0.0.1:{relay.Port}"), ReconnectFor = TimeSpan.FromSeconds(0.5) };
        await using var client = await ConnectAsync(kernel, new KernelClientOptions(), cancellationToken);
        relay.Cut();
        (await client.Closed.InTimeAsync("the end")).Message.Should().Contain("could not be reached within 0.5 s");
        await client.Invoking(it => it.KernelInfoAsync(cancellationToken)).Should().ThrowAsync<KernelGoneException>();
    }

    [Test]
    public async Task What_is_refused_for_good_is_told_at_once_and_never_shows_the_token(CancellationToken cancellationToken)
    {
        var kernel = await KernelAsync();
        var wrong = kernel with { Token = "not-the-token" };
        var refused = (await FluentActions.Awaiting(() => KernelClient.ConnectAsync(wrong, cancellationToken: cancellationToken)).Should().ThrowAsync<KernelException>()).Which;
        refused.Message.Should().Contain("refuses the token");
        $"{refused} {wrong}".Should().NotContain("not-the-token");
        (await FluentActions.Awaiting(() => KernelClient.ConnectAsync(kernel with { KernelId = Guid.NewGuid().ToString() }, cancellationToken: cancellationToken)).Should().ThrowAsync<KernelException>())
            .Which.Message.Should().Contain("no such kernel");
        kernel.Channels("s").ToString().Should().NotContain(_server.Token);
    }

    [TestCase(true), TestCase(false)]
    public async Task What_is_too_large_is_dropped_and_told_and_the_connection_lives(bool binary, CancellationToken cancellationToken)
    {
        var dropped = new ConcurrentQueue<MessageFault>();
        var kernel = await KernelAsync() with { Protocols = binary ? [ServerKernel.BinaryProtocol] : [] };
        var options = new KernelClientOptions { MaxMessageBytes = 100_000, OnIopubDropped = dropped.Enqueue };
        await using var client = await ConnectAsync(kernel, options, cancellationToken);
        var run = await client.RunAsync("from IPython.display import display\ndisplay({'text/plain': 'x' * 1_000_000}, raw=True)\nprint('small')");
        run.Text().Should().Be("small\n");
        dropped.Should().Equal(MessageFault.Oversize);
        if (binary)
        {
            using var large = await client.ExecuteAsync(new ExecuteRequest("1") { UserExpressions = new Dictionary<string, string> { ["x"] = "'x' * 1_000_000" } }, cancellationToken);
            (await ((Func<Task>)(() => large.Reply)).Should().ThrowAsync<KernelException>()).Which.Message.Should().Contain("larger than");
        }
    }

    [Test]
    public async Task A_reader_that_is_slow_is_waited_for_and_loses_nothing(CancellationToken cancellationToken)
    {
        var count = 0;
        var options = new KernelClientOptions
        {
            OnIopub = async message =>
            {
                if (message.MsgType == MessageTypes.Stream && count++ == 0)
                {
                    await Task.Delay(500, cancellationToken); // Slow is a matter of time.
                }
            },
        };
        await using var client = await ConnectAsync(await KernelAsync(), options, cancellationToken);
        var run = await client.RunAsync("for i in range(50): print('x' * 10_000, flush=True)");
        run.Text().Length.Should().Be(50 * 10_001);
    }

    private async Task<ServerKernel> KernelAsync() => new() { Server = _server.Address, KernelId = await _server.StartKernelAsync(), Token = _server.Token };

    private static async Task<KernelClient> ConnectAsync(ServerKernel kernel, KernelClientOptions options, CancellationToken cancellationToken)
    {
        var client = await KernelClient.ConnectAsync(kernel, options with { ConnectTimeout = KernelRuns.Patience }, cancellationToken);
        await client.WaitForReadyAsync(KernelRuns.Patience, cancellationToken);
        return client;
    }
}
