using System.Text;
using KernelGateway.Contracts.Files;
using KernelGateway.Core.Errors;
using KernelGateway.Core.Files;
using KernelGateway.Core.Provisioning;
using KernelGateway.Provisioners.Tests.Support;

namespace KernelGateway.Provisioners.Tests.Contract;

/// <summary>What the files of every place must do, however they are reached.</summary>
[NonParallelizable]
[CancelAfter(90_000)]
public abstract class SandboxFilesContract
{
    private const long Cap = 1 << 20;

    [Test]
    public async Task A_file_is_written_described_and_read_also_by_code(CancellationToken cancellationToken)
    {
        var (files, kernel) = await OpenFilesAsync(cancellationToken);
        await using (kernel)
        {
            var written = await files.WriteTextAsync("sub/a.txt", "héllo", cancellationToken);

            written.Should().Match<FileEntry>(it => it.Name == "a.txt" && it.Type == FileType.File && it.Size == 6 && it.Mode == "0600");
            (await files.ReadTextAsync("/workspace/sub/a.txt", cancellationToken)).Should().Be("héllo", "/workspace is the working folder in every variant");
            (await kernel.RunAsync("print(open('sub/a.txt').read()); open('sub/b.txt', 'w').write('from code'); import os; print(os.stat('sub/a.txt').st_uid == os.getuid())", cancellationToken)).Should().Be("héllo\nTrue");
            (await files.ReadTextAsync("sub/b.txt", cancellationToken)).Should().Be("from code");
            (await files.StatAsync(SandboxPath.Parse("sub"), cancellationToken)).Type.Should().Be(FileType.Directory);
            (await kernel.RunAsync($"print(os.path.exists({Quote(written.Path)}))", cancellationToken)).Should().Be("True", "paths are as code sees them");
        }
    }

    [Test]
    public async Task Links_permissions_and_times_can_be_set_and_nothing_is_followed_for_it(CancellationToken cancellationToken)
    {
        var (files, kernel) = await OpenFilesAsync(cancellationToken);
        await using (kernel)
        {
            var time = new DateTimeOffset(2001, 2, 3, 4, 5, 6, TimeSpan.Zero).AddTicks(7);
            await files.WriteTextAsync("d/a.txt", "a", cancellationToken);
            await files.MakeLinkAsync(SandboxPath.Parse("d/link"), "../%FF/a b", cancellationToken);
            await files.SetAttributesAsync(SandboxPath.Parse("d/link"), 0x1FF, time, cancellationToken);
            await files.SetAttributesAsync(SandboxPath.Parse("d/a.txt"), 0x180, time, cancellationToken);
            await files.SetAttributesAsync(SandboxPath.Parse("d"), 0x1C9, time, cancellationToken);

            (await files.StatAsync(SandboxPath.Parse("d/link"), cancellationToken)).Should().Match<FileEntry>(it => it.Type == FileType.Symlink && it.Target == "../%FF/a b" && it.ModifiedAt == time);
            (await files.StatAsync(SandboxPath.Parse("d/a.txt"), cancellationToken)).Should().Match<FileEntry>(it => it.Mode == "0600" && it.ModifiedAt == time);
            (await files.StatAsync(SandboxPath.Parse("d"), cancellationToken)).Should().Match<FileEntry>(it => it.Mode == "0711" && it.ModifiedAt == time);
            (await kernel.RunAsync("import os; print(os.readlink(b'd/link'), os.lstat('d/link').st_uid == os.getuid())", cancellationToken)).Should().Be("b'../\\xff/a b' True");
            await files.ShouldRefuseAsync(it => it.MakeLinkAsync(SandboxPath.Parse("d/a.txt"), "x", cancellationToken), ErrorCode.AlreadyExists, "d/a.txt");
            await files.ShouldRefuseAsync(it => it.MakeLinkAsync(SandboxPath.Parse("d/link/x"), "x", cancellationToken), ErrorCode.SymlinkNotFollowed, "d/link/x");
            await files.ShouldRefuseAsync(it => it.MakeLinkAsync(SandboxPath.Parse("d/new"), "a\0b", cancellationToken), ErrorCode.InvalidArgument, "NUL");
            await files.ShouldRefuseAsync(it => it.SetAttributesAsync(SandboxPath.Parse("none"), 0x180, time, cancellationToken), ErrorCode.FileNotFound, "none");
        }
    }

