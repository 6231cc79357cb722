using KernelGateway.Client;
using KernelGateway.Contracts.Errors;
using KernelGateway.Contracts.Sandboxes;
using KernelGateway.EndToEnd.Tests.Support;

namespace KernelGateway.EndToEnd.Tests;

/// <summary>Variables, help with code, lists and packages through the SDK, with a real gateway.</summary>
public sealed class VariableTests : GatewayFixture
{
    [Test]
    public async Task The_sdk_sets_reads_and_lists_variables_and_asks_about_code(CancellationToken cancellationToken)
    {
        await using var sandbox = await Sandbox.CreateAsync(Client, null, cancellationToken);
        var other = await sandbox.CreateContextAsync(null, cancellationToken);

        await sandbox.SetVariableAsync("numbers", new[] { 1, 2, 3 }, cancellationToken: cancellationToken);
        await sandbox.SetVariablesAsync(new Dictionary<string, object?> { ["name"] = "é", ["nothing"] = null }, cancellationToken: cancellationToken);
        await sandbox.RunCodeAsync("total = sum(numbers)\nclass Odd: pass\nodd = Odd()", null, cancellationToken);

        (await sandbox.GetVariableAsync<int>("total", cancellationToken: cancellationToken)).Should().Be(6);
        (await sandbox.GetVariableAsync<int[]>("numbers", cancellationToken: cancellationToken)).Should().Equal(1, 2, 3);
        (await sandbox.GetVariableAsync<string>("name", cancellationToken: cancellationToken)).Should().Be("é");
        (await sandbox.ShowVariableAsync("odd", cancellationToken: cancellationToken)).Type.Should().Contain("Odd");
        (await sandbox.ListVariablesAsync(cancellationToken: cancellationToken)).Select(v => v.Name).Should().Contain(["numbers", "name", "nothing", "total", "odd"]);
        (await sandbox.ListVariablesAsync(other.Id, cancellationToken)).Should().BeEmpty();
        (await sandbox.Awaiting(s => s.GetVariableAsync<int>("missing", cancellationToken: cancellationToken)).Should().ThrowAsync<KernelGatewayException>()).Which.Code.Should().Be(ErrorCodes.VariableNotFound);
        (await sandbox.CompleteAsync("numbers.app", cancellationToken: cancellationToken)).Matches.Should().Contain(m => m.EndsWith("append", StringComparison.Ordinal));
        (await sandbox.InspectAsync("numbers", cancellationToken: cancellationToken)).Found.Should().BeTrue();
        (await sandbox.Awaiting(s => s.InstallPackagesAsync(["anything"], cancellationToken: cancellationToken)).Should().ThrowAsync<KernelGatewayException>()).Which.Code.Should().Be(ErrorCodes.Forbidden);
    }

    [Test]
    public async Task The_sdk_lists_sandboxes_by_tag_state_and_variant_over_all_pages(CancellationToken cancellationToken)
    {
        var tags = new Dictionary<string, string> { ["test"] = Guid.NewGuid().ToString("N") };
        await using var first = await Sandbox.CreateAsync(Client, new CreateSandboxRequest { Tags = tags }, cancellationToken);
        await using var second = await Sandbox.CreateAsync(Client, new CreateSandboxRequest { Tags = tags }, cancellationToken);
        await using var third = await Sandbox.CreateAsync(Client, new CreateSandboxRequest { Tags = tags }, cancellationToken);
        await second.PauseAsync(cancellationToken: cancellationToken);

        (await IdsAsync(new SandboxFilter { Tags = tags, PageSize = 1 }, cancellationToken)).Should().Equal(third.Id, second.Id, first.Id);
        (await IdsAsync(new SandboxFilter { Tags = tags, State = SandboxState.Paused, Variant = "LOCAL" }, cancellationToken)).Should().Equal(second.Id);
        (await IdsAsync(new SandboxFilter { Tags = tags, Variant = "local-eval" }, cancellationToken)).Should().BeEmpty();
    }

    [Test]
    public async Task A_gpu_that_there_is_not_is_refused(CancellationToken cancellationToken)
    {
        var refused = (await ((Func<Task>)(() => Sandbox.CreateAsync(Client, new CreateSandboxRequest { Gpu = "A100" }, cancellationToken))).Should().ThrowAsync<KernelGatewayException>()).Which;

        (refused.Code, refused.Field).Should().Be((ErrorCodes.NotSupported, "gpu"));
    }

    private async Task<List<string>> IdsAsync(SandboxFilter filter, CancellationToken cancellationToken)
    {
        var ids = new List<string>();
        await foreach (var info in Sandbox.ListAsync(Client, filter, cancellationToken))
        {
            ids.Add(info.Id);
        }

        return ids;
    }
}
