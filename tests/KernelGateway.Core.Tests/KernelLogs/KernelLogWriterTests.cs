using System.Globalization;
using System.Text.RegularExpressions;
using KernelGateway.Core.KernelLogs;
using KernelGateway.Core.Tests.Support;

namespace KernelGateway.Core.Tests.KernelLogs;

/// <summary>Real kernels, started by the real agent, with nobody on IOPub: what they say is in their log.</summary>
[TestFixture]
public sealed class KernelLogWriterTests
{
    private AgentProcess _agent = null!;
    private KernelProcess _kernel = null!;

    [SetUp]
    public async Task StartAgent() => _agent = await AgentProcess.StartAsync();

    [TearDown]
    public async Task EndAgent()
    {
        Interlocked.Exchange(ref _kernel!, null)?.Dispose();
        if (Interlocked.Exchange(ref _agent!, null) is { } agent)
        {
            await agent.DisposeAsync();
        }
    }

    [Test]
    public async Task Twenty_thousand_flushed_prints_that_nobody_heard_are_all_there_in_order()
    {
        await LaunchAsync();
        (await _kernel.RunAsync("for i in range(20000): print(i, flush=True)")).Should().Be("ok");
        List<LoggedMessage> messages = await _kernel.ReadToIdleAsync();

        Text(messages).Should().Be(Lines(20000));
        messages.Count(message => message.Type == "stream").Should().BeInRange(20000, 21000, "each was flushed, some by the timer before its line ended");
        messages.Select(message => message.Record.Sequence).Should().Equal(Enumerable.Range(1, messages.Count).Select(number => (long)number));
        messages.Where(message => message.Parent == messages[^1].Parent).Select(message => message.Type).Distinct()
            .Should().Equal("status", "execute_input", "stream", "execute_reply");
    }

    [Test]
    public async Task A_print_of_200_MB_waits_for_the_reader_and_loses_nothing()
    {
        const int Lines = 2_000_000;
        await LaunchAsync(("KG_LOG_MAX", "2000000"), ("KG_LOG_SEGMENT", "400000"));
        await _kernel.RunAsync("line = ('%099d\\n' % 0); text = line * 100000; import os");
        long before = _kernel.Memory;
        await _kernel.SendAsync("for i in range(20): print(text, end='')");

        long most = 0;
        long printed = 0;
        int pieces = 0;
        LoggedMessage message;
        do
        {
            message = await _kernel.NextAsync();
            string text = message.TextOn("stdout");
            text.Length.Should().BeLessThanOrEqualTo(65536);
            text.Should().MatchRegex("^(|(.*\n)*)$", "lines are not cut");
            printed += text.Length;
            if (++pieces % 100 == 0)
            {
                most = Math.Max(most, _kernel.Memory);
                new DirectoryInfo(_agent.LogOf("k1")).GetFiles().Sum(file => file.Length).Should().BeLessThan(2_600_000);
            }
        }
        while (message.Kind != KernelLogKind.ExecuteReply || printed == 0);

        printed.Should().Be(Lines * 100L);
        (most - before).Should().BeLessThan(40_000_000, "bytes: what is printed does not stay in memory");
        (await _kernel.ReplyAsync()).Should().Be("ok");
    }

