using System.ComponentModel;
using System.Diagnostics.CodeAnalysis;
using KernelGateway.Provisioners.Containers;
using KernelGateway.Provisioners.Native;

namespace KernelGateway.Provisioners.Oci;

/// <summary>What a host must have for the <c>local</c> variant; each missing thing is named with the way to get it.</summary>
internal sealed class OciRequirements(OciProvisionerOptions options, TimeProvider time)
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    /// <summary>The quick ones: files, rights, kernel features. <c>null</c> when nothing is missing.</summary>
    internal string? FindMissing(CgroupLayout layout)
    {
        if (!OperatingSystem.IsLinux())
        {
            return "The variant 'local' needs Linux.";
        }

        if (new OrdinaryUser(options, layout).FindMissing() is { } rights)
        {
            return rights;
        }

        if (!TryFindRuntime(out _))
        {
            return $"The OCI runtime '{options.RuntimePath}' was not found. Install one (apt install runc) or set {OciProvisionerOptions.Section}:{nameof(options.RuntimePath)}.";
        }

        if (!File.Exists(options.TiniPath))
        {
            return $"'{options.TiniPath}' was not found. Install it (apt install tini) or set {OciProvisionerOptions.Section}:{nameof(options.TiniPath)}.";
        }

        if (!File.Exists(options.PythonPath))
        {
            return $"The interpreter '{options.PythonPath}' was not found. Install it (apt install python3 python3-ipykernel) or set {OciProvisionerOptions.Section}:{nameof(options.PythonPath)}.";
        }

        if (!File.Exists(Path.Combine(options.LauncherFolder, "agent.py")))
        {
            return $"There is no agent.py in '{options.LauncherFolder}'. Set {OciProvisionerOptions.Section}:{nameof(options.LauncherFolder)} to the folder kernel-images/launcher of the gateway.";
        }

        if (!File.Exists("/proc/self/ns/user") || ReadNumber("/proc/sys/user/max_user_namespaces") == 0)
        {
            return "User namespaces are switched off. Allow them: sysctl -w user.max_user_namespaces=15000.";
        }

        if (layout.Missing.ToList() is { Count: > 0 } missing)
        {
            return $"The control group controllers {string.Join(", ", missing)} are missing. Mount them under /sys/fs/cgroup, or boot with cgroup_enable=memory.";
        }

        if (options.DiskQuota && SandboxDisks.FindMissing($"{OciProvisionerOptions.Section}:{nameof(options.DiskQuota)}") is { } disk)
        {
            return disk;
        }

        return new ContainerFolders(options.StateFolder, options.DataDirectory).FindBarrier() is { } barrier
            ? $"Sandboxes cannot reach their files below '{options.StateFolder}', because '{barrier}' is not searchable for others. Run chmod o+x on it, or set {OciProvisionerOptions.Section}:{nameof(options.StateFolder)}."
            : null;
    }

    /// <summary>The slow one: whether the interpreter can import ipykernel. <c>null</c> when it can.</summary>
    internal async Task<string?> FindMissingModuleAsync()
    {
        var lacking = $"The interpreter '{options.PythonPath}' has no ipykernel. Install it (apt install python3-ipykernel) or set {OciProvisionerOptions.Section}:{nameof(options.PythonPath)}.";
        try
        {
            // Found, not imported: importing takes half a second.
            const string Question = "import importlib.util, sys; sys.exit(0 if importlib.util.find_spec('ipykernel') else 9)";
            var result = await ExternalProgram.RunAsync(options.PythonPath, ["-I", "-c", Question], Patience, time);
            return result.ExitCode switch
            {
                0 => null,
                9 => lacking,
                _ => $"{lacking} It said: {result.Error}",
            };
        }
        catch (Exception error) when (error is Win32Exception or TimeoutException)
        {
            return $"The interpreter '{options.PythonPath}' cannot be run: {error.Message}. Set {OciProvisionerOptions.Section}:{nameof(options.PythonPath)}.";
        }
    }

    /// <summary>The runtime's absolute path.</summary>
    internal bool TryFindRuntime([NotNullWhen(true)] out string? path) => HostPrograms.TryFind(options.RuntimePath, out path);

    /// <summary>Why the runtime, which is known by the first line of its version, cannot be used on this host; <c>null</c> when it can.</summary>
    internal static string? FindUnfit(string runtimeVersion, CgroupLayout layout)
    {
        const string UseRunc = $"Use runc ({OciProvisionerOptions.Section}:{nameof(OciProvisionerOptions.RuntimePath)})";
        if (runtimeVersion.StartsWith("runsc ", StringComparison.Ordinal))
        {
            // Its processes are those of a kernel of its own: /proc of the host says nothing of what is inside.
            return $"{runtimeVersion} is not supported yet: sockets that are made inside do not appear on the host, and the isolation inside cannot be checked from the host. {UseRunc}.";
        }

        // Its own words come only after a container has been half made.
        return layout.IsHybrid && runtimeVersion.StartsWith("crun ", StringComparison.Ordinal)
            ? $"{runtimeVersion} does not work with control groups of version 1 and 2 mixed (hybrid), as this host has them. {UseRunc}, or boot with systemd.unified_cgroup_hierarchy=1 for version 2 alone."
            : null;
    }

    private static long? ReadNumber(string path) =>
        File.Exists(path) && long.TryParse(File.ReadAllText(path).Trim(), out var number) ? number : null;
}
