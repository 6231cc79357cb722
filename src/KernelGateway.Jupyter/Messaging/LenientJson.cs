using System.Buffers;
using System.Runtime.InteropServices;
using System.Text;
using Newtonsoft.Json;
using Newtonsoft.Json.Linq;

namespace KernelGateway.Jupyter.Messaging;

/// <summary>
/// Reads the JSON that kernels really send: NaN and Infinity as numbers, invalid UTF-8 and lone surrogates replaced by
/// U+FFFD, dates left as text. Depth is capped, because the sender is hostile.
/// </summary>
internal static class LenientJson
{
    private const int SmallBytes = 32 * 1024;

    private static readonly UTF8Encoding Utf8 = new(encoderShouldEmitUTF8Identifier: false);

    /// <summary>The object in these bytes; nothing, and JSON <c>null</c>, are the empty object.</summary>
    /// <exception cref="JsonException">Not one JSON object.</exception>
    public static JObject ReadObject(ReadOnlyMemory<byte> json)
    {
        if (json.IsEmpty)
        {
            return [];
        }

        using var reader = Open(json);
        var token = reader.Read() ? JToken.Load(reader) : throw new JsonReaderException("No JSON value.");
        RequireEnd(reader);
        return token switch
        {
            JObject found => found,
            JValue { Type: JTokenType.Null } => [],
            _ => throw new JsonReaderException("Not a JSON object."),
        };
    }

    /// <summary>Whether <see cref="ReadObject"/> would succeed; builds nothing.</summary>
    public static bool IsObject(ReadOnlyMemory<byte> json)
    {
        try
        {
            using var reader = Open(json);
            if (!reader.Read() || reader.TokenType is not (JsonToken.StartObject or JsonToken.Null))
            {
                return false;
            }

            // Skip stops at the end of the text without a word when the object is not closed.
            reader.Skip();
            var isClosed = reader.TokenType is JsonToken.EndObject or JsonToken.Null;
            RequireEnd(reader);
            return isClosed;
        }
        catch (JsonException)
        {
            return false;
        }
    }

    /// <summary>The UTF-8 form that goes on the wire.</summary>
    public static byte[] Write(JToken json)
    {
        using var text = new StringWriter();
        using (var writer = new JsonTextWriter(text) { FloatFormatHandling = FloatFormatHandling.Symbol })
        {
            json.WriteTo(writer);
        }

        return Utf8.GetBytes(text.ToString());
    }

    private static Reader Open(ReadOnlyMemory<byte> json) => new Reader(OpenText(json))
    {
        MaxDepth = JupyterMessage.MaxDepth,
        DateParseHandling = DateParseHandling.None,
        FloatParseHandling = FloatParseHandling.Double,
        ArrayPool = CharPool.Shared,
    };

    private static TextReader OpenText(ReadOnlyMemory<byte> json)
    {
        // A large message is decoded piece by piece: its whole text would be a second copy, twice as large.
        if (json.Length > SmallBytes && MemoryMarshal.TryGetArray(json, out var array))
        {
            var bytes = new MemoryStream(array.Array!, array.Offset, array.Count, writable: false);
            return new StreamReader(bytes, Utf8, detectEncodingFromByteOrderMarks: false, bufferSize: 16 * 1024);
        }

        return new StringReader(Utf8.GetString(json.Span));
    }

    private static void RequireEnd(Reader reader)
    {
        if (reader.Read())
        {
            throw new JsonReaderException("More than one JSON value.");
        }
    }

    private sealed class Reader(TextReader text) : JsonTextReader(text)
    {
        public override bool Read()
        {
            if (!base.Read())
            {
                return false;
            }

            // What Newtonsoft takes beyond JSON and no kernel sends.
            if (TokenType is JsonToken.Comment or JsonToken.StartConstructor or JsonToken.Undefined)
            {
                throw new JsonReaderException($"{TokenType} is not JSON.");
            }

            if (TokenType is JsonToken.String or JsonToken.PropertyName && Value is string value && HasLoneSurrogate(value))
            {
                SetToken(TokenType, Utf8.GetString(Utf8.GetBytes(value)), updateIndex: false);
            }

            return true;
        }

        private static bool HasLoneSurrogate(string value)
        {
            var rest = value.AsSpan();
            for (var at = rest.IndexOfAnyInRange('\uD800', '\uDFFF'); at >= 0; at = rest.IndexOfAnyInRange('\uD800', '\uDFFF'))
            {
                if (Rune.DecodeFromUtf16(rest[at..], out _, out var length) != OperationStatus.Done)
                {
                    return true;
                }

                rest = rest[(at + length)..];
            }

            return false;
        }
    }

    private sealed class CharPool : IArrayPool<char>
    {
        public static readonly CharPool Shared = new();

        public char[] Rent(int minimumLength) => ArrayPool<char>.Shared.Rent(minimumLength);

        public void Return(char[]? array)
        {
            if (array is not null)
            {
                ArrayPool<char>.Shared.Return(array);
            }
        }
    }
}
