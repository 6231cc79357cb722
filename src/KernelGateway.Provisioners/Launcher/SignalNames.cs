using System.Globalization;

namespace KernelGateway.Provisioners.Launcher;

/// <summary>Names of Linux signals for people.</summary>
internal static class SignalNames
{
    private static readonly string[] Names =
    [
        "SIGHUP", "SIGINT", "SIGQUIT", "SIGILL", "SIGTRAP", "SIGABRT", "SIGBUS", "SIGFPE", "SIGKILL", "SIGUSR1", "SIGSEGV",
        "SIGUSR2", "SIGPIPE", "SIGALRM", "SIGTERM", "SIGSTKFLT", "SIGCHLD", "SIGCONT", "SIGSTOP", "SIGTSTP", "SIGTTIN",
        "SIGTTOU", "SIGURG", "SIGXCPU", "SIGXFSZ", "SIGVTALRM", "SIGPROF", "SIGWINCH", "SIGIO", "SIGPWR", "SIGSYS",
    ];

    /// <summary>For example <c>11 (SIGSEGV)</c>.</summary>
    internal static string Describe(int signal) => signal >= 1 && signal <= Names.Length
        ? string.Create(CultureInfo.InvariantCulture, $"{signal} ({Names[signal - 1]})")
        : signal.ToString(CultureInfo.InvariantCulture);
}
