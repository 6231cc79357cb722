using Newtonsoft.Json.Linq;

namespace KernelGateway.Jupyter.Tests.Files;

[Parallelizable(ParallelScope.All)]
public sealed class ConnectionFileTests
{
    [Test]
    public async Task What_is_written_is_what_is_read_and_only_its_owner_may_read_it()
    {
        using var folder = TemporaryFolder.ForEverybody();
        var written = ConnectionFile.ForIpc(folder.Of("k")) with { KernelName = "python3" };
        await written.WriteAsync(folder.Of("c.json"));
        (await ConnectionFile.ReadAsync(folder.Of("c.json"))).Should().Be(written);
        File.GetUnixFileMode(folder.Of("c.json")).Should().Be(UnixFileMode.UserRead | UnixFileMode.UserWrite);
        await written.Awaiting(w => w.WriteAsync(folder.Of("c.json"))).Should().ThrowAsync<IOException>("it is there already");
    }

    [Test]
    public void Endpoints_are_those_of_the_transport()
    {
        ConnectionFile.ForIpc("/run/k").Endpoint(KernelChannel.Heartbeat).Should().Be("ipc:///run/k-5");
        var tcp = ConnectionFile.ForLoopback();
        tcp.Endpoint(KernelChannel.Shell).Should().Be($"tcp://127.0.0.1:{tcp.ShellPort}");
        (tcp with { Ip = "::1" }).Endpoint(KernelChannel.Iopub).Should().Be($"tcp://[::1]:{tcp.IopubPort}");
        Enum.GetValues<KernelChannel>().Select(tcp.Endpoint).Should().OnlyHaveUniqueItems();
    }

    [Test]
    public void The_key_is_long_new_each_time_and_never_shown()
    {
        var file = ConnectionFile.ForIpc("/run/k");
        file.Key.Should().HaveLength(64).And.NotBe(ConnectionFile.ForIpc("/run/k").Key);
        file.ToString().Should().NotContain(file.Key);
    }

    [Test]
    public void A_file_of_an_old_kernel_without_transport_and_scheme_is_read()
    {
        var file = ConnectionFile.Parse("""
            {"ip":"127.0.0.1","shell_port":1,"iopub_port":2,"stdin_port":3,"control_port":4,"hb_port":5,"key":"","jupyter_session":"x"}
            """);
        (file.Transport, file.SignatureScheme, file.Key).Should().Be(("tcp", "hmac-sha256", ""));
    }

    [TestCase("transport", "\"udp\"", "*transport*udp*")]
    [TestCase("ip", "\"\"", "*ip*")]
    [TestCase("ip", "\"a\\u0000b\"", "*ip*")]
    [TestCase("ip", "7", "*ip*")]
    [TestCase("shell_port", "\"1\"", "*shell_port*")]
    [TestCase("shell_port", "0", "*1 to 65535*")]
    [TestCase("shell_port", "65536", "*1 to 65535*")]
    [TestCase("shell_port", "99999999999999999999999999", "*shell_port*")]
    [TestCase("shell_port", "2", "*different*")]
    [TestCase("hb_port", "null", "*hb_port*")]
    [TestCase("signature_scheme", "\"hmac-md5\"", "*hmac-md5*hmac-sha256*")]
    public void What_is_wrong_is_said(string field, string value, string expected)
    {
        var json = ConnectionFile.ForIpc("/run/k").ToJson();
        json[field] = JToken.Parse(value);
        FluentActions.Invoking(() => ConnectionFile.Parse(json.ToString())).Should().Throw<InvalidKernelFileException>().WithMessage(expected);
    }

    [TestCase("")]
    [TestCase("[]")]
    [TestCase("{")]
    [TestCase("not json")]
    public void What_is_no_connection_file_is_refused(string text) =>
        FluentActions.Invoking(() => ConnectionFile.Parse(text)).Should().Throw<InvalidKernelFileException>();
}
