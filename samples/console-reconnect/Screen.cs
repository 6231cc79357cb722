using Spectre.Console;

namespace ConsoleReconnect;

/// <summary>Colours and a table on a terminal; plain lines in a pipe or a log.</summary>
internal sealed class Screen
{
    private readonly bool _rich = !Console.IsOutputRedirected && AnsiConsole.Profile.Capabilities.Ansi && AnsiConsole.Profile.Capabilities.Interactive;

    /// <summary>What happens now.</summary>
    public void Step(string text)
    {
        if (_rich)
        {
            AnsiConsole.MarkupLine($"[deepskyblue1]»[/] {Markup.Escape(text)}");
        }
        else
        {
            Console.Out.WriteLine($"== {text}");
        }
    }

    /// <summary>Something that a user would notice.</summary>
    public void Break(string text)
    {
        if (_rich)
        {
            AnsiConsole.Write(new Rule($"[yellow]{Markup.Escape(text)}[/]") { Justification = Justify.Left, Style = Style.Parse("yellow") });
        }
        else
        {
            Console.Out.WriteLine($"-- {text}");
        }
    }

    /// <summary>One line that the code printed.</summary>
    public void Line(string line, bool caughtUp)
    {
        if (_rich)
        {
            AnsiConsole.MarkupLine(caughtUp ? $"  [grey]{Markup.Escape(line)}  (printed while away)[/]" : $"  {Markup.Escape(line)}");
        }
        else
        {
            Console.Out.WriteLine($"   {line}");
        }
    }

    public void Problem(string text)
    {
        if (_rich)
        {
            AnsiConsole.MarkupLine($"[red]{Markup.Escape(text)}[/]");
        }
        else
        {
            Console.Error.WriteLine($"console-reconnect: {text}");
        }
    }

    public void Summary(bool good, string verdict, IReadOnlyList<(string Name, string Value)> rows)
    {
        if (!_rich)
        {
            foreach (var (name, value) in rows)
            {
                Console.Out.WriteLine($"   {name + ":",-24}{value}");
            }

            Console.Out.WriteLine($"== {verdict}");
            return;
        }

        var table = new Table { Border = TableBorder.Rounded, ShowHeaders = false };
        table.AddColumns("", "");
        foreach (var (name, value) in rows)
        {
            table.AddRow($"[grey]{Markup.Escape(name)}[/]", Markup.Escape(value));
        }

        AnsiConsole.Write(table);
        AnsiConsole.MarkupLine($"[bold {(good ? "green" : "red")}]{Markup.Escape(verdict)}[/]");
    }
}
