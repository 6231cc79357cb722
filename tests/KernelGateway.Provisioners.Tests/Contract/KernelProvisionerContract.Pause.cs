using KernelGateway.Core.Provisioning;
using KernelGateway.Provisioners.Tests.Support;

namespace KernelGateway.Provisioners.Tests.Contract;

/// <summary>Places that stand still; a variant that cannot do that does not take part.</summary>
public abstract partial class KernelProvisionerContract
{
    [Test]
    public async Task A_paused_place_runs_nothing_and_goes_on_where_it_stood(CancellationToken cancellationToken)
    {
        var host = await ProvisionAsync(cancellationToken);
        var power = PauseOf(host);
        await using var kernel = await RunningKernel.LaunchAsync(host, TestKernels.Python("k1"), cancellationToken);
        await using var other = await RunningKernel.LaunchAsync(await ProvisionAsync(cancellationToken), TestKernels.Python("k1"), cancellationToken);
        await kernel.RunAsync("import subprocess; p = subprocess.Popen(['sh', '-c', 'i=0; while :; do i=$((i+1)); echo $i > n; sleep 0.005; done'])", cancellationToken);
        await CountsAsync();

        await power.PauseAsync(cancellationToken);
        power.IsPaused.Should().BeTrue();
        var before = await NumberAsync();
        await other.RunAsync("import time; time.sleep(0.1)", cancellationToken); // Processor time for everybody else.
        (await NumberAsync()).Should().Be(before, "nothing runs");

        await power.ResumeAsync(cancellationToken);
        power.IsPaused.Should().BeFalse();
        await CountsAsync();
        (await kernel.RunAsync("print(6*7)", cancellationToken)).Should().Be("42");

        async Task CountsAsync()
        {
            var first = await NumberAsync();
            while (await NumberAsync() == first)
            {
                cancellationToken.ThrowIfCancellationRequested();
            }
        }

        async Task<string> NumberAsync()
        {
            try
            {
                return await ((IFileHost)host).Files.ReadTextAsync("n", cancellationToken);
            }
            catch (Core.Errors.GatewayException)
            {
                return "";
            }
        }
    }

    [Test]
    public async Task A_paused_place_is_found_paused_and_can_be_resumed_or_ended(CancellationToken cancellationToken)
    {
        foreach (var resume in new[] { true, false })
        {
            var host = await ProvisionAsync(cancellationToken);
            await using (var kernel = await RunningKernel.LaunchAsync(host, TestKernels.Python("k1"), cancellationToken))
            {
                await kernel.RunAsync("x = 41", cancellationToken);
            }

            await PauseOf(host).PauseAsync(cancellationToken);
            var description = host.Describe();
            await host.DisposeAsync();

            var again = Keep(await Provisioner.ReattachAsync(description, cancellationToken));
            var power = PauseOf(again);
            power.IsPaused.Should().BeTrue();
            again.Describe().Data.ToString().Should().Be(description.Data.ToString());
            if (resume)
            {
                await power.ResumeAsync(cancellationToken);
                await using var kernel = await RunningKernel.ConnectAsync(again.Kernels.Single(), cancellationToken);
                (await kernel.RunAsync("print(x + 1)", cancellationToken)).Should().Be("42");
            }

            await again.TerminateAsync(TimeSpan.FromSeconds(resume ? 0 : 1), cancellationToken);
            (await again.Exited).Reason.Should().Be("terminated");
        }
    }

    [Test]
    public async Task A_paused_place_that_nobody_knows_any_more_is_removed(CancellationToken cancellationToken)
    {
        _ = PauseOf(await ProvisionAsync(cancellationToken));
        var id = NextId();
        var host = await Provisioner.ProvisionAsync(TestKernels.Spec(id), cancellationToken);
        try
        {
            await host.LaunchKernelAsync(Sleeper("k1"), cancellationToken);
            await PauseOf(host).PauseAsync(cancellationToken);
        }
        finally
        {
            await host.DisposeAsync();
            (await Provisioner.RemoveOrphansAsync(new HashSet<string>(), CancellationToken.None)).Should().Equal(id);
        }

        HostTraces.Find(State, CgroupParent).Should().NotContain(line => line.Contains($"/{id}", StringComparison.Ordinal));
    }

    private static IPausable PauseOf(IKernelHost host)
    {
        var power = host.PowerOf<IPausable>();
        if (power is null)
        {
            Assert.Pass("This variant cannot pause.");
        }

        return power!;
    }
}
