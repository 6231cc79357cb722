using KernelGateway.Core.Errors;
using KernelGateway.Core.Provisioning;
using KernelGateway.Provisioners.Datalayer;
using KernelGateway.Provisioners.Tests.Contract;
using KernelGateway.Provisioners.Tests.JupyterServer;
using KernelGateway.Provisioners.Tests.Support;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;

namespace KernelGateway.Provisioners.Tests.Datalayer;

/// <summary>The variant <c>datalayer-runtime</c>, against a small control plane that hands out real Jupyter Servers.</summary>
public sealed class DatalayerTests : KernelProvisionerContract
{
    private readonly ControlPlane _plane = new();

    protected override string Variant => "datalayer-runtime";

    protected override bool RunsAnyProgram => false;

    protected override bool KeepsLogs => false;

    protected override bool TellsHowKernelsEnd => false;

    protected override TimeSpan ToldWithin => TimeSpan.FromSeconds(10);

    protected override bool IsOnThisHost => false;

    protected override bool HasItsOwnFiles => false;

    protected override string WorkFolderOf(string sandboxId) => _plane.Servers.Last().Folder;

    protected override IKernelProvisioner Create(string state)
    {
        ServerProvisioners.RequireServer();
        return Create(OptionsOf());
    }

    protected override Task CheckNothingIsLeftAsync()
    {
        _plane.Pods.Should().BeEmpty("a runtime that nobody needs costs all the same");
        _plane.OnCreated = null;
        return Task.CompletedTask;
    }

    [OneTimeTearDown]
    public async Task EndService() => await _plane.DisposeAsync();

    [Test]
    public async Task A_runtime_is_asked_for_with_its_environment_its_name_and_what_it_may_cost(CancellationToken cancellationToken)
    {
        var id = NextId();
        await ProvisionAsync(cancellationToken, id);
        _plane.LastCreate.GetProperty("type").GetString().Should().Be("notebook");
        _plane.LastCreate.GetProperty("environment_name").GetString().Should().Be("test-env");
        _plane.LastCreate.GetProperty("given_name").GetString().Should().Be("kg-test-" + id);
        _plane.LastCreate.GetProperty("credits_limit").GetDouble().Should().BeApproximately(0.002 * 60 * 60, 1e-9);
    }

    [Test]
    public async Task A_wrong_key_is_told_with_the_way_out_and_not_shown(CancellationToken cancellationToken)
    {
        var wrong = Create(OptionsOf("wrong-secret"));
        (await wrong.CheckAsync(cancellationToken)).Reason.Should().Contain("Gateway:Datalayer:ApiKey").And.NotContain("wrong-secret");
        var refused = (await wrong.Invoking(it => it.ProvisionAsync(TestKernels.Spec(NextId()), cancellationToken)).Should().ThrowAsync<GatewayException>()).Which;
        refused.Code.Should().Be(ErrorCode.HostNotReady);
        refused.ToString().Should().NotContain("wrong-secret");
    }

    [Test]
    public async Task Without_a_key_it_is_switched_off_and_calls_nobody(CancellationToken cancellationToken)
    {
        var before = _plane.Calls.Count;
        var off = Create(OptionsOf(""));
        (await off.CheckAsync(cancellationToken)).Reason.Should().Contain("DATALAYER_API_KEY");
        (await off.RemoveOrphansAsync(new HashSet<string>(), cancellationToken)).Should().BeEmpty();
        (await off.Invoking(it => it.ProvisionAsync(TestKernels.Spec("s1"), cancellationToken)).Should().ThrowAsync<GatewayException>()).Which.Code.Should().Be(ErrorCode.NotSupported);
        _plane.Calls.Count.Should().Be(before);
    }

    [Test]
    public async Task An_environment_that_there_is_not_is_told_with_those_that_there_are(CancellationToken cancellationToken)
    {
        var spec = TestKernels.Spec(NextId());
        (await Provisioner.Invoking(it => it.ProvisionAsync(spec with { Environment = spec.Environment with { Name = "gone" } }, cancellationToken)).Should().ThrowAsync<GatewayException>())
            .Which.Should().Match<GatewayException>(it => it.Code == ErrorCode.EnvironmentNotFound && it.Message.Contains("test-env"));
    }

    [TestCase(404, """{"message":"Environment does not exist"}""", ErrorCode.EnvironmentNotFound, "does not exist")]
    [TestCase(402, """{"message":"Not enough credits"}""", ErrorCode.LimitReached, "Not enough credits")]
    [TestCase(429, """{"reason":"Too many runtimes"}""", ErrorCode.LimitReached, "Too many runtimes")]
    [TestCase(403, """{"message":"no"}""", ErrorCode.HostNotReady, "refuses the API key")]
    [TestCase(400, """{"message":"bad\u001b[31m request"}""", ErrorCode.KernelFailed, "bad·[31m request")]
    [TestCase(200, "[1,2", ErrorCode.KernelFailed, "not JSON")]
    [TestCase(200, "{}", ErrorCode.KernelFailed, "can be used")]
    [TestCase(201, """{"runtime":{"pod_name":"../../etc","token":"t","ingress":"http://x"}}""", ErrorCode.KernelFailed, "can be used")]
    [TestCase(302, "", ErrorCode.KernelFailed, "302")]
    public async Task What_the_service_answers_to_the_wish_for_a_runtime_is_told_in_words(int status, string body, ErrorCode code, string words, CancellationToken cancellationToken)
    {
        var provisioner = Create(OptionsOf());
        _plane.Fail((200, """{"environments":[{"name":"test-env","burning_rate":1}]}"""), (200, """{"runtimes":[]}"""), (status, body));
        (await provisioner.Invoking(it => it.ProvisionAsync(TestKernels.Spec(NextId()), cancellationToken)).Should().ThrowAsync<GatewayException>())
            .Which.Should().Match<GatewayException>(it => it.Code == code && it.Message.Contains(words), "it was {0} {1}", status, body);
    }

