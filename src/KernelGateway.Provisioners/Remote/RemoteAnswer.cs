using System.Text.Json;
using KernelGateway.Core.Errors;

namespace KernelGateway.Provisioners.Remote;

/// <summary>Fields of what a utility kernel says. Code of the server's user may have taken it over: what is not as it must be is an error.</summary>
internal static class RemoteAnswer
{
    internal static JsonElement Field(this JsonElement json, string name) =>
        json.ValueKind == JsonValueKind.Object && json.TryGetProperty(name, out var value) ? value : throw Malformed();

    internal static JsonElement? Optional(this JsonElement json, string name) =>
        json.ValueKind == JsonValueKind.Object && json.TryGetProperty(name, out var value) && value.ValueKind != JsonValueKind.Null ? value : null;

    internal static long Number(this JsonElement json) =>
        json.ValueKind == JsonValueKind.Number && json.TryGetInt64(out var number) ? number : throw Malformed();

    /// <summary>A number from 0 on.</summary>
    internal static long Count(this JsonElement json) => json.Number() is >= 0 and var count ? count : throw Malformed();

    internal static ulong Unsigned(this JsonElement json) =>
        json.ValueKind == JsonValueKind.Number && json.TryGetUInt64(out var number) ? number : throw Malformed();

    internal static bool Flag(this JsonElement json) => json.ValueKind switch
    {
        JsonValueKind.True => true,
        JsonValueKind.False => false,
        _ => throw Malformed(),
    };

    internal static string Words(this JsonElement json) => json.ValueKind == JsonValueKind.String ? json.GetString()! : throw Malformed();

    /// <summary>Bytes, not more than were asked for.</summary>
    internal static byte[] Bytes(this JsonElement json, int most) =>
        json.ValueKind == JsonValueKind.String && json.TryGetBytesFromBase64(out var bytes) && bytes.Length <= most ? bytes : throw Malformed();

    internal static IReadOnlyList<JsonElement> List(this JsonElement json, int most) =>
        json.ValueKind == JsonValueKind.Array && json.GetArrayLength() <= most ? [.. json.EnumerateArray()] : throw Malformed();

    internal static GatewayException Malformed() =>
        new(ErrorCode.KernelFailed, "The kernel through which files and commands of this sandbox are reached answered with what is no answer. Code on the server may have taken it over; create a new sandbox if it stays so.");
}
