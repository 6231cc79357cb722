using System.Net;
using System.Net.Sockets;
using KernelGateway.Core.Policies;

namespace KernelGateway.Core.Egress;

/// <summary>Where an open connection leads: what was asked for, and the address that was dialled.</summary>
internal readonly record struct EgressGoal(Destination Destination, IPAddress Address);

/// <summary>One connection of a sandbox to its proxy, from the first byte to the last. One request, one decision, one way out.</summary>
internal sealed class EgressConnection : IDisposable
{
    private const byte Socks5 = 5;

    private readonly EgressProxy _proxy;
    private readonly Socket _client;
    private readonly CancellationTokenSource _life;
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);

    internal EgressConnection(EgressProxy proxy, Socket client)
    {
        _proxy = proxy;
        _client = client;
        Client = new NetworkStream(client, ownsSocket: false);
        Input = new BufferedInput(Client, Options.MaxHeaderBytes);
        _life = new CancellationTokenSource(Timeout.InfiniteTimeSpan, proxy.Guard.Time);
    }

    /// <summary>Set, under the proxy's gate, when its host is reached.</summary>
    internal EgressGoal? Goal { get; set; }

    internal Task Ended => _ended.Task;

    internal NetworkOptions Options => _proxy.Guard.Options;

    internal NetworkStream Client { get; }

    /// <summary>What the client sends.</summary>
    internal BufferedInput Input { get; }

    /// <summary>Ends with the connection: when it is cut, or has been without traffic for too long.</summary>
    internal CancellationToken Life => _life.Token;

    internal void Cut()
    {
        try
        {
            _life.Cancel();
        }
        catch (ObjectDisposedException)
        {
            // It has ended by itself.
        }
    }

    internal async Task RunAsync()
    {
        try
        {
            _life.CancelAfter(Options.HeaderTimeout);
            switch (await Input.PeekAsync(Life))
            {
                case null:
                    break;
                case Socks5:
                    await Socks5Exchange.RunAsync(this);
                    break;
                default:
                    await HttpExchange.RunAsync(this);
                    break;
            }
        }
        catch (Exception error) when (error is IOException or SocketException or OperationCanceledException or ObjectDisposedException)
        {
            // Either side has gone, or it was cut.
        }
        finally
        {
            Dispose();
        }
    }

    public void Dispose()
    {
        Client.Dispose();
        _client.Dispose();
        _life.Dispose();
        _ended.TrySetResult();
    }

    /// <summary>Says no; to a client that does not read, only for so long.</summary>
    internal async Task AnswerAsync(byte[] refusal)
    {
        using var deadline = new CancellationTokenSource(Options.HeaderTimeout, _proxy.Guard.Time);
        await Client.WriteAsync(refusal, deadline.Token);
    }

    /// <summary>There was traffic.</summary>
    internal void Stir() => _life.CancelAfter(Options.IdleTimeout);

    internal void Sent(int bytes)
    {
        _proxy.CountSent(bytes);
        Stir();
    }

    internal void Received(int bytes)
    {
        _proxy.CountReceived(bytes);
        Stir();
    }

    /// <summary>Reads where to, as it was written.</summary>
    /// <exception cref="EgressRefusedException">It is no host and port.</exception>
    internal Destination Where(string authority, int defaultPort)
    {
        if (Destination.TryParse(authority, defaultPort, out var destination, out var problem))
        {
            return destination;
        }

        var verdict = NetworkVerdict.Deny($"it {problem}", "Write host:port with a DNS name that the policy allows.");
        _ = Destination.TrySplit(authority, out var host, out _);
        _proxy.Deny(host, 0, verdict);
        throw EgressRefusedException.Denied(authority, verdict);
    }

    /// <summary>Decides, resolves once, and connects to exactly an address that was decided on.</summary>
    /// <exception cref="EgressRefusedException">It may not be, or cannot be.</exception>
    internal async Task<Socket> ReachAsync(Destination destination)
    {
        Demand(destination, _proxy.Rules.Decide(destination));
        _life.CancelAfter(Timeout.InfiniteTimeSpan);
        using var deadline = new CancellationTokenSource(Options.ConnectTimeout, _proxy.Guard.Time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, Life);
        try
        {
            var addresses = await AddressesAsync(destination, either.Token);
            var socket = await DialAsync(destination, addresses, either.Token);
            var verdict = _proxy.Establish(this, new EgressGoal(destination, NetworkGuard.Plain(((IPEndPoint)socket.RemoteEndPoint!).Address)));
            if (!verdict.Allowed)
            {
                socket.Dispose();
                Demand(destination, verdict);
            }

            Stir();
            return socket;
        }
        catch (OperationCanceledException) when (!Life.IsCancellationRequested)
        {
            throw new EgressRefusedException(RefusalKind.TimedOut, $"{destination} did not answer within {Options.ConnectTimeout.TotalSeconds:0.#} seconds.");
        }
    }

    private async Task<IReadOnlyList<IPAddress>> AddressesAsync(Destination destination, CancellationToken cancellationToken)
    {
        IPAddress[] found;
        try
        {
            found = destination.Host.Address is { } literal ? [literal] : await _proxy.ResolveAsync(destination.Host.Name, cancellationToken);
        }
        catch (SocketException)
        {
            found = [];
        }

        if (found.Length == 0)
        {
            throw new EgressRefusedException(RefusalKind.Unresolved, $"The name {destination.Host.Name} has no address.");
        }

        var (allowed, verdict) = JudgedAddresses.Judge(_proxy.Guard, _proxy.Rules, destination, found);
        Demand(destination, verdict);
        return allowed;
    }

    private static async Task<Socket> DialAsync(Destination destination, IReadOnlyList<IPAddress> addresses, CancellationToken cancellationToken)
    {
        try
        {
            return await JudgedAddresses.DialAsync(addresses, destination.Port, cancellationToken);
        }
        catch (SocketException error)
        {
            throw new EgressRefusedException(RefusalKind.Unreachable, $"{destination} cannot be reached: {error.Message}");
        }
    }

    private void Demand(Destination destination, NetworkVerdict verdict)
    {
        if (!verdict.Allowed)
        {
            _proxy.Deny(destination.Host.Name, destination.Port, verdict);
            throw EgressRefusedException.Denied(destination.ToString(), verdict);
        }
    }
}
