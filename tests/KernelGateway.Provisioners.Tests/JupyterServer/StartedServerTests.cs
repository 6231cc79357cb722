using KernelGateway.Core.Errors;
using KernelGateway.Core.Provisioning;
using KernelGateway.Jupyter;
using KernelGateway.Provisioners.JupyterServer;
using KernelGateway.Provisioners.Tests.Contract;
using KernelGateway.Provisioners.Tests.Support;

namespace KernelGateway.Provisioners.Tests.JupyterServer;

/// <summary>The variant <c>local-jupyter</c> with servers that the gateway starts.</summary>
public sealed class StartedServerTests : KernelProvisionerContract
{
    protected override string Variant => "local-jupyter";

    protected override bool RunsAnyProgram => false;

    protected override bool KeepsLogs => false;

    protected override bool TellsHowKernelsEnd => false;

    protected override TimeSpan ToldWithin => TimeSpan.FromSeconds(10);

    protected override bool HasItsOwnFiles => false;

    protected override string WorkFolderOf(string sandboxId) => Path.Combine(State, "places", sandboxId, "work");

    protected override IKernelProvisioner Create(string state)
    {
        ServerProvisioners.RequireServer();
        return ServerProvisioners.Create(new JupyterServerOptions { StartServers = true, StateFolder = state, PythonPath = "/usr/bin/python3.11" });
    }

    [Test]
    public async Task The_token_is_in_no_argument_and_no_variable_of_its_processes_and_only_its_user_may_connect(CancellationToken cancellationToken)
    {
        var host = await ProvisionAsync(cancellationToken);
        await using var kernel = await RunningKernel.LaunchAsync(host, TestKernels.Python("k1"), cancellationToken);
        var token = host.Describe().Data.GetProperty("access").GetProperty("token").GetString()!;
        token.Should().HaveLength(64);
        foreach (var pid in HostTraces.Processes(State))
        {
            File.ReadAllText($"/proc/{pid}/cmdline").Should().NotContain(token);
            File.ReadAllText($"/proc/{pid}/environ").Should().NotContain(token);
        }

        var socket = host.Describe().Data.GetProperty("access").GetProperty("socket").GetString()!;
        File.GetUnixFileMode(socket).Should().Be(UnixFileMode.UserRead | UnixFileMode.UserWrite);
        host.ToString().Should().NotContain(token);
    }

    [Test]
    public async Task It_is_refused_unless_the_configuration_allows_it_and_what_is_missing_is_named(CancellationToken cancellationToken)
    {
        var off = ServerProvisioners.Create(new JupyterServerOptions { StateFolder = State });
        (await off.CheckAsync(cancellationToken)).Should().Match<ProvisionerReadiness>(it => !it.Ready && it.Reason!.Contains("Gateway:LocalJupyter:StartServers"));
        (await off.Invoking(it => it.ProvisionAsync(TestKernels.Spec("s1"), cancellationToken)).Should().ThrowAsync<GatewayException>()).Which.Code.Should().Be(ErrorCode.NotSupported);

        var python = ServerProvisioners.Create(new JupyterServerOptions { StartServers = true, StateFolder = State, PythonPath = "/no/python" });
        (await python.Invoking(it => it.ProvisionAsync(TestKernels.Spec("s1"), cancellationToken)).Should().ThrowAsync<GatewayException>())
            .Which.Should().Match<GatewayException>(it => it.Code == ErrorCode.HostNotReady && it.Message.Contains("/no/python"));
        var broken = ServerProvisioners.Create(new JupyterServerOptions { StartServers = true, StateFolder = State, PythonPath = "/bin/false" });
        (await broken.Invoking(it => it.ProvisionAsync(TestKernels.Spec(NextId()), cancellationToken)).Should().ThrowAsync<GatewayException>()).Which.Code.Should().Be(ErrorCode.KernelFailed);
    }

    [Test]
    public async Task A_kernel_of_another_name_and_a_context_folder_are_for_the_server_to_judge(CancellationToken cancellationToken)
    {
        var host = await ProvisionAsync(cancellationToken);
        var kernel = await host.LaunchKernelAsync(TestKernels.Python("k1"), cancellationToken);
        (await kernel.Invoking(it => it.TerminateChildrenAsync(cancellationToken)).Should().ThrowAsync<GatewayException>()).Which.Code.Should().Be(ErrorCode.NotSupported);
        await using var client = await kernel.ConnectAsync(new KernelClientOptions(), cancellationToken);
        await client.WaitForReadyAsync(TimeSpan.FromSeconds(30), cancellationToken);
        var history = await client.HistoryAsync(10, cancellationToken);
        history.Content["history"]!.Should().BeEmpty("what prepared the kernel is in no history");
    }
}
