using System.Text;
using FsCheck;
using FsCheck.Fluent;
using KernelGateway.Jupyter.Messaging;
using Newtonsoft.Json.Linq;

namespace KernelGateway.Jupyter.Tests.Messaging;

/// <summary>Properties; when one fails, FsCheck prints the seed to replay it with.</summary>
[Parallelizable(ParallelScope.All)]
public sealed class WireFormatTests
{
    private static readonly string[] Pieces =
    [
        "{", "}", "[", "]", ":", ",", "\"a\"", "\"msg_id\"", "\"msg_type\"", "\"é\"", "1", "-0", "1.5e9", "9999999999999999999", "1e400",
        "true", "null", "NaN", "-Infinity", "'", "\"", "\\", "\\ud800", "/*", "*/", "//", " ", "\n", "undefined", "new Date(1)", "0x1F", "\0",
        "{\"msg_id\":\"1\",\"msg_type\":\"t\"}",
    ];

    [Test]
    public void What_is_written_is_what_is_read()
    {
        using var signer = new MessageSigner("key");
        var text = Gen.OneOf(ArbMap.Default.GeneratorFor<string>().Where(t => t is not null), Gen.Elements("", "\ud800", "\uFFFD", "a\0b", "😀"));
        var value = Gen.OneOf<JToken>(
            text.Select(t => (JToken)new JValue(t)),
            ArbMap.Default.GeneratorFor<double>().Select(d => (JToken)new JValue(d)),
            ArbMap.Default.GeneratorFor<long>().Select(n => (JToken)new JValue(n)),
            text.ArrayOf().Select(a => (JToken)new JArray(a)));
        var content = text.Zip(value).ListOf().Select(list => new JObject(list.DistinctBy(p => Clean(p.Item1)).Select(p => new JProperty(p.Item1, p.Item2))));
        var buffers = Gen.Choose(0, 40).Select(n => new ReadOnlyMemory<byte>(new byte[n])).ArrayOf();
        var cases = text.Zip(content).Zip(buffers).Zip(Gen.Choose(0, WireFormat.MaxIdentities));

        Check.One(Quiet(300), Prop.ForAll(cases.ToArbitrary(), c =>
        {
            var (((name, body), extra), identities) = c;
            var parent = JupyterMessage.Create("request", null, "s", "u");
            var made = JupyterMessage.Create("type" + name, body, "session" + name, name, parent, body, extra);
            var frames = WireFormat.Write(made, signer, new ReadOnlyMemory<byte>[identities]);
            WireFormat.Read(frames, signer, out var read).Should().Be(MessageFault.None);
            read!.MsgId.Should().Be(made.MsgId);
            read.MsgType.Should().Be(Clean(made.MsgType));
            read.ParentMsgId.Should().Be(parent.MsgId);
            read.Header.Username.Should().Be(Clean(name));
            Encoding.UTF8.GetString(LenientJson.Write(read.Content)).Should().Be(Encoding.UTF8.GetString(made.ContentBytes.Span));
            read.Buffers.Select(b => b.Length).Should().Equal(extra.Select(b => b.Length));

            // And once more, from the bytes that were kept.
            WireFormat.Write(read, signer, new ReadOnlyMemory<byte>[identities]).Select(f => Convert.ToHexString(f.Span))
                .Should().Equal(frames.Select(f => Convert.ToHexString(f.Span)));
        }));
    }

    [Test]
    public void Whatever_is_let_in_can_be_read_to_the_end_and_nothing_throws()
    {
        using var signer = new MessageSigner("");
        var json = Gen.OneOf(
            Gen.Elements(Pieces).ListOf().Select(string.Concat),
            Gen.Elements(Pieces).ListOf().Select(p => "{\"a\":" + string.Concat(p) + "}"),
            Gen.Constant("{\"msg_id\":\"1\",\"msg_type\":\"t\"}"));
        var frame = Gen.Frequency(
            (8, json.Select(Encoding.UTF8.GetBytes)),
            (1, ArbMap.Default.GeneratorFor<byte[]>().Where(b => b is not null)),
            (1, Gen.Constant("<IDS|MSG>"u8.ToArray())));
        var letIn = 0;
        Check.One(Quiet(5000), Prop.ForAll(frame.ArrayOf(4).Zip(frame.ArrayOf()).ToArbitrary(), c =>
        {
            byte[][] all = ["<IDS|MSG>"u8.ToArray(), [], .. c.Item1, .. c.Item2];
            if (c.Item2.Length % 5 == 4)
            {
                all = all[1..]; // Now and then without its delimiter.
            }

            if (WireFormat.Read(Array.ConvertAll(all, f => new ReadOnlyMemory<byte>(f)), signer, out var message) == MessageFault.None)
            {
                letIn++;
                _ = (message!.Header, message.ParentHeader, message.Metadata, message.Content, message.TotalBytes, message.ToString());
                message.Header.MsgId.Should().Be(message.MsgId);
            }
        }));
        letIn.Should().BeGreaterThan(20, "otherwise the property says nothing");
    }

    [Test]
    public void The_strict_look_lets_nothing_in_that_the_lenient_reader_refuses()
    {
        var bytes = Gen.OneOf(
            Gen.Elements(Pieces).ListOf().Select(p => Encoding.UTF8.GetBytes("{\"a\":" + string.Concat(p) + "}")),
            Gen.Elements(Pieces).ListOf().Select(p => Encoding.Latin1.GetBytes("{\"a\":[\"" + string.Concat(p) + "\xff\"]}")));
        Check.One(Quiet(5000), Prop.ForAll(bytes.ToArbitrary(), json =>
        {
            if (JsonScan.IsObject(json))
            {
                FluentActions.Invoking(() => LenientJson.ReadObject(json)).Should().NotThrow("{0} was let in", Encoding.UTF8.GetString(json));
            }
        }));
    }

    private static string Clean(string text) => Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(text));

    private static Config Quiet(int count) => Config.QuickThrowOnFailure.WithMaxTest(count);
}
