using System.Text.Json;
using KernelGateway.Contracts.Events;

namespace KernelGateway.Client.Tests;

[Parallelizable(ParallelScope.All)]
public sealed class JsonTests
{
    [Test]
    public void An_event_of_a_newer_gateway_keeps_its_place_in_the_order()
    {
        var read = JsonSerializer.Deserialize<SandboxEvent>("""{"type":"fromTheFuture","sequence":7,"executionId":"e","colour":"green"}""", ClientJson.Options);

        read.Should().BeEquivalentTo(new SandboxEvent { Sequence = 7, ExecutionId = "e" });
    }

    [Test]
    public void The_type_may_stand_anywhere()
    {
        var read = JsonSerializer.Deserialize<SandboxEvent>("""{"sequence":7,"stream":"stdout","text":"x","type":"output"}""", ClientJson.Options);

        read.Should().BeOfType<OutputEvent>().Which.Text.Should().Be("x");
    }
}
