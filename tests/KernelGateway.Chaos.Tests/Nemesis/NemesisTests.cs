using KernelGateway.Chaos.Tests.Support;
using KernelGateway.Contracts.Sandboxes;

namespace KernelGateway.Chaos.Tests.Nemesis;

/// <summary>C1: a seeded workload, a seeded attacker, and a checker that compares what clients were shown with what must have been shown.</summary>
[Category("Long")]
[NonParallelizable]
public sealed class NemesisTests
{
    [Test]
    [Deadline(300)]
    public async Task C1_Whatever_kills_the_gateway_every_line_is_shown_once_and_every_request_ends_once()
    {
        var seed = ChaosSettings.Seed;
        TestContext.Progress.WriteLine($"KG_CHAOS_SEED={seed}");
        var checker = new Checker();
        var adoptions = new List<double>();
        var listenings = new List<double>();
        var timeIsUp = ChaosSettings.TimeIsUp("NEMESIS");
        var (rounds, kills) = (0, 0);
        for (; rounds < ChaosSettings.Rounds && !timeIsUp(); rounds++)
        {
            var attacker = await RoundAsync(seed + (rounds * 1000), checker, timeIsUp);
            kills += attacker.Kills;
            adoptions.AddRange(attacker.Adoptions);
            listenings.AddRange(attacker.Listenings);
            checker.Violations.Should().BeEmpty("seed {0}, round {1}, faults: {2}", seed, rounds, string.Join(", ", attacker.Faults));
        }

        Figures.Report("nemesis rounds", rounds);
        Figures.Report("nemesis kills", kills);
        Figures.Report("nemesis runs accepted", checker.Accepted);
        Figures.Report("nemesis runs unknown", checker.Unknown);
        Figures.Report("nemesis lines", checker.Lines);
        Figures.Report("nemesis lines lost", checker.Lost);
        Figures.Report("nemesis lines doubled", checker.Doubled);
        Figures.Report("re-adoption", adoptions);
        Figures.Report("of which start of .NET", listenings);
        checker.Lines.Should().BePositive();
    }

    private static async Task<Attacker> RoundAsync(int seed, Checker checker, Func<bool> timeIsUp)
    {
        var parent = ChaosGateway.NewCgroupParent();
        // Small segments, so that the journal rotates all the time.
        await using var gateway = await ChaosGateway.StartAsync(("Gateway:Journal:SegmentBytes", "65536"), ("Gateway:Local:CgroupParent", parent));
        var workloads = new List<Workload>();
        try
        {
            for (var i = 0; i < ChaosSettings.Sandboxes; i++)
            {
                workloads.Add(await Workload.BeginAsync(gateway, i == ChaosSettings.Sandboxes - 1 ? "local" : "local-eval", seed + (i * 10)));
            }

            var attacker = new Attacker(gateway, new Random(seed), [.. workloads.Select(w => w.SandboxId)]);
            while (attacker.Kills < ChaosSettings.Kills && !(timeIsUp() && attacker.Kills > 0))
            {
                await attacker.AttackAsync();
            }

            TestContext.Progress.WriteLine($"{string.Join(", ", attacker.Faults)}");
            await Task.WhenAll(workloads.Select(w => w.FinishAsync()));
            for (var i = 0; i < workloads.Count; i++)
            {
                var history = workloads[i].History;
                checker.Check($"sandbox {i}", history, workloads[i].Counted, await workloads[i].ReadAgainAsync(history.Shown[^1].Sequence));
                await workloads[i].TerminateAsync();
            }

            gateway.Traces(parent).Should().BeEmpty("seed {0}", seed);
            HostTraces.RemoveGroups(parent);
            return attacker;
        }
        catch (Exception e)
        {
            TestContext.Out.WriteLine($"seed {seed}: {e}\n{gateway.Log}");
            gateway.ArmFaults(null);
            await gateway.KillAsync(); // Whatever state it is in, it is tidied up by a new one.
            throw;
        }
        finally
        {
            foreach (var workload in workloads)
            {
                await workload.DisposeAsync();
            }
        }
    }
}
