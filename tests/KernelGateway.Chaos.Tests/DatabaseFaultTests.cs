using KernelGateway.Chaos.Tests.Support;
using KernelGateway.Client;

namespace KernelGateway.Chaos.Tests;

/// <summary>C10; the kills inside transactions are with the orphans.</summary>
public sealed class DatabaseFaultTests
{
    [Test]
    [Deadline(300)]
    public async Task C10_A_damaged_database_is_refused_in_one_sentence_or_it_works()
    {
        var random = new Random(ChaosSettings.Seed);
        await using var gateway = await ChaosGateway.StartAsync();
        await using var client = gateway.PatientClient();
        await using var sandbox = await Sandbox.CreateAsync(client);
        await sandbox.RunCodeAsync("x = 41");
        await gateway.StopAsync();
        var path = Path.Combine(gateway.DataFolder, "gateway.db");
        var good = await File.ReadAllBytesAsync(path);
        foreach (var (name, damage) in new (string, Func<byte[], byte[]>)[]
        {
            ("header", b => Flip(b, random.Next(0, 16))),
            ("schema page", b => Zero(b, 100, 2000)),
            ("cut", b => b[..(b.Length / 2)]),
            ("garbage", b => Garbage(b, random)),
        })
        {
            await File.WriteAllBytesAsync(path, damage(good));
            var said = await gateway.StartAnotherAsync();
            said.ExitCode.Should().Be(1, "{0}, seed {1}: {2}", name, ChaosSettings.Seed, said.Output);
            said.Output.Should().Contain($"The gateway cannot start:\n  - The database '{path}'").And.Contain("Restore it from a copy, or move it away");
        }

        await File.WriteAllBytesAsync(path, good);
        File.Delete(path + "-wal");
        File.Delete(path + "-shm");
        await gateway.StartAsync();
        (await sandbox.RunCodeAsync("x + 1")).Text.Should().Be("42");
    }

    [Test]
    [Deadline(300)]
    public async Task C10_On_a_read_only_disk_the_gateway_refuses_to_start_and_says_so()
    {
        Requires.Root();
        using var folder = new TemporaryFolder();
        await using var disk = await SmallDisk.MountAsync(folder.Path, "16m");
        await using var gateway = await ChaosGateway.StartOnAsync(folder.Of("d"), []);
        await gateway.StopAsync();
        await ChildProcess.RunAsync("mount", "-o", "remount,ro", folder.Path);

        var said = await gateway.StartAnotherAsync();

        await ChildProcess.RunAsync("mount", "-o", "remount,rw", folder.Path);
        said.ExitCode.Should().Be(1, said.Output);
        said.Output.Should().Contain("The gateway cannot start:\n").And.Contain("Read-only file system").And.NotContain("Another gateway");
    }

    private static byte[] Flip(byte[] bytes, int at)
    {
        var changed = (byte[])bytes.Clone();
        changed[at] ^= 0x10;
        return changed;
    }

    private static byte[] Zero(byte[] bytes, int at, int count)
    {
        var changed = (byte[])bytes.Clone();
        Array.Clear(changed, at, count);
        return changed;
    }

    private static byte[] Garbage(byte[] bytes, Random random)
    {
        var changed = new byte[bytes.Length];
        random.NextBytes(changed);
        return changed;
    }
}
