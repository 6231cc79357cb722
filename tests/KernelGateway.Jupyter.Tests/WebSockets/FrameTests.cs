using System.Buffers.Binary;
using System.Text;
using KernelGateway.Jupyter.Messaging;
using KernelGateway.Jupyter.WebSockets;
using Newtonsoft.Json.Linq;

namespace KernelGateway.Jupyter.Tests.WebSockets;

/// <summary>Both forms of a message on a WebSocket.</summary>
[Parallelizable(ParallelScope.All)]
public sealed class FrameTests
{
    private static readonly JupyterMessage Sample = JupyterMessage.Create(
        MessageTypes.CommMsg, new JObject { ["data"] = "é" }, "session", "user", buffers: [new byte[] { 1, 2, 3 }, ReadOnlyMemory<byte>.Empty, new byte[] { 255 }]);

    [Test]
    public void The_binary_form_keeps_every_byte()
    {
        BinaryFrames.Read(BinaryFrames.Write(KernelChannel.Control, Sample), out var channel, out var message).Should().Be(MessageFault.None);
        channel.Should().Be(KernelChannel.Control);
        message!.HeaderBytes.ToArray().Should().Equal(Sample.HeaderBytes.ToArray());
        message.ContentBytes.ToArray().Should().Equal(Sample.ContentBytes.ToArray());
        message.Buffers.Select(b => b.ToArray()).Should().BeEquivalentTo(new[] { new byte[] { 1, 2, 3 }, [], [255] }, o => o.WithStrictOrdering());
    }

    [Test]
    public void The_binary_form_is_laid_out_as_its_specification_says()
    {
        var bytes = BinaryFrames.Write(KernelChannel.Shell, JupyterMessage.Create(MessageTypes.KernelInfoRequest, null, "s", "u"));
        BinaryPrimitives.ReadUInt64LittleEndian(bytes).Should().Be(6, "channel, four parts of JSON, and the end");
        BinaryPrimitives.ReadUInt64LittleEndian(bytes.AsSpan(8)).Should().Be(56);
        Encoding.ASCII.GetString(bytes, 56, 5).Should().Be("shell");
    }

    [TestCase(true), TestCase(false)]
    public void The_JSON_form_says_the_same_with_and_without_buffers(bool hasBuffers)
    {
        var sent = hasBuffers ? Sample : JupyterMessage.Create(MessageTypes.Stream, new JObject { ["text"] = "x" }, "s", "u", Sample);
        var bytes = JsonFrames.Write(KernelChannel.Iopub, sent, out var isText);
        isText.Should().Be(!hasBuffers);
        JsonFrames.Read(bytes, isText, out var channel, out var message).Should().Be(MessageFault.None);
        channel.Should().Be(KernelChannel.Iopub);
        (message!.MsgId, message.MsgType, message.ParentMsgId).Should().Be((sent.MsgId, sent.MsgType, sent.ParentMsgId));
        JToken.DeepEquals(message.Content, sent.Content).Should().BeTrue();
        message.Buffers.Select(b => b.Length).Should().Equal(sent.Buffers.Select(b => b.Length));
    }

    [Test]
    public void Of_a_message_cut_off_the_channel_and_the_parent_are_known()
    {
        var sent = BinaryFrames.Write(KernelChannel.Shell, JupyterMessage.Create(MessageTypes.ExecuteReply, new JObject { ["x"] = new string('x', 100_000) }, "s", "u", Sample));
        BinaryFrames.TryReadStart(sent.AsMemory(0, 2000), sent.Length, out var channel, out var parent).Should().BeTrue();
        (channel, parent).Should().Be((KernelChannel.Shell, Sample.MsgId));
        BinaryFrames.TryReadStart(sent.AsMemory(0, 60), sent.Length, out _, out _).Should().BeFalse();
    }

    [Test]
    public void Nothing_that_a_server_sends_makes_the_readers_throw()
    {
        var random = new Random(1);
        byte[][] seeds = [BinaryFrames.Write(KernelChannel.Iopub, Sample), JsonFrames.Write(KernelChannel.Iopub, Sample, out _)];
        for (var i = 0; i < 20_000; i++)
        {
            var bytes = (byte[])seeds[i % 2].Clone();
            for (var n = random.Next(1, 8); n > 0; n--)
            {
                // Mostly the table, where every byte decides about places.
                bytes[random.Next(random.Next(2) == 0 ? 80 : bytes.Length)] = (byte)random.Next(256);
            }

            var cut = bytes.AsMemory(0, random.Next(bytes.Length + 1));
            (BinaryFrames.Read(cut, out _, out var first) == MessageFault.None).Should().Be(first is not null);
            (JsonFrames.Read(cut, i % 3 == 0, out _, out var second) == MessageFault.None).Should().Be(second is not null);
            BinaryFrames.TryReadStart(cut, bytes.Length, out _, out _);
        }
    }

    [TestCase("[]"), TestCase("{}"), TestCase("""{"channel":1}"""), TestCase("""{"channel":"hb","header":{}}"""), TestCase("""{"channel":"iopub","header":{}}"""), TestCase("""{"channel":"iopub","header":[],"content":"x"}""")]
    public void JSON_that_is_no_message_is_a_fault(string json) =>
        JsonFrames.Read(Encoding.UTF8.GetBytes(json), isText: true, out _, out _).Should().NotBe(MessageFault.None);

    [Test]
    public void Nesting_beyond_the_limit_is_a_fault()
    {
        var deep = $$"""{"channel":"iopub","header":{"msg_id":"1","msg_type":"x"},"parent_header":{},"metadata":{},"content":{{string.Concat(Enumerable.Repeat("{\"a\":", 100))}}1{{new string('}', 100)}}}""";
        JsonFrames.Read(Encoding.UTF8.GetBytes(deep), isText: true, out _, out _).Should().Be(MessageFault.MalformedFrame);
    }
}
