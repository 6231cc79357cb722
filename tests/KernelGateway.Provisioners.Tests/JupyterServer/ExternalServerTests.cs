using KernelGateway.Core.Errors;
using KernelGateway.Core.Provisioning;
using KernelGateway.Provisioners.JupyterServer;
using KernelGateway.Provisioners.Tests.Contract;
using KernelGateway.Provisioners.Tests.Support;
using Server = KernelGateway.Testing.JupyterServerProcess;

namespace KernelGateway.Provisioners.Tests.JupyterServer;

/// <summary>The variant <c>local-jupyter</c> in a server that runs already.</summary>
public sealed class ExternalServerTests : KernelProvisionerContract
{
    private readonly Lazy<Task<Server>> _starting = new(Server.StartNewAsync);

    // The set-up of the contract asks for it, and cannot wait.
    private Server Running => _starting.Value.GetAwaiter().GetResult();

    protected override string Variant => "local-jupyter";

    protected override bool RunsAnyProgram => false;

    protected override bool KeepsLogs => false;

    protected override bool TellsHowKernelsEnd => false;

    protected override TimeSpan ToldWithin => TimeSpan.FromSeconds(10);

    protected override bool IsOnThisHost => false;

    protected override bool KnowsItsPlaces => false;

    protected override bool HasItsOwnFiles => false;

    protected override string WorkFolderOf(string sandboxId) => Running.Folder;

    protected override IKernelProvisioner Create(string state)
    {
        ServerProvisioners.RequireServer();
        return ServerProvisioners.Create(new JupyterServerOptions { Url = Running.Address.ToString(), Token = Running.Token, StateFolder = state, AllowAdoption = true });
    }

    protected override async Task CheckNothingIsLeftAsync()
    {
        (await Running.KernelsAsync()).Should().BeEmpty("a place that was ended leaves no kernel in the server");
        foreach (var entry in Directory.EnumerateDirectories(Running.Folder, "in side"))
        {
            Directory.Delete(entry, recursive: true);
        }
    }

    [OneTimeTearDown]
    public async Task EndServer()
    {
        if (_starting.IsValueCreated)
        {
            await (await _starting.Value).DisposeAsync();
        }
    }

    [Test]
    public async Task A_kernel_that_lives_there_is_adopted_and_stays_alive_whatever_becomes_of_the_sandbox(CancellationToken cancellationToken)
    {
        var id = await Running.StartKernelAsync();
        try
        {
            var host = Keep(await Provisioner.ProvisionAsync(TestKernels.Spec(NextId()) with { Server = new RequestedServer(null, null, id) }, cancellationToken));
            await using (var kernel = await RunningKernel.LaunchAsync(host, TestKernels.Python("k1"), cancellationToken))
            {
                await kernel.RunAsync("x = 41", cancellationToken);
                await using var second = await RunningKernel.LaunchAsync(host, TestKernels.Python("k2"), cancellationToken);
                (await second.RunAsync("print('x' in dir())", cancellationToken)).Should().Be("False", "only the first is the adopted one");
            }

            await host.Kernels.Single(it => it.Id == "k1").SignalAsync(KernelSignal.Kill, cancellationToken);
            (await host.Kernels.Single(it => it.Id == "k1").Exited).Message.Should().Contain("lives on");
            await host.TerminateAsync(TimeSpan.Zero, cancellationToken);
            (await Running.KernelsAsync()).Should().Equal(id);

            var again = Keep(await Provisioner.ProvisionAsync(TestKernels.Spec(NextId()) with { Server = new RequestedServer(null, null, id) }, cancellationToken));
            await using var found = await RunningKernel.LaunchAsync(again, TestKernels.Python("k1"), cancellationToken);
            (await found.RunAsync("print(x + 1)", cancellationToken)).Should().Be("42");
        }
        finally
        {
            await Running.DeleteKernelAsync(id);
        }
    }

    [Test]
    public async Task A_kernel_that_is_not_there_cannot_be_adopted(CancellationToken cancellationToken)
    {
        var host = Keep(await Provisioner.ProvisionAsync(TestKernels.Spec(NextId()) with { Server = new RequestedServer(null, null, Guid.NewGuid().ToString()) }, cancellationToken));
        (await host.Invoking(it => it.LaunchKernelAsync(TestKernels.Python("k1"), cancellationToken)).Should().ThrowAsync<GatewayException>())
            .Which.Should().Match<GatewayException>(it => it.Code == ErrorCode.InvalidArgument && it.Field == "kernelId");
        var strict = ServerProvisioners.Create(new JupyterServerOptions { Url = Running.Address.ToString(), Token = Running.Token, StateFolder = State });
        (await strict.Invoking(it => it.ProvisionAsync(TestKernels.Spec(NextId()) with { Server = new RequestedServer(null, null, "a-b") }, cancellationToken)).Should().ThrowAsync<GatewayException>())
            .Which.Should().Match<GatewayException>(it => it.Code == ErrorCode.NotSupported && it.Message.Contains("AllowAdoption"));
    }

