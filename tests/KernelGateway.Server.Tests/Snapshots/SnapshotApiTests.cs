using System.Net;
using System.Net.Http.Json;
using KernelGateway.Contracts.Events;
using KernelGateway.Contracts.Executions;
using KernelGateway.Contracts.Sandboxes;
using KernelGateway.Contracts.Snapshots;
using KernelGateway.Server.Tests.Support;

namespace KernelGateway.Server.Tests.Snapshots;

/// <summary>Snapshots and forks as callers see them.</summary>
[Parallelizable(ParallelScope.All)]
public sealed class SnapshotApiTests
{
    private static LiveGateway Gateway => SharedGateway.Instance;

    [Test]
    public async Task Running_code_is_refused_at_once_or_waited_for_and_never_mixed_with()
    {
        var sandbox = await Gateway.CreateAsync();
        using var started = await Gateway.Http.PostAsJsonAsync(
            $"/api/v1/sandboxes/{sandbox.Id}/executions",
            new { code = "import os, time\nx = 1\nprint('begun', flush=True)\nwhile not os.path.exists('go'): time.sleep(0.01)\nx = 2" });
        await Gateway.Http.WaitForAsync<OutputEvent>(sandbox.Id, 0);
        await Gateway.TrySnapshotAsync(sandbox.Id, new { name = SnapshotCalls.NewName(), wait = false }).RefusedAsync(409, "conflict");
        await Gateway.TrySnapshotAsync(sandbox.Id, new { name = SnapshotCalls.NewName(), waitSeconds = 0.2 }).RefusedAsync(409, "conflict");

        var waiting = Gateway.SnapshotAsync(sandbox.Id);
        var behind = Gateway.RunAsync(sandbox.Id, "x = 3; x");
        using (var file = await Gateway.Http.PutAsync(new Uri($"/api/v1/sandboxes/{sandbox.Id}/files/content?path=go", UriKind.Relative), new ByteArrayContent([])))
        {
            file.StatusCode.Should().Be(HttpStatusCode.OK);
        }

        var snapshot = await waiting;
        (await behind).Status.Should().Be(ExecutionStatus.Ok, "what waited goes on afterwards");
        var restored = await Gateway.CreateAsync(new { snapshotId = snapshot.Id });
        (await Gateway.ValueAsync(restored.Id, "x")).Should().BeOneOf(["2", "3"], "it is the state between two runs");
        (await Gateway.ValueAsync(sandbox.Id, "x")).Should().Be("3");
    }

    [Test]
    public async Task They_are_listed_by_page_found_renamed_and_removed()
    {
        using var owner = await Gateway.OtherOwnerAsync($"lister-{Guid.NewGuid():N}");
        using var made = await owner.PostAsJsonAsync("/api/v1/sandboxes", new { });
        var sandbox = (await made.Content.ReadFromJsonAsync<SandboxInfo>())!;
        foreach (var name in new[] { "one", "two", "three" })
        {
            using var answer = await owner.PostAsJsonAsync($"/api/v1/sandboxes/{sandbox.Id}/snapshots", new { name, description = $"the {name}\nof three" });
            answer.StatusCode.Should().Be(HttpStatusCode.Created);
            answer.Headers.Location!.ToString().Should().StartWith("/api/v1/snapshots/");
        }

        var first = (await owner.GetFromJsonAsync<SnapshotList>("/api/v1/snapshots?limit=2"))!;
        first.Items.Select(s => s.Name).Should().Equal("three", "two");
        var rest = (await owner.GetFromJsonAsync<SnapshotList>($"/api/v1/snapshots?limit=2&cursor={first.NextCursor}"))!;
        rest.Items.Should().ContainSingle().Which.Description.Should().Be("the one\nof three");
        rest.NextCursor.Should().BeNull();
        (await owner.GetFromJsonAsync<SnapshotList>($"/api/v1/snapshots?name=two&sandboxId={sandbox.Id}"))!.Items.Should().ContainSingle();
        (await owner.GetFromJsonAsync<SnapshotList>("/api/v1/snapshots?sandboxId=other"))!.Items.Should().BeEmpty();

        var one = rest.Items[0];
        var path = new Uri($"/api/v1/snapshots/{one.Id}", UriKind.Relative);
        using (var renamed = await owner.PatchAsJsonAsync(path, new { name = "uno" }))
        {
            (await renamed.Content.ReadFromJsonAsync<SnapshotInfo>()).Should().BeEquivalentTo(one with { Name = "uno" });
        }

        await owner.PatchAsJsonAsync(path, new { name = "two" }).RefusedAsync(409, "already_exists");
        await owner.PostAsJsonAsync($"/api/v1/sandboxes/{sandbox.Id}/snapshots", new { name = "uno" }).RefusedAsync(409, "already_exists");
        (await owner.GetFromJsonAsync<SnapshotManifest>($"/api/v1/snapshots/{one.Id}/manifest"))!.Snapshot.Name.Should().Be("uno");
        (await owner.DeleteAsync(path)).StatusCode.Should().Be(HttpStatusCode.NoContent);
        await owner.DeleteAsync(path).RefusedAsync(404, "snapshot_not_found");
        await owner.PostAsJsonAsync("/api/v1/sandboxes", new { snapshotName = "uno" }).RefusedAsync(404, "snapshot_not_found");
        (await owner.DeleteAsync(new Uri($"/api/v1/sandboxes/{sandbox.Id}?graceSeconds=0", UriKind.Relative))).StatusCode.Should().Be(HttpStatusCode.NoContent);
    }

