using System.Globalization;
using KernelGateway.Abuse.Tests.Support;
using KernelGateway.Client;
using KernelGateway.Contracts.Errors;
using KernelGateway.Contracts.Sandboxes;

namespace KernelGateway.Abuse.Tests;

/// <summary>L and H: snapshots against those who want them to be something else.</summary>
public sealed class SnapshotAbuseTests : AbuseFixture
{
    // The second file follows the first: at no moment are they further apart than by one.
    private const string Writer = """
        import os, sys, time
        folder, pause, n = sys.argv[1], float(sys.argv[2]), 0
        os.makedirs(folder, exist_ok=True)
        files = [os.open(f'{folder}/{name}', os.O_WRONLY | os.O_CREAT) for name in ('first', 'second')]
        while True:
            n += 1
            for file in files:
                os.pwrite(file, b'%08d' % n + b' ' * 8000, 0)
            if n == 1:
                print('begun', flush=True)
            time.sleep(pause)
        """;

    [Test]
    public async Task L05_A_snapshot_while_four_processes_write_is_of_one_moment_or_refused(CancellationToken cancellationToken)
    {
        var sandbox = await AttackerAsync(cancellationToken);
        await sandbox.Files.WriteTextAsync("writer.py", Writer, cancellationToken: cancellationToken);
        var refused = await WhileFourWriteAsync(sandbox, 0, async name =>
        {
            var making = () => sandbox.CreateSnapshotAsync(name, cancellationToken: cancellationToken);
            return (await making.Should().ThrowAsync<KernelGatewayException>()).Which;
        }, cancellationToken);
        refused.Code.Should().Be(ErrorCodes.Conflict);
        refused.Message.Should().Contain("keeps changing its files");

        var snapshot = await WhileFourWriteAsync(sandbox, 3, name => sandbox.CreateSnapshotAsync(name, cancellationToken: cancellationToken), cancellationToken);

        await using var restored = await Sandbox.CreateAsync(Site.Attacker, new CreateSandboxRequest { SnapshotId = snapshot.Id }, cancellationToken);
        for (var i = 0; i < 4; i++)
        {
            var (first, second) = (await NumberAsync(restored, i, "first", cancellationToken), await NumberAsync(restored, i, "second", cancellationToken));
            (first - second).Should().BeInRange(0, 1, "{0} and {1} were there at one moment", first, second);
        }

        await Sandbox.DeleteSnapshotAsync(snapshot.Id, Site.Attacker, cancellationToken);
    }

    [Test]
    public async Task L01_A_sandbox_ended_while_its_snapshot_is_made_leaves_no_snapshot(CancellationToken cancellationToken)
    {
        var sandbox = await AttackerAsync(cancellationToken);
        await sandbox.RunCodeAsync("import os; open('data', 'wb').write(os.urandom(50_000_000))", cancellationToken: cancellationToken);
        var making = sandbox.CreateSnapshotAsync("ended", cancellationToken: cancellationToken);
        await sandbox.TerminateAsync(TimeSpan.Zero, cancellationToken);

        try
        {
            await Sandbox.DeleteSnapshotAsync((await making).Id, Site.Attacker, cancellationToken); // It was quicker.
        }
        catch (KernelGatewayException e)
        {
            e.Code.Should().Be(ErrorCodes.Conflict, e.Message);
        }

        Directory.EnumerateDirectories(Path.Combine(Gateway.DataFolder, "snapshots")).Should().BeEmpty();
    }

    [Test]
    public async Task A_snapshot_full_of_traps_does_its_harm_in_the_new_sandbox_only(CancellationToken cancellationToken)
    {
        var sandbox = await AttackerAsync(cancellationToken);
        await sandbox.RunCodeAsync("""
            import os
            class Trap:
                def __init__(self, *what): self.what = what
                def __reduce__(self): return self.what
            ran = Trap(exec, ("import os; open('/workspace/ran', 'w').write(str(os.getuid()))",))
            os.symlink('/etc', 'etc'); os.symlink('..', 'up'); os.symlink('/proc/1/root', 'root')
            """, cancellationToken: cancellationToken);
        var snapshot = await sandbox.CreateSnapshotAsync("traps", cancellationToken: cancellationToken);

        await using var restored = await Sandbox.CreateAsync(Site.Attacker, new CreateSandboxRequest { SnapshotId = snapshot.Id }, cancellationToken);

        var seen = await restored.RunCodeAsync("import os; open('ran').read() == str(os.getuid()), os.readlink('root'), os.path.exists('/etc/passwd')", cancellationToken: cancellationToken);
        seen.Text.Should().Be("(True, '/proc/1/root', True)", $"it ended with {seen.Error}");
        await Sandbox.DeleteSnapshotAsync(snapshot.Id, Site.Attacker, cancellationToken);
    }

    private static async Task<T> WhileFourWriteAsync<T>(Sandbox sandbox, double pause, Func<string, Task<T>> act, CancellationToken cancellationToken)
    {
        var writers = new List<RunningCommand>();
        for (var i = 0; i < 4; i++)
        {
            var begun = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            var writer = await sandbox.Commands.ExecAsync(
                ["/usr/bin/python3", "writer.py", string.Create(CultureInfo.InvariantCulture, $"w{i}"), pause.ToString(CultureInfo.InvariantCulture)],
                new CommandOptions { OnStdout = _ => begun.TrySetResult() },
                cancellationToken);
            _ = writer.WaitAsync(cancellationToken);
            await begun.Task.WaitAsync(cancellationToken);
            writers.Add(writer);
        }

        try
        {
            return await act(string.Create(CultureInfo.InvariantCulture, $"while-{pause}"));
        }
        finally
        {
            foreach (var writer in writers)
            {
                await writer.KillAsync(cancellationToken);
            }
        }
    }

    private static async Task<int> NumberAsync(Sandbox sandbox, int writer, string file, CancellationToken cancellationToken) =>
        int.Parse((await sandbox.Files.ReadTextAsync(string.Create(CultureInfo.InvariantCulture, $"w{writer}/{file}"), cancellationToken)).AsSpan(0, 8), CultureInfo.InvariantCulture);
}
