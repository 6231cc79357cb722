using KernelGateway.Contracts;
using KernelGateway.Core.Errors;
using KernelGateway.Core.Faults;
using KernelGateway.Core.Journals;
using KernelGateway.Core.KernelLogs;
using KernelGateway.Core.Provisioning;
using KernelGateway.Core.Sandboxes;
using Microsoft.Extensions.Logging;

namespace KernelGateway.Core.Commands;

/// <summary>The commands of one sandbox: starts them, follows their logs into the journal, and says how they ended.</summary>
internal sealed partial class SandboxCommands(string sandboxId, CommandTable table, Journal journal, SandboxOptions options, TimeProvider time, ILogger logger) : IAsyncDisposable
{
    private static readonly TimeSpan LastLook = TimeSpan.FromSeconds(5);

    private readonly CancellationTokenSource _stop = new();
    private readonly Lock _gate = new();
    private readonly HashSet<Task> _following = [];
    private IKernelHost? _host;
    private int _running;

    /// <summary>Whether a command runs.</summary>
    public bool IsBusy => Volatile.Read(ref _running) > 0;

    /// <summary>The place to run in. After a restart of the gateway takes up what ran on there.</summary>
    /// <param name="host">The place.</param>
    /// <param name="recorded">How far the log of a command is in the journal; null for a new place.</param>
    public void Attach(IKernelHost host, Func<string, SourcePosition?>? recorded)
    {
        _host = host;
        if (host.PowerOf<ICommandHost>() is not { } power)
        {
            return;
        }

        power.OnCommandActivity(id => table.Find(id)?.Activity?.Wake());
        var found = power.CommandsFound.ToHashSet(StringComparer.Ordinal);
        foreach (var command in table.Open())
        {
            if (!found.Remove(command.Id))
            {
                Interlocked.Increment(ref _running);
                Finish(command, CommandEnd.Lost(ReasonCodes.Unknown, "The gateway was restarted before the sandbox confirmed it; it was not started again."));
                continue;
            }

            Interlocked.Increment(ref _running);
            var from = recorded?.Invoke(command.Id) is { } at ? new KernelLogPosition(at.Segment, at.Offset, at.Sequence) : KernelLogPosition.Start;
            Follow(command, host, power, from);
        }

        foreach (var stray in found)
        {
            _ = ForgetAsync(power, stray);
        }
    }

    /// <summary>Accepts a command; it is in the journal before anything else happens to it. Returns when it runs.</summary>
    public async Task<Command> StartAsync(CommandLaunch launch, Notes.CommandNote note)
    {
        Command command;
        lock (_gate)
        {
            if (note.IdempotencyKey is { } key && table.FindByKey(key) is { } known)
            {
                command = known.Note.Command == note.Command && (known.Note.Argv ?? []).SequenceEqual(note.Argv ?? [])
                    ? known
                    : throw new GatewayException(ErrorCode.Conflict, "'idempotencyKey' was used before for another command. Use a new key for each.", "idempotencyKey");
            }
            else
            {
                command = Accept(launch, note);
            }
        }

        await command.Started;
        return command;
    }

    /// <summary>The place has ended or is given up: what has not said how it ended never will.</summary>
    public async Task EndAsync(string code, string reason)
    {
        await Task.WhenAny(WhenFollowed(), Task.Delay(LastLook, time, CancellationToken.None));
        await _stop.CancelAsync();
        await WhenFollowed();
        foreach (var command in table.Open())
        {
            Finish(command, CommandEnd.Lost(code, reason));
        }
    }

