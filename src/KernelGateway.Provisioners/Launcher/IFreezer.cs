using KernelGateway.Core.Errors;

namespace KernelGateway.Provisioners.Launcher;

/// <summary>Stops all processes of a place, and lets them go on.</summary>
internal interface IFreezer
{
    /// <summary>Whether they stand still, as the host says.</summary>
    bool IsFrozen { get; }

    /// <summary>Returns when nothing runs.</summary>
    /// <exception cref="GatewayException">Not all of them could be stopped; they go on.</exception>
    Task FreezeAsync(CancellationToken cancellationToken);

    /// <summary>Lets them go on; nothing happens when they do.</summary>
    /// <exception cref="IOException">The host refuses.</exception>
    void Thaw();
}
