namespace KernelGateway.Core.Egress;

/// <summary>One denial, to be told to the sandbox's readers.</summary>
/// <param name="Host">As it was asked for, fit to show.</param>
/// <param name="Port">The port; 0 when it was none.</param>
/// <param name="Rule">Which rule it was.</param>
/// <param name="Hint">The way out.</param>
/// <param name="NotRecorded">How many before it were only counted.</param>
internal sealed record EgressDenial(string Host, int Port, string Rule, string Hint, long NotRecorded);

/// <summary>Lets so many denials a minute through to the journal and counts the others: code that tries in a loop must not fill it.</summary>
internal sealed class DenialLog(int perMinute, Action<EgressDenial> record, TimeProvider time)
{
    private static readonly TimeSpan Window = TimeSpan.FromMinutes(1);

    private readonly Lock _gate = new();
    private long _windowAt;
    private int _inWindow;
    private long _waiting;
    private long _denied;
    private long _withoutEvent;

    internal (long Denied, long WithoutEvent) Counts
    {
        get
        {
            lock (_gate)
            {
                return (_denied, _withoutEvent);
            }
        }
    }

    internal void Add(string host, int port, string rule, string hint)
    {
        long before;
        lock (_gate)
        {
            _denied++;
            if (_inWindow == 0 || time.GetElapsedTime(_windowAt) >= Window)
            {
                (_windowAt, _inWindow) = (time.GetTimestamp(), 0);
            }

            if (_inWindow >= perMinute)
            {
                _waiting++;
                _withoutEvent++;
                return;
            }

            _inWindow++;
            (before, _waiting) = (_waiting, 0);
        }

        record(new EgressDenial(host, port, rule, hint, before));
    }
}
