using KernelGateway.Provisioners.Containers;
using KernelGateway.Provisioners.Tests.Support;

namespace KernelGateway.Provisioners.Tests.Oci;

[Parallelizable(ParallelScope.All)]
public sealed class UidSlotsTests
{
    [Test]
    public void Two_gateways_on_one_folder_never_share_a_slot()
    {
        using var state = new StateFolder();
        var first = new UidSlots(state.Path, 1_000_000, 40);
        var second = new UidSlots(state.Path, 1_000_000, 40);
        var taken = Enumerable.Range(0, 40).AsParallel().WithDegreeOfParallelism(8)
            .Select(i => (i % 2 == 0 ? first : second).Take($"s{i}")).ToList();
        taken.Should().OnlyHaveUniqueItems().And.NotContainNulls();
        first.Take("one too many").Should().BeNull();
        first.Taken().Should().HaveCount(40);
    }

    [Test]
    public void Ranges_of_uids_do_not_touch()
    {
        var slots = new UidSlots("/nowhere", 1_000_000, 40);
        var uids = Enumerable.Range(0, 40).SelectMany(slot => new[] { slots.RootUid(slot), slots.KernelUid(slot), slots.NobodyUid(slot) });
        uids.Should().OnlyHaveUniqueItems();
    }

    [Test]
    public void Only_its_owner_frees_a_slot()
    {
        using var state = new StateFolder();
        var slots = new UidSlots(state.Path, 1_000_000, 1);
        var slot = slots.Take("mine")!.Value;
        slots.Free(slot, "other");
        slots.Take("next").Should().BeNull("the slot is not the other's to free");
        slots.Free(slot, "mine");
        slots.Take("next").Should().Be(slot);
    }

    [Test]
    public void A_freed_slot_rests_before_it_is_used_again()
    {
        using var state = new StateFolder();
        var slots = new UidSlots(state.Path, 1_000_000, 3);
        var slot = slots.Take("a")!.Value;
        slots.Free(slot, "a");
        slots.Take("b").Should().NotBe(slot);
    }
}
