using System.Net.Http.Json;
using KernelGateway.Contracts.Sandboxes;
using KernelGateway.Server.Tests.Support;

namespace KernelGateway.Server.Tests.Api;

/// <summary>Finding sandboxes by tag, state and variant, page by page.</summary>
[CancelAfter(60_000)]
public sealed class ListTests
{
    private static LiveGateway Gateway => SharedGateway.Instance;

    [Test]
    public async Task Filters_must_all_match_and_pages_leave_nothing_out()
    {
        using var owner = await Gateway.OtherOwnerAsync($"lists-{Guid.NewGuid():N}");
        var ids = new List<string>();
        for (var i = 0; i < 5; i++)
        {
            using var answer = await owner.PostAsJsonAsync("/api/v1/sandboxes", new { tags = new Dictionary<string, string> { ["n"] = $"{i}", ["odd"] = $"{i % 2}", ["a:b"] = "c:d" } });
            ids.Insert(0, (await answer.Content.ReadFromJsonAsync<SandboxInfo>())!.Id);
        }

        using var paused = await owner.PostAsync(new Uri($"/api/v1/sandboxes/{ids[1]}/pause", UriKind.Relative), null);
        using var ended = await owner.DeleteAsync(new Uri($"/api/v1/sandboxes/{ids[2]}?graceSeconds=0", UriKind.Relative));

        (await IdsAsync(owner, "")).Should().Equal(ids, "newest first, ended ones included");
        (await IdsAsync(owner, "?state=running")).Should().Equal(ids[0], ids[3], ids[4]);
        (await IdsAsync(owner, "?state=Paused")).Should().Equal(ids[1]);
        (await IdsAsync(owner, "?state=terminated&variant=local_eval")).Should().Equal(ids[2]);
        (await IdsAsync(owner, "?variant=local")).Should().BeEmpty();
        (await IdsAsync(owner, "?variant=EVAL&tag=odd:0&state=running")).Should().Equal(ids[0], ids[4]);
        (await IdsAsync(owner, "?tag=odd:1&tag=n:3")).Should().Equal(ids[1]);
        (await IdsAsync(owner, "?tag=odd:1&tag=n:2")).Should().BeEmpty();
        (await IdsAsync(owner, "?tag=a:b:c:d")).Should().BeEmpty("the first colon ends the key");
        var pages = new List<string>();
        string? cursor = null;
        do
        {
            var page = (await owner.GetFromJsonAsync<SandboxList>($"/api/v1/sandboxes?limit=2{(cursor is null ? "" : $"&cursor={cursor}")}"))!;
            page.Items.Count.Should().BeLessThanOrEqualTo(2);
            pages.AddRange(page.Items.Select(s => s.Id));
            cursor = page.NextCursor;
        }
        while (cursor is not null);

        pages.Should().Equal(ids);
    }

    private static async Task<IEnumerable<string>> IdsAsync(HttpClient owner, string query) =>
        (await owner.GetFromJsonAsync<SandboxList>($"/api/v1/sandboxes{query}"))!.Items.Select(s => s.Id);
}
