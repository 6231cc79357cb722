using KernelGateway.Client.Http;
using KernelGateway.Contracts.Errors;
using KernelGateway.Contracts.Webhooks;

namespace KernelGateway.Client;

/// <summary>Your webhooks: who is told what happens to your sandboxes. Messages are signed as in the Standard Webhooks specification.</summary>
public sealed class GatewayWebhooks
{
    private const string Root = "api/v1/webhooks";

    private readonly KernelGatewayClient _client;

    internal GatewayWebhooks(KernelGatewayClient client) => _client = client;

    /// <summary>Has events sent to an address from now on.</summary>
    /// <param name="request">Where to, and which.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>The webhook with its <see cref="WebhookInfo.Secret"/>, which is never given out again.</returns>
    /// <exception cref="KernelGatewayException"><see cref="ErrorCodes.InvalidArgument"/>: a value is wrong, or the gateway may not reach the address. <see cref="ErrorCodes.LimitReached"/>: you have as many as you may have.</exception>
    public Task<WebhookInfo> CreateAsync(CreateWebhookRequest request, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(request);
        return _client.Http.PostAsync<WebhookInfo>(Root, request, Repeat.WhenNotSent, cancellationToken);
    }

    /// <summary>Lists your webhooks, oldest first.</summary>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <exception cref="KernelGatewayException">The gateway refused or could not be reached.</exception>
    public Task<IReadOnlyList<WebhookInfo>> ListAsync(CancellationToken cancellationToken = default) =>
        _client.Http.GetAsync<IReadOnlyList<WebhookInfo>>(Root, cancellationToken);

    /// <summary>Removes a webhook; nothing is sent any more.</summary>
    /// <param name="id">Its id.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <exception cref="KernelGatewayException"><see cref="ErrorCodes.WebhookNotFound"/>: there is none.</exception>
    public Task RemoveAsync(string id, CancellationToken cancellationToken = default) =>
        _client.Http.SendAsync(HttpMethod.Delete, Of(id), null, Repeat.WhenNotSent, cancellationToken);

    /// <summary>Lists the last messages of a webhook and what became of them, newest first.</summary>
    /// <param name="id">Its id.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <exception cref="KernelGatewayException"><see cref="ErrorCodes.WebhookNotFound"/>: there is none.</exception>
    public Task<IReadOnlyList<WebhookDelivery>> ListDeliveriesAsync(string id, CancellationToken cancellationToken = default) =>
        _client.Http.GetAsync<IReadOnlyList<WebhookDelivery>>($"{Of(id)}/deliveries", cancellationToken);

    /// <summary>Sends a test message, once, and tells what became of it.</summary>
    /// <param name="id">The webhook.</param>
    /// <param name="cancellationToken">Cancels the waiting.</param>
    /// <exception cref="KernelGatewayException"><see cref="ErrorCodes.WebhookNotFound"/>: there is none.</exception>
    public Task<WebhookDelivery> TestAsync(string id, CancellationToken cancellationToken = default) =>
        _client.Http.PostAsync<WebhookDelivery>($"{Of(id)}/test", null, Repeat.Always, cancellationToken);

    private static string Of(string id) => $"{Root}/{SandboxRoutes.Segment(id)}";
}
