using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using KernelGateway.Jupyter.Messaging;
using Newtonsoft.Json;
using Newtonsoft.Json.Linq;

namespace KernelGateway.Jupyter;

/// <summary>
/// Where a kernel listens and the key that its messages are signed with (jupyter_client documentation, "Making kernels
/// for Jupyter", "Connection files").
/// </summary>
public sealed record ConnectionFile
{
    private const int MaxFileBytes = 64 * 1024;

    /// <summary><c>tcp</c> or <c>ipc</c>.</summary>
    public required string Transport { get; init; }

    /// <summary>The address (tcp), or the path that the sockets' names begin with (ipc).</summary>
    public required string Ip { get; init; }

    /// <summary>The port (tcp) or the number at the end of the socket's name (ipc).</summary>
    public required int ShellPort { get; init; }

    /// <inheritdoc cref="ShellPort"/>
    public required int IopubPort { get; init; }

    /// <inheritdoc cref="ShellPort"/>
    public required int StdinPort { get; init; }

    /// <inheritdoc cref="ShellPort"/>
    public required int ControlPort { get; init; }

    /// <inheritdoc cref="ShellPort"/>
    public required int HeartbeatPort { get; init; }

    /// <summary>The key of the signatures; empty: messages are not signed.</summary>
    public string Key { get; init; } = "";

    /// <summary>Always <see cref="MessageSigner.Scheme"/>.</summary>
    public string SignatureScheme { get; init; } = MessageSigner.Scheme;

    /// <summary>The name of the kernelspec, for people.</summary>
    public string KernelName { get; init; } = "";

    /// <summary>A new random key of 256 bits.</summary>
    public static string NewKey() => RandomNumberGenerator.GetHexString(64, lowercase: true);

    /// <summary>A connection over unix sockets named <c>prefix-1</c> to <c>prefix-5</c>.</summary>
    /// <param name="prefix">The path that the names begin with; with the number at most 107 bytes.</param>
    /// <param name="key">The key; null makes a new one.</param>
    public static ConnectionFile ForIpc(string prefix, string? key = null) => Checked(new ConnectionFile
    {
        Transport = "ipc",
        Ip = prefix,
        ShellPort = 1,
        IopubPort = 2,
        StdinPort = 3,
        ControlPort = 4,
        HeartbeatPort = 5,
        Key = key ?? NewKey(),
    });

    /// <summary>A connection over five TCP ports of 127.0.0.1 that were free a moment ago.</summary>
    /// <param name="key">The key; null makes a new one.</param>
    public static ConnectionFile ForLoopback(string? key = null)
    {
        // All five are held at once, or the system may hand out the same one twice.
        var holders = Enumerable.Range(0, 5).Select(_ => new TcpListener(IPAddress.Loopback, 0)).ToArray();
        try
        {
            var ports = Array.ConvertAll(holders, holder =>
            {
                holder.Start();
                return ((IPEndPoint)holder.LocalEndpoint).Port;
            });
            return new ConnectionFile
            {
                Transport = "tcp",
                Ip = "127.0.0.1",
                ShellPort = ports[0],
                IopubPort = ports[1],
                StdinPort = ports[2],
                ControlPort = ports[3],
                HeartbeatPort = ports[4],
                Key = key ?? NewKey(),
            };
        }
        finally
        {
            Array.ForEach(holders, holder => holder.Dispose());
        }
    }

    /// <summary>Reads the text of a connection file.</summary>
    /// <param name="json">The text.</param>
    /// <exception cref="InvalidKernelFileException">It is not one; the message names the field.</exception>
    public static ConnectionFile Parse(string json)
    {
        ArgumentNullException.ThrowIfNull(json);
        JObject found;
        try
        {
            found = LenientJson.ReadObject(System.Text.Encoding.UTF8.GetBytes(json));
        }
        catch (JsonException e)
        {
            throw new InvalidKernelFileException("The connection file is not a JSON object.", e);
        }

        return Checked(new ConnectionFile
        {
            Transport = found.Text("transport", "tcp"),
            Ip = found.Text("ip"),
            ShellPort = Port(found, "shell_port"),
            IopubPort = Port(found, "iopub_port"),
            StdinPort = Port(found, "stdin_port"),
            ControlPort = Port(found, "control_port"),
            HeartbeatPort = Port(found, "hb_port"),
            Key = found.Text("key"),
            SignatureScheme = found.Text("signature_scheme", MessageSigner.Scheme),
            KernelName = found.Text("kernel_name"),
        });
    }

