using System.Net.Sockets;
using System.Text;
using System.Text.Json.Nodes;
using KernelGateway.Provisioners.Tests.Support;

namespace KernelGateway.Provisioners.Tests.Launcher;

/// <summary>The commands of the real agent, spoken to line by line: what it refuses, and with which word.</summary>
[CancelAfter(30_000)]
public sealed class AgentCommandTests
{
    private StateFolder _folder = null!;
    private System.Diagnostics.Process _agent = null!;
    private Socket _socket = null!;
    private StreamReader _lines = null!;
    private int _number;

    [OneTimeSetUp]
    public async Task StartAgent()
    {
        Requires.Program("/usr/bin/python3.11");
        _folder = new StateFolder();
        foreach (var name in new[] { "s", "l", "t" })
        {
            Directory.CreateDirectory(Path.Combine(_folder.Path, name));
        }

        var launcher = Repository.Launcher;
        _agent = System.Diagnostics.Process.Start("/usr/bin/python3.11", ["-I", "-S", "-B", Path.Combine(launcher, "agent.py"), "--launcher", launcher, "--sockets", _folder.Path + "/s", "--logs", _folder.Path + "/l", "--tmp", _folder.Path + "/t"]);
        _socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(10));
        while (!_socket.Connected)
        {
            try
            {
                await _socket.ConnectAsync(new UnixDomainSocketEndPoint(_folder.Path + "/s/agent"), deadline.Token);
            }
            catch (SocketException)
            {
                await Task.Delay(10, deadline.Token); // It is being started.
            }
        }

