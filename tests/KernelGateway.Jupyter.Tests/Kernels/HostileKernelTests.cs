using KernelGateway.Jupyter.Messaging;
using KernelGateway.Jupyter.Tests.Support;

namespace KernelGateway.Jupyter.Tests.Kernels;

/// <summary>A kernel that sends what none should: the client stays alive and the next run works.</summary>
[CancelAfter(120_000)]
public sealed class HostileKernelTests
{
    private readonly List<MessageFault> _dropped = [];
    private TemporaryFolder _folder = null!;
    private PythonPeer _kernel = null!;
    private KernelClient _client = null!;

    [OneTimeSetUp]
    public async Task Start()
    {
        Requires.Module("zmq");
        _folder = TemporaryFolder.ForEverybody();
        var connection = ConnectionFile.ForIpc(_folder.Of("k"));
        await connection.WriteAsync(_folder.Of("c.json"));
        _kernel = PythonPeer.Start("Kernels/hostile_kernel.py", _folder.Of("c.json"));
        (await _kernel.ReadLineAsync()).Should().Be("bound");
        _client = await KernelClient.ConnectAsync(
            connection, new KernelClientOptions { MaxMessageBytes = 8 << 20, OnIopubDropped = _dropped.Add });
        await _client.WaitForReadyAsync(KernelRuns.Patience);
    }

    [OneTimeTearDown]
    public async Task Stop()
    {
        if (_client is not null)
        {
            await _client.DisposeAsync();
        }

        if (_kernel is not null)
        {
            await _kernel.DisposeAsync();
        }

        _folder?.Dispose();
    }

    [TestCase("wrong_hmac", MessageFault.WrongSignature)]
    [TestCase("short_hmac", MessageFault.WrongSignature)]
    [TestCase("no_hmac", MessageFault.WrongSignature)]
    [TestCase("no_delimiter", MessageFault.NoDelimiter)]
    [TestCase("one_frame", MessageFault.NoDelimiter)]
    [TestCase("empty_frame", MessageFault.NoDelimiter)]
    [TestCase("only_delimiter", MessageFault.TooFewFrames)]
    [TestCase("three_json_frames", MessageFault.TooFewFrames)]
    [TestCase("many_identities", MessageFault.NoDelimiter)]
    [TestCase("thousand_frames", MessageFault.NoDelimiter)]
    [TestCase("more_frames_than_allowed", MessageFault.Oversize)]
    [TestCase("deep_header", MessageFault.MalformedHeader)]
    [TestCase("deep_content", MessageFault.MalformedContent)]
    [TestCase("deep_metadata", MessageFault.MalformedMetadata)]
    [TestCase("huge_msg_type", MessageFault.HeaderTooLarge)]
    [TestCase("huge_parent", MessageFault.HeaderTooLarge)]
    [TestCase("array_content", MessageFault.MalformedContent)]
    [TestCase("number_content", MessageFault.MalformedContent)]
    [TestCase("no_json", MessageFault.MalformedContent)]
    [TestCase("two_values", MessageFault.MalformedContent)]
    [TestCase("endless_number", MessageFault.MalformedContent)]
    [TestCase("array_header", MessageFault.MalformedHeader)]
    [TestCase("null_header", MessageFault.MalformedHeader)]
    [TestCase("no_msg_id", MessageFault.MalformedHeader)]
    [TestCase("number_msg_type", MessageFault.MalformedHeader)]
    [TestCase("array_parent", MessageFault.MalformedParent)]
    [TestCase("oversize", MessageFault.Oversize)]
    public async Task What_is_malformed_is_dropped_counted_and_named(string attack, MessageFault fault)
    {
        var before = _client.DroppedMessages;
        _dropped.Clear();
        var run = await _client.RunAsync(attack);
        run.Status.Should().Be("ok");
        run.Text().Should().Be("after");
        _dropped.Should().Equal(fault);
        (_client.DroppedMessages - before).Should().Be(2, "it came on shell and on IOPub");
        await NextRunWorksAsync();
    }

    [Test]
    public async Task Fifty_messages_of_random_frames_change_nothing()
    {
        (await _client.RunAsync("random")).Text().Should().Be("after");
        await NextRunWorksAsync();
    }

