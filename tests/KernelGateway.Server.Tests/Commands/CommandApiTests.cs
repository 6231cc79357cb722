using System.Net;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using KernelGateway.Contracts.Commands;
using KernelGateway.Contracts.Sandboxes;
using KernelGateway.Server.Tests.Support;

namespace KernelGateway.Server.Tests.Commands;

/// <summary>Commands over REST, as plain processes.</summary>
[CancelAfter(60_000)]
public sealed class CommandApiTests
{
    private static SandboxInfo _sandbox = null!;

    private static LiveGateway Gateway => SharedGateway.Instance;

    private static string Route => $"/api/v1/sandboxes/{_sandbox.Id}/commands";

    [OneTimeSetUp]
    public async Task Create() => _sandbox = await Gateway.CreateAsync();

    [TestCase("true", 0)]
    [TestCase("exit 7", 7)]
    [TestCase("no-such-program-here", 127)]
    [TestCase("echo x > f; chmod 600 f; ./f", 126)]
    [TestCase("kill -TERM $$", 143)]
    [TestCase("kill -KILL $$", 137)]
    public async Task Exit_codes_are_those_of_a_shell(string command, int code) =>
        (await RunAsync(new { command })).ExitCode.Should().Be(code);

    [Test]
    public async Task A_program_that_is_not_there_ends_with_127_also_without_a_shell()
    {
        var ended = await RunAsync(new { argv = new[] { "no-such-program-here", "x" } });

        ended.ExitCode.Should().Be(127);
        ended.Result!.Stderr.Should().Contain("no-such-program-here");
        (await RunAsync(new { argv = new[] { "/etc" } })).ExitCode.Should().Be(126);
    }

    [Test]
    public async Task Output_input_variables_and_folder_are_those_asked_for()
    {
        var ended = await RunAsync(new { command = "pwd; echo $A; cat; echo e >&2", cwd = "/tmp", env = new Dictionary<string, string> { ["A"] = "é b" }, stdin = "in\n" });

        ended.Result!.Stdout.Should().Be("/tmp\né b\nin\n");
        ended.Result.Stderr.Should().Be("e\n");
        ended.State.Should().Be(CommandState.Finished);
        ended.DurationSeconds.Should().BePositive();
    }

    [Test]
    public async Task Input_that_is_not_given_is_at_its_end() =>
        (await RunAsync(new { command = "cat; echo $?" })).Result!.Stdout.Should().Be("0\n");

    [Test]
    public async Task A_time_limit_ends_all_that_a_command_has_started_even_what_ignores_the_request()
    {
        await using var gateway = await LiveGateway.StartAsync(("Gateway:Sandboxes:CommandGrace", "00:00:00.2"));
        var sandbox = await gateway.CreateAsync();

        var ended = await PostAsync(gateway, sandbox.Id, new { command = "trap '' TERM; (trap '' TERM; sleep 987654) & echo begun; sleep 987654", timeoutSeconds = 0.5 });

        ended.ReasonCode.Should().Be("timeout");
        ended.Reason.Should().Contain("0.5 s");
        ended.ExitCode.Should().Be(137);
        ended.Result!.Stdout.Should().Be("begun\n");
        (await PostAsync(gateway, sandbox.Id, new { argv = new[] { "pgrep", "-f", "^sleep 987654" } })).Result!.Stdout.Should().BeEmpty();
    }

    [Test]
    public async Task Characters_are_never_cut_and_bytes_that_are_no_text_come_as_they_are()
    {
        // One byte before, so that reads end within characters.
        var ended = await RunAsync(new { argv = new[] { "python3", "-c", "print('x' + 'é€😀' * 50000, end='')" } });
        var raw = await RunAsync(new { argv = new[] { "printf", @"a\377b" } });

        ended.Result!.Stdout.Should().Be("x" + string.Concat(Enumerable.Repeat("é€😀", 50_000)));
        var pieces = await EventsAsync(ended);
        pieces.Count(e => e.TryGetProperty("text", out _)).Should().BeGreaterThan(2);
        pieces.Count(e => e.TryGetProperty("base64", out _)).Should().Be(0);
        (await EventsAsync(raw)).Single(e => e.GetProperty("type").GetString() == "commandOutput").GetProperty("base64").GetBytesFromBase64()
            .Should().Equal((byte)'a', 255, (byte)'b');
    }

