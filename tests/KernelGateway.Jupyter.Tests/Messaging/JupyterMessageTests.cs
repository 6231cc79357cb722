using System.Text;
using KernelGateway.Jupyter.Messaging;
using Newtonsoft.Json.Linq;

namespace KernelGateway.Jupyter.Tests.Messaging;

[Parallelizable(ParallelScope.All)]
public sealed class JupyterMessageTests
{
    private const string Header = """{"msg_id":"1","msg_type":"stream","session":"s","username":"u","date":"2024-05-06T07:08:09.123456Z","version":"5.3"}""";

    [Test]
    public void A_header_is_read()
    {
        var message = Of(Header, """{"msg_id":"0","msg_type":"execute_request"}""", "{}", """{"text":"x"}""");
        message.Header.Should().Be(new MessageHeader
        {
            MsgId = "1",
            MsgType = "stream",
            Session = "s",
            Username = "u",
            Version = "5.3",
            Date = new DateTimeOffset(2024, 5, 6, 7, 8, 9, TimeSpan.Zero).AddMicroseconds(123456),
        });
        message.ParentMsgId.Should().Be("0");
        message.ParentHeader!.MsgType.Should().Be("execute_request");
        message.MsgType.Should().BeSameAs(MessageTypes.Stream, "known types cost no memory");
        message.TotalBytes.Should().Be(Header.Length + 43 + 2 + 12);
    }

    [TestCase("1700000000")]
    [TestCase("1.7e9")]
    [TestCase("null")]
    [TestCase("\"yesterday\"")]
    [TestCase("{}")]
    [TestCase("NaN")]
    public void A_date_that_is_no_time_is_no_date(string date) =>
        Of($$"""{"msg_id":"1","msg_type":"t","date":{{date}}}""").Header.Date.Should().BeNull();

    [TestCase("{}")]
    [TestCase("null")]
    [TestCase("")]
    [TestCase("""{"msg_id":null}""")]
    [TestCase("""{"msg_id":5}""")]
    [TestCase("""{"other":{"msg_id":"nested"}}""")]
    public void A_parent_without_an_id_is_no_parent(string parent)
    {
        var message = Of(Header, parent);
        message.ParentMsgId.Should().BeNull();
        message.ParentHeader.Should().BeNull();
    }

    [TestCase("""{"a":{"msg_id":"wrong","msg_type":"wrong"},"msg_id":"right","msg_type":"t"}""", "right")]
    [TestCase("""{"msg_id":"first","msg_id":"right","msg_type":"t"}""", "right")]
    [TestCase("""{"msg_\u0069d":"right","msg_type":"t"}""", "right")]
    [TestCase("""{"msg_id":"a\ud83d\ude00b","msg_type":"t"}""", "a😀b")]
    [TestCase("""{"msg_id":"a\ud83db","msg_type":"t"}""", "a\uFFFDb")]
    [TestCase("""{'msg_id':"right",'msg_type':"t","x":NaN}""", "right")]
    public void The_fast_look_at_a_header_sees_what_the_whole_header_says(string header, string id)
    {
        var message = Of(header);
        message.MsgId.Should().Be(id);
        message.Header.MsgId.Should().Be(id);
        message.Header.MsgType.Should().Be(message.MsgType);
    }

    [Test]
    public void What_pythons_json_writes_and_strict_readers_refuse_is_read()
    {
        var content = Of(Header, content: """{"a":NaN,"b":[Infinity,-Infinity],"c":"\ud800x","d":"2024-01-01T00:00:00Z","e":1e400}""").Content;
        content["a"]!.Value<double>().Should().Be(double.NaN);
        content["b"]!.Values<double>().Should().Equal(double.PositiveInfinity, double.NegativeInfinity);
        content["c"]!.Value<string>().Should().Be("\uFFFDx");
        content["d"]!.Type.Should().Be(JTokenType.String, "a text that looks like a date is a text");
        content["e"]!.Value<double>().Should().Be(double.PositiveInfinity);
    }

