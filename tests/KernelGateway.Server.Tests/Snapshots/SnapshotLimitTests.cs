using System.Net;
using System.Net.Http.Json;
using KernelGateway.Contracts.Events;
using KernelGateway.Contracts.Sandboxes;
using KernelGateway.Contracts.Snapshots;
using KernelGateway.Core.Sandboxes;
using KernelGateway.Server.Tests.Support;
using Microsoft.Extensions.DependencyInjection;

namespace KernelGateway.Server.Tests.Snapshots;

/// <summary>Every limit, hit, on a gateway with small ones; and kernels that lie.</summary>
[NonParallelizable]
public sealed class SnapshotLimitTests
{
    private LiveGateway _gateway = null!;

    [OneTimeSetUp]
    public async Task Start() => _gateway = await LiveGateway.StartAsync(
        ("Gateway:Snapshots:MaxBytes", "200000"),
        ("Gateway:Snapshots:MaxTotalBytes", "300000"),
        ("Gateway:Snapshots:MaxFiles", "5"),
        ("Gateway:Snapshots:MaxVariables", "4"),
        ("Gateway:Snapshots:MaxVariableBytes", "20000"),
        ("Gateway:Snapshots:MaxPerOwner", "2"),
        ("Gateway:Snapshots:MaxForks", "3"),
        ("Gateway:Sandboxes:MaxSandboxesPerOwner", "3"));

    [OneTimeTearDown]
    public async Task Stop() => await _gateway.DisposeAsync();

    [TearDown]
    public async Task NothingIsLeft()
    {
        Directory.EnumerateDirectories(Path.Combine(_gateway.Folder, "snapshots"), ".*").Should().BeEmpty("what is refused leaves nothing");
        foreach (var snapshot in (await _gateway.Http.GetFromJsonAsync<SnapshotList>("/api/v1/snapshots"))!.Items)
        {
            using var _ = await _gateway.Http.DeleteAsync(new Uri($"/api/v1/snapshots/{snapshot.Id}", UriKind.Relative));
        }

        var registry = _gateway.Services.GetRequiredService<SandboxRegistry>();
        await Task.WhenAll(registry.List("admin").Select(sandbox => registry.TerminateAsync(sandbox, TimeSpan.Zero)));
    }

    [Test]
    public async Task Bytes_and_files_have_a_limit_and_sparse_files_are_not_read()
    {
        var sandbox = await _gateway.CreateAsync();
        await _gateway.ValueAsync(sandbox.Id, "import os; open('a', 'wb').write(os.urandom(199_000))");
        await _gateway.TrySnapshotAsync(sandbox.Id).RefusedAsync(413, "too_large");
        await _gateway.ValueAsync(sandbox.Id, "open('a', 'wb').write(os.urandom(150_000))");
        await _gateway.SnapshotAsync(sandbox.Id);
        (await _gateway.TrySnapshotAsync(sandbox.Id).RefusedAsync(413, "too_large")).GetProperty("detail").GetString().Should().Contain("MaxTotalBytes");
        await _gateway.ValueAsync(sandbox.Id, "os.truncate('a', 1 << 40)");
        await _gateway.TrySnapshotAsync(sandbox.Id).RefusedAsync(413, "too_large");
        await _gateway.ValueAsync(sandbox.Id, "os.remove('a'); [open(f'f{i}', 'w').close() for i in range(6)]");
        (await _gateway.TrySnapshotAsync(sandbox.Id).RefusedAsync(413, "too_large")).GetProperty("detail").GetString().Should().Contain("MaxFiles");
    }

    [Test]
    public async Task Variables_that_are_too_large_or_too_many_are_left_out_and_told()
    {
        var sandbox = await _gateway.CreateAsync();
        await _gateway.ValueAsync(sandbox.Id, "a = 1; b = b'x' * 20_001; c = 'y' * 19_000; d = 2; e = 3; f = 4");

        var snapshot = await _gateway.SnapshotAsync(sandbox.Id);

        var context = (await _gateway.ManifestAsync(snapshot.Id)).Contexts[0];
        context.Variables.Select(v => v.Name).Should().Equal("a", "c", "d");
        context.NotKept.Select(v => (v.Name, v.Reason)).Should().Equal(("b", "more than the 20000 bytes that one variable may have"), ("e", "there are more than 4 variables"));
        var restored = await _gateway.CreateAsync(new { snapshotId = snapshot.Id });
        (await _gateway.ValueAsync(restored.Id, "a, len(c), d, [n for n in 'bef' if n in globals()]")).Should().Be("(1, 19000, 2, [])");
    }

    [Test]
    public async Task Snapshots_of_an_owner_and_children_of_a_fork_have_a_limit()
    {
        var sandbox = await _gateway.CreateAsync();
        await _gateway.SnapshotAsync(sandbox.Id);
        await _gateway.SnapshotAsync(sandbox.Id);
        await _gateway.TrySnapshotAsync(sandbox.Id).RefusedAsync(429, "limit_reached");

        var children = (await _gateway.ForkAsync(sandbox.Id, new { count = 3 })).Children;

        children.Count(c => c.Sandbox is not null).Should().Be(2, "an owner may have 3 sandboxes");
        children.Single(c => c.Sandbox is null).Should().Match<ForkChild>(c => c.Code == "limit_reached" && c.Message!.Contains("Terminate some"));
    }

