using System.Buffers.Binary;
using System.Globalization;
using System.Net;
using System.Text;

namespace KernelGateway.Core.Egress;

/// <summary>SOCKS 5 (RFC 1928) with names and no authentication: who asks is known by the socket.</summary>
internal static class Socks5Exchange
{
    private const byte Version = 5;
    private const byte NoAuthentication = 0;
    private const byte NoMethod = 0xFF;
    private const byte Connect = 1;

    internal static async Task RunAsync(EgressConnection connection)
    {
        var greeting = await connection.Input.ExactlyAsync(2, connection.Life);
        var methods = await connection.Input.ExactlyAsync(greeting[1], connection.Life);
        if (!methods.Contains(NoAuthentication))
        {
            await connection.Client.WriteAsync(new byte[] { Version, NoMethod }, connection.Life);
            return;
        }

        await connection.Client.WriteAsync(new[] { Version, NoAuthentication }, connection.Life);
        var request = await connection.Input.ExactlyAsync(4, connection.Life);
        byte reply;
        try
        {
            var host = request[0] == Version ? await ReadHostAsync(connection, request[3]) : null;
            if (host is null)
            {
                await ReplyAsync(connection, 8); // An address of a kind that does not exist: what follows cannot be read.
                return;
            }

            var port = BinaryPrimitives.ReadUInt16BigEndian(await connection.Input.ExactlyAsync(2, connection.Life));
            if (request[1] != Connect)
            {
                await ReplyAsync(connection, 7);
                return;
            }

            using var server = await connection.ReachAsync(connection.Where(string.Create(CultureInfo.InvariantCulture, $"{host}:{port}"), 0));
            await ReplyAsync(connection, 0);
            await Relay.TunnelAsync(connection, server);
            return;
        }
        catch (EgressRefusedException refused)
        {
            reply = refused.Kind switch
            {
                RefusalKind.Denied => 2,
                RefusalKind.Unresolved => 4,
                RefusalKind.Unreachable => 5,
                RefusalKind.TimedOut => 6,
                _ => 1,
            };
        }

        await ReplyAsync(connection, reply);
    }

    private static async Task<string?> ReadHostAsync(EgressConnection connection, byte kind)
    {
        switch (kind)
        {
            case 1:
                return new IPAddress(await connection.Input.ExactlyAsync(4, connection.Life)).ToString();
            case 3:
                var length = await connection.Input.ExactlyAsync(1, connection.Life);
                // Latin-1 keeps every byte apart; what is no name is refused as such.
                return Encoding.Latin1.GetString(await connection.Input.ExactlyAsync(length[0], connection.Life));
            case 4:
                return $"[{new IPAddress(await connection.Input.ExactlyAsync(16, connection.Life))}]";
            default:
                return null;
        }
    }

    private static ValueTask ReplyAsync(EgressConnection connection, byte code) =>
        connection.Client.WriteAsync(new byte[] { Version, code, 0, 1, 0, 0, 0, 0, 0, 0 }, connection.Life);
}
