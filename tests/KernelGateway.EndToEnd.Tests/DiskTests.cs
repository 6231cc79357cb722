using System.Net.Http.Json;
using System.Text.Json;
using KernelGateway.Client;
using KernelGateway.Contracts.Sandboxes;
using KernelGateway.EndToEnd.Tests.Support;

namespace KernelGateway.EndToEnd.Tests;

/// <summary>The sandbox's own disk, as its owner sees it.</summary>
public sealed class DiskTests : GatewayFixture
{
    [Test]
    public async Task A_sandbox_has_the_disk_it_asked_for_says_how_full_it_is_and_survives_filling_it(CancellationToken cancellationToken)
    {
        await using var sandbox = await Sandbox.CreateAsync(Client, new CreateSandboxRequest { DiskMb = 48 }, cancellationToken);
        var before = await sandbox.RefreshAsync(cancellationToken);
        before.Limits.DiskMb.Should().Be(48);
        before.Limits.DiskInodes.Should().Be(48 * 64);
        before.RunsOn.Should().Be("host");
        before.Disk!.TotalBytes.Should().BeInRange(40L << 20, 48L << 20);

        var full = await sandbox.RunCodeAsync("print('before'); f = open('/workspace/big', 'wb')\nwhile True: f.write(b'x' * 65536)", cancellationToken: cancellationToken);
        full.Success.Should().BeFalse();
        full.Stdout.Should().Be("before\n");
        full.Error!.Value.Should().Contain("No space left on device");
        var after = await sandbox.RefreshAsync(cancellationToken);
        after.Disk!.UsedBytes.Should().BeGreaterThan(40L << 20);
        (await sandbox.RunCodeAsync("import os; f.close(); os.remove('/workspace/big'); print('room')", cancellationToken: cancellationToken)).Stdout.Should().Be("room\n");
    }

    [TestCase(8, null, "diskMb"), TestCase(1_000_000, null, "diskMb"), TestCase(64, 1_000_000, "diskInodes"), TestCase(64, 1, "diskInodes")]
    public async Task A_disk_beyond_what_is_allowed_is_refused_by_its_field(long megabytes, long? inodes, string field)
    {
        var creating = () => Sandbox.CreateAsync(Client, new CreateSandboxRequest { DiskMb = megabytes, DiskInodes = inodes });
        (await creating.Should().ThrowAsync<KernelGatewayException>()).Which.Message.Should().Contain($"'{field}' must be between");
    }

    [Test]
    public async Task The_environments_say_what_they_run_on(CancellationToken cancellationToken)
    {
        using var http = new HttpClient { BaseAddress = Gateway.Address, DefaultRequestHeaders = { { "Authorization", $"Bearer {Gateway.Key}" } } };
        await using var sandbox = await Sandbox.CreateAsync(Client, cancellationToken: cancellationToken);
        var list = await http.GetFromJsonAsync<JsonElement>("/api/v1/environments", cancellationToken);
        list.GetProperty("items").EnumerateArray().Should().AllSatisfy(item => item.GetProperty("runsOn").GetProperty("local").GetString().Should().Be("host"));
    }
}
