using System.Net;
using System.Net.Sockets;
using System.Text.Json.Nodes;
using KernelGateway.Core.Tests.Support;

namespace KernelGateway.Core.Tests.KernelLogs;

[TestFixture]
public sealed class AgentTests
{
    private AgentProcess _agent = null!;

    [SetUp]
    public async Task StartAgent() => _agent = await AgentProcess.StartAsync();

    [TearDown]
    public async Task EndAgent()
    {
        if (Interlocked.Exchange(ref _agent!, null) is { } agent)
        {
            await agent.DisposeAsync();
        }
    }

    [Test]
    public async Task An_exit_code_is_told_at_once_with_what_was_written_to_stderr()
    {
        (await LaunchShell("k1", "echo last words >&2; exit 3"))["ok"]!.GetValue<bool>().Should().BeTrue();
        JsonObject end = await _agent.Connection.EventAsync();
        end["kernel"]!.GetValue<string>().Should().Be("k1");
        end["code"]!.GetValue<int>().Should().Be(3);
        end["signal"].Should().BeNull();
        end["stderr"]!.GetValue<string>().Should().Be("last words\n");
    }

    [TestCase(9)]
    [TestCase(11)]
    public async Task A_deadly_signal_is_told_at_once(int signal)
    {
        JsonObject launched = await LaunchShell("k1", "exec sleep 100");
        Posix.SendSignal(launched["pid"]!.GetValue<int>(), signal);
        DateTimeOffset sent = TimeProvider.System.GetUtcNow();
        JsonObject end = await _agent.Connection.EventAsync();
        (TimeProvider.System.GetUtcNow() - sent).Should().BeLessThan(TimeSpan.FromMilliseconds(500));
        end["signal"]!.GetValue<int>().Should().Be(signal);
        end["code"].Should().BeNull();
    }

    [Test]
    public async Task A_kernel_that_crashes_says_where()
    {
        using KernelProcess kernel = await _agent.LaunchKernelAsync();
        await kernel.SendAsync("import ctypes; ctypes.string_at(0)");
        JsonObject end = await _agent.Connection.EventAsync();
        end["signal"]!.GetValue<int>().Should().Be(11);
        end["stderr"]!.GetValue<string>().Should().Contain("Segmentation fault").And.Contain("string_at");
    }

    [Test]
    public async Task Every_connection_hears_of_an_end_and_hello_tells_it_later()
    {
        using AgentConnection other = await _agent.ConnectAsync();
        (await other.AskAsync(new JsonObject { ["op"] = "hello" }))["protocol"]!.GetValue<int>().Should().Be(1);
        await LaunchShell("gone", "exit 7");
        await LaunchShell("here", "exec sleep 100");
        (await _agent.Connection.EventAsync())["code"]!.GetValue<int>().Should().Be(7);
        (await other.EventAsync())["code"]!.GetValue<int>().Should().Be(7);

        using AgentConnection later = await _agent.ConnectAsync();
        JsonArray kernels = (await later.AskAsync(new JsonObject { ["op"] = "hello" }))["kernels"]!.AsArray();
        JsonNode gone = kernels.Single(kernel => kernel!["kernel"]!.GetValue<string>() == "gone")!;
        gone["running"]!.GetValue<bool>().Should().BeFalse();
        gone["code"]!.GetValue<int>().Should().Be(7);
        JsonNode here = kernels.Single(kernel => kernel!["kernel"]!.GetValue<string>() == "here")!;
        here["running"]!.GetValue<bool>().Should().BeTrue();
        here["pid"]!.GetValue<int>().Should().BePositive();
    }

    [Test]
    public async Task Only_the_last_ends_are_remembered()
    {
        for (int number = 0; number < 40; number++)
        {
            await LaunchShell($"k{number}", "exit 0");
            await _agent.Connection.EventAsync();
        }

        JsonArray kernels = (await _agent.Connection.AskAsync(new JsonObject { ["op"] = "hello" }))["kernels"]!.AsArray();
        kernels.Select(kernel => kernel!["kernel"]!.GetValue<string>())
            .Should().Equal(Enumerable.Range(8, 32).Select(number => $"k{number}"));
    }

    [Test]
    public async Task The_same_kernel_is_launched_once()
    {
        await LaunchShell("k1", "exec sleep 100");
        JsonObject again = await LaunchShell("k1", "exit 0");
        again["ok"]!.GetValue<bool>().Should().BeFalse();
        again["error"]!.GetValue<string>().Should().Contain("k1");
    }

