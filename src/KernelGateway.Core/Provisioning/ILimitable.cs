using KernelGateway.Core.Errors;

namespace KernelGateway.Core.Provisioning;

/// <summary>The power of a place to change what it may use while it lives.</summary>
public interface ILimitable
{
    /// <summary>Puts new limits in force, all or none.</summary>
    /// <exception cref="GatewayException"><see cref="ErrorCode.Conflict"/> with the field: the host refuses, for example because more memory is in use. Nothing has changed then.</exception>
    /// <exception cref="GatewayException"><see cref="ErrorCode.HostNotReady"/>: whoever keeps the limits does not answer.</exception>
    Task SetLimitsAsync(ResourceLimits limits);
}

/// <summary>The power of a place to say what it uses and which limits it came up against.</summary>
public interface IMeasurable
{
    /// <summary>What is used now and was used so far; a figure that the host does not keep is <c>null</c>.</summary>
    ResourceUsage ReadUsage();

    /// <summary>The counters of limits alone. Cheap: it is asked at the beginning and end of every run.</summary>
    LimitCounters ReadCounters();
}

/// <summary>What a place uses and has used.</summary>
/// <param name="CpuSeconds">Processor time, seconds.</param>
/// <param name="MemoryBytes">Memory now, bytes.</param>
/// <param name="MemoryPeakBytes">The most memory at once, bytes.</param>
/// <param name="Pids">Processes and threads now.</param>
/// <param name="Counters">How often a limit was hit.</param>
public sealed record ResourceUsage(double? CpuSeconds, long? MemoryBytes, long? MemoryPeakBytes, long? Pids, LimitCounters Counters);

/// <summary>How often limits were hit since the place was made; <c>null</c> where the host does not count.</summary>
/// <param name="OomKills">Processes ended for want of memory.</param>
/// <param name="PidsRefused">Processes and threads refused because there were too many.</param>
public readonly record struct LimitCounters(long? OomKills, long? PidsRefused);
