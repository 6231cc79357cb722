using System.Diagnostics;
using System.Text.Json.Nodes;
using KernelGateway.Contracts.Files;
using KernelGateway.Core.Errors;
using KernelGateway.Core.Files;
using KernelGateway.Core.Provisioning;
using KernelGateway.Jupyter;
using KernelGateway.Provisioners.Tests.Support;

namespace KernelGateway.Provisioners.Tests.Remote;

/// <summary>What is of its own in files that are reached through a kernel.</summary>
[CancelAfter(90_000)]
public sealed class RemoteFilesTests
{
    private const long Large = 64L << 20;

    [Test]
    public async Task A_large_file_goes_up_and_down_in_pieces(CancellationToken cancellationToken)
    {
        await using var stage = new RemoteStage();
        await stage.Files.WriteTextAsync("small", "x", cancellationToken);
        var before = ResidentBytes(stage.Utility.ProcessId);
        var watch = Stopwatch.StartNew();
        var written = await stage.Files.WriteAsync(SandboxPath.Parse("large"), new PatternStream(Large), new FileWrite(Large), cancellationToken);
        var up = watch.Elapsed;
        written.Size.Should().Be(Large);
        using var content = await stage.Files.OpenAsync(SandboxPath.Parse("large"), cancellationToken);
        var buffer = new byte[81_920];
        long at = 0;
        watch.Restart();
        for (int read; (read = await content.ReadAsync(at, buffer, cancellationToken)) > 0; at += read)
        {
            for (var i = 0; i < read; i += 4093)
            {
                if (buffer[i] != (byte)((at + i) % 251))
                {
                    Assert.Fail($"Byte {at + i} is {buffer[i]}.");
                }
            }
        }

        at.Should().Be(Large);
        var grown = ResidentBytes(stage.Utility.ProcessId) - before;
        TestContext.Out.WriteLine($"64 MiB up in {up.TotalSeconds:0.0} s, down in {watch.Elapsed.TotalSeconds:0.0} s; the kernel has grown by {grown >> 20} MiB");
        grown.Should().BeLessThan(40 << 20, "only pieces of it are in memory");
    }

    [Test]
    public async Task Many_calls_at_once_do_not_wait_for_a_long_one(CancellationToken cancellationToken)
    {
        await using var stage = new RemoteStage();
        for (var folder = 0; folder < 4; folder++)
        {
            Directory.CreateDirectory(Path.Combine(stage.Work, $"tree/{folder}"));
            for (var i = 0; i < 500; i++)
            {
                File.WriteAllText(Path.Combine(stage.Work, $"tree/{folder}/{i}"), "content");
            }
        }

        await stage.Files.WriteTextAsync("f", "here", cancellationToken);
        var copying = stage.Files.CopyAsync(SandboxPath.Parse("tree"), SandboxPath.Parse("copy"), false, cancellationToken);
        var reads = Enumerable.Range(0, 60).Select(_ => stage.Files.ReadTextAsync("f", cancellationToken)).ToList();
        (await Task.WhenAny(reads[0], copying)).Should().Be(reads[0], "the copy is larger");
        (await Task.WhenAll(reads)).Should().AllBe("here");
        await copying;
        (await stage.Files.ListAsync(SandboxPath.Parse("copy"), new FileListing(2, 10_000, null), cancellationToken)).Items.Should().HaveCount(2004);
    }

    [Test]
    public async Task A_cancelled_copy_ends_and_leaves_nothing(CancellationToken cancellationToken)
    {
        await using var stage = new RemoteStage();
        await stage.Files.WriteTextAsync("tree/f", "x", cancellationToken);
        for (var i = 0; i < 1500; i++)
        {
            File.WriteAllText(Path.Combine(stage.Work, $"tree/{i}"), "content");
        }

        using var stop = new CancellationTokenSource();
        var copying = stage.Files.CopyAsync(SandboxPath.Parse("tree"), SandboxPath.Parse("copy"), false, stop.Token);
        await stage.Files.StatAsync(SandboxPath.Parse("tree"), cancellationToken);
        await stop.CancelAsync();
        await stage.Files.Awaiting(_ => copying).Should().ThrowAsync<OperationCanceledException>();
        FileList left;
        do
        {
            left = await stage.Files.ListAsync(SandboxPath.Parse("."), new FileListing(1, 10, null), cancellationToken);
        }
        while (left.Items.Count > 1);
        left.Items.Single().Name.Should().Be("tree");
    }

