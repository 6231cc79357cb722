using KernelGateway.Core.Egress;

namespace KernelGateway.Core.Tests.Egress;

public sealed class DenialLogTests
{
    [Test]
    public void What_is_over_the_rate_is_counted_and_told_with_the_next_that_is_recorded()
    {
        var clock = new Clock();
        var recorded = new List<EgressDenial>();
        var log = new DenialLog(2, recorded.Add, clock);

        for (var i = 0; i < 5; i++)
        {
            log.Add($"h{i}", 443, "rule", "hint");
        }

        clock.Now += TimeSpan.FromSeconds(59);
        log.Add("early", 443, "rule", "hint");
        clock.Now += TimeSpan.FromSeconds(1);
        log.Add("later", 443, "rule", "hint");

        recorded.Select(d => (d.Host, d.NotRecorded)).Should().Equal(("h0", 0), ("h1", 0), ("later", 4));
        log.Counts.Should().Be((7, 4));
    }

    private sealed class Clock : TimeProvider
    {
        public TimeSpan Now { get; set; }

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override long GetTimestamp() => Now.Ticks;
    }
}