    [Test]
    public async Task Input_can_follow_and_be_closed()
    {
        var command = await StartAsync(new { command = "while read x; do echo got $x; done; echo over", keepStdinOpen = true });

        await SendAsync($"{Route}/{command.Id}/stdin", new { text = "one\n" });
        await SendAsync($"{Route}/{command.Id}/stdin", new { base64 = Convert.ToBase64String("two\n"u8) });
        await SendAsync($"{Route}/{command.Id}/stdin", new { close = true });

        (await WaitAsync(command)).Result!.Stdout.Should().Be("got one\ngot two\nover\n");
        await ShouldBeAsync($"{Route}/{command.Id}/stdin", new { text = "x" }, HttpStatusCode.Conflict, "has ended");
    }

    [Test]
    public async Task Input_that_is_not_read_is_refused_when_there_is_too_much_of_it()
    {
        var command = await StartAsync(new { command = "sleep 100", keepStdinOpen = true });
        var body = new { text = new string('x', 250_000) };
        var answers = new List<HttpStatusCode>();
        for (var i = 0; i < 6; i++)
        {
            using var answer = await Gateway.Http.PostAsJsonAsync($"{Route}/{command.Id}/stdin", body);
            answers.Add(answer.StatusCode);
        }

        answers[0].Should().Be(HttpStatusCode.NoContent);
        answers[^1].Should().Be(HttpStatusCode.TooManyRequests);
        await SendAsync($"{Route}/{command.Id}/kill", null);
        var ended = await WaitAsync(command);
        (ended.ExitCode, ended.ReasonCode).Should().Be((137, "killed"));
    }

    [Test]
    public async Task A_terminal_echoes_has_a_size_and_turns_control_characters_into_signals()
    {
        var command = await StartAsync(new { command = "tty >/dev/null && stty size; trap 'stty size; exit 9' WINCH; read x; echo got $x; while :; do sleep 0.05; done", pty = new { columns = 81, rows = 23 } });
        await SendAsync($"{Route}/{command.Id}/stdin", new { text = "hello\n" });
        await UntilAsync(command, "got hello");
        await SendAsync($"{Route}/{command.Id}/resize", new { columns = 101, rows = 31 });
        var ended = await WaitAsync(command);
        ended.ExitCode.Should().Be(9);
        ended.Result!.Stdout.Should().Contain("23 81\r\n").And.EndWith("31 101\r\n");

        var second = await StartAsync(new { argv = new[] { "python3", "-c", "import time; print('on', flush=True); time.sleep(100)" }, pty = new { columns = 80, rows = 24 } });
        await UntilAsync(second, "on");
        await SendAsync($"{Route}/{second.Id}/stdin", new { text = "\u0003" });
        var interrupted = await WaitAsync(second);
        interrupted.ExitCode.Should().Be(130);
        interrupted.Result!.Stdout.Should().Contain("KeyboardInterrupt");
    }

    [Test]
    public async Task A_signal_reaches_the_command()
    {
        var command = await StartAsync(new { command = "trap 'echo usr; exit 5' USR1; echo on; while :; do sleep 0.05; done" });
        await UntilAsync(command, "on");
        await SendAsync($"{Route}/{command.Id}/signal", new { signal = "usr1" });

        var ended = await WaitAsync(command);

        (ended.ExitCode, ended.Result!.Stdout).Should().Be((5, "on\nusr\n"));
    }

    [Test]
    public async Task Commands_do_not_wait_for_code_and_a_repeat_with_the_same_key_is_the_same_command()
    {
        using var run = await Gateway.Http.PostAsJsonAsync($"/api/v1/sandboxes/{_sandbox.Id}/executions", new { code = "import time; time.sleep(3)" });
        var first = await RunAsync(new { command = "echo $RANDOM", idempotencyKey = "k1" });
        var again = await RunAsync(new { command = "echo $RANDOM", idempotencyKey = "k1" });

        first.DurationSeconds.Should().BeLessThan(2);
        again.Id.Should().Be(first.Id);
        again.Result.Should().Be(first.Result);
        await ShouldBeAsync(Route, new { command = "echo other", idempotencyKey = "k1" }, HttpStatusCode.Conflict, "another command");
    }

