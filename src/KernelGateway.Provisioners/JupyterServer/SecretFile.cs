using KernelGateway.Core.Errors;

namespace KernelGateway.Provisioners.JupyterServer;

/// <summary>A secret of the configuration, given itself or as the name of a file.</summary>
internal static class SecretFile
{
    private const int MaxBytes = 16 << 10;

    /// <exception cref="GatewayException"><see cref="ErrorCode.HostNotReady"/>: the file cannot be read.</exception>
    internal static string Read(string secret, string file, string setting)
    {
        if (file.Length == 0)
        {
            return secret;
        }

        try
        {
            using var stream = File.OpenRead(file);
            var bytes = new byte[MaxBytes];
            var text = System.Text.Encoding.UTF8.GetString(bytes, 0, stream.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false)).Trim();
            return text.All(c => c is > ' ' and <= '~')
                ? text
                : throw new GatewayException(ErrorCode.HostNotReady, $"The file of {setting} must hold one line of printable ASCII without spaces.");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new GatewayException(ErrorCode.HostNotReady, $"The file of {setting} cannot be read: {e.Message}", inner: e);
        }
    }
}
