using System.Text.Json;
using KernelGateway.Contracts.Sandboxes;
using KernelGateway.Core.Provisioning;
using KernelGateway.Core.Sandboxes;
using KernelGateway.Storage.Sqlite;

namespace KernelGateway.Storage.Tests.Sqlite;

public sealed class SqliteStoreTests
{
    private TemporaryFolder _folder = null!;

    private string File => _folder.Of("gateway.db");

    [SetUp]
    public void MakeFolder() => _folder = new TemporaryFolder();

    [TearDown]
    public void RemoveFolder() => _folder.Dispose();

    [Test]
    public void A_record_comes_back_with_everything_in_it()
    {
        var record = Record("a") with
        {
            Host = new HostDescription("local", "a", JsonDocument.Parse("""{"pid":7,"name":"é'\"--"}""").RootElement),
            Contexts = [new ContextRecord("default", "python3", "k3")],
            KernelsStarted = 3,
            Tags = new Dictionary<string, string> { ["project"] = "x'; DROP TABLE sandboxes; --" },
        };
        new SqliteSandboxStore(new SqliteDatabase(File)).Save(record);

        var read = new SqliteSandboxStore(new SqliteDatabase(File)).Load().Should().ContainSingle().Subject;

        read.Should().BeEquivalentTo(record, o => o.Excluding(r => r.Host));
        read.Host!.Data.GetProperty("name").GetString().Should().Be("é'\"--");
    }

    [Test]
    public void A_later_save_replaces_and_a_delete_forgets()
    {
        var store = new SqliteSandboxStore(new SqliteDatabase(File));
        store.Save(Record("a"));
        store.Save(Record("a") with { State = SandboxState.Terminated });
        store.Save(Record("b"));

        store.Load().Should().HaveCount(2).And.ContainSingle(r => r.State == SandboxState.Terminated);
        store.Delete("a");
        store.Delete("never there");
        store.Load().Should().ContainSingle(r => r.Id == "b");
    }

    [Test]
    public async Task Many_savers_at_once_all_succeed()
    {
        var store = new SqliteSandboxStore(new SqliteDatabase(File));

        await Task.WhenAll(Enumerable.Range(0, 200).Select(i => Task.Run(() => store.Save(Record($"s{i % 50}")))));

        store.Load().Should().HaveCount(50);
    }

    [Test]
    public void The_file_is_for_its_owner_only()
    {
        _ = new SqliteDatabase(File);

        System.IO.File.GetUnixFileMode(File).Should().Be(UnixFileMode.UserRead | UnixFileMode.UserWrite);
    }

    [Test]
    public void A_file_of_a_newer_gateway_is_refused_with_a_sentence()
    {
        using (var connection = new SqliteDatabase(File).Open())
        {
            using var command = connection.CreateCommand();
            command.CommandText = "PRAGMA user_version = 99";
            command.ExecuteNonQuery();
        }

        var open = () => new SqliteDatabase(File);

        open.Should().Throw<InvalidDataException>().WithMessage("*newer gateway*");
    }

    [Test]
    public void A_file_that_is_no_database_is_refused_and_left_alone()
    {
        System.IO.File.WriteAllText(File, new string('x', 5000));

        var open = () => new SqliteDatabase(File);

        open.Should().Throw<InvalidDataException>().WithMessage("*Restore it from a copy*");
        System.IO.File.ReadAllText(File).Should().Be(new string('x', 5000));
    }

    [Test]
    public void Keys_are_kept_by_their_hash_and_can_be_removed_once()
    {
        var store = new SqliteApiKeyStore(new SqliteDatabase(File));
        var key = new ApiKeyRecord("id", [1, 2, 3], "owner", true, new DateTimeOffset(2026, 1, 2, 3, 4, 5, TimeSpan.Zero));
        store.Add(key);

        store.Load().Should().ContainSingle().Which.Should().BeEquivalentTo(key);
        store.Remove("id").Should().BeTrue();
        store.Remove("id").Should().BeFalse();
    }

    private static SandboxRecord Record(string id) => new()
    {
        Id = id,
        Owner = "owner",
        Name = "teal-otter-0000",
        Variant = "local",
        Environment = "python-cpu-env",
        State = SandboxState.Running,
        CreatedAt = new DateTimeOffset(2026, 1, 2, 3, 4, 5, 678, TimeSpan.Zero),
        TimeoutSeconds = 1.5,
        IdleTimeoutSeconds = 0,
        LifetimeSeconds = 60,
        Limits = new ResourceLimits(0.5, 1 << 30, 99),
        Variables = new Dictionary<string, string> { ["A"] = "b" },
        Tags = new Dictionary<string, string>(),
    };
}