    [Test]
    public async Task What_is_left_in_the_background_does_not_hold_up_the_end()
    {
        var ended = await RunAsync(new { command = "(sleep 3; echo late) & echo done" });

        ended.Result!.Stdout.Should().Be("done\n");
        ended.DurationSeconds.Should().BeLessThan(2.5);
    }

    [Test]
    public async Task More_output_than_is_kept_is_left_out_and_told()
    {
        await using var gateway = await LiveGateway.StartAsync(("Gateway:Sandboxes:MaxOutputBytes", "200000"));
        var sandbox = await gateway.CreateAsync();

        var ended = await PostAsync(gateway, sandbox.Id, new { command = "head -c 5000000 /dev/zero | tr '\\0' x; echo; exit 3" });

        ended.ExitCode.Should().Be(3);
        ended.Result!.Truncated.Should().BeTrue();
        (ended.Output.Bytes + ended.Output.DroppedBytes).Should().Be(5_000_001);
        ended.Output.Bytes.Should().BeInRange(1, 200_000);
        ended.Violations.Should().ContainSingle().Which.Kind.Should().Be("output");
    }

    [Test]
    public async Task As_many_as_allowed_run_at_once_and_one_more_is_refused()
    {
        await using var gateway = await LiveGateway.StartAsync(("Gateway:Sandboxes:MaxCommands", "2"));
        var sandbox = await gateway.CreateAsync();
        var route = $"/api/v1/sandboxes/{sandbox.Id}/commands";
        for (var i = 0; i < 2; i++)
        {
            using var started = await gateway.Http.PostAsJsonAsync(route, new { command = "sleep 100" });
            started.StatusCode.Should().Be(HttpStatusCode.Accepted);
        }

        using var refused = await gateway.Http.PostAsJsonAsync(route, new { command = "true" });

        refused.StatusCode.Should().Be(HttpStatusCode.TooManyRequests);
        (await refused.Content.ReadAsStringAsync()).Should().Contain("2 commands run");
        var listed = await gateway.Http.GetFromJsonAsync<List<CommandInfo>>(route);
        listed.Should().HaveCount(2).And.OnlyContain(c => c.State == CommandState.Running);
    }

    [Test]
    public async Task The_end_of_the_sandbox_ends_its_commands_and_says_so()
    {
        var sandbox = await Gateway.CreateAsync();
        using var started = await Gateway.Http.PostAsJsonAsync($"/api/v1/sandboxes/{sandbox.Id}/commands", new { command = "sleep 100" });
        var command = (await started.Content.ReadFromJsonAsync<CommandInfo>())!;

        using var _ = await Gateway.Http.DeleteAsync($"/api/v1/sandboxes/{sandbox.Id}?graceSeconds=0");

        var ended = await Gateway.Http.GetFromJsonAsync<CommandInfo>($"/api/v1/sandboxes/{sandbox.Id}/commands/{command.Id}");
        ended!.State.Should().Be(CommandState.Lost);
        ended.ReasonCode.Should().Be("terminated");
    }

    [Test]
    public async Task A_running_command_keeps_its_sandbox_from_being_idle()
    {
        var sandbox = await Gateway.CreateAsync(new { idleTimeoutSeconds = 1 });

        var ended = await PostAsync(Gateway, sandbox.Id, new { command = "true" });
        using var started = await Gateway.Http.PostAsJsonAsync($"/api/v1/sandboxes/{sandbox.Id}/commands", new { command = "sleep 4; echo lived" });
        var command = (await started.Content.ReadFromJsonAsync<CommandInfo>())!;
        await UntilFinishedAsync(sandbox.Id, command);

        ended.ExitCode.Should().Be(0);
        (await Gateway.Http.GetFromJsonAsync<CommandInfo>($"/api/v1/sandboxes/{sandbox.Id}/commands/{command.Id}"))!.ExitCode.Should().Be(0);
    }

