namespace KernelGateway.Client.Tests;

[Parallelizable(ParallelScope.All)]
public sealed class OptionsTests
{
    [TestCase("http://gateway.example", "http://gateway.example/")]
    [TestCase("https://example/kernels", "https://example/kernels/")]
    [TestCase("https://example:8443/kernels/?x=1", "https://example:8443/kernels/")]
    public async Task A_path_in_front_of_the_api_is_kept(string given, string expected)
    {
        await using var client = new KernelGatewayClient(new KernelGatewayClientOptions { BaseAddress = new Uri(given) });

        client.BaseAddress.Should().Be(new Uri(expected));
    }

    [Test]
    public void An_address_that_cannot_be_right_is_named()
    {
        var creating = () => new KernelGatewayClient(new KernelGatewayClientOptions { BaseAddress = new Uri("ftp://example") });

        creating.Should().Throw<ArgumentException>().WithMessage("*BaseAddress*ftp://example*");
    }

    [Test]
    public void A_key_that_cannot_be_right_is_refused_without_being_shown()
    {
        var creating = () => new KernelGatewayClient(new KernelGatewayClientOptions { ApiKey = "secret\r\nX-Other: 1" });

        creating.Should().Throw<ArgumentException>().WithMessage("*ApiKey*").Which.Message.Should().NotContain("secret");
    }

    [Test]
    [NonParallelizable]
    public async Task What_is_left_out_comes_from_the_environment()
    {
        var before = Environment.GetEnvironmentVariable(KernelGatewayClientOptions.BaseAddressVariable);
        try
        {
            Environment.SetEnvironmentVariable(KernelGatewayClientOptions.BaseAddressVariable, "http://elsewhere:1234");
            await using var client = new KernelGatewayClient();
            client.BaseAddress.Should().Be(new Uri("http://elsewhere:1234/"));

            Environment.SetEnvironmentVariable(KernelGatewayClientOptions.BaseAddressVariable, "not an address");
            FluentActions.Invoking(() => new KernelGatewayClient()).Should().Throw<ArgumentException>().WithMessage("KERNEL_GATEWAY_URL*not an address*");
        }
        finally
        {
            Environment.SetEnvironmentVariable(KernelGatewayClientOptions.BaseAddressVariable, before);
        }
    }
}
