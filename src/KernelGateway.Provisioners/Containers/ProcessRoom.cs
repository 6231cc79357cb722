using System.Globalization;
using KernelGateway.Core.Errors;

namespace KernelGateway.Provisioners.Containers;

/// <summary>How many processes the user of a sandbox may have whatever its control group says: no process can be given more of it than it has.</summary>
internal static class ProcessRoom
{
    /// <param name="init">The first process of the sandbox, which passes its limit on.</param>
    /// <param name="pids">What is asked for.</param>
    /// <exception cref="GatewayException"><see cref="ErrorCode.Conflict"/>: more than there is room for.</exception>
    internal static void Demand(int init, int pids)
    {
        if (Read(init) is { } room && pids > room)
        {
            throw new GatewayException(ErrorCode.Conflict, $"The processes of this sandbox were started with room for at most {room}. Nothing was changed. For more make a new sandbox.", "pids");
        }
    }

    /// <summary>RLIMIT_NPROC; <c>null</c> when there is none.</summary>
    private static int? Read(int pid)
    {
        const string Name = "Max processes";
        try
        {
            var line = File.ReadLines($"/proc/{pid}/limits").FirstOrDefault(line => line.StartsWith(Name, StringComparison.Ordinal));
            return int.TryParse(line?[Name.Length..].TrimStart().Split(' ')[0], NumberStyles.None, CultureInfo.InvariantCulture, out var room) ? room : null;
        }
        catch (IOException)
        {
            return null; // It is ending.
        }
    }
}