    [Test]
    public async Task A_program_that_cannot_be_run_is_refused_with_the_reason_and_forgotten()
    {
        JsonObject reply = await _agent.LaunchAsync("k1", "/no/such/program");
        reply["ok"]!.GetValue<bool>().Should().BeFalse();
        reply["error"]!.GetValue<string>().Should().Contain("/no/such/program").And.Contain("No such file");
        (await LaunchShell("k1", "exec sleep 100"))["ok"]!.GetValue<bool>().Should().BeTrue();
    }

    [Test]
    public async Task A_kernel_gets_a_session_and_dispositions_of_its_own_and_its_environment_only()
    {
        const string Script = "cut -d' ' -f5,6 /proc/$$/stat; grep SigIgn /proc/$$/status; umask; env | sort; "
            + "cat /proc/$$/oom_score_adj; readlink /proc/$$/fd/0; exit 1";
        JsonObject launched = await LaunchShell("k1", Script);
        int pid = launched["pid"]!.GetValue<int>();
        string[] lines = (await _agent.Connection.EventAsync())["stderr"]!.GetValue<string>().TrimEnd('\n').Split('\n');
        lines[0].Should().Be($"{pid} {pid}", "process group and session are the kernel's");
        lines[1].Should().EndWith("0000000000000000", "no signal is ignored");
        lines[2].Should().Be("0077");
        lines.Where(line => line.Contains('=', StringComparison.Ordinal)).Select(line => line.Split('=')[0])
            .Should().BeEquivalentTo("KG_LOG_DIR", "OLDPWD", "PATH", "PWD");
        lines[^2].Should().Be("1000");
        lines[^1].Should().Be("/dev/null");

        int other = (await LaunchShell("k2", "exec sleep 100"))["pid"]!.GetValue<int>();
        // While it starts, the program opens files of its own; what it inherits would stay.
        await Wait.UntilAsync(() => Directory.GetFiles($"/proc/{other}/fd").Length == 3, AgentProcess.Patience, "the kernel has inherited no descriptor");
    }

