using KernelGateway.Client;
using KernelGateway.Contracts.Sandboxes;
using KernelGateway.EndToEnd.Tests.Support;

namespace KernelGateway.EndToEnd.Tests;

/// <summary>What a gateway leaves that dies between two steps of making or ending a container.</summary>
public sealed partial class DockerTests
{
    private const string Tried = "Variant local-docker is ready";

    // The one of the end first: a sweep of what the others leave would pass it.
    private static readonly string[] Points = ["docker.container_removed", "docker.slot_taken", "docker.disks_made", "docker.container_made", "docker.container_started"];

    [Test]
    public async Task A_gateway_killed_at_any_step_leaves_no_container_without_record_and_no_record_without_container(CancellationToken cancellationToken)
    {
        await using var gateway = await StartAsync(
            ("Gateway:Faults:Enabled", "true"),
            ("Gateway:Sandboxes:DefaultVariant", "local-docker"),
            // Nobody here needs it, and each start would try it out.
            ("Gateway:Local:RuntimePath", "/none"));
        await using var client = gateway.Client();
        var witness = await Sandbox.CreateAsync(client, cancellationToken: cancellationToken);
        await witness.RunCodeAsync("x = 41", cancellationToken: cancellationToken);
        await gateway.KillAsync();
        var life = Task.CompletedTask;
        for (var at = 0; at <= Points.Length; at++)
        {
            // Each start tries the variant out, and so passes the point once before any sandbox does.
            gateway.Set("KERNEL_GATEWAY_FAULTS", at < Points.Length ? $"{Points[at]}:crash:2" : null);
            await gateway.StartAsync();
            await life;
            while (gateway.Log.Split(Tried).Length - 1 < at + 2)
            {
                await Task.Delay(20, cancellationToken);
            }

            await NothingButAsync(gateway, client, witness.Id, at == 0 ? "none" : Points[at - 1], cancellationToken);
            if (at < Points.Length)
            {
                life = LiveAsync(client, cancellationToken);
                await gateway.Ended.WaitAsync(cancellationToken);
            }
        }

        (await witness.RunCodeAsync("x + 1", cancellationToken: cancellationToken)).Text.Should().Be("42", "nothing of it happened to this one");
        await witness.TerminateAsync(TimeSpan.Zero, cancellationToken);
        await NothingButAsync(gateway, client, null, "its end", cancellationToken);
    }

    /// <summary>What comes back does not count: the gateway dies meanwhile, and the next one is asked what has become of it.</summary>
    private static async Task LiveAsync(KernelGatewayClient client, CancellationToken cancellationToken)
    {
        try
        {
            var sandbox = await Sandbox.CreateAsync(client, cancellationToken: cancellationToken);
            await sandbox.TerminateAsync(TimeSpan.Zero, cancellationToken);
        }
        catch (KernelGatewayException)
        {
        }
    }

    private async Task NothingButAsync(GatewayProcess gateway, KernelGatewayClient client, string? witness, string point, CancellationToken cancellationToken)
    {
        string[] wanted = witness is null ? [] : [witness];
        var live = new List<string>();
        await foreach (var info in Sandbox.ListAsync(client, cancellationToken: cancellationToken))
        {
            if (info.State is not (SandboxState.Failed or SandboxState.Terminated or SandboxState.Lost))
            {
                live.Add(info.Id);
            }
        }

        live.Should().Equal(wanted, "of the records after a kill at {0}", point);
        var containers = await _daemon!.DockerAsync("ps", "--all", "--format", "{{.Label \"kernelgateway.sandbox\"}}", "--filter", $"label=kernelgateway.state={StateOf(gateway)}");
        containers.Split('\n', StringSplitOptions.RemoveEmptyEntries).Should().Equal(wanted, "of the containers after a kill at {0}", point);
        Directory.EnumerateDirectories(Path.Combine(StateOf(gateway), "sandboxes")).Select(Path.GetFileName).Should().Equal(wanted, "of the folders after a kill at {0}", point);
        Directory.EnumerateFiles(Path.Combine(StateOf(gateway), "slots")).Select(File.ReadAllText).Should().Equal(wanted, "of the user ids after a kill at {0}", point);
        File.ReadLines("/proc/self/mountinfo").Where(line => line.Contains(StateOf(gateway), StringComparison.Ordinal))
            .Should().HaveCount(2 * wanted.Length, "a sandbox has two disks, after a kill at {0}", point);
    }

    private static string StateOf(GatewayProcess gateway) => Path.Combine(gateway.DataFolder, "hosts", "docker");
}
