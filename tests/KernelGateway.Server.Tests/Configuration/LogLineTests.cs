using KernelGateway.Server.Configuration;
using Serilog;
using Serilog.Core;
using Serilog.Events;

namespace KernelGateway.Server.Tests.Configuration;

[Parallelizable(ParallelScope.All)]
public sealed class LogLineTests
{
    [Test]
    public void E19_Control_characters_in_what_is_logged_are_escaped()
    {
        var lines = Log(log => log.Warning("It said {Words}", "one\n12:00:00 ERR forged\r\x1b]52;c;eA==\x07\u202e\u2028\u009b31m end"));

        lines.Should().ContainSingle().Which.Should()
            .Contain("It said one\\n12:00:00 ERR forged\\x0d\\x1b]52;c;eA==\\x07\\u202e\\u2028\\x9b31m end");
    }

    [Test]
    public void E19_No_line_of_an_exception_looks_like_an_event_of_its_own()
    {
        var lines = Log(log => log.Error(new IOException("first\n12:00:00.000 INF forged\x1b[2J"), "It failed"));

        lines[0].Should().EndWith("ERR It failed");
        lines.Skip(1).Should().NotBeEmpty().And.OnlyContain(line => line.StartsWith("    "));
        string.Concat(lines).Should().NotContain("\x1b").And.Contain("\\x1b[2J");
    }

    [Test]
    public void Other_letters_stay_as_they_are() =>
        Log(log => log.Information("Sandbox {Name}", "žluťoučký 🐎 \"x\"")).Single().Should().EndWith("INF Sandbox žluťoučký 🐎 \"x\"");

    private static List<string> Log(Action<Serilog.ILogger> say)
    {
        var text = new StringWriter();
        using (var log = new LoggerConfiguration().WriteTo.Sink(new Written(text)).CreateLogger())
        {
            say(log);
        }

        return [.. text.ToString().TrimEnd('\n').Split('\n')];
    }

    private sealed class Written(TextWriter text) : ILogEventSink
    {
        public void Emit(LogEvent logEvent) => new LogLine().Format(logEvent, text);
    }
}
