using KernelGateway.Contracts.Webhooks;

namespace KernelGateway.Core.Webhooks;

/// <summary>The last messages of one webhook and what became of them.</summary>
internal sealed class DeliveryLog
{
    private const int Most = 100;

    private readonly Lock _gate = new();
    private readonly LinkedList<WebhookDelivery> _last = [];

    /// <summary>Newest first.</summary>
    public IReadOnlyList<WebhookDelivery> List()
    {
        lock (_gate)
        {
            return [.. _last];
        }
    }

    /// <summary>Adds a message, or puts it in the place of what was known of it.</summary>
    public void Put(WebhookDelivery delivery)
    {
        lock (_gate)
        {
            for (var node = _last.First; node is not null; node = node.Next)
            {
                if (node.Value.Id == delivery.Id)
                {
                    _last.Remove(node);
                    break;
                }
            }

            _last.AddFirst(delivery);
            if (_last.Count > Most)
            {
                _last.RemoveLast();
            }
        }
    }
}