    [TestCase("""{}""", 400, "command", "either")]
    [TestCase("""{"command":"a","argv":["b"]}""", 400, "command", "either")]
    [TestCase("""{"command":"  "}""", 400, "command", "empty")]
    [TestCase("""{"argv":[]}""", 400, "argv", "empty")]
    [TestCase("""{"argv":["a",null]}""", 400, "argv", "NUL")]
    [TestCase("""{"command":"a\u0000b"}""", 400, "command", "NUL")]
    [TestCase("""{"command":"a","cwd":"/no/such/folder"}""", 400, "cwd", "cannot be entered")]
    [TestCase("""{"command":"a","cwd":"/tmp\u0000"}""", 400, "cwd", "NUL")]
    [TestCase("""{"command":"a","env":{"A-B":"x"}}""", 400, "env", "A-B")]
    [TestCase("""{"command":"a","timeoutSeconds":-1}""", 400, "timeoutSeconds", "between")]
    [TestCase("""{"command":"a","pty":{"columns":0,"rows":5}}""", 400, "pty", "between 1 and")]
    [TestCase("""{"command":"a","user":"root"}""", 400, "user", "own user")]
    [TestCase("""{"command":"a","colour":"blue"}""", 400, "colour", "There is no field 'colour'")]
    public async Task A_wrong_request_is_refused_by_name(string body, int status, string field, string hint)
    {
        using var answer = await Gateway.Http.PostAsync(Route, new StringContent(body, Encoding.UTF8, "application/json"));

        var text = await answer.Content.ReadAsStringAsync();
        ((int)answer.StatusCode).Should().Be(status, text);
        text.Should().Contain($"\"field\":\"{field}\"").And.Contain(hint);
    }

    [Test]
    public async Task What_is_too_large_or_unknown_or_wrong_is_refused()
    {
        var command = await RunAsync(new { command = "true" });
        await ShouldBeAsync(Route, new { command = new string('x', 140_000) }, HttpStatusCode.BadRequest, "at most 131071 bytes");
        await ShouldBeAsync(Route, new { command = "cat", stdin = new string('x', 300_000) }, HttpStatusCode.BadRequest, "at most 262144 bytes");
        await ShouldBeAsync($"{Route}/unknown/kill", null, HttpStatusCode.NotFound, "command_not_found");
        await ShouldBeAsync($"{Route}/{command.Id}/signal", new { signal = "SIGNONE" }, HttpStatusCode.BadRequest, "SIGTERM");
        await ShouldBeAsync($"{Route}/{command.Id}/signal", new { signal = "TERM" }, HttpStatusCode.Conflict, "has ended");
        await ShouldBeAsync($"{Route}/{command.Id}/resize", new { columns = 1, rows = 1 }, HttpStatusCode.Conflict, "has ended");
        await ShouldBeAsync($"{Route}/{command.Id}/stdin", new { base64 = "?" }, HttpStatusCode.BadRequest, "Base64");
        var packages = $"/api/v1/sandboxes/{_sandbox.Id}/system-packages";
        await ShouldBeAsync(packages, new { packages = new[] { "curl" } }, HttpStatusCode.BadRequest, "build.sh");
        foreach (var name in new[] { "-y", "--config=x", "./x.deb", "https://evil.test/x.deb", "a b", "a\n", "a;id", "", null })
        {
            await ShouldBeAsync(packages, new { packages = new[] { "curl", name } }, HttpStatusCode.BadRequest, "\"field\":\"packages\"");
        }

        await ShouldBeAsync(packages, new { packages = Enumerable.Repeat("curl", 51) }, HttpStatusCode.BadRequest, "1 to 50");
        await ShouldBeAsync(packages, new { packages = new[] { "curl" }, manager = "sh" }, HttpStatusCode.BadRequest, "apt-get, dnf, yum, apk");
        var closed = await StartAsync(new { command = "sleep 100" });
        await ShouldBeAsync($"{Route}/{closed.Id}/stdin", new { text = "x" }, HttpStatusCode.Conflict, "closed");
        await ShouldBeAsync($"{Route}/{closed.Id}/resize", new { columns = 1, rows = 1 }, HttpStatusCode.Conflict, "no terminal");
        await SendAsync($"{Route}/{closed.Id}/kill", null);
        (await WaitAsync(closed)).ExitCode.Should().Be(137);
    }

    [TestCase("rm -rf $logs/*")]
    [TestCase("rm -f $logs/*/*.seg")]
    [TestCase("for f in $logs/*/*.seg; do rm $f; echo evil > $f; done")]
    [TestCase("rm -rf $logs/*; head -c 9000000 /dev/zero")]
    public async Task A_command_that_destroys_its_log_does_not_run_for_ever(string destroy)
    {
        // A sandbox of its own, whose other commands and kernels it may take with it.
        var sandbox = await Gateway.CreateAsync();

        var ended = await PostAsync(Gateway, sandbox.Id, new { command = $"logs=$(tr '\\0' '\\n' < /proc/$PPID/cmdline | grep -A1 -x -e --logs | tail -n 1); {destroy}; echo gone; exit 3", timeoutSeconds = 1 });

        ended.State.Should().NotBe(CommandState.Running);
        (await PostAsync(Gateway, sandbox.Id, new { command = "echo next" })).Result!.Stdout.Should().Be("next\n");
    }

