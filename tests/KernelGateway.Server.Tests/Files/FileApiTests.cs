using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using KernelGateway.Contracts.Files;
using KernelGateway.Contracts.Sandboxes;
using KernelGateway.Server.Tests.Support;

namespace KernelGateway.Server.Tests.Files;

/// <summary>Files over REST; a kernel without isolation, for what is tested here is the edge.</summary>
[FixtureLifeCycle(LifeCycle.SingleInstance)]
[CancelAfter(60_000)]
public sealed class FileApiTests
{
    private const long MaxFileBytes = 4 << 20;

    private LiveGateway _gateway = null!;
    private SandboxInfo _sandbox = null!;

    private string Root => $"/api/v1/sandboxes/{_sandbox.Id}/files";

    [OneTimeSetUp]
    public async Task Start()
    {
        _gateway = await LiveGateway.StartAsync(("Gateway:Files:MaxFileBytes", $"{MaxFileBytes}"));
        _sandbox = await _gateway.CreateAsync();
    }

    [OneTimeTearDown]
    public async Task Stop() => await _gateway.DisposeAsync();

    [Test]
    public async Task A_file_is_put_and_got_with_all_that_a_client_needs_to_know()
    {
        var put = await PutAsync("folder/a.txt", "0123456789");

        put.Should().Match<FileEntry>(it => it.Name == "a.txt" && it.Size == 10 && it.Type == FileType.File);
        using var answer = await _gateway.Http.GetAsync($"{Root}/content?path=folder/a.txt");
        (await answer.Content.ReadAsStringAsync()).Should().Be("0123456789");
        answer.Content.Headers.ContentLength.Should().Be(10);
        answer.Headers.ETag!.Tag.Should().Be($"\"{put.ETag}\"");
        answer.Headers.GetValues("X-Content-Type-Options").Should().Equal("nosniff");
        answer.Headers.GetValues("Content-Security-Policy").Single().Should().Contain("sandbox").And.Contain("default-src 'none'");
        answer.Content.Headers.ContentDisposition!.ToString().Should().Be("attachment; filename=a.txt; filename*=UTF-8''a.txt");
        using var head = await _gateway.Http.SendAsync(new HttpRequestMessage(HttpMethod.Head, $"{Root}/content?path=folder/a.txt"));
        (head.StatusCode, head.Content.Headers.ContentLength, (await head.Content.ReadAsByteArrayAsync()).Length).Should().Be((HttpStatusCode.OK, 10, 0));
    }

    [TestCase("bytes=3-", 206, "3456789", "bytes 3-9/10")]
    [TestCase("bytes=3-5", 206, "345", "bytes 3-5/10")]
    [TestCase("bytes=-2", 206, "89", "bytes 8-9/10")]
    [TestCase("bytes=0-0,5-6", 200, "0123456789", null)]
    [TestCase("lines=1-2", 200, "0123456789", null)]
    public async Task A_range_gets_a_part(string range, int status, string content, string? contentRange)
    {
        await PutAsync("range", "0123456789");
        using var request = new HttpRequestMessage(HttpMethod.Get, $"{Root}/content?path=range");
        request.Headers.TryAddWithoutValidation("Range", range);
        using var answer = await _gateway.Http.SendAsync(request);

        ((int)answer.StatusCode, await answer.Content.ReadAsStringAsync(), answer.Content.Headers.ContentRange?.ToString()).Should().Be((status, content, contentRange));
    }