    [TestCase(64, MessageFault.None)]
    [TestCase(65, MessageFault.MalformedContent)]
    [TestCase(100_000, MessageFault.MalformedContent)]
    public void Depth_is_capped(int depth, MessageFault expected)
    {
        string[] deep =
        [
            string.Concat(Enumerable.Repeat("{\"a\":", depth)) + "1" + new string('}', depth),
            string.Concat(Enumerable.Repeat("{\"a\":", depth)) + "NaN" + new string('}', depth), // The lenient reader as well.
        ];
        foreach (var content in deep)
        {
            JupyterMessage.TryParse(Frames(Header, "{}", "{}", content), out var message).Should().Be(expected);
            message?.Content.Should().NotBeEmpty();
        }
    }

    [Test]
    public void A_header_may_have_64_KiB_and_no_byte_more()
    {
        var header = Header[..^1] + ",\"pad\":\"";
        header += new string('x', JupyterMessage.MaxHeaderBytes - header.Length - 2) + "\"}";
        JupyterMessage.TryParse(Frames(header, "{}", "{}", "{}"), out _).Should().Be(MessageFault.None);
        JupyterMessage.TryParse(Frames(header + " ", "{}", "{}", "{}"), out _).Should().Be(MessageFault.HeaderTooLarge);
        JupyterMessage.TryParse(Frames(Header, header + " ", "{}", "{}"), out _).Should().Be(MessageFault.HeaderTooLarge);
    }

    [Test]
    public void Fewer_than_four_frames_are_no_message()
    {
        JupyterMessage.TryParse(Frames(Header, "{}", "{}"), out var message).Should().Be(MessageFault.TooFewFrames);
        message.Should().BeNull();
        FluentActions.Invoking(() => JupyterMessage.Parse(Frames(Header, "{}", "{}")))
            .Should().Throw<MalformedMessageException>().Which.Fault.Should().Be(MessageFault.TooFewFrames);
    }

    [Test]
    public void A_large_content_is_read_in_pieces_without_breaking_characters()
    {
        var text = string.Concat(Enumerable.Repeat("é😀x", 50_000));
        Of(Header, content: "{\"text\":\"" + text + "\",\"n\":NaN}").Content["text"]!.Value<string>().Should().Be(text);
    }

    [Test]
    public void A_made_message_answers_its_parent_and_keeps_what_it_was_given()
    {
        var parent = JupyterMessage.Create("execute_request", null, "s1", "u1");
        var made = JupyterMessage.Create(
            "x", new JObject { ["a"] = double.NaN, ["t"] = "\ud800" }, "s", "u", parent, new JObject { ["m"] = 1 }, [new byte[] { 1, 2 }], "id");
        made.ParentHeaderBytes.ToArray().Should().Equal(parent.HeaderBytes.ToArray());
        var read = JupyterMessage.Parse([made.HeaderBytes, made.ParentHeaderBytes, made.MetadataBytes, made.ContentBytes, .. made.Buffers]);
        read.MsgId.Should().Be("id");
        read.ParentMsgId.Should().Be(parent.MsgId);
        read.Header.Date.Should().NotBeNull();
        read.Content["a"]!.Value<double>().Should().Be(double.NaN);
        read.Content["t"]!.Value<string>().Should().Be("\uFFFD");
        read.Metadata["m"]!.Value<int>().Should().Be(1);
        read.Buffers.Single().ToArray().Should().Equal(1, 2);
    }

    private static JupyterMessage Of(string header, string parent = "{}", string metadata = "{}", string content = "{}") =>
        JupyterMessage.Parse(Frames(header, parent, metadata, content));

    private static ReadOnlyMemory<byte>[] Frames(params string[] texts) =>
        Array.ConvertAll(texts, text => new ReadOnlyMemory<byte>(Encoding.UTF8.GetBytes(text)));
}