    [Test]
    public async Task The_working_folder_itself_stays_with_all_that_is_in_it(CancellationToken cancellationToken)
    {
        var (files, kernel) = await OpenFilesAsync(cancellationToken);
        await using (kernel)
        {
            await files.WriteTextAsync("a.txt", "a", cancellationToken);

            foreach (var path in new[] { ".", "/workspace" })
            {
                await files.ShouldRefuseAsync(it => it.RemoveAsync(SandboxPath.Parse(path), recursive: true, cancellationToken), ErrorCode.InvalidPath, "folder");
                await files.ShouldRefuseAsync(it => it.MoveAsync(SandboxPath.Parse(path), SandboxPath.Parse("b"), false, cancellationToken), ErrorCode.InvalidPath, "");
            }

            (await files.ReadTextAsync("a.txt", cancellationToken)).Should().Be("a");
        }
    }

    [Test]
    public async Task Files_do_not_wait_for_running_code(CancellationToken cancellationToken)
    {
        var (files, kernel) = await OpenFilesAsync(cancellationToken);
        await using (kernel)
        {
            using var sleeping = await kernel.StartAsync("import time; time.sleep(60)", cancellationToken);
            await files.WriteTextAsync("a", "b", cancellationToken).WaitAsync(TimeSpan.FromSeconds(5), cancellationToken);
            (await files.ReadTextAsync("a", cancellationToken)).Should().Be("b");
            sleeping.Completion.IsCompleted.Should().BeFalse();
        }
    }

    [Test]
    public async Task F04_links_are_shown_and_never_followed(CancellationToken cancellationToken)
    {
        var (files, kernel) = await OpenFilesAsync(cancellationToken);
        await using (kernel)
        {
            await kernel.RunAsync("import os; os.mkdir('d'); open('d/f','w').write('x'); os.symlink('/etc/passwd','etc'); os.symlink('/','top'); os.symlink('/proc/self/environ','env'); os.symlink('d','dir'); os.symlink('../../../b/work','up')", cancellationToken);
            foreach (var path in new[] { "etc", "env", "top/etc/passwd", "dir/f", "up/x" })
            {
                await files.ShouldRefuseAsync(it => it.ReadTextAsync(path, cancellationToken), ErrorCode.SymlinkNotFollowed, path);
                await files.ShouldRefuseAsync(it => it.WriteTextAsync(path, "evil", cancellationToken), ErrorCode.SymlinkNotFollowed, path);
            }

            foreach (var path in new[] { "top", "dir", "top/etc" })
            {
                await files.ShouldRefuseAsync(it => it.ListAsync(SandboxPath.Parse(path), new FileListing(1, 100, null), cancellationToken), ErrorCode.SymlinkNotFollowed, path);
            }

            foreach (var path in new[] { "top/etc/passwd", "dir/f" })
            {
                await files.ShouldRefuseAsync(it => it.StatAsync(SandboxPath.Parse(path), cancellationToken), ErrorCode.SymlinkNotFollowed, path);
                await files.ShouldRefuseAsync(it => it.RemoveAsync(SandboxPath.Parse(path), false, cancellationToken), ErrorCode.SymlinkNotFollowed, path);
                await files.ShouldRefuseAsync(it => it.CopyAsync(SandboxPath.Parse(path), SandboxPath.Parse("copy"), false, cancellationToken), ErrorCode.SymlinkNotFollowed, path);
                await files.ShouldRefuseAsync(it => it.MoveAsync(SandboxPath.Parse("d/f"), SandboxPath.Parse(path + "2"), false, cancellationToken), ErrorCode.SymlinkNotFollowed, path);
            }

            (await files.StatAsync(SandboxPath.Parse("etc"), cancellationToken)).Should().Match<FileEntry>(it => it.Type == FileType.Symlink && it.Target == "/etc/passwd" && it.Size == 11);
            var list = await files.ListAsync(SandboxPath.Parse("."), new FileListing(5, 100, null), cancellationToken);
            list.Items.Select(it => it.Name).Should().Equal("d", "f", "dir", "env", "etc", "top", "up");
            list.Items.Count(it => it.Type == FileType.Symlink).Should().Be(5);
        }
    }

