using KernelGateway.Core.Errors;
using KernelGateway.Core.Webhooks;

namespace KernelGateway.Core.Tests.Webhooks;

/// <summary>Signatures that receivers with a library of the Standard Webhooks specification accept.</summary>
public sealed class WebhookSignatureTests
{
    [Test]
    public void The_example_of_the_specification_comes_out() =>
        WebhookSignature.Of("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, "{\"test\": 2432232314}"u8)
            .Should().Be("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");

    [Test]
    public void A_secret_that_is_made_is_one() => WebhookSignature.Check(WebhookSignature.NewSecret()).Should().StartWith("whsec_");

    [TestCase("")]
    [TestCase("whsec_")]
    [TestCase("whsec_c2hvcnQ=")]
    [TestCase("whsec_%%%%MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")]
    [TestCase("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")]
    public void What_is_no_secret_is_refused(string secret) =>
        FluentActions.Invoking(() => WebhookSignature.Check(secret)).Should().Throw<GatewayException>().Which.Field.Should().Be("secret");

    [Test]
    public void A_record_does_not_show_its_secret() =>
        new WebhookRecord("id", "owner", "https://x.example/?token=t", [], "whsec_secret", default).ToString().Should().NotContain("whsec").And.NotContain("token");

    [Test]
    public void Wrong_settings_are_named_with_the_way_out() =>
        new WebhookOptionsValidator().Validate(null, new WebhookOptions { AllowedHosts = ["*"], AllowedPrivateAddresses = ["10"], MaxAttempts = 0, FirstRetry = TimeSpan.FromMinutes(10) })
            .Failures.Should().HaveCount(4).And.OnlyContain(f => f.StartsWith("Gateway:Webhooks:", StringComparison.Ordinal));
}
