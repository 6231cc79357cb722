using KernelGateway.Contracts.Sandboxes;
using KernelGateway.Core.Errors;
using KernelGateway.Core.Policies;

namespace KernelGateway.Core.Tests.Policies;

/// <summary>What users may ask for, and what they are told when it is wrong.</summary>
[Parallelizable(ParallelScope.All)]
public sealed class NetworkRequestsTests
{
    private static readonly NetworkOptions Options = new();

    [TestCase("exa mple.org", "characters that no host name has")]
    [TestCase("a\0.org", "characters that no host name has")]
    [TestCase("a_b.org", "other than letters, digits")]
    [TestCase("-a.org", "other than letters, digits")]
    [TestCase("a.*.org", "wildcard that is not its whole first label")]
    [TestCase("a*.org", "wildcard that is not its whole first label")]
    [TestCase("**.org", "wildcard that is not its whole first label")]
    [TestCase("*.*.org", "wildcard that is not its whole first label")]
    [TestCase("*.1.2.3.4", "wildcard of an IP address")]
    [TestCase("*", "deniedHosts only")]
    [TestCase("*:443", "deniedHosts only")]
    [TestCase("user@example.org", "no scheme, user or path")]
    [TestCase("https://example.org", "no scheme, user or path")]
    [TestCase("example.org/x", "no scheme, user or path")]
    [TestCase("example.org:0", "number from 1 to 65535")]
    [TestCase("example.org:65536", "number from 1 to 65535")]
    [TestCase("example.org:", "number from 1 to 65535")]
    [TestCase("::1", "number from 1 to 65535")]
    [TestCase("[::1", "brackets")]
    [TestCase("[::1]x", "brackets")]
    [TestCase("[fe80::1%eth0]", "no IPv6 address")]
    [TestCase("[::ffff:1.2.3.4]", "write 1.2.3.4")]
    [TestCase("0x7f.1", "ambiguous spelling")]
    [TestCase("01.2.3.4", "ambiguous spelling")]
    [TestCase("2130706433", "ambiguous spelling")]
    [TestCase("", "is empty")]
    [TestCase(null, "is null")]
    [TestCase("a..org", "empty label")]
    public void A_wrong_pattern_is_refused_with_its_field_and_problem(string? pattern, string problem)
    {
        var refused = Refused(() => Ask(NetworkPolicy.Allowlist, [pattern!], null));

        refused.Code.Should().Be(ErrorCode.InvalidArgument);
        refused.Field.Should().Be("allowedHosts");
        refused.Message.Should().Contain(problem).And.NotContain("\0");
    }

    [Test]
    public void Too_many_patterns_are_refused()
    {
        var many = Enumerable.Range(0, Options.MaxHosts + 1).Select(i => $"h{i}.example").ToList();

        Refused(() => Ask(NetworkPolicy.Allowlist, many, null)).Message.Should().Contain("at most 256").And.Contain("257");
        Refused(() => Ask(NetworkPolicy.Allowlist, null, many)).Field.Should().Be("deniedHosts");
        Ask(NetworkPolicy.Allowlist, many[1..], null).AllowedHosts.Should().HaveCount(256);
    }

    [Test]
    public void A_pattern_that_is_too_long_is_refused_and_not_echoed()
    {
        var refused = Refused(() => Ask(NetworkPolicy.Allowlist, [string.Concat(Enumerable.Repeat("a.", 5000)) + "org"], null));

        refused.Message.Length.Should().BeLessThan(500);
        Refused(() => Ask(NetworkPolicy.Allowlist, [new string('a', 64) + ".org"], null)).Message.Should().Contain("63");
    }

    [Test]
    public void Lists_are_kept_in_canonical_spelling_without_doubles() =>
        Ask(NetworkPolicy.Allowlist, ["Example.ORG.", "example.org", "*.Bücher.example:8443", "[2606:2800:0220::0001]:8080"], ["*", "a.b"])
            .Should().BeEquivalentTo(new NetworkSettings(
                NetworkPolicy.Allowlist,
                ["example.org", "*.xn--bcher-kva.example:8443", "[2606:2800:220::1]:8080"],
                ["*", "a.b"]));

    [Test]
    public void N10_an_allow_list_that_is_missing_empty_or_null_is_accepted_and_allows_nothing()
    {
        Ask(NetworkPolicy.Allowlist, null, null).Should().BeEquivalentTo(new NetworkSettings(NetworkPolicy.Allowlist, [], []));
        Ask(NetworkPolicy.Allowlist, [], []).Should().BeEquivalentTo(new NetworkSettings(NetworkPolicy.Allowlist, [], []));
    }

    [Test]
    public void Hosts_without_a_policy_that_uses_them_are_refused() =>
        Refused(() => Ask(null, ["example.org"], null)).Message.Should().Contain("'networkPolicy' to 'allowlist'");

    [Test]
    public void The_operator_sets_default_and_most()
    {
        NetworkRequests.ToSettings(null, null, null, "local", ["local"], new NetworkOptions { DefaultPolicy = NetworkPolicy.All }).Policy.Should().Be(NetworkPolicy.All);
        var refused = Refused(() => NetworkRequests.ToSettings(NetworkPolicy.All, null, null, "local", ["local"], new NetworkOptions { MaxPolicy = NetworkPolicy.Allowlist }));
        refused.Code.Should().Be(ErrorCode.NotSupported);
        refused.Message.Should().Contain("at most 'allowlist'").And.Contain("Gateway:Network:MaxPolicy");
    }

    [Test]
    public void A_variant_that_cannot_enforce_a_policy_has_all_and_refuses_every_other()
    {
        NetworkSettings Eval(NetworkPolicy? policy, string[]? denied = null) => NetworkRequests.ToSettings(policy, null, denied, "local-eval", ["local"], Options);

        Eval(null).Policy.Should().Be(NetworkPolicy.All);
        Eval(NetworkPolicy.All).Policy.Should().Be(NetworkPolicy.All);
        foreach (var ask in new Action[] { () => Eval(NetworkPolicy.None), () => Eval(NetworkPolicy.Allowlist), () => Eval(NetworkPolicy.All, ["evil.com"]) })
        {
            var refused = Refused(ask);
            refused.Code.Should().Be(ErrorCode.NotSupported);
            refused.Message.Should().Contain("Variants that can: local.");
        }
    }

    [Test]
    public void Wrong_settings_are_all_named_with_the_way_out()
    {
        var result = new NetworkOptionsValidator().Validate(null, new NetworkOptions
        {
            DeniedHosts = ["a b"],
            AllowedPrivateAddresses = ["10.0.0.0/33", "10.0.0.0/8"],
            MaxConnections = 0,
            IdleTimeout = TimeSpan.Zero,
            DefaultPolicy = NetworkPolicy.All,
            MaxPolicy = NetworkPolicy.None,
        });

        result.Failures.Should().HaveCount(5).And.OnlyContain(f => f.StartsWith("Gateway:Network:", StringComparison.Ordinal));
        result.FailureMessage.Should().Contain("10.0.0.0/33").And.Contain("'a b'");
    }

    private static NetworkSettings Ask(NetworkPolicy? policy, IReadOnlyList<string>? allowed, IReadOnlyList<string>? denied) =>
        NetworkRequests.ToSettings(policy, allowed, denied, "local", ["local"], Options);

    private static GatewayException Refused(Action ask) => ask.Should().Throw<GatewayException>().Which;

    private static GatewayException Refused(Func<NetworkSettings> ask) => ask.Should().Throw<GatewayException>().Which;
}