    [Test]
    public async Task A_killed_utility_kernel_fails_what_goes_on_and_another_serves_the_next(CancellationToken cancellationToken)
    {
        await using var stage = new RemoteStage(deadline: TimeSpan.FromSeconds(2));
        await stage.Files.WriteTextAsync("f", "here", cancellationToken);
        using var content = await stage.Files.OpenAsync(SandboxPath.Parse("f"), cancellationToken);
        await using var changes = stage.Files.WatchAsync(SandboxPath.Parse("."), true, 10, cancellationToken).GetAsyncEnumerator(cancellationToken);
        (await changes.MoveNextAsync()).Should().BeTrue();
        await stage.KillUtilityAsync();

        var error = (await content.Awaiting(it => it.ReadAsync(0, new byte[10], cancellationToken).AsTask()).Should().ThrowAsync<GatewayException>()).Which;
        error.Code.Should().Be(ErrorCode.KernelFailed);
        error.Message.Should().Contain("Another one is asked for with the next call");
        (await stage.Files.ReadTextAsync("f", cancellationToken)).Should().Be("here");
        stage.Asked.Should().Be(2);
        await content.Awaiting(it => it.ReadAsync(0, new byte[10], cancellationToken).AsTask()).Should().ThrowAsync<GatewayException>("what was open there is gone");
        (await changes.MoveNextAsync()).Should().BeTrue();
        changes.Current.Type.Should().Be(FileChangeType.Overflow, "the watch goes on, and says that it missed something");
        await stage.Files.WriteTextAsync("g", "new", cancellationToken);
        (await changes.MoveNextAsync()).Should().BeTrue();
    }

    [Test]
    public async Task What_a_kernel_that_was_taken_over_says_is_refused(CancellationToken cancellationToken)
    {
        await using var stage = new RemoteStage();
        await stage.Files.WriteTextAsync("f", "here", cancellationToken);
        foreach (var lie in new[]
        {
            """{"ok":{"stat":[33188,1,1,-5,0,0,0,0],"target":null}}""",
            """{"ok":{"stat":[33188,1,1],"target":null}}""",
            """{"ok":{"stat":"x"}}""",
            """{"ok":null}""",
            """{"errno":2,"names":["../../x"],"field":"path","link":null}""",
            """{"errno":"x"}""",
            "{}",
            "[]",
            "no json",
        })
        {
            await TakeOverAsync(stage, lie, cancellationToken);
            await stage.Files.ShouldRefuseAsync(it => it.StatAsync(SandboxPath.Parse("f"), cancellationToken), ErrorCode.KernelFailed, lie);
        }
    }

    [Test]
    public async Task A_utility_kernel_that_hangs_is_given_up(CancellationToken cancellationToken)
    {
        await using var stage = new RemoteStage(deadline: TimeSpan.FromSeconds(1));
        await stage.Files.WriteTextAsync("f", "here", cancellationToken);
        await using var other = await stage.Utility.ConnectAsync();
        using var endless = await other.ExecuteAsync(new ExecuteRequest("while True: pass"), cancellationToken);
        await stage.Files.ShouldRefuseAsync(it => it.StatAsync(SandboxPath.Parse("f"), cancellationToken), ErrorCode.KernelFailed, "hang");
        await stage.Utility.InterruptAsync(cancellationToken);
        (await stage.Files.ReadTextAsync("f", cancellationToken)).Should().Be("here", "it is asked for again");
    }