        _lines = new StreamReader(new NetworkStream(_socket), Encoding.UTF8);
    }

    [OneTimeTearDown]
    public async Task EndAgent()
    {
        if (_socket is not null)
        {
            await AskAsync(new JsonObject { ["op"] = "shutdown", ["grace"] = 0 });
            await _agent.WaitForExitAsync();
            _socket.Dispose();
            _lines.Dispose();
            _agent.Dispose();
        }

        _folder?.Dispose();
    }

    [TestCase("""{"do":"run"}""", null, "command must be")]
    [TestCase("""{"do":"dance","command":"c"}""", null, "do must be")]
    [TestCase("""{"do":"run","command":"../c"}""", null, "command must be")]
    [TestCase("""{"do":"run","command":"c","argv":[],"env":{},"cwd":"/"}""", "invalid", "argv")]
    [TestCase("""{"do":"run","command":"c","argv":"ls","env":{},"cwd":"/"}""", "invalid", "argv")]
    [TestCase("""{"do":"run","command":"c","argv":["a",1],"env":{},"cwd":"/"}""", "invalid", "argv")]
    [TestCase("""{"do":"run","command":"c","argv":["a"],"env":{"A":1},"cwd":"/"}""", "invalid", "env")]
    [TestCase("""{"do":"run","command":"c","argv":["a"],"env":{},"cwd":5}""", "invalid", "cwd")]
    [TestCase("""{"do":"run","command":"c","argv":["a\u0000b"],"env":{},"cwd":"/"}""", "invalid", "NUL")]
    [TestCase("""{"do":"run","command":"c","argv":["a"],"env":{},"cwd":"/","input":"?"}""", "invalid", "base64")]
    [TestCase("""{"do":"run","command":"c","argv":["a"],"env":{},"cwd":"/","timeout":-1}""", "invalid", "timeout")]
    [TestCase("""{"do":"run","command":"c","argv":["a"],"env":{},"cwd":"/","terminal":[0,5]}""", "failed", "columns and rows")]
    [TestCase("""{"do":"run","command":"c","argv":["true"],"env":{},"cwd":"/no/such"}""", "cwd", "/no/such")]
    [TestCase("""{"do":"write","command":"none"}""", "unknown", "no such command")]
    [TestCase("""{"do":"signal","command":"none","signal":9}""", "unknown", "no such command")]
    [TestCase("""{"do":"resize","command":"none","size":[1,1]}""", "unknown", "no such command")]
    public async Task A_wrong_request_is_refused_with_its_word(string request, string? code, string says)
    {
        var answer = await AskAsync(With(request));

        ((bool)answer["ok"]!).Should().BeFalse();
        ((string?)answer["code"]).Should().Be(code);
        ((string)answer["error"]!).Should().Contain(says);
        // The refusal may be known before the child that could not become the program has ended.
        SpinWait.SpinUntil(() => !Directory.Exists(Path.Combine(_folder.Path, "l", "c")), TimeSpan.FromSeconds(10)).Should().BeTrue("nothing is left of it");
    }

    [Test]
    public async Task What_a_running_command_cannot_take_is_refused()
    {
        await OkAsync("""{"do":"run","command":"r1","argv":["/bin/sleep","100"],"env":{},"cwd":"/"}""");
        await OkAsync("""{"do":"run","command":"r2","argv":["/bin/sleep","100"],"env":{},"cwd":"/","keep_input":true}""");

        (await CodeAsync("""{"do":"run","command":"r1","argv":["true"],"env":{},"cwd":"/"}""")).Should().Be("known");
        (await CodeAsync("""{"do":"write","command":"r1","input":"eA=="}""")).Should().Be("closed");
        (await CodeAsync("""{"do":"write","command":"r2","input":"?"}""")).Should().Be("invalid");
        (await CodeAsync("""{"do":"resize","command":"r1","size":[80,24]}""")).Should().Be("closed");
        (await CodeAsync("""{"do":"signal","command":"r1","signal":0}""")).Should().Be("invalid");
        (await CodeAsync("""{"do":"signal","command":"r1","signal":"KILL"}""")).Should().Be("invalid");
        var piece = Convert.ToBase64String(new byte[600_000]);
        (await CodeAsync($$"""{"do":"write","command":"r2","input":"{{piece}}"}""")).Should().BeNull();
        (await CodeAsync($$"""{"do":"write","command":"r2","input":"{{piece}}"}""")).Should().Be("full");
        await OkAsync("""{"do":"forget","command":"r1"}""");
        await OkAsync("""{"do":"forget","command":"r2"}""");
        await OkAsync("""{"do":"forget","command":"never-was"}""");
        while ((await AskAsync(new JsonObject { ["op"] = "hello" }))["commands"]!.AsArray().Count > 0)
        {
            // Killed, and forgotten when it has ended.
        }

        Directory.EnumerateDirectories(Path.Combine(_folder.Path, "l")).Should().BeEmpty();
    }

    [Test]
    public async Task Time_limits_stand_still_while_the_agent_holds_them()
    {
        await OkAsync("""{"do":"run","command":"first","argv":["/bin/true"],"env":{},"cwd":"/"}"""); // Without any, there is nothing to hold.
        await AskAsync(new JsonObject { ["op"] = "hold", ["on"] = true });
        await OkAsync("""{"do":"run","command":"h1","argv":["/bin/sleep","100"],"env":{},"cwd":"/","timeout":0.2,"grace":0}""");
        await OkAsync("""{"do":"run","command":"clock","argv":["/bin/sleep","0.4"],"env":{},"cwd":"/"}""");
        await SaidAllAsync("clock");

        var hello = await AskAsync(new JsonObject { ["op"] = "hello" });
        ((bool)hello["held"]!).Should().BeTrue();
        hello["commands"]!.AsArray().Single(c => (string)c!["command"]! == "h1")!["running"]!.GetValue<bool>().Should().BeTrue("its time does not pass");
        await AskAsync(new JsonObject { ["op"] = "hold", ["on"] = false });
        await SaidAllAsync("h1");
        await OkAsync("""{"do":"forget","command":"h1"}""");
        await OkAsync("""{"do":"forget","command":"clock"}""");
        await OkAsync("""{"do":"forget","command":"first"}""");
    }

    [Test]
    public async Task A_time_limit_of_many_weeks_is_one_like_others()
    {
        await OkAsync("""{"do":"run","command":"weeks","argv":["/bin/sleep","100"],"env":{},"cwd":"/","timeout":900000000}""");
        await AskAsync(new JsonObject { ["op"] = "hello" });
        await OkAsync("""{"do":"signal","command":"weeks","signal":9}""");
        await SaidAllAsync("weeks");
        await OkAsync("""{"do":"forget","command":"weeks"}""");
    }

    [Test]
    public async Task Commands_that_nobody_forgets_cost_no_descriptors_and_are_kept_up_to_a_number()
    {
        int Descriptors() => Directory.EnumerateFileSystemEntries($"/proc/{_agent.Id}/fd").Count();
        var before = Descriptors();
        var started = new List<string>();
        string? refusal = null;
        while (refusal is null)
        {
            var name = $"many{started.Count}";
            var answer = await AskAsync(With($$"""{"do":"run","command":"{{name}}","argv":["/bin/true"],"env":{},"cwd":"/"}"""));
            if (!(bool)answer["ok"]!)
            {
                ((string?)answer["code"]).Should().Be("many");
                refusal = (string)answer["error"]!;
                break;
            }

            started.Add(name);
            await SaidAllAsync(name);
        }

        refusal.Should().Contain("not forgotten");
        started.Should().HaveCount(512);
        Descriptors().Should().Be(before);
        foreach (var name in started)
        {
            await OkAsync($$"""{"do":"forget","command":"{{name}}"}""");
        }

        Directory.EnumerateDirectories(Path.Combine(_folder.Path, "l")).Should().BeEmpty();
    }

    private static JsonObject With(string request)
    {
        var json = JsonNode.Parse(request)!.AsObject();
        json["op"] = "command";
        return json;
    }

    private async Task OkAsync(string request)
    {
        var answer = await AskAsync(With(request));
        ((bool)answer["ok"]!).Should().BeTrue(answer.ToJsonString());
    }

    private async Task<string?> CodeAsync(string request) => (string?)(await AskAsync(With(request)))["code"];

    private async Task<JsonObject> AskAsync(JsonObject request)
    {
        request["id"] = ++_number;
        await _socket.SendAsync(Encoding.UTF8.GetBytes(request.ToJsonString() + "\n"));
        while (true)
        {
            var line = await NextAsync();
            if ((int?)line["id"] == _number)
            {
                return line;
            }
        }
    }

    private async Task SaidAllAsync(string command)
    {
        while (await NextAsync() is var line && !((string?)line["command"] == command && (bool?)line["said_all"] == true))
        {
            // Of another one, or not the last.
        }
    }

    private async Task<JsonObject> NextAsync() =>
        JsonNode.Parse(await _lines.ReadLineAsync() ?? throw new AssertionException("The agent has gone."))!.AsObject();
}
