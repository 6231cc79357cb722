using System.Text.Json;
using System.Text.RegularExpressions;

namespace KernelGateway.Abuse.Tests;

/// <summary>No row of the catalogue is forgotten: each has a test somewhere in the project, or says why it cannot have one yet.</summary>
public sealed class CatalogueTests
{
    private static readonly string Tests = Path.Combine(Repository.Root, "tests");
    private static readonly Lazy<string> Sources = new(() => string.Concat(Directory.EnumerateDirectories(Tests, "*.Tests")
        .SelectMany(project => Directory.EnumerateFiles(project, "*.cs", SearchOption.AllDirectories))
        .Where(file => !file.Contains("/obj/", StringComparison.Ordinal))
        .Select(File.ReadAllText)));

    public sealed record Row(string Id, string Attack, string Expected, string[]? ProvedBy = null, string? Pending = null, string? Documented = null)
    {
        public override string ToString() => $"{Id} {Attack}";
    }

    private static IEnumerable<Row> Rows => JsonSerializer.Deserialize<Row[]>(
        File.ReadAllText(Path.Combine(TestContext.CurrentContext.TestDirectory, "catalogue.json")), JsonSerializerOptions.Web)!;

    [TestCaseSource(nameof(Rows))]
    public void Every_row_is_proved_or_says_why_not_yet(Row row)
    {
        if (row.Pending is not null)
        {
            row.Pending.Should().NotBeEmpty();
            IdOf(row.Id).IsMatch(Sources.Value).Should().BeFalse("a row that has a test is not pending any more");
        }
        else if (row.Documented is not null)
        {
            File.ReadAllText(Path.Combine(Repository.Root, "README.md")).Should().Contain(row.Documented);
        }
        else if (row.ProvedBy is { } names)
        {
            names.Should().OnlyContain(name => Regex.IsMatch(Sources.Value, $@"Task {name}|void {name}"), "each is the beginning of a test's name");
        }
        else
        {
            IdOf(row.Id).IsMatch(Sources.Value).Should().BeTrue("the id stands in a test's name or is its first argument");
        }
    }

    [Test]
    public void Ids_are_given_once() => Rows.Select(row => row.Id).Should().OnlyHaveUniqueItems().And.HaveCountGreaterThan(80);

    private static Regex IdOf(string id) => new($"(Task|void) ([A-Z][0-9]+_)*{id}_|TestCase\\(\"{id}\"");
}