    /// <summary>Reads a connection file.</summary>
    /// <param name="path">Its path.</param>
    /// <param name="cancellationToken">Stops reading.</param>
    /// <exception cref="InvalidKernelFileException">It is not one; the message names the field.</exception>
    public static async Task<ConnectionFile> ReadAsync(string path, CancellationToken cancellationToken = default)
    {
        if (new FileInfo(path) is { Exists: true, Length: > MaxFileBytes })
        {
            throw new InvalidKernelFileException($"The connection file {path} is larger than {MaxFileBytes} bytes.");
        }

        return Parse(await File.ReadAllTextAsync(path, cancellationToken));
    }

    /// <summary>Writes a new file that only its owner can read: the key in it lets its reader run code.</summary>
    /// <param name="path">Its path; an existing file is an error.</param>
    /// <param name="cancellationToken">Stops writing.</param>
    public async Task WriteAsync(string path, CancellationToken cancellationToken = default)
    {
        await using var file = new FileStream(path, new FileStreamOptions
        {
            Mode = FileMode.CreateNew,
            Access = FileAccess.Write,
            UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
        });
        await file.WriteAsync(LenientJson.Write(ToJson()), cancellationToken);
    }

    /// <summary>The file's content.</summary>
    public JObject ToJson() => new()
    {
        ["transport"] = Transport,
        ["ip"] = Ip,
        ["shell_port"] = ShellPort,
        ["iopub_port"] = IopubPort,
        ["stdin_port"] = StdinPort,
        ["control_port"] = ControlPort,
        ["hb_port"] = HeartbeatPort,
        ["key"] = Key,
        ["signature_scheme"] = SignatureScheme,
        ["kernel_name"] = KernelName,
    };

    /// <summary>A channel's ZeroMQ address, such as <c>tcp://127.0.0.1:5555</c> or <c>ipc:///run/k-1</c>.</summary>
    /// <param name="channel">The channel.</param>
    public string Endpoint(KernelChannel channel)
    {
        var port = channel switch
        {
            KernelChannel.Shell => ShellPort,
            KernelChannel.Iopub => IopubPort,
            KernelChannel.Stdin => StdinPort,
            KernelChannel.Control => ControlPort,
            KernelChannel.Heartbeat => HeartbeatPort,
            _ => throw new ArgumentOutOfRangeException(nameof(channel), channel, null),
        };
        if (Transport == "ipc")
        {
            return $"ipc://{Ip}-{port}";
        }

        return Ip.Contains(':', StringComparison.Ordinal) && Ip[0] != '[' ? $"tcp://[{Ip}]:{port}" : $"tcp://{Ip}:{port}";
    }

    /// <summary>Without the key, so that it does not end in a log.</summary>
    public override string ToString() => $"{Transport} {Ip} ({ShellPort}, {IopubPort}, {StdinPort}, {ControlPort}, {HeartbeatPort})";

    private static int Port(JObject json, string name) => json.Integer(name)
        ?? throw new InvalidKernelFileException($"The connection file's {name} is missing or not a number.");

    private static ConnectionFile Checked(ConnectionFile file)
    {
        if (file.Transport is not ("tcp" or "ipc"))
        {
            throw new InvalidKernelFileException($"The connection file's transport is \"{file.Transport}\"; tcp and ipc are supported.");
        }

        if (file.Ip.Length == 0 || file.Ip.AsSpan().ContainsAny(['\0', '\n', '\r']))
        {
            throw new InvalidKernelFileException("The connection file's ip is missing or not an address or path.");
        }

        if (file.SignatureScheme != MessageSigner.Scheme)
        {
            throw new InvalidKernelFileException(
                $"The connection file's signature_scheme is \"{file.SignatureScheme}\"; only {MessageSigner.Scheme} is supported.");
        }

        int[] ports = [file.ShellPort, file.IopubPort, file.StdinPort, file.ControlPort, file.HeartbeatPort];
        if (ports.Any(port => port is < 1 or > 65535) || ports.Distinct().Count() != ports.Length)
        {
            throw new InvalidKernelFileException("The connection file's five ports must be different numbers from 1 to 65535.");
        }

        return file;
    }
}
