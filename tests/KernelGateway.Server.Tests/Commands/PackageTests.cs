using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using KernelGateway.Contracts.Commands;
using KernelGateway.Contracts.Environments;
using KernelGateway.Contracts.Errors;
using KernelGateway.Contracts.Events;
using KernelGateway.Core.Egress;
using KernelGateway.Server.Tests.Support;
using Microsoft.Extensions.DependencyInjection;

namespace KernelGateway.Server.Tests.Commands;

/// <summary>Python packages, from an index on loopback that sandboxes reach as <c>packages.test</c> through their proxy.</summary>
[CancelAfter(120_000)]
public sealed class PackageTests
{
    private LiveGateway _gateway = null!;
    private PackageIndex _index = null!;

    private string Host => $"packages.test:{_index.Port}";

    [OneTimeSetUp]
    public async Task Start()
    {
        Requires.LocalVariant();
        _index = await PackageIndex.StartAsync();
        _gateway = await LiveGateway.StartAsync(
            services => services.AddSingleton<NameResolver>((name, _) => Task.FromResult<IPAddress[]>(name == "packages.test" ? [IPAddress.Loopback] : [])),
            ("Gateway:Sandboxes:DefaultVariant", "local"),
            ("Gateway:Network:AllowedPrivateAddresses:0", "127.0.0.1/32"),
            ("Gateway:Packages:IndexUrl", $"http://{Host}/simple/"),
            ("Gateway:Packages:Allowed:0", "KG.demo"),
            ("Gateway:Packages:Allowed:1", "other"));
    }

    [OneTimeTearDown]
    public async Task Stop()
    {
        if (_gateway is not null)
        {
            await _gateway.DisposeAsync();
            await _index.DisposeAsync();
        }
    }

