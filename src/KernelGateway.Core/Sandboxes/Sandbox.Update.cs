using KernelGateway.Contracts.Sandboxes;
using KernelGateway.Core.Errors;
using KernelGateway.Core.Journals;
using KernelGateway.Core.Provisioning;

namespace KernelGateway.Core.Sandboxes;

/// <summary>What its owner may change while it lives, and what it uses.</summary>
public sealed partial class Sandbox
{
    /// <summary>Changes what the request names, all of it or nothing.</summary>
    /// <param name="request">What shall change.</param>
    /// <param name="limitable">The variants whose limits can be changed, for a refusal.</param>
    /// <param name="cancellationToken">Stops waiting for its turn.</param>
    internal async Task UpdateAsync(UpdateSandboxRequest request, IReadOnlyCollection<string> limitable, CancellationToken cancellationToken)
    {
        await _life.WaitAsync(cancellationToken);
        try
        {
            var before = DemandLive("changed");
            _clock.Use();
            var update = SandboxUpdate.Of(request, before, _clock.Lived, _options);
            if (update.Note is null)
            {
                return;
            }

            if (update.Note.Limits is null)
            {
                Remember(update.Record);
            }
            else
            {
                await ChangeLimitsAsync(before, update.Record, limitable);
            }

            Journal.Append(new JournalEntry { Kind = JournalEntryKind.SandboxChanged, Frames = Notes.Frame(update.Note) });
        }
        finally
        {
            _life.Release();
        }
    }

    /// <summary>What it uses now and has used.</summary>
    internal SandboxUsage ReadUsage(IReadOnlyCollection<string> measurable)
    {
        var record = DemandLive("measured");
        var usage = PowerOf<IMeasurable>(record, "say what a sandbox uses", measurable).ReadUsage();
        return new SandboxUsage
        {
            MeasuredAt = _time.GetUtcNow(),
            CpuSeconds = usage.CpuSeconds,
            MemoryBytes = usage.MemoryBytes,
            MemoryPeakBytes = usage.MemoryPeakBytes,
            Pids = usage.Pids,
            OomKills = usage.Counters.OomKills,
            PidsRefused = usage.Counters.PidsRefused,
        };
    }

    /// <summary>The host first, for it alone may refuse; taken back when the record cannot be kept.</summary>
    private async Task ChangeLimitsAsync(SandboxRecord before, SandboxRecord after, IReadOnlyCollection<string> limitable)
    {
        var host = PowerOf<ILimitable>(before, "change limits", limitable);
        await host.SetLimitsAsync(after.Limits);
        try
        {
            Remember(after);
        }
        catch (GatewayException)
        {
            await host.SetLimitsAsync(before.Limits);
            throw;
        }
    }

    /// <summary>In the store first: what cannot be kept is not changed.</summary>
    private void Remember(SandboxRecord record)
    {
        _store.Save(record);
        lock (_gate)
        {
            _record = record;
        }
    }

    private TPower PowerOf<TPower>(SandboxRecord record, string what, IReadOnlyCollection<string> variants)
        where TPower : class
    {
        IKernelHost? host;
        lock (_gate)
        {
            host = _host;
        }

        return host?.PowerOf<TPower>() ?? throw new GatewayException(
            ErrorCode.NotSupported,
            $"The variant '{record.Variant}' cannot {what}. {(variants.Count > 0 ? $"These can: {string.Join(", ", variants)}." : "None of this gateway can.")}");
    }
}
