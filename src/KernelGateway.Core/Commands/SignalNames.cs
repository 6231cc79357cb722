using System.Globalization;
using KernelGateway.Core.Errors;

namespace KernelGateway.Core.Commands;

/// <summary>Names of Linux signals for people.</summary>
public static class SignalNames
{
    private static readonly string[] Names =
    [
        "SIGHUP", "SIGINT", "SIGQUIT", "SIGILL", "SIGTRAP", "SIGABRT", "SIGBUS", "SIGFPE", "SIGKILL", "SIGUSR1", "SIGSEGV",
        "SIGUSR2", "SIGPIPE", "SIGALRM", "SIGTERM", "SIGSTKFLT", "SIGCHLD", "SIGCONT", "SIGSTOP", "SIGTSTP", "SIGTTIN",
        "SIGTTOU", "SIGURG", "SIGXCPU", "SIGXFSZ", "SIGVTALRM", "SIGPROF", "SIGWINCH", "SIGIO", "SIGPWR", "SIGSYS",
    ];

    /// <summary>For example <c>11 (SIGSEGV)</c>.</summary>
    public static string Describe(int signal) => signal >= 1 && signal <= Names.Length
        ? string.Create(CultureInfo.InvariantCulture, $"{signal} ({Names[signal - 1]})")
        : signal.ToString(CultureInfo.InvariantCulture);

    /// <summary>Reads a name with or without SIG, in any case, or a number from 1 to 31.</summary>
    /// <exception cref="GatewayException"><see cref="ErrorCode.InvalidArgument"/>.</exception>
    public static int Parse(string? signal)
    {
        var name = signal?.Trim().ToUpperInvariant() ?? "";
        var index = Array.IndexOf(Names, name.StartsWith("SIG", StringComparison.Ordinal) ? name : $"SIG{name}");
        return index >= 0 ? index + 1
            : int.TryParse(name, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number >= 1 && number <= Names.Length ? number
            : throw new GatewayException(ErrorCode.InvalidArgument, "'signal' must be the name of a signal, such as SIGTERM or INT, or its number from 1 to 31.", "signal");
    }
}
