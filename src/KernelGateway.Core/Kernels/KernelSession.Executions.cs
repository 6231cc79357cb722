using KernelGateway.Contracts;
using KernelGateway.Contracts.Executions;
using KernelGateway.Contracts.Sandboxes;
using KernelGateway.Core.Errors;
using KernelGateway.Core.Executions;
using KernelGateway.Core.Faults;
using KernelGateway.Core.Journals;
using KernelGateway.Jupyter;
using KernelGateway.Jupyter.Messaging;
using Newtonsoft.Json.Linq;

namespace KernelGateway.Core.Kernels;

/// <summary>The way of one execution: accepted, sent, ended.</summary>
internal sealed partial class KernelSession
{
    /// <summary>Accepts a run: it is in the journal before anything else happens to it.</summary>
    public Execution Submit(Notes.QueuedNote note)
    {
        lock (_gate)
        {
            if (_state == KernelState.Dead)
            {
                throw new GatewayException(ErrorCode.Conflict, $"The kernel of context '{Id}' is dead ({_reason}) Restart it to go on.");
            }

            if (note.Variables is { Count: > 0 } && !_kernel.KeepsLog)
            {
                throw new GatewayException(ErrorCode.NotSupported, $"The kernel '{_context.KernelName}' takes no 'env' for a single run. Create a context with 'env'.", "env");
            }

            if (_queue.Count >= _options.MaxQueuedExecutions)
            {
                throw new GatewayException(ErrorCode.LimitReached, $"{_queue.Count} executions wait already, the most there may be. Wait for some to end.");
            }

            var id = Guid.NewGuid().ToString("N");
            var sequence = _journal.Append(new JournalEntry
            {
                Kind = JournalEntryKind.ExecutionQueued,
                ContextId = Id,
                ExecutionId = id,
                Frames = Notes.Frame(note),
            });
            Fault.At("execution.intent_journaled");
            var execution = new Execution(
                new ExecutionInfo
                {
                    Id = id,
                    SandboxId = _sandboxId,
                    ContextId = Id,
                    State = ExecutionState.Queued,
                    CreatedAt = _time.GetUtcNow(),
                    FirstSequence = sequence,
                },
                note);
            _executions.Add(execution);
            _queue.Enqueue(execution);
            SendNext();
            return execution;
        }
    }

    /// <summary>Answers the <c>input()</c> that a run waits in.</summary>
    public async Task ReplyInputAsync(Execution execution, string value, CancellationToken cancellationToken)
    {
        KernelLink? link;
        ReadOnlyMemory<byte> question;
        lock (_gate)
        {
            if (execution != _current || !execution.Info.AwaitingInput || _link is null)
            {
                throw new GatewayException(ErrorCode.Conflict, "This execution does not wait for input. An inputRequest event says when it does.");
            }

            link = _link;
            question = execution.Question;
            execution.Update(i => i with { AwaitingInput = false });
        }

        var empty = "{}"u8.ToArray();
        await link.Client.ReplyInputAsync(JupyterMessage.Parse(question, empty, empty, empty), value, cancellationToken);
    }

    /// <summary>Sends the next waiting run when none is under way. Called under the gate.</summary>
    private void SendNext()
    {
        if (_hold is { } hold)
        {
            if (_current is null)
            {
                hold.TrySetResult();
            }

            return;
        }

        if (_current is not null || _link is null || _paused || _state != KernelState.Idle || !_queue.TryDequeue(out var next))
        {
            return;
        }

        _current = next;
        next.CountersBefore = _measurable?.ReadCounters();
        next.Update(i => i with { State = ExecutionState.Running });
        _ = SendAsync(_link, next);
        if (next.Request.TimeoutSeconds > 0)
        {
            _timer.Start(next, TimeSpan.FromSeconds(next.Request.TimeoutSeconds), _paused);
        }
    }

    private async Task SendAsync(KernelLink link, Execution execution)
    {
        try
        {
            var request = link.Client.CreateRequest(MessageTypes.ExecuteRequest, ExecuteContent(execution.Request), execution.Id, metadata: ExecuteMetadata(execution.Request));
            Fault.At("execution.before_send");
            await link.ExecuteAsync(request, CancellationToken.None);
            Fault.At("execution.after_send");
            if (_spoiled == link)
            {
                _ = EndWhenLostAsync(link, execution);
            }
        }
        catch (Exception e) when (e is GatewayException or KernelException or IOException or OperationCanceledException or ObjectDisposedException)
        {
            LogNotSent(_logger, _sandboxId, execution.Id, e.Message);
            lock (_gate)
            {
                if (_current == execution && !execution.HasEnded && execution.Info.StartedAt is null)
                {
                    _current = null;
                    Finish([(execution, new Notes.FinishedNote(null, $"It could not be sent to the kernel, or nobody knows whether it was: {e.Message}", null, ReasonCodes.Unknown))]);
                    SendNext();
                }
            }
        }
    }

    /// <summary>Where our launcher looks for the variables of one run: no code is added to the user's.</summary>
    private static JObject? ExecuteMetadata(Notes.QueuedNote note) =>
        note.Variables is { Count: > 0 } variables ? new JObject { ["kg_env"] = JObject.FromObject(variables) } : null;

    private static JObject ExecuteContent(Notes.QueuedNote note) => new()
    {
        ["code"] = note.Code,
        ["silent"] = note.Silent,
        ["store_history"] = !note.Silent,
        ["user_expressions"] = new JObject(),
        ["allow_stdin"] = note.AllowStdin,
        ["stop_on_error"] = false, // One run at a time is sent: there is nothing behind it to abort but the next run of somebody else.
    };

    /// <summary>Ends runs outside the flow of messages. Called under the gate.</summary>
    private void Finish(List<(Execution Execution, Notes.FinishedNote Note)> ended)
    {
        if (ended.Count == 0)
        {
            return;
        }

        ended = ended.ConvertAll(e => (e.Execution, Conclude(e.Execution, e.Note)));
        var drafts = ended.Select(e => FinishedEntry(e.Execution, e.Note)).ToList();
        long last;
        try
        {
            last = _journal.Append(drafts);
        }
        catch (GatewayException e) when (e.Code == ErrorCode.StorageFull)
        {
            // Their callers must not wait for the disk; after a restart they count as unknown.
            LogStorageFull(_logger, _sandboxId, e.Message);
            last = _journal.LastSequence;
        }

        for (var i = 0; i < drafts.Count; i++)
        {
            Settle(ended[i].Execution, ended[i].Note, drafts[i], last - drafts.Count + 1 + i);
        }
    }

    private void Settle(Execution execution, Notes.FinishedNote note, JournalEntry entry, long sequence)
    {
        execution.Update(i => note.Apply(i, entry with { Sequence = sequence }));
        execution.SignalFinished();
        if (_current is null)
        {
            _timer.Clear();
        }
    }

    private JournalEntry FinishedEntry(Execution execution, Notes.FinishedNote note) => new()
    {
        Kind = JournalEntryKind.ExecutionFinished,
        Time = _time.GetUtcNow(),
        ContextId = Id,
        ExecutionId = execution.Id,
        Frames = Notes.Frame(note),
    };

    private void RemoveFromQueue(Execution execution)
    {
        var rest = _queue.Where(e => e != execution).ToList();
        _queue.Clear();
        rest.ForEach(_queue.Enqueue);
    }
}
