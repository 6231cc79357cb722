using KernelGateway.Chaos.Tests.Support;
using KernelGateway.Client;
using KernelGateway.Contracts.Sandboxes;

namespace KernelGateway.Chaos.Tests;

/// <summary>C15 for the disks of sandboxes: the gateway dies between any two steps of making or removing what a sandbox has on the host.</summary>
public sealed class DiskOrphanTests
{
    private static readonly string[] Making =
        ["local.slot_taken", "local.folders_made", "local.disk_made", "local.disk_mounted", "local.disks_mounted", "local.bundle_written", "local.container_started"];

    private static readonly string[] Ending = ["local.container_removed", "local.disks_detached"];

    [Test]
    public async Task C15_Killed_between_any_two_steps_of_making_a_disk_it_leaves_no_mount_and_no_loop_device()
    {
        var parent = ChaosGateway.NewCgroupParent();
        await using var gateway = await ChaosGateway.StartAsync(("Gateway:Local:CgroupParent", parent), ("Gateway:Sandboxes:DefaultVariant", "local"));
        await using var client = gateway.PatientClient();
        var witness = await Sandbox.CreateAsync(client);
        await witness.RunCodeAsync("open('/data', 'w').write('kept')");
        var before = Mounts(gateway);
        before.Should().HaveCount(2, "the witness has two disks");

        using var disarm = new Disarm(gateway);
        foreach (var point in Making.Concat(Ending))
        {
            TestContext.Out.WriteLine(point);
            // The trial container at the start passes the point first, and on the way out too.
            gateway.ArmFaults($"{point}:crash:2");
            await gateway.KillAsync();
            await gateway.StartAsync();
            var doing = Ignoring(async () =>
            {
                var made = await Sandbox.CreateAsync(client, new CreateSandboxRequest { DiskMb = 64 });
                await made.TerminateAsync(TimeSpan.Zero);
            });
            await gateway.Ended.WaitAsync(TimeSpan.FromSeconds(60));
            gateway.ArmFaults(null);
            await gateway.StartAsync();
            await doing;
            await foreach (var info in Sandbox.ListAsync(client))
            {
                if (info.Id != witness.Id && info.State == SandboxState.Running)
                {
                    await (await Sandbox.FromIdAsync(info.Id, client)).TerminateAsync(TimeSpan.Zero);
                }
            }

            Mounts(gateway).Should().BeEquivalentTo(before, "after a kill at {0}", point);
        }

        (await witness.RunCodeAsync("print(open('/data').read())")).Stdout.Should().Contain("kept", "its disk lived on");
        await witness.TerminateAsync(TimeSpan.Zero);
        Mounts(gateway).Should().BeEmpty();
        gateway.Traces(parent).Should().BeEmpty();
        HostTraces.RemoveGroups(parent);
    }

    /// <summary>A failure must not leave the next start armed.</summary>
    private sealed class Disarm(GatewayProcess gateway) : IDisposable
    {
        public void Dispose() => gateway.ArmFaults(null);
    }

    /// <summary>What it says is told by the state of the host.</summary>
    private static async Task Ignoring(Func<Task> action)
    {
        try
        {
            await action();
        }
        catch (KernelGatewayException)
        {
        }
    }

    private static List<string> Mounts(GatewayProcess gateway) =>
        [.. File.ReadLines("/proc/self/mountinfo").Where(line => line.Contains(gateway.DataFolder, StringComparison.Ordinal)).Select(line => line.Split(' ')[4])];
}
