using System.Diagnostics;
using System.Globalization;
using KernelGateway.Client;
using KernelGateway.Contracts.Events;
using KernelGateway.Contracts.Executions;
using KernelGateway.Contracts.Sandboxes;
using KernelGateway.EndToEnd.Tests.Support;

namespace KernelGateway.EndToEnd.Tests;

/// <summary>Kernels that die under the code: the reason is told at once, and the sandbox goes on.</summary>
[NonParallelizable]
public sealed class KernelDeathTests : GatewayFixture
{
    private static readonly TimeSpan AtOnce = TimeSpan.FromMilliseconds(500);

    [TestCase("os.kill(os.getpid(), signal.SIGKILL)", "SIGKILL")]
    [TestCase("os._exit(3)", "code 3")]
    [TestCase("ctypes.string_at(0)", "SIGSEGV")]
    public async Task The_reason_of_a_death_is_told_within_half_a_second_and_the_sandbox_can_restart(string death, string reason, CancellationToken cancellationToken)
    {
        await using var sandbox = await Sandbox.CreateAsync(Client, cancellationToken: cancellationToken);
        await sandbox.RunCodeAsync("import ctypes, os, signal, time\nopen('kept.txt', 'w').write('still here')\nn = 1", cancellationToken: cancellationToken);
        var running = await sandbox.StartCodeAsync($"print(time.monotonic_ns(), flush=True)\n{death}", cancellationToken: cancellationToken);

        var (told, printed, dead) = await WaitForDeathAsync(sandbox, running.FirstSequence - 1, cancellationToken);

        dead.Reason.Should().Contain(reason);
        await TestContext.Out.WriteLineAsync($"told {(told - printed).TotalMilliseconds:0} ms after the last words");
        (told - printed).Should().BeLessThan(AtOnce);
        var result = await running.WaitAsync(cancellationToken);
        result.Status.Should().Be(ExecutionStatus.KernelDied);
        result.Execution.Reason.Should().Contain(reason);
        result.Stdout.Should().NotBeEmpty("the last words are not lost");
        (await sandbox.RefreshAsync(cancellationToken)).Contexts[0].State.Should().Be(KernelState.Dead);

        var info = await sandbox.RestartAsync(cancellationToken: cancellationToken);
        info.Contexts[0].State.Should().Be(KernelState.Idle);
        var after = await sandbox.RunCodeAsync("'n' in globals(), open('kept.txt').read()", cancellationToken: cancellationToken);
        after.Text.Should().Be("(False, 'still here')", "a restart forgets variables and keeps files");
    }

    [Test]
    public async Task A_memory_hog_is_ended_and_the_reason_is_told_within_two_seconds(CancellationToken cancellationToken)
    {
        await using var sandbox = await Sandbox.CreateAsync(Client, new CreateSandboxRequest { MemoryMb = 256 }, cancellationToken);
        var running = await sandbox.StartCodeAsync("import time\nprint(time.monotonic_ns(), flush=True)\nhog = []\nwhile True: hog.append(b'x' * (8 << 20))", cancellationToken: cancellationToken);

        var (told, printed, dead) = await WaitForDeathAsync(sandbox, running.FirstSequence - 1, cancellationToken);

        dead.Reason.Should().Contain("out of memory");
        await TestContext.Out.WriteLineAsync($"told {(told - printed).TotalMilliseconds:0} ms after it began to grow");
        (told - printed).Should().BeLessThan(TimeSpan.FromSeconds(2));
        (await running.WaitAsync(cancellationToken)).Status.Should().Be(ExecutionStatus.KernelDied);
        await sandbox.RestartAsync(cancellationToken: cancellationToken);
        (await sandbox.RunCodeAsync("6 * 7", cancellationToken: cancellationToken)).Text.Should().Be("42");
    }

    /// <summary>When the death was told and when the last words were printed, both by the monotonic clock of this machine.</summary>
    private static async Task<(TimeSpan Told, TimeSpan Printed, KernelStateEvent Dead)> WaitForDeathAsync(Sandbox sandbox, long after, CancellationToken cancellationToken)
    {
        var words = "";
        await foreach (var next in sandbox.EventsAsync(after, cancellationToken))
        {
            switch (next)
            {
                case OutputEvent { Stream: "stdout" } output:
                    words += output.Text;
                    break;
                case KernelStateEvent { State: KernelState.Dead } dead:
                    var now = TimeSpan.FromSeconds((double)Stopwatch.GetTimestamp() / Stopwatch.Frequency);
                    return (now, TimeSpan.FromMilliseconds(long.Parse(words, CultureInfo.InvariantCulture) / 1e6), dead);
            }
        }

        throw new AssertionException("The events ended without the kernel's death.");
    }
}
