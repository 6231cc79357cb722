using System.Runtime.InteropServices;

namespace KernelGateway.Server.Configuration;

/// <summary>
/// Gives memory back to the host once a burst is over: a gateway that has nothing to do has no reason of its own to collect, and the C
/// library keeps what the runtime, its compiler and SQLite have freed.
/// </summary>
internal sealed partial class MemoryReturn(TimeProvider time) : BackgroundService
{
    private const long Idle = 4 << 20;
    private const long WorthIt = 32 << 20;
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(5);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var seen = GC.GetTotalAllocatedBytes();
        var returned = seen;
        using var timer = new PeriodicTimer(Interval, time);
        while (await timer.WaitForNextTickAsync(stoppingToken))
        {
            var allocated = GC.GetTotalAllocatedBytes();
            if (allocated - seen < Idle && allocated - returned > WorthIt)
            {
                GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
                TrimNative();
                returned = allocated;
            }

            seen = allocated;
        }
    }

    private static void TrimNative()
    {
        try
        {
            _ = MallocTrim(0);
        }
        catch (EntryPointNotFoundException)
        {
            // Only glibc has it; others keep less.
        }
    }

    [LibraryImport("libc", EntryPoint = "malloc_trim")]
    private static partial int MallocTrim(nuint keep);
}
