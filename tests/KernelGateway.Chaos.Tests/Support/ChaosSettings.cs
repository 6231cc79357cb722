using System.Globalization;

namespace KernelGateway.Chaos.Tests.Support;

/// <summary>How much is done. The defaults are the short form; <c>long.sh</c> sets larger numbers, and a time at which each part stops.</summary>
internal static class ChaosSettings
{
    /// <summary>Every choice follows from it: the same seed gives the same workload and the same faults, though not the same timing.</summary>
    public static int Seed { get; } = Number("KG_CHAOS_SEED", Environment.TickCount & 0xFFFFFF);

    /// <summary>Rounds of the nemesis, each with a gateway of its own.</summary>
    public static int Rounds => Number("KG_CHAOS_ROUNDS", 1);

    /// <summary>Kills in each round.</summary>
    public static int Kills => Number("KG_CHAOS_KILLS", 8);

    /// <summary>Sandboxes in each round; the last one is a container, the others are processes.</summary>
    public static int Sandboxes => Number("KG_CHAOS_SANDBOXES", 4);

    /// <summary>Journals that are damaged and opened again.</summary>
    public static int Mutations => Number("KG_CHAOS_MUTATIONS", 500);

    /// <summary>Sandboxes that are made and ended.</summary>
    public static int Cycles => Number("KG_CHAOS_CYCLES", 100);

    /// <summary>What the long form may take longer than the short one, seconds.</summary>
    public static int ExtraSeconds => Number("KG_CHAOS_EXTRA_SECONDS", 0);

    /// <summary>A clock that says when the time for a part is used up; parts always do some work.</summary>
    public static Func<bool> TimeIsUp(string part)
    {
        var seconds = Number($"KG_CHAOS_{part}_SECONDS", int.MaxValue);
        var began = TimeProvider.System.GetTimestamp();
        return () => TimeProvider.System.GetElapsedTime(began).TotalSeconds >= seconds;
    }

    private static int Number(string variable, int otherwise) =>
        int.TryParse(Environment.GetEnvironmentVariable(variable), NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : otherwise;
}
