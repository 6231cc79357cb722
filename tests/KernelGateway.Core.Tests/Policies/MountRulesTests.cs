using KernelGateway.Core.Policies;

namespace KernelGateway.Core.Tests.Policies;

/// <summary>Which path of a mounted folder gets which treatment, as tables.</summary>
[Parallelizable(ParallelScope.All)]
public sealed class MountRulesTests
{
    private static readonly string[] BlockedAtTop =
    [
        ".bash_profile", ".bashrc", ".claude/", ".git/", ".gitconfig", ".gitmodules", ".idea/", ".mcp.json", ".profile", ".ripgreprc", ".vscode/", ".zprofile", ".zshrc",
    ];

    [Test]
    public void A_folder_for_reading_needs_nothing_but_what_is_hidden()
    {
        var mount = new HostMount { Access = "read", DenyRead = [".ssh/", "keys/*.pem", "**/.env"] };
        Plan(mount, ".ssh/", ".ssh/id", "keys/", "keys/a.pem", "keys/a.txt", ".env", "a/", "a/b/", "a/b/.env", "a/b/.env.example", ".git/", ".git/config")
            .Should().Equal("Hide .env", "Hide .ssh/", "Hide keys/a.pem", "Hide a/b/.env");
        new MountRules(mount).IsRootWritable.Should().BeFalse();
    }

    [TestCase(".gitconfig", "Lock")]
    [TestCase(".mcp.json", "Lock")]
    [TestCase(".vscode/", "Lock")]
    [TestCase(".idea/", "Lock")]
    [TestCase(".bashrc@", "Hide", Description = "a link is never followed")]
    [TestCase(".git", "Lock", Description = "a file that says where the real one is")]
    [TestCase(".git@", "Hide")]
    [TestCase(".claude@", "Hide")]
    [TestCase("README", "")]
    [TestCase("gitconfig", "")]
    [TestCase("config", "")]
    public void A_protected_name_at_the_top_cannot_be_written(string entry, string treatment)
    {
        var name = entry.TrimEnd('@');
        Plan(Writable(), entry).Except(BlockedAtTop.Select(blocked => $"Block {blocked}"))
            .Should().Equal(treatment.Length == 0 ? [] : [$"{treatment} {name}"]);
    }

    [Test]
    public void What_is_not_there_at_the_top_cannot_be_made() =>
        Plan(Writable()).Should().Equal(BlockedAtTop.Select(name => $"Block {name}"));

    [Test]
    public void Protected_names_below_are_found_and_every_folder_above_them_is_pinned() =>
        Below(Plan(Writable(), "a/", "a/b/", "a/b/.git/", "a/b/.git/config", "a/c/"))
            .Should().Equal("Open a/", "Open a/b/", "Open a/b/.git/", "Lock a/b/.git/config", "Block a/b/.git/hooks/");

    [Test]
    public void In_a_repository_only_what_runs_is_locked() =>
        Below(Plan(Writable(), ".git/", ".git/config", ".git/hooks/", ".git/HEAD", ".git/objects/", ".claude/", ".claude/agents/", ".claude/settings.json"))
            .Should().Equal("Open .claude/", "Open .git/", "Lock .claude/agents/", "Block .claude/commands/", "Lock .git/config", "Lock .git/hooks/");

    [Test]
    public void Only_what_is_allowed_can_be_written_and_a_denial_beats_it()
    {
        var mount = Writable() with { AllowWrite = ["out", "src/gen"], DenyWrite = ["out/keep", "**/*.lock"], DenyRead = ["out/secret"] };
        new MountRules(mount).IsRootWritable.Should().BeFalse();
        Plan(mount, "out/", "out/keep/", "out/keep/deep/", "out/secret", "out/a.lock", "out/b", "src/", "src/gen/", "src/a.lock", ".bashrc")
            .Where(step => !step.StartsWith("Block ", StringComparison.Ordinal))
            .Should().Equal("Open out/", "Lock out/a.lock", "Lock out/keep/", "Hide out/secret", "Open src/gen/");
    }

