using KernelGateway.Provisioners.Containers;
using Microsoft.Extensions.Options;

namespace KernelGateway.Provisioners.Docker;

/// <summary>Says of each wrong setting how to put it right; all of them at once.</summary>
internal sealed class DockerProvisionerOptionsValidator : IValidateOptions<DockerProvisionerOptions>
{
    /// <summary>A socket's path ends at 107 bytes.</summary>
    private const int MaxSocketPathLength = 107;

    private const int MaxStateFolderLength = 200;

    private const uint HighestUid = 0xFFFF_0000;

    public ValidateOptionsResult Validate(string? name, DockerProvisionerOptions options)
    {
        var wrong = new List<string>();
        void Check(bool right, string setting, string how)
        {
            if (!right)
            {
                wrong.Add($"{DockerProvisionerOptions.Section}:{setting} {how}");
            }
        }

        Check(HostPath.IsPlainAbsolute(options.SocketPath) && options.SocketPath.Length <= MaxSocketPathLength, nameof(options.SocketPath),
            $"is '{options.SocketPath}'; give the absolute path of the engine's unix socket, at most {MaxSocketPathLength} characters, for example /var/run/docker.sock. Engines on other hosts (tcp://) cannot be used.");
        Check(DockerProvisionerOptions.IsImageName(options.Image.Replace(DockerProvisionerOptions.EnvironmentMark, "x", StringComparison.Ordinal)), nameof(options.Image),
            $"is '{options.Image}'; give the name of an image, for example kernel-gateway/{DockerProvisionerOptions.EnvironmentMark}:latest.");
        foreach (var (environment, image) in options.Images)
        {
            Check(DockerProvisionerOptions.IsImageName(image), $"{nameof(options.Images)}:{environment}", $"is '{image}'; give the name of an image, for example registry.example/python:1.");
        }

        foreach (var (image, at) in options.AllowedImages.Select((image, at) => (image, at)))
        {
            Check(DockerProvisionerOptions.IsImageName(image), $"{nameof(options.AllowedImages)}:{at}", $"is '{image}'; give the name of an image as callers will write it, for example code-sandboxes-jupyter:latest.");
        }

        Check(HostPath.IsPlainAbsolute(options.StateFolder) && options.StateFolder.Length <= MaxStateFolderLength, nameof(options.StateFolder),
            $"is '{options.StateFolder}'; give an absolute path without '..' of at most {MaxStateFolderLength} characters, for example /var/lib/kernel-gateway/hosts/docker.");
        Check(options.UidBase >= 65_536, nameof(options.UidBase), $"is {options.UidBase}; give 65536 or more, so that no user of the host is in the range.");
        Check(options.UidSlots is >= 1 and <= 65_536, nameof(options.UidSlots), $"is {options.UidSlots}; give 1 to 65536.");
        Check(options.UidBase + ((ulong)Math.Max(0, options.UidSlots) * UidSlots.UidsPerSlot) <= HighestUid, nameof(options.UidBase),
            $"is {options.UidBase}, and {options.UidSlots} slots of {UidSlots.UidsPerSlot} ids end above {HighestUid}; make either smaller.");
        Check(options.CgroupParent.Length == 0 || IsSlice(options.CgroupParent) || (HostPath.IsPlainAbsolute(options.CgroupParent) && options.CgroupParent.Length > 1), nameof(options.CgroupParent),
            $"is '{options.CgroupParent}'; give a path below the root of the control groups, for example /kernel-gateway-docker, or with systemd the name of a slice, for example kernelgateway.slice.");
        Check(HostPath.IsPlainAbsolute(options.LauncherFolder), nameof(options.LauncherFolder),
            $"is '{options.LauncherFolder}'; give the absolute path of the folder with agent.py, for example /opt/kernel-gateway/kernel-images/launcher.");
        Check(options.TmpBytes >= 1 << 20, nameof(options.TmpBytes), $"is {options.TmpBytes}; give at least 1048576 (1 MiB).");
        Check(options.SharedMemoryBytes >= 1 << 20, nameof(options.SharedMemoryBytes), $"is {options.SharedMemoryBytes}; give at least 1048576 (1 MiB).");
        Check(options.MaxFileBytes >= 1 << 20, nameof(options.MaxFileBytes), $"is {options.MaxFileBytes}; give at least 1048576 (1 MiB).");
        Check(options.SharedDiskBytes is >= 80L << 20 and <= 1L << 40, nameof(options.SharedDiskBytes), $"is {options.SharedDiskBytes}; give 83886080 (80 MiB, room for one kernel's log) to 1099511627776.");
        Check(options.StartTimeout > TimeSpan.Zero && options.StartTimeout <= TimeSpan.FromMinutes(10), nameof(options.StartTimeout),
            $"is {options.StartTimeout}; give more than zero and at most ten minutes, for example 00:01:00.");
        return wrong.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(wrong);
    }

    /// <summary>The name of a slice of systemd.</summary>
    internal static bool IsSlice(string group) =>
        group.EndsWith(".slice", StringComparison.Ordinal) && group.All(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '-' or '_');
}