    [Test]
    public async Task A_range_behind_the_end_and_another_version_are_refused()
    {
        await PutAsync("version", "0123456789");
        using var behind = new HttpRequestMessage(HttpMethod.Get, $"{Root}/content?path=version") { Headers = { Range = new RangeHeaderValue(10, null) } };
        using var answer = await _gateway.Http.SendAsync(behind);
        await ShouldRefuseAsync(answer, 416, "range_not_satisfiable");
        answer.Content.Headers.ContentRange!.ToString().Should().Be("bytes */10");
        using var other = new HttpRequestMessage(HttpMethod.Get, $"{Root}/content?path=version") { Headers = { IfMatch = { new EntityTagHeaderValue("\"other\"") } } };
        await ShouldRefuseAsync(await _gateway.Http.SendAsync(other), 412, "file_changed");
        using var write = new HttpRequestMessage(HttpMethod.Put, $"{Root}/content?path=version") { Content = new StringContent("x"), Headers = { IfMatch = { new EntityTagHeaderValue("\"other\"") } } };
        await ShouldRefuseAsync(await _gateway.Http.SendAsync(write), 412, "file_changed");
        using var create = new HttpRequestMessage(HttpMethod.Put, $"{Root}/content?path=version") { Content = new StringContent("x"), Headers = { IfNoneMatch = { EntityTagHeaderValue.Any } } };
        await ShouldRefuseAsync(await _gateway.Http.SendAsync(create), 409, "already_exists");
    }

    [TestCase("../../etc/passwd")]
    [TestCase("%2e%2e%2fetc%2fpasswd")]
    [TestCase("..%5c..%5cetc")]
    [TestCase("%252e%252e/etc/passwd")]
    [TestCase("%c0%ae%c0%ae/etc/passwd")]
    [TestCase("....//....//etc/passwd")]
    [TestCase("a/./b")]
    [TestCase("a/../b")]
    [TestCase("a%00b")]
    [TestCase("")]
    public Task F01_a_path_that_leads_upwards_is_refused(string path) => ShouldBeInvalidAsync(path);

    [TestCase("//x")]
    [TestCase("C:%5Cx")]
    [TestCase("C:/x")]
    [TestCase("file:///etc/passwd")]
    [TestCase("/etc/passwd")]
    [TestCase("/")]
    [TestCase("/proc/self/environ")]
    public Task F02_a_path_to_elsewhere_is_refused(string path) => ShouldBeInvalidAsync(path);

    [TestCase("%00", 400)]
    [TestCase("\u0085", 200)]
    [TestCase("a\nb", 200)]
    [TestCase("a\rb", 200)]
    [TestCase("quote\"back\\", 200)]
    [TestCase("\u202Egpj.exe", 200)]
    [TestCase("-rf", 200)]
    [TestCase("CON", 200)]
    [TestCase("ü", 200)]
    public async Task F11_a_strange_name_is_stored_listed_and_downloaded_as_it_is(string name, int expected)
    {
        var path = Uri.EscapeDataString(Uri.UnescapeDataString(name));
        using var put = await _gateway.Http.PutAsync($"{Root}/content?path=strange/{path}", new StringContent("content"));
        if (expected == 400)
        {
            await ShouldRefuseAsync(put, 400, "invalid_path");
            return;
        }

        put.StatusCode.Should().Be(HttpStatusCode.OK, await put.Content.ReadAsStringAsync());
        var list = await _gateway.Http.GetFromJsonAsync<FileList>($"{Root}?path=strange");
        list!.Items.Should().ContainSingle(it => it.Name == name);
        using var answer = await _gateway.Http.GetAsync($"{Root}/content?path=strange/{path}");
        (await answer.Content.ReadAsStringAsync()).Should().Be("content");
        answer.Content.Headers.GetValues("Content-Disposition").Single().Should().StartWith("attachment; filename=").And.EndWith("filename*=UTF-8''" + Uri.EscapeDataString(name))
            .And.NotContainAny("\r", "\n", "\u202E");
        (await _gateway.Http.DeleteAsync($"{Root}?path=strange/{path}")).StatusCode.Should().Be(HttpStatusCode.NoContent);
    }

    [Test]
    public async Task F11_a_name_of_256_bytes_is_refused_and_raw_bytes_are_written_as_percent_signs()
    {
        await ShouldRefuseAsync(await _gateway.Http.PutAsync($"{Root}/content?path={new string('x', 256)}", new StringContent("")), 400, "invalid_path");
        await ShouldRefuseAsync(await _gateway.Http.PutAsync($"{Root}/content?path={Uri.EscapeDataString(new string('é', 128))}", new StringContent("")), 400, "invalid_path");
        (await PutAsync("raw/%25FF%25FE", "x")).Name.Should().Be("%FF%FE");
        (await _gateway.RunAsync(_sandbox.Id, "import os; os.listdir(b'raw')")).Result!.Results[0].Data["text/plain"].GetString().Should().Be("[b'\\xff\\xfe']");
    }

