using System.Xml.Linq;

namespace KernelGateway.Contracts.Tests;

/// <summary>Holds the project references against the house: anything pointing the other way must fail here, not in a review.</summary>
[Parallelizable]
public sealed class ArrowsTests
{
    private static readonly Dictionary<string, string[]> Allowed = new()
    {
        ["Contracts"] = [],
        ["Jupyter"] = [],
        ["Core"] = ["Contracts", "Jupyter"],
        ["Provisioners"] = ["Core"],
        ["Storage"] = ["Core"],
        ["Server"] = ["Core", "Provisioners", "Storage"],
        ["Client"] = ["Contracts"],
    };

    private static IEnumerable<string> Projects => Directory
        .EnumerateDirectories(Path.Combine(Repository.Root, "src"), "KernelGateway.*")
        .Select(d => Path.GetFileName(d)["KernelGateway.".Length..]);

    [Test]
    public void The_house_has_exactly_the_agreed_rooms() => Projects.Should().BeEquivalentTo(Allowed.Keys);

    [TestCaseSource(nameof(Projects))]
    public void A_project_refers_only_to_those_below_it(string project)
    {
        var file = Path.Combine(Repository.Root, "src", $"KernelGateway.{project}", $"KernelGateway.{project}.csproj");
        var references = XDocument.Load(file).Descendants("ProjectReference")
            .Select(r => Path.GetFileNameWithoutExtension((string)r.Attribute("Include")!)["KernelGateway.".Length..]);
        references.Should().BeSubsetOf(Allowed[project]);
    }

    [Test]
    public void Nothing_else_stands_at_the_top_level()
    {
        string[] agreed = ["src", "tests", "kernel-images", "samples", "KernelGateway.sln", "Directory.Packages.props", "README.md", "LICENSE"];
        Directory.EnumerateFileSystemEntries(Repository.Root)
            .Select(Path.GetFileName)
            .Where(name => name![0] != '.')
            .Should().BeSubsetOf(agreed);
    }
}
