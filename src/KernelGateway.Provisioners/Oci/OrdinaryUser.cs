using System.Globalization;
using KernelGateway.Provisioners.Containers;
using KernelGateway.Provisioners.Native;

namespace KernelGateway.Provisioners.Oci;

/// <summary>What a gateway that is not root, or root without its powers, lacks on this host to give sandboxes ids, groups and disks of their own.</summary>
internal sealed class OrdinaryUser(OciProvisionerOptions options, CgroupLayout layout)
{
    /// <summary>A sentence for whoever starts the gateway; <c>null</c> when it has all the rights it needs.</summary>
    internal string? FindMissing()
    {
        if (LibC.GetEffectiveUid() == 0)
        {
            return RootRights.MayAdminister()
                ? null
                : "The gateway runs as root without the capability CAP_SYS_ADMIN, as in a container that is not privileged: it can mount no disks and make no namespaces with ids of their own. Give it that capability, or use another variant.";
        }

        var uid = LibC.GetEffectiveUid();
        var lacking = Lacking(uid, Environment.UserName, ReadOrEmpty("/etc/subuid"), ReadOrEmpty("/etc/subgid")).ToList();
        return $"The gateway runs as the ordinary user {uid}, and 'local' gives each sandbox ids, control groups and a disk of its own. On this host the user lacks: {string.Join("; ", lacking)}. Start the gateway as root, or use another variant.";
    }

    /// <summary>What is missing, one phrase each. Never nothing: the disks always need rights that only root has.</summary>
    internal IEnumerable<string> Lacking(uint uid, string user, string subuid, string subgid)
    {
        var ids = (long)options.UidSlots * UidSlots.UidsPerSlot;
        foreach (var (file, content, program) in new[] { ("/etc/subuid", subuid, "newuidmap"), ("/etc/subgid", subgid, "newgidmap") })
        {
            if (RangeOf(content, uid, user) is var range && range < ids)
            {
                yield return $"a range of {ids} ids in {file} (it has {range})";
            }

            if (!HostPrograms.TryFind(program, out _))
            {
                yield return $"{program} (apt install uidmap)";
            }
        }

        var closed = CgroupLayout.Required.Where(layout.Controllers.ContainsKey).Select(name => layout.Controllers[name]).Distinct()
            .Where(tree => !IsWritable(Path.Join(tree, options.CgroupParent)) && !IsWritable(tree)).ToList();
        if (closed.Count > 0)
        {
            yield return $"control groups delegated to it ({string.Join(", ", closed.Select(tree => Path.Join(tree, options.CgroupParent)))} cannot be written)";
        }

        yield return options.DiskQuota
            ? $"the right to mount disks from loop devices (only root has it, {OciProvisionerOptions.Section}:{nameof(options.DiskQuota)} or not)"
            : "the right to mount folders with flags of their own (only root has it)";
    }

    /// <summary>The largest range of a user, by name or number, in the form of subuid(5).</summary>
    private static long RangeOf(string content, uint uid, string user) => content.Split('\n')
        .Select(line => line.Split(':'))
        .Where(parts => parts.Length == 3 && (parts[0] == user || parts[0] == uid.ToString(CultureInfo.InvariantCulture)))
        .Select(parts => long.TryParse(parts[2], NumberStyles.None, CultureInfo.InvariantCulture, out var count) ? count : 0)
        .DefaultIfEmpty(0)
        .Max();

    private static bool IsWritable(string folder)
    {
        const int Write = 2;
        return LibC.Access(folder, Write) == 0;
    }

    private static string ReadOrEmpty(string path)
    {
        try
        {
            return File.ReadAllText(path);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return "";
        }
    }
}
