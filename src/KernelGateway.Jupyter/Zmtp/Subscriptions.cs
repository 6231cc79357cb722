using System.Diagnostics.CodeAnalysis;

namespace KernelGateway.Jupyter.Zmtp;

/// <summary>What a SUB socket has subscribed to; every connection gets each of them once.</summary>
/// <param name="slot">Where the connection of the moment is.</param>
[SuppressMessage("Design", "CA1001:Types that own disposable fields should be disposable", Justification = "The semaphore has no wait handle; disposing it would race with those who wait for their turn.")]
internal sealed class Subscriptions(ConnectionSlot slot)
{
    // Held while subscriptions are sent, so that a new connection gets each of them once.
    private readonly SemaphoreSlim _sending = new(1, 1);
    private readonly List<byte[]> _prefixes = [];

    /// <summary>Adds one, and sends it when there is a connection; the next connection sends it when that breaks.</summary>
    /// <exception cref="ZmtpException">The socket has ended, or the connection has broken.</exception>
    public async Task AddAsync(ReadOnlyMemory<byte> prefix, CancellationToken cancellationToken)
    {
        await _sending.WaitAsync(cancellationToken);
        try
        {
            if (slot.Reason is { } reason)
            {
                throw reason.Again();
            }

            var copy = prefix.ToArray();
            _prefixes.Add(copy);
            if (slot.Current is { } connection)
            {
                await connection.SubscribeAsync(copy);
            }
        }
        finally
        {
            _sending.Release();
        }
    }

    /// <summary>Sends all of them to a new connection, which is the one of the moment from then on.</summary>
    public async Task HandToAsync(ZmtpConnection connection, CancellationToken cancellationToken)
    {
        await _sending.WaitAsync(cancellationToken);
        try
        {
            foreach (var prefix in _prefixes)
            {
                await connection.SubscribeAsync(prefix);
            }
        }
        catch (ZmtpException)
        {
            // The connection is broken by this, which the reading of it reports.
        }
        finally
        {
            slot.Fill(connection);
            _sending.Release();
        }
    }
}
