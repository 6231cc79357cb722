using KernelGateway.Core.Errors;
using KernelGateway.Core.Journals;
using Microsoft.Extensions.Logging;

namespace KernelGateway.Core.Sandboxes;

/// <summary>What is done to all sandboxes now and then: ends those whose time is over, forgets those that ended long ago, shortens and flushes journals.</summary>
internal sealed partial class SandboxUpkeep(SandboxTable sandboxes, SandboxOptions options, JournalOptions journalOptions, TimeProvider time, ILogger logger)
{
    /// <summary>Goes on until it is stopped.</summary>
    public Task RunAsync(CancellationToken stoppingToken)
    {
        var flushEvery = TimeSpan.FromMilliseconds(journalOptions.FlushIntervalMilliseconds);
        return Task.WhenAll(
            ForAllAsync(options.ReapInterval, Reap, stoppingToken),
            flushEvery > TimeSpan.Zero ? ForAllAsync(flushEvery, sandbox => sandbox.Journal.Flush(), stoppingToken) : Task.CompletedTask);
    }

    /// <summary>Does something to every sandbox now and then. What goes wrong with one is told and must not keep the others from their turn.</summary>
    private async Task ForAllAsync(TimeSpan interval, Action<Sandbox> act, CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(interval, time);
        while (await timer.WaitForNextTickAsync(stoppingToken))
        {
            foreach (var sandbox in sandboxes.All)
            {
                try
                {
                    act(sandbox);
                }
                catch (Exception e) when (e is GatewayException or IOException or UnauthorizedAccessException or ObjectDisposedException)
                {
                    LogUpkeepFailed(logger, sandbox.Id, e.Message);
                }
            }
        }
    }

    private void Reap(Sandbox sandbox)
    {
        if (journalOptions.MaxAgeHours > 0)
        {
            sandbox.Journal.RemoveOlderThan(time.GetUtcNow().AddHours(-journalOptions.MaxAgeHours));
        }

        if (sandbox.EndDue() is { } due)
        {
            _ = sandbox.TerminateAsync(due.Code, due.Reason, options.TerminateGrace);
        }
        else if (sandbox.EndedFor is { } endedFor && endedFor >= options.KeepEnded)
        {
            sandboxes.Forget(sandbox);
        }
    }

    [LoggerMessage(LogLevel.Warning, "Upkeep of sandbox {SandboxId} failed and is tried again: {Reason}")]
    private static partial void LogUpkeepFailed(ILogger logger, string sandboxId, string reason);
}
