using System.Globalization;

namespace KernelGateway.Chaos.Tests.Support;

/// <summary>What was measured: printed with the test, and appended to the file that <c>long.sh</c> makes a table of.</summary>
internal static class Figures
{
    public static void Report(string name, IFormattable value)
    {
        var line = $"{name}\t{value.ToString(value is double or TimeSpan ? "0.00" : null, CultureInfo.InvariantCulture)}";
        TestContext.Progress.WriteLine(line);
        TestContext.Out.WriteLine(line);
        if (Environment.GetEnvironmentVariable("KG_CHAOS_FIGURES") is { Length: > 0 } file)
        {
            File.AppendAllText(file, line + "\n");
        }
    }

    /// <summary>Reports the middle and the tail of times in seconds.</summary>
    public static void Report(string name, IReadOnlyCollection<double> seconds)
    {
        Report($"{name} p50 s", Quantile(seconds, 0.5));
        Report($"{name} p99 s", Quantile(seconds, 0.99));
    }

    public static double Quantile(IReadOnlyCollection<double> values, double quantile) => values.Count == 0
        ? 0
        : values.Order().ElementAt((int)Math.Ceiling(quantile * values.Count) - 1);
}
