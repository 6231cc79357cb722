using KernelGateway.Client;

namespace Walkthrough;

/// <summary>Prints what happens; the same on every machine.</summary>
internal static class Say
{
    public static void Chapter(string title)
    {
        Console.WriteLine();
        Console.WriteLine($"== {title}");
    }

    public static void Line(string text) => Console.WriteLine($"   {text}");

    /// <summary>Does what must be refused, and shows how the refusal can be told from others.</summary>
    public static async Task RefusedAsync(string what, Func<Task> act)
    {
        try
        {
            await act();
            Line($"{what}: not refused!");
        }
        catch (KernelGatewayException e)
        {
            Line($"{what}: refused as '{e.Code}'");
        }
    }
}
