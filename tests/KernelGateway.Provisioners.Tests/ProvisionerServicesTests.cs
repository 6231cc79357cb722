using KernelGateway.Core.Provisioning;
using KernelGateway.Core.Sandboxes;
using KernelGateway.Provisioners.Containers;
using KernelGateway.Provisioners.Docker;
using KernelGateway.Provisioners.Oci;
using KernelGateway.Provisioners.Process;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;

namespace KernelGateway.Provisioners.Tests;

[Parallelizable(ParallelScope.All)]
public sealed class ProvisionerServicesTests
{
    [Test]
    public void Every_variant_is_there_under_its_name()
    {
        using var services = Build([]);
        services.GetServices<IKernelProvisioner>().Select(it => it.Name).Should().BeEquivalentTo("local", "local-docker", "local-eval", "local-jupyter", "datalayer-runtime");
    }

    [Test]
    public void State_lies_in_the_data_directory_unless_told_otherwise()
    {
        using (var services = Build([]))
        {
            services.GetRequiredService<IOptions<OciProvisionerOptions>>().Value.StateFolder.Should().Be("/srv/kg/hosts/local");
            services.GetRequiredService<IOptions<OciProvisionerOptions>>().Value.DataDirectory.Should().Be("/srv/kg");
            services.GetRequiredService<IOptions<DockerProvisionerOptions>>().Value.StateFolder.Should().Be("/srv/kg/hosts/docker");
            services.GetRequiredService<IOptions<ProcessProvisionerOptions>>().Value.StateFolder.Should().Be("/srv/kg/hosts/eval");
        }

        using var told = Build(new() { ["Gateway:Local:StateFolder"] = "/elsewhere", ["Gateway:Local:StartTimeout"] = "00:00:07" });
        var options = told.GetRequiredService<IOptions<OciProvisionerOptions>>().Value;
        options.StateFolder.Should().Be("/elsewhere");
        options.DataDirectory.Should().BeNull("what is elsewhere is not the gateway's to open");
        options.StartTimeout.Should().Be(TimeSpan.FromSeconds(7));
    }

    [Test]
    public void Wrong_settings_are_refused_at_start()
    {
        using var services = Build(new() { ["Gateway:Local:UidSlots"] = "0", ["Gateway:LocalEval:PythonPath"] = "python3", ["Gateway:LocalDocker:SocketPath"] = "tcp://10.0.0.1:2375", ["Gateway:LocalJupyter:Url"] = "ftp://x", ["Gateway:Datalayer:ReservationMinutes"] = "5" });
        var validation = () => services.GetRequiredService<IStartupValidator>().Validate();
        validation.Should().Throw<AggregateException>().Which.Message.Should()
            .Contain("Gateway:Local:UidSlots is 0; give 1 to 65536").And.Contain("Gateway:LocalEval:PythonPath is 'python3'")
            .And.Contain("Gateway:LocalDocker:SocketPath is 'tcp://10.0.0.1:2375'").And.Contain("Gateway:LocalJupyter:Url must be").And.Contain("Gateway:Datalayer:ReservationMinutes is 5; give 10 to 1440");
    }

    private static ServiceProvider Build(Dictionary<string, string?> settings)
    {
        var configuration = new ConfigurationBuilder().AddInMemoryCollection(settings).Build();
        return new ServiceCollection()
            .AddLogging()
            .Configure<DataOptions>(data => data.DataDirectory = "/srv/kg")
            .AddProvisioners(configuration.GetSection("Gateway"))
            .BuildServiceProvider();
    }
}