    [Test]
    public async Task Nobody_sees_those_of_others()
    {
        var sandbox = await Gateway.CreateAsync();
        var snapshot = await Gateway.SnapshotAsync(sandbox.Id);
        using var stranger = await Gateway.OtherOwnerAsync($"stranger-{Guid.NewGuid():N}");
        var path = $"/api/v1/snapshots/{snapshot.Id}";

        await stranger.GetAsync(new Uri(path, UriKind.Relative)).RefusedAsync(404, "snapshot_not_found");
        await stranger.GetAsync(new Uri(path + "/manifest", UriKind.Relative)).RefusedAsync(404, "snapshot_not_found");
        await stranger.GetAsync(new Uri($"{path}/compare/{snapshot.Id}", UriKind.Relative)).RefusedAsync(404, "snapshot_not_found");
        await stranger.PatchAsJsonAsync(path, new { name = "mine" }).RefusedAsync(404, "snapshot_not_found");
        await stranger.DeleteAsync(new Uri(path, UriKind.Relative)).RefusedAsync(404, "snapshot_not_found");
        await stranger.PostAsJsonAsync("/api/v1/sandboxes", new { snapshotId = snapshot.Id }).RefusedAsync(404, "snapshot_not_found");
        await stranger.PostAsJsonAsync("/api/v1/sandboxes", new { snapshotName = snapshot.Name }).RefusedAsync(404, "snapshot_not_found");
        await stranger.PostAsJsonAsync($"/api/v1/sandboxes/{sandbox.Id}/fork", new { }).RefusedAsync(404, "sandbox_not_found");
        (await stranger.GetFromJsonAsync<SnapshotList>("/api/v1/snapshots"))!.Items.Should().BeEmpty();
    }

    [Test]
    public async Task Bad_input_names_its_field()
    {
        var sandbox = await Gateway.CreateAsync();
        foreach (var name in new[] { "", " a", "a\nb", "a\0", new string('n', 65) })
        {
            (await Gateway.TrySnapshotAsync(sandbox.Id, new { name }).RefusedAsync(400, "invalid_argument")).GetProperty("field").GetString().Should().Be("name");
        }

        foreach (var (field, request) in new (string, object)[]
        {
            ("name", new { }),
            ("description", new { name = "n", description = new string('d', 1001) }),
            ("description", new { name = "n", description = "\u001b[31m" }),
            ("waitSeconds", new { name = "n", waitSeconds = -1 }),
            ("waitSeconds", new { name = "n", waitSeconds = 1e9 }),
        })
        {
            (await Gateway.TrySnapshotAsync(sandbox.Id, request).RefusedAsync(400, "invalid_argument")).GetProperty("field").GetString().Should().Be(field);
        }

        await Gateway.TrySnapshotAsync(sandbox.Id, new { name = "n", contextIds = new[] { "none" } }).RefusedAsync(404, "context_not_found");
        await Gateway.TrySnapshotAsync("none").RefusedAsync(404, "sandbox_not_found");
        foreach (var count in new[] { 0, -1, 21 })
        {
            (await Gateway.Http.PostAsJsonAsync($"/api/v1/sandboxes/{sandbox.Id}/fork", new { count }).RefusedAsync(400, "invalid_argument")).GetProperty("field").GetString().Should().Be("count");
        }

        await Gateway.Http.PostAsJsonAsync($"/api/v1/sandboxes/{sandbox.Id}/fork", new { name = "a\nb" }).RefusedAsync(400, "invalid_argument");
        await Gateway.TryCreateAsync(new CreateSandboxRequest { SnapshotId = "a", SnapshotName = "b" }).RefusedAsync(400, "invalid_argument");
        await Gateway.Http.GetAsync(new Uri("/api/v1/snapshots?limit=0", UriKind.Relative)).RefusedAsync(400, "invalid_argument");
        await Gateway.Http.GetAsync(new Uri("/api/v1/snapshots?cursor=x", UriKind.Relative)).RefusedAsync(400, "invalid_argument");
        await Gateway.Http.GetAsync(new Uri("/api/v1/snapshots/..%2fkey", UriKind.Relative)).RefusedAsync(404, "snapshot_not_found");
        using (await Gateway.Http.DeleteAsync(new Uri($"/api/v1/sandboxes/{sandbox.Id}", UriKind.Relative)))
        {
        }

        await Gateway.TrySnapshotAsync(sandbox.Id).RefusedAsync(409, "conflict");
    }

