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
    /// <summary>Connects.</summary>
    /// <exception cref="IOException">It is not allowed, or cannot be reached; the message says which.</exception>
    public Task<Socket> ConnectAsync(string host, int port, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(host);
        if (!HostName.TryParse(host, out var name, out var problem))
        {
            throw new IOException($"The host '{Shown.Short(host)}' {problem}.");
        }

        var destination = new Destination(name, port);
        return ConnectAsync(guard.Compile(NetworkSettings.Unlimited with { AllowedHosts = [destination.ToString()] }), destination, cancellationToken);
    }

    /// <summary>Connects under rules of the caller's own.</summary>
    /// <exception cref="IOException">It is not allowed, or cannot be reached; the message says which.</exception>
    internal async Task<Socket> ConnectAsync(NetworkRules rules, Destination destination, CancellationToken cancellationToken)
    {
        Demand(destination, rules.Decide(destination));
        using var deadline = new CancellationTokenSource(guard.Options.ConnectTimeout, guard.Time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
        try
        {
            var found = destination.Host.Address is { } literal ? [literal] : await guard.Resolver(destination.Host.Name, either.Token).WaitAsync(either.Token);
            var (allowed, verdict) = JudgedAddresses.Judge(guard, rules, destination, found);
            Demand(destination, verdict);
            return await JudgedAddresses.DialAsync(allowed, destination.Port, either.Token);
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

    private static void Demand(Destination destination, NetworkVerdict verdict)
    {
        if (!verdict.Allowed)
        {
            throw new IOException($"The gateway does not connect to {destination}: {verdict.Rule}. {verdict.Hint}");
        }
    }
}
