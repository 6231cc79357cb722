using KernelGateway.Contracts.Sandboxes;
using KernelGateway.Contracts.Snapshots;
using KernelGateway.Core.Sandboxes;

namespace KernelGateway.Core.Snapshots;

/// <summary>What is remembered of a snapshot beside its parts. Holds environment variables, which may be secrets: it is stored 0600.</summary>
public sealed record StoredSnapshot
{
    /// <summary>As its owner sees it.</summary>
    public required SnapshotInfo Info { get; init; }

    /// <summary>Whose it is.</summary>
    public required string Owner { get; init; }

    /// <summary>Made for a fork: nobody sees it, and it does not outlive the gateway.</summary>
    public bool IsTemporary { get; init; }

    /// <summary>What a sandbox is like that is made from it, where the request says nothing else.</summary>
    public required CreateSandboxRequest Recipe { get; init; }

    /// <summary>The contexts; the first is the default one.</summary>
    public required IReadOnlyList<StoredContext> Contexts { get; init; }

    /// <summary>The files that it consists of.</summary>
    public required IReadOnlyList<SnapshotPart> Parts { get; init; }
}

/// <summary>A context in a snapshot.</summary>
/// <param name="Record">What it was made with.</param>
/// <param name="Folder">The folder that its kernel was in at the moment; <c>null</c> when that is not known.</param>
/// <param name="HasVariables">Whether there are parts with its variables.</param>
public sealed record StoredContext(ContextRecord Record, string? Folder, bool HasVariables);

/// <summary>The names of the parts.</summary>
internal static class PartNames
{
    public const string Files = "files.tar";
    public const string Manifest = "manifest.json";

    /// <summary>The pickles of the context of that number.</summary>
    public static string Variables(int context) => string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{context}.variables");

    /// <summary>And what they refer to as it is in memory.</summary>
    public static string Buffers(int context) => string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{context}.buffers");
}
