using KernelGateway.Chaos.Tests.Support;
using KernelGateway.Client;
using KernelGateway.Contracts.Sandboxes;

namespace KernelGateway.Chaos.Tests;

/// <summary>C15, and the kills inside transactions of C10: the gateway dies between two steps of making and ending a sandbox.</summary>
public sealed class OrphanTests
{
    private static readonly string[] Making = ["database.before_commit", "database.after_commit", "sandbox.host_made", "sandbox.host_saved", "sandbox.kernel_launched"];
    private static readonly string[] Ending = ["sandbox.ending", "sandbox.host_ended"];

    [Test]
    [Deadline(300)]
    public async Task C15_Killed_between_any_two_steps_of_making_and_ending_it_leaves_no_sandbox_without_record_and_no_record_without_sandbox(
        [Values("local-eval", "local")] string variant)
    {
        var parent = ChaosGateway.NewCgroupParent();
        await using var gateway = await ChaosGateway.StartAsync(("Gateway:Local:CgroupParent", parent), ("Gateway:Sandboxes:DefaultVariant", variant));
        await using var client = gateway.PatientClient();
        var witness = await Sandbox.CreateAsync(client);
        await witness.RunCodeAsync("x = 41");
        foreach (var point in variant == "local" ? Making.Skip(2) : Making)
        {
            // The witness passes these points as well when it is taken up again, some of them.
            await RestartAsync(gateway, $"{point}:crash");
            var creating = CreateAsync(client);
            await ComeBackAsync(gateway);
            if (await creating is { } made)
            {
                (await made.RunCodeAsync("1 + 1")).Text.Should().Be("2", "{0} made a sandbox that must work", point);
                await made.TerminateAsync(TimeSpan.Zero);
            }

            await NothingButAsync(client, witness.Id, point);
        }

        foreach (var point in Ending)
        {
            var doomed = await Sandbox.CreateAsync(client);
            await RestartAsync(gateway, $"{point}:crash");
            var ending = doomed.TerminateAsync(TimeSpan.Zero);
            await ComeBackAsync(gateway);
            await ending;
            await NothingButAsync(client, witness.Id, point);
        }

        (await witness.RunCodeAsync("x + 1")).Text.Should().Be("42");
        await witness.TerminateAsync(TimeSpan.Zero);
        gateway.Traces(parent).Should().BeEmpty();
        HostTraces.RemoveGroups(parent);
    }

    [Test]
    [Deadline(300)]
    public async Task C15_Killed_together_with_its_sandboxes_it_reports_them_as_lost_and_leaves_nothing()
    {
        await using var gateway = await ChaosGateway.StartAsync();
        await using var client = gateway.PatientClient();
        var lost = await Sandbox.CreateAsync(client);
        var kept = await Sandbox.CreateAsync(client);
        await kept.RunCodeAsync("x = 41");
        await gateway.KillAsync();
        var place = Path.Combine(gateway.DataFolder, "hosts", "eval", "places", lost.Id);
        foreach (var pid in HostTraces.Processes(place).ToList())
        {
            System.Diagnostics.Process.GetProcessById(pid).Kill();
        }

        await gateway.StartAsync();

        var info = await lost.RefreshAsync();
        info.State.Should().Be(SandboxState.Lost);
        info.StateReason.Should().NotBeNullOrEmpty();
        Directory.Exists(place).Should().BeFalse();
        (await kept.RunCodeAsync("x + 1")).Text.Should().Be("42");
    }

    private static async Task RestartAsync(GatewayProcess gateway, string? faults)
    {
        gateway.ArmFaults(faults);
        await gateway.KillAsync();
        await gateway.StartAsync();
    }

    private static async Task ComeBackAsync(GatewayProcess gateway)
    {
        await gateway.Ended.WaitAsync(TimeSpan.FromSeconds(60));
        gateway.ArmFaults(null);
        await gateway.StartAsync();
    }

    /// <returns>Null when the gateway says, after it was killed, that the sandbox could not be made.</returns>
    private static async Task<Sandbox?> CreateAsync(KernelGatewayClient client)
    {
        try
        {
            return await Sandbox.CreateAsync(client);
        }
        catch (KernelGatewayException e) when (e.Message.Contains("stopped while it was being started", StringComparison.Ordinal))
        {
            return null;
        }
    }

    private static async Task NothingButAsync(KernelGatewayClient client, string witness, string point)
    {
        await foreach (var info in Sandbox.ListAsync(client))
        {
            if (info.Id != witness)
            {
                info.State.Should().BeOneOf([SandboxState.Failed, SandboxState.Terminated, SandboxState.Lost], "after a kill at {0}", point);
            }
        }
    }
}
