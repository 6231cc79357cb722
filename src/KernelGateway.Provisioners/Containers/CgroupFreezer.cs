using KernelGateway.Core.Errors;
using KernelGateway.Provisioners.Launcher;

namespace KernelGateway.Provisioners.Containers;

/// <summary>The freezer of a sandbox's control group: a controller of its own in version 1, a file of every group in version 2.</summary>
internal sealed class CgroupFreezer(CgroupLayout layout, CgroupLimits cgroup, TimeProvider time) : IFreezer
{
    private static readonly TimeSpan Step = TimeSpan.FromMilliseconds(2);
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    // Version 1 may need to be told again: a process that was just made is not always caught.
    private const int StepsToRepeat = 25;

    public bool IsFrozen => layout.Version == 1
        ? Read("freezer.state") is { } state && state != "THAWED"
        : Read("cgroup.freeze") == "1";

    /// <summary>Version 1 does not end a process that is frozen: it has to be killed first and let go then, so that nothing of it runs again.</summary>
    internal void KillFrozen()
    {
        if (IsFrozen)
        {
            cgroup.KillAll();
            Thaw();
        }
    }

    public async Task FreezeAsync(CancellationToken cancellationToken)
    {
        if (!Has)
        {
            throw new GatewayException(ErrorCode.HostNotReady, "This host has no freezer for control groups, so sandboxes cannot be paused on it. Mount the controller 'freezer', or use control groups of version 2.");
        }

        var started = time.GetTimestamp();
        try
        {
            for (var step = 0; !IsStill; step++)
            {
                if (time.GetElapsedTime(started) > Patience)
                {
                    throw new GatewayException(ErrorCode.Conflict, $"Some processes of the sandbox could not be stopped within {Patience.TotalSeconds:0} s; it goes on. Try again.");
                }

                if (step % StepsToRepeat == 0)
                {
                    Write(frozen: true);
                }

                await Task.Delay(Step, time, cancellationToken);
            }
        }
        catch (Exception error)
        {
            TryThaw();
            throw error is IOException ? new GatewayException(ErrorCode.Conflict, $"The host cannot stop the sandbox: {error.Message}", inner: error) : error;
        }
    }

    public void Thaw()
    {
        if (IsFrozen)
        {
            Write(frozen: false);
        }
    }

    private bool Has => Read(StateFile) is not null;

    private bool IsStill => layout.Version == 1
        ? Read("freezer.state") == "FROZEN"
        : (cgroup.ReadAll(Controller, "cgroup.events") ?? []).Contains("frozen 1");

    // Every group of version 2 has the file; the folder is the same whichever controller is asked for.
    private string Controller => layout.Version == 1 ? "freezer" : "memory";

    private string StateFile => layout.Version == 1 ? "freezer.state" : "cgroup.freeze";

    private string? Read(string file) => layout.Controllers.ContainsKey(Controller) ? cgroup.Read(Controller, file) : null;

    private void Write(bool frozen)
    {
        using var file = File.OpenHandle(Path.Combine(layout.FolderOf(Controller, cgroup.Group), StateFile), FileMode.Open, FileAccess.Write, FileShare.ReadWrite);
        RandomAccess.Write(file, layout.Version == 1 ? (frozen ? "FROZEN"u8 : "THAWED"u8) : (frozen ? "1"u8 : "0"u8), 0);
    }

    private void TryThaw()
    {
        try
        {
            Thaw();
        }
        catch (IOException)
        {
            // The group is going, and its processes with it.
        }
    }
}