    [Test]
    public async Task F13_a_body_that_says_it_is_ten_gigabytes_is_refused_at_once()
    {
        var (status, _) = await RawPutAsync("huge", "Content-Length: 10737418240", []);
        status.Should().Be("HTTP/1.1 413 Payload Too Large");
        await ShouldBeEmptyAsync("huge");
    }

    [Test]
    public async Task F13_a_body_without_a_length_is_counted_and_leaves_nothing()
    {
        var chunk = Encoding.ASCII.GetBytes("10000\r\n" + new string('x', 0x10000) + "\r\n");
        var (status, body) = await RawPutAsync("chunked", "Transfer-Encoding: chunked", Enumerable.Repeat(chunk, (int)(MaxFileBytes >> 16) + 1));
        status.Should().Be("HTTP/1.1 413 Payload Too Large");
        body.Should().Contain("too_large").And.Contain("Gateway:Files:MaxFileBytes");
        await ShouldBeEmptyAsync("chunked");
    }

    [Test]
    public async Task F14_an_upload_aborted_near_its_end_leaves_no_file(CancellationToken cancellationToken)
    {
        await _gateway.Http.PostAsJsonAsync($"{Root}/mkdir", new { path = "aborted" }, cancellationToken);
        using var watch = await WatchAsync("aborted", cancellationToken);
        using (var connection = new TcpClient(_gateway.Address.Host, _gateway.Address.Port))
        {
            await using var stream = connection.GetStream();
            await stream.WriteAsync(Encoding.ASCII.GetBytes($"PUT {Root}/content?path=aborted/f HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {_gateway.Key}\r\nContent-Length: 1000000\r\n\r\n"), cancellationToken);
            await stream.WriteAsync(new byte[990_000], cancellationToken);
            (await watch.NextAsync(FileChangeType.Create, cancellationToken)).Path.Should().Contain(".kg-upload-");
            connection.Client.LingerState = new LingerOption(true, 0);
        }

        (await watch.NextAsync(FileChangeType.Delete, cancellationToken)).Path.Should().Contain(".kg-upload-");
        await ShouldBeEmptyAsync("aborted");
    }

    [Test]
    public async Task F17_a_batch_is_written_checked_and_bounded()
    {
        using var answer = await _gateway.Http.PostAsJsonAsync($"{Root}/batch", new { files = new object[] { new { path = "batch/a", text = "ä" }, new { path = "batch/b", base64 = "AAEC" } } });
        (await answer.Content.ReadFromJsonAsync<WrittenFiles>())!.Items.Select(it => it.Size).Should().Equal(2, 3);
        (await _gateway.Http.GetByteArrayAsync($"{Root}/content?path=batch/b")).Should().Equal(0, 1, 2);

        await ShouldRefuseAsync(await _gateway.Http.PostAsJsonAsync($"{Root}/batch", new { files = Enumerable.Range(0, 100_000).Select(i => new { path = $"f{i}", text = "" }) }), 413, "too_large");
        await ShouldRefuseAsync(await _gateway.Http.PostAsJsonAsync($"{Root}/batch", new { files = new object[] { new { path = "ok", text = "" }, new { path = "../x", text = "" } } }), 400, "invalid_path");
        (await _gateway.Http.GetAsync($"{Root}/stat?path=ok")).StatusCode.Should().Be(HttpStatusCode.NotFound, "all are checked before the first is written");
        await ShouldRefuseAsync(await _gateway.Http.PostAsJsonAsync($"{Root}/batch", new { files = new object[] { new { path = "x", text = "", base64 = "" } } }), 400, "invalid_argument");
        using var parts = new MultipartFormDataContent { { new StringContent("x"), "file", "evil" } };
        await ShouldRefuseAsync(await _gateway.Http.PostAsync($"{Root}/batch", parts), 415, "unsupported_media_type");
    }

