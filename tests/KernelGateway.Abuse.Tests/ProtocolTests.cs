using KernelGateway.Abuse.Tests.Support;
using KernelGateway.Client;
using KernelGateway.Contracts.Events;
using KernelGateway.Contracts.Executions;

namespace KernelGateway.Abuse.Tests;

/// <summary>P: a kernel that has turned against the gateway. What arrives on single frames and bytes is tested at the transport and the log themselves.</summary>
public sealed class ProtocolTests : AbuseFixture
{
    private const string Kernel =
        """
        import os, time
        kernel = get_ipython().kernel
        def send(kind, content, parent=None, **more):
            kernel.session.send(kernel.iopub_socket, kind, content, parent=parent or kernel.get_parent('shell'), **more)

        """;

    [Test]
    public async Task P07_What_a_kernel_says_in_anothers_name_is_not_shown_there(CancellationToken cancellationToken)
    {
        var running = await Site.Neighbour.StartCodeAsync("'untouched'", cancellationToken: cancellationToken);
        var before = running.FirstSequence - 1;
        var sandbox = await AttackerAsync(cancellationToken);

        await sandbox.RunCodeAsync(Kernel + $$$"""send('stream', {'name': 'stdout', 'text': 'forged'}, parent={'header': {'msg_id': '{{{running.Id}}}', 'session': 'x', 'msg_type': 'execute_request'}})""", cancellationToken: cancellationToken);

        var result = await running.WaitAsync(cancellationToken);
        result.Stdout.Should().BeEmpty();
        (await Site.Neighbour.RunCodeAsync("'end'", cancellationToken: cancellationToken)).Stdout.Should().BeEmpty();
        await foreach (var one in Site.Neighbour.EventsAsync(before, cancellationToken))
        {
            (one as OutputEvent)?.Text.Should().NotContain("forged");
            if (one is ResultEvent { Data: var data } && data["text/plain"].ToString().Contains("end", StringComparison.Ordinal))
            {
                break;
            }
        }
    }

    [Test]
    public async Task P08_Forged_ends_of_a_run_change_nothing_for_the_runs_that_follow(CancellationToken cancellationToken)
    {
        var sandbox = await AttackerAsync(cancellationToken);
        var forged = await sandbox.RunCodeAsync(
            Kernel + """
            for i in range(50):
                send('status', {'execution_state': 'idle'})
                send('execute_reply', {'status': 'ok', 'execution_count': 10**9})
                send('execute_reply', {'status': 'error', 'ename': 'Forged', 'evalue': '', 'traceback': []}, parent={'header': {'msg_id': 'f' * 32}})
            print('still here')
            """, cancellationToken: cancellationToken);
        forged.Status.Should().BeOneOf(ExecutionStatus.Ok, ExecutionStatus.Error);

        for (var i = 0; i < 5; i++)
        {
            var result = await sandbox.RunCodeAsync($"{i} + 100", cancellationToken: cancellationToken);
            result.Text.Should().Be($"{i + 100}");
            result.Status.Should().Be(ExecutionStatus.Ok);
        }
    }

    [Test]
    public async Task P04_Content_that_is_no_JSON_or_nested_without_end_is_told_as_omitted_and_the_run_goes_on(CancellationToken cancellationToken)
    {
        var sandbox = await AttackerAsync(cancellationToken);
        var result = await sandbox.RunCodeAsync(
            Kernel + """
            import json
            session = kernel.session
            pack = session.pack
            for raw in (b'[' * 100_000, b'{"name":"stdout","text":', b'null', b'[]', b'{"a":1e999}', b'\xff\xfe', b'{"text":"\\ud800"}', b'{"text":1,"text":2}', b'{"name":' + b'{"x":' * 90 + b'1' + b'}' * 91):
                session.pack = lambda value, raw=raw: raw if isinstance(value, dict) and value.get('evil') else pack(value)
                send('stream', {'evil': True})
            session.pack = pack
            print('after')
            """, cancellationToken: cancellationToken);

        result.Status.Should().Be(ExecutionStatus.Ok, "{0}", result.Error);
        result.Stdout.Should().EndWith("after\n");
        (await sandbox.RunCodeAsync("6 * 7", cancellationToken: cancellationToken)).Text.Should().Be("42");
    }

