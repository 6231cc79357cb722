using System.Collections.Concurrent;
using KernelGateway.Core.Errors;

namespace KernelGateway.Provisioners;

/// <summary>The sandboxes that this process makes or holds: a sweep leaves them alone, whether or not their owner has heard of them yet.</summary>
internal sealed class HeldPlaces
{
    private readonly ConcurrentDictionary<string, bool> _held = new();

    /// <summary>False when it is held already.</summary>
    internal bool TryHold(string id) => _held.TryAdd(id, true);

    internal void Hold(string id) => _held[id] = true;

    internal void LetGo(string id) => _held.TryRemove(id, out _);

    internal bool IsHeld(string id) => _held.ContainsKey(id);

    internal bool IsEmpty => _held.IsEmpty;

    /// <summary>Takes back what a start that failed has made, and lets go of the sandbox.</summary>
    /// <param name="id">Whose start it was.</param>
    /// <param name="remove">Removes what was made; <c>null</c>: nothing was.</param>
    /// <param name="cause">Why it failed.</param>
    /// <exception cref="GatewayException">Something is left, which the next sweep will find; both reasons are told.</exception>
    internal async Task TakeBackAsync(string id, Func<Task>? remove, Exception cause)
    {
        try
        {
            if (remove is not null)
            {
                await remove();
            }
        }
        catch (IOException error)
        {
            throw new GatewayException(ErrorCode.KernelFailed, $"{cause.Message} Besides, not all of it could be removed: {error.Message}", inner: cause);
        }
        finally
        {
            LetGo(id);
        }
    }

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