    [Test]
    public async Task Where_the_whole_machine_is_the_sandboxs_its_other_folders_are_reached_too(CancellationToken cancellationToken)
    {
        await using var stage = new RemoteStage(isWholeMachine: true);
        var beside = Path.Combine(Path.GetDirectoryName(stage.Work)!, "data");

        (await stage.Files.WriteTextAsync(beside + "/test.txt", "Hello World", cancellationToken)).Path.Should().Be(beside + "/test.txt");
        await stage.Files.WriteTextAsync("a.txt", "a", cancellationToken);

        (await File.ReadAllTextAsync(beside + "/test.txt", cancellationToken)).Should().Be("Hello World");
        (await stage.Files.StatAsync(SandboxPath.Parse("/workspace/a.txt"), cancellationToken)).Path.Should().Be(stage.Work + "/a.txt");
        foreach (var path in new[] { "/proc/self/environ", "/sys/kernel", "/dev/null" })
        {
            await stage.Files.ShouldRefuseAsync(it => it.StatAsync(SandboxPath.Parse(path), cancellationToken), ErrorCode.InvalidPath, "belongs to the system");
        }

        await stage.Files.ShouldRefuseAsync(it => it.RemoveAsync(SandboxPath.Parse("/"), true, cancellationToken), ErrorCode.InvalidPath, "the folder itself");
    }

    [Test]
    public async Task Paths_stay_below_the_folder(CancellationToken cancellationToken)
    {
        await using var stage = new RemoteStage();
        await stage.Files.ShouldRefuseAsync(it => it.ReadTextAsync("/etc/passwd", cancellationToken), ErrorCode.InvalidPath, "outside");
        await stage.Files.ShouldRefuseAsync(it => it.RemoveAsync(SandboxPath.Parse("."), true, cancellationToken), ErrorCode.InvalidPath, "the folder itself");
        foreach (var path in new[] { "..", "a/../../b", "/workspace/../x", "%2e%2e/x", "a\0b" })
        {
            ((Func<SandboxPath>)(() => SandboxPath.Parse(path))).Should().Throw<GatewayException>();
        }

        // Also when somebody in the gateway forgets it: the other side checks again.
        var answer = await stage.Kernel.CallAsync("stat", new JsonObject { ["path"] = new JsonArray("..", "logs") }, cancellationToken);
        answer.GetProperty("errno").GetInt32().Should().Be(22);
        File.CreateSymbolicLink(Path.Combine(stage.Work, "out"), "/etc");
        await stage.Files.ShouldRefuseAsync(it => it.ReadTextAsync("out/passwd", cancellationToken), ErrorCode.SymlinkNotFollowed, "link");
    }

    [Test]
    public async Task Small_files_are_read_fast(CancellationToken cancellationToken)
    {
        await using var stage = new RemoteStage();
        await stage.Files.WriteTextAsync("f", "here", cancellationToken);
        var times = new List<double>();
        for (var i = 0; i < 60; i++)
        {
            var watch = Stopwatch.StartNew();
            await stage.Files.ReadTextAsync("f", cancellationToken);
            times.Add(watch.Elapsed.TotalMilliseconds);
        }

        times.Sort();
        TestContext.Out.WriteLine($"a small file: p50 {times[30]:0.0} ms, p95 {times[57]:0.0} ms");
        times[30].Should().BeLessThan(60, "15 ms on a quiet machine");
    }

    private static async Task TakeOverAsync(RemoteStage stage, string answer, CancellationToken cancellationToken)
    {
        await using var other = await stage.Utility.ConnectAsync();
        var code = $"import sys\nclass Lie:\n  def __repr__(self): return {"'''" + answer + "'''"}\nfor name in list(sys.modules):\n  if name.startswith('_kernel_gateway_'): sys.modules[name].call = lambda text: Lie()";
        using var run = await other.ExecuteAsync(new ExecuteRequest(code), cancellationToken);
        await run.Completion.WaitAsync(cancellationToken);
    }

    private static long ResidentBytes(int pid) =>
        long.Parse(File.ReadAllText($"/proc/{pid}/statm").Split(' ')[1], System.Globalization.CultureInfo.InvariantCulture) * Environment.SystemPageSize;
}