    [Test]
    public async Task P05_Headers_without_measure_are_dropped_or_kept_small(CancellationToken cancellationToken)
    {
        var sandbox = await AttackerAsync(cancellationToken);
        var result = await sandbox.RunCodeAsync(
            Kernel + """
            send('x' * (5 << 20), {'a': 1})
            send('stream', {'name': 'stdout', 'text': 'with much metadata\n'}, metadata={str(i): i for i in range(100_000)})
            header = kernel.session.msg_header('stream'); header['date'] = 'not a date'
            kernel.session.send(kernel.iopub_socket, {'header': header, 'msg_id': header['msg_id'], 'msg_type': 'stream', 'parent_header': kernel.get_parent('shell')['header'], 'metadata': {}, 'content': {'name': 'stdout', 'text': 'without a date\n'}})
            print('after')
            """, cancellationToken: cancellationToken);

        result.Status.Should().Be(ExecutionStatus.Ok, "{0}", result.Error);
        result.Stdout.Should().EndWith("after\n");
    }

    [Test]
    public async Task P10_Comms_without_end_and_with_large_buffers_count_as_output(CancellationToken cancellationToken)
    {
        var sandbox = await AttackerAsync(cancellationToken);
        var result = await sandbox.RunCodeAsync(
            Kernel + """
            for i in range(30_000): send('comm_open', {'comm_id': str(i), 'target_name': 'x', 'data': {}})
            send('comm_msg', {'comm_id': '1', 'data': {}}, buffers=[b'x' * (50 << 20)])
            print('after')
            """, cancellationToken: cancellationToken);

        result.Status.Should().Be(ExecutionStatus.Ok, "{0}", result.Error);
        var omitted = 0L;
        await foreach (var one in sandbox.EventsAsync(result.Execution.FirstSequence - 1, cancellationToken))
        {
            omitted += one is OmittedEvent cut ? cut.Messages : 0;
            if (one is ExecutionFinishedEvent)
            {
                break;
            }
        }

        omitted.Should().BeGreaterThan(10_000, "over 20,000 messages are too many here");
    }

    [Test]
    public async Task P11_Small_messages_after_a_huge_one_are_all_delivered(CancellationToken cancellationToken)
    {
        var sandbox = await AttackerAsync(cancellationToken, new() { MemoryMb = 1024 });
        var result = await sandbox.RunCodeAsync(
            Kernel + """
            send('display_data', {'data': {'text/plain': 'x' * (60 << 20)}, 'metadata': {}})
            for i in range(500): print(i, flush=True)
            """, cancellationToken: cancellationToken);

        result.Lines.Select(l => l.Line).Should().Equal(Enumerable.Range(0, 500).Select(i => $"{i}"));
    }

    [Test]
    public async Task P17_Text_that_steers_terminals_is_kept_as_it_is_and_only_the_gateways_log_escapes_it(CancellationToken cancellationToken)
    {
        var result = await AttackAsync("""print('\x1b]52;c;ZXZpbA==\x07\x1b[2J a\rb\bc \x1b]8;;http://evil\x1b\\')""", cancellationToken);

        result.Stdout.Should().Be("\x1b]52;c;ZXZpbA==\x07\x1b[2J a\rb\bc \x1b]8;;http://evil\x1b\\\n");
        Gateway.Log.Should().NotContain("\x1b");
    }

    [Test]
    public async Task A_kernel_that_spoils_its_own_log_loses_its_own_output_and_nobody_elses(CancellationToken cancellationToken)
    {
        var sandbox = await AttackerAsync(cancellationToken);
        var running = await sandbox.StartCodeAsync(
            """
            import os
            for folder, _, names in os.walk('/run/kg/log'):
                for name in names:
                    with open(os.path.join(folder, name), 'r+b') as log:
                        log.seek(0, 2); log.write(os.urandom(1 << 20)); log.truncate(1 << 30)
                os.symlink('/etc/passwd', os.path.join(folder, 'zzz.log')); os.mkfifo(os.path.join(folder, 'fifo'))
            print('after')
            """, cancellationToken: cancellationToken);
        await foreach (var one in sandbox.EventsAsync(running.FirstSequence - 1, cancellationToken))
        {
            if (one is GapEvent)
            {
                break;
            }
        }

        await sandbox.RestartAsync(cancellationToken: cancellationToken);
        (await running.WaitAsync(cancellationToken)).Success.Should().BeFalse();
        (await sandbox.RunCodeAsync("6 * 7", cancellationToken: cancellationToken)).Text.Should().Be("42");
    }
}