    [Test]
    public void The_tops_of_what_is_allowed_are_protected_like_the_folder_itself() =>
        Plan(Writable() with { AllowWrite = ["out"] }, "out/").Should().Contain("Block out/.git/").And.Contain("Block out/.bashrc")
            .And.NotContain("Block .git/", "nobody can make anything there");

    [TestCase(".env", "Block .env")]
    [TestCase("a/.env", "Block a/.env")]
    [TestCase("new/deep/.env", "Block new/", Description = "the uppermost part that is missing")]
    [TestCase("f/x", null, Description = "below a file nothing can be made")]
    public void A_denied_path_that_is_not_there_cannot_be_made(string denied, string? step)
    {
        var plan = Plan(Writable() with { DenyWrite = [denied] }, "a/", "f").Where(one => !BlockedAtTop.Contains(one[6..]));
        plan.Where(one => one.StartsWith("Block ", StringComparison.Ordinal)).Should().Equal(step is null ? [] : [step]);
    }

    [Test]
    public void Nothing_below_what_is_denied_is_opened_again() =>
        Below(Plan(Writable() with { AllowWrite = [".", "a/b"], DenyWrite = ["a"] }, "a/", "a/b/", "a/b/c")).Should().Equal("Lock a/");

    [TestCase("*.pem", "a.pem", true)]
    [TestCase("*.pem", "d/a.pem", false)]
    [TestCase("**/*.pem", "a.pem", true)]
    [TestCase("**/*.pem", "d/e/a.pem", true)]
    [TestCase("d/**", "d/e/f", true)]
    [TestCase("d/**/f", "d/f", true)]
    [TestCase("d/?", "d/e", true)]
    [TestCase("d/?", "d/ee", false)]
    [TestCase("secrets/", "secrets", true)]
    [TestCase("./secrets", "secrets", true)]
    [TestCase("Secrets", "secrets", false)]
    [TestCase("a\\*", "a\\b", true, Description = "a backslash is a letter of a name")]
    public void Patterns_match_whole_paths(string pattern, string path, bool matches) => PathPattern.Parse(pattern).Matches(path).Should().Be(matches);

    [TestCase("", true, false)]
    [TestCase("a/b/c", true, true)]
    [TestCase("a/b/c/d", true, false, Description = "deeper than protected names are looked for")]
    [TestCase("node_modules", true, false)]
    [TestCase("a/b/c/d/.git", true, true, Description = "what is in it is asked for by name")]
    [TestCase(".git/objects", true, false)]
    [TestCase("a", false, false)]
    public void A_search_goes_only_where_something_can_be_found(string folder, bool writable, bool looks) =>
        new MountRules(new HostMount { Access = writable ? "write" : "read" }).LooksInto(folder).Should().Be(looks || (folder.Length == 0 && writable));

    [Test]
    public void Patterns_are_looked_for_deeper() =>
        new MountRules(new HostMount { DenyRead = ["**/x"] }).LooksInto("a/b/c/d/e/f/node_modules").Should().BeTrue();

    private static HostMount Writable() => new() { Access = "write" };

    private static IEnumerable<string> Below(IEnumerable<string> plan) => plan.Where(step => !BlockedAtTop.Contains(step[6..]) || !step.StartsWith("Block ", StringComparison.Ordinal));

    /// <param name="mount">The rules.</param>
    /// <param name="entries">Paths; folders end with a slash, links with @.</param>
    private static List<string> Plan(HostMount mount, params string[] entries) =>
        [.. new MountRules(mount).Plan(entries.ToDictionary(entry => entry.TrimEnd('/', '@'), entry => entry[^1] switch { '/' => EntryKind.Folder, '@' => EntryKind.Link, _ => EntryKind.File }))
            .Select(step => $"{step.Action} {step.Path}{(step.IsFolder ? "/" : "")}")];
}
