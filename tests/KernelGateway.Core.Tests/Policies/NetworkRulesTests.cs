using System.Net;
using KernelGateway.Contracts.Sandboxes;
using KernelGateway.Core.Policies;

namespace KernelGateway.Core.Tests.Policies;

/// <summary>The decisions as tables; rows N01 to N10 of the abuse catalogue by their ids.</summary>
[Parallelizable(ParallelScope.All)]
public sealed class NetworkRulesTests
{
    private static readonly IReadOnlySet<IPAddress> NoOwn = new HashSet<IPAddress>();

    [TestCase("example.org:443", true)]
    [TestCase("example.org:80", true)]
    [TestCase("www.example.org:443", false)]
    [TestCase("a.wild.example:443", true)]
    [TestCase("a.b.wild.example:443", true)]
    [TestCase("wild.example:443", false)]
    [TestCase("db.example:5432", true)]
    [TestCase("db.example:443", false)]
    [TestCase("denied.wild.example:443", false)]
    [TestCase("half.wild.example:443", true)]
    [TestCase("half.wild.example:80", false)]
    [TestCase("93.184.216.34:443", true)]
    [TestCase("93.184.216.35:443", false)]
    [TestCase("[2606:2800:220:1::1]:443", true)]
    [TestCase("[2606:2800:0220:0001:0:0:0:1]:443", true)]
    [TestCase("other.net:443", false)]
    public void An_allow_list_allows_what_it_names_and_deny_beats_it(string authority, bool allowed) =>
        Decide(
            authority,
            NetworkPolicy.Allowlist,
            ["example.org", "*.wild.example", "db.example:5432", "93.184.216.34", "[2606:2800:220:1::1]"],
            ["denied.wild.example", "half.wild.example:80"]).Should().Be(allowed);

    [TestCase("93.184.216.34:80", Description = "N01 an IP literal")]
    [TestCase("1572395042:80", Description = "N01 decimal")]
    [TestCase("0x5db8d822:80", Description = "N01 hexadecimal")]
    [TestCase("0135.0270.0330.042:80", Description = "N01 octal")]
    [TestCase("93.12113954:80", Description = "N01 two parts")]
    [TestCase("93.184.55330:80", Description = "N01 three parts")]
    [TestCase("0x5d.0xb8.0xd8.0x22:80", Description = "N01 hexadecimal parts")]
    [TestCase("[::ffff:93.184.216.34]:80", Description = "N01 mapped")]
    [TestCase("[::ffff:5db8:d822]:80", Description = "N01 mapped in hexadecimal")]
    [TestCase("allowed.com.0x7f:80", Description = "N01 a last label that is a number")]
    [TestCase("allowed.com:22", Description = "N02")]
    [TestCase("allowed.com:25", Description = "N02")]
    [TestCase("allowed.com:0", Description = "N02")]
    [TestCase("allowed.com:65536", Description = "N02")]
    [TestCase("allowed.com:-1", Description = "N02")]
    [TestCase("allowed.com:+443", Description = "N02")]
    [TestCase("allowed.com:000443", Description = "N02")]
    [TestCase("allowed.com:443x", Description = "N02")]
    [TestCase("allowed.com:", Description = "N02")]
    [TestCase("allowed.com", Description = "N02 no port")]
    [TestCase("evil.com\0.allowed.com:443", Description = "N04 NUL")]
    [TestCase("allowed.com.evil.com:443", Description = "N04")]
    [TestCase("evilallowed.com:443", Description = "N04")]
    [TestCase("xallowed.com:443", Description = "N04")]
    [TestCase("*.allowed.com:443", Description = "N04")]
    [TestCase("*.:443", Description = "N04")]
    [TestCase(".allowed.com:443", Description = "N04")]
    [TestCase("allowed..com:443", Description = "N04")]
    [TestCase("allowed.com..:443", Description = "N04")]
    [TestCase("user@allowed.com:443", Description = "N04 userinfo")]
    [TestCase("allowed.com:80@evil.com:443", Description = "N04 userinfo")]
    [TestCase("allowed_com:443", Description = "N04 not LDH")]
    [TestCase("-allowed.com:443", Description = "N04")]
    [TestCase("allowed.com%00:443", Description = "N04")]
    [TestCase("allowed.com\r\n:443", Description = "N04")]
    [TestCase("allowed.com/:443", Description = "N04")]
    [TestCase("аllowed.com:443", Description = "N04 a Cyrillic letter")]
    [TestCase("", Description = "N04")]
    [TestCase("[::1:443", Description = "N04")]
    [TestCase("::1:443", Description = "N04")]
    public void What_only_looks_like_an_allowed_host_is_refused(string authority) =>
        Decide(authority, NetworkPolicy.Allowlist, ["allowed.com", "*.sub.allowed.com"], []).Should().BeFalse();