    [Test]
    public async Task Folders_are_made_listed_by_pages_copied_moved_and_removed()
    {
        using var made = await _gateway.Http.PostAsJsonAsync($"{Root}/mkdir", new { path = "tree/sub" });
        (await made.Content.ReadFromJsonAsync<FileEntry>())!.Type.Should().Be(FileType.Directory);
        foreach (var name in new[] { "tree/1", "tree/2", "tree/sub/3" })
        {
            await PutAsync(name, name);
        }

        var names = new List<string>();
        string? cursor = null;
        do
        {
            var page = await _gateway.Http.GetFromJsonAsync<FileList>($"{Root}?path=tree&depth=2&limit=2{(cursor is null ? "" : "&cursor=" + Uri.EscapeDataString(cursor))}");
            names.AddRange(page!.Items.Select(it => it.Name));
            cursor = page.NextCursor;
        }
        while (cursor is not null);

        names.Should().Equal("1", "2", "sub", "3");
        (await _gateway.Http.PostAsJsonAsync($"{Root}/copy", new { from = "tree", to = "tree2" })).StatusCode.Should().Be(HttpStatusCode.OK);
        await ShouldRefuseAsync(await _gateway.Http.PostAsJsonAsync($"{Root}/move", new { from = "tree/1", to = "tree2/1" }), 409, "already_exists", "to");
        (await _gateway.Http.PostAsJsonAsync($"{Root}/move", new { from = "tree/1", to = "tree2/1", overwrite = true })).StatusCode.Should().Be(HttpStatusCode.OK);
        await ShouldRefuseAsync(await _gateway.Http.DeleteAsync($"{Root}?path=tree2"), 409, "directory_not_empty", "path");
        (await _gateway.Http.DeleteAsync($"{Root}?path=tree2&recursive=true")).StatusCode.Should().Be(HttpStatusCode.NoContent);
        await ShouldRefuseAsync(await _gateway.Http.GetAsync($"{Root}/stat?path=tree2"), 404, "file_not_found", "path");
    }

    [TestCase("?depth=0", "depth")]
    [TestCase("?depth=1000", "depth")]
    [TestCase("?limit=1001", "limit")]
    [TestCase("?cursor=../x", "cursor")]
    [TestCase("/uploads/short?path=x", "uploadId")]
    public async Task A_wrong_value_is_refused_by_name(string query, string field) =>
        await ShouldRefuseAsync(await _gateway.Http.GetAsync(Root + query), 400, "invalid_argument", field);

    [TestCase("999")]
    [TestCase("4755")]
    [TestCase("x")]
    public async Task A_wrong_mode_is_refused(string mode) =>
        await ShouldRefuseAsync(await _gateway.Http.PutAsync($"{Root}/content?path=m&mode={mode}", new StringContent("")), 400, "invalid_argument", "mode");

    [Test]
    public async Task An_upload_in_parts_says_where_to_go_on()
    {
        using var first = await _gateway.Http.PutAsync($"{Root}/uploads/abcdefgh?path=parts&offset=0", new StringContent("01234"));
        (await first.Content.ReadFromJsonAsync<UploadProgress>()).Should().Be(new UploadProgress("abcdefgh", 5));
        await ShouldRefuseAsync(await _gateway.Http.PutAsync($"{Root}/uploads/abcdefgh?path=parts&offset=3", new StringContent("x")), 409, "conflict", "offset");
        (await _gateway.Http.GetFromJsonAsync<UploadProgress>($"{Root}/uploads/abcdefgh?path=parts"))!.Offset.Should().Be(5);
        using var last = await _gateway.Http.PutAsync($"{Root}/uploads/abcdefgh?path=parts&offset=5&complete=true", new StringContent("56789"));
        (await last.Content.ReadFromJsonAsync<UploadProgress>())!.File!.Size.Should().Be(10);
        (await _gateway.Http.GetStringAsync($"{Root}/content?path=parts")).Should().Be("0123456789");
        await ShouldRefuseAsync(await _gateway.Http.PutAsync($"{Root}/uploads/abcdefgh?path=parts&offset={MaxFileBytes}", new StringContent("x")), 413, "too_large");
        await ShouldRefuseAsync(await _gateway.Http.PutAsync($"{Root}/uploads/abcdefgh?path=parts", new StringContent("x")), 400, "invalid_argument", "offset");
    }

