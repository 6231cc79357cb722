using System.Text;
using KernelGateway.Contracts.Events;
using KernelGateway.Contracts.Sandboxes;
using KernelGateway.Core.Executions;
using KernelGateway.Core.Journals;

namespace KernelGateway.Core.Tests.Executions;

/// <summary>Every entry gives one event, whatever a kernel put into it.</summary>
[Parallelizable(ParallelScope.All)]
public sealed class EventProjectionTests
{
    [Test]
    public void A_stream_message_becomes_output_with_its_number_and_owner()
    {
        var projected = EventProjection.Project(Message("stream", """{"name":"stderr","text":"é\n"}""") with { Sequence = 5, ExecutionId = "e", ContextId = "default" });

        projected.Should().BeEquivalentTo(new OutputEvent { Sequence = 5, ExecutionId = "e", ContextId = "default", Stream = "stderr", Text = "é\n" });
    }

    [TestCase("""{"name":5,"text":["no"]}""", "")]
    [TestCase("""{}""", "")]
    [TestCase("""{"text":"a\ud800b"}""", "a\ufffdb")]
    public void A_stream_message_with_wrong_fields_is_still_output(string content, string text) =>
        EventProjection.Project(Message("stream", content)).Should().BeOfType<OutputEvent>().Which.Text.Should().Be(text);

    [TestCase("[1,2]")]
    [TestCase("{\"a\":")]
    [TestCase("{\"a\":NaN}")]
    public void Content_that_cannot_be_shown_is_told_as_omitted(string content) =>
        EventProjection.Project(Message("display_data", content)).Should().BeOfType<OmittedEvent>().Which.Bytes.Should().BePositive();

    [Test]
    public void A_denial_becomes_an_event_with_all_it_says()
    {
        var entry = new JournalEntry
        {
            Kind = JournalEntryKind.EgressDenied,
            Sequence = 3,
            ExecutionId = "e",
            Frames = Notes.Frame(new Notes.EgressDeniedNote("evil.test", 443, "rule", "hint", 7)),
        };

        EventProjection.Project(entry).Should().BeEquivalentTo(new EgressDeniedEvent { Sequence = 3, ExecutionId = "e", Host = "evil.test", Port = 443, Rule = "rule", Hint = "hint", NotRecorded = 7 });
    }

    [Test]
    public void Frames_that_are_no_message_are_told_as_omitted()
    {
        var entry = Message("stream", "{}") with { Frames = [Encoding.UTF8.GetBytes("rubbish")] };

        EventProjection.Project(entry).Should().BeOfType<OmittedEvent>();
    }

    [Test]
    public void A_type_that_a_kernel_invented_keeps_its_content()
    {
        var projected = EventProjection.Project(Message("kernel_specific", """{"x":[1,2]}""")).Should().BeOfType<KernelMessageEvent>().Subject;

        projected.MessageType.Should().Be("kernel_specific");
        projected.Content!.Value.GetRawText().Should().Be("""{"x":[1,2]}""");
    }

    [TestCase("busy", KernelState.Busy)]
    [TestCase("idle", KernelState.Idle)]
    public void Status_of_a_run_becomes_the_state_of_the_kernel(string state, KernelState expected) =>
        EventProjection.Project(Message("status", $$"""{"execution_state":"{{state}}"}""") with { ExecutionId = "e" })
            .Should().BeOfType<KernelStateEvent>().Which.State.Should().Be(expected);

    [Test]
    public void A_traceback_of_mixed_types_keeps_its_texts() =>
        EventProjection.Project(Message("error", """{"ename":"E","evalue":1,"traceback":["a",2,"b"]}"""))
            .Should().BeOfType<ErrorEvent>().Which.Should().BeEquivalentTo(new { Name = "E", Value = "", Traceback = new[] { "a", "b" } });

    private static JournalEntry Message(string type, string content) => new()
    {
        Kind = JournalEntryKind.KernelMessage,
        Channel = JournalChannel.Iopub,
        Frames = [Encoding.UTF8.GetBytes($$"""{"msg_id":"m","msg_type":"{{type}}"}"""), "{}"u8.ToArray(), "{}"u8.ToArray(), Encoding.UTF8.GetBytes(content)],
    };
}