    [TestCase("ALLOWED.com:443")]
    [TestCase("allowed.com.:443")]
    [TestCase("Allowed.Com.:80")]
    [TestCase("bücher.example:443")]
    [TestCase("BÜCHER.example:443")]
    [TestCase("xn--bcher-kva.example:443")]
    [TestCase("XN--BCHER-KVA.example.:443")]
    [TestCase("bücher。example:443")]
    public void N04_other_spellings_of_an_allowed_host_are_the_same_host(string authority) =>
        Decide(authority, NetworkPolicy.Allowlist, ["allowed.com", "Bücher.example."], []).Should().BeTrue();

    [TestCase("evil.com:443")]
    [TestCase("EVIL.com.:443")]
    [TestCase("a.evil.com:443")]
    [TestCase("203.0.114.9:443")]
    public void N04_other_spellings_do_not_get_past_a_deny_rule(string authority) =>
        Decide(authority, NetworkPolicy.All, [], ["evil.com", "*.evil.com", "203.0.114.9"]).Should().BeFalse();

    [Test]
    public void N10_an_empty_list_allows_nothing() =>
        Decide("example.org:443", NetworkPolicy.Allowlist, [], []).Should().BeFalse();

    [Test]
    public void The_policy_none_allows_nothing_whatever_the_list() =>
        Decide("example.org:443", NetworkPolicy.None, ["example.org"], []).Should().BeFalse();

    [TestCase("example.org:443", true)]
    [TestCase("example.org:22", false)]
    [TestCase("git.example:22", true)]
    [TestCase("git.example:443", true)]
    public void All_means_the_two_ports_unless_a_rule_names_another(string authority, bool allowed) =>
        Decide(authority, NetworkPolicy.All, ["git.example:22"], []).Should().Be(allowed);

    [Test]
    public void A_star_in_the_deny_list_denies_everything() =>
        Decide("example.org:443", NetworkPolicy.All, [], ["*"]).Should().BeFalse();

    [Test]
    public void What_the_operator_denies_nobody_can_allow()
    {
        HostRule.TryParse("*.bad.example", everyHost: true, out var rule, out _).Should().BeTrue();
        var rules = new NetworkRules(new NetworkSettings(NetworkPolicy.Allowlist, ["a.bad.example"], []), [rule], []);

        var verdict = rules.Decide(To("a.bad.example:443"));

        verdict.Allowed.Should().BeFalse();
        verdict.Rule.Should().Be("'*.bad.example' in the gateway's deny list");
        verdict.Hint.Should().Contain("operator");
    }

