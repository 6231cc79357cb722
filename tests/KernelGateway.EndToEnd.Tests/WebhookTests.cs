using KernelGateway.Client;
using KernelGateway.Contracts.Webhooks;

namespace KernelGateway.EndToEnd.Tests;

/// <summary>Webhooks over crashes of the gateway, through the SDK.</summary>
[CancelAfter(120_000)]
public sealed class WebhookTests
{
    [Test]
    public async Task A_crash_loses_no_message_and_what_is_sent_again_has_the_same_id(CancellationToken cancellationToken)
    {
        Requires.LocalVariant();
        await using var receiver = await WebhookReceiver.StartAsync();
        await using var gateway = await GatewayProcess.StartNewAsync(
            ("Gateway:Webhooks:AllowHttp", "true"),
            ("Gateway:Webhooks:AllowedHosts:0", new Uri(receiver.Address).Authority),
            ("Gateway:Webhooks:AllowedPrivateAddresses:0", "127.0.0.1/32"),
            ("Gateway:Faults:Enabled", "true"),
            ("KERNEL_GATEWAY_FAULTS", "webhook.before_position:crash:3"));
        await using var client = gateway.Client();
        var before = await Sandbox.CreateAsync(client, null, cancellationToken);
        var hook = await client.Webhooks.CreateAsync(new CreateWebhookRequest { Url = receiver.Address + "/hook" }, cancellationToken);
        await using var sandbox = await Sandbox.CreateAsync(client, null, cancellationToken);
        var terminating = before.TerminateAsync(TimeSpan.Zero, cancellationToken); // The third message: received, and its position is not stored.
        await gateway.Ended.WaitAsync(cancellationToken);
        gateway.Set("KERNEL_GATEWAY_FAULTS", null);

        await gateway.StartAsync();

        await terminating;
        await sandbox.SetTagsAsync(new Dictionary<string, string?> { ["last"] = "yes" }, cancellationToken);
        var seen = new List<WebhookMessage>();
        do
        {
            var received = await receiver.NextAsync("/hook");
            received.IsSignedWith(hook.Secret!).Should().BeTrue("the secret is the same after a restart");
            seen.Add(received.Message);
        }
        while (seen[^1].Type != WebhookEventTypes.Changed || seen.All(m => m.Type != WebhookEventTypes.Ended));

        var once = seen.DistinctBy(m => m.Id).ToList();
        seen.Should().HaveCountGreaterThan(once.Count, "the one under way was sent again");
        once.Where(m => m.SandboxId == sandbox.Id).Select(m => m.Type).Should().Equal(WebhookEventTypes.Created, WebhookEventTypes.Running, WebhookEventTypes.Changed);
        once.Where(m => m.SandboxId == before.Id).Select(m => m.Type).Should().Equal([WebhookEventTypes.Ended], "what was before the webhook is not told");
        (await client.Webhooks.ListAsync(cancellationToken)).Should().ContainSingle().Which.Secret.Should().BeNull();
        (await client.Webhooks.TestAsync(hook.Id, cancellationToken)).State.Should().Be(WebhookDeliveryState.Delivered);
        (await client.Webhooks.ListDeliveriesAsync(hook.Id, cancellationToken))[0].Type.Should().Be(WebhookEventTypes.Test);
        gateway.Log.Should().NotContain(hook.Secret);
        await client.Webhooks.RemoveAsync(hook.Id, cancellationToken);
        (await client.Webhooks.ListAsync(cancellationToken)).Should().BeEmpty();
    }
}
