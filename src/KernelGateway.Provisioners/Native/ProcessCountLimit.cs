namespace KernelGateway.Provisioners.Native;

/// <summary>Raises RLIMIT_NPROC of processes that run already; their children inherit it.</summary>
internal static class ProcessCountLimit
{
    private const int ResourceProcesses = 6;
    private const int Rounds = 10;

    /// <summary>Raises it where it is less. Looks again for processes that were made meanwhile by one that had the old limit yet.</summary>
    /// <param name="processes">Gives the processes that there are, by their numbers on this host.</param>
    /// <param name="most">The new limit, soft and hard.</param>
    internal static void Raise(Func<IReadOnlyList<int>> processes, ulong most)
    {
        var raised = new HashSet<int>();
        for (var round = 0; round < Rounds && processes().Where(raised.Add).ToList() is { Count: > 0 } found; round++)
        {
            found.ForEach(pid => Raise(pid, most));
        }
    }

    private static unsafe void Raise(int pid, ulong most)
    {
        var now = stackalloc ulong[2];
        var wanted = stackalloc ulong[] { most, most };
        if (LibC.ProcessLimit(pid, ResourceProcesses, null, now) == 0 && now[1] < most)
        {
            // Failing, it has ended.
            _ = LibC.ProcessLimit(pid, ResourceProcesses, wanted, null);
        }
    }
}
