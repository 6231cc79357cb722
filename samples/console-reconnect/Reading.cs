using System.Diagnostics;
using System.Text;
using KernelGateway.Client;
using KernelGateway.Contracts.Events;
using KernelGateway.Contracts.Executions;

namespace ConsoleReconnect;

/// <summary>Shows the lines of one run and remembers after each event how far it got.</summary>
internal sealed class Reading(Screen screen, Place start, string placeFile)
{
    private readonly StringBuilder _unfinished = new(start.Unfinished);

    public LineProof Proof { get; } = new(start.Lines, start.NextLine);

    public Place Place { get; private set; } = start;

    /// <summary>Events up to this number were recorded while nobody read.</summary>
    public long CatchUpTo { get; init; }

    public Stopwatch Clock { get; init; } = Stopwatch.StartNew();

    public int CaughtUp { get; private set; }

    public TimeSpan CatchUpTime { get; private set; }

    public int Shown { get; private set; } = start.NextLine - 1;

    /// <summary>Reads until the run's end, or until so many lines were shown.</summary>
    public async Task FollowAsync(Sandbox sandbox, int stopAtLine, CancellationToken cancellationToken)
    {
        if (Place.Status is not null)
        {
            return;
        }

        await foreach (var next in sandbox.EventsAsync(Place.LastSequence, cancellationToken))
        {
            See(next);
            Keep();
            if (next.Sequence == CatchUpTo)
            {
                CatchUpTime = Clock.Elapsed;
                screen.Step($"Caught up with {Words.Lines(CaughtUp)} that were printed while away");
            }

            if (Place.Status is not null || Shown >= stopAtLine)
            {
                return;
            }
        }
    }

    /// <summary>Writes down what is on the screen, before anything else can happen.</summary>
    public void Keep() => Place.Save(placeFile);

    private void See(SandboxEvent next)
    {
        if (next is OutputEvent output && next.ExecutionId == Place.ExecutionId)
        {
            Print(output);
        }
        else if (next is ErrorEvent error)
        {
            screen.Problem($"{error.Name}: {error.Value}");
        }

        Place = Place with
        {
            LastSequence = next.Sequence,
            NextLine = Proof.Next,
            Unfinished = _unfinished.ToString(),
            Status = next is ExecutionFinishedEvent finished && next.ExecutionId == Place.ExecutionId ? finished.Status : null,
            LeftAt = TimeProvider.System.GetUtcNow(),
        };
    }

    private void Print(OutputEvent output)
    {
        _unfinished.Append(output.Text);
        var lines = _unfinished.ToString().Split('\n');
        _unfinished.Clear().Append(lines[^1]);
        foreach (var line in lines.AsSpan(0, lines.Length - 1))
        {
            Proof.See(line);
            Shown++;
            var caughtUp = output.Sequence <= CatchUpTo;
            CaughtUp += caughtUp ? 1 : 0;
            screen.Line(line, caughtUp);
        }
    }
}
