using System.Globalization;
using System.Text;
using KernelGateway.Core.Errors;

namespace KernelGateway.Core.Files;

/// <summary>A checked path of a sandbox. Names are bytes, as the kernel of the system has them; text is only how they are written.</summary>
/// <remarks>
/// In text a name that is not UTF-8 has its bytes as <c>%80</c> to <c>%FF</c>, and <c>%25</c> is the percent sign, needed only where two
/// hexadecimal digits follow. Every name can be written so, and nothing else is decoded: <c>%2e%2e</c> is refused, not resolved.
/// </remarks>
public sealed class SandboxPath
{
    private const int MaxName = 255;
    private const int MaxPath = 4095;
    private static readonly UTF8Encoding Strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    // C0 AE, C0 AF and C0 80: no name is written so, but by somebody who hopes that it is decoded.
    private static readonly byte[][] OverlongForms = [[0xC0, 0xAE], [0xC0, 0xAF], [0xC0, 0x80]];

    private SandboxPath(bool isAbsolute, IReadOnlyList<byte[]> names)
    {
        IsAbsolute = isAbsolute;
        Names = names;
    }

    /// <summary>Whether it starts at the root; else at the working folder.</summary>
    public bool IsAbsolute { get; }

    /// <summary>The names from top to bottom; none for the root or the working folder itself.</summary>
    public IReadOnlyList<byte[]> Names { get; }

    /// <summary>Checks a path that somebody sent.</summary>
    /// <param name="text">The path.</param>
    /// <param name="field">What the request calls it, for the error.</param>
    /// <exception cref="GatewayException"><see cref="ErrorCode.InvalidPath"/>, with what is wrong.</exception>
    public static SandboxPath Parse(string? text, string field = "path")
    {
        if (string.IsNullOrEmpty(text))
        {
            throw Invalid(field, "must be given: an absolute path such as /workspace/a.txt, or one relative to the working folder");
        }

        if (text is [>= 'A' and <= 'Z' or >= 'a' and <= 'z', ':', '\\' or '/', ..])
        {
            throw Invalid(field, "must not start with a drive letter; paths look like /workspace/a.txt");
        }

        bool absolute = text[0] == '/';
        string rest = absolute ? text[1..] : text is "." ? string.Empty : text.StartsWith("./", StringComparison.Ordinal) ? text[2..] : text;
        rest = rest.EndsWith('/') ? rest[..^1] : rest;
        List<byte[]> names = rest.Length == 0 ? [] : [.. rest.Split('/').Select(name => Decode(name, field))];
        if (text.Length > 1 && names.Count == 0 && text is not "./")
        {
            throw Invalid(field, "has an empty name in it ('//')");
        }

        return names.Sum(name => name.Length + 1) <= MaxPath
            ? new SandboxPath(absolute, names)
            : throw Invalid(field, $"has more than {MaxPath} bytes; the system takes no more");
    }

    /// <summary>A name as text, such that <see cref="Parse"/> gives the same bytes again.</summary>
    public static string Show(ReadOnlySpan<byte> name)
    {
        var text = new StringBuilder(name.Length);
        Span<char> buffer = stackalloc char[2];
        for (int at = 0; at < name.Length;)
        {
            bool valid = Rune.DecodeFromUtf8(name[at..], out Rune rune, out int length) == System.Buffers.OperationStatus.Done;
            if (!valid || rune == Rune.ReplacementChar)
            {
                foreach (byte one in name.Slice(at, length))
                {
                    text.Append(CultureInfo.InvariantCulture, $"%{one:X2}");
                }
            }
            else if (rune.Value == '%' && at + 2 < name.Length && char.IsAsciiHexDigit((char)name[at + 1]) && char.IsAsciiHexDigit((char)name[at + 2]))
            {
                text.Append("%25");
            }
            else
            {
                text.Append(buffer[..rune.EncodeToUtf16(buffer)]);
            }

            at += length;
        }

        return text.ToString();
    }

    /// <summary>The bytes of a link's target, of which <see cref="Show"/> wrote the text; it may have any slashes and dots.</summary>
    /// <exception cref="GatewayException">No link can have it.</exception>
    public static byte[] TargetOf(string target) => target.Length is 0 or > 4095 || target.Contains('\0', StringComparison.Ordinal)
        ? throw new GatewayException(ErrorCode.InvalidArgument, "'target' must be a path of 1 to 4095 characters without NUL.", "target")
        : Bytes(target, "target");

    /// <summary>The text of the path; relative ones without a leading dot.</summary>
    public override string ToString() => (IsAbsolute ? "/" : string.Empty) + string.Join('/', Names.Select(name => Show(name)));

    private static byte[] Decode(string name, string field)
    {
        switch (name)
        {
            case "":
                throw Invalid(field, "has an empty name in it ('//')");
            case ".":
                throw Invalid(field, "has '.' as a name in it; leave it out");
        }

        // A backslash is an ordinary character of a name, but somebody who writes ..\ means to go upwards.
        if (name.Split('\\').Contains(".."))
        {
            throw Invalid(field, "has '..' in it; paths only lead downwards");
        }

        byte[] bytes = Bytes(name, field);
        if (OverlongForms.Any(form => bytes.AsSpan().IndexOf(form) >= 0))
        {
            throw Invalid(field, "has an overlong form of '.', '/' or NUL in it");
        }

        if (bytes.Length > MaxName)
        {
            throw Invalid(field, $"has a name of {bytes.Length} bytes in it; the system takes {MaxName}");
        }

        return bytes;
    }

    private static byte[] Bytes(string name, string field)
    {
        if (name.Contains('\0', StringComparison.Ordinal))
        {
            throw Invalid(field, "has a NUL character in it");
        }

        if (name.Contains('\uFFFD', StringComparison.Ordinal))
        {
            throw Invalid(field, "has U+FFFD in it, the sign of bytes that are not UTF-8; write such bytes as %80 to %FF");
        }

        var bytes = new List<byte>(name.Length);
        int at = 0;
        for (int i = 0; i + 2 < name.Length; i++)
        {
            if (name[i] != '%' || !char.IsAsciiHexDigit(name[i + 1]) || !char.IsAsciiHexDigit(name[i + 2]))
            {
                continue;
            }

            byte value = byte.Parse(name.AsSpan(i + 1, 2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);
            if (value is < 0x80 and not (byte)'%')
            {
                throw Invalid(field, $"has '{name.AsSpan(i, 3)}' in it; a percent sign before two hexadecimal digits stands for a byte and may only be %25 or %80 to %FF");
            }

            bytes.AddRange(Utf8(name[at..i], field));
            bytes.Add(value);
            i += 2;
            at = i + 1;
        }

        bytes.AddRange(Utf8(name[at..], field));
        return [.. bytes];
    }

    private static byte[] Utf8(string text, string field)
    {
        try
        {
            return Strict.GetBytes(text);
        }
        catch (EncoderFallbackException)
        {
            throw Invalid(field, "has half a surrogate pair in it; write bytes that are not UTF-8 as %80 to %FF");
        }
    }

    private static GatewayException Invalid(string field, string why) => new(ErrorCode.InvalidPath, $"'{field}' {why}.", field);
}
