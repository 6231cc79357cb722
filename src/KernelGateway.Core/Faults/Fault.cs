using System.Runtime.InteropServices;

namespace KernelGateway.Core.Faults;

/// <summary>
/// Named places in the product at which a test can make the process die, fail or wait. They are in every build, so that what is
/// tested is what is shipped; as long as nothing is armed, each costs one look at a field.
/// </summary>
public static partial class Fault
{
    /// <summary>The environment variable that names the faults, <c>name:action[:nth]</c> separated by commas; heeded only when the configuration allows faults.</summary>
    public const string Variable = "KERNEL_GATEWAY_FAULTS";

    private const int SigKill = 9;
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(200);
    private static ArmedFault[]? s_armed;

    /// <summary>A place that has a name. Does nothing unless that name is armed.</summary>
    /// <exception cref="IOException">The armed action is <c>throw-io</c>.</exception>
    public static void At(string name)
    {
        if (s_armed is not null)
        {
            Hit(s_armed, name);
        }
    }

    /// <summary>Arms what <paramref name="plan"/> names, and nothing else; null disarms all.</summary>
    /// <exception cref="InvalidDataException">The plan cannot be read.</exception>
    public static void Arm(string? plan) =>
        s_armed = string.IsNullOrWhiteSpace(plan) ? null : [.. plan.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries).Select(ArmedFault.Parse)];

    private static void Hit(ArmedFault[] armed, string name)
    {
        foreach (var fault in armed)
        {
            if (fault.Name == name && fault.IsDue())
            {
                Act(fault);
            }
        }
    }

    private static void Act(ArmedFault fault)
    {
        switch (fault.Action)
        {
            case FaultAction.Crash:
                _ = SendSignal(Environment.ProcessId, SigKill); // As from outside: nothing is flushed or tidied up.
                break;
            case FaultAction.ThrowIo:
                throw new IOException($"The fault '{fault.Name}' is armed.");
            default:
                using (var never = new ManualResetEventSlim())
                {
                    never.Wait(Pause);
                }

                break;
        }
    }

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int SendSignal(int pid, int signal);
}
