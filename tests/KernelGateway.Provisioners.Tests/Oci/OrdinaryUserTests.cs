using KernelGateway.Provisioners.Containers;
using KernelGateway.Provisioners.Native;
using KernelGateway.Provisioners.Oci;

namespace KernelGateway.Provisioners.Tests.Oci;

[Parallelizable(ParallelScope.All)]
public sealed class OrdinaryUserTests
{
    private static readonly CgroupLayout Layout = new(2, new Dictionary<string, string> { ["memory"] = "/no/tree", ["pids"] = "/no/tree", ["cpu"] = "/no/tree" }, ["/no/tree"]);

    [TestCase("", 0), TestCase("alice:100000:65536", 0), TestCase("bob:100000:100", 100), TestCase("1234:100000:200\nbob:1:300", 300), TestCase("bob:x:y\nbob:1", 0)]
    public void A_range_of_ids_that_is_too_small_is_named_with_its_size(string subuid, int found)
    {
        var lacking = new OrdinaryUser(new OciProvisionerOptions { UidSlots = 100 }, Layout).Lacking(1234, "bob", subuid, "bob:100000:65536").ToList();
        lacking.Should().Contain($"a range of 400 ids in /etc/subuid (it has {found})").And.NotContain(line => line.Contains("/etc/subgid"));
        lacking.Should().Contain("control groups delegated to it (/no/tree/kernel-gateway cannot be written)", "one tree is named once");
    }

    [Test]
    public void Disks_are_lacking_even_when_all_else_is_there() =>
        new OrdinaryUser(new OciProvisionerOptions { UidSlots = 1, CgroupParent = "/x" }, Layout with { Controllers = new Dictionary<string, string> { ["memory"] = "/tmp" } })
            .Lacking(1, "bob", "bob:1:4", "bob:1:4").Where(line => !line.Contains("apt install uidmap")).Should().ContainSingle().Which.Should().Contain("mount disks");

    [TestCase("CapEff:\t000001ffffffffff", 1UL << 21), TestCase("CapEff:\t00000000a80425fb", 0UL)]
    public void Root_in_a_container_is_told_from_root(string line, ulong administer) =>
        (RootRights.Capabilities(["Name:\tx", line]) & (1UL << 21)).Should().Be(administer);
}
