using System.Collections.Concurrent;
using System.Text;
using System.Text.Json.Nodes;
using KernelGateway.Core.Errors;
using KernelGateway.Provisioners.Launcher;
using KernelGateway.Provisioners.Native;
using KernelGateway.Provisioners.Tests.Support;

namespace KernelGateway.Provisioners.Tests.Launcher;

[Parallelizable(ParallelScope.All)]
[CancelAfter(20_000)]
[FixtureLifeCycle(LifeCycle.InstancePerTestCase)]
public sealed class LauncherClientTests : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);
    private readonly FakeAgent _agent = new();
    private readonly BlockingCollection<(string Kernel, AgentExit Exit)> _ended = [];

    public void Dispose()
    {
        _agent.Dispose();
        _ended.Dispose();
    }

    [Test]
    public async Task Answers_find_their_questions_in_any_order(CancellationToken cancellationToken)
    {
        await using var client = await ConnectAsync(cancellationToken);
        var first = client.SignalAsync("a", 2, true, cancellationToken);
        (await _agent.ReadLineAsync()).Should().Be("""{"op":"signal","kernel":"a","signal":2,"group":true,"id":1}""");
        var second = client.SignalAsync("b", 9, false, cancellationToken);
        (await _agent.ReadLineAsync()).Should().Be("""{"op":"signal","kernel":"b","signal":9,"group":false,"id":2}""");
        await _agent.SendAsync("""{"id":2,"ok":true}""" + "\n");
        await second;
        first.IsCompleted.Should().BeFalse("its answer is still to come");
        await _agent.SendAsync("""{"id":1,"ok":false,"error":"The kernel a has ended."}""" + "\n");
        (await ((Func<Task>)(() => first)).Should().ThrowAsync<GatewayException>()).Which.Message.Should().Be("The kernel a has ended.");
    }

    [Test]
    public async Task Events_arrive_in_order_also_in_pieces(CancellationToken cancellationToken)
    {
        await using var client = await ConnectAsync(cancellationToken);
        var bytes = Encoding.UTF8.GetBytes("{\"event\":\"exit\",\"kernel\":\"a\",\"code\":3,\"signal\":null,\"stderr\":\"té\"}\n{\"event\":\"later\"}\n{\"event\":\"exit\",\"kernel\":\"b\",\"code\":null,\"signal\":11}\n");
        foreach (var one in bytes)
        {
            await _agent.SendAsync(new[] { one });
        }

        _ended.Take(cancellationToken).Should().Be(("a", new AgentExit(3, null, "té")));
        _ended.Take(cancellationToken).Should().Be(("b", new AgentExit(null, 11, null)));
    }

    [Test]
    public async Task Everybody_who_waits_is_told_when_the_agent_goes(CancellationToken cancellationToken)
    {
        await using var client = await ConnectAsync(cancellationToken);
        var asked = Enumerable.Range(0, 5).Select(_ => client.HelloAsync(cancellationToken)).ToList();
        await _agent.ReadLineAsync();
        _agent.Drop();
        foreach (var question in asked)
        {
            (await ((Func<Task>)(() => question)).Should().ThrowAsync<GatewayException>()).Which.Code.Should().Be(ErrorCode.KernelFailed);
        }

        (await client.Closed).Should().Contain("has gone");
        await ((Func<Task>)(() => client.HelloAsync(cancellationToken))).Should().ThrowAsync<GatewayException>("later questions fail as well");
    }

    [TestCase("not json\n"), TestCase("[1,2]\n"), TestCase("\"text\"\n"), TestCase("{\n"), TestCase("\n"), TestCase("\0\u0001\n")]
    public async Task What_is_no_message_ends_the_connection(string line, CancellationToken cancellationToken)
    {
        await using var client = await ConnectAsync(cancellationToken);
        await _agent.SendAsync(line);
        (await client.Closed.WaitAsync(cancellationToken)).Should().Contain("no message");
    }

    [TestCase("""{"id":"1","ok":true}"""), TestCase("""{"id":1e99,"ok":true}"""), TestCase("""{"id":77,"ok":true}"""), TestCase("""{"ok":true}""")]
    [TestCase("""{"event":7}"""), TestCase("""{"event":"exit","kernel":{}}"""), TestCase("""{"event":"exit","kernel":"x","code":1e99,"signal":"9","stderr":[]}""")]
    public async Task Odd_messages_change_nothing(string line, CancellationToken cancellationToken)
    {
        await using var client = await ConnectAsync(cancellationToken);
        await _agent.SendAsync(line + "\n");
        var hello = client.HelloAsync(cancellationToken);
        await _agent.ReadLineAsync();
        await _agent.SendAsync("""{"id":1,"ok":true,"protocol":1,"pid":7,"kernels":[null,7,{"kernel":5},{"kernel":"k","running":true}],"commands":[null,[],{"command":7},{"command":"c"}]}""" + "\n");
        (await hello).Kernels.Should().Equal(new AgentKernel("k", true, null));
        (await hello).Commands.Select(command => command.Command).Should().Equal("c");
    }

    [Test]
    public async Task A_line_without_end_is_cut_off_at_a_bound(CancellationToken cancellationToken)
    {
        await using var client = await ConnectAsync(cancellationToken);
        var piece = new byte[1 << 16];
        piece.AsSpan().Fill((byte)'x');
        var sent = 0L;
        while (!client.Closed.IsCompleted && sent < 64 << 20)
        {
            try
            {
                await _agent.SendAsync(piece);
                sent += piece.Length;
            }
            catch (System.Net.Sockets.SocketException)
            {
                break;
            }
        }

        (await client.Closed.WaitAsync(cancellationToken)).Should().Contain("a line of more than");
        sent.Should().BeLessThan(8 << 20, "nothing of that size is kept");
    }

    [Test]
    public async Task Json_nested_without_end_ends_the_connection_and_not_the_gateway(CancellationToken cancellationToken)
    {
        await using var client = await ConnectAsync(cancellationToken);
        await _agent.SendAsync("{\"event\":" + new string('[', 100_000) + "\n");
        (await client.Closed.WaitAsync(cancellationToken)).Should().Contain("no message");
    }

    [Test]
    public async Task An_agent_of_another_version_is_refused(CancellationToken cancellationToken)
    {
        await using var client = await ConnectAsync(cancellationToken);
        var hello = client.HelloAsync(cancellationToken);
        await _agent.ReadLineAsync();
        await _agent.SendAsync("""{"id":1,"ok":true,"protocol":2}""" + "\n");
        (await ((Func<Task>)(() => hello)).Should().ThrowAsync<GatewayException>()).Which.Message.Should().Contain("another protocol");
    }

    [Test]
    public async Task An_agent_that_does_not_answer_is_given_up_at_the_deadline(CancellationToken cancellationToken)
    {
        var time = new ManualTime();
        await using var client = await ConnectAsync(cancellationToken, time);
        var hello = client.HelloAsync(cancellationToken);
        await _agent.ReadLineAsync();
        time.Advance(TimeSpan.FromSeconds(21));
        (await ((Func<Task>)(() => hello)).Should().ThrowAsync<GatewayException>()).Which.Message.Should().Contain("did not answer within 20 seconds");
    }

    [Test]
    public async Task Too_large_a_request_is_refused_and_the_connection_lives(CancellationToken cancellationToken)
    {
        await using var client = await ConnectAsync(cancellationToken);
        var launch = new AgentLaunch("k", ["x"], new Dictionary<string, string> { ["A"] = new string('x', 1 << 20) }, "/", []);
        (await ((Func<Task>)(() => client.LaunchAsync(launch, cancellationToken))).Should().ThrowAsync<GatewayException>()).Which.Code.Should().Be(ErrorCode.InvalidArgument);
        var signal = client.SignalAsync("a", 2, true, cancellationToken);
        var line = JsonNode.Parse(await _agent.ReadLineAsync())!;
        await _agent.SendAsync($$"""{"id":{{line["id"]}},"ok":true}""" + "\n");
        await signal;
    }

    [Test]
    public async Task The_last_words_of_a_kernel_are_bounded_and_cannot_steer_a_terminal(CancellationToken cancellationToken)
    {
        await using var client = await ConnectAsync(cancellationToken);
        await _agent.SendAsync($$"""{"event":"exit","kernel":"a","code":1,"signal":null,"stderr":"\u001b]52;c;{{new string('x', 9000)}}\u0007 end"}""" + "\n");
        var tail = _ended.Take(cancellationToken).Exit.StderrTail!;
        tail.Length.Should().BeLessThanOrEqualTo(4096);
        tail.Should().EndWith("x· end").And.NotContain("\u001b");
    }

    [Test]
    public async Task Connecting_waits_until_the_agent_listens(CancellationToken cancellationToken)
    {
        using var folder = FolderHandle.Open(_agent.Folder);
        var connecting = AgentSocket.ConnectAsync(folder, LibC.GetEffectiveUid(), Never(), Patience, TimeProvider.System, cancellationToken);
        connecting.IsCompleted.Should().BeFalse();
        _agent.Listen();
        var (socket, pid) = await connecting;
        socket.Dispose();
        pid.Should().Be(Environment.ProcessId);
    }

    [Test]
    public async Task Connecting_ends_with_the_place(CancellationToken cancellationToken)
    {
        using var folder = FolderHandle.Open(_agent.Folder);
        var gone = new TaskCompletionSource();
        var connecting = AgentSocket.ConnectAsync(folder, LibC.GetEffectiveUid(), gone.Task, Patience, TimeProvider.System, cancellationToken);
        gone.SetResult();
        (await ((Func<Task>)(() => connecting)).Should().ThrowAsync<GatewayException>()).Which.Message.Should().Contain("ended before its agent answered");
    }

    [Test]
    public async Task A_link_in_place_of_the_socket_is_not_followed(CancellationToken cancellationToken)
    {
        _agent.Listen();
        using var other = new StateFolder();
        File.CreateSymbolicLink(Path.Combine(other.Path, "agent"), _agent.SocketPath);
        using var folder = FolderHandle.Open(other.Path);
        var connecting = () => AgentSocket.ConnectAsync(folder, LibC.GetEffectiveUid(), Never(), Patience, TimeProvider.System, cancellationToken);
        (await connecting.Should().ThrowAsync<GatewayException>()).Which.Message.Should().Contain("'agent' is not a socket");
    }

    [Test]
    public async Task A_socket_of_another_uid_is_refused(CancellationToken cancellationToken)
    {
        _agent.Listen();
        using var folder = FolderHandle.Open(_agent.Folder);
        var connecting = () => AgentSocket.ConnectAsync(folder, LibC.GetEffectiveUid() + 1, Never(), Patience, TimeProvider.System, cancellationToken);
        (await connecting.Should().ThrowAsync<GatewayException>()).Which.Message.Should().Contain("belongs to uid");
    }

    [Test]
    public async Task The_uid_of_who_listens_counts_and_not_only_that_of_the_file(CancellationToken cancellationToken)
    {
        Requires.Root();
        _agent.Listen();
        LibC.LChown(_agent.SocketPath, 12345, 12345).Should().Be(0);
        using var folder = FolderHandle.Open(_agent.Folder);
        var connecting = () => AgentSocket.ConnectAsync(folder, 12345, Never(), Patience, TimeProvider.System, cancellationToken);
        (await connecting.Should().ThrowAsync<GatewayException>()).Which.Message.Should().Contain("listens in place of the sandbox's agent");
    }

    private static Task Never() => new TaskCompletionSource().Task;

    private async Task<LauncherClient> ConnectAsync(CancellationToken cancellationToken, TimeProvider? time = null)
    {
        _agent.Listen();
        using var folder = FolderHandle.Open(_agent.Folder);
        var accepting = _agent.AcceptAsync();
        var (socket, pid) = await AgentSocket.ConnectAsync(folder, LibC.GetEffectiveUid(), Never(), Patience, TimeProvider.System, cancellationToken);
        await accepting;
        return new LauncherClient(socket, pid, (kernel, exit) => _ended.Add((kernel, exit)), time ?? TimeProvider.System);
    }
}