    [Test]
    public async Task Output_that_nobody_reads_neither_blocks_a_kernel_nor_grows_the_agent()
    {
        await LaunchShell("k1", "head -c 300000000 /dev/zero; echo; echo end >&2; exit 5");
        JsonObject end = await _agent.Connection.EventAsync();
        end["code"]!.GetValue<int>().Should().Be(5);
        end["stderr"]!.GetValue<string>().Should().EndWith("end\n").And.Subject.Length.Should().BeLessThanOrEqualTo(4096);
        string memory = File.ReadLines($"/proc/{_agent.Process.Id}/status").First(line => line.StartsWith("VmHWM", StringComparison.Ordinal));
        int.Parse(memory.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], null).Should().BeLessThan(40_000, "kB at most");
    }

    [Test]
    public async Task A_signal_reaches_the_kernel_or_its_group_and_an_ended_kernel_refuses_it()
    {
        await LaunchShell("k1", "sleep 100 & wait");
        (await _agent.Connection.SignalAsync("k1", 15, group: true))["ok"]!.GetValue<bool>().Should().BeTrue();
        (await _agent.Connection.EventAsync())["signal"]!.GetValue<int>().Should().Be(15);

        JsonObject late = await _agent.Connection.SignalAsync("k1", 15);
        late["ok"]!.GetValue<bool>().Should().BeFalse();
        late["error"]!.GetValue<string>().Should().Contain("ended");
        (await _agent.Connection.SignalAsync("nobody", 15))["ok"]!.GetValue<bool>().Should().BeFalse();
        (await _agent.Connection.SignalAsync("k1", 4711))["ok"]!.GetValue<bool>().Should().BeFalse();
    }

    [Test]
    public async Task Shutdown_kills_stubborn_processes_after_the_grace_also_those_that_hide()
    {
        // Ignores SIGTERM; leaves a child in another session whose parent is gone.
        await LaunchShell("k1", "trap '' TERM; (setsid sh -c 'trap \"\" TERM; echo $$ > hidden; while :; do sleep 100; done' &); while :; do sleep 100; done");
        string file = await AppearsAsync("hidden");
        int hidden = int.Parse(await File.ReadAllTextAsync(file), null);
        (await _agent.Connection.AskAsync(new JsonObject { ["op"] = "shutdown", ["grace"] = 0.3 }))["ok"]!.GetValue<bool>().Should().BeTrue();
        (await _agent.Connection.EventAsync())["signal"]!.GetValue<int>().Should().Be(9);
        await _agent.Process.WaitForExitAsync().WaitAsync(AgentProcess.Patience);
        _agent.Process.ExitCode.Should().Be(0);
        Directory.Exists($"/proc/{hidden}").Should().BeFalse("nothing of a kernel stays");
    }

    [Test]
    public async Task Shutdown_lets_processes_end_in_their_own_way_and_does_not_wait_longer()
    {
        await LaunchShell("k1", "trap 'echo tidy >&2; exit 4' TERM; echo > started; while :; do sleep 0.02; done");
        await AppearsAsync("started");
        DateTimeOffset before = TimeProvider.System.GetUtcNow();
        await _agent.Connection.AskAsync(new JsonObject { ["op"] = "shutdown", ["grace"] = 20 });
        JsonObject end = await _agent.Connection.EventAsync();
        end["code"]!.GetValue<int>().Should().Be(4);
        end["stderr"]!.GetValue<string>().Should().Contain("tidy");
        await _agent.Process.WaitForExitAsync().WaitAsync(AgentProcess.Patience);
        (TimeProvider.System.GetUtcNow() - before).Should().BeLessThan(TimeSpan.FromSeconds(5));
    }

    [Test]
    public async Task Ports_lead_to_a_socket_say_so_when_nobody_listens_there_and_go_away_when_told()
    {
        using var folder = new TemporaryFolder();
        using var place = new TcpListener(IPAddress.Loopback, 0);
        place.Start();
        var port = ((IPEndPoint)place.LocalEndpoint).Port;
        JsonObject Forward(params int[] ports) => new() { ["op"] = "forward", ["socket"] = folder.Of("proxy"), ["ports"] = new JsonArray([.. ports.Select(p => (JsonNode)p)]) };
        (await _agent.Connection.AskAsync(Forward(port)))["error"]!.GetValue<string>().Should().Contain("in use");
        (await _agent.Connection.AskAsync(Forward(80)))["error"]!.GetValue<string>().Should().Contain("1024 to 65535");
        place.Stop();
        (await _agent.Connection.AskAsync(Forward(port)))["ok"]!.GetValue<bool>().Should().BeTrue();
        (await _agent.Connection.AskAsync(Forward(port)))["ok"]!.GetValue<bool>().Should().BeTrue();

        (await SayAsync(port, "GET")).Should().StartWith("HTTP/1.1 503 ").And.Contain("X-Proxy-Error: The gateway is away");
        using (var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified))
        {
            listener.Bind(new UnixDomainSocketEndPoint(folder.Of("proxy")));
            listener.Listen();
            Task<string> saying = SayAsync(port, "hello");
            using Socket accepted = await listener.AcceptAsync();
            var heard = new byte[5];
            (await accepted.ReceiveAsync(heard)).Should().Be(5);
            await accepted.SendAsync(heard);
            accepted.Dispose();
            (await saying).Should().Be("hello");
        }

        (await _agent.Connection.AskAsync(Forward()))["ok"]!.GetValue<bool>().Should().BeTrue();
        var gone = () => SayAsync(port, "GET");
        await gone.Should().ThrowAsync<SocketException>();

        static async Task<string> SayAsync(int port, string text)
        {
            using var client = new TcpClient();
            await client.ConnectAsync(IPAddress.Loopback, port);
            await client.GetStream().WriteAsync(System.Text.Encoding.ASCII.GetBytes(text));
            using var reader = new StreamReader(client.GetStream());
            return await reader.ReadToEndAsync().WaitAsync(AgentProcess.Patience);
        }
    }

    [Test]
    public async Task Garbage_is_answered_and_harms_nobody()
    {
        string[] lines =
        [
            "garbage", "[]", "null", "17", "{}", "{\"id\":{},\"op\":\"hello\"}", "{\"op\":[]}", "{\"id\":1,\"op\":\"launch\"}",
            "{\"op\":\"launch\",\"kernel\":\"../x\"}", "{\"op\":\"launch\",\"kernel\":\"k\",\"argv\":[1]}",
            "{\"op\":\"launch\",\"kernel\":\"k\",\"argv\":[\"a\\u0000b\"],\"connection\":{}}", "{\"op\":\"shutdown\",\"grace\":NaN}",
            "{\"op\":\"shutdown\",\"grace\":\"now\"}", "{\"op\":\"signal\",\"kernel\":\"k\",\"signal\":[]}", new string('[', 100_000),
            "{\"op\":\"launch\",\"kernel\":\"k\",\"argv\":[\"\\ud800\"],\"connection\":{}}",
        ];
        // As deep as can be read is deeper than can be written, or is not; nobody knows exactly.
        var deep = Enumerable.Range(97, 6).Select(depth => "{\"op\":\"launch\",\"kernel\":\"deep\",\"argv\":[\"/no/such\"],\"connection\":" + string.Concat(Enumerable.Repeat("{\"a\":", depth * 10)) + "1" + new string('}', depth * 10) + "}");
        foreach (string line in lines.Concat(deep))
        {
            await _agent.Connection.SendAsync(line + "\n");
            JsonObject? answer = await _agent.Connection.ReadAsync();
            answer.Should().NotBeNull("the connection lives on after {0}", line[..Math.Min(80, line.Length)]);
            answer!["ok"]!.GetValue<bool>().Should().BeFalse("of {0}", line[..Math.Min(80, line.Length)]);
            answer["error"]!.GetValue<string>().Should().NotBeEmpty();
        }

        await _agent.Connection.Socket.SendAsync(new byte[] { 0xFF, 0xFE, 0x00, 0x0A });
        (await _agent.Connection.ReadAsync())!["ok"]!.GetValue<bool>().Should().BeFalse();
        (await LaunchShell("k1", "exec sleep 100"))["ok"]!.GetValue<bool>().Should().BeTrue();
    }

    [Test]
    public async Task A_line_that_is_too_long_closes_its_connection_only()
    {
        using AgentConnection rude = await _agent.ConnectAsync();
        try
        {
            await rude.SendAsync(new string('x', 1_200_000));
        }
        catch (System.Net.Sockets.SocketException)
        {
            // Closed while it was still sending.
        }

        (await rude.ReadAsync()).Should().BeNull();
        (await _agent.Connection.AskAsync(new JsonObject { ["op"] = "hello" }))["ok"]!.GetValue<bool>().Should().BeTrue();
    }

    [Test]
    public async Task A_peer_that_asks_and_never_reads_is_dropped_and_stops_nobody()
    {
        using AgentConnection deaf = await _agent.ConnectAsync();
        string flood = string.Concat(Enumerable.Repeat("{\"id\":1,\"op\":\"hello\"}\n", 2000));
        Func<Task> ask = async () =>
        {
            for (int round = 0; round < 200; round++)
            {
                await deaf.SendAsync(flood);
            }
        };
        await ask.Should().ThrowAsync<System.Net.Sockets.SocketException>("the agent closes the connection");
        (await _agent.Connection.AskAsync(new JsonObject { ["op"] = "hello" }))["ok"]!.GetValue<bool>().Should().BeTrue();
    }

    [Test]
    public async Task Fifty_connections_are_served_and_one_that_ends_mid_line_is_forgotten()
    {
        var connections = new List<AgentConnection>();
        for (int count = 0; count < 50; count++)
        {
            connections.Add(await _agent.ConnectAsync());
        }

        await connections[0].SendAsync("{\"id\":1,\"op\":");
        connections[0].Dispose();
        await LaunchShell("k1", "exit 9");
        foreach (AgentConnection connection in connections.Skip(1))
        {
            (await connection.EventAsync())["code"]!.GetValue<int>().Should().Be(9);
            connection.Dispose();
        }
    }

    [Test]
    public async Task Children_can_be_ended_without_the_kernel()
    {
        await LaunchShell("k1", "setsid sleep 100 & one=$!; sleep 100 & two=$!; wait $one; echo $? > ended; wait $two; echo $? >> ended; echo done > all; exec sleep 100");
        await LaunchShell("k2", "sleep 100 & child=$!; echo $child > other; wait $child; exit 5");
        await AppearsAsync("other");
        JsonObject reply;
        do
        {
            // Answered at once; a child that the shell has not made yet gets the next one.
            reply = await _agent.Connection.AskAsync(new JsonObject { ["op"] = "terminate_children", ["kernel"] = "k1" });
            reply["ok"]!.GetValue<bool>().Should().BeTrue();
        }
        while (!File.Exists(Path.Combine(_agent.Folder, "all")));

        (await File.ReadAllTextAsync(await AppearsAsync("ended"))).Should().Be("143\n143\n", "SIGTERM ended both, the one in a session of its own too");
        JsonArray kernels = (await _agent.Connection.AskAsync(new JsonObject { ["op"] = "hello" }))["kernels"]!.AsArray();
        kernels.Should().AllSatisfy(kernel => kernel!["running"]!.GetValue<bool>().Should().BeTrue("neither kernel was touched, nor the other's child"));
    }

    [TestCase("nobody")]
    [TestCase(null)]
    public async Task Children_of_a_kernel_that_is_not_there_are_refused(string? kernel) =>
        (await _agent.Connection.AskAsync(new JsonObject { ["op"] = "terminate_children", ["kernel"] = kernel }))["ok"]!.GetValue<bool>().Should().BeFalse();

    private Task<JsonObject> LaunchShell(string name, string script) =>
        _agent.LaunchAsync(name, "/bin/sh", "-c", $"cd {_agent.Folder}; {script}");

    private async Task<string> AppearsAsync(string name)
    {
        string path = Path.Combine(_agent.Folder, name);
        await Wait.UntilAsync(() => File.Exists(path) && new FileInfo(path).Length > 0, AgentProcess.Patience, $"{name} is there");
        return path;
    }
}
