using KernelGateway.Core.Provisioning;

namespace KernelGateway.Core.Egress;

/// <summary>The environment variables by which programs find a proxy, in all spellings that are about.</summary>
internal static class ProxyVariables
{
    private const string NotProxied = "localhost,127.0.0.1,::1";

    internal static Dictionary<string, string> For(IEgressDoor door) => new()
    {
        ["HTTP_PROXY"] = door.HttpProxy,
        ["http_proxy"] = door.HttpProxy,
        ["HTTPS_PROXY"] = door.HttpProxy,
        ["https_proxy"] = door.HttpProxy,
        ["FTP_PROXY"] = door.HttpProxy,
        ["ftp_proxy"] = door.HttpProxy,
        ["GRPC_PROXY"] = door.HttpProxy,
        ["grpc_proxy"] = door.HttpProxy,
        ["ALL_PROXY"] = door.SocksProxy,
        ["all_proxy"] = door.SocksProxy,
        ["NO_PROXY"] = NotProxied,
        ["no_proxy"] = NotProxied,
        // Node ignores the others without it.
        ["NODE_USE_ENV_PROXY"] = "1",
    };
}
