using KernelGateway.Client;

namespace ConsoleReconnect;

/// <summary>Finds the key that a gateway on this machine left for tools of the same user.</summary>
internal static class LocalKey
{
    public static string? Find()
    {
        if (!string.IsNullOrEmpty(Environment.GetEnvironmentVariable(KernelGatewayClientOptions.ApiKeyVariable)))
        {
            // The SDK reads it itself.
            return null;
        }

        var home = Environment.GetEnvironmentVariable("XDG_DATA_HOME") is { Length: > 0 } data
            ? data
            : Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".local", "share");
        var file = Path.Combine(Environment.IsPrivilegedProcess ? "/var/lib" : home, "kernel-gateway", "admin.key");
        return File.Exists(file) ? File.ReadAllText(file).Trim() : null;
    }
}
