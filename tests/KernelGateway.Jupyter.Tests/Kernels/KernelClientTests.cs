using System.Collections.Concurrent;
using KernelGateway.Jupyter.Messaging;
using KernelGateway.Jupyter.Tests.Support;
using Newtonsoft.Json.Linq;

namespace KernelGateway.Jupyter.Tests.Kernels;

/// <summary>All requests, on one real kernel for each transport.</summary>
[TestFixture("ipc")]
[TestFixture("tcp")]
[CancelAfter(120_000)]
public sealed class KernelClientTests(string transport)
{
    private readonly ConcurrentQueue<JupyterMessage> _published = new();
    private RealKernel _kernel = null!;
    private KernelClient _client = null!;

    [OneTimeSetUp]
    public async Task Start()
    {
        _kernel = await RealKernel.StartAsync(transport);
        _client = await _kernel.ConnectAsync(new KernelClientOptions
        {
            InterruptBySignal = _kernel.InterruptAsync,
            OnIopub = message =>
            {
                _published.Enqueue(message);
                return ValueTask.CompletedTask;
            },
            OnInputRequest = request => new ValueTask(_client.ReplyInputAsync(request, "Ada")),
        });
    }

    [OneTimeTearDown]
    public async Task Stop()
    {
        if (_client is not null)
        {
            await _client.DisposeAsync();
        }

        if (_kernel is not null)
        {
            await _kernel.DisposeAsync();
        }
    }

    [Test]
    public async Task Lines_arrive_while_the_code_runs(CancellationToken cancellationToken)
    {
        var gate = Path.Combine(_kernel.Folder, "gate");
        using var execution = await _client.ExecuteAsync(
            new ExecuteRequest($"import os, time\nprint('first', flush=True)\nwhile not os.path.exists({Python(gate)}): time.sleep(0.01)\nprint('second')"),
            cancellationToken);
        await using var outputs = execution.Outputs(cancellationToken).GetAsyncEnumerator(cancellationToken);
        await outputs.UntilPrintedAsync("first");
        execution.Reply.IsCompleted.Should().BeFalse("the code still waits for its gate");
        await File.WriteAllTextAsync(gate, "", cancellationToken);
        await outputs.UntilPrintedAsync("second");
        (await execution.Completion.InTimeAsync("the end of the run")).MsgType.Should().Be(MessageTypes.ExecuteReply);
    }

    [Test]
    public async Task Outputs_arrive_typed_and_in_order()
    {
        var run = await _client.RunAsync("""
            import sys
            from IPython.display import display, HTML
            print('to stdout', flush=True)
            print('to stderr', file=sys.stderr, flush=True)
            display(HTML('<b>bold</b>'))
            6 * 7
            """);

        // A line may come in two pieces: ipykernel also sends when its timer says so.
        run.Types.Where((type, n) => type != MessageTypes.Stream || run.Outputs[n - 1].MsgType != MessageTypes.Stream)
            .Should().Equal("status", "execute_input", "stream", "display_data", "execute_result", "status");
        run.Text().Should().Be("to stdout\n");
        run.Text("stderr").Should().Be("to stderr\n");
        run.The(MessageTypes.DisplayData).Content["data"]!["text/html"]!.ToString().Should().Be("<b>bold</b>");
        run.The(MessageTypes.ExecuteResult).Content["data"]!["text/plain"]!.ToString().Should().Be("42");
        run.Status.Should().Be("ok");
        run.Outputs.Should().OnlyContain(o => o.ParentMsgId == run.Reply.ParentMsgId && o.ParentHeader!.MsgType == "execute_request");
        run.Reply.Header.Date.Should().NotBeNull();
        _published.Where(m => m.ParentMsgId == run.Reply.ParentMsgId).Should().Equal(run.Outputs, "the owner hears the same");
    }