    [Test]
    public async Task A_package_on_the_list_is_installed_and_found_by_kernels_that_run()
    {
        var sandbox = await _gateway.CreateAsync(new { networkPolicy = "allowlist", allowedHosts = new[] { Host } });
        (await _gateway.RunAsync(sandbox.Id, "import kg_demo")).Result!.Error!.Name.Should().Be("ModuleNotFoundError");

        var installed = await InstallAsync(sandbox.Id, "Kg_Demo == 1.0");
        installed.ExitCode.Should().Be(0, installed.Result!.Stderr + installed.Result.Stdout);
        (await _gateway.RunAsync(sandbox.Id, "import kg_demo; print(kg_demo.version, kg_demo.__file__)")).Result!.Stdout.Should().Be("1.0 /workspace/.python-packages/kg_demo/__init__.py\n");

        (await InstallAsync(sandbox.Id, "kg-demo>=1,<3")).ExitCode.Should().Be(0);
        using var answer = await _gateway.Http.PostAsJsonAsync($"/api/v1/sandboxes/{sandbox.Id}/contexts", new { });
        var context = (await answer.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("id").GetString();
        using var run = await _gateway.Http.PostAsJsonAsync($"/api/v1/sandboxes/{sandbox.Id}/executions?wait=true", new { code = "import kg_demo; print(kg_demo.version)", contextId = context });
        (await run.Content.ReadAsStringAsync()).Should().Contain("2.0");
        (await _gateway.Http.AllAsync(sandbox.Id)).OfType<CommandStartedEvent>().Should().Contain(e => e.Argv!.Contains("Kg_Demo==1.0"), "an installation is a command in the journal");
        (await InstallAsync(sandbox.Id, "other")).ExitCode.Should().NotBe(0, "the index does not have it");
    }

    [Test]
    public async Task A_package_that_is_not_on_the_list_is_refused()
    {
        var sandbox = await _gateway.CreateAsync(new { networkPolicy = "allowlist", allowedHosts = new[] { Host } });

        var problem = await RefusedAsync(_gateway, sandbox.Id, new { packages = new[] { "kg-demo", "evil" } }, HttpStatusCode.Forbidden, ErrorCodes.Forbidden);

        problem.Should().Contain("'evil'").And.Contain("kg-demo, other").And.Contain("Gateway:Packages:Allowed");
        var environments = (await _gateway.Http.GetFromJsonAsync<EnvironmentList>("/api/v1/environments"))!;
        environments.Items[0].Packages.Should().Equal("KG.demo", "other");
    }

    [TestCase("https://evil.test/x.whl")]
    [TestCase("kg-demo @ https://evil.test/x.whl")]
    [TestCase("./kg-demo")]
    [TestCase("/etc")]
    [TestCase("--index-url=https://evil.test")]
    [TestCase("-r requirements.txt")]
    [TestCase("kg-demo; python_version > '3'")]
    [TestCase("kg-demo==1.0 --pre")]
    [TestCase("kg-demo\n")]
    [TestCase("kg-demo==")]
    [TestCase("")]
    [TestCase(null)]
    public async Task What_is_no_name_with_versions_never_reaches_pip(string? package)
    {
        var sandbox = await SandboxAsync();

        (await RefusedAsync(_gateway, sandbox, new { packages = new[] { package } }, HttpStatusCode.BadRequest, ErrorCodes.InvalidArgument)).Should().Contain("packages");
    }

    [Test]
    public async Task The_number_of_packages_is_limited()
    {
        var sandbox = await SandboxAsync();

        await RefusedAsync(_gateway, sandbox, new { packages = Enumerable.Repeat("kg-demo", 51) }, HttpStatusCode.BadRequest, ErrorCodes.InvalidArgument);
        await RefusedAsync(_gateway, sandbox, new { packages = Array.Empty<string>() }, HttpStatusCode.BadRequest, ErrorCodes.InvalidArgument);
        await RefusedAsync(_gateway, sandbox, new { packages = new[] { "kg-demo" }, timeoutSeconds = -1 }, HttpStatusCode.Conflict, ErrorCodes.Conflict);
    }

    [Test]
    public async Task Where_the_network_policy_forbids_it_the_host_is_named() =>
        (await RefusedAsync(_gateway, await SandboxAsync(), new { packages = new[] { "kg-demo" } }, HttpStatusCode.Conflict, ErrorCodes.Conflict))
            .Should().Contain(Host).And.Contain("/network");

    [Test]
    public async Task Without_an_index_nothing_can_be_installed()
    {
        await using var gateway = await LiveGateway.StartAsync(("Gateway:Packages:Allowed:0", "*"));
        var sandbox = await gateway.CreateAsync();

        (await RefusedAsync(gateway, sandbox.Id, new { packages = new[] { "anything" } }, HttpStatusCode.BadRequest, ErrorCodes.NotSupported)).Should().Contain("Gateway:Packages:IndexUrl");
    }

    [Test]
    public async Task Without_pip_the_refusal_says_what_is_missing()
    {
        var folder = Directory.CreateTempSubdirectory("kg-env-");
        try
        {
            // An interpreter that finds nothing but the standard library, except when it runs a kernel.
            var python = Path.Combine(folder.FullName, "python");
            await File.WriteAllTextAsync(python, "#!/bin/sh\ncase \"$2\" in -c) exec /usr/bin/python3 -S \"$@\";; esac\nexec /usr/bin/python3 \"$@\"\n");
            File.SetUnixFileMode(python, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
            var environment = folder.CreateSubdirectory("bare").FullName;
            await File.WriteAllTextAsync(
                Path.Combine(environment, "environment.json"),
                JsonSerializer.Serialize(new
                {
                    name = "bare",
                    title = "Without pip",
                    language = "python",
                    defaultKernel = "python3",
                    kernels = new { python3 = new { argv = new[] { python, "-I", "{launcher}/kernel.py", "-f", "{connection_file}" }, displayName = "Python", language = "python", keepsLog = true } },
                    packages = new[] { "kg-demo" },
                }));
            await using var gateway = await LiveGateway.StartAsync(
                ("Gateway:EnvironmentsDirectory", folder.FullName),
                ("Gateway:Sandboxes:DefaultEnvironment", "bare"),
                ("Gateway:Packages:IndexUrl", "https://packages.test/simple/"));
            var sandbox = await gateway.CreateAsync();

            (await RefusedAsync(gateway, sandbox.Id, new { packages = new[] { "kg-demo" } }, HttpStatusCode.BadRequest, ErrorCodes.NotSupported))
                .Should().Contain("no pip").And.Contain("packages.txt");
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static string? s_sandbox;

    /// <summary>One without a network, for requests that do not get as far.</summary>
    private async Task<string> SandboxAsync() => s_sandbox ??= (await _gateway.CreateAsync()).Id;

    private async Task<CommandInfo> InstallAsync(string sandboxId, params string[] packages)
    {
        using var answer = await _gateway.Http.PostAsJsonAsync($"/api/v1/sandboxes/{sandboxId}/packages?wait=true", new { packages });
        answer.IsSuccessStatusCode.Should().BeTrue(await answer.Content.ReadAsStringAsync());
        return (await answer.Content.ReadFromJsonAsync<CommandInfo>())!;
    }

    private static async Task<string> RefusedAsync(LiveGateway gateway, string sandboxId, object body, HttpStatusCode status, string code)
    {
        using var answer = await gateway.Http.PostAsJsonAsync($"/api/v1/sandboxes/{sandboxId}/packages", body);
        answer.StatusCode.Should().Be(status, await answer.Content.ReadAsStringAsync());
        var problem = await answer.Content.ReadFromJsonAsync<JsonElement>();
        problem.GetProperty("code").GetString().Should().Be(code);
        return problem.GetProperty("detail").GetString()!;
    }
}
