using System.Text.Json;
using System.Text.Json.Serialization;

namespace KernelGateway.Client;

/// <summary>The JSON of the gateway's own API.</summary>
internal static class ClientJson
{
    public static JsonSerializerOptions Options { get; } = Create();

    private static JsonSerializerOptions Create()
    {
        var options = new JsonSerializerOptions();
        Apply(options);
        options.MakeReadOnly(populateMissingResolver: true);
        return options;
    }

    /// <summary>Gives options that somebody else owns the same settings.</summary>
    public static void Apply(JsonSerializerOptions options)
    {
        options.PropertyNamingPolicy = JsonNamingPolicy.CamelCase;
        options.PropertyNameCaseInsensitive = true;
        options.NumberHandling = JsonNumberHandling.AllowReadingFromString;
        options.DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull;
        // A proxy or a store in between may have reordered the properties.
        options.AllowOutOfOrderMetadataProperties = true;
    }
}