    /// <summary>Lets go of all and leaves them running.</summary>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await WhenFollowed();
    }

    private Command Accept(CommandLaunch launch, Notes.CommandNote note)
    {
        var host = _host!;
        var power = host.PowerOf<ICommandHost>()!;
        if (_running >= options.MaxCommands)
        {
            throw new GatewayException(ErrorCode.LimitReached, $"{_running} commands run in this sandbox already, the most there may be. Wait for one to end, or kill one.");
        }

        var sequence = journal.Append(Entry(JournalEntryKind.CommandStarted, launch.CommandId, Notes.Frame(note)));
        Fault.At("command.intent_journaled");
        var command = table.Add(launch.CommandId, note, sequence, time.GetUtcNow());
        command.CountersBefore = host.PowerOf<IMeasurable>()?.ReadCounters();
        Interlocked.Increment(ref _running);
        command.Started = LaunchAsync(command, host, power, launch);
        return command;
    }

    private async Task LaunchAsync(Command command, IKernelHost host, ICommandHost power, CommandLaunch launch)
    {
        try
        {
            await power.StartCommandAsync(launch, CancellationToken.None);
        }
        catch (GatewayException e)
        {
            Finish(command, CommandEnd.Lost(ReasonCodes.Failed, e.Message));
            if (e.InnerException is TimeoutException)
            {
                _ = ForgetAsync(power, command.Id); // It may have been started all the same.
            }

            throw;
        }

        Fault.At("command.started");
        Follow(command, host, power, KernelLogPosition.Start);
    }

    private void Follow(Command command, IKernelHost host, ICommandHost power, KernelLogPosition from)
    {
        var reader = KernelLogReader.Open(power.CommandLog(command.Id), from, new KernelLogOptions());
        command.Activity = new WakeUp(time);
        command.Activity.Wake();
        var following = Task.Run(() => FollowAsync(command, host, power, reader), CancellationToken.None);
        lock (_gate)
        {
            _following.Add(following);
        }

        _ = following.ContinueWith(
            task =>
            {
                lock (_gate)
                {
                    _following.Remove(task);
                }
            },
            TaskScheduler.Default);
    }

    private Task WhenFollowed()
    {
        lock (_gate)
        {
            return Task.WhenAll(_following);
        }
    }

    private void Finish(Command command, Notes.CommandEndNote note)
    {
        var entry = Entry(JournalEntryKind.CommandFinished, command.Id, Notes.Frame(note));
        try
        {
            journal.Append(entry);
        }
        catch (Exception e) when (e is GatewayException or ObjectDisposedException)
        {
            LogNotRecorded(logger, sandboxId, command.Id, e.Message); // Nobody must wait for the disk; after a restart it counts as lost.
        }

        Settle(command, note, entry with { Sequence = journal.LastSequence });
    }

    private void Settle(Command command, Notes.CommandEndNote note, JournalEntry entry)
    {
        if (!command.HasEnded)
        {
            Interlocked.Decrement(ref _running);
            command.End(note, entry);
        }
    }

    private async Task ForgetAsync(ICommandHost power, string commandId)
    {
        try
        {
            await power.ForgetCommandAsync(commandId, CancellationToken.None);
        }
        catch (GatewayException e)
        {
            LogNotForgotten(logger, sandboxId, commandId, e.Message);
        }
    }

    private JournalEntry Entry(JournalEntryKind kind, string commandId, IReadOnlyList<ReadOnlyMemory<byte>> frames, SourcePosition? source = null) =>
        new() { Kind = kind, ExecutionId = commandId, Frames = frames, Source = source, Time = time.GetUtcNow() };

    [LoggerMessage(LogLevel.Warning, "Sandbox {SandboxId}: the end of command {CommandId} could not be recorded: {Reason}")]
    private static partial void LogNotRecorded(ILogger logger, string sandboxId, string commandId, string reason);

    [LoggerMessage(LogLevel.Warning, "Sandbox {SandboxId}: the log of command {CommandId} could not be removed: {Reason}")]
    private static partial void LogNotForgotten(ILogger logger, string sandboxId, string commandId, string reason);

    [LoggerMessage(LogLevel.Warning, "Sandbox {SandboxId}: the journal cannot be written, command {CommandId} waits: {Reason}")]
    private static partial void LogStorageFull(ILogger logger, string sandboxId, string commandId, string reason);

    [LoggerMessage(LogLevel.Error, "Sandbox {SandboxId}: reading command {CommandId} failed")]
    private static partial void LogReadingFailed(ILogger logger, Exception exception, string sandboxId, string commandId);
}
