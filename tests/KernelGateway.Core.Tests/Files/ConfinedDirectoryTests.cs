using KernelGateway.Core.Files;
using KernelGateway.Core.Tests.Support;
using Microsoft.Win32.SafeHandles;

namespace KernelGateway.Core.Tests.Files;

[TestFixture]
public sealed class ConfinedDirectoryTests
{
    private TemporaryFolder _outside = null!;
    private ConfinedDirectory _directory = null!;

    private string Root => _outside.Of("root");

    [SetUp]
    public void Open()
    {
        _outside = new TemporaryFolder();
        File.WriteAllText(_outside.Of("secret"), "secret");
        Directory.CreateDirectory(Path.Combine(Root, "sub"));
        File.WriteAllText(Path.Combine(Root, "sub", "file"), "inside");
        ConfinedDirectory.TryOpen(Root, out ConfinedDirectory? directory).Should().Be(PosixError.None);
        _directory = directory!;
    }

    [TearDown]
    public void Close()
    {
        _directory.Dispose();
        _outside.Dispose();
    }

    [Test]
    public void A_file_below_the_folder_opens_and_is_described()
    {
        _directory.TryOpenFile("sub/file", out SafeFileHandle? file).Should().Be(PosixError.None);
        using (file)
        {
            ConfinedDirectory.Describe(file!).Should().Be(new FileFacts(true, Posix.Uid, 1, 6));
        }
    }

    [TestCase("../secret", PosixError.LeavesFolder)]
    [TestCase("sub/../../secret", PosixError.LeavesFolder)]
    [TestCase("/etc/passwd", PosixError.LeavesFolder)]
    [TestCase("nothing", PosixError.NotFound)]
    [TestCase("", PosixError.NotFound)]
    [TestCase("sub/file\0x", PosixError.NotFound)]
    [TestCase("sub/file/x", PosixError.NotAFolder)]
    public void A_path_that_leads_elsewhere_is_refused(string path, PosixError expected)
    {
        _directory.TryOpenFile(path, out SafeFileHandle? file).Should().Be(expected);
        file.Should().BeNull();
    }

    [Test]
    public void Links_are_followed_neither_at_the_end_of_a_path_nor_within()
    {
        File.CreateSymbolicLink(Path.Combine(Root, "link"), "sub/file");
        Directory.CreateSymbolicLink(Path.Combine(Root, "folder"), "sub");
        _directory.TryOpenFile("link", out _).Should().Be(PosixError.SymbolicLink);
        _directory.TryOpenFile("folder/file", out _).Should().Be(PosixError.SymbolicLink);
    }

    [Test]
    public void A_folder_replaced_after_opening_is_not_noticed_from_within()
    {
        Directory.Move(Root, _outside.Of("moved"));
        Directory.CreateSymbolicLink(Root, "/etc");
        _directory.TryOpenFile("passwd", out _).Should().Be(PosixError.NotFound);
        _directory.TryOpenFile("sub/file", out SafeFileHandle? file).Should().Be(PosixError.None);
        file!.Dispose();
    }

    [Test]
    public void Removing_a_link_leaves_what_it_points_to()
    {
        File.CreateSymbolicLink(Path.Combine(Root, "link"), _outside.Of("secret"));
        _directory.Unlink("link").Should().Be(PosixError.None);
        _directory.Unlink("link").Should().Be(PosixError.NotFound);
        _directory.Unlink("../secret").Should().Be(PosixError.LeavesFolder);
        _directory.Unlink("sub").Should().Be(PosixError.IsAFolder);
        File.Exists(_outside.Of("secret")).Should().BeTrue();
    }

    [Test]
    public void Listing_gives_all_names_up_to_the_limit()
    {
        string[] names = Enumerable.Range(0, 1000).Select(number => $"a rather long name to fill the buffer with {number}").ToArray();
        foreach (string name in names)
        {
            File.WriteAllText(Path.Combine(Root, name), string.Empty);
        }

        _directory.List(10_000).Should().BeEquivalentTo(names.Append("sub"));
        _directory.List(10_000).Should().HaveCount(1001, "each listing begins anew");
        _directory.List(17).Should().HaveCount(17);
    }

    [Test]
    public void A_folder_that_is_a_link_or_missing_does_not_open()
    {
        Directory.CreateSymbolicLink(_outside.Of("link"), Root);
        ConfinedDirectory.TryOpen(_outside.Of("link"), out _).Should().Be(PosixError.NotAFolder);
        ConfinedDirectory.TryOpen(_outside.Of("missing"), out _).Should().Be(PosixError.NotFound);
        ConfinedDirectory.TryOpen(_outside.Of("secret"), out _).Should().Be(PosixError.NotAFolder);
    }
}