    [Test]
    public async Task F05_only_the_link_itself_is_touched(CancellationToken cancellationToken)
    {
        using var outside = new StateFolder();
        var canary = Path.Combine(outside.Path, "canary");
        await File.WriteAllTextAsync(canary, "untouched", cancellationToken);
        var before = File.GetUnixFileMode(canary);
        var (files, kernel) = await OpenFilesAsync(cancellationToken);
        await using (kernel)
        {
            await kernel.RunAsync($"import os; os.makedirs('d/e'); [os.symlink({Quote(canary)}, p) for p in ('l','d/l','d/e/l')]; os.symlink({Quote(outside.Path)}, 'd/folder')", cancellationToken);
            await files.RemoveAsync(SandboxPath.Parse("l"), recursive: true, cancellationToken);
            await files.CopyAsync(SandboxPath.Parse("d"), SandboxPath.Parse("copy"), overwrite: false, cancellationToken);
            (await kernel.RunAsync("print(os.readlink('copy/e/l') == os.readlink('d/e/l'), os.path.islink('copy/folder'))", cancellationToken)).Should().Be("True True");
            await files.RemoveAsync(SandboxPath.Parse("d"), recursive: true, cancellationToken);
            await files.RemoveAsync(SandboxPath.Parse("copy"), recursive: true, cancellationToken);
            (await kernel.RunAsync("print(os.listdir('.'))", cancellationToken)).Should().Be("[]");
        }

        (await File.ReadAllTextAsync(canary, cancellationToken)).Should().Be("untouched");
        File.GetUnixFileMode(canary).Should().Be(before);
    }

    [Test]
    public async Task F07_a_hard_link_into_another_mount_is_refused_and_one_within_is_one_file(CancellationToken cancellationToken)
    {
        var (files, kernel) = await OpenFilesAsync(cancellationToken);
        await using (kernel)
        {
            (await kernel.RunAsync("import os; open('a','w').write('one'); os.link('a','b'); print('ok')", cancellationToken)).Should().Be("ok");
            await files.WriteTextAsync("a", "two", cancellationToken);
            (await files.ReadTextAsync("b", cancellationToken)).Should().Be("one", "a write makes a new file, and the other name keeps the old");
            (await kernel.RunAsync("os.link('b', '/dev/shm/b')", cancellationToken)).Should().StartWith("ERROR OSError: [Errno 18]");
        }
    }

    [Test]
    public async Task F08_fifos_sockets_and_folders_are_refused_at_once(CancellationToken cancellationToken)
    {
        var (files, kernel) = await OpenFilesAsync(cancellationToken);
        await using (kernel)
        {
            await kernel.RunAsync("import os, socket; os.mkfifo('fifo'); s = socket.socket(socket.AF_UNIX); s.bind('socket'); os.mkdir('folder')", cancellationToken);
            await files.ShouldRefuseAsync(it => it.ReadTextAsync("missing", cancellationToken), ErrorCode.FileNotFound, "missing");
            foreach (var (path, code) in new[] { ("fifo", ErrorCode.NotARegularFile), ("socket", ErrorCode.NotARegularFile), ("folder", ErrorCode.IsADirectory), (".", ErrorCode.IsADirectory), ("fifo/x", ErrorCode.NotADirectory) })
            {
                var watch = System.Diagnostics.Stopwatch.StartNew();
                await files.ShouldRefuseAsync(it => it.ReadTextAsync(path, cancellationToken), code, path);
                watch.ElapsedMilliseconds.Should().BeLessThan(100, "nobody is waited for at {0}", path);
                if (path != ".")
                {
                    await files.ShouldRefuseAsync(it => it.WriteTextAsync(path, "x", cancellationToken), code, path);
                }
            }

            (await files.ListAsync(SandboxPath.Parse("."), new FileListing(1, 10, null), cancellationToken)).Items.Select(it => it.Type)
                .Should().Equal(FileType.Other, FileType.Directory, FileType.Other);
            await files.RemoveAsync(SandboxPath.Parse("fifo"), false, cancellationToken);
        }
    }

