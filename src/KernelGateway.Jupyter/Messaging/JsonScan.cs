using System.Text.Json;
using Newtonsoft.Json.Linq;

namespace KernelGateway.Jupyter.Messaging;

/// <summary>
/// Looks through JSON without building it; this runs for every message. What the strict and fast reader refuses gets a
/// second chance with <see cref="LenientJson"/>, which is slow, and rare with real kernels.
/// </summary>
internal static class JsonScan
{
    // Newtonsoft refuses integers of more than 380 digits. Refusing them here keeps the promise that what was let in
    // can be read later.
    private const int MaxNumberBytes = 300;

    private static readonly JsonReaderOptions Options = new() { MaxDepth = JupyterMessage.MaxDepth };

    /// <summary>Whether the bytes are one JSON object (or null, or nothing) of bounded depth.</summary>
    public static bool IsObject(ReadOnlyMemory<byte> json)
    {
        if (json.IsEmpty || json.Span.SequenceEqual("{}"u8))
        {
            return true;
        }

        try
        {
            var reader = new Utf8JsonReader(json.Span, Options);
            if (!reader.Read() || reader.TokenType is not (JsonTokenType.StartObject or JsonTokenType.Null))
            {
                return false;
            }

            while (reader.Read())
            {
                if (reader.TokenType == JsonTokenType.Number && reader.ValueSpan.Length > MaxNumberBytes)
                {
                    return false;
                }
            }

            return true;
        }
        catch (JsonException)
        {
            return LenientJson.IsObject(json);
        }
    }

    /// <summary>The two fields of a header that routing needs. False when the bytes are not a JSON object.</summary>
    public static bool TryReadHeader(ReadOnlyMemory<byte> json, out string? msgId, out string? msgType)
    {
        msgId = msgType = null;
        if (json.IsEmpty || json.Span.SequenceEqual("{}"u8))
        {
            return true;
        }

        try
        {
            return ReadStrict(json.Span, out msgId, out msgType);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            // InvalidOperationException: a text with invalid UTF-8 or a lone surrogate.
            return ReadLenient(json, out msgId, out msgType);
        }
    }

    private static bool ReadStrict(ReadOnlySpan<byte> json, out string? msgId, out string? msgType)
    {
        msgId = msgType = null;
        var reader = new Utf8JsonReader(json, Options);
        if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject)
        {
            return reader.TokenType == JsonTokenType.Null;
        }

        while (reader.Read())
        {
            if (reader.CurrentDepth != 1 || reader.TokenType != JsonTokenType.PropertyName)
            {
                if (reader.TokenType == JsonTokenType.Number && reader.ValueSpan.Length > MaxNumberBytes)
                {
                    return false;
                }

                continue;
            }

            var isId = reader.ValueTextEquals("msg_id"u8);
            var isType = !isId && reader.ValueTextEquals("msg_type"u8);
            if (!isId && !isType)
            {
                continue;
            }

            reader.Read();
            if (isId)
            {
                msgId = reader.TokenType == JsonTokenType.String ? reader.GetString() : null;
            }
            else
            {
                msgType = reader.TokenType == JsonTokenType.String ? Type(ref reader) : null;
            }
        }

        return true;
    }

    private static string? Type(ref Utf8JsonReader reader)
    {
        Span<char> text = stackalloc char[32];
        if (reader.ValueSpan.Length <= text.Length)
        {
            var length = reader.CopyString(text);
            return MessageTypes.FindKnown(text[..length]) ?? text[..length].ToString();
        }

        return reader.GetString();
    }

    private static bool ReadLenient(ReadOnlyMemory<byte> json, out string? msgId, out string? msgType)
    {
        msgId = msgType = null;
        try
        {
            var found = LenientJson.ReadObject(json);
            msgId = (found["msg_id"] as JValue)?.Value as string;
            msgType = (found["msg_type"] as JValue)?.Value as string;
            return true;
        }
        catch (Newtonsoft.Json.JsonException)
        {
            return false;
        }
    }
}
