using System.Security.Cryptography;
using System.Text;

namespace KernelGateway.Jupyter.Messaging;

/// <summary>
/// Signs and checks messages with HMAC-SHA256 over header, parent header, metadata and content (Jupyter messaging
/// protocol, "The wire protocol"). Buffers are not covered by the protocol's signature. With an empty key nothing is
/// signed and nothing is refused. Safe for use by several threads, one after the other.
/// </summary>
public sealed class MessageSigner : IDisposable
{
    /// <summary>The only scheme supported; the only one in use.</summary>
    public const string Scheme = "hmac-sha256";

    /// <summary>The length of a signature: 64 hexadecimal digits.</summary>
    public const int SignatureBytes = 64;

    private readonly Lock _gate = new();
    private readonly IncrementalHash? _hmac;

    /// <summary>Makes a signer for the key of a connection file.</summary>
    /// <param name="key">The key's text; empty for unsigned messages.</param>
    public MessageSigner(string key)
    {
        ArgumentNullException.ThrowIfNull(key);
        _hmac = key.Length == 0 ? null : IncrementalHash.CreateHMAC(HashAlgorithmName.SHA256, Encoding.UTF8.GetBytes(key));
    }

    /// <summary>Whether messages are signed at all.</summary>
    public bool IsSigning => _hmac is not null;

    /// <summary>The signature frame for a message: 64 lower-case hexadecimal digits, or nothing without a key.</summary>
    /// <param name="message">The message to sign.</param>
    public ReadOnlyMemory<byte> Sign(JupyterMessage message)
    {
        ArgumentNullException.ThrowIfNull(message);
        if (_hmac is null)
        {
            return default;
        }

        var signature = new byte[SignatureBytes];
        Compute(
            message.HeaderBytes.Span, message.ParentHeaderBytes.Span, message.MetadataBytes.Span, message.ContentBytes.Span, signature);
        return signature;
    }

    /// <summary>Whether a signature belongs to the four frames. Takes the same time wherever the first difference is.</summary>
    /// <param name="signature">The signature frame as it came.</param>
    /// <param name="header">The header's frame.</param>
    /// <param name="parentHeader">The parent header's frame.</param>
    /// <param name="metadata">The metadata's frame.</param>
    /// <param name="content">The content's frame.</param>
    public bool Verify(
        ReadOnlySpan<byte> signature,
        ReadOnlySpan<byte> header,
        ReadOnlySpan<byte> parentHeader,
        ReadOnlySpan<byte> metadata,
        ReadOnlySpan<byte> content)
    {
        if (_hmac is null)
        {
            return true;
        }

        // Before hashing: a wrong length needs no secret to be refused.
        if (signature.Length != SignatureBytes)
        {
            return false;
        }

        Span<byte> expected = stackalloc byte[SignatureBytes];
        Compute(header, parentHeader, metadata, content, expected);
        return CryptographicOperations.FixedTimeEquals(expected, signature);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_gate)
        {
            _hmac?.Dispose();
        }
    }

    private void Compute(
        ReadOnlySpan<byte> header,
        ReadOnlySpan<byte> parentHeader,
        ReadOnlySpan<byte> metadata,
        ReadOnlySpan<byte> content,
        Span<byte> hex)
    {
        Span<byte> mac = stackalloc byte[HMACSHA256.HashSizeInBytes];
        lock (_gate)
        {
            _hmac!.AppendData(header);
            _hmac.AppendData(parentHeader);
            _hmac.AppendData(metadata);
            _hmac.AppendData(content);
            _hmac.GetHashAndReset(mac);
        }

        Convert.TryToHexStringLower(mac, hex, out _);
    }
}