    [Test]
    public async Task F10_a_file_that_grows_or_shrinks_is_read_to_its_first_length(CancellationToken cancellationToken)
    {
        var (files, kernel) = await OpenFilesAsync(cancellationToken);
        await using (kernel)
        {
            await kernel.RunAsync("f = open('f','wb', buffering=0); f.write(b'x'*1000)", cancellationToken);
            using var content = await files.OpenAsync(SandboxPath.Parse("f"), cancellationToken);
            content.Entry.Size.Should().Be(1000);
            await kernel.RunAsync("f.write(b'y'*5000)", cancellationToken);
            content.Entry.Size.Should().Be(1000);
            await kernel.RunAsync("f.truncate(10)", cancellationToken);
            (await content.ReadAsync(0, new byte[1000], cancellationToken)).Should().Be(10);
            (await content.ReadAsync(10, new byte[1000], cancellationToken)).Should().Be(0, "the end is seen, not waited for");
        }
    }

    [Test]
    public async Task F11_names_are_bytes_and_come_back_as_they_went(CancellationToken cancellationToken)
    {
        var (files, kernel) = await OpenFilesAsync(cancellationToken);
        await using (kernel)
        {
            string[] names = ["new\nline", "carriage\rreturn", "quote\"s", "back\\slash", "C:\\x", "\u202Eevil", "%FF%FEraw", "a%2541", "100%", "-rf", "CON", "é", "e\u0301", " space ", new string('n', 255)];
            foreach (var name in names)
            {
                (await files.WriteTextAsync("/workspace/" + name, name, cancellationToken)).Name.Should().Be(name);
            }

            var list = await files.ListAsync(SandboxPath.Parse("."), new FileListing(1, 100, null), cancellationToken);
            list.Items.Select(it => it.Name).Should().BeEquivalentTo(names);
            foreach (var entry in list.Items)
            {
                (await files.ReadTextAsync(entry.Path, cancellationToken)).Should().Be(entry.Name);
            }

            (await kernel.RunAsync("import os; print(b'\\xff\\xferaw' in os.listdir(b'.'), 'a%41' in os.listdir('.'), '100%' in os.listdir('.'), len(os.listdir('.')))", cancellationToken)).Should().Be($"True True True {names.Length}");
        }
    }

    [Test]
    public async Task F13_a_file_over_the_limit_leaves_not_a_byte(CancellationToken cancellationToken)
    {
        var (files, kernel) = await OpenFilesAsync(cancellationToken);
        await using (kernel)
        {
            await files.WriteTextAsync("f", "old", cancellationToken);
            await using var endless = new PatternStream(long.MaxValue);
            await files.ShouldRefuseAsync(it => it.WriteAsync(SandboxPath.Parse("f"), endless, new FileWrite(Cap), cancellationToken), ErrorCode.TooLarge, "f");
            endless.Position.Should().BeLessThan(Cap + (1 << 20), "it is not read on after the limit");
            await files.ShouldRefuseAsync(it => it.WritePartAsync(SandboxPath.Parse("g"), new UploadPart("upload123", 0, true), new PatternStream(Cap + 1), new FileWrite(Cap), cancellationToken), ErrorCode.TooLarge, "g");
            (await kernel.RunAsync("import os; print(os.listdir('.'), open('f').read())", cancellationToken)).Should().Be("['f'] old");
            (await files.WriteAsync(SandboxPath.Parse("g"), new PatternStream(Cap), new FileWrite(Cap), cancellationToken)).Size.Should().Be(Cap);
        }
    }

    [Test]
    public async Task F14_an_aborted_upload_leaves_the_old_file_and_nothing_else(CancellationToken cancellationToken)
    {
        var (files, kernel) = await OpenFilesAsync(cancellationToken);
        await using (kernel)
        {
            await files.WriteTextAsync("f", "old", cancellationToken);
            foreach (var target in new[] { "f", "new" })
            {
                var broken = new PatternStream(Cap, failAt: Cap * 99 / 100);
                await files.Invoking(it => it.WriteAsync(SandboxPath.Parse(target), broken, new FileWrite(Cap), cancellationToken)).Should().ThrowAsync<IOException>();
            }

            (await kernel.RunAsync("import os; print(os.listdir('.'), open('f').read())", cancellationToken)).Should().Be("['f'] old");
        }
    }

