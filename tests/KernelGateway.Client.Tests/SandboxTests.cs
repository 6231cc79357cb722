using KernelGateway.Client.Tests.Gateway;
using KernelGateway.Contracts.Sandboxes;

namespace KernelGateway.Client.Tests;

[Parallelizable(ParallelScope.All)]
[FixtureLifeCycle(LifeCycle.InstancePerTestCase)]
public sealed class SandboxTests : FakeGatewayFixture
{
    [Test]
    public async Task Leaving_the_block_ends_a_sandbox_that_was_created_there()
    {
        await using (await Sandbox.CreateAsync(Client, new CreateSandboxRequest { Name = "mine", Variant = "local-eval" }, Deadline))
        {
            Gateway.State.Sandboxes[0].Info.State.Should().Be(SandboxState.Running);
        }

        Gateway.State.Sandboxes[0].Info.State.Should().Be(SandboxState.Terminated);
        Gateway.State.Sandboxes[0].Request.Should().BeEquivalentTo(new CreateSandboxRequest { Name = "mine", Variant = "local-eval" });
    }

    [Test]
    public async Task A_detached_sandbox_lives_on()
    {
        await using (var sandbox = await Sandbox.CreateAsync(Client, cancellationToken: Deadline))
        {
            sandbox.Detach();
        }

        Gateway.State.Sandboxes[0].Info.State.Should().Be(SandboxState.Running);
    }

    [Test]
    public async Task A_sandbox_that_one_came_back_to_lives_on()
    {
        var (fake, sandbox) = await OpenAsync();

        await sandbox.DisposeAsync();

        fake.Info.State.Should().Be(SandboxState.Running);
    }

    [Test]
    public async Task Leaving_the_block_does_not_hide_its_exception_when_the_gateway_is_gone()
    {
        await using var client = Gateway.Connect(change: options => new() { BaseAddress = options.BaseAddress, ApiKey = options.ApiKey, GiveUpAfter = TimeSpan.FromMilliseconds(100) });
        var block = async () =>
        {
            await using var sandbox = await Sandbox.CreateAsync(client, cancellationToken: Deadline);
            await Gateway.EndAsync();
            throw new InvalidOperationException("the real reason");
        };

        await block.Should().ThrowAsync<InvalidOperationException>().WithMessage("the real reason");
    }

    [Test]
    public async Task Terminating_takes_a_grace_time_and_works_twice()
    {
        var (fake, sandbox) = await OpenAsync();

        await sandbox.TerminateAsync(TimeSpan.FromSeconds(2.5), Deadline);
        await sandbox.TerminateAsync(cancellationToken: Deadline);

        (await sandbox.RefreshAsync(Deadline)).State.Should().Be(SandboxState.Terminated);
        Gateway.State.Requests.Should().Contain($"DELETE /api/v1/sandboxes/{fake.Id}?graceSeconds=2.5");
    }

    [Test]
    public async Task A_restart_renews_the_description()
    {
        var (fake, sandbox) = await OpenAsync();
        var before = sandbox.Info;

        var after = await sandbox.RestartAsync(cancellationToken: Deadline);

        fake.Restarts.Should().Be(1);
        sandbox.Info.Should().BeSameAs(after).And.NotBeSameAs(before);
    }
}
