using KernelGateway.Core.Errors;
using KernelGateway.Core.Provisioning;
using KernelGateway.Provisioners.Containers;
using KernelGateway.Provisioners.Tests.Support;

namespace KernelGateway.Provisioners.Tests.Oci;

/// <summary>Reading and changing the control group of a sandbox, in trees with the contents that hosts of both versions have.</summary>
[Parallelizable(ParallelScope.All)]
[FixtureLifeCycle(LifeCycle.InstancePerTestCase)]
public sealed class CgroupTreeTests : IDisposable
{
    private const string Group = "/kg/x";
    private readonly StateFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Test]
    public void Version_1_says_what_is_used()
    {
        using var meter = new CgroupMeter(Version1(), Group);

        meter.ReadUsage().Should().Be(new ResourceUsage(1.5, 104_857_600, 209_715_200, 9, new LimitCounters(2, 7)));
        meter.MemoryHeld().Should().Be(104_857_600 - 4_857_600);
    }

    [Test]
    public void Version_2_says_what_is_used()
    {
        using var meter = new CgroupMeter(Version2(), Group);

        meter.ReadUsage().Should().Be(new ResourceUsage(1.5, 104_857_600, 209_715_200, 9, new LimitCounters(2, 7)));
        meter.MemoryHeld().Should().Be(104_857_600 - 4_857_600);
    }

    [Test]
    public void What_a_host_does_not_count_is_unknown_and_not_zero()
    {
        var layout = Version2();
        File.Delete(layout.FolderOf("memory", Group) + "/memory.peak");
        File.Delete(layout.FolderOf("pids", Group) + "/pids.events");
        using var meter = new CgroupMeter(layout, Group);

        var usage = meter.ReadUsage();
        usage.MemoryPeakBytes.Should().BeNull();
        usage.Counters.Should().Be(new LimitCounters(2, null));
    }

    [Test]
    public void A_group_that_is_gone_has_no_figures()
    {
        using var meter = new CgroupMeter(new CgroupLayout(1, new Dictionary<string, string> { ["memory"] = _folder.Path }, [_folder.Path]), Group);
        meter.ReadUsage().Should().Be(new ResourceUsage(null, null, null, null, default));
        meter.MemoryHeld().Should().BeNull();
    }

    [Test]
    public void Counters_are_read_again_each_time()
    {
        var layout = Version1();
        using var meter = new CgroupMeter(layout, Group);
        File.WriteAllText(layout.FolderOf("memory", Group) + "/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 12\n");
        meter.ReadCounters().Should().Be(new LimitCounters(12, 7));
    }

    [Test]
    public void Version_1_gets_all_limits()
    {
        var layout = Version1();
        new CgroupChange(layout, Group).Apply(new ResourceLimits(2, 805_306_368, 300), 100 << 20);

        Text(layout, "memory", "memory.limit_in_bytes").Should().Be("805306368");
        Text(layout, "memory", "memory.memsw.limit_in_bytes").Should().Be("805306368");
        Text(layout, "pids", "pids.max").Should().Be("300");
        Text(layout, "cpu", "cpu.cfs_quota_us").Should().Be("200000");
    }

    [Test]
    public void Version_2_gets_all_limits_and_no_swap()
    {
        var layout = Version2();
        new CgroupChange(layout, Group).Apply(new ResourceLimits(0.5, 805_306_368, 300), 100 << 20);

        Text(layout, "memory", "memory.max").Should().Be("805306368");
        Text(layout, "pids", "pids.max").Should().Be("300");
        Text(layout, "cpu", "cpu.max").Should().Be("50000 100000");
    }

    [Test]
    public void Less_memory_than_is_held_is_refused_and_nothing_is_written()
    {
        var layout = Version2();

        var refused = FluentActions.Invoking(() => new CgroupChange(layout, Group).Apply(new ResourceLimits(2, 104_857_600, 300), 150 << 20)).Should().Throw<GatewayException>().Which;

        refused.Code.Should().Be(ErrorCode.Conflict);
        refused.Field.Should().Be("memoryMb");
        refused.Message.Should().Contain("151 MiB are in use").And.Contain("Nothing was changed");
        Text(layout, "memory", "memory.max").Should().Be("536870912");
        Text(layout, "pids", "pids.max").Should().Be("128");
    }

    [Test]
    public void When_a_later_value_cannot_be_written_the_earlier_ones_are_put_back()
    {
        var layout = Version1();
        File.Delete(layout.FolderOf("cpu", Group) + "/cpu.cfs_quota_us");

        FluentActions.Invoking(() => new CgroupChange(layout, Group).Apply(new ResourceLimits(2, 805_306_368, 300), null))
            .Should().Throw<GatewayException>().Which.Message.Should().Contain("cpu.cfs_quota_us").And.Contain("Nothing was changed");

        Text(layout, "memory", "memory.limit_in_bytes").Should().Be("536870912");
        Text(layout, "memory", "memory.memsw.limit_in_bytes").Should().Be("536870912");
        Text(layout, "pids", "pids.max").Should().Be("128");
    }

    private static string Text(CgroupLayout layout, string controller, string file) =>
        File.ReadAllText(Path.Combine(layout.FolderOf(controller, Group), file)).Trim();

    private CgroupLayout Version1()
    {
        var trees = new[] { "memory", "pids", "cpu", "cpuacct" }.ToDictionary(name => name, name => Path.Combine(_folder.Path, name));
        var layout = new CgroupLayout(1, trees, [.. trees.Values]);
        Write(layout, "memory", "memory.limit_in_bytes", "536870912");
        Write(layout, "memory", "memory.memsw.limit_in_bytes", "536870912");
        File.WriteAllText(Path.Combine(trees["memory"], "memory.memsw.limit_in_bytes"), "9223372036854771712\n"); // Swap is counted on this host.
        Write(layout, "memory", "memory.usage_in_bytes", "104857600");
        Write(layout, "memory", "memory.max_usage_in_bytes", "209715200");
        Write(layout, "memory", "memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 2");
        Write(layout, "memory", "memory.stat", "cache 5000000\ninactive_file 17\ntotal_cache 5000000\ntotal_inactive_file 4857600");
        Write(layout, "pids", "pids.max", "128");
        Write(layout, "pids", "pids.current", "9");
        Write(layout, "pids", "pids.events", "max 7");
        Write(layout, "cpu", "cpu.cfs_quota_us", "100000");
        Write(layout, "cpuacct", "cpuacct.usage", "1500000000");
        return layout;
    }

    private CgroupLayout Version2()
    {
        var layout = new CgroupLayout(2, new[] { "memory", "pids", "cpu" }.ToDictionary(name => name, _ => _folder.Path), [_folder.Path]);
        Write(layout, "memory", "memory.max", "536870912");
        Write(layout, "memory", "memory.current", "104857600");
        Write(layout, "memory", "memory.peak", "209715200");
        Write(layout, "memory", "memory.events", "low 0\nhigh 0\nmax 31\noom 2\noom_kill 2\noom_group_kill 1");
        Write(layout, "memory", "memory.stat", "anon 99999\nfile 5000000\ninactive_file 4857600\nactive_file 3");
        Write(layout, "pids", "pids.max", "128");
        Write(layout, "pids", "pids.current", "9");
        Write(layout, "pids", "pids.events", "max 7");
        Write(layout, "cpu", "cpu.max", "20000 100000");
        Write(layout, "cpu", "cpu.stat", "usage_usec 1500000\nuser_usec 1000000\nsystem_usec 500000");
        return layout;
    }

    private static void Write(CgroupLayout layout, string controller, string file, string content)
    {
        var folder = layout.FolderOf(controller, Group);
        Directory.CreateDirectory(folder);
        File.WriteAllText(Path.Combine(folder, file), content + "\n");
    }
}