    [Test]
    public async Task Changes_come_as_lines_as_events_and_over_the_hub(CancellationToken cancellationToken)
    {
        await _gateway.Http.PostAsJsonAsync($"{Root}/mkdir", new { path = "watched" }, cancellationToken);
        using var lines = await WatchAsync("watched", cancellationToken);
        await using var hub = await RawHub.ConnectAsync(_gateway.Address, _gateway.Key);
        await using var changes = hub.StreamAsync("WatchFiles", _sandbox.Id, "watched", true).GetAsyncEnumerator(cancellationToken);
        (await changes.MoveNextAsync(), changes.Current.GetProperty("type").GetString()).Should().Be((true, "ready"));
        await _gateway.RunAsync(_sandbox.Id, "open('watched/new', 'w').close()");
        (await lines.NextAsync(FileChangeType.Create, cancellationToken)).Path.Should().EndWith("/watched/new");
        (await changes.MoveNextAsync(), changes.Current.GetProperty("type").GetString()).Should().Be((true, "create"));
        changes.Current.GetProperty("path").GetString().Should().EndWith("/watched/new");
        await ShouldRefuseAsync(await _gateway.Http.GetAsync($"{Root}/watch?path=nowhere", cancellationToken), 404, "file_not_found", "path");
    }

    [Test]
    public async Task Files_of_strangers_and_of_ended_sandboxes_are_refused()
    {
        using var other = await _gateway.OtherOwnerAsync($"other-{Guid.NewGuid():N}");
        foreach (var path in new[] { "", "/stat?path=a", "/content?path=a", "/watch" })
        {
            await ShouldRefuseAsync(await other.GetAsync(Root + path), 404, "sandbox_not_found", "id");
        }

        var ended = await _gateway.CreateAsync();
        (await _gateway.Http.DeleteAsync($"/api/v1/sandboxes/{ended.Id}")).EnsureSuccessStatusCode();
        await ShouldRefuseAsync(await _gateway.Http.GetAsync($"/api/v1/sandboxes/{ended.Id}/files"), 409, "conflict");
    }

    [Test]
    public async Task The_end_of_the_sandbox_ends_its_watches(CancellationToken cancellationToken)
    {
        var sandbox = await _gateway.CreateAsync();
        using var answer = await _gateway.Http.SendAsync(new HttpRequestMessage(HttpMethod.Get, $"/api/v1/sandboxes/{sandbox.Id}/files/watch"), HttpCompletionOption.ResponseHeadersRead, cancellationToken);
        answer.Content.Headers.ContentType!.MediaType.Should().Be("text/event-stream");
        using var reader = new StreamReader(await answer.Content.ReadAsStreamAsync(cancellationToken));
        (await reader.ReadLineAsync(cancellationToken)).Should().Be("event: file");
        (await reader.ReadLineAsync(cancellationToken)).Should().StartWith("data: {\"type\":\"ready\"");
        (await _gateway.Http.DeleteAsync($"/api/v1/sandboxes/{sandbox.Id}", cancellationToken)).EnsureSuccessStatusCode();
        await reader.ReadToEndAsync(cancellationToken);
    }

    private async Task<FileEntry> PutAsync(string path, string content)
    {
        using var answer = await _gateway.Http.PutAsync($"{Root}/content?path={path}", new StringContent(content));
        answer.StatusCode.Should().Be(HttpStatusCode.OK, await answer.Content.ReadAsStringAsync());
        return (await answer.Content.ReadFromJsonAsync<FileEntry>())!;
    }

