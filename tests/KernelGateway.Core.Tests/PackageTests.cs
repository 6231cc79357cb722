using KernelGateway.Core.Packages;

namespace KernelGateway.Core.Tests;

/// <summary>What may be asked of pip.</summary>
public sealed class PackageTests
{
    [TestCase("requests")]
    [TestCase("Requests")]
    [TestCase("re.quests == 1.0")]
    [TestCase("re-quests[socks, use_chardet_on_py3]>=2.0,<3,!=2.5.*")]
    [TestCase("re_quests~=2.0")]
    [TestCase("re--quests===1.0+local")]
    public void Names_are_compared_as_indexes_do(string package) =>
        PackageNames.Check([package], ["re-quests", "requests"], 10).Should().Equal(package.Replace(" ", "", StringComparison.Ordinal));

    [Test]
    public void A_star_allows_all() => PackageNames.Check(["anything"], ["*"], 1).Should().Equal("anything");

    [Test]
    public void Wrong_settings_are_named_with_the_way_out() =>
        new PackageOptionsValidator().Validate(null, new PackageOptions { IndexUrl = "https://user:word@x.example/", Allowed = ["a b", "requests==1"], FileHosts = ["http://x"], MaxPackages = 0, DefaultTimeoutSeconds = 0 })
            .Failures.Should().HaveCount(6).And.OnlyContain(f => f.StartsWith("Gateway:Packages:", StringComparison.Ordinal));
}