    [Test]
    public async Task An_interrupt_breaks_a_print_that_waits_and_the_kernel_says_so_before_there_is_room()
    {
        await LaunchAsync(("KG_LOG_MAX", "400000"));
        await _kernel.SendAsync("i = 0\nwhile True:\n    print(i)\n    i += 1");
        await BlockedAsync();
        await _kernel.InterruptAsync();
        (await _kernel.ReplyAsync()).Should().Be("KeyboardInterrupt", "the reply needs no room");

        List<LoggedMessage> messages = await _kernel.ReadToIdleAsync();
        messages.Select(message => message.Type).Should().Contain("error");
        int[] numbers = Text(messages).Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => int.Parse(line, CultureInfo.InvariantCulture)).ToArray();
        numbers.Should().Equal(Enumerable.Range(0, numbers.Length), "what was printed before the interrupt is there once");
        (await _kernel.RunAsync($"print('i is', i - {numbers.Length})")).Should().Be("ok");
        Text(await _kernel.ReadToIdleAsync()).Should().MatchRegex("^i is [01]\n$");
    }

    [Test]
    public async Task Interrupts_at_any_moment_neither_lose_nor_double_a_line()
    {
        await LaunchAsync();
        const string Code = """
            import random, signal
            class Again(BaseException): pass
            def strike(*_): raise Again()
            signal.signal(signal.SIGALRM, strike)
            done = 0
            for i in range(4000):
                try:
                    signal.setitimer(signal.ITIMER_REAL, random.uniform(0.00002, 0.0006))
                    while True:
                        print('n%d' % done, flush=random.random() < 0.2); done += 1
                except Again:
                    pass
                print('|')
            """;
        (await _kernel.RunAsync(Code)).Should().Be("ok");
        string text = Text(await _kernel.ReadToIdleAsync());

        // A print that was cut short may be there without its end, and its number again in the next loop; never out of order.
        int[] numbers = Regex.Matches(text, "n(\\d+)").Select(match => int.Parse(match.Groups[1].ValueSpan, CultureInfo.InvariantCulture)).ToArray();
        numbers.Length.Should().BeGreaterThan(1000);
        string[] parts = text.Split('|');
        foreach (string part in parts)
        {
            string[] lines = part.Split('\n', StringSplitOptions.RemoveEmptyEntries);
            lines.Should().OnlyHaveUniqueItems("no text comes twice within one loop");
        }

        numbers.Distinct().Should().Equal(Enumerable.Range(0, numbers.Max() + 1), "every number is there, in order");
    }

    [Test]
    public async Task Reading_resumes_after_any_record_of_a_real_log()
    {
        await LaunchAsync(("KG_LOG_SEGMENT", "3000"));
        await _kernel.RunAsync("for i in range(40): print(i, flush=True)");
        var positions = new List<KernelLogPosition>();
        using KernelLogReader whole = Reader(KernelLogPosition.Start);
        while (whole.TryRead(out KernelLogRecord? record))
        {
            positions.Add(record.After);
        }

        positions.Should().HaveCountGreaterThan(40);
        positions[^1].Segment.Should().BeGreaterThan(5);
        for (int index = 0; index < positions.Count; index++)
        {
            using KernelLogReader rest = Reader(positions[index]);
            foreach (KernelLogPosition expected in positions.Skip(index + 1))
            {
                LogFolder.Next(rest).After.Should().Be(expected);
            }

            LogFolder.NothingMore(rest);
        }
    }

    [Test]
    public async Task Forked_children_and_their_parent_print_into_one_sound_log()
    {
        await LaunchAsync();
        const string Code = """
            import os, sys
            print('pending')
            for n in range(8):
                pid = os.fork()
                if pid == 0:
                    for i in range(50): sys.stdout.write('child %d %d\n' % (n, i))
                    os._exit(0)
                for i in range(50): sys.stdout.write('parent %d %d\n' % (n, i))
                os.waitpid(pid, 0)
            """;
        (await _kernel.RunAsync(Code)).Should().Be("ok");
        List<LoggedMessage> messages = await _kernel.ReadToIdleAsync();
        while (Regex.Count(Text(messages), "child .*\n") < 400)
        {
            // They come through the parent, and may do so after it is idle.
            messages.Add(await _kernel.NextAsync());
        }

        string[] lines = Text(messages).Split('\n', StringSplitOptions.RemoveEmptyEntries);
        lines[0].Should().Be("pending", "it was printed before");
        lines.Count(line => line == "pending").Should().Be(1, "a child does not repeat what its parent had not published");
        lines.Where(line => line.StartsWith("parent", StringComparison.Ordinal)).Should()
            .Equal(Enumerable.Range(0, 400).Select(number => $"parent {number / 50} {number % 50}"));
        lines.Where(line => line.StartsWith("child", StringComparison.Ordinal)).Should()
            .BeEquivalentTo(Enumerable.Range(0, 400).Select(number => $"child {number / 50} {number % 50}"));
    }

    [Test]
    public async Task Threads_print_at_once_without_losing_a_line()
    {
        await LaunchAsync(("KG_LOG_MAX", "300000"));
        const string Code = """
            import threading, sys
            def work(n):
                for i in range(10000): sys.stdout.write('%d %d\n' % (n, i))
            threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
            [t.start() for t in threads]; [t.join() for t in threads]
            """;
        await _kernel.SendAsync(Code);
        string[] lines = Text(await _kernel.ReadToIdleAsync()).Split('\n', StringSplitOptions.RemoveEmptyEntries);
        lines.Should().HaveCount(40000);
        for (int thread = 0; thread < 4; thread++)
        {
            lines.Where(line => line[0] == '0' + thread).Should().Equal(Enumerable.Range(0, 10000).Select(number => $"{thread} {number}"));
        }

        (await _kernel.ReplyAsync()).Should().Be("ok");
    }

    [Test]
    public async Task Requests_for_input_and_replies_are_logged()
    {
        await LaunchAsync();
        (await _kernel.RunAsync("name = input('who? '); import getpass; getpass.getpass('word? '); print(name)", "Ada")).Should().Be("ok");
        List<LoggedMessage> messages = await _kernel.ReadToIdleAsync();
        LoggedMessage[] asked = messages.Where(message => message.Kind == KernelLogKind.InputRequest).ToArray();
        asked.Select(message => message.Content.GetProperty("prompt").GetString()).Should().Equal("who? ", "word? ");
        asked.Select(message => message.Content.GetProperty("password").GetBoolean()).Should().Equal(false, true);
        asked[0].Type.Should().Be("input_request");
        LoggedMessage reply = messages.Single(message => message.Kind == KernelLogKind.ExecuteReply);
        reply.Content.GetProperty("status").GetString().Should().Be("ok");
        reply.Parent.Should().Be(messages[^1].Parent);
        Text(messages).Should().Be("Ada\n");
    }

    [Test]
    public async Task A_message_over_the_limit_leaves_its_header_and_size()
    {
        await LaunchAsync(("KG_LOG_MESSAGE_MAX", "300000"));
        (await _kernel.RunAsync("from IPython.display import display; display({'text/plain': 'x' * 500000}, raw=True); print('after')")).Should().Be("ok");
        List<LoggedMessage> messages = await _kernel.ReadToIdleAsync();
        LoggedMessage left = messages.Single(message => message.Kind == KernelLogKind.LeftOut);
        left.Type.Should().Be("display_data");
        left.Content.GetProperty("msg_type").GetString().Should().Be("display_data");
        left.Content.GetProperty("size").GetInt64().Should().BeInRange(500_000, 501_000);
        left.Parent.Should().Be(messages[^1].Parent);
        Text(messages).Should().Be("after\n");
    }

    [Test]
    public async Task A_full_disk_stops_the_kernel_until_there_is_room_and_loses_nothing()
    {
        Requires.Root();
        Directory.CreateDirectory(_agent.LogOf("k1"));
        Posix.MountTmpfs(_agent.LogOf("k1"), "size=1m,mode=0700");
        try
        {
            await LaunchAsync();
            await _kernel.SendAsync("for i in range(400000): print(i)");
            await BlockedAsync();
            string[] lines = Text(await _kernel.ReadToIdleAsync()).Split('\n', StringSplitOptions.RemoveEmptyEntries);
            lines.Should().Equal(Enumerable.Range(0, 400000).Select(number => number.ToString(CultureInfo.InvariantCulture)));
            (await _kernel.ReplyAsync()).Should().Be("ok");
        }
        finally
        {
            _kernel?.Dispose();
            _kernel = null!;
            await _agent.Connection.SignalAsync("k1", 9);
            await _agent.Connection.EventAsync();
            Posix.Unmount(_agent.LogOf("k1"));
        }
    }

    [Test]
    public async Task What_users_see_of_a_kernel_is_there()
    {
        await LaunchAsync();
        const string Code = """
            import sys, os, subprocess
            from IPython.display import display, clear_output, update_display, HTML
            !echo from the shell
            os.system('echo from os; echo wrong >&2')
            subprocess.run(['printf', 'é' * 3000])
            sys.stdout.flush()
            for i in range(3): print('\rstep', i, end='', flush=True)
            print(file=sys.stderr); print('to stderr', file=sys.stderr)
            handle = display(HTML('<b>1</b>'), display_id=True); handle.update(HTML('<b>2</b>')); clear_output(wait=True)
            %matplotlib inline
            import matplotlib.pyplot as plt
            plt.plot([1, 2]); plt.show()
            40 + 2
            """;
        (await _kernel.RunAsync(Code)).Should().Be("ok");
        List<LoggedMessage> messages = await _kernel.ReadToIdleAsync();
        await _kernel.RunAsync("import time; time.sleep(0.6)");
        messages.AddRange(await _kernel.ReadToIdleAsync());
        // What children write comes through a pipe and may fall between two prints.
        string own = Text(messages).Replace("é", "", StringComparison.Ordinal);
        own.Should().Contain("from the shell").And.Contain("from os\n").And.Contain("\rstep 0\rstep 1\rstep 2");
        Regex.Matches(Text(messages), "é").Should().HaveCount(3000, "characters are not cut");
        Text(messages).Should().NotContain("\ufffd");
        string.Concat(messages.Select(message => message.TextOn("stderr"))).Should().Contain("to stderr\n").And.Contain("wrong\n");
        messages.Select(message => message.Type).Should().Contain(["display_data", "update_display_data", "clear_output", "execute_result"]);
        messages.Where(message => message.Type == "display_data")
            .Select(message => message.Content.GetProperty("data").EnumerateObject().Select(item => item.Name))
            .Should().ContainSingle(names => names.Contains("image/png"));
        messages.Single(message => message.Type == "execute_result").Content.GetProperty("data").GetProperty("text/plain").GetString().Should().Be("42");

        (await _kernel.RunAsync("import sys; sys.exit(3)")).Should().Be("SystemExit");
        (await _kernel.RunAsync("1/0")).Should().Be("ZeroDivisionError");
        (await _kernel.RunAsync("import IPython; assert IPython.embed.__module__ == 'IPython.terminal.embed'; from IPython import embed")).Should().Be("ok");
        (await _kernel.RunAsync("import os, sys; assert not [n for n in os.environ if n.startswith('KG_')]; assert 'launcher' not in str(sys.path)")).Should().Be("ok");
    }

    [Test]
    public async Task Text_that_cannot_be_sent_does_not_hold_up_what_follows()
    {
        await LaunchAsync();
        (await _kernel.RunAsync("print('a\\ud800b'); print('after')")).Should().Be("ok");
        Text(await _kernel.ReadToIdleAsync()).Should().Be("a\\ud800b\nafter\n");
        (await _kernel.RunAsync("raise ValueError('\\ud800')")).Should().Be("UnicodeEncodeError", "there is a reply all the same");
        (await _kernel.ReadToIdleAsync())[^2].Kind.Should().Be(KernelLogKind.ExecuteReply);
    }

    private static string Lines(int count) => string.Concat(Enumerable.Range(0, count).Select(number => $"{number}\n"));

    private static string Text(IEnumerable<LoggedMessage> messages) => string.Concat(messages.Select(message => message.TextOn("stdout")));

    private async Task LaunchAsync(params (string Name, string Value)[] variables) =>
        _kernel = await _agent.LaunchKernelAsync("k1", variables);

    private KernelLogReader Reader(KernelLogPosition start) =>
        KernelLogReader.Open(new(_agent.LogOf("k1"), Posix.Uid), start, new KernelLogOptions());

    /// <summary>Waits until the kernel writes no more though its cell is running.</summary>
    private async Task BlockedAsync()
    {
        using var deadline = new CancellationTokenSource(AgentProcess.Patience);
        long size = -1;
        long seen;
        while ((seen = new DirectoryInfo(_agent.LogOf("k1")).GetFiles().Sum(file => file.Length)) != size || seen < 200_000)
        {
            size = seen;
            await Task.Delay(300, deadline.Token); // Nobody tells that nothing is written any more.
        }
    }
}
