using System.Text;
using KernelGateway.Jupyter.Messaging;
using Newtonsoft.Json.Linq;

namespace KernelGateway.Jupyter.Tests.Messaging;

[Parallelizable(ParallelScope.All)]
public sealed class MessageSignerTests
{
    [TestCase("")]
    [TestCase("k")]
    [TestCase("a-key-of-usual-length-5d5f8b1c")]
    [TestCase("schlüssel 鍵")]
    public async Task Signatures_are_those_of_jupyter_client(string key)
    {
        Requires.Module("jupyter_client");
        await using var python = PythonPeer.Start("Messaging/signatures.py");
        using var signer = new MessageSigner(key);
        for (var size = 0; size < 300; size += 60)
        {
            var message = JupyterMessage.Create(
                "execute_request", new JObject { ["code"] = new string('é', size) }, "s", "u", metadata: new JObject { ["n"] = size });
            var frames = new[] { message.HeaderBytes, message.ParentHeaderBytes, message.MetadataBytes, message.ContentBytes };
            var question = new JObject { ["key"] = key, ["frames"] = new JArray(frames.Select(f => Convert.ToHexString(f.Span))) };
            var expected = await python.AskAsync(question.ToString(Newtonsoft.Json.Formatting.None));
            ("is " + Encoding.UTF8.GetString(signer.Sign(message).Span)).Should().Be(expected);
        }
    }

    [Test]
    public void A_signature_is_that_of_pythons_hmac_over_all_four_frames()
    {
        // hmac.new(b"key", b"abcd", hashlib.sha256).hexdigest()
        var known = "2a31ec0ee8d878c9eece9fb0df79b3b90b2256240163aa5ee50d176d3d1121f8"u8;
        using var signer = new MessageSigner("key");
        signer.Verify(known, "a"u8, "b"u8, "c"u8, "d"u8).Should().BeTrue();
        signer.Verify(known, "a"u8, "b"u8, "c"u8, "e"u8).Should().BeFalse();
    }

    [Test]
    public void Any_changed_bit_and_any_other_length_is_refused()
    {
        using var signer = new MessageSigner("key");
        var message = JupyterMessage.Create("status", new JObject { ["execution_state"] = "idle" }, "s", "u");
        var right = signer.Sign(message).ToArray();
        Verify(right).Should().BeTrue();
        for (var bit = 0; bit < right.Length * 8; bit++)
        {
            var wrong = right.ToArray();
            wrong[bit / 8] ^= (byte)(1 << (bit % 8));
            Verify(wrong).Should().BeFalse("bit {0} differs", bit);
        }

        Verify(right[..63]).Should().BeFalse();
        Verify([.. right, (byte)'0']).Should().BeFalse();
        Verify([]).Should().BeFalse();
        Verify(right).Should().BeTrue("a refusal leaves nothing behind");

        bool Verify(byte[] signature) => signer.Verify(
            signature, message.HeaderBytes.Span, message.ParentHeaderBytes.Span, message.MetadataBytes.Span, message.ContentBytes.Span);
    }

    [Test]
    public void Without_a_key_nothing_is_signed_and_nothing_refused()
    {
        using var signer = new MessageSigner("");
        signer.IsSigning.Should().BeFalse();
        signer.Sign(JupyterMessage.Create("status", null, "s", "u")).Length.Should().Be(0);
        signer.Verify("anything"u8, "a"u8, "b"u8, "c"u8, "d"u8).Should().BeTrue();
    }

    [Test]
    public void Verifying_allocates_nothing()
    {
        using var signer = new MessageSigner("key");
        var signature = new byte[MessageSigner.SignatureBytes];
        Verify();
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 1000; i++)
        {
            Verify();
        }

        (GC.GetAllocatedBytesForCurrentThread() - before).Should().BeLessThan(1000);

        void Verify() => signer.Verify(signature, "a"u8, "b"u8, "c"u8, "d"u8);
    }
}