    [Test]
    public async Task An_error_of_the_code_is_an_output_and_a_reply_not_an_exception()
    {
        var run = await _client.RunAsync(new ExecuteRequest("1 / 0", StopOnError: false));
        run.Status.Should().Be("error");
        run.Reply.Content["ename"]!.ToString().Should().Be("ZeroDivisionError");
        var error = run.The(MessageTypes.Error).Content;
        error["evalue"]!.ToString().Should().Be("division by zero");
        error["traceback"]!.Should().BeOfType<JArray>().Which.Should().NotBeEmpty();
    }

    [Test]
    public async Task An_execution_may_have_an_id_chosen_before_and_expressions_to_evaluate()
    {
        var id = Guid.NewGuid().ToString("N");
        using var execution = await _client.ExecuteAsync(
            new ExecuteRequest("y = 20") { UserExpressions = new Dictionary<string, string> { ["twice"] = "y * 2" } }, id, wantsOutputs: false);
        execution.Id.Should().Be(id);
        var reply = await execution.Completion.InTimeAsync("the end of a run that nobody reads");
        reply.ParentMsgId.Should().Be(id);
        reply.Content["user_expressions"]!["twice"]!["data"]!["text/plain"]!.ToString().Should().Be("40");
        execution.Invoking(e => e.Outputs()).Should().Throw<InvalidOperationException>();
    }

    [Test]
    public async Task Questions_about_code_are_answered(CancellationToken cancellationToken)
    {
        await _client.RunAsync("import json\nremembered_number = 5");
        var complete = await _client.CompleteAsync("remembered_nu", 13, cancellationToken);
        complete.Content["matches"]!.Values<string>().Should().Contain("remembered_number");
        var inspect = await _client.InspectAsync("json.dumps", 10, cancellationToken: cancellationToken);
        inspect.Content["found"]!.Value<bool>().Should().BeTrue();
        (await _client.IsCompleteAsync("for i in range(3):", cancellationToken)).Content["status"]!.ToString().Should().Be("incomplete");
        (await _client.IsCompleteAsync("1 + 1", cancellationToken)).Content["status"]!.ToString().Should().Be("complete");
        var history = await _client.HistoryAsync(5, cancellationToken);
        history.Content["history"]!.ToString().Should().Contain("remembered_number = 5");
        var info = await _client.KernelInfoAsync(cancellationToken);
        info.Content["language_info"]!["name"]!.ToString().Should().Be("python");
    }

    [Test]
    public async Task A_comm_opens_talks_and_closes(CancellationToken cancellationToken)
    {
        await _client.RunAsync("""
            def opened(comm, message):
                comm.send({'hello': message['content']['data']['from']})
                comm.on_msg(lambda m: comm.send({'echo': m['content']['data']['n']}))
            get_ipython().kernel.comm_manager.register_target('talk', opened)
            """);
        var heard = new List<string>();
        using var listening = _client.ListenToComm("c1", data => heard.Add(data.ToString(Newtonsoft.Json.Formatting.None)));
        await _client.OpenCommAsync("c1", "talk", new JObject { ["from"] = "us" }, cancellationToken);
        await _client.SendCommAsync("c1", new JObject { ["n"] = 7 }, cancellationToken);
        var comms = await _client.CommInfoAsync("talk", cancellationToken);
        comms.Content["comms"]!["c1"]!["target_name"]!.ToString().Should().Be("talk");
        await _client.CloseCommAsync("c1", cancellationToken);
        (await _client.CommInfoAsync("talk", cancellationToken)).Content["comms"]!.Should().BeEmpty();
        await _client.RunAsync("pass"); // IOPub keeps its order: what the comm said is here by now.
        _published.Where(m => m.MsgType == MessageTypes.CommMsg).Select(m => m.Content["data"]!.ToString(Newtonsoft.Json.Formatting.None))
            .Should().Equal("{\"hello\":\"us\"}", "{\"echo\":7}");
        heard.Should().Equal("{\"hello\":\"us\"}", "{\"echo\":7}");
        ((Action)(() => _client.ListenToComm("c1", _ => { }))).Should().Throw<InvalidOperationException>("one listener each");
    }

