using System.Net.Http.Json;
using KernelGateway.Contracts.Events;
using KernelGateway.Contracts.Files;
using KernelGateway.Contracts.Sandboxes;
using KernelGateway.Server.Tests.Support;

namespace KernelGateway.Server.Tests.Snapshots;

/// <summary>What is in a snapshot, what is not, and what comes back.</summary>
[Parallelizable(ParallelScope.All)]
public sealed class SnapshotContentTests
{
    private const string Variables = """
        import math, threading, types, collections
        import numpy as np, pandas as pd
        df = pd.DataFrame({'a': [1, 2, 3]})
        column = df['a']
        array = np.arange(6.).reshape(2, 3)
        same_array = array
        items = [1, 2]
        holder = {'items': items}
        _factor = 2
        def twice(x): return x * _factor
        class Point:
            def __init__(self, x): self.x = x
            def doubled(self): return twice(self.x)
        point = Point(21)
        points = [point, items]
        def make_counter():
            count = 0
            def step():
                nonlocal count
                count += 1
                return count
            return step
        counter = make_counter()
        counter(); counter()
        power = lambda x: math.pow(x, 2)
        text = 'é\n'
        generator = (i for i in range(3))
        opened = open('open.txt', 'w')
        lock = threading.Lock()
        thread = threading.Thread()
        holds_generator = {'g': generator, 'items': items}
        class Stubborn:
            def __reduce__(self): raise SystemExit('no')
        stubborn = Stubborn()
        """;

    private static LiveGateway Gateway => SharedGateway.Instance;

