using System.Net;
using System.Net.Sockets;
using KernelGateway.Core.Policies;

namespace KernelGateway.Core.Egress;

/// <summary>
/// Connections that the gateway itself makes to where somebody else says: the name is resolved once, and exactly the address
/// that was judged is dialled; never a private, loopback or metadata address, or one of this host, that the operator has not allowed.
/// </summary>
/// <param name="guard">What the operator has set.</param>
public sealed class GuardedDialler(NetworkGuard guard)
{
    private const int MaxAddresses = 4;

    /// <summary>Connects.</summary>
    /// <exception cref="IOException">It is not allowed, or cannot be reached; the message says which.</exception>
    public async Task<Socket> ConnectAsync(string host, int port, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(host);
        if (!HostName.TryParse(host, out var name, out var problem))
        {
            throw new IOException($"The host '{Shown.Short(host)}' {problem}.");
        }

        var destination = new Destination(name, port);
        var rules = guard.Compile(NetworkSettings.Unlimited with { AllowedHosts = [destination.ToString()] });
        Demand(destination, rules.Decide(destination));
        using var deadline = new CancellationTokenSource(guard.Options.ConnectTimeout, guard.Time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
        try
        {
            var found = name.Address is { } literal ? [literal] : await guard.Resolver(name.Name, either.Token);
            var own = guard.OwnAddresses();
            var judged = found.Select(NetworkGuard.Plain).Distinct().Select(address => (Address: address, Verdict: rules.Decide(destination, address, own))).ToList();
            var good = judged.Where(one => one.Verdict.Allowed).Select(one => one.Address).Take(MaxAddresses).ToArray();
            if (good.Length == 0)
            {
                Demand(destination, judged.Count > 0 ? judged[0].Verdict : NetworkVerdict.Deny("no address", $"The name {name.Name} has no address."));
            }

            return await DialAsync(good, port, either.Token);
        }
        catch (SocketException e)
        {
            throw new IOException($"{destination} cannot be reached: {e.Message}", e);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new IOException($"{destination} did not answer within {guard.Options.ConnectTimeout.TotalSeconds:0.#} seconds.");
        }
    }

    private static async Task<Socket> DialAsync(IPAddress[] addresses, int port, CancellationToken cancellationToken)
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
                if (e is not SocketException || i == addresses.Length - 1)
                {
                    throw;
                }
            }
        }
    }

    private static void Demand(Destination destination, NetworkVerdict verdict)
    {
        if (!verdict.Allowed)
        {
            throw new IOException($"The gateway does not connect to {destination}: {verdict.Rule}. {verdict.Hint}");
        }
    }
}
