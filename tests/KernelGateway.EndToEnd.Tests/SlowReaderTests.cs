using System.Security.Cryptography;
using System.Text;
using KernelGateway.Client;
using KernelGateway.Contracts.Events;
using KernelGateway.Contracts.Executions;
using KernelGateway.EndToEnd.Tests.Support;

namespace KernelGateway.EndToEnd.Tests;

/// <summary>Output far beyond what a client reads: the gateway's memory stays flat, and nobody waits for the slow one.</summary>
[NonParallelizable]
[CancelAfter(180_000)]
[FixtureLifeCycle(LifeCycle.InstancePerTestCase)]
public sealed class SlowReaderTests
{
    private const int Pieces = 200;
    private const long MaxGrowth = 64L << 20;

    [Test]
    public async Task Readers_of_1_KiB_a_second_cost_no_memory_and_a_fast_one_beside_them_gets_all_200_MB_once(CancellationToken cancellationToken)
    {
        Requires.LocalVariant();
        await using var gateway = await GatewayProcess.StartNewAsync();
        await using var client = gateway.Client();
        await using var sandbox = await Sandbox.CreateAsync(client, cancellationToken: cancellationToken);
        await WarmUpAsync(sandbox, cancellationToken);

        await using var memory = new MemoryWatch(gateway);
        var running = await sandbox.StartCodeAsync(Printing(Pieces), cancellationToken: cancellationToken);
        var reading = ReadAsync(running, cancellationToken);
        var slow = SlowReaders.ReadEventsAsync(gateway, sandbox.Id, running.FirstSequence, reading, cancellationToken);
        var slowHub = SlowReaders.ReadHubAsync(gateway, sandbox.Id, running.FirstSequence, reading, cancellationToken);
        var fast = await reading;

        await TestContext.Out.WriteLineAsync($"baseline {memory.Baseline >> 20} MiB, growth {memory.Growth >> 20} MiB, slow readers {await slow} and {await slowHub} bytes");
        fast.Bytes.Should().Be(Pieces * 1_000_000L);
        fast.Hash.Should().Be(fast.Printed, "it is what the code printed, each byte once");
        (await slow).Should().BeInRange(1, 1 << 20);
        (await slowHub).Should().BeInRange(1, 1 << 20);
        memory.Growth.Should().BeLessThan(MaxGrowth);
    }

    [Test]
    public async Task Output_that_nobody_reads_costs_no_memory_and_is_all_there_for_a_latecomer(CancellationToken cancellationToken)
    {
        Requires.LocalVariant();
        await using var gateway = await GatewayProcess.StartNewAsync();
        await using var client = gateway.Client();
        await using var sandbox = await Sandbox.CreateAsync(client, cancellationToken: cancellationToken);
        await WarmUpAsync(sandbox, cancellationToken);

        await using var memory = new MemoryWatch(gateway);
        var running = await sandbox.StartCodeAsync(Printing(Pieces), cancellationToken: cancellationToken);
        await gateway.WaitForExecutionAsync(sandbox.Id, running.Id, cancellationToken);
        var unread = memory.Growth;
        var late = await ReadAsync(running, cancellationToken);

        await TestContext.Out.WriteLineAsync($"baseline {memory.Baseline >> 20} MiB, growth {unread >> 20} MiB unread, {memory.Growth >> 20} MiB with the latecomer");
        late.Bytes.Should().Be(Pieces * 1_000_000L);
        late.Hash.Should().Be(late.Printed);
        memory.Growth.Should().BeLessThan(MaxGrowth);
    }

    /// <summary>Pieces of 1 MB, in lines that differ; the value of the cell is their SHA-256.</summary>
    private static string Printing(int pieces) => $"""
        import hashlib, sys
        digest = hashlib.sha256()
        for piece in range({pieces}):
            text = ''.join(f'{'{'}piece:04d{'}'} {'{'}line:05d{'}'} {'{'}"x" * 88{'}'}\n' for line in range(10000))
            digest.update(text.encode())
            sys.stdout.write(text)
        digest.hexdigest()
        """;

    /// <summary>So that what the runtime needs once for all is not counted.</summary>
    private static async Task WarmUpAsync(Sandbox sandbox, CancellationToken cancellationToken)
    {
        var read = await ReadAsync(await sandbox.StartCodeAsync(Printing(10), cancellationToken: cancellationToken), cancellationToken);
        read.Hash.Should().Be(read.Printed);
    }

    private static async Task<(long Bytes, string Hash, string Printed)> ReadAsync(RunningCode running, CancellationToken cancellationToken)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        long bytes = 0;
        var printed = "nothing";
        await foreach (var next in running.Events(cancellationToken))
        {
            switch (next)
            {
                case OutputEvent output:
                    var text = Encoding.UTF8.GetBytes(output.Text);
                    hash.AppendData(text);
                    bytes += text.Length;
                    break;
                case ResultEvent result:
                    printed = result.Data["text/plain"].GetString()!.Trim('\'');
                    break;
                case ExecutionFinishedEvent finished:
                    finished.Status.Should().Be(ExecutionStatus.Ok);
                    break;
                case TruncatedEvent or GapEvent or OmittedEvent:
                    throw new AssertionException($"Something is missing: {next}");
            }
        }

        return (bytes, Convert.ToHexStringLower(hash.GetHashAndReset()), printed);
    }
}
