using KernelGateway.Core.Errors;

namespace KernelGateway.Core.Snapshots;

/// <summary>Checks what owners call their snapshots.</summary>
internal static class SnapshotNames
{
    private const int MaxName = 64;
    private const int MaxDescription = 1000;

    /// <exception cref="GatewayException"><see cref="ErrorCode.InvalidArgument"/>.</exception>
    public static string? Check(string? name) => name is null or { Length: > 0 and <= MaxName } && !(name ?? "").Any(char.IsControl) && name?.Trim().Length == name?.Length
        ? name
        : throw new GatewayException(ErrorCode.InvalidArgument, $"'name' must be 1 to {MaxName} characters, without control characters and without spaces at its ends.", "name");

    /// <exception cref="GatewayException"><see cref="ErrorCode.InvalidArgument"/>.</exception>
    public static string? CheckDescription(string? description) => description is null or { Length: <= MaxDescription } && !(description ?? "").Any(c => char.IsControl(c) && c is not ('\n' or '\t'))
        ? description
        : throw new GatewayException(ErrorCode.InvalidArgument, $"'description' may have at most {MaxDescription} characters, and no control characters but line feeds and tabs.", "description");
}
