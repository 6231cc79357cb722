using System.Globalization;
using System.Net.Http.Json;
using KernelGateway.Chaos.Tests.Support;
using KernelGateway.Client;
using KernelGateway.Contracts.Executions;

namespace KernelGateway.Chaos.Tests;

/// <summary>C7.</summary>
public sealed class DiskFullTests
{
    [Test]
    [Deadline(300)]
    public async Task C7_On_a_full_disk_the_kernel_waits_and_new_runs_are_refused_and_all_goes_on_when_there_is_space()
    {
        Requires.Root();
        const int Lines = 40_000;
        using var folder = new TemporaryFolder();
        await using var disk = await SmallDisk.MountAsync(folder.Path, "64m");
        await using (var gateway = await ChaosGateway.StartOnAsync(folder.Of("d"), [], ("Gateway:Sandboxes:MaxQueuedExecutions", "10000")))
        {
            await using var client = gateway.PatientClient();
            var sandbox = await Sandbox.CreateAsync(client);
            await sandbox.RunCodeAsync("kept = 'still here'");
            var ballast = folder.Of("ballast");
            await ChildProcess.RunAsync("fallocate", "-l", FreeBut(folder.Path, 3 << 20), ballast);
            var run = await sandbox.StartCodeAsync($"for i in range({Lines}): print(i, '.' * 100, flush=True)");
            using var http = gateway.Http();
            var refused = "";
            await Wait.UntilAsync(
                async () =>
                {
                    using var answer = await http.PostAsJsonAsync($"/api/v1/sandboxes/{sandbox.Id}/executions", new { code = "pass" });
                    refused = $"{(int)answer.StatusCode} {await answer.Content.ReadAsStringAsync()}";
                    return !answer.IsSuccessStatusCode;
                },
                TimeSpan.FromSeconds(60),
                "a new run is refused");
            refused.Should().StartWith("507").And.Contain("storage_full");
            (await http.GetFromJsonAsync<ExecutionInfo>($"/api/v1/sandboxes/{sandbox.Id}/executions/{run.Id}"))!.State.Should().Be(ExecutionState.Running);

            File.Delete(ballast);

            var result = await run.WaitAsync(new CancellationTokenSource(TimeSpan.FromSeconds(120)).Token);
            result.Status.Should().Be(ExecutionStatus.Ok, result.Error?.Value);
            result.Lines.Select(l => int.Parse(l.Line.Split(' ')[0], CultureInfo.InvariantCulture)).Should().Equal(Enumerable.Range(0, Lines));
            (await sandbox.RunCodeAsync("kept")).Text.Should().Be("'still here'");
        }
    }

    private static string FreeBut(string folder, long rest) =>
        (new DriveInfo(folder).AvailableFreeSpace - rest).ToString(CultureInfo.InvariantCulture);
}
