using System.Buffers.Text;
using System.Globalization;
using KernelGateway.Core.Provisioning;
using Microsoft.Win32.SafeHandles;

namespace KernelGateway.Provisioners.Containers;

/// <summary>Reads what one sandbox uses from its control group. What the host does not count is <c>null</c>, also once the group is gone.</summary>
internal sealed class CgroupMeter(CgroupLayout layout, string group) : IDisposable
{
    // Kept open, because they are read at the beginning and end of every run.
    private readonly SafeFileHandle? _memoryEvents = Open(layout, group, "memory", layout.Version == 1 ? "memory.oom_control" : "memory.events");
    private readonly SafeFileHandle? _pidsEvents = Open(layout, group, "pids", "pids.events");

    /// <summary>How often limits were hit.</summary>
    internal LimitCounters ReadCounters() => new(Count(_memoryEvents, "oom_kill "u8), Count(_pidsEvents, "max "u8));

    /// <summary>All figures.</summary>
    internal ResourceUsage ReadUsage() => layout.Version == 1
        ? new ResourceUsage(
            Number("cpuacct", "cpuacct.usage") / 1e9,
            Number("memory", "memory.usage_in_bytes"),
            Number("memory", "memory.max_usage_in_bytes"),
            Number("pids", "pids.current"),
            ReadCounters())
        : new ResourceUsage(
            Field("cpu", "cpu.stat", "usage_usec") / 1e6,
            Number("memory", "memory.current"),
            Number("memory", "memory.peak"),
            Number("pids", "pids.current"),
            ReadCounters());

    /// <summary>Memory that the host cannot take back by dropping caches of files, bytes.</summary>
    internal long? MemoryHeld()
    {
        var (used, caches) = layout.Version == 1
            ? (Number("memory", "memory.usage_in_bytes"), Field("memory", "memory.stat", "total_inactive_file"))
            : (Number("memory", "memory.current"), Field("memory", "memory.stat", "inactive_file"));
        return used - (caches ?? 0);
    }

    public void Dispose()
    {
        _memoryEvents?.Dispose();
        _pidsEvents?.Dispose();
    }

    private long? Number(string controller, string file) =>
        Lines(controller, file) is [var line, ..] && long.TryParse(line, NumberStyles.None, CultureInfo.InvariantCulture, out var value) ? value : null;

    private long? Field(string controller, string file, string name)
    {
        foreach (var line in Lines(controller, file))
        {
            if (line.Length > name.Length && line[name.Length] == ' ' && line.StartsWith(name, StringComparison.Ordinal))
            {
                return long.TryParse(line.AsSpan(name.Length + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var value) ? value : null;
            }
        }

        return null;
    }

    private string[] Lines(string controller, string file)
    {
        try
        {
            return layout.Controllers.ContainsKey(controller) ? File.ReadAllLines(Path.Combine(layout.FolderOf(controller, group), file)) : [];
        }
        catch (IOException)
        {
            return [];
        }
    }

    private static SafeFileHandle? Open(CgroupLayout layout, string group, string controller, string file)
    {
        try
        {
            return layout.Controllers.ContainsKey(controller)
                ? File.OpenHandle(Path.Combine(layout.FolderOf(controller, group), file), share: FileShare.ReadWrite | FileShare.Delete)
                : null;
        }
        catch (IOException)
        {
            return null;
        }
    }

    private static long? Count(SafeFileHandle? file, ReadOnlySpan<byte> name)
    {
        Span<byte> buffer = stackalloc byte[512];
        try
        {
            if (file is null)
            {
                return null;
            }

            ReadOnlySpan<byte> text = buffer[..RandomAccess.Read(file, buffer, 0)];
            while (!text.IsEmpty)
            {
                if (text.StartsWith(name))
                {
                    return Utf8Parser.TryParse(text[name.Length..], out long count, out _) ? count : null;
                }

                var end = text.IndexOf((byte)'\n');
                text = end < 0 ? [] : text[(end + 1)..];
            }
        }
        catch (Exception error) when (error is IOException or ObjectDisposedException)
        {
            // The group is gone.
        }

        return null;
    }
}
