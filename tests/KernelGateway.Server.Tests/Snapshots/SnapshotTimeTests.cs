using System.Net.Http.Json;
using KernelGateway.Contracts.Sandboxes;
using KernelGateway.Server.Tests.Support;

namespace KernelGateway.Server.Tests.Snapshots;

/// <summary>Snapshots that take too long.</summary>
[Parallelizable]
public sealed class SnapshotTimeTests
{
    [Test]
    public async Task What_takes_too_long_is_given_up_and_the_kernel_can_be_used()
    {
        await using var gateway = await LiveGateway.StartAsync(("Gateway:Snapshots:Timeout", "00:00:03"));
        var sandbox = await gateway.CreateAsync();
        await gateway.ValueAsync(sandbox.Id, "import time\nclass Slow:\n    def __reduce__(self):\n        time.sleep(1000)\nslow = Slow(); x = 1");
        (await gateway.TrySnapshotAsync(sandbox.Id).RefusedAsync(429, "limit_reached")).GetProperty("detail").GetString().Should().Contain("Timeout");
        (await gateway.ValueAsync(sandbox.Id, "slow = None; x")).Should().Be("1");

        await gateway.ValueAsync(sandbox.Id, "class SlowToLoad:\n    def __reduce__(self): return time.sleep, (1000,)\nslow = SlowToLoad()");
        var snapshot = await gateway.SnapshotAsync(sandbox.Id);
        await gateway.TryCreateAsync(new CreateSandboxRequest { SnapshotId = snapshot.Id }).RefusedAsync(429, "limit_reached");
        (await gateway.Http.GetFromJsonAsync<SandboxList>("/api/v1/sandboxes?state=running"))!.Items.Should().ContainSingle("the half one was ended");
    }
}
