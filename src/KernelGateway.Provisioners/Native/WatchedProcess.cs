using System.ComponentModel;
using System.Globalization;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace KernelGateway.Provisioners.Native;

/// <summary>A process that is not our child, held by a pidfd so that its number cannot come to mean another process.</summary>
internal sealed class WatchedProcess : IDisposable
{
    private static readonly Lazy<string> BootId = new(() => File.ReadAllText("/proc/sys/kernel/random/boot_id").Trim());

    private readonly Pidfd _pidfd;
    private readonly long _watch;

    private WatchedProcess(int pid, string startedAt, Pidfd pidfd)
    {
        Pid = pid;
        StartedAt = startedAt;
        _pidfd = pidfd;
        (_watch, Exited) = DescriptorWatch.Start(pidfd.Number);
    }

    /// <summary>Its number on the host.</summary>
    internal int Pid { get; }

    /// <summary>Boot id and start time: with <see cref="Pid"/> the name of one process for ever.</summary>
    internal string StartedAt { get; }

    /// <summary>Completes when it has ended; never after <see cref="Dispose"/>.</summary>
    internal Task Exited { get; }

    /// <summary>Opens a live process; <c>null</c> when there is none of that number, or (given <paramref name="startedAt"/>) when it is not the one of that start.</summary>
    internal static WatchedProcess? Open(int pid, string? startedAt = null)
    {
        if (pid <= 0)
        {
            return null;
        }

        var number = LibC.PidfdOpen(pid);
        if (number < 0)
        {
            var error = Marshal.GetLastPInvokeError();
            return error == LibC.Esrch ? null : throw new Win32Exception(error);
        }

        var pidfd = new Pidfd(number);
        // Read after the open: if the number was reused in between, the start differs from the remembered one.
        var start = ReadStart(pid);
        if (start is null || (startedAt is not null && start != startedAt))
        {
            pidfd.Dispose();
            return null;
        }

        return new WatchedProcess(pid, start, pidfd);
    }

    /// <summary>Whether it is there still, so that its number means nobody else.</summary>
    internal bool IsAlive => !_pidfd.IsClosed && LibC.PidfdSendSignal(_pidfd.Number, 0) == 0;

    /// <summary>Sends a signal; nothing happens when the process has ended.</summary>
    internal void Signal(int signal)
    {
        if (!_pidfd.IsClosed)
        {
            _ = LibC.PidfdSendSignal(_pidfd.Number, signal);
        }
    }

    public void Dispose()
    {
        DescriptorWatch.Forget(_watch);
        _pidfd.Dispose();
    }

    /// <summary>Boot id and start time of a process in state other than dead or zombie; <c>null</c> when there is none.</summary>
    internal static string? ReadStart(int pid) =>
        ReadFields(pid) is { } fields && fields[0] is not ("Z" or "X") ? $"{BootId.Value}:{fields[19]}" : null;

    /// <summary>The state of a process as <c>/proc</c> has it: R, S, D, T …; <c>null</c> when there is none.</summary>
    internal static char? ReadState(int pid) => ReadFields(pid)?[0][0];

    private static string[]? ReadFields(int pid)
    {
        try
        {
            var stat = File.ReadAllText(string.Create(CultureInfo.InvariantCulture, $"/proc/{pid}/stat"));
            // The name in brackets may hold anything, brackets and blanks too: count from the last one. Field 22 is the start.
            return stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
        }
        catch (IOException)
        {
            return null;
        }
    }

    private sealed class Pidfd : SafeHandleMinusOneIsInvalid
    {
        internal Pidfd(int number)
            : base(ownsHandle: true) => SetHandle(number);

        internal int Number => (int)handle;

        protected override bool ReleaseHandle() => LibC.Close((int)handle) == 0;
    }
}
