using System.Text;
using KernelGateway.Contracts.Sandboxes;
using KernelGateway.Core.Errors;
using KernelGateway.Core.Policies;
using KernelGateway.Core.Provisioning;
using KernelGateway.Core.Sandboxes;
using KernelGateway.Core.Snapshots;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;

namespace KernelGateway.Core.Tests.Snapshots;

/// <summary>Snapshots on disk: whole or not there, and only the gateway's own.</summary>
[FixtureLifeCycle(LifeCycle.InstancePerTestCase)]
public sealed class SnapshotCatalogTests : IDisposable
{
    private const string Owner = "alice";

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("kg-snapshots-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Test]
    public async Task A_snapshot_is_there_after_a_restart_and_only_its_owner_may_read_its_files()
    {
        var made = await MakeAsync(Open("a"), "one");

        var again = Open("a");

        again.Get(made.Info.Id, Owner).Should().BeEquivalentTo(made);
        again.GetByName("one", Owner).Info.Should().BeEquivalentTo(made.Info);
        using var parts = again.Open(made);
        using var reader = new StreamReader(parts.Part(PartNames.Files));
        (await reader.ReadToEndAsync()).Should().Be("content of one");
        File.GetUnixFileMode(FolderOf("a")).Should().Be(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        foreach (var file in Directory.EnumerateFiles(FolderOf("a", made.Info.Id)).Append(FolderOf("a", "key")))
        {
            File.GetUnixFileMode(file).Should().Be(UnixFileMode.UserRead | UnixFileMode.UserWrite, file);
        }
    }

    [Test]
    public async Task What_was_half_made_half_removed_or_made_for_a_fork_is_gone_after_a_restart()
    {
        var catalog = Open("a");
        var kept = await MakeAsync(catalog, "kept");
        var fork = await MakeAsync(catalog, null);
        using var half = catalog.Begin(Owner, "half", null);
        await half.WriteAsync(PartNames.Files, stream => stream.WriteAsync("half"u8.ToArray()).AsTask(), CancellationToken.None);
        Directory.CreateDirectory(FolderOf("a", ".gone-" + new string('a', 32)));

        var again = Open("a");

        again.List(Owner).Select(s => s.Id).Should().Equal(kept.Info.Id);
        Directory.EnumerateDirectories(FolderOf("a")).Select(Path.GetFileName).Should().Equal(kept.Info.Id);
        fork.IsTemporary.Should().BeTrue();
        await MakeAsync(again, "half");
    }

    [Test]
    public async Task A_changed_part_is_found_before_anything_is_done_with_it()
    {
        var catalog = Open("a");
        var made = await MakeAsync(catalog, "one");
        var part = FolderOf("a", made.Info.Id, PartNames.Files);
        await File.WriteAllTextAsync(part, "CONTENT of one");
        Refused(() => catalog.Open(made)).Should().Contain("part 'files.tar' is not what was written");
        await File.WriteAllTextAsync(part, "content of one and more");
        Refused(() => catalog.Open(made)).Should().Contain("files.tar");
        File.Delete(part);
        Refused(() => catalog.Open(made)).Should().Contain("cannot be read");
        await File.WriteAllTextAsync(FolderOf("a", made.Info.Id, PartNames.Manifest), "{}");
        Refused(() => catalog.ReadManifest(made.Info.Id, Owner)).Should().Contain("manifest.json");
        catalog.Remove(made.Info.Id, Owner);
        catalog.List(Owner).Should().BeEmpty();
    }

    [Test]
    public async Task A_changed_record_one_of_another_gateway_and_one_under_another_id_are_shown_and_refused()
    {
        var made = await MakeAsync(Open("a"), "one");
        var foreign = await MakeAsync(Open("b"), "foreign");
        Directory.Move(FolderOf("b", foreign.Info.Id), FolderOf("a", foreign.Info.Id));
        var copied = new string('c', 32);
        Directory.CreateDirectory(FolderOf("a", copied));
        File.Copy(FolderOf("a", made.Info.Id, "snapshot.json"), FolderOf("a", copied, "snapshot.json"));
        var nothing = new string('d', 32);
        Directory.CreateDirectory(FolderOf("a", nothing));
        var changed = await MakeAsync(Open("a"), "changed");
        var record = FolderOf("a", changed.Info.Id, "snapshot.json");
        await File.WriteAllTextAsync(record, (await File.ReadAllTextAsync(record)).Replace("\"alice\"", "\"mallo\"", StringComparison.Ordinal));

        var catalog = Open("a");

        catalog.List(Owner).ToDictionary(s => s.Id, s => s.Damage?.Split(' ')[^1]).Should().BeEquivalentTo(
            new Dictionary<string, string?> { [made.Info.Id] = null, [foreign.Info.Id] = "restored.", [copied] = "snapshot." });
        catalog.List("mallo").Should().ContainSingle().Which.Damage.Should().Contain("another gateway made it");
        Refused(() => catalog.Open(catalog.Get(foreign.Info.Id, Owner))).Should().Contain("another gateway");
        Refused(() => catalog.ReadManifest(copied, Owner)).Should().Contain("another snapshot");
        Refused(() => catalog.Update(foreign.Info.Id, Owner, new() { Name = "mine" }));
        catalog.Remove(foreign.Info.Id, Owner);
        Directory.Exists(FolderOf("a", foreign.Info.Id)).Should().BeFalse();
    }

    [Test]
    public async Task Without_the_key_nothing_is_trusted_and_half_a_key_is_no_key()
    {
        var made = await MakeAsync(Open("a"), "one");
        File.Delete(FolderOf("a", "key"));
        Open("a").Get(made.Info.Id, Owner).Info.Damage.Should().Contain("seal");
        await File.WriteAllBytesAsync(FolderOf("a", "key"), new byte[7]);
        this.Invoking(_ => Open("a")).Should().Throw<InvalidDataException>().WithMessage("*key*7 bytes*");
    }

    [Test]
    public async Task A_name_is_taken_while_its_snapshot_is_made_and_free_when_it_fails()
    {
        var catalog = Open("a");
        using (catalog.Begin(Owner, "name", null))
        {
            catalog.Invoking(c => c.Begin(Owner, "name", null)).Should().Throw<GatewayException>().Which.Code.Should().Be(ErrorCode.AlreadyExists);
            catalog.Begin("bob", "name", null).Dispose();
        }

        await MakeAsync(catalog, "name");
        catalog.Update(catalog.GetByName("name", Owner).Info.Id, Owner, new() { Name = "other" });
        Open("a").GetByName("other", Owner).Info.Damage.Should().BeNull();
    }

    private static string Refused(Action act)
    {
        var e = act.Should().Throw<GatewayException>().Which;
        e.Code.Should().Be(ErrorCode.SnapshotDamaged, e.Message);
        return e.Message;
    }

    private SnapshotCatalog Open(string name) => new(FolderOf(name), Options.Create(new SnapshotOptions()), NullLogger<SnapshotCatalog>.Instance);

    private string FolderOf(params string[] names) => Path.Combine([_folder.FullName, .. names]);

    private static async Task<StoredSnapshot> MakeAsync(SnapshotCatalog catalog, string? name)
    {
        using var draft = catalog.Begin(Owner, name, "described");
        await draft.WriteAsync(PartNames.Files, stream => stream.WriteAsync(Encoding.UTF8.GetBytes($"content of {name}")).AsTask(), CancellationToken.None);
        var sandbox = new SandboxRecord
        {
            Id = new string('5', 32),
            Owner = Owner,
            Name = "n",
            Variant = "local",
            Environment = "e",
            State = SandboxState.Running,
            CreatedAt = DateTimeOffset.UnixEpoch,
            TimeoutSeconds = 0,
            IdleTimeoutSeconds = 0,
            LifetimeSeconds = 0,
            Limits = new ResourceLimits(1, 1 << 28, 64),
            Network = NetworkSettings.None,
            Variables = new Dictionary<string, string> { ["SECRET"] = "s" },
            Tags = new Dictionary<string, string>(),
        };
        return await draft.CommitAsync(sandbox, DateTimeOffset.UnixEpoch, new SnapshotContent([], [new StoredContext(new ContextRecord("default", "python3", ""), null, false)], [], []), CancellationToken.None);
    }
}
