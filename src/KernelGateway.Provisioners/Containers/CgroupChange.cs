using System.Globalization;
using System.Text;
using KernelGateway.Core.Errors;
using KernelGateway.Core.Provisioning;

namespace KernelGateway.Provisioners.Containers;

/// <summary>Changes the limits of a control group whose processes run: all or none.</summary>
internal sealed class CgroupChange(CgroupLayout layout, string group)
{
    /// <summary>Writes the limits; on a refusal puts back what was there.</summary>
    /// <param name="limits">What it may use from now on.</param>
    /// <param name="memoryHeld">Memory in use that cannot be dropped, bytes; <c>null</c> when unknown.</param>
    /// <exception cref="GatewayException"><see cref="ErrorCode.Conflict"/>, with the field.</exception>
    internal void Apply(ResourceLimits limits, long? memoryHeld)
    {
        if (memoryHeld > limits.MemoryBytes)
        {
            // Version 2 would take the limit and end processes until it is kept.
            throw MemoryInUse(limits, memoryHeld);
        }

        var written = new Stack<(string Path, string Before)>();
        try
        {
            foreach (var (path, value) in Writes(limits))
            {
                var before = File.ReadAllLines(path)[0];
                Write(path, value);
                written.Push((path, before));
            }
        }
        catch (IOException error)
        {
            var memoryRefused = written.All(done => done.Path.Contains("memory.", StringComparison.Ordinal)) && error is not (FileNotFoundException or DirectoryNotFoundException);
            Undo(written);
            throw memoryRefused
                ? MemoryInUse(limits, memoryHeld, error)
                : new GatewayException(ErrorCode.Conflict, $"The host cannot change the limits. Nothing was changed. {error.Message}", inner: error);
        }
    }

    /// <summary>The memory first: it alone is ever refused, and then there is nothing to undo.</summary>
    private IEnumerable<(string Path, string Value)> Writes(ResourceLimits limits)
    {
        string In(string controller, string file) => Path.Combine(layout.FolderOf(controller, group), file);
        var memory = Text(limits.MemoryBytes);
        var quota = Text(CgroupLimits.QuotaOf(limits));
        if (layout.Version == 1)
        {
            var both = In("memory", "memory.memsw.limit_in_bytes");
            (string, string)[] order = [(In("memory", "memory.limit_in_bytes"), memory), (both, memory)];
            if (!layout.LimitsSwap)
            {
                order = order[..1];
            }
            else if (long.TryParse(File.ReadAllText(both), NumberStyles.AllowTrailingWhite, CultureInfo.InvariantCulture, out var now) && now < limits.MemoryBytes)
            {
                // Memory alone may never be more than memory and swap together.
                Array.Reverse(order);
            }

            return [.. order, (In("pids", "pids.max"), Text(limits.Pids)), (In("cpu", "cpu.cfs_quota_us"), quota)];
        }

        // No swap was allowed when the group was made, and none is now.
        return
        [
            (In("memory", "memory.max"), memory),
            (In("pids", "pids.max"), Text(limits.Pids)),
            (In("cpu", "cpu.max"), $"{quota} {CgroupLimits.CpuPeriod}"),
        ];
    }

    private static void Undo(Stack<(string Path, string Before)> written)
    {
        while (written.TryPop(out var last))
        {
            try
            {
                Write(last.Path, last.Before);
            }
            catch (IOException)
            {
                // The group is going: its limits go with it.
            }
        }
    }

    private static void Write(string path, string value)
    {
        // Opened as it is: a control group knows no truncation.
        using var file = File.OpenHandle(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite);
        RandomAccess.Write(file, Encoding.ASCII.GetBytes(value), 0);
    }

    private static string Text(long value) => value.ToString(CultureInfo.InvariantCulture);

    /// <summary>The refusal of a limit below what is in use.</summary>
    internal static GatewayException MemoryInUse(ResourceLimits limits, long? held, Exception? inner = null) => new(
        ErrorCode.Conflict,
        $"The memory cannot be limited to {limits.MemoryBytes >> 20} MiB{(held is { } bytes ? $", because about {(bytes >> 20) + 1} MiB are in use" : inner is null ? "" : $": {inner.Message}")}. Nothing was changed. Free some, or choose a larger limit.",
        "memoryMb",
        inner);
}
