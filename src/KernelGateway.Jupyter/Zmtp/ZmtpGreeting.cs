namespace KernelGateway.Jupyter.Zmtp;

/// <summary>The 64 bytes that begin a connection (RFC 23 and 37, section "Version Negotiation").</summary>
internal static class ZmtpGreeting
{
    public const int Size = 64;

    private const int MajorAt = 10;
    private const int MinorAt = 11;
    private const int MechanismAt = 12;
    private const int MechanismSize = 20;

    private static ReadOnlySpan<byte> Null => "NULL\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"u8;

    /// <summary>Ours: version 3.1, mechanism NULL, client.</summary>
    public static byte[] Make()
    {
        var greeting = new byte[Size];
        greeting[0] = 0xFF;
        greeting[9] = 0x7F;
        greeting[MajorAt] = 3;
        greeting[MinorAt] = 1;
        Null.CopyTo(greeting.AsSpan(MechanismAt));
        return greeting;
    }

    /// <summary>
    /// Checks as much as has come: a peer of an older version or of another protocol stops sending early, waiting for
    /// an answer that makes sense to it.
    /// </summary>
    public static void Check(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length > 0 && bytes[0] != 0xFF)
        {
            // ZMTP 1.0 begins with the identity as a frame: its length plus one, then flags that are zero.
            if (bytes[0] == 0 || (bytes.Length > 1 && bytes[1] != 0))
            {
                throw ZmtpException.Violation("The peer does not begin with a ZMTP greeting.");
            }

            if (bytes.Length > 1)
            {
                throw new ZmtpException(ZmtpErrorKind.UnsupportedVersion, "The peer seems to speak ZMTP 1.0; version 3 is needed.");
            }
        }

        if (bytes.Length > 9 && (bytes[9] & 1) == 0)
        {
            throw new ZmtpException(ZmtpErrorKind.UnsupportedVersion, "The peer seems to speak ZMTP 1.0; version 3 is needed.");
        }

        if (bytes.Length > MajorAt && bytes[MajorAt] < 3)
        {
            throw new ZmtpException(ZmtpErrorKind.UnsupportedVersion, $"The peer speaks ZMTP revision {bytes[MajorAt]}; version 3 is needed.");
        }

        if (bytes.Length >= MechanismAt + MechanismSize && !bytes.Slice(MechanismAt, MechanismSize).SequenceEqual(Null))
        {
            throw new ZmtpException(ZmtpErrorKind.UnsupportedMechanism, "The peer asks for a security mechanism other than NULL.");
        }
    }

    /// <summary>Whether the peer knows the commands of 3.1.</summary>
    public static bool Knows31(ReadOnlySpan<byte> greeting) => greeting[MajorAt] > 3 || greeting[MinorAt] >= 1;
}
