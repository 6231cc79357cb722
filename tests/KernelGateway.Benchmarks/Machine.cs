using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;

namespace KernelGateway.Benchmarks;

/// <summary>What a table must say of where it was made.</summary>
internal static class Machine
{
    public static async Task DescribeAsync(RawClient raw)
    {
        var cpu = File.ReadLines("/proc/cpuinfo").FirstOrDefault(l => l.StartsWith("model name", StringComparison.Ordinal))?.Split(':', 2)[1].Trim();
        var memory = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / (1L << 30);
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"machine   {cpu ?? RuntimeInformation.ProcessArchitecture.ToString()}, {Environment.ProcessorCount} cores, {memory} GiB, {RuntimeInformation.OSDescription}"));
        Console.WriteLine($"load      {File.ReadAllText("/proc/loadavg").Trim()}");
        Console.WriteLine($"commit    {await SayAsync("git", "-C", Repository.Root, "describe", "--always", "--dirty", "--abbrev=12")}");
        Console.WriteLine($"versions  {RuntimeInformation.FrameworkDescription}, {(await SayAsync("runc", "--version")).Split('\n')[0]}, {await raw.VersionsAsync()}");
    }

    private static async Task<string> SayAsync(string program, params string[] arguments)
    {
        try
        {
            using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true })!;
            var said = await process.StandardOutput.ReadToEndAsync();
            await process.WaitForExitAsync();
            return said.Trim();
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return $"{program} unknown";
        }
    }
}
