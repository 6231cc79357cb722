using KernelGateway.Provisioners.Docker;
using KernelGateway.Provisioners.Tests.Support;

namespace KernelGateway.Provisioners.Tests.Docker;

/// <summary>One Docker engine for all fixtures here: bringing an image into it takes seconds.</summary>
[SetUpFixture]
public sealed class SharedDaemon
{
    private static DockerDaemon? s_daemon;

    /// <summary>Skips the test where no engine can be had.</summary>
    internal static async Task<DockerDaemon> GetAsync()
    {
        var missing = DockerDaemon.Missing();
        Requires.Demand(missing is null, missing ?? "");
        return s_daemon ??= await DockerDaemon.StartNewAsync(Repository.Root);
    }

    /// <summary>Settings for sandboxes on an engine of the tests.</summary>
    internal static DockerProvisionerOptions OptionsFor(DockerDaemon daemon, string state, string cgroupParent, uint uidBase) => new()
    {
        SocketPath = daemon.Socket,
        Image = DockerDaemon.Image,
        StateFolder = state,
        LauncherFolder = Repository.Launcher,
        CgroupParent = cgroupParent,
        UidBase = uidBase,
    };

    [OneTimeTearDown]
    public async Task EndDaemon()
    {
        if (s_daemon is not null)
        {
            await s_daemon.DisposeAsync();
        }
    }
}
