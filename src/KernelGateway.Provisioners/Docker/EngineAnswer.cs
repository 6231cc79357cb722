using System.Globalization;
using System.Text.Json;

namespace KernelGateway.Provisioners.Docker;

/// <summary>Reads parts of what an engine answered. What is not there, or is of another kind, is <c>null</c>.</summary>
internal static class EngineAnswer
{
    internal static string? Text(JsonElement json, params string[] path) =>
        At(json, path) is { ValueKind: JsonValueKind.String } value ? value.GetString() : null;

    internal static long? Number(JsonElement json, params string[] path) =>
        At(json, path) is { ValueKind: JsonValueKind.Number } value && value.TryGetInt64(out var number) ? number : null;

    internal static bool Is(JsonElement json, params string[] path) => At(json, path) is { ValueKind: JsonValueKind.True };

    /// <summary>The texts of a list; none when there is no list.</summary>
    internal static IEnumerable<string> Texts(JsonElement json, params string[] path) =>
        Items(json, path).Where(item => item.ValueKind == JsonValueKind.String).Select(item => item.GetString()!);

    internal static IEnumerable<JsonElement> Items(JsonElement json, params string[] path) =>
        At(json, path) is { ValueKind: JsonValueKind.Array } list ? list.EnumerateArray() : [];

    /// <summary>The names in an object; none when there is no object.</summary>
    internal static IEnumerable<string> Names(JsonElement json, params string[] path) =>
        At(json, path) is { ValueKind: JsonValueKind.Object } named ? named.EnumerateObject().Select(one => one.Name) : [];

    /// <summary>A version of the API such as <c>1.41</c>, which cannot be compared as text.</summary>
    internal static Version? ApiVersion(JsonElement json, string name) =>
        Text(json, name) is { Length: <= 16 } text && Version.TryParse(text, out var version) ? version : null;

    /// <summary>The id of a container: 64 hexadecimal digits, so that it can stand in a path and in a comparison.</summary>
    internal static bool IsContainerId(string? id) => id is { Length: 64 } && id.All(char.IsAsciiHexDigitLower);

    /// <summary>The digits of an image's id; <c>null</c> when it is none.</summary>
    internal static string? ImageDigits(string? id)
    {
        const string Algorithm = "sha256:";
        return id is not null && id.StartsWith(Algorithm, StringComparison.Ordinal) && IsContainerId(id[Algorithm.Length..]) ? id[Algorithm.Length..] : null;
    }

    internal static string Text(long value) => value.ToString(CultureInfo.InvariantCulture);

    private static JsonElement? At(JsonElement json, string[] path)
    {
        foreach (var name in path)
        {
            if (json.ValueKind != JsonValueKind.Object || !json.TryGetProperty(name, out json))
            {
                return null;
            }
        }

        return json;
    }
}
