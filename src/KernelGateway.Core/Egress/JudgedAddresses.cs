using System.Net;
using System.Net.Sockets;
using KernelGateway.Core.Policies;

namespace KernelGateway.Core.Egress;

/// <summary>From the addresses of a name to a connection: each is judged, and only one that was judged is dialled.</summary>
internal static class JudgedAddresses
{
    private const int MaxTried = 4;

    /// <summary>The addresses that the rules allow; when they allow none, the verdict on the first.</summary>
    internal static (IReadOnlyList<IPAddress> Allowed, NetworkVerdict Verdict) Judge(NetworkGuard guard, NetworkRules rules, Destination destination, IEnumerable<IPAddress> found)
    {
        var own = guard.OwnAddresses();
        var judged = found.Select(NetworkGuard.Plain).Distinct().Select(address => (Address: address, Verdict: rules.Decide(destination, address, own))).ToList();
        var allowed = judged.Where(one => one.Verdict.Allowed).Select(one => one.Address).Take(MaxTried).ToList();
        return (allowed, allowed.Count > 0 ? NetworkVerdict.Allow
            : judged.Count > 0 ? judged[0].Verdict
            : NetworkVerdict.Deny("no address", $"The name {destination.Host.Name} has no address."));
    }

    /// <summary>Connects to the first that answers.</summary>
    /// <exception cref="SocketException">None does; this is what the last one said.</exception>
    internal static async Task<Socket> DialAsync(IReadOnlyList<IPAddress> addresses, int port, CancellationToken cancellationToken)
    {
        for (var i = 0; ; i++)
        {
            var socket = new Socket(addresses[i].AddressFamily, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            try
            {
                await socket.ConnectAsync(new IPEndPoint(addresses[i], port), cancellationToken);
                return socket;
            }
            catch (Exception e)
            {
                socket.Dispose();
                if (e is not SocketException || i == addresses.Count - 1)
                {
                    throw;
                }
            }
        }
    }
}
