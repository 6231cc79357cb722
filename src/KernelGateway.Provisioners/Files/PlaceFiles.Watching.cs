using System.Runtime.CompilerServices;
using KernelGateway.Contracts.Files;
using KernelGateway.Core.Files;

namespace KernelGateway.Provisioners.Files;

/// <summary>Watching.</summary>
internal sealed partial class PlaceFiles
{
    /// <summary>Watches of one place at once: the system has few for all (fs.inotify.max_user_instances).</summary>
    internal const int MaxWatches = 4;

    private int _watches;

    public async IAsyncEnumerable<FileChange> WatchAsync(SandboxPath path, bool recursive, int maxFolders, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using var use = _uses.Begin();

        // A reader that takes its time must not hold up the end of the place.
        await using var end = _uses.Ended.Register(use.Dispose);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _uses.Ended);
        try
        {
            if (Interlocked.Increment(ref _watches) > MaxWatches)
            {
                throw FileRefusals.TooManyWatches(MaxWatches);
            }

            using var watch = new FolderWatch(_tree, Root.Locate(path, "path"), recursive, maxFolders, _time);
            var changes = new List<FileChange>();
            watch.Begin(changes);
            while (true)
            {
                foreach (var change in changes)
                {
                    yield return change;
                }

                changes.Clear();
                if (watch.IsOver || !await watch.WaitAsync(either.Token))
                {
                    cancellationToken.ThrowIfCancellationRequested();
                    yield break;
                }

                watch.Read(changes);
            }
        }
        finally
        {
            Interlocked.Decrement(ref _watches);
        }
    }
}