    [Test]
    public async Task Two_snapshots_are_compared_by_files_and_variables()
    {
        var sandbox = await Gateway.CreateAsync();
        await Gateway.ValueAsync(sandbox.Id, "import os\nkept = {'a', 'b'}; changed = [1]; gone = 1\ndef same(): return kept\nos.mkdir('d')\nfor n in ('d/same', 'd/changed', 'd/gone'): open(n, 'w').write(n)");
        var first = await Gateway.SnapshotAsync(sandbox.Id);
        var restored = await Gateway.CreateAsync(new { snapshotId = first.Id });
        (await CompareAsync(first.Id, (await Gateway.SnapshotAsync(restored.Id)).Id)).Should().BeEquivalentTo(
            new SnapshotComparison(new Differences([], [], []), [new ContextDifferences("default", new Differences([], [], []))]),
            "what was restored is the same, also when a kernel of its own says so");
        await Gateway.ValueAsync(restored.Id, "aaa = [kept]; changed.append(2); del gone\nopen('d/changed', 'a').write('!'); os.remove('d/gone'); open('d/new', 'w').close()");

        var comparison = await CompareAsync(first.Id, (await Gateway.SnapshotAsync(restored.Id)).Id);

        comparison.Files.Should().BeEquivalentTo(new Differences(["/workspace/d/new"], ["/workspace/d/gone"], ["/workspace/d/changed"]));
        comparison.Contexts.Should().ContainSingle().Which.Variables.Should().BeEquivalentTo(new Differences(["aaa"], ["gone"], ["changed"]));
    }

    [Test]
    public async Task A_fork_gives_children_that_go_their_own_ways_and_leaves_no_snapshot()
    {
        var sandbox = await Gateway.CreateAsync(new { tags = new { kind = "parent" } });
        await Gateway.ValueAsync(sandbox.Id, "x = [1]; open('file', 'w').write('of the parent')");

        var children = (await Gateway.ForkAsync(sandbox.Id, new { count = 3, name = "child" })).Children;

        children.Select(c => (c.Sandbox?.Name, c.Code)).Should().Equal(("child-1", null), ("child-2", null), ("child-3", null));
        children.Should().OnlyContain(c => c.Sandbox!.Tags["kind"] == "parent");
        await Gateway.ValueAsync(children[0].Sandbox!.Id, "x.append(2)");
        (await Gateway.ValueAsync(children[0].Sandbox!.Id, "x, open('file').read()")).Should().Be("([1, 2], 'of the parent')");
        (await Gateway.ValueAsync(children[1].Sandbox!.Id, "x")).Should().Be("[1]");
        (await Gateway.ValueAsync(sandbox.Id, "x")).Should().Be("[1]");
        Directory.Exists(Path.Combine(Gateway.Folder, "snapshots", children[0].Sandbox!.SnapshotId!)).Should().BeFalse();
        (await Gateway.Http.WaitForAsync<SandboxSnapshottedEvent>(sandbox.Id, 0)).Name.Should().BeNull();
    }

    [Test]
    public async Task Snapshots_and_forks_are_there_over_the_hub_too()
    {
        var sandbox = await Gateway.CreateAsync();
        await Gateway.ValueAsync(sandbox.Id, "x = 5");
        await using var hub = await RawHub.ConnectAsync(Gateway.Address, Gateway.Key);

        var snapshot = (await hub.InvokeAsync("CreateSnapshot", sandbox.Id, new { name = SnapshotCalls.NewName() })).GetProperty("result");
        var children = (await hub.InvokeAsync("ForkSandbox", sandbox.Id, null)).GetProperty("result").GetProperty("children");

        snapshot.GetProperty("variables").GetInt32().Should().Be(1);
        (await Gateway.ValueAsync(children[0].GetProperty("sandbox").GetProperty("id").GetString()!, "x")).Should().Be("5");
        (await hub.InvokeAsync("CreateSnapshot", sandbox.Id, null)).GetProperty("error").GetString().Should().Contain("invalid_argument");
    }

    private static async Task<SnapshotComparison> CompareAsync(string first, string second) =>
        (await Gateway.Http.GetFromJsonAsync<SnapshotComparison>($"/api/v1/snapshots/{first}/compare/{second}"))!;
}
