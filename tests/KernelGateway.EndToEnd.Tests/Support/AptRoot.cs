using System.Security.Cryptography;

namespace KernelGateway.EndToEnd.Tests.Support;

/// <summary>A system of its own for a real apt-get and dpkg, below a temporary folder, with a repository of one package: <c>kg-greeting</c>.</summary>
internal sealed class AptRoot : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("kg-apt-");

    private AptRoot()
    {
    }

    /// <summary>For the environment variable <c>APT_CONFIG</c>.</summary>
    public string Configuration => Path.Combine(_folder.FullName, "apt.conf");

    /// <summary>The program that the package brings.</summary>
    public string Greeting => Path.Combine(_folder.FullName, "root/usr/bin/kg-greeting");

    public static async Task<AptRoot> CreateAsync(CancellationToken cancellationToken)
    {
        var root = new AptRoot();
        var at = root._folder.FullName;
        foreach (var name in new[] { "root/var/lib/dpkg/info", "root/var/lib/dpkg/updates", "root/usr", "state/lists/partial", "cache/archives/partial", "etc/apt.conf.d", "etc/preferences.d", "etc/trusted.gpg.d", "log", "repository", "package/DEBIAN", "package/usr/bin" })
        {
            Directory.CreateDirectory(Path.Combine(at, name));
        }

        await File.WriteAllTextAsync(Path.Combine(at, "root/var/lib/dpkg/status"), "", cancellationToken);
        var control = "Package: kg-greeting\nVersion: 1.2\nArchitecture: all\nMaintainer: Tests <tests@localhost>\nDescription: A greeting\n";
        await File.WriteAllTextAsync(Path.Combine(at, "package/DEBIAN/control"), control, cancellationToken);
        var program = Path.Combine(at, "package/usr/bin/kg-greeting");
        await File.WriteAllTextAsync(program, "#!/bin/sh\necho good morning\n", cancellationToken);
        File.SetUnixFileMode(program, (UnixFileMode)0b111_101_101);
        var archive = Path.Combine(at, "repository/kg-greeting.deb");
        var (code, output) = await ChildProcess.RunAsync("/usr/bin/dpkg-deb", ["--root-owner-group", "-b", Path.Combine(at, "package"), archive], [], cancellationToken);
        code.Should().Be(0, output);
        var content = await File.ReadAllBytesAsync(archive, cancellationToken);
        await File.WriteAllTextAsync(
            Path.Combine(at, "repository/Packages"),
            $"{control}Filename: ./kg-greeting.deb\nSize: {content.Length}\nSHA256: {Convert.ToHexStringLower(SHA256.HashData(content))}\n", cancellationToken);
        await File.WriteAllTextAsync(Path.Combine(at, "etc/sources.list"), $"deb [trusted=yes] file:{at}/repository ./\n", cancellationToken);
        await File.WriteAllTextAsync(
            root.Configuration,
            $$"""
            Dir::State "{{at}}/state/"; Dir::State::status "{{at}}/root/var/lib/dpkg/status"; Dir::Cache "{{at}}/cache/"; Dir::Etc "{{at}}/etc/"; Dir::Log "{{at}}/log/";
            DPkg::Options { "--root={{at}}/root"; }; APT::Sandbox::User "root"; APT::Architectures "amd64,arm64";
            """,
            cancellationToken);
        return root;
    }

    public void Dispose() => _folder.Delete(recursive: true);
}