    [Test]
    public async Task A_sandbox_that_is_ended_while_its_snapshot_is_made_ends_at_once()
    {
        var sandbox = await _gateway.CreateAsync();
        await _gateway.ValueAsync(sandbox.Id, "import time\nclass Slow:\n    def __reduce__(self):\n        print('begun', flush=True)\n        time.sleep(1000)\nslow = Slow()");
        var making = _gateway.TrySnapshotAsync(sandbox.Id);
        await _gateway.Http.WaitForAsync<OutputEvent>(sandbox.Id, 0);

        using var ended = await _gateway.Http.DeleteAsync(new Uri($"/api/v1/sandboxes/{sandbox.Id}?graceSeconds=0", UriKind.Relative));

        ended.StatusCode.Should().Be(HttpStatusCode.NoContent);
        (await making.RefusedAsync(409, "conflict")).GetProperty("detail").GetString().Should().Contain("ended meanwhile");
    }

    [Test]
    public async Task A_kernel_that_does_not_do_what_it_says_makes_no_snapshot()
    {
        var sandbox = await _gateway.CreateAsync();
        foreach (var (what, status, code) in new[]
        {
            ("pass", 502, "kernel_failed"),
            ("os.symlink('/etc/passwd', stream_path)", 502, "kernel_failed"),
            ("os.mkfifo(stream_path)", 502, "kernel_failed"),
            ("os.mkdir(stream_path)", 502, "kernel_failed"),
            ("open(stream_path, 'w').close(); os.truncate(stream_path, 1 << 40)", 413, "too_large"),
            ("raise ModuleNotFoundError('No module named dill')", 400, "not_supported"),
            ("raise ks.NoRoom('No space left on device')", 507, "disk_full"),
            ("raise RuntimeError('x' * 5000 + '\\x1b')", 502, "kernel_failed"),
            ("os._exit(7)", 502, "kernel_failed"),
        })
        {
            await FakeAsync(sandbox.Id, what, "{}");
            var problem = await _gateway.TrySnapshotAsync(sandbox.Id).RefusedAsync(status, code);
            problem.GetProperty("detail").GetString()!.Length.Should().BeLessThan(1000);
            (await _gateway.Http.GetFromJsonAsync<SnapshotList>("/api/v1/snapshots"))!.Items.Should().BeEmpty("there are no half ones");
        }
    }

    [Test]
    public async Task What_a_kernel_says_of_its_variables_is_cut_to_size()
    {
        var sandbox = await _gateway.CreateAsync();
        foreach (var reply in new[]
        {
            "{'kept': None, 'left': [5, {'name': 'a', 'reason': 'r' * 100000}, {}], 'cwd': 'c' * 10000}",
            "{'kept': [{'name': 'same'}, {'name': 'same'}], 'size': 10 ** 30}",
            "{'kept': [{'name': 'n%d' % i + '\\n' * 500, 'type': None, 'size': -5, 'digest': [1]} for i in range(5000)], 'left': 'x', 'cwd': 5}",
        })
        {
            await FakeAsync(sandbox.Id, "open(stream_path, 'w').close(); open(buffers_path, 'w').close()", reply);
            var snapshot = await _gateway.SnapshotAsync(sandbox.Id);
            var context = (await _gateway.ManifestAsync(snapshot.Id)).Contexts[0];
            context.Variables.Should().HaveCountLessThanOrEqualTo(5).And.NotContain(v => v.Name.Length > 256 || v.Name.Contains('\n') || v.Size < 0);
            context.NotKept.Should().HaveCountLessThanOrEqualTo(5).And.NotContain(v => v.Reason.Length > 400);
            if (context.Variables.Count > 1)
            {
                await _gateway.TryCreateAsync(new CreateSandboxRequest { SnapshotId = snapshot.Id }).RefusedAsync(502, "kernel_failed");
            }

            using var _ = await _gateway.Http.DeleteAsync(new Uri($"/api/v1/snapshots/{snapshot.Id}", UriKind.Relative));
        }
    }

    [Test]
    public async Task Without_dill_there_are_no_snapshots_but_of_files()
    {
        var sandbox = await _gateway.CreateAsync();
        await _gateway.ValueAsync(sandbox.Id, "import sys; sys.modules['dill'] = None; x = 1");

        (await _gateway.TrySnapshotAsync(sandbox.Id).RefusedAsync(400, "not_supported")).GetProperty("detail").GetString().Should().Contain("python3-dill");
        var snapshot = await _gateway.SnapshotAsync(sandbox.Id, new { name = "files", contextIds = Array.Empty<string>() });

        snapshot.Variables.Should().Be(0);
    }

    private Task<string> FakeAsync(string sandboxId, string what, string reply) => _gateway.ValueAsync(sandboxId, $$"""
        import os, sys, types
        ks = sys.modules['kernel_snapshot'] = types.ModuleType('kernel_snapshot')
        class NoRoom(BaseException): pass
        ks.NoRoom = NoRoom
        def save(namespace, hidden, stream_path, buffers_path, **limits):
            {{what}}
            return {{reply}}
        ks.answer = lambda shell, content: save(shell.user_ns, shell.user_ns_hidden, **content['save'])
        """);
}
