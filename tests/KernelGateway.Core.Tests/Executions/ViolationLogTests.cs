using KernelGateway.Contracts;
using KernelGateway.Contracts.Executions;
using KernelGateway.Core.Executions;

namespace KernelGateway.Core.Tests.Executions;

[Parallelizable(ParallelScope.All)]
public sealed class ViolationLogTests
{
    [Test]
    public void A_million_violations_of_a_kind_are_one_line_with_the_first_time()
    {
        var log = new ViolationLog();
        var began = DateTimeOffset.UnixEpoch;
        for (var i = 0; i < 1_000_000; i++)
        {
            log.Add(ReasonCodes.Rate, $"number {i}", began.AddSeconds(i));
        }

        log.Add(ReasonCodes.Oom, "hungry", began, 3);

        log.Seen.Should().Equal(new Violation("rate", "number 0", 1_000_000, began), new Violation("oom", "hungry", 3, began));
    }
}