    [TestCase("import time; time.sleep(60)")]
    [TestCase("while True: pass")]
    public async Task An_interrupt_by_signal_leaves_the_kernel_usable_with_its_variables(string code, CancellationToken cancellationToken) =>
        await InterruptedRunKeepsVariablesAsync(_client, code, cancellationToken);

    [TestCase("import time; time.sleep(60)")]
    [TestCase("while True: pass")]
    public async Task An_interrupt_by_message_leaves_the_kernel_usable_with_its_variables(string code, CancellationToken cancellationToken)
    {
        await using var client = await _kernel.ConnectAsync();
        await InterruptedRunKeepsVariablesAsync(client, code, cancellationToken);
    }

    [Test]
    public async Task Input_is_asked_for_and_answered()
    {
        var run = await _client.RunAsync(new ExecuteRequest("print('Hello ' + input('Name? '))", AllowStdin: true));
        run.Text().Should().Be("Hello Ada\n");
    }

    [Test]
    public async Task The_heartbeat_answers_also_while_code_runs(CancellationToken cancellationToken)
    {
        using var execution = await _client.ExecuteAsync(new ExecuteRequest("import time; time.sleep(0.5)"), cancellationToken);
        var time = await _client.HeartbeatAsync(TimeSpan.FromSeconds(30), cancellationToken);
        time.Should().BePositive().And.BeLessThan(TimeSpan.FromSeconds(30));
        await execution.Completion.InTimeAsync("the end of the run");
    }

    [Test]
    public async Task Cancelling_the_wait_leaves_the_work_going()
    {
        using var cancel = new CancellationTokenSource();
        var request = _client.CreateRequest(
            MessageTypes.ExecuteRequest, new ExecuteRequest("import time; time.sleep(0.3); survived = True").ToJson());
        var waiting = _client.RequestAsync(KernelChannel.Shell, request, cancel.Token);
        await cancel.CancelAsync();
        await waiting.Awaiting(w => w).Should().ThrowAsync<OperationCanceledException>();
        (await _client.RunAsync("print(survived)")).Text().Should().Be("True\n");
    }

    [Test]
    public async Task Eight_clients_at_once_each_hear_their_own_runs()
    {
        await Task.WhenAll(Enumerable.Range(0, 8).Select(async n =>
        {
            await using var client = await _kernel.ConnectAsync();
            for (var round = 0; round < 10; round++)
            {
                var run = await client.RunAsync($"print('{n}.{round}')");
                run.Text().Should().Be($"{n}.{round}\n");
                run.Types.Distinct().Should().Equal("status", "execute_input", "stream"); // A line may come in two pieces.
                run.Outputs.Should().OnlyContain(o => o.ParentMsgId == run.Reply.ParentMsgId);
            }

            client.DroppedMessages.Should().Be(0);
        }));
    }

    private static string Python(string text) => "'" + text + "'";

    private static async Task InterruptedRunKeepsVariablesAsync(KernelClient client, string code, CancellationToken cancellationToken)
    {
        await client.RunAsync("kept = 'still here'");

        // With StopOnError ipykernel aborts what comes within moments of an error, here the next run.
        using var execution = await client.ExecuteAsync(
            new ExecuteRequest("print('begun', flush=True)\n" + code, StopOnError: false), cancellationToken);
        await using var outputs = execution.Outputs(cancellationToken).GetAsyncEnumerator(cancellationToken);
        await outputs.UntilPrintedAsync("begun");
        await client.InterruptAsync(cancellationToken);
        var reply = await execution.Completion.InTimeAsync("the end of the interrupted run");
        reply.Content["ename"]!.ToString().Should().Be("KeyboardInterrupt");
        (await client.RunAsync("print(kept)")).Text().Should().Be("still here\n");
    }
}