    [Test]
    public async Task A_service_that_says_later_is_asked_again_and_after_the_fourth_time_its_reason_is_told(CancellationToken cancellationToken)
    {
        const string Busy = """{"reason":"no nodes","retry_after_seconds":30}""";
        _plane.Fail((200, """{"environments":[{"name":"test-env","burning_rate":1}]}"""), (200, """{"runtimes":[]}"""), (503, Busy), (502, "<html>"), (504, ""), (503, Busy));
        var time = new ManualTime();
        var provisioner = Create(OptionsOf(), time);
        var making = provisioner.ProvisionAsync(TestKernels.Spec(NextId()), cancellationToken);
        while (!making.IsCompleted)
        {
            time.Advance(TimeSpan.FromSeconds(0.1));
            await Task.Delay(5, cancellationToken);
        }

        (await ((Func<Task>)(() => making)).Should().ThrowAsync<GatewayException>())
            .Which.Should().Match<GatewayException>(it => it.Code == ErrorCode.LimitReached && it.Message.Contains("no nodes") && it.Message.Contains("30 s"));
        time.GetUtcNow().Should().BeAfter(DateTimeOffset.UnixEpoch.AddSeconds(6.9), "the waits are 1, 2 and 4 seconds");
    }

    [Test]
    public async Task A_server_that_does_not_become_ready_is_given_up_and_its_runtime_ended(CancellationToken cancellationToken)
    {
        var options = OptionsOf();
        options.IngressTimeout = TimeSpan.FromSeconds(0.5);
        _plane.OnCreated = runtime => runtime["ingress"] = "http://127.0.0.1:1/";
        (await Create(options).Invoking(it => it.ProvisionAsync(TestKernels.Spec(NextId()), cancellationToken)).Should().ThrowAsync<GatewayException>())
            .Which.Should().Match<GatewayException>(it => it.Code == ErrorCode.HostNotReady && it.Message.Contains("not ready within 0.5 s"));
        _plane.Pods.Should().BeEmpty();
    }

    [TestCase("http://169.254.169.254/latest"), TestCase("http://user:word@127.0.0.1/"), TestCase("file:///etc/passwd"), TestCase("")]
    public async Task An_address_that_the_gateway_must_not_call_is_not_called(string ingress, CancellationToken cancellationToken)
    {
        var options = OptionsOf();
        options.IngressTimeout = TimeSpan.FromSeconds(0.3);
        _plane.OnCreated = runtime => runtime["ingress"] = ingress;
        await Create(options).Invoking(it => it.ProvisionAsync(TestKernels.Spec(NextId()), cancellationToken)).Should().ThrowAsync<GatewayException>();
        _plane.Pods.Should().BeEmpty();
    }

    [Test]
    public async Task A_runtime_whose_time_is_over_is_the_end_of_the_place(CancellationToken cancellationToken)
    {
        var options = OptionsOf();
        options.LookInterval = TimeSpan.FromSeconds(0.1);
        var host = Keep(await Create(options).ProvisionAsync(TestKernels.Spec(NextId()), cancellationToken));
        var kernel = await host.LaunchKernelAsync(TestKernels.Python("k1"), cancellationToken);
        var description = host.Describe();
        await _plane.ExpireAsync(_plane.Pods.Single());
        (await host.Exited.WaitAsync(TimeSpan.FromSeconds(20), cancellationToken)).Should().Match<HostExit>(it => it.Reason == "died" && it.Message.Contains("runtime is gone"));
        (await kernel.Exited.WaitAsync(cancellationToken)).Reason.Should().Be("lost");
        (await Provisioner.Invoking(it => it.ReattachAsync(description, cancellationToken)).Should().ThrowAsync<GatewayException>())
            .Which.Should().Match<GatewayException>(it => it.Code == ErrorCode.KernelFailed && it.Message.Contains("ended while the gateway was away"));
    }

    [Test]
    public async Task Runtimes_of_others_are_left_alone(CancellationToken cancellationToken)
    {
        await ProvisionAsync(cancellationToken);
        var options = OptionsOf();
        options.NamePrefix = "kg-another-";
        (await Create(options).RemoveOrphansAsync(new HashSet<string>(), cancellationToken)).Should().BeEmpty();
        _plane.Pods.Should().ContainSingle();
    }

    private static DatalayerProvisioner Create(DatalayerOptions options, TimeProvider? time = null) =>
        new(Options.Create(options), ServerProvisioners.Dialler("127.0.0.1/32"), time ?? TimeProvider.System, NullLogger<DatalayerProvisioner>.Instance);

    private DatalayerOptions OptionsOf(string key = ControlPlane.Key) => new() { ApiKey = key, Url = _plane.Address, NamePrefix = "kg-test-", StateFolder = State, LauncherFolder = Repository.Launcher };
}
