using System.Globalization;

namespace KernelGateway.Core.Policies;

/// <summary>One entry of a list of hosts: <c>host</c>, <c>*.host</c>, <c>*</c>, or an IP address, each with or without a port.</summary>
/// <param name="Host">The host; of a wildcard what follows <c>*.</c>; <c>null</c>: every host.</param>
/// <param name="SubDomains">True when it stands for the sub-domains of the host, and not for the host.</param>
/// <param name="Port">The port it is about.</param>
internal sealed record HostRule(HostName? Host, bool SubDomains, int? Port)
{
    /// <summary>Reads a pattern.</summary>
    /// <param name="text">The pattern.</param>
    /// <param name="everyHost">Whether <c>*</c> alone may stand.</param>
    /// <param name="rule">The rule, when it is one.</param>
    /// <param name="problem">Otherwise why not, as the end of a sentence that begins with the pattern.</param>
    internal static bool TryParse(string text, bool everyHost, out HostRule rule, out string problem)
    {
        rule = null!;
        if (text.Contains('@', StringComparison.Ordinal) || text.Contains('/', StringComparison.Ordinal))
        {
            problem = "is more than a host: no scheme, user or path";
            return false;
        }

        if (!Destination.TrySplit(text, out var host, out var portText))
        {
            problem = "is not host:port; write IPv6 addresses in brackets";
            return false;
        }

        int? port = null;
        if (portText is not null)
        {
            if (!Destination.TryParsePort(portText, out var number))
            {
                problem = "has a port that is not a number from 1 to 65535";
                return false;
            }

            port = number;
        }

        if (host == "*")
        {
            rule = new HostRule(null, true, port);
            problem = "every host is possible in deniedHosts only; for every public host use the policy 'all'";
            return everyHost;
        }

        var subDomains = host.StartsWith("*.", StringComparison.Ordinal);
        var rest = subDomains ? host[2..] : host;
        if (rest.Contains('*', StringComparison.Ordinal))
        {
            problem = "has a wildcard that is not its whole first label, as in *.example.org";
            return false;
        }

        if (!HostName.TryParse(rest, out var name, out problem))
        {
            return false;
        }

        if (subDomains && name.Address is not null)
        {
            problem = "is a wildcard of an IP address, which has no sub-domains";
            return false;
        }

        rule = new HostRule(name, subDomains, port);
        return true;
    }

    /// <summary>Whether it is about this host, whatever the port. Labels are compared, not text: <c>evilexample.org</c> is no sub-domain of <c>example.org</c>.</summary>
    internal bool IsAbout(HostName host)
    {
        if (Host is null)
        {
            return true;
        }

        if (!SubDomains)
        {
            return Host.Address is { } address ? address.Equals(host.Address) : host.Address is null && Host.Name == host.Name;
        }

        return host.Address is null && host.Name.Length > Host.Name.Length + 1
            && host.Name.EndsWith(Host.Name, StringComparison.Ordinal) && host.Name[^(Host.Name.Length + 1)] == '.';
    }

    public override string ToString()
    {
        var host = Host is null ? "*" : SubDomains ? $"*.{Host.Name}" : Host.Name;
        return Port is { } port ? string.Create(CultureInfo.InvariantCulture, $"{host}:{port}") : host;
    }
}
