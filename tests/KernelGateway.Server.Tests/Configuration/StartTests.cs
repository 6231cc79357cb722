using KernelGateway.Server.Configuration;
using KernelGateway.Server.Tests.Support;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Options;

namespace KernelGateway.Server.Tests.Configuration;

[Parallelizable(ParallelScope.All)]
public sealed class StartTests
{
    [Test]
    public async Task All_wrong_settings_are_reported_together_each_with_the_way_out()
    {
        Exception? thrown = null;
        try
        {
            await using var gateway = await LiveGateway.StartAsync(
                ("Gateway:Sandboxes:MaxCpu", "-3"),
                ("Gateway:Sandboxes:DefaultMemoryMb", "1"),
                ("Gateway:Journal:SegmentBytes", "5"));
        }
        catch (Exception e)
        {
            thrown = e;
        }

        var failures = (thrown is AggregateException many ? many.InnerExceptions : [thrown!]).OfType<OptionsValidationException>().SelectMany(e => e.Failures);
        failures.Should().HaveCount(3);
        string.Join('\n', failures).Should().Contain("Gateway:Sandboxes:MaxCpu must be between").And.Contain("Gateway:Sandboxes:DefaultMemoryMb must be between").And.Contain("Gateway:Journal:SegmentBytes must be between");
    }

    [Test]
    public async Task A_second_gateway_on_the_same_data_refuses_to_start_and_the_first_goes_on()
    {
        var first = SharedGateway.Instance;
        var start = async () =>
        {
            await using var app = GatewayHost.Build([], b => b.Configuration.AddInMemoryCollection(new Dictionary<string, string?>
            {
                ["Urls"] = "http://127.0.0.1:0",
                ["Gateway:DataDirectory"] = first.Folder,
            }));
            await app.StartAsync();
        };

        (await start.Should().ThrowAsync<IOException>()).Which.Message.Should().Contain("Another gateway uses the data folder");
        (await first.Http.GetAsync("/api/v1/sandboxes")).IsSuccessStatusCode.Should().BeTrue();
    }

    [Test]
    public async Task A_damaged_database_stops_the_start_with_a_sentence()
    {
        using var folder = new TemporaryFolder();
        await File.WriteAllTextAsync(folder.Of("gateway.db"), new string('x', 9000));
        var start = async () =>
        {
            await using var app = GatewayHost.Build([], b => b.Configuration.AddInMemoryCollection(new Dictionary<string, string?>
            {
                ["Urls"] = "http://127.0.0.1:0",
                ["Gateway:DataDirectory"] = folder.Path,
            }));
            await app.StartAsync();
        };

        (await start.Should().ThrowAsync<InvalidDataException>()).Which.Message.Should().Contain("gateway.db").And.Contain("Restore it from a copy");
    }
}
