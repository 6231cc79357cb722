using System.Globalization;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace KernelGateway.Jupyter.Zmtp;

/// <summary>Where to connect: <c>tcp://host:port</c> or <c>ipc://path</c> (<c>ipc://@name</c> for an abstract socket).</summary>
public sealed record ZmtpEndpoint
{
    private ZmtpEndpoint(string address) => Address = address;

    /// <summary>The endpoint as text.</summary>
    public string Address { get; }

    /// <summary>Whether it is a unix socket.</summary>
    public bool IsIpc => Path is not null;

    /// <summary>
    /// An opened folder; then the path is one name in it, whatever has happened to the path of the folder since. The
    /// handle stays the caller's and must live as long as the socket, which may reconnect.
    /// </summary>
    public SafeFileHandle? DirectoryHandle { get; private init; }

    /// <summary>
    /// Refuse when a part of the path (or, below <see cref="DirectoryHandle"/>, the name) is a symbolic link, and when
    /// what is there is not a socket. Needs Linux 5.6.
    /// </summary>
    public bool NoFollow { get; init; }

    /// <summary>The uid, as this process sees it, under which the peer must have begun to listen; checked before a byte is sent.</summary>
    public uint? ExpectedPeerUid { get; init; }

    internal string? Path { get; private init; }

    internal string Host { get; private init; } = "";

    internal int Port { get; private init; }

    /// <summary>A socket in an opened folder; links are not followed.</summary>
    /// <exception cref="ZmtpException"><see cref="ZmtpErrorKind.InvalidEndpoint"/>: the name is not one single name.</exception>
    public static ZmtpEndpoint InDirectory(SafeFileHandle directory, string name)
    {
        ArgumentNullException.ThrowIfNull(directory);
        ArgumentNullException.ThrowIfNull(name);
        if (name is "" or "." or ".." || name.Contains('/') || name.Contains('\0') || Encoding.UTF8.GetByteCount(name) > 255)
        {
            throw Invalid("The name of a socket in a folder must be one single file name.");
        }

        return new ZmtpEndpoint("ipc://" + name) { DirectoryHandle = directory, Path = name, NoFollow = true };
    }

    /// <summary>Reads an endpoint.</summary>
    /// <exception cref="ZmtpException"><see cref="ZmtpErrorKind.InvalidEndpoint"/>.</exception>
    public static ZmtpEndpoint Parse(string address)
    {
        ArgumentNullException.ThrowIfNull(address);
        if (address.StartsWith("ipc://", StringComparison.Ordinal))
        {
            var path = address[6..];
            return path.Length > 0 && path.Length <= 4096 && !path.Contains('\0')
                ? new ZmtpEndpoint(address) { Path = path }
                : throw Invalid("An ipc endpoint needs a path: ipc:///run/kernel/k-1.");
        }

        if (address.StartsWith("tcp://", StringComparison.Ordinal))
        {
            var rest = address[6..];
            var colon = rest.LastIndexOf(':');
            var host = colon > 0 ? rest[..colon] : "";
            if (host.StartsWith('[') && host.EndsWith(']'))
            {
                host = host[1..^1];
            }
            else if (host.Contains(':'))
            {
                host = "";
            }

            if (Uri.CheckHostName(host) != UriHostNameType.Unknown
                && int.TryParse(rest[(colon + 1)..], NumberStyles.None, CultureInfo.InvariantCulture, out var port)
                && port is > 0 and <= 65535)
            {
                return new ZmtpEndpoint(address) { Host = host, Port = port };
            }

            throw Invalid("A tcp endpoint needs a host and a port from 1 to 65535: tcp://127.0.0.1:5555.");
        }

        throw Invalid("An endpoint starts with tcp:// or ipc://.");
    }

    /// <inheritdoc/>
    public override string ToString() => Address;

    internal void Validate()
    {
        if (IsIpc && !(Path!.StartsWith('@') && NoFollow && DirectoryHandle is null))
        {
            return;
        }

        if (NoFollow || ExpectedPeerUid is not null)
        {
            throw Invalid("NoFollow and ExpectedPeerUid are for ipc endpoints with a path.");
        }
    }

    private static ZmtpException Invalid(string message) => new(ZmtpErrorKind.InvalidEndpoint, message);
}
