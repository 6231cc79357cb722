using KernelGateway.Client;
using KernelGateway.Contracts.Events;
using KernelGateway.Contracts.Executions;

namespace KernelGateway.Benchmarks;

/// <summary>Many lines, from the request until the last one and the end are there.</summary>
internal static class PrintedLines
{
    public static async Task CompareAsync(RawClient raw, GatewayProcess gateway, int lines, bool flush, int rounds, Report report)
    {
        var code = $"for i in range({lines}): print(i{(flush ? ", flush=True" : "")})";
        var kernel = await raw.StartAsync(KernelKind.Launcher);
        await raw.ConnectAsync(kernel);
        await using var sdk = gateway.Client();
        await using var sandbox = await Sandbox.CreateAsync(sdk);
        Samples ours = new(), theirs = new();
        for (var round = -1; round < rounds; round++)
        {
            var (their, theirLines) = await raw.RunAsync(kernel, code);
            var ourLines = 0;
            var our = await RoundTrips.TimeAsync(async () => ourLines = await CountAsync(sandbox, code));
            if (theirLines != lines || ourLines != lines)
            {
                throw new InvalidOperationException($"Of {lines} lines raw has seen {theirLines} and the hub {ourLines}.");
            }

            if (round >= 0)
            {
                ours.Add(our);
                theirs.Add(their);
            }
        }

        await raw.DisconnectAsync(kernel);
        report.Compare($"{lines} lines{(flush ? ", each flushed" : "")}: hub, local", ours, theirs, 1.3);
    }

    private static async Task<int> CountAsync(Sandbox sandbox, string code)
    {
        var lines = 0;
        var run = await sandbox.StartCodeAsync(code);
        await foreach (var one in run.Events())
        {
            lines += one switch
            {
                OutputEvent output => output.Text.AsSpan().Count('\n'),
                ExecutionFinishedEvent { Status: not ExecutionStatus.Ok } end => throw new InvalidOperationException($"The run ended as {end.Status}: {end.Reason}"),
                _ => 0,
            };
        }

        return lines;
    }
}
