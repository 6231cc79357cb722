using KernelGateway.Client;
using KernelGateway.Contracts.Sandboxes;

namespace Walkthrough;

/// <summary>The life of a sandbox.</summary>
internal static class LifeChapters
{
    public static async Task TellAsync(KernelGatewayClient client, Sandbox sandbox, string name)
    {
        Say.Chapter("The network");
        Say.Line($"The policy is {(await sandbox.GetNetworkAsync()).NetworkPolicy}.");
        var result = await sandbox.RunCodeAsync("import socket\ntry: socket.create_connection(('192.0.2.1', 80), 2)\nexcept OSError: print('no way out')");
        Say.Line(result.Stdout.TrimEnd());
        var network = await sandbox.SetNetworkAsync(NetworkPolicy.Allowlist, ["pypi.org", "*.pythonhosted.org"]);
        Say.Line($"Now it is {network.NetworkPolicy}: {string.Join(", ", network.AllowedHosts)}");

        Say.Chapter("Limits, times and tags");
        await sandbox.SetLimitsAsync(cpu: 0.5, memoryMb: 768);
        await sandbox.SetTimeoutAsync(TimeSpan.FromMinutes(10));
        await sandbox.SetTagsAsync(new Dictionary<string, string?> { ["project"] = "demo" });
        Say.Line($"{sandbox.Info.Limits.MemoryMb} MiB; it ends {(sandbox.Info.ExpiresAt is null ? "never" : "in time")}; tags: {string.Join(", ", sandbox.Info.Tags.Keys.Order(StringComparer.Ordinal))}");
        Say.Line($"It has used memory: {(await sandbox.GetUsageAsync()).MemoryBytes > 0}");
        await Say.RefusedAsync("A negative time", () => sandbox.UpdateAsync(new UpdateSandboxRequest { TimeoutSeconds = -1 }));

        Say.Chapter("Leaving and coming back");
        await sandbox.RunCodeAsync("print('Still running!')");
        await using (var elsewhere = new KernelGatewayClient())
        {
            var later = await Sandbox.FromIdAsync(sandbox.Id, elsewhere);
            Say.Line($"The counter is {(await later.RunCodeAsync("counter")).Text}, seen from another connection.");
        }

        await foreach (var info in Sandbox.ListAsync(client, new SandboxFilter { State = SandboxState.Running, Tags = new Dictionary<string, string> { ["walk"] = name } }))
        {
            Say.Line($"In the list: {info.State}, made of {info.Environment}");
        }

        Say.Chapter("The end");
        await sandbox.TerminateAsync();
        Say.Line($"It is {(await sandbox.RefreshAsync()).State}; ending it twice is no error.");
        await sandbox.KillAsync();
        await Say.RefusedAsync("Running code in it", () => sandbox.RunCodeAsync("1"));
    }
}
