using System.Net;
using System.Text.Json;

namespace KernelGateway.EndToEnd.Tests;

/// <summary>A gateway that is not root.</summary>
public sealed class OrdinaryUserTests
{
    private const string Uid = "54321";

    [Test]
    public async Task Started_by_an_ordinary_user_it_says_exactly_what_local_lacks()
    {
        const string SetPriv = "/usr/bin/setpriv";
        Requires.LocalVariant();
        Requires.Program(SetPriv);

        var folder = Directory.CreateTempSubdirectory("kg-").FullName;
        await ChildProcess.MustRunAsync("chown", $"{Uid}:{Uid}", folder);
        await using var gateway = await GatewayProcess.StartOnAsync(folder, [SetPriv, $"--reuid={Uid}", $"--regid={Uid}", "--clear-groups", "--no-new-privs"]);
        using var http = new HttpClient { BaseAddress = gateway.Address };
        using var answer = await http.GetAsync("/health/ready");
        answer.StatusCode.Should().Be(HttpStatusCode.ServiceUnavailable);
        using var ready = JsonDocument.Parse(await answer.Content.ReadAsStringAsync());
        var reason = ready.RootElement.GetProperty("variants").GetProperty("local").GetProperty("reason").GetString();
        reason.Should().Contain($"ordinary user {Uid}")
            .And.Contain("a range of 16384 ids in /etc/subuid (it has 0)").And.Contain("/etc/subgid")
            .And.Contain("control groups delegated to it").And.Contain("mount disks").And.Contain("as root");
    }
}
