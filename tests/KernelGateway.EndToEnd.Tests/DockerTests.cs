using System.Globalization;
using KernelGateway.Client;
using KernelGateway.Contracts.Events;
using KernelGateway.Contracts.Executions;
using KernelGateway.Contracts.Sandboxes;
using KernelGateway.Provisioners.Tests.Support;

namespace KernelGateway.EndToEnd.Tests;

/// <summary>The variant <c>local-docker</c> through the real gateway and a real engine.</summary>
[NonParallelizable]
[CancelAfter(120_000)]
public sealed partial class DockerTests
{
    private DockerDaemon? _daemon;

    [OneTimeSetUp]
    public async Task StartDaemon()
    {
        var missing = DockerDaemon.Missing();
        Requires.Demand(missing is null, missing ?? "");
        _daemon = await DockerDaemon.StartNewAsync(Repository.Root);
    }

    [OneTimeTearDown]
    public async Task EndDaemon()
    {
        if (_daemon is not null)
        {
            await _daemon.DisposeAsync();
        }
    }

    [Test]
    public async Task A_run_goes_on_over_a_crash_of_the_gateway_and_not_a_line_is_lost(CancellationToken cancellationToken)
    {
        await using var gateway = await StartAsync();
        await using var client = gateway.Client();
        string id;
        await using (var sandbox = await Sandbox.CreateAsync(client, new CreateSandboxRequest { Variant = "docker", Tags = new Dictionary<string, string> { ["of"] = "docker" } }, cancellationToken))
        {
            id = sandbox.Id;
            var info = await sandbox.RefreshAsync(cancellationToken);
            info.Variant.Should().Be("local-docker");
            info.RunsOn.Should().StartWith("kernel-gateway/python-cpu-env:latest@sha256:");
            info.Disk!.TotalBytes.Should().BePositive();
            await sandbox.RunCodeAsync("x = 41", cancellationToken: cancellationToken);
            await sandbox.Files.WriteTextAsync("/data/test.txt", "Hello World", cancellationToken: cancellationToken);
            (await sandbox.Commands.RunAsync("cat /data/test.txt", cancellationToken: cancellationToken)).Stdout.Should().Be("Hello World");
            var run = await sandbox.StartCodeAsync("import time\nprint('begun', flush=True)\ntime.sleep(1)\nfor i in range(1000): print(i, flush=True)\nx + 1", cancellationToken: cancellationToken);
            await sandbox.FirstAsync<OutputEvent>(run.FirstSequence, cancellationToken);
            await gateway.KillAsync();
            await QuietFolder.WaitForAsync(Path.Combine(gateway.DataFolder, "hosts"));

            await gateway.StartAsync();

            var result = await run.WaitAsync(cancellationToken);
            result.Status.Should().Be(ExecutionStatus.Ok);
            result.Text.Should().Be("42");
            result.Lines.Select(l => l.Line).Should().Equal(["begun", .. Enumerable.Range(0, 1000).Select(i => i.ToString(CultureInfo.InvariantCulture))]);
            (await sandbox.Files.ReadTextAsync("/data/test.txt", cancellationToken: cancellationToken)).Should().Be("Hello World");
        }

        // Others may be there: a gateway that has just started tries the variant out.
        (await _daemon!.DockerAsync("ps", "--all", "--quiet", "--filter", $"label=kernelgateway.sandbox={id}")).Should().BeEmpty("nothing of a sandbox is left");
        Directory.Exists(Path.Combine(gateway.DataFolder, "hosts", "docker", "sandboxes", id)).Should().BeFalse();
        Directory.EnumerateFiles(Path.Combine(gateway.DataFolder, "hosts", "docker", "slots")).Select(File.ReadAllText).Should().NotContain(id);
        File.ReadAllText("/proc/self/mountinfo").Should().NotContain(id);
    }

    [Test]
    public async Task The_network_policy_is_enforced_by_the_gateway(CancellationToken cancellationToken)
    {
        await using var gateway = await StartAsync();
        await using var client = gateway.Client();
        await using var sandbox = await Sandbox.CreateAsync(client, new CreateSandboxRequest { Variant = "local_docker", NetworkPolicy = NetworkPolicy.Allowlist, AllowedHosts = ["allowed.example"] }, cancellationToken);
        var refused = await sandbox.RunCodeAsync(
            "import urllib.request\ntry: urllib.request.urlopen('http://denied.example/', timeout=10)\nexcept Exception as e: print(e.code, e.headers['X-Proxy-Error'])", cancellationToken: cancellationToken);
        refused.Stdout.Should().StartWith("403 ").And.Contain("denied.example");
    }

    [Test]
    public async Task A_sandbox_whose_engine_was_restarted_has_failed_and_says_why(CancellationToken cancellationToken)
    {
        await using var gateway = await StartAsync();
        await using var client = gateway.Client();
        await using var sandbox = await Sandbox.CreateAsync(client, new CreateSandboxRequest { Variant = "local-docker" }, cancellationToken);
        var run = await sandbox.StartCodeAsync("import time\nprint('begun', flush=True)\ntime.sleep(600)", cancellationToken: cancellationToken);
        await sandbox.FirstAsync<OutputEvent>(run.FirstSequence, cancellationToken);
        await _daemon!.StopAsync();
        await _daemon.StartAsync();

        (await run.WaitAsync(cancellationToken)).Status.Should().NotBe(ExecutionStatus.Ok);
        var info = await sandbox.RefreshAsync(cancellationToken);
        info.State.Should().Be(SandboxState.Failed);
        info.StateReason.Should().Contain("live-restore");
        await using var next = await Sandbox.CreateAsync(client, new CreateSandboxRequest { Variant = "local-docker" }, cancellationToken);
        (await next.RunCodeAsync("6*7", cancellationToken: cancellationToken)).Text.Should().Be("42");
    }

    private Task<GatewayProcess> StartAsync(params (string Key, string Value)[] more) => GatewayProcess.StartNewAsync(
    [
        ("Gateway:LocalDocker:SocketPath", _daemon!.Socket),
        ("Gateway:LocalDocker:UidBase", "1258291200"),
        .. more,
    ]);
}
