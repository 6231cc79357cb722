using KernelGateway.Core.Executions;
using KernelGateway.Core.Sandboxes;

namespace KernelGateway.Core.Tests.Executions;

/// <summary>How many updates may come, and when there may be more.</summary>
[Parallelizable(ParallelScope.All)]
public sealed class RateMeterTests
{
    private static readonly SandboxOptions Limits = new() { MaxUpdatesPerSecond = 10, MaxUpdateBytesPerSecond = 1000, RateWindow = TimeSpan.FromSeconds(3) };

    [Test]
    public void A_burst_of_a_whole_window_passes_and_then_as_many_as_time_allows()
    {
        var meter = new RateMeter();

        Taken(meter, 100, size: 1, at: 50).Should().Be(30);
        Taken(meter, 100, size: 1, at: 50.5).Should().Be(5);
        Taken(meter, 100, size: 1, at: 1000).Should().Be(30, "no more is saved up than a window holds");
    }

    [Test]
    public void Bytes_are_limited_too_and_one_large_update_passes_and_is_paid_for()
    {
        var meter = new RateMeter();

        Taken(meter, 1, size: 10_000, at: 0).Should().Be(1);
        Taken(meter, 1, size: 1, at: 6).Should().Be(0, "7,000 bytes too many are paid for by 7 seconds");
        Taken(meter, 1, size: 1, at: 8).Should().Be(1);
    }

    [Test]
    public void What_was_said_while_the_gateway_was_away_is_not_too_fast()
    {
        var meter = new RateMeter();
        meter.Allow(TimeSpan.FromMinutes(1));

        Taken(meter, 1000, size: 1, at: 0).Should().Be(630);
        Taken(meter, 1000, size: 1, at: 1).Should().Be(10);
    }

    [Test]
    public void Without_a_limit_all_pass()
    {
        var none = new SandboxOptions { MaxUpdatesPerSecond = 0, MaxUpdateBytesPerSecond = 0 };
        var meter = new RateMeter();
        Enumerable.Range(0, 100_000).All(_ => meter.Take(1_000_000, TimeSpan.Zero, none)).Should().BeTrue();
    }

    private static int Taken(RateMeter meter, int count, long size, double at) =>
        Enumerable.Range(0, count).Count(_ => meter.Take(size, TimeSpan.FromSeconds(at), Limits));
}