    [Test]
    public async Task F16_of_two_writers_the_last_wins_and_nobody_sees_a_mixture(CancellationToken cancellationToken)
    {
        var (files, kernel) = await OpenFilesAsync(cancellationToken);
        await using (kernel)
        {
            var writers = Enumerable.Range(0, 2).Select(writer => Task.Run(
                async () =>
                {
                    for (var i = 0; i < 100; i++)
                    {
                        await files.WriteTextAsync("f", new string((char)('a' + writer), 100_000), cancellationToken);
                    }
                },
                cancellationToken)).ToList();
            await files.WriteTextAsync("f", new string('z', 100_000), cancellationToken);
            while (writers.Any(writer => !writer.IsCompleted))
            {
                var text = await files.ReadTextAsync("f", cancellationToken);
                (text.Length, text.Distinct().Count()).Should().Be((100_000, 1), "each read sees one writer's file, complete");
            }

            await Task.WhenAll(writers);
            (await files.ListAsync(SandboxPath.Parse("."), new FileListing(1, 10, null), cancellationToken)).Items.Should().ContainSingle();
        }
    }

    [Test]
    public async Task F19_normal_forms_and_cases_are_names_of_their_own(CancellationToken cancellationToken)
    {
        var (files, kernel) = await OpenFilesAsync(cancellationToken);
        await using (kernel)
        {
            foreach (var name in new[] { "\u00e9", "e\u0301", "A", "a" })
            {
                await files.WriteTextAsync(name, name, cancellationToken);
            }

            (await files.ListAsync(SandboxPath.Parse("."), new FileListing(1, 10, null), cancellationToken)).Items.Should().HaveCount(4);
            (await files.ReadTextAsync("\u00e9", cancellationToken)).Should().Be("\u00e9");
        }
    }

    [Test]
    public async Task A_write_keeps_the_mode_and_its_conditions(CancellationToken cancellationToken)
    {
        var (files, kernel) = await OpenFilesAsync(cancellationToken);
        await using (kernel)
        {
            await kernel.RunAsync("import os; open('run.sh','w').write('x'); os.chmod('run.sh', 0o755)", cancellationToken);
            var first = await files.WriteTextAsync("run.sh", "y", cancellationToken);
            first.Mode.Should().Be("0755");
            var second = await files.WriteAsync(SandboxPath.Parse("run.sh"), Bytes("z"), new FileWrite(Cap, Mode: 0x1A0, IfMatch: first.ETag), cancellationToken);
            second.Mode.Should().Be("0640");
            await files.ShouldRefuseAsync(it => it.WriteAsync(SandboxPath.Parse("run.sh"), Bytes("q"), new FileWrite(Cap, IfMatch: first.ETag), cancellationToken), ErrorCode.FileChanged, "run.sh");
            await files.ShouldRefuseAsync(it => it.WriteAsync(SandboxPath.Parse("run.sh"), Bytes("q"), new FileWrite(Cap, IfAbsent: true), cancellationToken), ErrorCode.AlreadyExists, "run.sh");
            await files.ShouldRefuseAsync(it => it.WriteAsync(SandboxPath.Parse("no/where"), Bytes("q"), new FileWrite(Cap, MakeParents: false), cancellationToken), ErrorCode.FileNotFound, "no/where");
            (await files.ReadTextAsync("run.sh", cancellationToken)).Should().Be("z");
        }
    }

    [Test]
    public async Task An_upload_in_parts_goes_on_where_it_was_cut(CancellationToken cancellationToken)
    {
        var (files, kernel) = await OpenFilesAsync(cancellationToken);
        await using (kernel)
        {
            var path = SandboxPath.Parse("big");
            var how = new FileWrite(Cap);
            await files.Invoking(it => it.WritePartAsync(path, new UploadPart("upload123", 0, false), new PatternStream(500_000, failAt: 300_000), how, cancellationToken)).Should().ThrowAsync<IOException>();
            var arrived = (await files.GetUploadAsync(path, "upload123", cancellationToken)).Offset;
            arrived.Should().BeInRange(1, 300_000);
            await files.ShouldRefuseAsync(it => it.WritePartAsync(path, new UploadPart("upload123", arrived + 1, false), new PatternStream(10), how, cancellationToken), ErrorCode.Conflict, "offset");
            await files.ShouldRefuseAsync(it => it.WritePartAsync(path, new UploadPart("upload456", 5, false), new PatternStream(10), how, cancellationToken), ErrorCode.Conflict, "offset");
            await files.ShouldRefuseAsync(it => it.GetUploadAsync(path, "../x", cancellationToken), ErrorCode.InvalidArgument, "uploadId");
            await files.ShouldRefuseAsync(it => it.StatAsync(path, cancellationToken), ErrorCode.FileNotFound, "path");
            var rest = new PatternStream(500_000, start: arrived);
            var done = await files.WritePartAsync(path, new UploadPart("upload123", arrived, true), rest, how, cancellationToken);
            (done.Offset, done.File!.Size).Should().Be((500_000, 500_000));
            (await kernel.RunAsync("import os; d=open('big','rb').read(); print(d == bytes(i % 251 for i in range(500000)), os.listdir('.'))", cancellationToken)).Should().Be("True ['big']");
        }
    }

