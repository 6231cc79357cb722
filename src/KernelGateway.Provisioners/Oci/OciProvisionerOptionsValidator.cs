using KernelGateway.Provisioners.Containers;
using Microsoft.Extensions.Options;

namespace KernelGateway.Provisioners.Oci;

/// <summary>Says of each wrong setting how to put it right; all of them at once.</summary>
internal sealed class OciProvisionerOptionsValidator : IValidateOptions<OciProvisionerOptions>
{
    // Socket paths do not depend on it, but what is printed and typed does.
    private const int MaxStateFolderLength = 200;

    // The last uids are special (-1 is "no change") and a uid_map entry must stay below.
    private const uint HighestUid = 0xFFFF_0000;

    public ValidateOptionsResult Validate(string? name, OciProvisionerOptions options)
    {
        var wrong = new List<string>();
        void Check(bool right, string setting, string how)
        {
            if (!right)
            {
                wrong.Add($"{OciProvisionerOptions.Section}:{setting} {how}");
            }
        }

        Check(options.RuntimePath.Length > 0, nameof(options.RuntimePath), "is empty; give the path of runc, crun or runsc.");
        Check(HostPath.IsPlainAbsolute(options.StateFolder) && options.StateFolder.Length <= MaxStateFolderLength, nameof(options.StateFolder),
            $"is '{options.StateFolder}'; give an absolute path without '..' of at most {MaxStateFolderLength} characters, for example /var/lib/kernel-gateway/hosts/local.");
        Check(options.UidBase >= 65_536, nameof(options.UidBase), $"is {options.UidBase}; give 65536 or more, so that no user of the host is in the range.");
        Check(options.UidSlots is >= 1 and <= 65_536, nameof(options.UidSlots), $"is {options.UidSlots}; give 1 to 65536.");
        Check(options.UidBase + ((ulong)Math.Max(0, options.UidSlots) * UidSlots.UidsPerSlot) <= HighestUid, nameof(options.UidBase),
            $"is {options.UidBase}, and {options.UidSlots} slots of {UidSlots.UidsPerSlot} ids end above {HighestUid}; make either smaller.");
        CheckProgram(options.PythonPath, nameof(options.PythonPath), "/usr/bin/python3.11");
        CheckProgram(options.TiniPath, nameof(options.TiniPath), "/usr/bin/tini");
        Check(HostPath.IsPlainAbsolute(options.LauncherFolder), nameof(options.LauncherFolder),
            $"is '{options.LauncherFolder}'; give the absolute path of the folder with agent.py, for example /opt/kernel-gateway/kernel-images/launcher.");
        Check(HostPath.IsPlainAbsolute(options.CgroupParent) && options.CgroupParent.Length > 1, nameof(options.CgroupParent),
            $"is '{options.CgroupParent}'; give a path below the root of the control groups, for example /kernel-gateway.");
        Check(options.TmpBytes >= 1 << 20, nameof(options.TmpBytes), $"is {options.TmpBytes}; give at least 1048576 (1 MiB).");
        Check(options.SharedMemoryBytes >= 1 << 20, nameof(options.SharedMemoryBytes), $"is {options.SharedMemoryBytes}; give at least 1048576 (1 MiB).");
        Check(options.MaxFileBytes >= 1 << 20, nameof(options.MaxFileBytes), $"is {options.MaxFileBytes}; give at least 1048576 (1 MiB).");
        Check(options.SharedDiskBytes is >= 80L << 20 and <= 1L << 40, nameof(options.SharedDiskBytes), $"is {options.SharedDiskBytes}; give 83886080 (80 MiB, room for one kernel's log) to 1099511627776.");
        Check(options.ImagesFolder.Length == 0 || HostPath.IsPlainAbsolute(options.ImagesFolder), nameof(options.ImagesFolder), $"is '{options.ImagesFolder}'; give an absolute path without '..'.");
        Check(options.StartTimeout > TimeSpan.Zero && options.StartTimeout <= TimeSpan.FromMinutes(10), nameof(options.StartTimeout),
            $"is {options.StartTimeout}; give more than zero and at most ten minutes, for example 00:00:30.");
        return wrong.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(wrong);

        void CheckProgram(string path, string setting, string example) =>
            Check(HostPath.IsPlainAbsolute(path) && path.StartsWith("/usr/", StringComparison.Ordinal), setting,
                $"is '{path}'; give an absolute path below /usr, which is what a sandbox sees of the host, for example {example}.");
    }
}
