using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using KernelGateway.Provisioners.Containers;

namespace KernelGateway.Provisioners.Docker;

/// <summary>What one sandbox has on the host besides its container.</summary>
/// <param name="Id">Its id.</param>
/// <param name="Slot">Its range of uids.</param>
/// <param name="Folders">Its folders.</param>
/// <param name="Container">The name of its container, which exists or not: known before it is made, so that it can be removed whatever happens.</param>
internal sealed record DockerSandbox(string Id, int Slot, ContainerFolders.SandboxFolders Folders, string Container) : ContainerSandbox(Id, Slot, Folders)
{
    /// <summary>On every container of a gateway: its state folder.</summary>
    internal const string OwnerLabel = "kernelgateway.state";

    /// <summary>The id of the sandbox that a container is of.</summary>
    internal const string IdLabel = "kernelgateway.sandbox";

    private const UnixFileMode ReadAll = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.OtherRead;

    /// <summary>Several gateways may use one engine: the state folder is in the name too.</summary>
    internal static string NameOf(string stateFolder, string id)
    {
        var owner = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(stateFolder)))[..8];
        return $"kernel-gateway-{owner}-{id}";
    }

    /// <summary>Where a file for its <c>/etc</c> lies; of root, so that nobody inside can change it.</summary>
    internal string EtcFile(string name) => Path.Combine(Folders.Bundle, name);

    /// <summary>Writes what its <c>/etc</c> gets: a user of that number, no name server, nothing of the host.</summary>
    internal void WriteEtc(uint uid)
    {
        var user = uid.ToString(CultureInfo.InvariantCulture);
        Write("passwd", $"root:x:0:0:root:/nonexistent:/usr/sbin/nologin\nkernel:x:{user}:{user}:kernel:{ContainerPolicy.Workspace}:/bin/bash\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n");
        Write("group", $"root:x:0:\nkernel:x:{user}:\nnogroup:x:65534:\n");
        Write("hosts", $"127.0.0.1 localhost {SharedFiles.Hostname}\n::1 localhost\n");
        Write("resolv.conf", "");
    }

    private void Write(string name, string text)
    {
        File.WriteAllText(EtcFile(name), text);
        File.SetUnixFileMode(EtcFile(name), ReadAll);
    }
}
