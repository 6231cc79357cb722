using System.Globalization;
using System.Net.Http.Json;
using KernelGateway.Chaos.Tests.Support;
using KernelGateway.Client;
using KernelGateway.Contracts.Sandboxes;

namespace KernelGateway.Chaos.Tests;

/// <summary>C18 to C20: the host fails the gateway.</summary>
public sealed class HostFaultTests
{
    private const string Runtime =
        """
        #!/bin/sh
        verb=; for a in "$@"; do case $a in run|delete|list|--version) verb=$a; break;; esac; done
        case "$verb-$(cat "$(dirname "$0")/mode")" in
          run-fail) echo 'the moon is in the wrong place' >&2; exit 1;;
          run-garbage) head -c 5000 /dev/urandom; exit 0;;
          run-hang) exec sleep 1000;;
          delete-nodelete) echo 'cannot delete' >&2; exit 1;;
        esac
        exec runc "$@"
        """;

    [Test]
    [Deadline(300)]
    public async Task C18_A_runtime_that_fails_or_writes_garbage_or_hangs_makes_no_half_sandbox_and_is_quoted()
    {
        using var folder = new TemporaryFolder();
        var program = folder.Of("runtime");
        await File.WriteAllTextAsync(program, Runtime);
        File.SetUnixFileMode(program, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        var mode = folder.Of("mode");
        await File.WriteAllTextAsync(mode, "work");
        var parent = ChaosGateway.NewCgroupParent();
        await using (var gateway = await ChaosGateway.StartAsync(("Gateway:Local:RuntimePath", program), ("Gateway:Local:CgroupParent", parent), ("Gateway:Sandboxes:DefaultVariant", "local")))
        {
            await using var client = gateway.PatientClient();
            await (await Sandbox.CreateAsync(client)).TerminateAsync(TimeSpan.Zero);
            using var http = gateway.Http();
            foreach (var (fault, words) in new[] { ("fail", "the moon is in the wrong place"), ("garbage", "container"), ("hang", "did not end within") })
            {
                await File.WriteAllTextAsync(mode, fault);
                using var answer = await http.PostAsJsonAsync("/api/v1/sandboxes", new { });
                var said = await answer.Content.ReadAsStringAsync();
                ((int)answer.StatusCode).Should().Be(502, "{0}: {1}", fault, said);
                said.Should().Contain(words, "{0}", fault);
                gateway.Traces(parent).Should().BeEmpty("{0}", fault);
            }

            await File.WriteAllTextAsync(mode, "work");
            await using var sandbox = await Sandbox.CreateAsync(client);
            (await sandbox.RunCodeAsync("1 + 1")).Text.Should().Be("2");
        }

        HostTraces.RemoveGroups(parent);
    }

    [Test]
    [Deadline(300)]
    public async Task C19_Without_descriptors_calls_fail_and_nothing_else_and_all_works_again_afterwards()
    {
        await using var gateway = await ChaosGateway.StartAsync();
        await using var client = gateway.PatientClient();
        await using var sandbox = await Sandbox.CreateAsync(client);
        await sandbox.RunCodeAsync("x = 41");
        using var http = gateway.Http();
        (await http.GetAsync("/health")).EnsureSuccessStatusCode(); // A connection that is there already.
        foreach (var wrong in new object[] { new { variant = "none" }, new { memoryMb = 1 }, new { environment = "none" } })
        {
            // Programs are loaded when they are first needed, which takes descriptors: those that tell of failures are loaded now.
            using var refused = await http.PostAsJsonAsync("/api/v1/sandboxes", wrong);
            ((int)refused.StatusCode).Should().Be(400);
        }

        var run = await sandbox.StartCodeAsync("import time\nfor i in range(3000):\n    print(i, 'x' * 2000, flush=True)\n    time.sleep(0.001)");
        var limit = int.Parse(File.ReadLines($"/proc/{gateway.ProcessId}/limits").Single(l => l.StartsWith("Max open files", StringComparison.Ordinal)).Split(' ', StringSplitOptions.RemoveEmptyEntries)[3], CultureInfo.InvariantCulture);
        await LimitAsync(gateway, gateway.Descriptors + 1);
        for (var i = 0; i < 3; i++)
        {
            try
            {
                using var answer = await http.PostAsJsonAsync("/api/v1/sandboxes", new { });
                ((int)answer.StatusCode).Should().BeInRange(500, 599);
                TestContext.Out.WriteLine($"{(int)answer.StatusCode} {await answer.Content.ReadAsStringAsync()}");
            }
            catch (HttpRequestException e)
            {
                // A failure, too: not even a new connection can be taken.
                TestContext.Out.WriteLine(e.Message);
            }
        }

        gateway.HasEnded.Should().BeFalse(gateway.Log);
        await LimitAsync(gateway, limit);

        var result = await run.WaitAsync(new CancellationTokenSource(TimeSpan.FromSeconds(60)).Token);
        result.Lines.Select(l => int.Parse(l.Line.Split(' ')[0], CultureInfo.InvariantCulture)).Should().Equal(Enumerable.Range(0, 3000));
        (await sandbox.RunCodeAsync("x + 1")).Text.Should().Be("42");
        await using var another = await Sandbox.CreateAsync(client);
        (await another.RunCodeAsync("1 + 1")).Text.Should().Be("2");
    }

    [Test]
    [Deadline(300)]
    public async Task C20_A_sandbox_whose_folders_are_removed_ends_with_a_reason_and_the_others_do_not_notice(
        [Values("places", "s")] string which)
    {
        await using var gateway = await ChaosGateway.StartAsync();
        await using var client = gateway.PatientClient();
        var victim = await Sandbox.CreateAsync(client);
        var removed = Directory.GetDirectories(Path.Combine(gateway.DataFolder, "hosts", "eval", which)).Single();
        await using var other = await Sandbox.CreateAsync(client);
        await other.RunCodeAsync("x = 41");
        await victim.RunCodeAsync("x = 1");
        Directory.Delete(removed, recursive: true);
        await gateway.KillAsync();
        await gateway.StartAsync();

        var info = await victim.RefreshAsync();
        if (info.State == SandboxState.Running)
        {
            // What is left of it still works, or says why not; it never hangs.
            using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(30));
            var result = await victim.RunCodeAsync("1 + 1", null, deadline.Token);
            result.Text.Should().Be("2");
        }
        else
        {
            info.State.Should().BeOneOf(SandboxState.Lost, SandboxState.Failed);
            info.StateReason.Should().NotBeNullOrEmpty();
        }

        (await other.RunCodeAsync("x + 1")).Text.Should().Be("42");
        await victim.TerminateAsync(TimeSpan.Zero);
        await other.TerminateAsync(TimeSpan.Zero);
        gateway.Traces().Should().BeEmpty();
    }

