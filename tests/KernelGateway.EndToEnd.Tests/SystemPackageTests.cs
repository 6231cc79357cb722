using KernelGateway.Client;
using KernelGateway.Contracts.Errors;
using KernelGateway.Contracts.Sandboxes;
using KernelGateway.EndToEnd.Tests.Support;
using KernelGateway.Provisioners.Tests.Datalayer;

namespace KernelGateway.EndToEnd.Tests;

/// <summary>Packages of the system, by the real apt-get and dpkg, which the variable <c>APT_CONFIG</c> keeps away from the system of the tests.</summary>
[CancelAfter(120_000)]
public sealed class SystemPackageTests
{
    [TestCase("external"), TestCase("datalayer")]
    public async Task Where_the_system_is_that_of_a_server_they_are_installed_as_a_command(string kind, CancellationToken cancellationToken)
    {
        Requires.Module("jupyter_server");
        Requires.Program("/usr/bin/apt-get");
        Requires.Root();
        using var apt = await AptRoot.CreateAsync(cancellationToken);
        await using var server = kind == "external" ? await JupyterServerProcess.StartNewAsync() : null;
        await using var plane = kind == "datalayer" ? new ControlPlane() : null;
        await using var gateway = await GatewayProcess.StartNewAsync(server is not null
            ? [("Gateway:LocalJupyter:Url", server.Address.ToString()), ("Gateway:LocalJupyter:Token", server.Token)]
            : [("Gateway:Datalayer:Url", plane!.Address), ("Gateway:Datalayer:ApiKey", ControlPlane.Key), ("Gateway:Network:AllowedPrivateAddresses:0", "127.0.0.1/32")]);
        await using var client = gateway.Client();
        await using var sandbox = await Sandbox.CreateAsync(
            client,
            new CreateSandboxRequest { Variant = server is null ? "datalayer-runtime" : "local-jupyter", Env = new Dictionary<string, string> { ["APT_CONFIG"] = apt.Configuration } },
            cancellationToken);

        var lines = new List<string>();
        var outcome = await sandbox.Commands.InstallSystemPackagesAsync(["kg-greeting=1.2"], options: new CommandOptions { OnStdout = line => lines.Add(line.Line) }, cancellationToken: cancellationToken);

        outcome.ExitCode.Should().Be(0, outcome.Stdout + outcome.Stderr);
        lines.Should().Contain(line => line.StartsWith("Setting up kg-greeting (1.2)", StringComparison.Ordinal));
        (await sandbox.Commands.RunAsync(apt.Greeting, cancellationToken: cancellationToken)).Stdout.Should().Be("good morning\n");

        (await sandbox.Commands.InstallSystemPackagesAsync(["kg-nothing"], "apt-get", cancellationToken: cancellationToken))
            .Should().Match<CommandOutcome>(it => it.ExitCode == 100 && it.Stderr.Contains("Unable to locate package kg-nothing"));
        (await sandbox.Commands.InstallSystemPackagesAsync(["kg-greeting"], "apk", cancellationToken: cancellationToken))
            .Should().Match<CommandOutcome>(it => it.ExitCode == 1 && it.Stderr.Contains("There is no apk here"));
    }

    [TestCase("local-jupyter"), TestCase("local-eval")]
    public async Task Where_it_would_be_the_gateways_own_host_the_refusal_says_so(string variant, CancellationToken cancellationToken)
    {
        Requires.Module("jupyter_server");
        await using var gateway = await GatewayProcess.StartNewAsync(
            ("Gateway:LocalEval:Enabled", "true"), ("Gateway:LocalJupyter:StartServers", "true"), ("Gateway:LocalJupyter:PythonPath", "/usr/bin/python3.11"));
        await using var client = gateway.Client();
        await using var sandbox = await Sandbox.CreateAsync(client, new CreateSandboxRequest { Variant = variant }, cancellationToken);

        (await FluentActions.Awaiting(() => sandbox.Commands.InstallSystemPackagesAsync(["curl"], cancellationToken: cancellationToken)).Should().ThrowAsync<KernelGatewayException>())
            .Which.Should().Match<KernelGatewayException>(it => it.Code == ErrorCodes.NotSupported && it.Message.Contains("gateway's own host") && it.Message.Contains("build.sh"));
    }
}