    [Test]
    public async Task Folders_are_made_copied_moved_and_removed(CancellationToken cancellationToken)
    {
        var (files, kernel) = await OpenFilesAsync(cancellationToken);
        await using (kernel)
        {
            (await files.MakeFolderAsync(SandboxPath.Parse("a/b/c"), parents: true, cancellationToken)).Type.Should().Be(FileType.Directory);
            await files.MakeFolderAsync(SandboxPath.Parse("a/b/c"), parents: true, cancellationToken);
            await files.ShouldRefuseAsync(it => it.MakeFolderAsync(SandboxPath.Parse("a"), parents: false, cancellationToken), ErrorCode.AlreadyExists, "a");
            await files.ShouldRefuseAsync(it => it.MakeFolderAsync(SandboxPath.Parse("x/y"), parents: false, cancellationToken), ErrorCode.FileNotFound, "x/y");
            await files.WriteTextAsync("a/b/c/f", "deep", cancellationToken);
            await files.CopyAsync(SandboxPath.Parse("a"), SandboxPath.Parse("copy"), overwrite: false, cancellationToken);
            await files.MoveAsync(SandboxPath.Parse("a/b"), SandboxPath.Parse("moved"), overwrite: false, cancellationToken);
            (await files.ReadTextAsync("copy/b/c/f", cancellationToken)).Should().Be("deep");
            (await files.ReadTextAsync("moved/c/f", cancellationToken)).Should().Be("deep");
            await files.ShouldRefuseAsync(it => it.MoveAsync(SandboxPath.Parse("moved/c/f"), SandboxPath.Parse("copy/b/c/f"), false, cancellationToken), ErrorCode.AlreadyExists, "to");
            await files.MoveAsync(SandboxPath.Parse("moved/c/f"), SandboxPath.Parse("copy/b/c/f"), true, cancellationToken);
            await files.ShouldRefuseAsync(it => it.CopyAsync(SandboxPath.Parse("copy"), SandboxPath.Parse("copy/in"), false, cancellationToken), ErrorCode.InvalidPath, "to");
            await files.ShouldRefuseAsync(it => it.RemoveAsync(SandboxPath.Parse("copy"), recursive: false, cancellationToken), ErrorCode.DirectoryNotEmpty, "path");
            await files.ShouldRefuseAsync(it => it.RemoveAsync(SandboxPath.Parse("nothing"), recursive: true, cancellationToken), ErrorCode.FileNotFound, "path");
            foreach (var path in new[] { "copy", "moved", "a" })
            {
                await files.RemoveAsync(SandboxPath.Parse(path), recursive: true, cancellationToken);
            }

            (await files.ListAsync(SandboxPath.Parse("."), new FileListing(1, 10, null), cancellationToken)).Items.Should().BeEmpty();
        }
    }

