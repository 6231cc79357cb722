using System.Text.Json;
using KernelGateway.Contracts.Events;
using KernelGateway.Contracts.Executions;

namespace KernelGateway.Contracts.Tests;

[Parallelizable]
public sealed class EventJsonTests
{
    private static readonly JsonSerializerOptions Json = JsonSerializerOptions.Web;

    [Test]
    public void An_event_says_its_type_and_comes_back_as_that_type()
    {
        SandboxEvent sent = new OutputEvent { Sequence = 7, ExecutionId = "e", Stream = "stderr", Text = "é\n" };

        var json = JsonSerializer.Serialize(sent, Json);

        json.Should().Contain("\"type\":\"output\"");
        JsonSerializer.Deserialize<SandboxEvent>(json, Json).Should().BeOfType<OutputEvent>().And.Be(sent);
    }

    [Test]
    public void An_event_of_a_later_version_is_read_as_the_base_with_its_number()
    {
        var read = JsonSerializer.Deserialize<SandboxEvent>("""{"type":"fromTheFuture","sequence":9,"colour":"blue"}""", Json);

        read.Should().BeOfType<SandboxEvent>().Which.Sequence.Should().Be(9);
    }

    [Test]
    public void Every_event_type_is_registered_for_json()
    {
        var types = typeof(SandboxEvent).Assembly.GetTypes().Where(t => t.IsSubclassOf(typeof(SandboxEvent)));
        foreach (var type in types)
        {
            var attributes = typeof(SandboxEvent).GetCustomAttributes(typeof(System.Text.Json.Serialization.JsonDerivedTypeAttribute), false);
            attributes.Cast<System.Text.Json.Serialization.JsonDerivedTypeAttribute>().Should().Contain(a => a.DerivedType == type);
        }
    }

    [Test]
    public void States_are_camel_case_words_and_numbers_are_refused()
    {
        JsonSerializer.Serialize(ExecutionStatus.KernelDied, Json).Should().Be("\"kernelDied\"");
        var reading = () => JsonSerializer.Deserialize<ExecutionStatus>("1", Json);
        reading.Should().Throw<JsonException>();
    }
}