    [Test]
    public async Task A_wrong_token_is_refused_with_the_way_out_and_is_not_shown(CancellationToken cancellationToken)
    {
        var wrong = ServerProvisioners.Create(new JupyterServerOptions { Url = Running.Address.ToString(), Token = "wrong-secret", StateFolder = State });
        var ready = await wrong.CheckAsync(cancellationToken);
        ready.Reason.Should().Contain("refuses the token").And.NotContain("wrong-secret");
        var refused = (await wrong.Invoking(it => it.ProvisionAsync(TestKernels.Spec(NextId()), cancellationToken)).Should().ThrowAsync<GatewayException>()).Which;
        refused.Code.Should().Be(ErrorCode.HostNotReady);
        refused.ToString().Should().NotContain("wrong-secret");
    }

    [Test]
    public async Task The_token_can_be_in_a_file(CancellationToken cancellationToken)
    {
        using var folder = new StateFolder();
        var file = Path.Combine(folder.Path, "token");
        await File.WriteAllTextAsync(file, Running.Token + "\n", cancellationToken);
        (await ServerProvisioners.Create(new JupyterServerOptions { Url = Running.Address.ToString(), TokenFile = file, StateFolder = State }).CheckAsync(cancellationToken)).Ready.Should().BeTrue();
        (await ServerProvisioners.Create(new JupyterServerOptions { Url = Running.Address.ToString(), TokenFile = file + "2", StateFolder = State }).CheckAsync(cancellationToken))
            .Reason.Should().Contain("Gateway:LocalJupyter:TokenFile");
    }

    [Test]
    public async Task A_server_that_a_caller_names_must_be_allowed_and_public(CancellationToken cancellationToken)
    {
        var spec = TestKernels.Spec(NextId()) with { Server = new RequestedServer(Running.Address.ToString(), Running.Token, null) };
        (await Provisioner.Invoking(it => it.ProvisionAsync(spec, cancellationToken)).Should().ThrowAsync<GatewayException>())
            .Which.Should().Match<GatewayException>(it => it.Code == ErrorCode.NotSupported && it.Field == "serverUrl");
        var open = new JupyterServerOptions { AllowRequestServers = true, StateFolder = State };
        foreach (var url in new[] { Running.Address.ToString(), $"http://localhost:{Running.Port}", $"http://[::ffff:127.0.0.1]:{Running.Port}", "http://169.254.169.254/" })
        {
            (await ServerProvisioners.Create(open).Invoking(it => it.ProvisionAsync(spec with { Server = spec.Server! with { Url = url } }, cancellationToken)).Should().ThrowAsync<GatewayException>("of {0}", url))
                .Which.Should().Match<GatewayException>(it => it.Code == ErrorCode.HostNotReady && !it.Message.Contains(Running.Token));
        }

        foreach (var url in new[] { "ftp://x/", "http://user:word@x/", "http://x/?token=secret", "nonsense", "/etc/passwd" })
        {
            (await ServerProvisioners.Create(open).Invoking(it => it.ProvisionAsync(spec with { Server = spec.Server! with { Url = url } }, cancellationToken)).Should().ThrowAsync<GatewayException>("of {0}", url))
                .Which.Field.Should().Be("serverUrl");
        }

        var host = Keep(await ServerProvisioners.Create(open, "127.0.0.1/32").ProvisionAsync(spec, cancellationToken));
        await using var kernel = await RunningKernel.LaunchAsync(host, TestKernels.Python("k1"), cancellationToken);
        (await kernel.RunAsync("print(1+1)", cancellationToken)).Should().Be("2", "what the operator allows is allowed here too");
        $"{spec.Server} {spec}".Should().NotContain(Running.Token);
    }

    [Test]
    public async Task When_the_server_is_started_anew_its_kernels_are_lost_and_said_to_be(CancellationToken cancellationToken)
    {
        await using var server = await Server.StartNewAsync();
        var provisioner = ServerProvisioners.Create(new JupyterServerOptions { Url = server.Address.ToString(), Token = server.Token, StateFolder = State });
        var host = Keep(await provisioner.ProvisionAsync(TestKernels.Spec(NextId()), cancellationToken));
        await using var kernel = await RunningKernel.LaunchAsync(host, TestKernels.Python("k1"), cancellationToken);
        using var running = await kernel.StartAsync("import time; time.sleep(60)", cancellationToken);
        await server.KillAsync();
        await server.StartAsync();
        (await kernel.Kernel.Exited.WaitAsync(TimeSpan.FromSeconds(20), cancellationToken)).Should().Match<KernelExit>(it => it.Reason == "lost" && it.Message.Contains("server"));
        host.Exited.IsCompleted.Should().BeFalse("there can be new ones");
        await using var next = await RunningKernel.LaunchAsync(host, TestKernels.Python("k2"), cancellationToken);
        (await next.RunAsync("print(1+1)", cancellationToken)).Should().Be("2");
        await host.TerminateAsync(TimeSpan.Zero, cancellationToken); // While there is a server that can be asked for it.
    }
}