    private async Task ShouldBeInvalidAsync(string path)
    {
        var query = $"?path={path}";
        foreach (var answer in new[]
        {
            await _gateway.Http.GetAsync($"{Root}/content{query}"),
            await _gateway.Http.PutAsync($"{Root}/content{query}", new StringContent("x")),
            await _gateway.Http.DeleteAsync($"{Root}{query}"),
            await _gateway.Http.GetAsync($"{Root}/stat{query}"),
            await _gateway.Http.GetAsync($"{Root}{query}"),
            await _gateway.Http.PutAsync($"{Root}/uploads/abcdefgh{query}&offset=0", new StringContent("x")),
            await _gateway.Http.PostAsJsonAsync($"{Root}/mkdir", new { path = Uri.UnescapeDataString(path) }),
        })
        {
            using (answer)
            {
                await ShouldRefuseAsync(answer, 400, "invalid_path");
            }
        }
    }

    private async Task<ChangeLines> WatchAsync(string path, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, $"{Root}/watch?path={path}") { Headers = { Accept = { new MediaTypeWithQualityHeaderValue("application/x-ndjson") } } };
        var answer = await _gateway.Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
        answer.StatusCode.Should().Be(HttpStatusCode.OK);
        var lines = new ChangeLines(answer, new StreamReader(await answer.Content.ReadAsStreamAsync(cancellationToken)));
        await lines.NextAsync(FileChangeType.Ready, cancellationToken);
        return lines;
    }

    private async Task<(string Status, string Body)> RawPutAsync(string folder, string header, IEnumerable<byte[]> chunks)
    {
        await _gateway.Http.PostAsJsonAsync($"{Root}/mkdir", new { path = folder });
        using var connection = new TcpClient(_gateway.Address.Host, _gateway.Address.Port);
        await using var stream = connection.GetStream();
        await stream.WriteAsync(Encoding.ASCII.GetBytes($"PUT {Root}/content?path={folder}/f HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {_gateway.Key}\r\nConnection: close\r\n{header}\r\n\r\n"));
        foreach (var chunk in chunks)
        {
            await stream.WriteAsync(chunk);
        }

        // Up to the end of the problem's JSON: the connection itself is closed only when the rest of the body did not come.
        using var reader = new StreamReader(stream);
        var text = new StringBuilder();
        var buffer = new char[4096];
        while (!text.ToString().Contains("\"code\":", StringComparison.Ordinal))
        {
            var read = await reader.ReadAsync(buffer);
            if (read == 0)
            {
                break;
            }

            text.Append(buffer, 0, read);
        }

        var answer = text.ToString().Split("\r\n", 2);
        return (answer[0], answer[^1]);
    }

    private async Task ShouldBeEmptyAsync(string folder) =>
        (await _gateway.Http.GetFromJsonAsync<FileList>($"{Root}?path={folder}"))!.Items.Should().BeEmpty("nothing of it is left");

    private static async Task ShouldRefuseAsync(HttpResponseMessage answer, int status, string code, string? field = null)
    {
        var text = await answer.Content.ReadAsStringAsync();
        ((int)answer.StatusCode).Should().Be(status, text);
        var problem = JsonDocument.Parse(text).RootElement;
        problem.GetProperty("code").GetString().Should().Be(code);
        if (field is not null)
        {
            problem.GetProperty("field").GetString().Should().Be(field);
        }
    }

    private sealed class ChangeLines(HttpResponseMessage answer, StreamReader lines) : IDisposable
    {
        public async Task<FileChange> NextAsync(FileChangeType type, CancellationToken cancellationToken)
        {
            while (true)
            {
                var line = await lines.ReadLineAsync(cancellationToken) ?? throw new AssertionException($"The watch ended before a {type}.");
                if (line.Length > 0 && JsonSerializer.Deserialize<FileChange>(line, JsonSerializerOptions.Web) is { } change && change.Type == type)
                {
                    return change;
                }
            }
        }

        public void Dispose()
        {
            lines.Dispose();
            answer.Dispose();
        }
    }
}
