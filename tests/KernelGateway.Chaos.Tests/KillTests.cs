using KernelGateway.Chaos.Tests.Nemesis;
using KernelGateway.Chaos.Tests.Support;
using KernelGateway.Client;
using KernelGateway.Contracts.Events;
using KernelGateway.Contracts.Executions;

namespace KernelGateway.Chaos.Tests;

/// <summary>C1 as its promise reads: the numbers are those of the README.</summary>
[NonParallelizable]
public sealed class KillTests
{
    [Test]
    [Deadline(240)]
    public async Task C1_Killed_25_times_while_a_cell_prints_20000_lines_and_another_waits_for_input_it_loses_and_doubles_no_line()
    {
        const int Lines = 20_000;
        const int Kills = 25;
        var random = new Random(ChaosSettings.Seed);
        TestContext.Progress.WriteLine($"KG_CHAOS_SEED={ChaosSettings.Seed}");
        var parent = ChaosGateway.NewCgroupParent();
        await using (var gateway = await ChaosGateway.StartAsync(("Gateway:Local:CgroupParent", parent), ("Gateway:Sandboxes:DefaultVariant", "local")))
        {
            await using var client = gateway.PatientClient();
            await using var printer = await Sandbox.CreateAsync(client);
            await using var asker = await Sandbox.CreateAsync(client);
            await printer.RunCodeAsync("kept = 'still here'");
            var asking = await asker.StartCodeAsync("answer = input('Well? ')\nprint('got', answer)");
            await FirstAsync<InputRequestEvent>(asking);
            var printing = await printer.StartCodeAsync($"import time\nfor i in range({Lines}):\n    print(i, flush=True)\n    if i % 100 == 0: time.sleep(0.25)");
            var seen = new SeenLines();
            var reading = ReadAsync(printing, seen);
            var attacker = new Attacker(gateway, random, [printer.Id, asker.Id]);
            for (var kill = 1; kill <= Kills; kill++)
            {
                await Task.Delay(TimeSpan.FromMilliseconds(random.Next(400)), TimeProvider.System, CancellationToken.None);
                await attacker.KillAsync("kill");
                await attacker.StartAsync(null);
            }

            var printedOn = (await printer.GetCodeAsync(printing.Id)).Info.State == ExecutionState.Running;
            var finished = await reading;

            Figures.Report("C1 kills while 20000 lines are printed", attacker.Kills);
            Figures.Report("C1 re-adoption", attacker.Adoptions);
            Figures.Report("C1 of which start of .NET", attacker.Listenings);
            finished.Status.Should().Be(ExecutionStatus.Ok, finished.Reason);
            seen.Lines.Should().Equal(Enumerable.Range(0, Lines), "seed {0}", ChaosSettings.Seed);
            printedOn.Should().BeTrue("all kills must hit while the cell prints");
            Figures.Quantile(attacker.Adoptions, 0.99).Should().BeLessThan(2, "seconds from the start of the process until both sandboxes answer: {0}", string.Join(", ", attacker.Adoptions));
            (await printer.RunCodeAsync("kept")).Text.Should().Be("'still here'");
            await asking.ReplyInputAsync("thanks");
            (await asking.WaitAsync()).Stdout.Should().Contain("got thanks");
        }

        HostTraces.RemoveGroups(parent);
    }

    private static async Task<ExecutionFinishedEvent> ReadAsync(RunningCode run, SeenLines seen)
    {
        await foreach (var one in run.Events())
        {
            seen.Take(one);
            if (one is ExecutionFinishedEvent finished)
            {
                return finished;
            }
        }

        throw new AssertionException($"The events ended after {seen.Lines.Count} lines.");
    }

    private static async Task FirstAsync<T>(RunningCode run)
        where T : SandboxEvent
    {
        await foreach (var one in run.Events())
        {
            if (one is T)
            {
                return;
            }
        }

        throw new AssertionException($"No {typeof(T).Name} came.");
    }
}
