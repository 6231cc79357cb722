using KernelGateway.Contracts.Sandboxes;
using KernelGateway.Core.Errors;
using KernelGateway.Core.Journals;
using KernelGateway.Core.Provisioning;
using Microsoft.Extensions.Logging;

namespace KernelGateway.Core.Sandboxes;

/// <summary>Changing what is remembered of it: under the gate, then in the store.</summary>
public sealed partial class Sandbox
{
    /// <summary>A state change is in the store before it is in the journal: who reads the event may rely on the record.</summary>
    private void Enter(SandboxState state, string? reason)
    {
        Change(r => r with { State = state, StateReason = reason });
        Journal.Append(StateEntry(state, reason));
    }

    private static JournalEntry StateEntry(SandboxState state, string? reason, string? code = null) => new()
    {
        Kind = JournalEntryKind.SandboxState,
        Frames = Notes.Frame(new Notes.StateNote(state.ToString(), reason, code)),
    };

    /// <summary>A change that must not fail because the disk is full: an end. A gateway that starts later finds out by itself.</summary>
    private void ChangeAnyway(Func<SandboxRecord, SandboxRecord> change)
    {
        try
        {
            Change(change);
        }
        catch (GatewayException e)
        {
            LogNotRecorded(_logger, Id, e.Message);
        }
    }

    private void Change(Func<SandboxRecord, SandboxRecord> change, IKernelHost? host = null)
    {
        SandboxRecord changed;
        lock (_gate)
        {
            changed = _record = change(_record);
            _host = host ?? _host;
        }

        _store.Save(changed);
    }

    private string NextKernelId()
    {
        Change(r => r with { KernelsStarted = r.KernelsStarted + 1 });
        return string.Create(System.Globalization.CultureInfo.InvariantCulture, $"k{_record.KernelsStarted}");
    }

    [LoggerMessage(LogLevel.Error, "The end of sandbox {SandboxId} could not be recorded: {Reason}")]
    private static partial void LogNotRecorded(ILogger logger, string sandboxId, string reason);
}
