using System.Text.Json;
using System.Text.Json.Nodes;
using KernelGateway.Core.Environments;
using KernelGateway.Core.Errors;
using KernelGateway.Core.Provisioning;

namespace KernelGateway.Provisioners.JupyterServer;

/// <summary><see cref="HostDescription.Data"/> of the variants whose kernels live in a Jupyter Server.</summary>
/// <param name="Environment">The recipe for more kernels.</param>
/// <param name="Variables">The sandbox's variables.</param>
/// <param name="Access">The server.</param>
/// <param name="Kernels">The kernels of the place.</param>
/// <param name="Adopts">The kernel that is to be the first, when it is not yet.</param>
/// <param name="Place">The variant's own part.</param>
internal sealed record ServerHostState(
    EnvironmentDefinition Environment,
    IReadOnlyDictionary<string, string> Variables,
    ServerAccess Access,
    IReadOnlyList<ServerKernelRecord> Kernels,
    string? Adopts,
    JsonObject Place)
{
    /// <summary>The folder of its files; <c>null</c> while it is not known.</summary>
    public string? Folder { get; init; }

    internal static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web) { RespectRequiredConstructorParameters = true };

    /// <exception cref="GatewayException"><see cref="ErrorCode.InvalidArgument"/>: it is not one of this variant.</exception>
    internal static ServerHostState Read(HostDescription description, string variant)
    {
        try
        {
            return description.Variant == variant && description.Data.Deserialize<ServerHostState>(Json) is { Access.Url: not null } state
                ? state
                : throw Unreadable($"it is of the variant '{description.Variant}'");
        }
        catch (Exception error) when (error is JsonException or NotSupportedException or InvalidOperationException)
        {
            throw Unreadable(error.Message);
        }
    }

    internal int? PlaceNumber(string name) => Place[name] is JsonValue value && value.TryGetValue<int>(out var number) ? number : null;

    internal string PlaceText(string name) => PlaceTextOrNull(name) ?? throw Unreadable($"'{name}' is missing");

    internal string? PlaceTextOrNull(string name) => Place[name] is JsonValue value && value.TryGetValue<string>(out var text) ? text : null;

    private static GatewayException Unreadable(string why) => new(ErrorCode.InvalidArgument, $"The description of the place cannot be read: {why}.");
}

/// <summary>What must be remembered of a kernel.</summary>
/// <param name="Id">Its id in the sandbox.</param>
/// <param name="ServerId">Its id in the server.</param>
/// <param name="Session">What it calls its own session; another process has another one. <c>null</c>: not known.</param>
/// <param name="IsAdopted">Whether it was there before and outlives the sandbox.</param>
/// <param name="Exit">How it ended, when it has.</param>
internal sealed record ServerKernelRecord(string Id, string ServerId, string? Session, bool IsAdopted, KernelExit? Exit = null);
