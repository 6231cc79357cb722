using KernelGateway.Core.Journals;

namespace KernelGateway.Core.Tests.Journals;

/// <summary>Where the life of a sandbox is told.</summary>
public sealed class LifeMarksTests
{
    [Test]
    public void States_changes_and_ends_of_runs_are_found_by_number_and_the_rest_is_not()
    {
        var marks = new LifeMarks();
        string?[] states = ["Starting", "Running", null, "Paused", "Running", "Terminating", "Lost", "FromTheFuture"];
        for (var i = 0; i < states.Length; i++)
        {
            marks.Take(Entry(i + 1, states[i]));
        }

        var found = new List<(long, string)>();
        for (var at = marks.NextAfter(0); at is { } mark; at = marks.NextAfter(mark.Sequence))
        {
            found.Add((mark.Sequence, mark.Type));
        }

        found.Should().Equal((1, "sandbox.created"), (2, "sandbox.running"), (4, "sandbox.paused"), (5, "sandbox.resumed"), (7, "sandbox.ended"));
    }

    [TestCase(JournalEntryKind.SandboxSnapshotted, "sandbox.snapshotted")]
    [TestCase(JournalEntryKind.SandboxRestored, null)]
    public void A_snapshot_is_told_and_what_came_from_one_is_not(JournalEntryKind kind, string? type)
    {
        var marks = new LifeMarks();
        marks.Take(new JournalEntry { Sequence = 1, Kind = kind, Frames = [] }).Should().Be(type is not null);
        marks.NextAfter(0)?.Type.Should().Be(type);
    }

    [Test]
    public void Only_so_many_are_remembered_the_newest_of_them()
    {
        var marks = new LifeMarks();
        for (var i = 1; i <= LifeMarks.Most + 1; i++)
        {
            marks.Take(Entry(i, "Running"));
        }

        marks.NextAfter(0)!.Value.Sequence.Should().Be((LifeMarks.Most / 10) + 1);
        marks.NextAfter(LifeMarks.Most)!.Value.Sequence.Should().Be(LifeMarks.Most + 1);
        marks.NextAfter(LifeMarks.Most + 1).Should().BeNull();
    }

    private static JournalEntry Entry(long sequence, string? state) => new()
    {
        Sequence = sequence,
        Kind = state is null ? JournalEntryKind.KernelState : JournalEntryKind.SandboxState,
        Frames = Notes.Frame(new Notes.StateNote(state ?? "Idle", null)),
    };
}
