using System.Globalization;

namespace KernelGateway.Chaos.Tests.Nemesis;

/// <summary>What a run does.</summary>
internal enum RunKind
{
    /// <summary>Prints numbered lines.</summary>
    Print,

    /// <summary>Adds one to a variable of the kernel: running it twice would show.</summary>
    Count,

    /// <summary>Asks with <c>input()</c> and prints the answer.</summary>
    Ask,
}

/// <summary>One run as it was meant.</summary>
internal sealed record PlannedRun(string Key, RunKind Kind, int Lines, int PauseEvery)
{
    public string Answer => $"answer {Key}";

    public string Code => Kind switch
    {
        RunKind.Print => string.Create(CultureInfo.InvariantCulture, $"import time\nfor i in range({Lines}):\n    print(i, flush=True)\n    if i % {PauseEvery} == 0: time.sleep(0.02)"),
        RunKind.Count => "counter = globals().get('counter', 0) + 1\nprint(0)",
        _ => "print(input('? '), flush=True)",
    };

    /// <summary>All lines of standard output when it ran to its end.</summary>
    public IEnumerable<string> Output => Kind switch
    {
        RunKind.Print => Enumerable.Range(0, Lines).Select(i => i.ToString(CultureInfo.InvariantCulture)),
        RunKind.Count => ["0"],
        _ => [Answer],
    };

    public static PlannedRun Next(Random random, int number) => new(
        $"run-{number}",
        random.Next(10) switch { < 6 => RunKind.Print, < 8 => RunKind.Count, _ => RunKind.Ask },
        random.Next(20, 600),
        random.Next(5, 100));
}
