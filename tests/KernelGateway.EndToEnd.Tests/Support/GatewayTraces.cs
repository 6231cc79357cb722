using System.Globalization;

namespace KernelGateway.EndToEnd.Tests.Support;

/// <summary>What sandboxes of one gateway have on the host, whoever shows it: user numbers and the data folder as well. The gateway must have ids and a control group of its own, for others may run beside it.</summary>
internal sealed class GatewayTraces(GatewayProcess gateway, uint uidBase, string cgroupParent)
{
    private const uint Uids = 4 * 4096;

    /// <summary>Everything found, one line each; empty when nothing is left.</summary>
    public IReadOnlyList<string> Find() =>
    [
        .. Processes().Select(pid => $"process {pid}, {HostProcesses.StatusOf(pid, "State")}, child of {HostProcesses.StatusOf(pid, "PPid")}: {HostProcesses.CommandLineOf(pid)}"),
        .. HostTraces.Mounts(gateway.DataFolder),
        .. File.ReadAllLines("/proc/net/unix").Where(line => line.Contains(gateway.DataFolder, StringComparison.Ordinal)).Select(line => $"socket {line}"),
        .. HostTraces.Groups(cgroupParent).Select(path => $"control group {path}"),
        .. HostTraces.Files(Path.Combine(gateway.DataFolder, "hosts", "local")),
    ];

    /// <summary>Processes of the sandboxes, by their numbers on the host. One that has ended and waits for the host's first process to notice is not ours any more.</summary>
    public IReadOnlyList<int> Processes() =>
    [
        .. HostProcesses.All
            .Where(pid => HostProcesses.UidOf(pid) is { } uid && uid >= uidBase && uid < uidBase + Uids)
            .Where(pid => HostProcesses.StatusOf(pid, "State")?[0] != 'Z' || HostProcesses.StatusOf(pid, "PPid") == gateway.ProcessId.ToString(CultureInfo.InvariantCulture)),
    ];
}