    [TestCase("local-eval")]
    [TestCase("local")]
    public async Task Variables_files_and_contexts_come_back_and_share_what_they_shared(string variant)
    {
        Requires.Variant(variant);

        var sandbox = await Gateway.CreateAsync(new { variant, environment = "python-scientific", env = new Dictionary<string, string> { ["OWN"] = "of the sandbox" }, memoryMb = variant == "local" ? 700 : (int?)null, tags = new { not = "kept" } });
        await Gateway.ValueAsync(sandbox.Id, Variables);
        await Gateway.ValueAsync(sandbox.Id, """
            import os
            os.makedirs('d/e'); open('d/e/file', 'w').write('text'); os.chmod('d/e/file', 0o640); os.utime('d/e/file', (1, 1_000_000))
            os.symlink('e/file', 'd/link'); os.symlink('/nowhere', 'dangling'); os.mkfifo('fifo'); open('empty', 'w').close()
            open(b'bytes-\xff', 'w').write('name'); open(b'odd-\xc0\xaf', 'w').close(); open('a\\..\\b', 'w').close(); os.mkdir('closed'); open('closed/in', 'w').write('x'); os.chmod('closed', 0o555)
            os.chdir('d')
            """);
        var context = await CreateContextAsync(sandbox.Id, new { name = "second", cwd = "d", env = new Dictionary<string, string> { ["OWN"] = "of the context" } });
        await RunInAsync(sandbox.Id, context.Id, "x = 'second'");

        var snapshot = await Gateway.SnapshotAsync(sandbox.Id);

        snapshot.Should().Match<Contracts.Snapshots.SnapshotInfo>(s => s.SandboxId == sandbox.Id && s.Variant == variant && s.Size > 0);
        var manifest = await Gateway.ManifestAsync(snapshot.Id);
        manifest.Contexts.Select(c => (c.Id, c.Name, c.Reason)).Should().Equal(("default", null, null), (context.Id, "second", null));
        var first = manifest.Contexts[0];
        first.Variables.Select(v => v.Name).Should().Contain(["df", "array", "twice", "Point", "point", "counter", "power", "np", "_factor", "text"]);
        first.Variables.Single(v => v.Name == "df").Type.Should().Be("pandas.core.frame.DataFrame");
        first.NotKept.Select(v => (v.Name, v.Reason)).Should().BeEquivalentTo(
        [
            ("generator", "a generator, whose position cannot be kept"),
            ("opened", "an open file"),
            ("lock", "a lock"),
            ("thread", "a thread"),
            ("holds_generator", "a generator, whose position cannot be kept"),
            ("stubborn", "SystemExit: no"),
        ]);
        manifest.FilesNotKept.Select(f => f.Name).Should().BeEquivalentTo(["/workspace/fifo", "/workspace/odd-%C0%AF", "/workspace/a\\..\\b"]);
        manifest.Files.Single(f => f.Path == "/workspace/d/e/file").Should().Match<Contracts.Snapshots.SnapshotFile>(f => f.Size == 4 && f.Mode == "0640" && f.Sha256!.Length == 64);
        manifest.Files.Single(f => f.Path == "/workspace/dangling").Should().Match<Contracts.Snapshots.SnapshotFile>(f => f.Type == FileType.Symlink && f.Target == "/nowhere");

        var restored = await Gateway.CreateAsync(new { snapshotName = snapshot.Name });

        restored.Should().Match<SandboxInfo>(s => s.Variant == variant && s.Environment == "python-scientific" && s.Limits.MemoryMb == sandbox.Limits.MemoryMb && s.Warnings.Count == 0 && s.SnapshotId == snapshot.Id && s.Tags.Count == 0);
        restored.Contexts.Select(c => (c.Id, c.Name, c.Cwd)).Should().Equal(("default", null, null), (context.Id, "second", "d"));
        (await Gateway.ValueAsync(restored.Id, "print(df)")).Should().Be("   a\n0  1\n1  2\n2  3\n");
        (await Gateway.ValueAsync(restored.Id, "holder['items'] is items, points[0] is point, points[1] is items, same_array is array, column.index is df.index, isinstance(point, Point)"))
            .Should().Be("(True, True, True, True, True, True)");
        (await Gateway.ValueAsync(restored.Id, "array[0, 0] = 7; point.doubled(), counter(), power(3), same_array[0, 0], text, [n for n in ('generator', 'opened', 'lock', 'holds_generator') if n in globals()]"))
            .Should().Be("(42, 3, 9.0, 7.0, 'é\\n', [])");
        (await Gateway.ValueAsync(restored.Id, """
            import os, stat
            def about(path): return oct(os.stat(path).st_mode & 0o777), int(os.stat(path).st_mtime)
            print((os.path.basename(os.getcwd()), os.environ['OWN'], about('e/file'), os.readlink('link'), os.readlink('../dangling'), open('link').read(), open(b'../bytes-\xff').read(), about('../closed')[0], os.path.exists('../fifo'), os.path.getsize('../empty')))
            """)).Should().Be("('d', 'of the sandbox', ('0o640', 1000000), 'e/file', '/nowhere', 'text', 'name', '0o555', False, 0)\n");
        (await RunInAsync(restored.Id, context.Id, "import os; (x, os.path.basename(os.getcwd()), os.environ['OWN'])")).Should().Be("('second', 'd', 'of the context')");
        (await Gateway.ValueAsync(restored.Id, "[n for n in os.listdir('..') if n.startswith('.kg')]")).Should().Be("[]");
        (await Gateway.Http.WaitForAsync<SandboxSnapshottedEvent>(sandbox.Id, 0)).Should().Match<SandboxSnapshottedEvent>(e => e.SnapshotId == snapshot.Id && e.Name == snapshot.Name);
        (await Gateway.Http.WaitForAsync<SandboxRestoredEvent>(restored.Id, 0)).Should().Match<SandboxRestoredEvent>(e => e.SnapshotId == snapshot.Id && e.NotRestored.Count == 0 && e.Variables == snapshot.Variables);
    }

    [Test]
    public async Task Many_come_from_one_and_a_snapshot_outlives_its_sandbox_but_sandboxes_outlive_it()
    {
        var sandbox = await Gateway.CreateAsync();
        await Gateway.ValueAsync(sandbox.Id, "x = [1]");
        var snapshot = await Gateway.SnapshotAsync(sandbox.Id);
        using (await Gateway.Http.DeleteAsync(new Uri($"/api/v1/sandboxes/{sandbox.Id}", UriKind.Relative)))
        {
        }

        var one = await Gateway.CreateAsync(new { snapshotId = snapshot.Id });
        var other = await Gateway.CreateAsync(new { snapshotId = snapshot.Id, name = "other", timeoutSeconds = 300 });
        using (await Gateway.Http.DeleteAsync(new Uri($"/api/v1/snapshots/{snapshot.Id}", UriKind.Relative)))
        {
        }

        await Gateway.ValueAsync(one.Id, "x.append(2)");
        (await Gateway.ValueAsync(other.Id, "x")).Should().Be("[1]");
        other.TimeoutSeconds.Should().Be(300);
        await Gateway.TryCreateAsync(new CreateSandboxRequest { SnapshotId = snapshot.Id }).RefusedAsync(404, "snapshot_not_found");
    }

