using Newtonsoft.Json.Linq;

namespace KernelGateway.Jupyter;

/// <summary>Fields of JSON that others wrote: what has the wrong type counts as absent.</summary>
internal static class JsonFields
{
    public static string Text(this JObject json, string name, string fallback = "") =>
        json[name] is JValue { Value: string text } ? text : fallback;

    public static int? Integer(this JObject json, string name) => Integer(json[name]);

    public static int? Integer(JToken? token) => token switch
    {
        JValue { Value: long number and >= int.MinValue and <= int.MaxValue } => (int)number,
        JValue { Value: double number and >= int.MinValue and <= int.MaxValue } when number == Math.Floor(number) => (int)number,
        _ => null,
    };

    public static bool? Flag(this JObject json, string name) => json[name] is JValue { Value: bool flag } ? flag : null;

    public static JObject Object(this JObject json, string name) => json[name] as JObject ?? [];

    /// <summary>The texts of an array; other elements are left out.</summary>
    public static IReadOnlyList<string> Texts(this JObject json, string name) =>
        json[name] is JArray array ? [.. array.OfType<JValue>().Select(v => v.Value).OfType<string>()] : [];

    /// <summary>The texts of an object; other members are left out.</summary>
    public static IReadOnlyDictionary<string, string> TextMap(this JObject json, string name)
    {
        var map = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var (key, value) in json.Object(name))
        {
            if (value is JValue { Value: string text })
            {
                map[key] = text;
            }
        }

        return map;
    }
}
