using System.Text.RegularExpressions;
using KernelGateway.Core.Errors;
using KernelGateway.Provisioners.Remote;
using KernelGateway.Provisioners.Tests.Support;

namespace KernelGateway.Provisioners.Tests.Remote;

/// <summary>What is sent to kernels of other servers is all that there is for them.</summary>
public sealed partial class RemoteSourcesTests
{
    [Test]
    public void Every_module_is_sent_and_none_before_those_that_it_imports()
    {
        var sources = RemoteSources.Read(Repository.Launcher);

        var sent = Sent().Matches(sources.Install).Select(match => match.Groups[1].Value).ToList();
        sent.Should().BeEquivalentTo(Files("remote_*.py").Select(Path.GetFileNameWithoutExtension));
        foreach (var (module, place) in sent.Select((module, place) => (module, place)))
        {
            Imports(File.ReadAllText(Path.Combine(Repository.Launcher, module + ".py"))).Should().BeSubsetOf(sent.Take(place), "{0} imports them", module);
        }
    }

    [Test]
    public void The_agent_of_commands_is_sent_with_all_that_it_imports()
    {
        var agent = RemoteSources.Read(Repository.Launcher).Agent.ToDictionary(file => file.Key, file => (string)file.Value!);

        agent.Keys.Should().Contain(["agent.py", "agent_commands.py", "kernel_log.py"]).And.Contain(Files("agent_*.py").Select(Path.GetFileName));
        agent.Values.SelectMany(Imports).Select(module => module + ".py").Should().BeSubsetOf(agent.Keys);
    }

    [Test]
    public void A_folder_without_the_launcher_is_named()
    {
        using var folder = new StateFolder();
        FluentActions.Invoking(() => RemoteSources.Read(folder.Path)).Should().Throw<GatewayException>().Which.Message.Should().Contain(folder.Path);
    }

    private static string[] Files(string pattern) => Directory.GetFiles(Repository.Launcher, pattern);

    private static IEnumerable<string> Imports(string source) => Import().Matches(source).Select(match => match.Groups[1].Value);

    [GeneratedRegex(@"\[\\?""(remote_\w+)\\?"",")]
    private static partial Regex Sent();

    [GeneratedRegex(@"^\s*(?:from|import) ((?:remote|agent|kernel)_\w+)", RegexOptions.Multiline)]
    private static partial Regex Import();
}