    [Test]
    public async Task A_variable_that_cannot_be_restored_takes_only_those_with_it_that_share_it()
    {
        var sandbox = await Gateway.CreateAsync();
        await Gateway.ValueAsync(sandbox.Id, """
            import sys, types
            class Broken:
                def __setstate__(self, state): raise ValueError('not again')
            broken = Broken(); broken.x = 1
            module = sys.modules['only_here'] = types.ModuleType('only_here')
            a, z = [1], {'z': 2}
            """);
        var snapshot = await Gateway.SnapshotAsync(sandbox.Id);

        var restored = await Gateway.CreateAsync(new { snapshotId = snapshot.Id });

        (await Gateway.ValueAsync(restored.Id, "a, z, 'broken' in globals(), 'module' in globals()")).Should().Be("([1], {'z': 2}, False, False)");
        (await Gateway.Http.WaitForAsync<SandboxRestoredEvent>(restored.Id, 0)).NotRestored.Select(v => (v.Name, v.Reason)).Should().Equal(
            ("broken", "ValueError: not again"),
            ("module", "ModuleNotFoundError: No module named 'only_here'"));
    }

    [Test]
    public async Task Kernels_without_our_launcher_and_dead_ones_and_contexts_not_asked_for_are_said_to_be_left_out()
    {
        Requires.Program("/usr/lib/R/bin/exec/R");
        var sandbox = await Gateway.CreateAsync(new { environment = "r-env" });
        await Gateway.ValueAsync(sandbox.Id, "x <- 1; writeLines('kept', 'file')");
        var dead = await CreateContextAsync(sandbox.Id, new { language = "python" });
        await Gateway.Http.PostAsJsonAsync($"/api/v1/sandboxes/{sandbox.Id}/executions?wait=true", new { code = "import os; os._exit(1)", contextId = dead.Id });
        var other = await CreateContextAsync(sandbox.Id, new { language = "python" });

        var snapshot = await Gateway.SnapshotAsync(sandbox.Id, new { name = SnapshotCalls.NewName(), contextIds = new[] { "default", dead.Id } });

        (await Gateway.ManifestAsync(snapshot.Id)).Contexts.Select(c => c.Reason).Should().SatisfyRespectively(
            r => r.Should().Contain("cannot keep its variables"),
            dies => dies.Should().Be("Its kernel is dead."),
            rest => rest.Should().Be("It was not asked for."));
        var restored = await Gateway.CreateAsync(new { snapshotId = snapshot.Id });
        restored.Contexts.Should().HaveCount(3).And.OnlyContain(c => c.State == KernelState.Idle);
        (await Gateway.ValueAsync(restored.Id, "readLines('file')")).Should().Be("[1] \"kept\"");
        other.Id.Should().Be(restored.Contexts[2].Id);
    }

    private static async Task<ContextInfo> CreateContextAsync(string sandboxId, object request)
    {
        using var answer = await Gateway.Http.PostAsJsonAsync($"/api/v1/sandboxes/{sandboxId}/contexts", request);
        answer.IsSuccessStatusCode.Should().BeTrue(await answer.Content.ReadAsStringAsync());
        return (await answer.Content.ReadFromJsonAsync<ContextInfo>())!;
    }

    private static async Task<string?> RunInAsync(string sandboxId, string contextId, string code)
    {
        using var answer = await Gateway.Http.PostAsJsonAsync($"/api/v1/sandboxes/{sandboxId}/executions?wait=true", new { code, contextId });
        var run = (await answer.Content.ReadFromJsonAsync<Contracts.Executions.ExecutionInfo>())!;
        run.Result!.Error.Should().BeNull();
        return run.Result.Results.Count > 0 ? run.Result.Results[^1].Data["text/plain"].GetString() : null;
    }
}
