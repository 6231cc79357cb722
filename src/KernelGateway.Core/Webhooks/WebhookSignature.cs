using System.Buffers.Text;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using KernelGateway.Core.Errors;

namespace KernelGateway.Core.Webhooks;

/// <summary>Keys and signatures as in the Standard Webhooks specification: HMAC-SHA256 over <c>id.timestamp.body</c>.</summary>
internal static class WebhookSignature
{
    private const string Prefix = "whsec_";
    private const int LeastBytes = 24;
    private const int MostBytes = 64;

    public static string NewSecret() => Prefix + Convert.ToBase64String(RandomNumberGenerator.GetBytes(32));

    /// <exception cref="GatewayException"><see cref="ErrorCode.InvalidArgument"/>: it is none.</exception>
    public static string Check(string secret)
    {
        var rest = secret.StartsWith(Prefix, StringComparison.Ordinal) ? secret[Prefix.Length..] : "";
        return rest.Length <= 2 * MostBytes && Base64.IsValid(rest, out var bytes) && bytes is >= LeastBytes and <= MostBytes
            ? secret
            : throw new GatewayException(ErrorCode.InvalidArgument, $"'secret' must be '{Prefix}' and {LeastBytes} to {MostBytes} random bytes in Base64. Leave it out to have one made.", "secret");
    }

    /// <summary>The header <c>webhook-signature</c>.</summary>
    public static string Of(string secret, string id, long timestamp, ReadOnlySpan<byte> body)
    {
        using var hmac = IncrementalHash.CreateHMAC(HashAlgorithmName.SHA256, Convert.FromBase64String(secret[Prefix.Length..]));
        hmac.AppendData(Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{id}.{timestamp}.")));
        hmac.AppendData(body);
        return "v1," + Convert.ToBase64String(hmac.GetHashAndReset());
    }
}
