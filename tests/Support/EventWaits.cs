using KernelGateway.Client;
using KernelGateway.Contracts.Events;

namespace KernelGateway.Testing;

/// <summary>Waits for what a sandbox says.</summary>
internal static class EventWaits
{
    /// <summary>Reads from a number on until an event of that kind comes.</summary>
    public static async Task<T> FirstAsync<T>(this Sandbox sandbox, long after, CancellationToken cancellationToken, Func<T, bool>? wanted = null)
        where T : SandboxEvent =>
        await FirstOfAsync(sandbox.EventsAsync(after, cancellationToken), wanted);

    /// <summary>Reads what a run says until an event of that kind comes.</summary>
    public static async Task<T> FirstAsync<T>(this RunningCode run, CancellationToken cancellationToken = default)
        where T : SandboxEvent =>
        await FirstOfAsync<T>(run.Events(cancellationToken), null);

    private static async Task<T> FirstOfAsync<T>(IAsyncEnumerable<SandboxEvent> events, Func<T, bool>? wanted)
        where T : SandboxEvent
    {
        await foreach (var one in events)
        {
            if (one is T found && (wanted is null || wanted(found)))
            {
                return found;
            }
        }

        throw new AssertionException($"The events ended without the {typeof(T).Name} wanted.");
    }
}
