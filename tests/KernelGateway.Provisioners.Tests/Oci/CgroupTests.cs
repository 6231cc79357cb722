using System.Text.Json.Nodes;
using KernelGateway.Core.Provisioning;
using KernelGateway.Provisioners.Containers;
using KernelGateway.Provisioners.Oci;

namespace KernelGateway.Provisioners.Tests.Oci;

[Parallelizable(ParallelScope.All)]
public sealed class CgroupTests
{
    private const string Hybrid = """
        30 25 0:26 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
        31 30 0:27 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct
        32 30 0:28 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
        33 30 0:29 / /sys/fs/cgroup/pids rw,relatime - cgroup cgroup rw,pids
        34 30 0:30 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
        """;

    private const string Unified = "29 23 0:26 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";

    private static readonly ResourceLimits Limits = new(0.5, 512 << 20, 128);

    [Test]
    public void A_hybrid_host_is_version_1_with_the_mount_of_each_controller()
    {
        var layout = CgroupLayout.Parse(Hybrid, _ => []);
        layout.Version.Should().Be(1);
        layout.Missing.Should().BeEmpty();
        layout.FolderOf("cpu", "/kg/x").Should().Be("/sys/fs/cgroup/cpu,cpuacct/kg/x");
        layout.Trees.Should().BeEquivalentTo("/sys/fs/cgroup/cpu,cpuacct", "/sys/fs/cgroup/memory", "/sys/fs/cgroup/pids", "/sys/fs/cgroup/unified");
    }

    [TestCase(Hybrid, "crun version 1.8.1", true), TestCase(Unified, "crun version 1.8.1", false), TestCase(Hybrid, "runc version 1.1.5", false)]
    [TestCase("32 30 0:28 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory", "crun version 1.8.1", false)]
    public void Crun_is_refused_where_both_versions_are_mixed_and_nowhere_else(string mountInfo, string version, bool refused)
    {
        var reason = OciRequirements.FindUnfit(version, CgroupLayout.Parse(mountInfo, _ => ["memory"]));
        (reason is not null).Should().Be(refused);
        reason?.Should().Contain("hybrid").And.Contain("Gateway:Local:RuntimePath");
    }

    [Test]
    public void A_unified_host_is_version_2_with_one_mount()
    {
        var layout = CgroupLayout.Parse(Unified, _ => ["cpuset", "cpu", "io", "memory", "pids"]);
        layout.Version.Should().Be(2);
        layout.Missing.Should().BeEmpty();
        layout.LimitsSwap.Should().BeTrue();
        layout.FolderOf("memory", "/kg/x").Should().Be("/sys/fs/cgroup/kg/x");
    }

    [Test]
    public void What_is_missing_is_named()
    {
        CgroupLayout.Parse(Unified, _ => ["cpu"]).Missing.Should().Equal("memory", "pids");
        CgroupLayout.Parse("", _ => []).Missing.Should().Equal("memory", "pids", "cpu");
    }

    [Test]
    public void Version_2_ends_a_sandbox_without_memory_as_a_whole()
    {
        var resources = new CgroupLimits(CgroupLayout.Parse(Unified, _ => ["cpu", "memory", "pids"]), "/kg/x", TimeProvider.System).ToResources(Limits);
        ((string?)resources["unified"]!["memory.oom.group"]).Should().Be("1");
        resources["memory"]!.AsObject().Should().NotContainKey("swappiness");
        JsonNode.DeepEquals(resources["memory"], JsonNode.Parse("""{"limit":536870912,"swap":536870912}""")).Should().BeTrue();
    }

    [Test]
    public void Version_1_gets_no_setting_of_version_2()
    {
        var resources = new CgroupLimits(CgroupLayout.Parse(Hybrid, _ => []), "/kg/x", TimeProvider.System).ToResources(Limits);
        resources.Should().NotContainKey("unified");
        ((long)resources["cpu"]!["quota"]!).Should().Be(50_000);
        ((int)resources["pids"]!["limit"]!).Should().Be(128);
        ((bool)resources["devices"]![0]!["allow"]!).Should().BeFalse();
    }

    [TestCase("/"), TestCase("/kg"), TestCase("/kg/.."), TestCase("")]
    public void The_group_of_a_sandbox_is_never_that_of_many(string group) =>
        ((Action)(() => _ = new CgroupLimits(CgroupLayout.Parse(Unified, _ => ["memory"]), group, TimeProvider.System)))
            .Should().Throw<ArgumentException>("everything in it would be killed");
}
