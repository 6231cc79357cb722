using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace KernelGateway.Core.Policies;

/// <summary>A host in its one canonical spelling: a lower-case DNS name without the last dot, or an IP address.</summary>
/// <param name="Name">The name, in ASCII; of an address the text of it, IPv6 in brackets.</param>
/// <param name="Address">The address, when it is one.</param>
internal sealed record HostName(string Name, IPAddress? Address)
{
    private const int MaxName = 253;
    private const int MaxLabel = 63;

    private static readonly IdnMapping Idn = new() { AllowUnassigned = true, UseStd3AsciiRules = false };

    /// <summary>Reads a host as a user wrote it.</summary>
    /// <param name="text">The host, without a port; IPv6 in brackets.</param>
    /// <param name="host">The host, when it is one.</param>
    /// <param name="problem">Otherwise why not, as the end of a sentence that begins with the host.</param>
    internal static bool TryParse(string text, out HostName host, out string problem)
    {
        host = null!;
        if (text.Length == 0)
        {
            problem = "is empty";
            return false;
        }

        if (text.Length > MaxName + 2)
        {
            problem = $"is longer than {MaxName} characters";
            return false;
        }

        return text[0] == '[' ? TryParseBracketed(text, out host, out problem) : TryParseName(text, out host, out problem);
    }

    /// <summary>The host of an address, IPv4 in IPv6 taken out.</summary>
    internal static HostName Of(IPAddress address) =>
        address.AddressFamily == AddressFamily.InterNetworkV6 ? new HostName($"[{address}]", address) : new HostName(address.ToString(), address);

    private static bool TryParseBracketed(string text, out HostName host, out string problem)
    {
        host = null!;
        var inner = text[^1] == ']' ? text[1..^1] : "";
        if (inner.Any(c => !char.IsAsciiHexDigit(c) && c is not (':' or '.')) || !IPAddress.TryParse(inner, out var address) || address.AddressFamily != AddressFamily.InterNetworkV6)
        {
            problem = "is no IPv6 address in brackets";
            return false;
        }

        if (address.IsIPv4MappedToIPv6)
        {
            problem = $"is an IPv4 address in disguise; write {address.MapToIPv4()}";
            return false;
        }

        host = Of(address);
        problem = "";
        return true;
    }

    private static bool TryParseName(string text, out HostName host, out string problem)
    {
        host = null!;
        if (!TryToAscii(text, out var name, out problem))
        {
            return false;
        }

        var labels = name.Split('.');
        if (LooksNumeric(labels[^1]))
        {
            return TryParseFour(name, out host, out problem);
        }

        foreach (var label in labels)
        {
            if (label.Length is 0 or > MaxLabel)
            {
                problem = label.Length == 0 ? "has an empty label" : $"has a label of more than {MaxLabel} characters";
                return false;
            }

            if (label[0] == '-' || label[^1] == '-' || !label.All(c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c == '-'))
            {
                problem = "has a label with other than letters, digits and inner hyphens";
                return false;
            }
        }

        if (name.Length > MaxName)
        {
            problem = $"is longer than {MaxName} characters";
            return false;
        }

        host = new HostName(name, null);
        return true;
    }

    private static bool TryToAscii(string text, out string name, out string problem)
    {
        name = text.ToLowerInvariant();
        problem = "";
        if (name.Any(c => char.IsControl(c) || c is '@' or ':' or '/' or ' ' or '%' or '\\' or '*'))
        {
            problem = "has characters that no host name has";
            return false;
        }

        if (!System.Text.Ascii.IsValid(name))
        {
            try
            {
                name = Idn.GetAscii(name).ToLowerInvariant();
            }
            catch (ArgumentException)
            {
                problem = "is no international domain name";
                return false;
            }
        }

        if (name.EndsWith('.'))
        {
            name = name[..^1];
        }

        return true;
    }

    /// <summary>What some resolver would take for a number, and with it the whole name for an address.</summary>
    private static bool LooksNumeric(string label) =>
        label.Length > 0 && (label.All(char.IsAsciiDigit) || (label.StartsWith("0x", StringComparison.Ordinal) && label[2..].All(char.IsAsciiHexDigit)));

    /// <summary>Only the plain spelling: 127.1, 0x7f.0.0.1, 0177.0.0.1 and 2130706433 mean 127.0.0.1 to some programs and something else to others.</summary>
    private static bool TryParseFour(string name, out HostName host, out string problem)
    {
        if (IPAddress.TryParse(name, out var address) && address.AddressFamily == AddressFamily.InterNetwork && address.ToString() == name)
        {
            host = Of(address);
            problem = "";
            return true;
        }

        host = null!;
        problem = "is an IP address in an ambiguous spelling; write four decimal numbers without leading zeros";
        return false;
    }
}
