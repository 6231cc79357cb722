using KernelGateway.Client;
using KernelGateway.Contracts.Environments;
using KernelGateway.Contracts.Events;
using KernelGateway.Contracts.Sandboxes;

namespace KernelGateway.EndToEnd.Tests;

/// <summary>A folder of the host as operator and user see it: by configuration only, under its rules, whole again at the end.</summary>
[CancelAfter(120_000)]
public sealed class MountTests
{
    private const int Owner = 12345;

    private const string Look =
        """
        import os
        def attempt(path):
            try: open('/workspace/project/' + path, 'w').write('evil'); return 'did it'
            except OSError as e: return os.strerror(e.errno)
        print(open('/workspace/project/a').read(), repr(open('/workspace/project/hidden').read()), attempt('out'), attempt('.git/config'), attempt('.bashrc'), attempt('.env'))
        """;

    private string _source = "";

    [SetUp]
    public void MakeProject()
    {
        Requires.LocalVariant();
        _source = Directory.CreateTempSubdirectory("kg-project-").FullName;
        Directory.CreateDirectory(Path.Combine(_source, ".git"));
        foreach (var (path, text) in new[] { ("a", "a"), ("hidden", "h"), (".git/config", "c") })
        {
            File.WriteAllText(Path.Combine(_source, path), text);
        }

        Sh($"chown -R {Owner}:{Owner} {_source}");
    }

    [TearDown]
    public void RemoveProject()
    {
        if (_source.Length > 0)
        {
            Directory.Delete(_source, recursive: true);
        }
    }

    [Test]
    public async Task A_folder_is_used_under_its_rules_over_a_crash_of_the_gateway_and_left_whole(CancellationToken cancellationToken)
    {
        var before = Listing();
        await using var gateway = await GatewayProcess.StartNewAsync(Settings());
        await using var client = gateway.Client();
        var environments = await Sandbox.ListEnvironmentsAsync(client, cancellationToken: cancellationToken);
        environments.Single(one => one.Name == "python-cpu-env").Mounts.Should().Equal(new MountInfo("/workspace/project", "write"));
        (await Sandbox.ListEnvironmentsAsync(client, "local", cancellationToken)).Should().BeEquivalentTo(environments);
        (await Sandbox.ListEnvironmentsAsync(client, "Local_Docker", cancellationToken)).Select(one => one.Name).Should().NotContain("python-cpu-env", "only 'local' gives folders of the host").And.Contain("python-scientific");
        await using (var sandbox = await Sandbox.CreateAsync(client, cancellationToken: cancellationToken))
        {
            const string Seen = "a '' did it Read-only file system Read-only file system Read-only file system\n";
            (await sandbox.RunCodeAsync(Look, cancellationToken: cancellationToken)).Stdout.Should().Be(Seen);
            await gateway.KillAsync();
            await gateway.StartAsync();
            (await sandbox.RunCodeAsync(Look, cancellationToken: cancellationToken)).Stdout.Should().Be(Seen);
        }

        Sh($"stat -c %u {_source}/out; rm {_source}/out").Should().Be($"{Owner}\n");
        Listing().Should().Be(before);
        gateway.Log.Should().NotContain("rror]");
    }

    [Test]
    public async Task When_everything_was_killed_the_next_gateway_gives_the_names_back(CancellationToken cancellationToken)
    {
        var before = Listing();
        await using var gateway = await GatewayProcess.StartNewAsync(Settings());
        await using var client = gateway.Client();
        await using var sandbox = await Sandbox.CreateAsync(client, cancellationToken: cancellationToken);
        Listing().Should().NotBe(before, "names are taken while a sandbox lives");
        await gateway.KillAsync();
        HostProcesses.KillAllOf(sandbox.Id);

        await gateway.StartAsync();

        await foreach (var item in sandbox.EventsAsync(0, cancellationToken))
        {
            if (item is SandboxStateEvent { State: SandboxState.Lost })
            {
                break;
            }
        }

        Listing().Should().Be(before);
        (await File.ReadAllTextAsync("/proc/mounts", cancellationToken)).Should().NotContain(gateway.DataFolder);
    }

    [Test]
    public async Task A_variant_without_walls_and_a_folder_that_is_gone_are_refused_without_the_hosts_path(CancellationToken cancellationToken)
    {
        await using var gateway = await GatewayProcess.StartNewAsync([.. Settings(), ("Gateway:LocalEval:Enabled", "true")]);
        await using var client = gateway.Client();
        var eval = () => Sandbox.CreateAsync(client, new CreateSandboxRequest { Variant = "local-eval" }, cancellationToken);
        (await eval.Should().ThrowAsync<KernelGatewayException>()).Which.Message.Should().Contain("the variant 'local-eval' cannot confine. Variants that can: local.");
        Directory.Delete(_source, recursive: true);
        _source = "";
        var gone = () => Sandbox.CreateAsync(client, cancellationToken: cancellationToken);
        (await gone.Should().ThrowAsync<KernelGatewayException>()).Which.Message.Should().Contain("No such file or directory").And.Contain("Gateway:Environments:python-cpu-env:Mounts:0").And.NotContain("kg-project-");
    }

    private (string Key, string Value)[] Settings()
    {
        const string Mount = "Gateway:Environments:python-cpu-env:Mounts:0";
        return
        [
            ($"{Mount}:Source", _source), ($"{Mount}:Target", "/workspace/project"), ($"{Mount}:Access", "write"), ($"{Mount}:DenyRead:0", "hidden"), ($"{Mount}:DenyWrite:0", ".env"),
        ];
    }

    private string Listing() => Sh($"cd {_source}; find . -printf '%y %m %U %G %p\\n' | sort; find . -type f -print0 | sort -z | xargs -0 md5sum");

    private static string Sh(string script)
    {
        using var sh = System.Diagnostics.Process.Start(new System.Diagnostics.ProcessStartInfo("/bin/sh", ["-ec", script]) { RedirectStandardOutput = true })!;
        var text = sh.StandardOutput.ReadToEnd();
        sh.WaitForExit();
        return text;
    }
}
