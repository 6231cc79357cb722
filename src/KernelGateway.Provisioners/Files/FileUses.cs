using KernelGateway.Core.Errors;

namespace KernelGateway.Provisioners.Files;

/// <summary>Counts the calls and open files of a place, so that its end waits until none holds its file systems any more.</summary>
internal sealed class FileUses : IDisposable
{
    private readonly Lock _gate = new();
    private readonly CancellationTokenSource _ended = new();
    private readonly TaskCompletionSource _free = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _count;
    private bool _closed;

    /// <summary>Is cancelled when the place ends.</summary>
    internal CancellationToken Ended => _ended.Token;

    /// <exception cref="GatewayException"><see cref="ErrorCode.Conflict"/>: the place has ended.</exception>
    internal Use Begin()
    {
        lock (_gate)
        {
            if (_closed)
            {
                throw FileRoot.Ended();
            }

            _count++;
            return new Use(this);
        }
    }

    /// <summary>Lets nothing more begin, ends what goes on, and waits for its end.</summary>
    internal async Task CloseAsync()
    {
        bool first;
        lock (_gate)
        {
            first = !_closed;
            _closed = true;
            if (_count == 0)
            {
                _free.TrySetResult();
            }
        }

        if (first)
        {
            await _ended.CancelAsync();
        }

        await _free.Task;
    }

    public void Dispose() => _ended.Dispose();

    internal sealed class Use(FileUses uses) : IDisposable
    {
        private int _over;

        public void Dispose()
        {
            if (Interlocked.Exchange(ref _over, 1) != 0)
            {
                return;
            }

            lock (uses._gate)
            {
                if (--uses._count == 0 && uses._closed)
                {
                    uses._free.TrySetResult();
                }
            }
        }
    }
}
