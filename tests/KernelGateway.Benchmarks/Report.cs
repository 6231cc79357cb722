using System.Globalization;

namespace KernelGateway.Benchmarks;

/// <summary>The table that is printed in the end.</summary>
internal sealed class Report
{
    private readonly List<string> _lines = [];

    /// <summary>Adds a ratio of two things measured in turn, in milliseconds.</summary>
    public void Compare(string what, Samples ours, Samples theirs, double? goal = null)
    {
        var ratio = ours.Median / theirs.Median;
        _lines.Add(Row(
            what,
            Milliseconds(ours.Median),
            Milliseconds(theirs.Median),
            Milliseconds(ours.P99),
            Milliseconds(theirs.P99),
            Number(ratio),
            Number(ours.P10 / theirs.P10),
            Number(ours.P99 / theirs.P99),
            goal is { } g ? $"{(ratio <= g ? "≤" : "over")} {Number(g)}" : "",
            ours.Count.ToString(CultureInfo.InvariantCulture)));
        Console.Error.WriteLine(_lines[^1]);
    }

    /// <summary>Adds a plain value.</summary>
    public void State(string what, string value) => _lines.Add($"{what,-52} {value}");

    public void Print()
    {
        Console.WriteLine();
        Console.WriteLine(Row("milliseconds", "ours p50", "raw p50", "ours p99", "raw p99", "ratio", "at p10", "at p99", "goal", "n"));
        _lines.ForEach(Console.WriteLine);
    }

    private static string Row(string what, params string[] cells) =>
        $"{what,-52}{string.Concat(cells.Select(c => c.PadLeft(10)))}";

    private static string Milliseconds(double seconds) => (seconds * 1000).ToString("F2", CultureInfo.InvariantCulture);

    private static string Number(double value) => value.ToString("F2", CultureInfo.InvariantCulture);
}
