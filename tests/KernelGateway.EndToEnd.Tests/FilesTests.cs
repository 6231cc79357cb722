using System.Diagnostics;
using KernelGateway.Client;
using KernelGateway.Contracts.Errors;
using KernelGateway.Contracts.Files;
using KernelGateway.EndToEnd.Tests.Support;

namespace KernelGateway.EndToEnd.Tests;

/// <summary>Files by the SDK, through a gateway process, in a real container.</summary>
public sealed class FilesTests : GatewayFixture
{
    [Test]
    public async Task The_files_of_a_sandbox_are_used_as_those_of_a_folder(CancellationToken cancellationToken)
    {
        await using var sandbox = await Sandbox.CreateAsync(Client, cancellationToken: cancellationToken);
        var files = sandbox.Files;

        (await files.WriteTextAsync("/workspace/data/a.txt", "Grüße", cancellationToken)).Path.Should().Be("/workspace/data/a.txt");
        (await files.ReadTextAsync("data/a.txt", cancellationToken)).Should().Be("Grüße");
        await files.WriteBytesAsync("/tmp/b", new byte[] { 0, 255, 1 }, cancellationToken);
        (await files.ReadBytesAsync("/tmp/b", cancellationToken)).Should().Equal(0, 255, 1);
        (await sandbox.RunCodeAsync("print(open('data/a.txt').read(), open('/tmp/b','rb').read())", cancellationToken: cancellationToken)).Stdout.Should().Be("Grüße b'\\x00\\xff\\x01'\n");
        (await files.ExistsAsync("data", cancellationToken), await files.ExistsAsync("data/a.txt/x", cancellationToken), await files.ExistsAsync("nothing", cancellationToken)).Should().Be((true, false, false));
        await files.MkdirAsync("more/folders", cancellationToken: cancellationToken);
        await files.CopyAsync("data", "more/folders/data", cancellationToken: cancellationToken);
        await files.MoveAsync("more/folders/data/a.txt", "moved", cancellationToken: cancellationToken);
        await files.WriteManyAsync([new FileToWrite("many/1", "one"), new FileToWrite("many/2", Base64: [1, 2])], cancellationToken);
        var names = new List<string>();
        await foreach (var entry in files.ListAsync(depth: 4, cancellationToken: cancellationToken))
        {
            names.Add(entry.Path["/workspace/".Length..]);
        }

        names.Should().Equal("data", "data/a.txt", "many", "many/1", "many/2", "more", "more/folders", "more/folders/data", "moved");
        await files.RemoveAsync("more", recursive: true, cancellationToken);
        (await files.StatAsync("many/2", cancellationToken)).Should().Match<FileEntry>(it => it.Size == 2 && it.Mode == "0600" && it.Type == FileType.File);
        await ShouldRefuseAsync(() => files.ReadTextAsync("more", cancellationToken), ErrorCodes.FileNotFound, "path");
        await ShouldRefuseAsync(() => files.WriteTextAsync("/etc/passwd", "x", cancellationToken), ErrorCodes.PermissionDenied, "path");
        await ShouldRefuseAsync(() => files.RemoveAsync("many", cancellationToken: cancellationToken), ErrorCodes.DirectoryNotEmpty, "path");
        await ShouldRefuseAsync(() => files.ReadTextAsync("../x", cancellationToken), ErrorCodes.InvalidPath, "path");
    }

    [Test]
    public async Task A_hundred_mebibytes_go_up_and_down_in_bounded_memory(CancellationToken cancellationToken)
    {
        const int Size = 100 << 20;
        await using var sandbox = await Sandbox.CreateAsync(Client, cancellationToken: cancellationToken);
        using var folder = new TemporaryFolder();
        var local = folder.Of("big");
        await using (var file = File.Create(local))
        {
            var block = new byte[1 << 20];
            for (var i = 0; i < Size >> 20; i++)
            {
                Array.Fill(block, (byte)i);
                await file.WriteAsync(block, cancellationToken);
            }
        }

        await sandbox.Files.UploadAsync(local, "warm", cancellationToken);
        await using var memory = new MemoryWatch(Gateway);
        var watch = Stopwatch.StartNew();
        (await sandbox.Files.UploadAsync(local, "big", cancellationToken)).Size.Should().Be(Size);
        var up = watch.Elapsed;
        await sandbox.Files.DownloadAsync("big", local + ".copy", cancellationToken);
        TestContext.Out.WriteLine($"up {Size / up.TotalSeconds / (1 << 20):0} MiB/s, down {Size / (watch.Elapsed - up).TotalSeconds / (1 << 20):0} MiB/s, memory grew by {memory.Growth >> 20} MiB");
        memory.Growth.Should().BeLessThan(32 << 20, "content is streamed");
        (await HashAsync(local + ".copy", cancellationToken)).Should().Be(await HashAsync(local, cancellationToken));
        var inside = await sandbox.RunCodeAsync("import hashlib; print(hashlib.sha256(open('big','rb').read()).hexdigest())", cancellationToken: cancellationToken);
        inside.Stdout.Trim().Should().Be(await HashAsync(local, cancellationToken));
    }

