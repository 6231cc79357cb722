using System.Runtime.CompilerServices;
using KernelGateway.Client.Connections;
using KernelGateway.Client.Http;
using KernelGateway.Contracts.Errors;
using KernelGateway.Contracts.Events;
using KernelGateway.Contracts.Sandboxes;
using Microsoft.AspNetCore.SignalR;

namespace KernelGateway.Client.Events;

/// <summary>Follows one sandbox's events over any number of connections.</summary>
internal sealed class EventReader(KernelGatewayClient client, string sandboxId)
{
    // A stream that lived this long was fine, even when the sandbox said nothing.
    private static readonly TimeSpan Settled = TimeSpan.FromSeconds(10);

    /// <summary>Reads until the sandbox's last event.</summary>
    /// <param name="after">The number of the last event already known.</param>
    /// <param name="cancellationToken">Ends the reading.</param>
    public async IAsyncEnumerable<SandboxEvent> ReadAsync(
        long after,
        [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        var order = new EventOrder(after);
        var outage = new Outage(client);
        while (true)
        {
            await using var feed = await OpenAsync(order.Last, outage, cancellationToken);
            var opened = client.Time.GetTimestamp();

            while (await feed.WaitToReadAsync(cancellationToken))
            {
                while (feed.TryRead(out var next))
                {
                    outage.End();
                    if (!order.Accept(next!))
                    {
                        continue;
                    }

                    yield return next!;
                    if (IsLast(next!))
                    {
                        yield break;
                    }
                }
            }

            if (feed.End == FeedEnd.Paused)
            {
                continue;
            }

            if (client.Time.GetElapsedTime(opened) >= Settled)
            {
                outage.End();
            }

            // A gateway that stops ends its streams too, so an end alone does not say that the sandbox has ended.
            if (feed.End == FeedEnd.Completed && await HasEndedAsync(order.Last, cancellationToken))
            {
                yield break;
            }

            await outage.PauseAsync(Judge(feed.Failure), cancellationToken);
        }
    }

    private async Task<EventFeed> OpenAsync(long after, Outage outage, CancellationToken cancellationToken)
    {
        while (true)
        {
            try
            {
                return new EventFeed(await client.Hub.OpenAsync(cancellationToken), sandboxId, after);
            }
            catch (Exception e) when (e is not (KernelGatewayException or ObjectDisposedException) && !cancellationToken.IsCancellationRequested)
            {
                await outage.PauseAsync(e, cancellationToken);
            }
        }
    }

    /// <summary>Throws what another attempt would not change; gives back what it might.</summary>
    private static Exception Judge(Exception? failure)
    {
        if (failure is HubException error && HubErrors.Read(error) is { } answer)
        {
            return answer.Code == ErrorCodes.ShuttingDown ? answer : throw answer;
        }

        return failure switch
        {
            null => new IOException("The gateway ended the stream before the sandbox had ended."),
            OperationCanceledException => new IOException("The connection to the gateway was cut.", failure),
            _ => failure,
        };
    }

    private async Task<bool> HasEndedAsync(long last, CancellationToken cancellationToken)
    {
        var info = await client.Http.GetSandboxAsync(sandboxId, cancellationToken);
        return IsFinal(info.State) && info.LastSequence <= last;
    }

    private static bool IsLast(SandboxEvent e) => e is SandboxStateEvent { State: var state } && IsFinal(state);

    private static bool IsFinal(SandboxState state) => state is SandboxState.Terminated or SandboxState.Failed or SandboxState.Lost;
}
