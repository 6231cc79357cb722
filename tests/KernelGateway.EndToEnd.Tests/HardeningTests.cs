using KernelGateway.Client;

namespace KernelGateway.EndToEnd.Tests;

/// <summary>What the gateway's own process gives away.</summary>
[Parallelizable(ParallelScope.Self)]
public sealed class HardeningTests
{
    private const string Secret = "kg_a-key-that-nobody-may-find";

    private const string Runtime =
        """
        #!/bin/sh
        case " $* " in *" run "*) { env; ls -l /proc/self/fd; } >>"$(dirname "$0")/seen";; esac
        exec runc "$@"
        """;

    [Test]
    public async Task Programs_that_the_gateway_starts_get_neither_its_environment_nor_its_files()
    {
        Requires.LocalVariant();
        using var folder = new TemporaryFolder();
        var program = folder.Of("runtime");
        await File.WriteAllTextAsync(program, Runtime);
        File.SetUnixFileMode(program, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        await using (var gateway = await GatewayProcess.StartNewAsync(("KERNEL_GATEWAY_API_KEY", Secret), ("Gateway:Local:RuntimePath", program)))
        {
            await using var client = gateway.Client();
            await using var sandbox = await Sandbox.CreateAsync(client);
            (await sandbox.RunCodeAsync("1 + 1")).Text.Should().Be("2");

            var seen = await File.ReadAllTextAsync(folder.Of("seen"));

            seen.Should().Contain("PATH=").And.NotContain(Secret).And.NotContain("Gateway__").And.NotContain("DOTNET");
            seen.Should().NotContain(gateway.DataFolder + "/gateway.db").And.NotContain("socket:").And.NotContain("/journals/");
            gateway.Log.Should().NotContain(gateway.Key).And.NotContain(Secret);
        }
    }

    [Test]
    public async Task What_the_gateway_writes_is_for_its_own_user_only()
    {
        await using var gateway = await GatewayProcess.StartNewAsync(("Gateway:LocalEval:Enabled", "true"), ("Gateway:Sandboxes:DefaultVariant", "local-eval"));
        await using var client = gateway.Client();
        await using var sandbox = await Sandbox.CreateAsync(client);
        await sandbox.RunCodeAsync("1 + 1");

        const UnixFileMode Others = UnixFileMode.GroupRead | UnixFileMode.GroupWrite | UnixFileMode.OtherRead | UnixFileMode.OtherWrite;
        var everything = new EnumerationOptions { RecurseSubdirectories = true, AttributesToSkip = FileAttributes.ReparsePoint };
        string[] ofKernels = [$"{gateway.DataFolder}/hosts/local/shared/", $"{gateway.DataFolder}/hosts/docker/shared/", $"{gateway.DataFolder}/hosts/eval/places/{sandbox.Id}/tmp/"];
        var open = Directory.EnumerateFileSystemEntries(gateway.DataFolder, "*", everything)
            .Where(path => !ofKernels.Any(folder => path.StartsWith(folder, StringComparison.Ordinal)) && (File.GetUnixFileMode(path) & Others) != 0)
            .ToList();

        open.Should().BeEmpty();
    }

    [Test]
    public async Task Another_process_of_the_gateways_user_can_neither_trace_it_nor_read_its_environment()
    {
        Requires.LocalVariant();
        const string User = "64999";
        var folder = Directory.CreateTempSubdirectory("kg-").FullName;
        await ChildProcess.MustRunAsync("chown", User, folder);
        await using var gateway = await GatewayProcess.StartOnAsync(
            folder,
            ["setpriv", $"--reuid={User}", $"--regid={User}", "--clear-groups"],
            ("Gateway:LocalEval:Enabled", "true"),
            ("Gateway:Sandboxes:DefaultVariant", "local-eval"),
            ("HOME", folder),
            ("KERNEL_GATEWAY_API_KEY", Secret));

        (await ChildProcess.RunAsync("setpriv", $"--reuid={User}", $"--regid={User}", "--clear-groups", "cat", $"/proc/{gateway.ProcessId}/environ")).ExitCode.Should().NotBe(0);
        (await ChildProcess.RunAsync("setpriv", $"--reuid={User}", $"--regid={User}", "--clear-groups", "ls", $"/proc/{gateway.ProcessId}/fd")).ExitCode.Should().NotBe(0);
        (await ChildProcess.RunAsync("cat", $"/proc/{gateway.ProcessId}/environ")).ExitCode.Should().Be(0, "root may, which shows that the file is there");
    }
}
