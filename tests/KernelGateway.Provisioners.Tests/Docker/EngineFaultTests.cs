using System.Text;
using KernelGateway.Core.Errors;
using KernelGateway.Provisioners.Docker;
using KernelGateway.Provisioners.Tests.Support;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;

namespace KernelGateway.Provisioners.Tests.Docker;

/// <summary>An engine that is not there, does not answer, or answers nonsense.</summary>
[NonParallelizable]
[CancelAfter(60_000)]
[FixtureLifeCycle(LifeCycle.InstancePerTestCase)]
public sealed class EngineFaultTests : IDisposable
{
    private const string Image = """{"Id":"sha256:0000000000000000000000000000000000000000000000000000000000000000","Config":{}}""";
    private const string ContainerId = "1111111111111111111111111111111111111111111111111111111111111111";

    private readonly StateFolder _folder = new();
    private readonly string _parent = $"/kg-fake-{Environment.ProcessId}";

    private string Socket => Path.Combine(_folder.Path, "sock");

    private string State => Path.Combine(_folder.Path, "h");

    public void Dispose()
    {
        var left = HostTraces.Find(State, _parent);
        HostTraces.RemoveGroups(_parent);
        _folder.Dispose();
        left.Should().BeEmpty();
    }

    [Test]
    public async Task No_socket_and_nobody_behind_it_are_named_with_the_way_out(CancellationToken cancellationToken)
    {
        Requires.Root();
        using var provisioner = Create();
        (await provisioner.CheckAsync(cancellationToken)).Reason.Should().Contain($"There is no Docker engine at {Socket}").And.Contain("apt install docker.io").And.Contain("Gateway:LocalDocker:SocketPath");
        // What an engine that was killed leaves: a name that nobody listens behind.
        await File.WriteAllTextAsync(Socket, "", cancellationToken);
        (await provisioner.CheckAsync(cancellationToken)).Reason.Should().Contain("does not run. Start it");
        (await provisioner.Invoking(it => it.ProvisionAsync(TestKernels.Spec("s1"), cancellationToken)).Should().ThrowAsync<GatewayException>())
            .Which.Should().Match<GatewayException>(it => it.Code == ErrorCode.HostNotReady && it.Message.Contains("does not run. Start it"));
        (await provisioner.RemoveOrphansAsync(new HashSet<string>(), cancellationToken)).Should().BeEmpty("it cannot, and must not keep the gateway from starting");
    }

    [Test]
    public async Task A_variant_that_is_switched_off_says_so(CancellationToken cancellationToken)
    {
        using var provisioner = Create(options => options.Enabled = false);
        (await provisioner.CheckAsync(cancellationToken)).Reason.Should().Contain("Gateway:LocalDocker:Enabled");
        (await provisioner.Invoking(it => it.ProvisionAsync(TestKernels.Spec("s1"), cancellationToken)).Should().ThrowAsync<GatewayException>())
            .Which.Message.Should().Contain("Gateway:LocalDocker:Enabled");
    }