    [Test]
    public async Task A_download_goes_on_after_the_gateway_was_killed_and_a_changed_file_is_no_continuation(CancellationToken cancellationToken)
    {
        await using var gateway = await GatewayProcess.StartNewAsync();
        await using var client = gateway.Client();
        await using var sandbox = await Sandbox.CreateAsync(client, cancellationToken: cancellationToken);
        await sandbox.RunCodeAsync("open('big','wb').write(bytes(i % 251 for i in range(1 << 20)) * 32)", cancellationToken: cancellationToken);
        await using var stream = await sandbox.Files.OpenReadAsync("big", cancellationToken);
        await using var other = await sandbox.Files.OpenReadAsync("big", cancellationToken);
        var all = new byte[stream.Length];
        await stream.ReadExactlyAsync(all.AsMemory(0, 1 << 20), cancellationToken);
        await other.ReadExactlyAsync(new byte[1000], cancellationToken);
        await gateway.KillAsync();
        await gateway.StartAsync();
        await stream.ReadExactlyAsync(all.AsMemory(1 << 20), cancellationToken);

        all.Length.Should().Be(32 << 20);
        Enumerable.Range(0, all.Length).All(i => all[i] == i % (1 << 20) % 251).Should().BeTrue("not a byte is missing or double");
        await sandbox.Files.WriteTextAsync("big", new string('x', 32 << 20), cancellationToken);
        var rest = async () => await other.ReadExactlyAsync(new byte[(32 << 20) - 1000], cancellationToken);
        (await rest.Should().ThrowAsync<KernelGatewayException>()).Which.Code.Should().Be(ErrorCodes.FileChanged);
    }

    [Test]
    public async Task An_upload_and_a_watch_go_on_after_the_gateway_was_killed(CancellationToken cancellationToken)
    {
        await using var gateway = await GatewayProcess.StartNewAsync();
        await using var client = gateway.Client();
        await using var sandbox = await Sandbox.CreateAsync(client, cancellationToken: cancellationToken);
        await using var changes = sandbox.Files.WatchAsync(cancellationToken: cancellationToken).GetAsyncEnumerator(cancellationToken);
        (await changes.MoveNextAsync(), changes.Current.Type).Should().Be((true, FileChangeType.Ready));
        await using var content = new KillingStream(new byte[24 << 20], 12 << 20, async () =>
        {
            await gateway.KillAsync();
            await gateway.StartAsync();
        });
        (await sandbox.Files.WriteAsync("uploaded", content, cancellationToken)).Size.Should().Be(24 << 20);
        content.Killed.Should().BeTrue();
        (await sandbox.RunCodeAsync("import os; print(os.listdir('.'), os.path.getsize('uploaded'))", cancellationToken: cancellationToken)).Stdout.Should().Be($"['uploaded'] {24 << 20}\n");

        // After the cut the watch says that something may be missing, and goes on.
        while (changes.Current.Type != FileChangeType.Overflow)
        {
            (await changes.MoveNextAsync()).Should().BeTrue();
        }

        await sandbox.Files.WriteTextAsync("later", "x", cancellationToken);
        while (!changes.Current.Path.EndsWith("/later", StringComparison.Ordinal) && changes.Current.NewPath != "/workspace/later")
        {
            (await changes.MoveNextAsync()).Should().BeTrue();
        }

        await sandbox.TerminateAsync(TimeSpan.Zero, cancellationToken);
        while (await changes.MoveNextAsync())
        {
            // To its end.
        }
    }

    private static async Task ShouldRefuseAsync(Func<Task> call, string code, string field) =>
        (await call.Should().ThrowAsync<KernelGatewayException>()).Which.Should().Match<KernelGatewayException>(it => it.Code == code && it.Field == field);

    private static async Task<string> HashAsync(string path, CancellationToken cancellationToken)
    {
        await using var file = File.OpenRead(path);
        return Convert.ToHexStringLower(await System.Security.Cryptography.SHA256.HashDataAsync(file, cancellationToken));
    }

    /// <summary>Does something once when it has been read so far.</summary>
    private sealed class KillingStream(byte[] content, int at, Func<Task> kill) : MemoryStream(content)
    {
        public bool Killed { get; private set; }

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            if (Position >= at && !Killed)
            {
                Killed = true;
                await kill();
            }

            return await base.ReadAsync(buffer, cancellationToken);
        }
    }
}
