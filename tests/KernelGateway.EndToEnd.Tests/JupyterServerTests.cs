using KernelGateway.Client;
using KernelGateway.Contracts.Errors;
using KernelGateway.Contracts.Events;
using KernelGateway.Contracts.Executions;
using KernelGateway.Contracts.Sandboxes;
using KernelGateway.Provisioners.Tests.Datalayer;

namespace KernelGateway.EndToEnd.Tests;

/// <summary>Sandboxes whose kernels live in a real Jupyter Server: one of somebody else, one that the gateway starts, one that a cloud hands out.</summary>
[CancelAfter(120_000)]
public sealed class JupyterServerTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    [SetUp]
    public void NeedServer() => JupyterServerProcess.Require();

    [TestCase("started"), TestCase("external"), TestCase("datalayer")]
    public async Task Code_files_commands_and_variables_work_and_live_on_over_a_crash_of_the_gateway_with_a_gap_that_is_told(string kind, CancellationToken cancellationToken)
    {
        await using var server = kind == "external" ? await JupyterServerProcess.StartNewAsync() : null;
        await using var plane = kind == "datalayer" ? new ControlPlane() : null;
        await using var gateway = await GatewayProcess.StartNewAsync(ConfigurationOf(server, plane));
        await using var client = gateway.Client();
        await using var sandbox = await Sandbox.CreateAsync(
            client, new CreateSandboxRequest { Variant = kind == "datalayer" ? "datalayer-runtime" : "local-jupyter", Env = new Dictionary<string, string> { ["COLOUR"] = "red" } }, cancellationToken);

        var lines = new List<string>();
        var first = await sandbox.RunCodeAsync(
            "import os\nfor i in range(3): print('line', i, os.environ['COLOUR'])\n6*7", new RunCodeOptions { OnStdout = line => lines.Add(line.Line) }, cancellationToken);
        first.Text.Should().Be("42");
        lines.Should().Equal("line 0 red", "line 1 red", "line 2 red");
        (await sandbox.RunCodeAsync("1/0", cancellationToken: cancellationToken)).Status.Should().Be(ExecutionStatus.Error);

        await sandbox.SetVariableAsync("rows", new[] { 1, 2, 3 }, cancellationToken: cancellationToken);
        (await sandbox.GetVariableAsync<int[]>("rows", cancellationToken: cancellationToken)).Should().Equal(1, 2, 3);
        await sandbox.Files.WriteTextAsync("a.txt", "over the API", cancellationToken: cancellationToken);
        (await sandbox.RunCodeAsync("open('a.txt').read()", cancellationToken: cancellationToken)).Text.Should().Be("'over the API'");
        var beside = Path.Combine(gateway.DataFolder, "beside", "test.txt");
        var writing = () => sandbox.Files.WriteTextAsync(beside, "elsewhere", cancellationToken: cancellationToken);
        if (kind == "datalayer")
        {
            await writing();
            (await sandbox.RunCodeAsync($"open('{beside}').read()", cancellationToken: cancellationToken)).Text.Should().Be("'elsewhere'", "a runtime is all the sandbox's");
        }
        else
        {
            (await writing.Should().ThrowAsync<KernelGatewayException>()).Which.Code.Should().Be("invalid_path");
        }

        (await sandbox.Commands.RunAsync("cat a.txt; echo $COLOUR; exit 3", cancellationToken: cancellationToken)).Should().Match<CommandOutcome>(it => it.ExitCode == 3 && it.Stdout == "over the APIred\n");

        var (go, done) = (Path.Combine(gateway.DataFolder, "go"), Path.Combine(gateway.DataFolder, "done"));
        var run = await sandbox.StartCodeAsync(
            $"import time\nx = 41\nprint('begun', flush=True)\nwhile not os.path.exists('{go}'): time.sleep(0.01)\nprint('meanwhile', flush=True)\nopen('{done}', 'w').close()", cancellationToken: cancellationToken);
        await sandbox.FirstAsync<OutputEvent>(run.FirstSequence, cancellationToken);
        await gateway.KillAsync();
        await File.WriteAllTextAsync(go, "", cancellationToken);
        await Wait.UntilAsync(() => File.Exists(done), Patience, "the code has gone on while the gateway was away", cancellationToken);

        await gateway.StartAsync();
        var result = await run.WaitAsync(cancellationToken);
        result.Status.Should().Be(ExecutionStatus.Ok, "the server keeps for a session what is said while it is away; it said {0}", result.Execution.Reason);
        result.Stdout.Should().Be("begun\nmeanwhile\n");
        (await sandbox.FirstAsync<GapEvent>(0, cancellationToken)).Reason.Should().Contain("keeps no log");
        (await sandbox.RunCodeAsync("x + 1", cancellationToken: cancellationToken)).Text.Should().Be("42");
        (await sandbox.Files.ReadTextAsync("a.txt", cancellationToken: cancellationToken)).Should().Be("over the API");
        (await sandbox.Commands.RunAsync("echo again", cancellationToken: cancellationToken)).Stdout.Should().Be("again\n");

        await sandbox.TerminateAsync(cancellationToken: cancellationToken);
        (server is null ? [] : await server.KernelsAsync()).Should().BeEmpty("neither kernels of contexts nor that of files and commands stay");
        (plane?.Pods ?? []).Should().BeEmpty();
        Directory.Exists(Path.Combine(gateway.DataFolder, "hosts", "jupyter", "places", sandbox.Id)).Should().BeFalse();
        foreach (var secret in new[] { server?.Token, plane is null ? null : ControlPlane.Key }.OfType<string>())
        {
            gateway.Log.Should().NotContain(secret);
        }
    }

    [TestCase("started"), TestCase("external"), TestCase("datalayer")]
    public async Task A_snapshot_brings_files_and_variables_to_another_sandbox_and_leaves_no_trace_in_the_first(string kind, CancellationToken cancellationToken)
    {
        await using var server = kind == "external" ? await JupyterServerProcess.StartNewAsync() : null;
        await using var plane = kind == "datalayer" ? new ControlPlane() : null;
        await using var gateway = await GatewayProcess.StartNewAsync(ConfigurationOf(server, plane));
        await using var client = gateway.Client();
        var request = new CreateSandboxRequest { Variant = kind == "datalayer" ? "datalayer-runtime" : "local-jupyter" };
        await using var first = await Sandbox.CreateAsync(client, request, cancellationToken);
        (await first.RunCodeAsync(
            "import os, pandas as pd\ndf = pd.DataFrame({'a':[1,2,3]})\nsame = df\ndef total(): return int(df['a'].sum())\nopened = open('a.txt', 'w')\n"
            + "opened.write('kept'); opened.flush()\nos.makedirs('d/e'); os.symlink('../a.txt', 'd/link'); os.chdir('d'); os.chmod('e', 0o711)",
            cancellationToken: cancellationToken)).Status.Should().Be(ExecutionStatus.Ok);

        var snapshot = await first.CreateSnapshotAsync("state", cancellationToken: cancellationToken);
        snapshot.Variables.Should().Be(5, "df, same, total and the modules os and pd can be kept");
        (await first.RunCodeAsync(
            "(get_ipython().execution_count, len(In), [name for name in dir() if name.startswith(('kg', 'save'))], [name for name in os.listdir('..') if name.startswith('.kg')])",
            cancellationToken: cancellationToken)).Text.Should().Be("(2, 3, [], [])");
        await first.RunCodeAsync("import shutil; os.chdir('..'); os.remove('a.txt'); shutil.rmtree('d')", cancellationToken: cancellationToken);

        await using var second = await Sandbox.CreateAsync(client, new CreateSandboxRequest { SnapshotName = "state" }, cancellationToken);
        (await second.RunCodeAsync("print(df)", cancellationToken: cancellationToken)).Stdout.Should().Be("   a\n0  1\n1  2\n2  3\n");
        (await second.RunCodeAsync("(same is df, total(), os.path.basename(os.getcwd()), open('link').read(), oct(os.stat('e').st_mode), 'opened' in dir())", cancellationToken: cancellationToken)).Text
            .Should().Be("(True, 6, 'd', 'kept', '0o40711', False)");
        (await second.Files.ReadTextAsync("a.txt", cancellationToken: cancellationToken)).Should().Be("kept");

        await second.RunCodeAsync("import sys; sys.modules['dill'] = None", cancellationToken: cancellationToken);
        (await FluentActions.Awaiting(() => second.CreateSnapshotAsync("none", cancellationToken: cancellationToken)).Should().ThrowAsync<KernelGatewayException>())
            .Which.Should().Match<KernelGatewayException>(it => it.Code == ErrorCodes.NotSupported && it.Message.Contains("dill beside its kernels"));
    }

    [Test]
    public async Task A_server_that_is_started_anew_costs_the_kernels_and_not_the_sandbox(CancellationToken cancellationToken)
    {
        await using var server = await JupyterServerProcess.StartNewAsync();
        await using var gateway = await GatewayProcess.StartNewAsync(("Gateway:LocalJupyter:Url", server.Address.ToString()), ("Gateway:LocalJupyter:Token", server.Token));
        await using var client = gateway.Client();
        await using var sandbox = await Sandbox.CreateAsync(client, new CreateSandboxRequest { Variant = "jupyter-server" }, cancellationToken);
        var run = await sandbox.StartCodeAsync("import time\nprint('begun', flush=True)\ntime.sleep(600)", cancellationToken: cancellationToken);
        await sandbox.FirstAsync<OutputEvent>(run.FirstSequence, cancellationToken);
        await server.KillAsync();
        await server.StartAsync();

        var result = await run.WaitAsync(cancellationToken);
        result.Status.Should().Be(ExecutionStatus.KernelDied);
        result.Execution.Reason.Should().Contain("server");
        await sandbox.RestartAsync(cancellationToken: cancellationToken);
        (await sandbox.RunCodeAsync("6*7", cancellationToken: cancellationToken)).Text.Should().Be("42");
    }

    [Test]
    public async Task Environments_that_only_the_service_has_are_listed_and_used_and_known_again_after_a_crash(CancellationToken cancellationToken)
    {
        await using var plane = new ControlPlane();
        await using var gateway = await GatewayProcess.StartNewAsync(ConfigurationOf(null, plane));
        await using var client = gateway.Client();

        var environments = await Sandbox.ListEnvironmentsAsync(client, "datalayer", cancellationToken);
        environments.Select(one => $"{one.Name}: {one.Title}, {one.Language}").Should().Equal("other: other, python", "python-cpu-env: Python, python", "test-env: Test, python");
        environments[1].Modules.Should().NotBeEmpty("the gateway knows more of those that it has too");
        (await Sandbox.ListEnvironmentsAsync(client, cancellationToken: cancellationToken)).Should().NotContain(one => one.Name == "test-env");

        await using var sandbox = await Sandbox.CreateAsync(client, new CreateSandboxRequest { Variant = "datalayer", Environment = "test-env" }, cancellationToken);
        await sandbox.RunCodeAsync("x = 41", cancellationToken: cancellationToken);
        await gateway.KillAsync();
        await gateway.StartAsync();
        (await sandbox.RunCodeAsync("x + 1", cancellationToken: cancellationToken)).Text.Should().Be("42");
        (await sandbox.RefreshAsync(cancellationToken)).Environment.Should().Be("test-env");

        foreach (var (variant, name, words) in new[] { ("datalayer", "gone", "test-env"), ("datalayer", "../gone", "python-cpu-env"), ("local", "test-env", "python-cpu-env") })
        {
            (await FluentActions.Awaiting(() => Sandbox.CreateAsync(client, new CreateSandboxRequest { Variant = variant, Environment = name }, cancellationToken)).Should().ThrowAsync<KernelGatewayException>())
                .Which.Should().Match<KernelGatewayException>(it => it.Code == ErrorCodes.EnvironmentNotFound && it.Message.Contains(words));
        }
    }

    [Test]
    public async Task What_cannot_be_kept_is_refused_and_no_secret_is_shown(CancellationToken cancellationToken)
    {
        await using var server = await JupyterServerProcess.StartNewAsync();
        await using var gateway = await GatewayProcess.StartNewAsync(("Gateway:LocalJupyter:Url", server.Address.ToString()), ("Gateway:LocalJupyter:Token", "wrong-secret"));
        await using var client = gateway.Client();
        var wish = new CreateSandboxRequest { Variant = "local-jupyter" };
        async Task RefusedAsync(CreateSandboxRequest request, string code, string words) =>
            (await FluentActions.Awaiting(() => Sandbox.CreateAsync(client, request, cancellationToken)).Should().ThrowAsync<KernelGatewayException>())
                .Which.Should().Match<KernelGatewayException>(it => it.Code == code && it.Message.Contains(words), "of {0}", words);
        await RefusedAsync(wish, ErrorCodes.HostNotReady, "refuses the token");
        await RefusedAsync(wish with { MemoryMb = 512 }, ErrorCodes.NotSupported, "memoryMb");
        await RefusedAsync(wish with { NetworkPolicy = NetworkPolicy.None }, ErrorCodes.NotSupported, "cannot limit");
        await RefusedAsync(wish with { ServerUrl = "http://127.0.0.1:1/", ServerToken = "hush-hush" }, ErrorCodes.NotSupported, "AllowRequestServers");
        await RefusedAsync(wish with { KernelId = "a-b-c" }, ErrorCodes.NotSupported, "AllowAdoption");
        await RefusedAsync(wish with { Variant = "local-eval", ServerUrl = "http://127.0.0.1:1/" }, ErrorCodes.NotSupported, "serverUrl");
        await RefusedAsync(wish with { Variant = "datalayer" }, ErrorCodes.NotSupported, "Gateway:Datalayer:ApiKey");
        gateway.Log.Should().NotContainAny("wrong-secret", "hush-hush");
    }

    private static (string, string)[] ConfigurationOf(JupyterServerProcess? external, ControlPlane? cloud) => (external, cloud) switch
    {
        ({ } server, _) => [("Gateway:LocalJupyter:Url", server.Address.ToString()), ("Gateway:LocalJupyter:Token", server.Token)],
        (_, { } plane) => [("Gateway:Datalayer:Url", plane.Address), ("Gateway:Datalayer:ApiKey", ControlPlane.Key), ("Gateway:Network:AllowedPrivateAddresses:0", "127.0.0.1/32")],
        _ => [("Gateway:LocalJupyter:StartServers", "true"), ("Gateway:LocalJupyter:PythonPath", "/usr/bin/python3.11")],
    };
}
