using System.Text.Json;
using System.Text.Json.Serialization;
using KernelGateway.Contracts.Executions;
using KernelGateway.Contracts.Sandboxes;
using KernelGateway.Contracts.Snapshots;

namespace KernelGateway.Core.Journals;

/// <summary>The JSON bodies of entries that are not kernel messages.</summary>
public static partial class Notes
{
    /// <summary>Body of <see cref="JournalEntryKind.ExecutionQueued"/>: all that is needed to run it.</summary>
    public sealed record QueuedNote(string Code, bool Silent, bool AllowStdin, double TimeoutSeconds, string? IdempotencyKey, IReadOnlyDictionary<string, string>? Variables = null);

    /// <summary>Body of <see cref="JournalEntryKind.ExecutionFinished"/>.</summary>
    public sealed record FinishedNote(
        ExecutionStatus? Status,
        string? Reason,
        int? ExecutionCount,
        string? ReasonCode = null,
        IReadOnlyList<Violation>? Violations = null,
        OutputCounters? Output = null,
        int? ExitCode = null)
    {
        /// <summary>The state of an execution after this entry; without a status nobody knows how it ended.</summary>
        internal ExecutionInfo Apply(ExecutionInfo info, JournalEntry entry) => info with
        {
            State = Status is null ? ExecutionState.Unknown : ExecutionState.Finished,
            Status = Status,
            Reason = Reason,
            ReasonCode = ReasonCode,
            Violations = Violations ?? [],
            Output = Output ?? info.Output,
            ExitCode = ExitCode,
            ExecutionCount = ExecutionCount ?? info.ExecutionCount,
            FinishedAt = entry.Time,
            LastSequence = entry.Sequence,
            AwaitingInput = false,
        };
    }

    /// <summary>Body of the two state entries.</summary>
    public sealed record StateNote(string State, string? Reason, string? ReasonCode = null);

    /// <summary>Body of <see cref="JournalEntryKind.Gap"/>.</summary>
    public sealed record GapNote(string Reason);

    /// <summary>Body of <see cref="JournalEntryKind.Omitted"/>.</summary>
    public sealed record OmittedNote(string Reason, string MessageType, long Messages, long Bytes, string? ReasonCode = null);

    /// <summary>Body of <see cref="JournalEntryKind.Truncated"/>.</summary>
    public sealed record TruncatedNote(long FirstMissing, string Reason);

    /// <summary>Body of <see cref="JournalEntryKind.EgressDenied"/>.</summary>
    public sealed record EgressDeniedNote(string Host, int Port, string Rule, string Hint, long NotRecorded);

    /// <summary>Body of <see cref="JournalEntryKind.Escalation"/>.</summary>
    /// <param name="Step">What was done.</param>
    /// <param name="ReasonCode">Why the run is to end.</param>
    /// <param name="Reason">The same in a sentence.</param>
    /// <param name="GoesOn">Whether the next step follows when the run does not end.</param>
    public sealed record EscalationNote(EscalationStep Step, string ReasonCode, string Reason, bool GoesOn);

    /// <summary>Body of <see cref="JournalEntryKind.SandboxChanged"/>: what changed, as it is now.</summary>
    public sealed record ChangeNote(
        string? Name,
        IReadOnlyDictionary<string, string>? Tags,
        double? TimeoutSeconds,
        double? IdleTimeoutSeconds,
        double? LifetimeSeconds,
        SandboxLimits? Limits);

    /// <summary>Body of <see cref="JournalEntryKind.CommandStarted"/>. Without its variables and input, which may hold secrets.</summary>
    public sealed record CommandNote(string? Command, IReadOnlyList<string>? Argv, string? Cwd, double TimeoutSeconds, bool Terminal, string? IdempotencyKey);

    /// <summary>Body of <see cref="JournalEntryKind.CommandFinished"/>.</summary>
    /// <param name="Lost">Its own end was not seen.</param>
    /// <param name="ExitCode">As a shell gives it; null when it is not known.</param>
    /// <param name="Seconds">How long it ran.</param>
    /// <param name="Reason">Why, in a sentence.</param>
    /// <param name="ReasonCode">The same in a word.</param>
    /// <param name="Violations">Limits it came up against.</param>
    public sealed record CommandEndNote(bool Lost, int? ExitCode, double? Seconds, string? Reason, string? ReasonCode, IReadOnlyList<Violation>? Violations);

    /// <summary>Body of <see cref="JournalEntryKind.SandboxSnapshotted"/>.</summary>
    public sealed record SnapshotNote(string Id, string? Name, long Size, int Files, int Variables, int NotKept);

    /// <summary>Body of <see cref="JournalEntryKind.SandboxRestored"/>.</summary>
    public sealed record RestoredNote(string SnapshotId, int Files, int Variables, IReadOnlyList<NotKept> NotRestored, IReadOnlyList<string>? Warnings = null);

    /// <summary>The one frame of such an entry.</summary>
    public static IReadOnlyList<ReadOnlyMemory<byte>> Frame<T>(T note) =>
        [JsonSerializer.SerializeToUtf8Bytes(note, typeof(T), NoteJson.Default)];

    /// <summary>Reads the body of an entry.</summary>
    public static T Read<T>(JournalEntry entry) =>
        (T)(JsonSerializer.Deserialize(entry.Frames[0].Span, typeof(T), NoteJson.Default)
            ?? throw new InvalidDataException($"Journal entry {entry.Sequence} has no body."));

    [JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
    [JsonSerializable(typeof(QueuedNote))]
    [JsonSerializable(typeof(FinishedNote))]
    [JsonSerializable(typeof(StateNote))]
    [JsonSerializable(typeof(GapNote))]
    [JsonSerializable(typeof(OmittedNote))]
    [JsonSerializable(typeof(TruncatedNote))]
    [JsonSerializable(typeof(EgressDeniedNote))]
    [JsonSerializable(typeof(EscalationNote))]
    [JsonSerializable(typeof(ChangeNote))]
    [JsonSerializable(typeof(SnapshotNote))]
    [JsonSerializable(typeof(RestoredNote))]
    [JsonSerializable(typeof(CommandNote))]
    [JsonSerializable(typeof(CommandEndNote))]
    private sealed partial class NoteJson : JsonSerializerContext;
}
