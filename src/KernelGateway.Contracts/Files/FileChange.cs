using System.Text.Json.Serialization;

namespace KernelGateway.Contracts.Files;

/// <summary>What happened to a file or folder.</summary>
[JsonConverter(typeof(CamelCaseEnumConverter<FileChangeType>))]
public enum FileChangeType
{
    /// <summary>The watch has begun: every change from now on is told.</summary>
    Ready,

    /// <summary>It has appeared: made, or moved here from elsewhere.</summary>
    Create,

    /// <summary>Its content or its permissions have changed.</summary>
    Modify,

    /// <summary>It has gone: removed, or moved to elsewhere.</summary>
    Delete,

    /// <summary>It has another path within what is watched.</summary>
    Rename,

    /// <summary>Changes were missed, for there were too many at once or too many folders: list again.</summary>
    Overflow,
}

/// <summary>One change below a watched folder.</summary>
/// <param name="Type">What happened.</param>
/// <param name="Path">To what; for <see cref="FileChangeType.Ready"/> and <see cref="FileChangeType.Overflow"/> the watched folder.</param>
/// <param name="At">When it was noticed.</param>
/// <param name="NewPath">The path after a rename.</param>
/// <param name="IsDirectory">Whether it is a folder.</param>
public sealed record FileChange(FileChangeType Type, string Path, DateTimeOffset At, string? NewPath = null, bool IsDirectory = false);
