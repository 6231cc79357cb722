using System.Diagnostics;
using KernelGateway.Chaos.Tests.Nemesis;
using KernelGateway.Chaos.Tests.Support;
using KernelGateway.Client;
using KernelGateway.Contracts.Events;
using KernelGateway.Contracts.Executions;

namespace KernelGateway.Chaos.Tests;

/// <summary>C1 as its promise reads: the numbers are those of the README.</summary>
[Category("Long")]
[NonParallelizable]
public sealed class KillTests
{
    [Test]
    [Deadline(300)]
    public async Task C1_Killed_25_times_while_a_cell_prints_20000_lines_and_another_waits_for_input_it_loses_and_doubles_no_line()
    {
        const int Lines = 20_000;
        const int Kills = 25;
        const int LastLines = 100; // They wait for the last kill, however slow the machine is.
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
            await asking.FirstAsync<InputRequestEvent>();
            var printing = await printer.StartCodeAsync(
                $"import time\nfor i in range({Lines}):\n    print(i, flush=True)\n    if i % 100 == 0: time.sleep(0.15)\n    if i == {Lines - LastLines}: input()");
            var seen = new SeenLines();
            var reading = seen.ReadAsync(printing);
            var attacker = new Attacker(gateway, random, [printer.Id, asker.Id]);
            var killsWhilePrinting = 0;
            for (var kill = 1; kill <= Kills; kill++)
            {
                killsWhilePrinting += seen.Lines.Count < Lines - LastLines ? 1 : 0;
                // At any moment, not at one that something announces.
                await Task.Delay(TimeSpan.FromMilliseconds(random.Next(400)), TimeProvider.System, CancellationToken.None);
                await attacker.KillAsync("kill");
                await attacker.StartAsync(null);
            }

            await printing.FirstAsync<InputRequestEvent>();
            await printing.ReplyInputAsync("");
            var finished = await reading;
            var bareStart = await BareStartAsync(gateway);

            Figures.Report("C1 kills", attacker.Kills);
            Figures.Report("C1 kills while lines flowed", killsWhilePrinting);
            Figures.Report("C1 re-adoption", attacker.Adoptions);
            Figures.Report("C1 of which start of .NET", attacker.Listenings);
            Figures.Report("C1 bare start of .NET s", bareStart);
            finished.Status.Should().Be(ExecutionStatus.Ok, finished.Reason);
            seen.Lines.Should().Equal(Enumerable.Range(0, Lines), "seed {0}", ChaosSettings.Seed);
            Figures.Quantile(attacker.Adoptions, 0.99).Should().BeLessThan(Math.Max(2, 4 * bareStart), "seconds from the start of the process until both sandboxes answer: {0}", string.Join(", ", attacker.Adoptions));
            (await printer.RunCodeAsync("kept")).Text.Should().Be("'still here'");
            await asking.ReplyInputAsync("thanks");
            (await asking.WaitAsync()).Stdout.Should().Contain("got thanks");
        }

        HostTraces.RemoveGroups(parent);
    }

    /// <summary>How long a gateway takes here and now that refuses to start: less than half a second, unless the machine has other work.</summary>
    private static async Task<double> BareStartAsync(GatewayProcess gateway)
    {
        var began = Stopwatch.GetTimestamp();
        for (var i = 0; i < 3; i++)
        {
            (await gateway.StartAnotherAsync()).ExitCode.Should().Be(1);
        }

        return Stopwatch.GetElapsedTime(began).TotalSeconds / 3;
    }
}
