using System.Text.Json;
using System.Text.Json.Nodes;
using KernelGateway.Core.Environments;
using KernelGateway.Core.Errors;
using KernelGateway.Core.Provisioning;

namespace KernelGateway.Provisioners.Launcher;

/// <summary><see cref="HostDescription.Data"/> of the variants with an agent.</summary>
/// <param name="Environment">The recipe for more kernels.</param>
/// <param name="Variables">The sandbox's variables.</param>
/// <param name="Kernels">The kernels of the place.</param>
/// <param name="OomKills">The out-of-memory kills that have been accounted for.</param>
/// <param name="Place">The variant's own part.</param>
internal sealed record LauncherState(
    EnvironmentDefinition Environment,
    IReadOnlyDictionary<string, string> Variables,
    IReadOnlyList<KernelRecord> Kernels,
    long OomKills,
    JsonObject Place)
{
    internal static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web)
    {
        RespectRequiredConstructorParameters = true,
    };

    /// <exception cref="GatewayException"><see cref="ErrorCode.InvalidArgument"/>: it is not one of this variant.</exception>
    internal static LauncherState Read(HostDescription description, string variant)
    {
        try
        {
            return description.Variant == variant && description.Data.Deserialize<LauncherState>(Json) is { } state
                ? state
                : throw Unreadable($"it is of the variant '{description.Variant}'");
        }
        catch (Exception error) when (error is JsonException or NotSupportedException or InvalidOperationException)
        {
            throw Unreadable(error.Message);
        }
    }

    internal int PlaceNumber(string name) =>
        Place[name] is JsonValue value && value.TryGetValue<int>(out var number) ? number : throw Unreadable($"'{name}' is missing");

    internal string PlaceText(string name) =>
        Place[name] is JsonValue value && value.TryGetValue<string>(out var text) ? text : throw Unreadable($"'{name}' is missing");

    private static GatewayException Unreadable(string why) => new(ErrorCode.InvalidArgument, $"The description of the place cannot be read: {why}.");
}
