using Humanizer;
using KernelGateway.Contracts.Sandboxes;

namespace ConsoleReconnect;

/// <summary>Numbers and times as people say them.</summary>
internal static class Words
{
    public static string Lines(int count) => "line".ToQuantity(count, "N0");

    public static string Count(int count) => count == 0 ? "none" : Lines(count);

    public static string Time(TimeSpan time) => time < TimeSpan.FromMilliseconds(1) ? "less than a millisecond" : time.Humanize(precision: time < TimeSpan.FromMinutes(1) ? 1 : 2);

    public static string State(SandboxState state) => state.ToString().Humanize(LetterCasing.LowerCase);

    public static string Pace(StorySettings settings) => settings.Rate == 0
        ? " as fast as it can"
        : $", which takes about {Time(TimeSpan.FromSeconds(settings.Lines / settings.Rate))}";
}