    [Test]
    [Deadline(300)]
    public async Task C20_A_container_whose_processes_are_killed_from_outside_fails_with_a_reason_and_is_cleaned_up()
    {
        var parent = ChaosGateway.NewCgroupParent();
        await using (var gateway = await ChaosGateway.StartAsync(("Gateway:Local:CgroupParent", parent)))
        {
            await using var client = gateway.PatientClient();
            var victim = await Sandbox.CreateAsync(client, new CreateSandboxRequest { Variant = "local" });
            await using var other = await Sandbox.CreateAsync(client);

            HostProcesses.KillAllOf(victim.Id);

            await Wait.UntilAsync(async () => (await victim.RefreshAsync()).State == SandboxState.Failed, TimeSpan.FromSeconds(30), "it is failed");
            victim.Info.StateReason.Should().NotBeNullOrEmpty();
            (await other.RunCodeAsync("1 + 1")).Text.Should().Be("2");
            HostTraces.Find(Path.Combine(gateway.DataFolder, "hosts", "local"), parent).Should().BeEmpty();
        }

        HostTraces.RemoveGroups(parent);
    }

    private static async Task LimitAsync(GatewayProcess gateway, int descriptors) =>
        (await ChildProcess.RunAsync("prlimit", "--pid", gateway.ProcessId.ToString(CultureInfo.InvariantCulture), string.Create(CultureInfo.InvariantCulture, $"--nofile={descriptors}:")))
            .ExitCode.Should().Be(0);
}
