using KernelGateway.Provisioners.Containers;
using KernelGateway.Provisioners.Native;

namespace KernelGateway.Provisioners.Docker;

/// <summary>What the host and the engine must have for the <c>local-docker</c> variant; each missing thing is named with the way to get it.</summary>
internal static class DockerRequirements
{
    /// <summary>What the host lacks besides an engine; <c>null</c> when nothing.</summary>
    internal static string? FindMissing(DockerProvisionerOptions options, CgroupLayout layout)
    {
        if (!options.Enabled)
        {
            return $"It is switched off. To allow it, set {DockerProvisionerOptions.Section}:{nameof(options.Enabled)} to true.";
        }

        if (!OperatingSystem.IsLinux())
        {
            return "It needs Linux.";
        }

        if (!RootRights.MayAdminister())
        {
            return $"The gateway runs as user {LibC.GetEffectiveUid()} without the rights to mount disks and to give files to the sandboxes' users. Start it as root, or use another variant.";
        }

        if (!File.Exists(Path.Combine(options.LauncherFolder, "agent.py")))
        {
            return $"There is no agent.py in '{options.LauncherFolder}'. Set {DockerProvisionerOptions.Section}:{nameof(options.LauncherFolder)} to the folder kernel-images/launcher of the gateway.";
        }

        if (layout.Missing.ToList() is { Count: > 0 } missing)
        {
            return $"The control group controllers {string.Join(", ", missing)} are missing. Mount them under /sys/fs/cgroup, or boot with cgroup_enable=memory.";
        }

        return options.DiskQuota
            ? SandboxDisks.FindMissing($"{DockerProvisionerOptions.Section}:{nameof(options.DiskQuota)}")
            : null;
    }

    /// <summary>Why an engine that answers cannot be used; <c>null</c> when it can.</summary>
    internal static string? FindUnfit(EngineFacts engine, string socketPath)
    {
        if (engine.System != "linux")
        {
            return $"The Docker engine at {socketPath} runs containers of '{TextTail.Clean(engine.System, 40)}'; containers of Linux are needed.";
        }

        if (engine.IsRootless)
        {
            return $"The Docker engine at {socketPath} is rootless, and its containers cannot have the user ids that sandboxes are kept apart by. Use an engine that runs as root.";
        }

        return engine.HasSeccomp
            ? null
            : $"The Docker engine at {socketPath} has no seccomp, so system calls cannot be filtered. Use a kernel and an engine with seccomp.";
    }
}