    [Test]
    public async Task A_list_goes_down_and_on_page_by_page(CancellationToken cancellationToken)
    {
        var (files, kernel) = await OpenFilesAsync(cancellationToken);
        await using (kernel)
        {
            await kernel.RunAsync("import os\nfor d in ('.', 'd1', 'd1/e', 'd2'):\n  os.makedirs(d, exist_ok=True)\n  for i in range(10): open(f'{d}/f{i}','w')", cancellationToken);
            var expected = (await kernel.RunAsync("out=[]\ndef walk(p):\n  for n in sorted(os.listdir(p)):\n    q = n if p == '.' else p + '/' + n\n    out.append(q)\n    if os.path.isdir(q): walk(q)\nwalk('.')\nprint('|'.join(out))", cancellationToken)).Split('|');
            foreach (var page in new[] { 1, 7, 100 })
            {
                var seen = new List<string>();
                string? cursor = null;
                do
                {
                    var list = await files.ListAsync(SandboxPath.Parse("."), new FileListing(3, page, cursor), cancellationToken);
                    list.Items.Count.Should().BeInRange(1, page);
                    seen.AddRange(list.Items.Select(it => it.Path));
                    cursor = list.NextCursor;
                }
                while (cursor is not null);

                var root = (await files.StatAsync(SandboxPath.Parse("."), cancellationToken)).Path + "/";
                seen.Select(path => path[root.Length..]).Should().Equal(expected, "with pages of {0}", page);
            }

            (await files.ListAsync(SandboxPath.Parse("."), new FileListing(1, 100, null), cancellationToken)).Items.Should().HaveCount(12);
            await files.ShouldRefuseAsync(it => it.ListAsync(SandboxPath.Parse("."), new FileListing(1, 100, "Li4"), cancellationToken), ErrorCode.InvalidArgument, "cursor");
        }
    }

    [Test]
    public async Task R10_ten_thousand_folders_deep_are_removed_and_fifteen_thousand_names_are_listed_by_pages(CancellationToken cancellationToken)
    {
        var (files, kernel) = await OpenFilesAsync(cancellationToken);
        await using (kernel)
        {
            await kernel.RunAsync($"import os\nos.mkdir('deep'); os.chdir('deep')\nfor i in range({DeepFolders}):\n  os.mkdir('d'); os.chdir('d')\nos.chdir(os.environ['HOME'])", cancellationToken);
            await files.RemoveAsync(SandboxPath.Parse("deep"), recursive: true, cancellationToken);
            await kernel.RunAsync("os.mkdir('wide')\nfor i in range(15000): open(f'wide/{i:06}', 'w').close()", cancellationToken);
            var first = await files.ListAsync(SandboxPath.Parse("wide"), new FileListing(1, 1000, null), cancellationToken);
            var second = await files.ListAsync(SandboxPath.Parse("wide"), new FileListing(1, 1000, first.NextCursor), cancellationToken);
            (first.Items.Count, second.Items[0].Name, second.Items[^1].Name).Should().Be((1000, "001000", "001999"));
            await files.RemoveAsync(SandboxPath.Parse("wide"), recursive: true, cancellationToken);
            (await kernel.RunAsync("print(os.listdir('.'))", cancellationToken)).Should().Be("[]");
        }
    }

    [Test]
    public async Task A_watch_tells_what_happens_and_ends_with_the_place(CancellationToken cancellationToken)
    {
        var (files, kernel) = await OpenFilesAsync(cancellationToken);
        await kernel.RunAsync("import os; os.mkdir('d'); open('old','w')", cancellationToken);
        var root = (await files.StatAsync(SandboxPath.Parse("."), cancellationToken)).Path + "/";
        await using var changes = files.WatchAsync(SandboxPath.Parse("."), true, 1000, cancellationToken).GetAsyncEnumerator(cancellationToken);
        (await NextAsync()).Should().Be("Ready");
        await kernel.RunAsync("open('d/new','w').write('x')", cancellationToken);
        (await NextAsync(), await NextAsync()).Should().Be(("Create d/new", "Modify d/new"));
        await kernel.RunAsync("os.rename('d/new', 'moved'); os.rename('d','e'); open('e/inside','w'); os.remove('old')", cancellationToken);
        (await NextAsync(), await NextAsync(), await NextAsync(), await NextAsync()).Should().Be(("Rename d/new moved", "Rename d e", "Create e/inside", "Delete old"));

        // Folders that come while those above them are only being covered: each is told, and once.
        await kernel.RunAsync("for i in range(100): os.makedirs(f'x{i}/y/z')", cancellationToken);
        var made = new HashSet<string>();
        while (made.Count < 300)
        {
            var change = await NextAsync();
            made.Add(change).Should().BeTrue("{0} was told before", change);
            change.Should().MatchRegex("^Create x[0-9]+(/y(/z)?)?$");
        }

        await files.WriteTextAsync("x7/y/z/api", "t", cancellationToken);
        while (await NextAsync() is var change && !change.EndsWith(" x7/y/z/api", StringComparison.Ordinal))
        {
            change.Should().Contain("x7/y/z", "only what was written is told");
        }

        await kernel.DisposeAsync();
        await EndPlacesAsync();
        while (await changes.MoveNextAsync())
        {
            // What happened at the end.
        }

        await files.ShouldRefuseAsync(it => it.StatAsync(SandboxPath.Parse("."), cancellationToken), ErrorCode.Conflict, "ended");

        async Task<string> NextAsync()
        {
            (await changes.MoveNextAsync().AsTask().WaitAsync(TimeSpan.FromSeconds(10), cancellationToken)).Should().BeTrue();
            var one = changes.Current;
            return $"{one.Type} {Below(one.Path)} {Below(one.NewPath)}".TrimEnd();
        }

        string Below(string? path) => path is not null && path.StartsWith(root, StringComparison.Ordinal) ? path[root.Length..] : "";
    }

