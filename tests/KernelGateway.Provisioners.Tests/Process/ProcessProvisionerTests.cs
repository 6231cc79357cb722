using KernelGateway.Core.Errors;
using KernelGateway.Core.Provisioning;
using KernelGateway.Provisioners.Process;
using KernelGateway.Provisioners.Tests.Contract;
using KernelGateway.Provisioners.Tests.Support;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;

namespace KernelGateway.Provisioners.Tests.Process;

/// <summary>The variant <c>local-eval</c>.</summary>
public sealed class ProcessProvisionerTests : KernelProvisionerContract
{
    protected override string Variant => "local-eval";

    protected override string WorkFolderOf(string sandboxId) => Path.Combine(State, "places", sandboxId, "work");

    protected override IKernelProvisioner Create(string state) => Create(new ProcessProvisionerOptions
    {
        Enabled = true,
        StateFolder = state,
        LauncherFolder = Repository.Launcher,
    });

    [Test]
    public async Task It_is_refused_unless_the_configuration_allows_it(CancellationToken cancellationToken)
    {
        var refused = Create(new ProcessProvisionerOptions { StateFolder = State, LauncherFolder = Repository.Launcher });
        var ready = await refused.CheckAsync(cancellationToken);
        ready.Ready.Should().BeFalse();
        ready.Reason.Should().Contain("Gateway:LocalEval:Enabled");
        (await refused.Invoking(it => it.ProvisionAsync(TestKernels.Spec("s1"), cancellationToken)).Should().ThrowAsync<GatewayException>())
            .Which.Should().Match<GatewayException>(it => it.Code == ErrorCode.NotSupported && it.Message.Contains("Gateway:LocalEval:Enabled"));
    }

    [Test]
    public async Task What_is_missing_is_named(CancellationToken cancellationToken)
    {
        var python = Create(new ProcessProvisionerOptions { Enabled = true, StateFolder = State, LauncherFolder = Repository.Launcher, PythonPath = "/no/python" });
        (await python.Invoking(it => it.ProvisionAsync(TestKernels.Spec("s1"), cancellationToken)).Should().ThrowAsync<GatewayException>())
            .Which.Should().Match<GatewayException>(it => it.Code == ErrorCode.HostNotReady && it.Message.Contains("/no/python"));
        var launcher = Create(new ProcessProvisionerOptions { Enabled = true, StateFolder = State, LauncherFolder = "/no/launcher" });
        (await launcher.CheckAsync(cancellationToken)).Reason.Should().Contain("/no/launcher").And.Contain("Gateway:LocalEval:LauncherFolder");
    }

    [Test]
    public async Task An_agent_that_does_not_start_is_quoted(CancellationToken cancellationToken)
    {
        using var folder = new StateFolder();
        await File.WriteAllTextAsync(Path.Combine(folder.Path, "agent.py"), "raise SystemExit('no agent today')", cancellationToken);
        var broken = Create(new ProcessProvisionerOptions { Enabled = true, StateFolder = State, LauncherFolder = folder.Path });
        (await broken.Invoking(it => it.ProvisionAsync(TestKernels.Spec(NextId()), cancellationToken)).Should().ThrowAsync<GatewayException>())
            .Which.Message.Should().Contain("no agent today");
    }

    private static ProcessProvisioner Create(ProcessProvisionerOptions options) =>
        new(Options.Create(options), TimeProvider.System, NullLogger<ProcessProvisioner>.Instance);
}
