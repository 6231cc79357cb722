using System.Collections.Concurrent;

namespace KernelGateway.Provisioners.Process;

/// <summary>The sandboxes that this process makes or holds: a sweep leaves them alone.</summary>
internal sealed class HeldPlaces
{
    private readonly ConcurrentDictionary<string, bool> _held = new();

    /// <summary>False when it is held already.</summary>
    internal bool TryHold(string id) => _held.TryAdd(id, true);

    internal void Hold(string id) => _held[id] = true;

    internal void LetGo(string id) => _held.TryRemove(id, out _);

    internal bool IsHeld(string id) => _held.ContainsKey(id);

    /// <summary>Removes sandboxes that are neither known nor held.</summary>
    /// <param name="places">The folder with one sub-folder for each.</param>
    /// <param name="known">Whom to leave alone.</param>
    /// <param name="remove">Removes one.</param>
    /// <param name="failed">Is told of each that cannot be removed; the others still are.</param>
    /// <param name="cancellationToken">Stops before the next.</param>
    internal async Task<IReadOnlyList<string>> RemoveOrphansAsync(
        string places, IReadOnlySet<string> known, Func<string, Task> remove, Action<string, IOException> failed, CancellationToken cancellationToken)
    {
        var removed = new List<string>();
        if (!Directory.Exists(places))
        {
            return removed;
        }

        foreach (var id in Directory.EnumerateDirectories(places).Select(path => Path.GetFileName(path)).ToList())
        {
            if (known.Contains(id) || _held.ContainsKey(id))
            {
                continue;
            }

            cancellationToken.ThrowIfCancellationRequested();
            try
            {
                await remove(id);
                removed.Add(id);
            }
            catch (IOException error)
            {
                failed(id, error);
            }
        }

        return removed;
    }
}
