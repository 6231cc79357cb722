using System.Buffers.Binary;
using System.Text;

namespace KernelGateway.Jupyter.Tests.Zmtp;

/// <summary>ZMTP bytes written down a second time, from the specification and not by the code under test.</summary>
public static class Wire
{
    public static byte[] Greeting(byte major = 3, byte minor = 1, string mechanism = "NULL")
    {
        var bytes = new byte[64];
        bytes[0] = 0xFF;
        bytes[9] = 0x7F;
        bytes[10] = major;
        bytes[11] = minor;
        Encoding.ASCII.GetBytes(mechanism).CopyTo(bytes, 12);
        return bytes;
    }

    public static byte[] Ready(string socketType, params (string Name, byte[] Value)[] more) =>
        Command("READY", [.. Property("Socket-Type", Encoding.ASCII.GetBytes(socketType)), .. more.SelectMany(p => Property(p.Name, p.Value))]);

    public static byte[] Property(string name, byte[] value) =>
        [(byte)name.Length, .. Encoding.ASCII.GetBytes(name), .. BigEndian((uint)value.Length), .. value];

    public static byte[] Command(string name, params byte[] data) =>
        Frame(4, [(byte)name.Length, .. Encoding.ASCII.GetBytes(name), .. data]);

    public static byte[] Message(params byte[][] frames) =>
        [.. frames.SelectMany((frame, i) => Frame(i < frames.Length - 1 ? 1 : 0, frame))];

    public static byte[] Message(params string[] frames) => Message([.. frames.Select(Encoding.UTF8.GetBytes)]);

    /// <summary>One frame, in the long form when it must be or is asked for.</summary>
    public static byte[] Frame(int flags, byte[] body, bool asLong = false) =>
        [.. Header(flags, body.Length, asLong), .. body];

    public static byte[] Header(int flags, long length, bool asLong = false)
    {
        if (length <= 255 && !asLong)
        {
            return [(byte)flags, (byte)length];
        }

        var header = new byte[9];
        header[0] = (byte)(flags | 2);
        BinaryPrimitives.WriteInt64BigEndian(header.AsSpan(1), length);
        return header;
    }

    private static byte[] BigEndian(uint value)
    {
        var bytes = new byte[4];
        BinaryPrimitives.WriteUInt32BigEndian(bytes, value);
        return bytes;
    }
}