    private static Task<CommandInfo> RunAsync(object request) => PostAsync(Gateway, _sandbox.Id, request);

    private static async Task<CommandInfo> PostAsync(LiveGateway gateway, string sandboxId, object request)
    {
        using var answer = await gateway.Http.PostAsJsonAsync($"/api/v1/sandboxes/{sandboxId}/commands?wait=true", request);
        answer.IsSuccessStatusCode.Should().BeTrue(await answer.Content.ReadAsStringAsync());
        return (await answer.Content.ReadFromJsonAsync<CommandInfo>())!;
    }

    private static async Task<CommandInfo> StartAsync(object request)
    {
        using var answer = await Gateway.Http.PostAsJsonAsync(Route, request);
        answer.StatusCode.Should().Be(HttpStatusCode.Accepted, await answer.Content.ReadAsStringAsync());
        return (await answer.Content.ReadFromJsonAsync<CommandInfo>())!;
    }

    private static async Task<CommandInfo> WaitAsync(CommandInfo command) =>
        (await Gateway.Http.GetFromJsonAsync<CommandInfo>($"{Route}/{command.Id}?wait=true"))!;

    private static async Task SendAsync(string route, object? body)
    {
        using var answer = await Gateway.Http.PostAsJsonAsync(route, body ?? new { });
        answer.StatusCode.Should().Be(HttpStatusCode.NoContent, await answer.Content.ReadAsStringAsync());
    }

    private static async Task ShouldBeAsync(string route, object? body, HttpStatusCode status, string hint)
    {
        using var answer = await Gateway.Http.PostAsJsonAsync(route, body ?? new { });
        var text = await answer.Content.ReadAsStringAsync();
        answer.StatusCode.Should().Be(status, text);
        text.Should().Contain(hint);
    }

    private static async Task<List<JsonElement>> EventsAsync(CommandInfo command)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, $"/api/v1/sandboxes/{_sandbox.Id}/events?after={command.FirstSequence - 1}&follow=false&commandId={command.Id}");
        request.Headers.Accept.ParseAdd("application/x-ndjson");
        using var answer = await Gateway.Http.SendAsync(request);
        return [.. (await answer.Content.ReadAsStringAsync()).Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => JsonDocument.Parse(line).RootElement)];
    }

    /// <summary>Follows the events until the command has said something.</summary>
    private static async Task UntilAsync(CommandInfo command, string text)
    {
        var said = new StringBuilder();
        await foreach (var one in FollowAsync(_sandbox.Id, command))
        {
            said.Append(one.TryGetProperty("text", out var piece) ? piece.GetString() : "");
            if (said.ToString().Contains(text, StringComparison.Ordinal))
            {
                return;
            }
        }

        throw new AssertionException($"It never said '{text}', but: {said}");
    }

    private static async Task UntilFinishedAsync(string sandboxId, CommandInfo command)
    {
        // Not through wait=true, which would keep the sandbox from being idle by itself: the test looks at the journal's side.
        var registry = (KernelGateway.Core.Sandboxes.SandboxRegistry)Gateway.Services.GetService(typeof(KernelGateway.Core.Sandboxes.SandboxRegistry))!;
        await registry.Get(sandboxId, "admin").GetCommand(command.Id).Finished;
    }

    private static async IAsyncEnumerable<JsonElement> FollowAsync(string sandboxId, CommandInfo command)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, $"/api/v1/sandboxes/{sandboxId}/events?after={command.FirstSequence - 1}&commandId={command.Id}");
        request.Headers.Accept.ParseAdd("application/x-ndjson");
        using var answer = await Gateway.Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        using var reader = new StreamReader(await answer.Content.ReadAsStreamAsync());
        while (await reader.ReadLineAsync() is { } line)
        {
            if (line.Length > 0)
            {
                yield return JsonDocument.Parse(line).RootElement;
            }
        }
    }
}