    [TestCase("nan", "t")]
    [TestCase("invalid_utf8", "\uFFFD\uFFFD\uFFFD")]
    [TestCase("lone_surrogate", "\uFFFD")]
    [TestCase("null_content", null)]
    [TestCase("empty_content", null)]
    [TestCase("numeric_date", "hostile")]
    [TestCase("absent_fields", "hostile")]
    [TestCase("unknown_type", "hostile")]
    [TestCase("buffers", "hostile")]
    [TestCase("control_characters", "a\u0001b\0c")]
    [TestCase("duplicate_keys", "t")]
    public async Task What_is_only_unusual_is_taken(string name, string? text)
    {
        var before = (_client.DroppedMessages, _client.UnclaimedReplies);
        var run = await _client.RunAsync(name);

        // On shell it names our request as its parent, and is not taken for the reply all the same.
        run.Status.Should().Be("ok");
        (_client.DroppedMessages, _client.UnclaimedReplies).Should().Be((before.DroppedMessages, before.UnclaimedReplies + 1));
        var message = run.Outputs[1];
        ((string?)message.Content["text"]).Should().Be(text);
        message.Header.MsgId.Should().NotBeEmpty();
        message.Metadata.Should().BeEmpty();
        message.Buffers.Count.Should().Be(name == "buffers" ? 2 : 0);
        await NextRunWorksAsync();
    }

    [TestCase("no_parent")]
    [TestCase("null_parent")]
    [TestCase("unknown_parent")]
    public async Task A_reply_to_nobody_is_ignored_and_counted(string name)
    {
        var before = _client.UnclaimedReplies;
        (await _client.RunAsync(name)).Status.Should().Be("ok");
        _client.UnclaimedReplies.Should().Be(before + 1);
    }

    [Test]
    public async Task Of_two_replies_the_first_wins_and_the_second_is_counted()
    {
        var before = _client.UnclaimedReplies;
        (await _client.RunAsync("two_replies")).Status.Should().Be("ok");
        await NextRunWorksAsync();
        _client.UnclaimedReplies.Should().Be(before + 1);
    }

    [Test]
    public async Task A_reply_on_another_channel_than_its_request_is_nobodys(CancellationToken cancellationToken)
    {
        var before = _client.UnclaimedReplies;
        using var execution = await _client.ExecuteAsync(new ExecuteRequest("reply_on_control"), cancellationToken);
        await _client.RequestAsync(KernelChannel.Control, _client.CreateRequest(MessageTypes.KernelInfoRequest), cancellationToken);
        _client.UnclaimedReplies.Should().Be(before + 1);
        execution.Reply.IsCompleted.Should().BeFalse();
    }

    [Test]
    public async Task A_reply_that_is_too_large_fails_its_request_and_no_other(CancellationToken cancellationToken)
    {
        using var execution = await _client.ExecuteAsync(new ExecuteRequest("oversize_reply"), cancellationToken);
        await execution.Awaiting(e => e.Reply.InTimeAsync("the failure"))
            .Should().ThrowAsync<KernelException>().WithMessage("*larger than the 8388608 bytes allowed*");
        await execution.Awaiting(e => e.Completion.InTimeAsync("the failure")).Should().ThrowAsync<KernelException>();
        await NextRunWorksAsync();
    }

    [Test]
    public async Task More_requests_than_may_wait_are_refused_and_two_with_one_id_too(CancellationToken cancellationToken)
    {
        var pending = new PendingReplies(2);
        var first = pending.Expect(KernelChannel.Shell, "1");
        _ = pending.Expect(KernelChannel.Shell, "2");
        FluentActions.Invoking(void () => _ = pending.Expect(KernelChannel.Shell, "3")).Should().Throw<KernelException>();
        pending.Forget("2");
        FluentActions.Invoking(void () => _ = pending.Expect(KernelChannel.Shell, "1")).Should().Throw<ArgumentException>();
        pending.FailAll(() => new KernelGoneException("gone"));
        await first.Awaiting(f => f.WaitAsync(cancellationToken)).Should().ThrowAsync<KernelGoneException>();
    }

    private async Task NextRunWorksAsync()
    {
        var run = await _client.RunAsync("none");
        run.Text().Should().Be("after");
        run.Types.Should().Equal("status", "stream", "status");
        run.Status.Should().Be("ok");
    }
}