    [Test]
    public async Task A_flood_of_changes_is_told_as_overflow_and_too_many_folders_too(CancellationToken cancellationToken)
    {
        var (files, kernel) = await OpenFilesAsync(cancellationToken);
        await using (kernel)
        {
            await using var changes = files.WatchAsync(SandboxPath.Parse("."), true, 5, cancellationToken).GetAsyncEnumerator(cancellationToken);
            await changes.MoveNextAsync();
            await kernel.RunAsync("import os\nfor i in range(9000):\n  open('f','w').close(); os.remove('f')", cancellationToken);
            await ShouldOverflowAsync();
            await using var many = files.WatchAsync(SandboxPath.Parse("."), true, 5, cancellationToken).GetAsyncEnumerator(cancellationToken);
            await kernel.RunAsync("for i in range(10): os.mkdir(f'd{i}')", cancellationToken);
            (await many.MoveNextAsync(), many.Current.Type).Should().Be((true, FileChangeType.Ready));
            (await many.MoveNextAsync(), many.Current.Type).Should().Be((true, FileChangeType.Overflow));

            async Task ShouldOverflowAsync()
            {
                while (changes.Current.Type != FileChangeType.Overflow)
                {
                    (await changes.MoveNextAsync().AsTask().WaitAsync(TimeSpan.FromSeconds(20), cancellationToken)).Should().BeTrue();
                }
            }
        }
    }

    [Test]
    public async Task Watches_of_one_place_are_limited(CancellationToken cancellationToken)
    {
        var (files, kernel) = await OpenFilesAsync(cancellationToken);
        await using (kernel)
        {
            var watches = new List<IAsyncEnumerator<FileChange>>();
            for (var i = 0; i < 4; i++)
            {
                watches.Add(files.WatchAsync(SandboxPath.Parse("."), true, 5, cancellationToken).GetAsyncEnumerator(cancellationToken));
                await watches[i].MoveNextAsync();
            }

            await using var fifth = files.WatchAsync(SandboxPath.Parse("."), true, 5, cancellationToken).GetAsyncEnumerator(cancellationToken);
            (await fifth.Invoking(it => it.MoveNextAsync().AsTask()).Should().ThrowAsync<GatewayException>()).Which.Code.Should().Be(ErrorCode.LimitReached);
            foreach (var watch in watches)
            {
                await watch.DisposeAsync();
            }

            await using var next = files.WatchAsync(SandboxPath.Parse("."), true, 5, cancellationToken).GetAsyncEnumerator(cancellationToken);
            (await next.MoveNextAsync()).Should().BeTrue("a watch that has ended gives its place to another");
        }
    }

    /// <summary>How deep a tree is removed: deeper than any recursion can follow.</summary>
    private protected virtual int DeepFolders => 10_000;

    /// <summary>A new place with a kernel, and its files.</summary>
    private protected abstract Task<(ISandboxFiles Files, RunningKernel Kernel)> OpenFilesAsync(CancellationToken cancellationToken);

    /// <summary>Ends all places, as their owner does.</summary>
    private protected abstract Task EndPlacesAsync();

    private protected static string Quote(string text) => $"'{text}'";

    private static MemoryStream Bytes(string text) => new(Encoding.UTF8.GetBytes(text));
}
