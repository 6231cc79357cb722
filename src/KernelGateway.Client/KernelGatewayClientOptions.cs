namespace KernelGateway.Client;

/// <summary>Where the gateway is and how patient to be with it.</summary>
public sealed class KernelGatewayClientOptions
{
    /// <summary>The environment variable that gives <see cref="BaseAddress"/> when it is not set.</summary>
    public const string BaseAddressVariable = "KERNEL_GATEWAY_URL";

    /// <summary>The environment variable that gives <see cref="ApiKey"/> when it is not set.</summary>
    public const string ApiKeyVariable = "KERNEL_GATEWAY_API_KEY";

    /// <summary>Where a gateway listens when nobody said otherwise.</summary>
    public const string DefaultBaseAddress = "http://127.0.0.1:8080";

    /// <summary>The gateway's address, http or https; a path in front of <c>/api</c> is kept. Default: <c>KERNEL_GATEWAY_URL</c>, else <c>http://127.0.0.1:8080</c>.</summary>
    public Uri? BaseAddress { get; init; }

    /// <summary>The API key. Default: <c>KERNEL_GATEWAY_API_KEY</c>.</summary>
    public string? ApiKey { get; init; }

    /// <summary>The clock of all waits.</summary>
    public TimeProvider TimeProvider { get; init; } = TimeProvider.System;

    /// <summary>Sends the requests and opens the WebSocket, for example through a proxy or a unix socket; it is not disposed. It must support protocol upgrades, as <see cref="SocketsHttpHandler"/> does.</summary>
    public HttpMessageHandler? HttpMessageHandler { get; init; }

    /// <summary>How long an outage is bridged before a call fails with <see cref="ClientErrorCodes.Unreachable"/>; <see cref="Timeout.InfiniteTimeSpan"/> for ever. Default 2 minutes.</summary>
    public TimeSpan GiveUpAfter { get; init; } = TimeSpan.FromMinutes(2);

    /// <summary>As <see cref="GiveUpAfter"/>, as long as the gateway has never answered: then the address is probably wrong. Default 5 seconds.</summary>
    public TimeSpan FirstContactTimeout { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>How long one attempt of one request may take, starting a kernel included. Default 2 minutes.</summary>
    public TimeSpan RequestTimeout { get; init; } = TimeSpan.FromMinutes(2);

    internal Uri ResolveBaseAddress()
    {
        var source = BaseAddress is null ? BaseAddressVariable : nameof(BaseAddress);
        var text = BaseAddress?.ToString() ?? Environment.GetEnvironmentVariable(BaseAddressVariable);
        if (string.IsNullOrWhiteSpace(text))
        {
            text = DefaultBaseAddress;
        }

        if (!Uri.TryCreate(text, UriKind.Absolute, out var address) || (address.Scheme != Uri.UriSchemeHttp && address.Scheme != Uri.UriSchemeHttps))
        {
            throw new ArgumentException($"{source} must be an absolute http or https address such as {DefaultBaseAddress}; it is '{text}'.");
        }

        // Without the slash, relative addresses would replace the last part of the path.
        return new UriBuilder(address) { Path = address.AbsolutePath.TrimEnd('/') + "/", Query = "", Fragment = "" }.Uri;
    }

    internal string? ResolveApiKey()
    {
        var source = ApiKey is null ? ApiKeyVariable : nameof(ApiKey);
        var key = (ApiKey ?? Environment.GetEnvironmentVariable(ApiKeyVariable))?.Trim();
        if (string.IsNullOrEmpty(key))
        {
            return null;
        }

        // The key itself stays out of the message: messages end up in logs.
        return key.All(c => c is > ' ' and < '\x7f')
            ? key
            : throw new ArgumentException($"{source} must be printable ASCII without spaces.");
    }
}
