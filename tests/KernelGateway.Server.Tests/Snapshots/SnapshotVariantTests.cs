using System.Net.Http.Json;
using KernelGateway.Contracts.Events;
using KernelGateway.Contracts.Sandboxes;
using KernelGateway.Server.Tests.Support;

namespace KernelGateway.Server.Tests.Snapshots;

/// <summary>A snapshot of a variant with walls, in one without: nothing of them vanishes in silence.</summary>
public sealed class SnapshotVariantTests
{
    private static LiveGateway Gateway => SharedGateway.Instance;

    [Test]
    public async Task Limits_that_are_not_taken_over_are_told_and_a_network_policy_must_be_given_up()
    {
        Requires.LocalVariant();
        var walled = await Gateway.CreateAsync(new { variant = "local", memoryMb = 300 });
        await Gateway.ValueAsync(walled.Id, "import os; x = 1; os.mkdir('/data')");
        var snapshot = await Gateway.SnapshotAsync(walled.Id);
        var request = new CreateSandboxRequest { SnapshotName = snapshot.Name, Variant = "local-eval" };

        var refused = await Gateway.TryCreateAsync(request).RefusedAsync(400, "not_supported");
        refused.GetProperty("field").GetString().Should().Be("networkPolicy");
        refused.GetProperty("detail").GetString().Should().Contain("network policy 'none'").And.Contain("Set 'networkPolicy' to 'all'");
        request = request with { NetworkPolicy = NetworkPolicy.All };
        (await Gateway.TryCreateAsync(request with { MemoryMb = 300 }).RefusedAsync(400, "not_supported")).GetProperty("field").GetString().Should().Be("memoryMb");

        var open = await Gateway.CreateAsync(request);

        open.Warnings.Should().ContainSingle().Which.Should().Contain("memoryMb 300").And.Contain("'local-eval' cannot hold").And.Contain("Variants that can: local");
        (await Gateway.ValueAsync(open.Id, "x")).Should().Be("1");
        var restored = await Gateway.Http.WaitForAsync<SandboxRestoredEvent>(open.Id, 0);
        restored.Warnings.Should().Equal(open.Warnings);
        restored.NotRestored.Select(one => one.Name).Should().Contain("/data", "an empty folder outside of the working folder is no reason to refuse all");
        (await Gateway.Http.GetFromJsonAsync<SandboxInfo>($"/api/v1/sandboxes/{open.Id}"))!.Warnings.Should().Equal(open.Warnings);
        var child = (await Gateway.ForkAsync(open.Id, new { })).Children.Single().Sandbox!;
        child.Warnings.Should().BeEmpty("what it is made from had no limits either");
        walled.Warnings.Should().BeEmpty();
    }

    [Test]
    public async Task A_file_outside_of_the_working_folder_needs_a_variant_that_has_a_place_for_it()
    {
        Requires.LocalVariant();
        var walled = await Gateway.CreateAsync(new { variant = "local" });
        await Gateway.ValueAsync(walled.Id, "import os; os.mkdir('/data'); open('/data/test.txt', 'w').write('kept')");
        var snapshot = await Gateway.SnapshotAsync(walled.Id);

        var refused = await Gateway.TryCreateAsync(new CreateSandboxRequest { SnapshotName = snapshot.Name, Variant = "local-eval", NetworkPolicy = NetworkPolicy.All }).RefusedAsync(400, "not_supported");

        refused.GetProperty("detail").GetString().Should().Contain("/data/test.txt").And.Contain("variant it was made in");
        var same = await Gateway.CreateAsync(new CreateSandboxRequest { SnapshotName = snapshot.Name });
        (await Gateway.ValueAsync(same.Id, "open('/data/test.txt').read()")).Should().Be("'kept'");
    }
}
