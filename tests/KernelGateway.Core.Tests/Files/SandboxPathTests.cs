using KernelGateway.Core.Errors;
using KernelGateway.Core.Files;

namespace KernelGateway.Core.Tests.Files;

[TestFixture]
public sealed class SandboxPathTests
{
    [TestCase("/", true, 0)]
    [TestCase(".", false, 0)]
    [TestCase("./", false, 0)]
    [TestCase("a", false, 1)]
    [TestCase("./a/b/", false, 2)]
    [TestCase("/workspace/a.txt", true, 2)]
    [TestCase("...", false, 1)]
    [TestCase("a..b/..c", false, 2)]
    public void A_path_has_names(string text, bool isAbsolute, int names)
    {
        SandboxPath path = SandboxPath.Parse(text);
        (path.IsAbsolute, path.Names.Count).Should().Be((isAbsolute, names));
    }

    [TestCase(null, "must be given")]
    [TestCase("", "must be given")]
    [TestCase("..", "only lead downwards")]
    [TestCase("a/../b", "only lead downwards")]
    [TestCase("..\\x", "only lead downwards")]
    [TestCase("a\\..\\x", "only lead downwards")]
    [TestCase("%2e%2e/x", "'%2e'")]
    [TestCase("a%00", "'%00'")]
    [TestCase("%2F", "'%2F'")]
    [TestCase("%c0%ae%C0%AE/x", "overlong")]
    [TestCase("a%C0%AFb", "overlong")]
    [TestCase("a\0b", "NUL")]
    [TestCase("//x", "empty name")]
    [TestCase("//", "empty name")]
    [TestCase("a//b", "empty name")]
    [TestCase("a//", "empty name")]
    [TestCase("....//", "empty name")]
    [TestCase("a/./b", "'.'")]
    [TestCase("file:///etc", "empty name")]
    [TestCase("C:\\x", "drive letter")]
    [TestCase("c:/x", "drive letter")]
    [TestCase("\uFFFD", "U+FFFD")]
    public void What_is_no_path_is_refused_with_the_reason(string? text, string why)
    {
        Action parse = () => SandboxPath.Parse(text, "from");
        parse.Should().Throw<GatewayException>().Where(e => e.Code == ErrorCode.InvalidPath && e.Field == "from").WithMessage($"*'from'*{why}*");
    }

    [Test]
    public void Half_a_surrogate_pair_is_refused()
    {
        // Not as a test case: an attribute cannot hold it.
        Action parse = () => SandboxPath.Parse("a" + (char)0xD800);
        parse.Should().Throw<GatewayException>().WithMessage("*surrogate*");
    }

    [Test]
    public void Names_and_paths_are_as_long_as_the_system_takes_them()
    {
        SandboxPath.Parse(new string('a', 255)).Names.Should().ContainSingle();
        SandboxPath.Parse(string.Join('/', Enumerable.Repeat(new string('a', 255), 15)) + "/" + new string('a', 254)).Names.Should().HaveCount(16);
        foreach (string text in new[] { new string('a', 256), new string('é', 128), string.Join('/', Enumerable.Repeat(new string('a', 255), 16)) })
        {
            Action parse = () => SandboxPath.Parse(text);
            parse.Should().Throw<GatewayException>().Which.Code.Should().Be(ErrorCode.InvalidPath);
        }
    }

    [Test]
    public void Any_bytes_come_back_from_their_text()
    {
        var random = new Random(7);
        for (int i = 0; i < 20_000; i++)
        {
            byte[] name = new byte[random.Next(1, 12)];
            random.NextBytes(name);

            // Many percent signs, digits and starts of longer UTF-8 sequences.
            for (int at = 0; at < name.Length; at++)
            {
                name[at] = random.Next(4) switch { 0 => (byte)'%', 1 => (byte)"0123456789abcdefABCDEF"[random.Next(22)], 2 => (byte)random.Next(0x80, 0x100), _ => name[at] };
                name[at] = name[at] is 0 or 0xC0 or (byte)'/' or (byte)'\\' or (byte)'.' or (byte)':' ? (byte)'x' : name[at];
            }

            string text = SandboxPath.Show(name);
            SandboxPath.Parse(text).Names.Should().ContainSingle().Which.Should().Equal(name, "of {0}", text);
        }
    }

    [TestCase("100%", "100%")]
    [TestCase("a%2541", "a%2541")]
    [TestCase("%ff%FE", "%FF%FE")]
    [TestCase("%C3%A9", "é")]
    public void Text_has_one_form(string text, string shown) => SandboxPath.Parse(text).ToString().Should().Be(shown);
}