    [TestCase("hello", "cannot be reached")]
    [TestCase("", "cannot be reached")]
    [TestCase("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "no JSON")]
    [TestCase("HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello", "cannot be reached")]
    [TestCase("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", "does not say which version")]
    [TestCase("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]", "does not say which version")]
    [TestCase("HTTP/1.1 200 OK\r\n\r\n{\"Version\":\"\\u001b[2Jx\",\"ApiVersion\":7}", "does not say which version")]
    [TestCase("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n", "refused GET /version (302)")]
    [TestCase("HTTP/1.1 500 X\r\n\r\n{\"message\":\"disk \\u001b[31mon fire\"}\n", "disk ·[31mon fire")]
    public async Task An_answer_that_is_none_is_told_and_not_believed(string answer, string words, CancellationToken cancellationToken)
    {
        Requires.Root();
        await using var engine = new FakeEngine(Socket, _ => Encoding.UTF8.GetBytes(answer));
        using var provisioner = Create();
        var ready = await provisioner.CheckAsync(cancellationToken);
        ready.Ready.Should().BeFalse();
        ready.Reason.Should().Contain(words);
        ready.Reason!.Length.Should().BeLessThan(1000);
    }

    [Test]
    public async Task An_endless_answer_is_cut_and_a_deep_one_refused(CancellationToken cancellationToken)
    {
        Requires.Root();
        var deep = new string('[', 10_000) + new string(']', 10_000);
        var large = Encoding.UTF8.GetBytes("HTTP/1.1 200 OK\r\n\r\n" + new string(' ', 9 << 20));
        foreach (var (answer, words) in new[] { (large, "sent more than 8388608 bytes"), (FakeEngine.Json(deep), "no JSON") })
        {
            File.Delete(Socket);
            await using var engine = new FakeEngine(Socket, _ => answer);
            using var provisioner = Create();
            (await provisioner.CheckAsync(cancellationToken)).Reason.Should().Contain(words);
        }
    }

    [TestCase("1.40", "19.3.0", "Docker 20.10 (API 1.41) or newer is needed")]
    [TestCase("1.41", "20.10", "has no seccomp")]
    public async Task An_engine_that_is_too_old_or_cannot_filter_is_refused(string api, string version, string words, CancellationToken cancellationToken)
    {
        Requires.Root();
        await using var engine = new FakeEngine(Socket, path => FakeEngine.Json(path.EndsWith("/version", StringComparison.Ordinal)
            ? $$"""{"Version":"{{version}}","ApiVersion":"{{api}}"}"""
            : """{"OSType":"linux","CgroupDriver":"cgroupfs"}"""));
        using var provisioner = Create();
        (await provisioner.CheckAsync(cancellationToken)).Reason.Should().Contain(words);
    }

    [TestCase("1.41", "1.12", "/v1.41/info"), TestCase("1.51", "1.24", "/v1.44/info"), TestCase("1.60", "1.50", "/v1.50/info")]
    public async Task The_version_of_the_api_is_one_that_both_know(string newest, string oldest, string asked, CancellationToken cancellationToken)
    {
        var paths = new List<string>();
        await using var fake = new FakeEngine(Socket, path =>
        {
            paths.Add(path);
            return FakeEngine.Json(path == "GET /version" ? $$"""{"Version":"1","ApiVersion":"{{newest}}","MinAPIVersion":"{{oldest}}"}""" : FakeEngine.GoodInfo);
        });
        await new DockerEngine(EngineClient.For(Socket, TimeProvider.System), TimeProvider.System).FactsAsync(cancellationToken);
        paths.Should().Equal("GET /version", $"GET {asked}");
    }

    [Test]
    public async Task An_engine_that_does_not_answer_holds_nobody_up(CancellationToken cancellationToken)
    {
        var time = new ManualTime();
        await using var fake = new FakeEngine(Socket, _ => null);
        var asking = new DockerEngine(EngineClient.For(Socket, time), time).FactsAsync(cancellationToken);
        await fake.Asked.Task.WaitAsync(cancellationToken);
        asking.IsCompleted.Should().BeFalse();
        time.Advance(TimeSpan.FromSeconds(10));
        (await FluentActions.Awaiting(() => asking).Should().ThrowAsync<EngineException>()).Which.Message.Should().Contain("did not answer GET /version within 10 seconds");
    }

    [TestCase("../../images/x", null, "no id")]
    [TestCase(ContainerId, 0, "ended at once")]
    [TestCase(ContainerId, int.MaxValue, "ended at once")]
    [TestCase(ContainerId, null, "does not run its containers on this host")]
    public async Task A_container_that_is_not_one_of_this_host_makes_no_process_ours(string id, int? pid, string words, CancellationToken cancellationToken)
    {
        Requires.Root();
        using var stranger = System.Diagnostics.Process.Start("/bin/sleep", "600");
        var state = $$$"""{"State":{"Pid":{{{pid ?? stranger.Id}}},"OOMKilled":true}}""";
        var asked = new List<string>();
        await using var engine = new FakeEngine(Socket, path =>
        {
            asked.Add(path);
            return path.Split('/')[^1] switch
            {
                "version" => FakeEngine.Json(FakeEngine.GoodVersion),
                "info" => FakeEngine.Json(FakeEngine.GoodInfo),
                "create" => FakeEngine.Json($$"""{"Id":"{{id}}"}""", 201),
                "start" => FakeEngine.Json("", 204),
                "wait" => FakeEngine.Json("""{"StatusCode":0}"""),
                "logs" => FakeEngine.Json("kernelpython=/usr/bin/python3\r\ntini=/usr/bin/tini\r\n"),
                _ when path.Contains("/images/", StringComparison.Ordinal) => FakeEngine.Json(Image),
                _ when path.StartsWith("DELETE", StringComparison.Ordinal) => FakeEngine.Json("", 204),
                _ => FakeEngine.Json(state),
            };
        });
        using var provisioner = Create();
        (await provisioner.Invoking(it => it.ProvisionAsync(TestKernels.Spec("s1"), cancellationToken)).Should().ThrowAsync<GatewayException>()).Which.Message.Should().Contain(words);
        stranger.HasExited.Should().BeFalse("it is no container, whatever the engine says");
        stranger.Kill();
        await stranger.WaitForExitAsync(cancellationToken);
        asked.Where(path => path.StartsWith("DELETE", StringComparison.Ordinal)).Should().OnlyContain(path => path.StartsWith("DELETE /v1.41/containers/kernel-gateway-", StringComparison.Ordinal), "only what was named by us is removed");
    }

    [TestCase("python=relative\npython=/usr/bin/../x y\n", "has no python3")]
    [TestCase("python=/usr/bin/python3\n", "has no ipykernel")]
    public async Task What_an_image_lacks_is_named(string look, string words, CancellationToken cancellationToken)
    {
        Requires.Root();
        await using var engine = new FakeEngine(Socket, path => path.Split('/')[^1] switch
        {
            "version" => FakeEngine.Json(FakeEngine.GoodVersion),
            "info" => FakeEngine.Json(FakeEngine.GoodInfo),
            "create" => FakeEngine.Json($$"""{"Id":"{{ContainerId}}"}""", 201),
            "wait" => FakeEngine.Json("""{"StatusCode":0}"""),
            "logs" => FakeEngine.Json(look),
            _ when path.Contains("/images/", StringComparison.Ordinal) => FakeEngine.Json(Image),
            _ => FakeEngine.Json("", 204),
        });
        using var provisioner = Create();
        (await provisioner.Invoking(it => it.ProvisionAsync(TestKernels.Spec("s1"), cancellationToken)).Should().ThrowAsync<GatewayException>())
            .Which.Should().Match<GatewayException>(it => it.Code == ErrorCode.HostNotReady && it.Message.Contains(words) && it.Message.Contains("kernel-gateway/test-env:latest"));
    }

    private DockerProvisioner Create(Action<DockerProvisionerOptions>? change = null)
    {
        var options = new DockerProvisionerOptions { SocketPath = Socket, StateFolder = State, LauncherFolder = Repository.Launcher, CgroupParent = _parent };
        change?.Invoke(options);
        return new DockerProvisioner(Options.Create(options), TimeProvider.System, NullLogger<DockerProvisioner>.Instance);
    }
}
