using System.ComponentModel.DataAnnotations;

namespace KernelGateway.Server.Configuration;

/// <summary>What clients may ask of the server at once; configuration section <c>Gateway:Limits</c>.</summary>
public sealed class LimitOptions
{
    /// <summary>Connections to the whole gateway at once. Default 10,000.</summary>
    [Range(1, 1_000_000, ErrorMessage = "Gateway:Limits:MaxConnections must be between 1 and 1000000.")]
    public int MaxConnections { get; set; } = 10_000;

    /// <summary>Requests, streams and hub connections of one API key that are open at once. Default 512.</summary>
    [Range(1, 1_000_000, ErrorMessage = "Gateway:Limits:MaxOpenRequestsPerKey must be between 1 and 1000000.")]
    public int MaxOpenRequestsPerKey { get; set; } = 512;

    /// <summary>Requests and hub calls of one API key per second, with a reserve of twice as many. Default 2,000.</summary>
    [Range(1, 1_000_000, ErrorMessage = "Gateway:Limits:RequestsPerSecondPerKey must be between 1 and 1000000.")]
    public int RequestsPerSecondPerKey { get; set; } = 2000;

    /// <summary>Requests with an unknown key that one address may send per minute before it is answered 429. Default 300.</summary>
    [Range(1, 1_000_000, ErrorMessage = "Gateway:Limits:UnknownKeysPerMinute must be between 1 and 1000000.")]
    public int UnknownKeysPerMinute { get; set; } = 300;

    /// <summary>The largest body of a request, bytes; uploads of files have a limit of their own. Default 16 MiB.</summary>
    [Range(1 << 10, 1 << 30, ErrorMessage = "Gateway:Limits:MaxBodyBytes must be between 1024 and 1073741824 bytes.")]
    public long MaxBodyBytes { get; set; } = 16 << 20;

    /// <summary>How long the headers of a request may take, seconds. Default 15.</summary>
    [Range(1, 600, ErrorMessage = "Gateway:Limits:HeaderSeconds must be between 1 and 600.")]
    public int HeaderSeconds { get; set; } = 15;
}
