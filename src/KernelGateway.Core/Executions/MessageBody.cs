using System.Text.Json;

namespace KernelGateway.Core.Executions;

/// <summary>The content of a kernel's message, read field by field; a field of another type than expected counts as absent.</summary>
internal readonly struct MessageBody
{
    private static readonly JsonElement Empty = JsonDocument.Parse("{}").RootElement;

    private MessageBody(JsonElement element) => Element = element;

    /// <summary>The whole content.</summary>
    public JsonElement Element { get; }

    /// <summary>Reads the bytes; false when they are no JSON object that .NET can show (NaN, lone surrogates …).</summary>
    public static bool TryRead(ReadOnlyMemory<byte> json, out MessageBody body)
    {
        body = new MessageBody(Empty);
        if (json.IsEmpty)
        {
            return true;
        }

        try
        {
            var reader = new Utf8JsonReader(json.Span);
            var element = JsonElement.ParseValue(ref reader);
            if (element.ValueKind != JsonValueKind.Object)
            {
                return element.ValueKind == JsonValueKind.Null;
            }

            body = new MessageBody(element);
            return true;
        }
        catch (JsonException)
        {
            return false;
        }
    }

    public string? Text(string name) => Text(Element, name);

    public string? TextIn(string container, string name) => Object(container) is { } found ? Text(found, name) : null;

    public bool Flag(string name) => Element.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.True;

    public int? Number(string name) =>
        Element.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out var number) ? number : null;

    public JsonElement? Object(string name) =>
        Element.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.Object ? value : null;

    public IReadOnlyList<string> Texts(string name) =>
        Element.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.Array
            ? [.. value.EnumerateArray().Where(v => v.ValueKind == JsonValueKind.String).Select(Shown)]
            : [];

    public IReadOnlyDictionary<string, JsonElement> Bundle(string name)
    {
        var bundle = new Dictionary<string, JsonElement>(StringComparer.Ordinal);
        if (Object(name) is { } found)
        {
            foreach (var property in found.EnumerateObject())
            {
                bundle[property.Name] = property.Value;
            }
        }

        return bundle;
    }

    private static string? Text(JsonElement element, string name) =>
        element.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? Shown(value) : null;

    /// <summary>The text; where it holds a lone surrogate or bytes that are no UTF-8, with those replaced.</summary>
    private static string Shown(JsonElement value)
    {
        try
        {
            return value.GetString() ?? "";
        }
        catch (InvalidOperationException)
        {
            return Newtonsoft.Json.Linq.JToken.Parse(value.GetRawText()).ToString();
        }
    }
}
