using System.Globalization;
using KernelGateway.Client;
using KernelGateway.EndToEnd.Tests.Support;

namespace KernelGateway.EndToEnd.Tests;

/// <summary>The wall as user code meets it; the provisioner's own tests look at it from outside, and closer.</summary>
public sealed class IsolationTests : GatewayFixture
{
    [Test]
    public async Task Code_has_no_network(CancellationToken cancellationToken)
    {
        await using var sandbox = await Sandbox.CreateAsync(Client, cancellationToken: cancellationToken);
        var result = await sandbox.RunCodeAsync(
            $$"""
            import socket
            def attempt(host, port):
                try:
                    socket.create_connection((host, port), 3)
                    return 'connected'
                except OSError as e:
                    return 'refused'
            print(attempt('127.0.0.1', {{Gateway.Address.Port}}), attempt('192.0.2.1', 80), attempt('example.org', 443))
            print([name for _, name in socket.if_nameindex()])
            """,
            cancellationToken: cancellationToken);
        result.Stdout.Should().Be("refused refused refused\n['lo']\n");
    }

    [Test]
    public async Task Code_sees_neither_the_hosts_files_nor_those_of_another_sandbox(CancellationToken cancellationToken)
    {
        var secret = Path.Combine(Path.GetTempPath(), $"kg-secret-{Guid.NewGuid():N}");
        await File.WriteAllTextAsync(secret, "secret", cancellationToken);
        try
        {
            await using var other = await Sandbox.CreateAsync(Client, cancellationToken: cancellationToken);
            (await other.RunCodeAsync("open('secret.txt', 'w').write('mine'); open('/tmp/secret.txt', 'w').write('mine')", cancellationToken: cancellationToken)).Success.Should().BeTrue();
            await using var sandbox = await Sandbox.CreateAsync(Client, cancellationToken: cancellationToken);
            var result = await sandbox.RunCodeAsync(
                $"""
                import os
                def seen(path):
                    try:
                        return os.path.exists(path) and (not os.path.isdir(path) or len(os.listdir(path)) > 0)
                    except PermissionError:
                        return False
                paths = ['{secret}', '{Gateway.DataFolder}', '{Gateway.DataFolder}/admin.key', '/root', '/home', '/var/lib', '/etc/shadow', '/proc/{Gateway.ProcessId}/environ', '/workspace/secret.txt', '/tmp/secret.txt']
                print([p for p in paths if seen(p)])
                print(os.listdir('/workspace'), sorted(p for p in os.listdir('/proc') if p.isdigit())[:1])
                """,
                cancellationToken: cancellationToken);
            result.Stdout.Should().Be("[]\n[] ['1']\n", $"it ended with {result.Error}");
        }
        finally
        {
            File.Delete(secret);
        }
    }

    [Test]
    public async Task Each_kernel_runs_as_a_user_of_its_own_that_is_nobody_on_the_host(CancellationToken cancellationToken)
    {
        await using var one = await Sandbox.CreateAsync(Client, cancellationToken: cancellationToken);
        await using var two = await Sandbox.CreateAsync(Client, cancellationToken: cancellationToken);
        (await one.RunCodeAsync("import os; os.getuid(), os.geteuid(), os.getgroups()", cancellationToken: cancellationToken)).Text.Should().Be("(1000, 1000, [])");

        var uids = new[] { one.Id, two.Id }.Select(KernelUid).ToList();
        uids.Should().OnlyHaveUniqueItems().And.OnlyContain(uid => uid >= 0x4000_0000);
        File.ReadLines("/etc/passwd").Select(line => line.Split(':')[2]).Should().NotContain(uids.Select(uid => uid.ToString(CultureInfo.InvariantCulture)));
    }

    /// <summary>The user on the host of the kernel, found by its control group.</summary>
    private static uint KernelUid(string sandboxId) => HostProcesses.ProcessesOf(sandboxId)
        .Where(pid => HostProcesses.CommandLineOf(pid).Contains("kernel.py", StringComparison.Ordinal))
        .Select(HostProcesses.UidOf)
        .Single()!.Value;
}