    [TestCase("127.0.0.1")]
    [TestCase("127.255.255.254")]
    [TestCase("0.0.0.0")]
    [TestCase("10.0.0.1")]
    [TestCase("172.16.0.1")]
    [TestCase("172.31.255.255")]
    [TestCase("192.168.1.1")]
    [TestCase("169.254.169.254")]
    [TestCase("100.64.0.1")]
    [TestCase("100.127.255.255")]
    [TestCase("100.100.100.200")]
    [TestCase("168.63.129.16")]
    [TestCase("192.0.0.192")]
    [TestCase("198.18.0.1")]
    [TestCase("224.0.0.1")]
    [TestCase("239.1.1.1")]
    [TestCase("240.0.0.1")]
    [TestCase("255.255.255.255")]
    [TestCase("::")]
    [TestCase("::1")]
    [TestCase("fe80::1")]
    [TestCase("fec0::1")]
    [TestCase("fc00::1")]
    [TestCase("fd00:ec2::254")]
    [TestCase("ff02::1")]
    [TestCase("2001:db8::1")]
    [TestCase("2001::1", Description = "Teredo")]
    [TestCase("::ffff:10.0.0.1", Description = "mapped")]
    [TestCase("::ffff:0:10.0.0.1", Description = "translated")]
    [TestCase("::10.0.0.1", Description = "compatible")]
    [TestCase("64:ff9b::10.0.0.1", Description = "NAT64")]
    [TestCase("64:ff9b:1::1", Description = "NAT64 of a network of one's own")]
    [TestCase("2002:7f00:1::", Description = "6to4 of 127.0.0.1")]
    [TestCase("2002:a9fe:a9fe::", Description = "6to4 of the metadata address")]
    [TestCase("2600::5efe:10.0.0.1", Description = "ISATAP")]
    public void N05_a_name_that_leads_to_an_address_that_is_not_public_is_refused(string address)
    {
        foreach (var policy in new[] { NetworkPolicy.Allowlist, NetworkPolicy.All })
        {
            var verdict = Rules(policy, ["allowed.com"], []).Decide(To("allowed.com:443"), IPAddress.Parse(address), NoOwn);

            verdict.Allowed.Should().BeFalse($"{address} under {policy}");
            verdict.Hint.Should().Contain("allowed.com");
        }
    }

    [TestCase("8.8.8.8")]
    [TestCase("172.32.0.1")]
    [TestCase("100.128.0.1")]
    [TestCase("223.255.255.255")]
    [TestCase("2606:4700::1111")]
    [TestCase("64:ff9b::8.8.8.8")]
    public void A_public_address_is_allowed(string address) =>
        Rules(NetworkPolicy.All, [], []).Decide(To("allowed.com:443"), IPAddress.Parse(address), NoOwn).Allowed.Should().BeTrue();

    [Test]
    public void A_public_address_of_the_host_itself_is_refused() =>
        Rules(NetworkPolicy.All, [], []).Decide(To("allowed.com:443"), IPAddress.Parse("8.8.4.4"), new HashSet<IPAddress> { IPAddress.Parse("8.8.4.4") })
            .Rule.Should().Contain("own host");

    [Test]
    public void A_denied_address_is_refused_under_every_name() =>
        Rules(NetworkPolicy.All, [], ["8.8.8.8"]).Decide(To("allowed.com:443"), IPAddress.Parse("64:ff9b::8.8.8.8"), NoOwn).Allowed.Should().BeFalse();

    [TestCase("127.0.0.5", true)]
    [TestCase("127.0.0.6", false)]
    [TestCase("10.0.0.1", false)]
    public void The_operator_can_allow_a_private_network_and_only_that(string address, bool allowed) =>
        new NetworkRules(new NetworkSettings(NetworkPolicy.All, [], []), [], [IPNetwork.Parse("127.0.0.5/32")])
            .Decide(To("allowed.com:443"), IPAddress.Parse(address), NoOwn).Allowed.Should().Be(allowed);

    [Test]
    public void A_refusal_names_the_rule_and_the_way_out()
    {
        var verdict = Rules(NetworkPolicy.Allowlist, ["example.org"], []).Decide(To("example.org:8443"));

        verdict.Rule.Should().Be("port 8443");
        verdict.Hint.Should().Be("Add 'example.org:8443' to allowedHosts; without a port only 80 and 443 are open.");
        Rules(NetworkPolicy.Allowlist, [], []).Decide(To("example.org:443")).Hint.Should().Be("Add 'example.org' to allowedHosts.");
    }

    private static NetworkRules Rules(NetworkPolicy policy, string[] allowed, string[] denied) => new(new NetworkSettings(policy, allowed, denied), [], []);

    private static Destination To(string authority) =>
        Destination.TryParse(authority, 0, out var destination, out var problem) ? destination : throw new AssertionException($"'{authority}' {problem}");

    private static bool Decide(string authority, NetworkPolicy policy, string[] allowed, string[] denied) =>
        Destination.TryParse(authority, 0, out var destination, out _) && Rules(policy, allowed, denied).Decide(destination).Allowed;
}
