using KernelGateway.Core.Provisioning;

namespace KernelGateway.Provisioners.Launcher;

/// <summary>What must be remembered of a kernel to talk to it after a restart of the gateway. Holds its key.</summary>
/// <param name="Id">Its id.</param>
/// <param name="Name">Its kernelspec's name.</param>
/// <param name="Key">The key that messages are signed with.</param>
/// <param name="KeepsLog">Whether it writes the log.</param>
/// <param name="InterruptBySignal">Whether it is interrupted by a signal, or by a message.</param>
/// <param name="Exit">How it ended, when it has.</param>
internal sealed record KernelRecord(string Id, string Name, string Key, bool KeepsLog, bool InterruptBySignal, KernelExit? Exit = null);
