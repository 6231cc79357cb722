using System.Globalization;

namespace KernelGateway.Core.Faults;

/// <summary>What an armed place does.</summary>
internal enum FaultAction
{
    /// <summary>The process kills itself.</summary>
    Crash,

    /// <summary>An I/O error is thrown.</summary>
    ThrowIo,

    /// <summary>The thread waits for a moment.</summary>
    Delay,
}

/// <summary>One armed place.</summary>
internal sealed class ArmedFault(string name, FaultAction action, int nth, bool onward)
{
    private int _hits;

    public string Name => name;

    public FaultAction Action => action;

    /// <summary>Reads <c>name:action[:nth]</c>; <c>nth</c> counts from 1, and with a plus sign behind it means that time and all after it.</summary>
    public static ArmedFault Parse(string text)
    {
        var parts = text.Split(':');
        FaultAction? action = parts.Length is 2 or 3
            ? parts[1] switch { "crash" => FaultAction.Crash, "throw-io" => FaultAction.ThrowIo, "delay" => FaultAction.Delay, _ => null }
            : null;
        var count = parts.Length == 3 ? parts[2] : "1";
        return action is { } known && int.TryParse(count.TrimEnd('+'), NumberStyles.None, CultureInfo.InvariantCulture, out var nth) && nth > 0
            ? new ArmedFault(parts[0], known, nth, count.EndsWith('+'))
            : throw new InvalidDataException($"{Fault.Variable} holds '{text}', which is not name:crash, name:throw-io or name:delay with :nth or :nth+ behind it.");
    }

    /// <summary>Counts one more time that the place was passed.</summary>
    public bool IsDue()
    {
        var hit = Interlocked.Increment(ref _hits);
        return onward ? hit >= nth : hit == nth;
    }
}
