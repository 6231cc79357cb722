using System.Globalization;
using System.Text.RegularExpressions;

namespace ConsoleReconnect;

/// <summary>Checks that the numbered lines come exactly once and in order.</summary>
internal sealed partial class LineProof(int lines, int next)
{
    /// <summary>The number that must come next.</summary>
    public int Next { get; private set; } = next;

    /// <summary>Lines that were left out.</summary>
    public int Lost { get; private set; }

    /// <summary>Lines that came again, or later than they should.</summary>
    public int Repeated { get; private set; }

    /// <summary>Lines that the code never printed.</summary>
    public int Strange { get; private set; }

    public bool Holds => Next == lines + 1 && Lost == 0 && Repeated == 0 && Strange == 0;

    public static string Line(int number, int lines) => string.Create(CultureInfo.InvariantCulture, $"line {number} of {lines}");

    public void See(string line)
    {
        var match = Numbered().Match(line);
        if (!match.Success || !int.TryParse(match.Groups[1].ValueSpan, CultureInfo.InvariantCulture, out var number) || line != Line(number, lines))
        {
            Strange++;
        }
        else if (number < Next)
        {
            Repeated++;
        }
        else
        {
            Lost += number - Next;
            Next = number + 1;
        }
    }

    /// <summary>Nothing more will come: what is missing at the end is lost.</summary>
    public void End()
    {
        Lost += lines + 1 - Next;
    }

    [GeneratedRegex("^line ([0-9]+) of [0-9]+$")]
    private static partial Regex Numbered();
}
