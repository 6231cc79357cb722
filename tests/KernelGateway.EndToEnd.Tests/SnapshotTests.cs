using KernelGateway.Client;
using KernelGateway.Contracts.Errors;
using KernelGateway.Contracts.Sandboxes;
using KernelGateway.Contracts.Snapshots;
using KernelGateway.EndToEnd.Tests.Support;

namespace KernelGateway.EndToEnd.Tests;

/// <summary>Snapshots through the SDK, and over crashes of the gateway at every step of making and restoring one.</summary>
public sealed class SnapshotTests : GatewayFixture
{
    private const string Faults = "KERNEL_GATEWAY_FAULTS";

    [Test]
    public async Task The_page_of_snapshots_by_the_sdk(CancellationToken cancellationToken)
    {
        SnapshotInfo snapshot;
        await using (var sandbox = await Sandbox.CreateAsync(Client, new CreateSandboxRequest { Environment = "python-scientific" }, cancellationToken))
        {
            await sandbox.RunCodeAsync("import pandas as pd", cancellationToken: cancellationToken);
            await sandbox.RunCodeAsync("df = pd.DataFrame({'a': [1,2,3]})", cancellationToken: cancellationToken);
            await sandbox.Files.WriteTextAsync("/data/test.txt", "Hello World", cancellationToken: cancellationToken);
            snapshot = await sandbox.CreateSnapshotAsync("my-setup", "with pandas", cancellationToken);
        }

        await using var restored = await Sandbox.CreateAsync(Client, new CreateSandboxRequest { SnapshotName = "my-setup" }, cancellationToken);

        (await restored.RunCodeAsync("print(df)", cancellationToken: cancellationToken)).Stdout.Should().Be("   a\n0  1\n1  2\n2  3\n");
        (await restored.Files.ReadTextAsync("/data/test.txt", cancellationToken)).Should().Be("Hello World");
        await restored.RunCodeAsync("more = 1", cancellationToken: cancellationToken);
        var second = await restored.CreateSnapshotAsync("second", cancellationToken: cancellationToken);
        var ids = new List<string>();
        await foreach (var one in Sandbox.ListSnapshotsAsync(Client, new SnapshotFilter { PageSize = 1 }, cancellationToken))
        {
            ids.Add(one.Id);
        }

        ids.Should().ContainInOrder(second.Id, snapshot.Id);
        (await Sandbox.CompareSnapshotsAsync(snapshot.Id, second.Id, Client, cancellationToken)).Contexts[0].Variables.Added.Should().Equal("more");
        (await Sandbox.GetSnapshotManifestAsync(snapshot.Id, Client, cancellationToken)).Files.Should().Contain(f => f.Path == "/data/test.txt");
        (await Sandbox.UpdateSnapshotAsync(second.Id, new UpdateSnapshotRequest { Description = "later" }, Client, cancellationToken)).Description.Should().Be("later");
        await Sandbox.DeleteSnapshotAsync(snapshot.Id, Client, cancellationToken);
        await Sandbox.DeleteSnapshotAsync(second.Id, Client, cancellationToken);
        var gone = () => Sandbox.DeleteSnapshotAsync(second.Id, Client, cancellationToken);
        (await gone.Should().ThrowAsync<KernelGatewayException>()).Which.Code.Should().Be(ErrorCodes.SnapshotNotFound);
    }

    [Test]
    public async Task A_fork_by_the_sdk_gives_sandboxes_with_what_the_parent_had(CancellationToken cancellationToken)
    {
        await using var sandbox = await Sandbox.CreateAsync(Client, null, cancellationToken);
        await sandbox.RunCodeAsync("import os; x = os.getuid(); open('file', 'w').write('text')", cancellationToken: cancellationToken);

        var children = await sandbox.ForkAsync(2, cancellationToken: cancellationToken);

        foreach (var child in children)
        {
            await using var one = child.Sandbox!;
            var seen = await one.RunCodeAsync("open('file').read(), os.stat('file').st_uid == os.getuid()", cancellationToken: cancellationToken);
            seen.Text.Should().Be("('text', True)", $"it ended with {seen.Error}");
        }
    }

    [Test]
    public async Task A_gateway_killed_while_it_makes_a_snapshot_has_it_whole_or_not_at_all()
    {
        await using var gateway = await GatewayProcess.StartNewAsync(("Gateway:Faults:Enabled", "true"), (Faults, "snapshot.part_written:crash"));
        await using var client = gateway.Client();
        await using var sandbox = await Sandbox.CreateAsync(client);
        await sandbox.RunCodeAsync("x = 'kept'; open('file', 'w').write('kept')");
        foreach (var (next, isThere) in new[] { ("snapshot.before_commit:crash", false), ("snapshot.committed:crash", false), ((string?)null, true) })
        {
            var making = () => sandbox.CreateSnapshotAsync("name");
            (await making.Should().ThrowAsync<KernelGatewayException>()).Which.Code.Should().Be(ClientErrorCodes.ConnectionLost);
            await gateway.Ended;
            gateway.Set(Faults, next);

            await gateway.StartAsync();

            Directory.EnumerateDirectories(Path.Combine(gateway.DataFolder, "snapshots")).Should().HaveCount(isThere ? 1 : 0, "nothing half made remains");
            (await sandbox.RunCodeAsync("import os; x, [n for n in os.listdir() if n.startswith('.kg')]")).Text.Should().Be("('kept', [])", "the sandbox goes on, and nothing remains in it");
        }

        await using var restored = await Sandbox.CreateAsync(client, new CreateSandboxRequest { SnapshotName = "name" });
        (await restored.RunCodeAsync("x, open('file').read()")).Text.Should().Be("('kept', 'kept')");
    }

    [Test]
    public async Task A_gateway_killed_while_it_restores_a_snapshot_leaves_no_half_sandbox()
    {
        await using var gateway = await GatewayProcess.StartNewAsync(("Gateway:Faults:Enabled", "true"), (Faults, "snapshot.file_restored:crash:2"));
        await using var client = gateway.Client();
        await using var sandbox = await Sandbox.CreateAsync(client);
        await sandbox.RunCodeAsync("x = 'kept'\nfor i in range(5): open(f'file{i}', 'w').write('kept')");
        await sandbox.CreateSnapshotAsync("name");
        using var http = new HttpClient { BaseAddress = gateway.Address, DefaultRequestHeaders = { { "Authorization", $"Bearer {gateway.Key}" } } };
        foreach (var next in new[] { "snapshot.files_restored:crash", "snapshot.before_load:crash", null })
        {
            var restoring = () => http.PostAsync("/api/v1/sandboxes", new StringContent("""{"snapshotName":"name"}""", System.Text.Encoding.UTF8, "application/json"));
            await restoring.Should().ThrowAsync<HttpRequestException>();
            await gateway.Ended;
            gateway.Set(Faults, next);

            await gateway.StartAsync();

            await foreach (var one in Sandbox.ListAsync(client))
            {
                if (one.Id != sandbox.Id)
                {
                    one.State.Should().Be(SandboxState.Failed);
                    one.StateReason.Should().Be("The gateway was stopped while it was being restored from a snapshot.");
                    HostProcesses.ProcessesOf(one.Id).Should().BeEmpty();
                }
            }
        }

        await using var restored = await Sandbox.CreateAsync(client, new CreateSandboxRequest { SnapshotName = "name" });
        (await restored.RunCodeAsync("x, open('file4').read()")).Text.Should().Be("('kept', 'kept')");
    }
}
