using KernelGateway.Contracts.Webhooks;
using KernelGateway.Core.Webhooks;
using KernelGateway.Server.Security;
using Microsoft.AspNetCore.Http.HttpResults;

namespace KernelGateway.Server.Api;

/// <summary>Webhooks: who is told what happens to an owner's sandboxes.</summary>
internal static class WebhookEndpoints
{
    public static void MapWebhooks(this RouteGroupBuilder api)
    {
        var group = api.MapGroup("/webhooks").WithTags("Webhooks");
        group.MapPost("", Create).WithName("CreateWebhook").WithSummary("Has the life-cycle events of the caller's sandboxes sent to an address from now on; shows the key of the signatures, this once.");
        group.MapGet("", (WebhookRegistry webhooks, HttpContext http) => webhooks.List(http.Owner())).WithName("ListWebhooks").WithSummary("The caller's webhooks, oldest first.");
        group.MapGet("/{id}", (string id, WebhookRegistry webhooks, HttpContext http) => webhooks.Get(id, http.Owner())).WithName("GetWebhook").WithSummary("One webhook.");
        group.MapDelete("/{id}", Remove).WithName("RemoveWebhook").WithSummary("Removes a webhook; nothing is sent any more.");
        group.MapGet("/{id}/deliveries", (string id, WebhookRegistry webhooks, HttpContext http) => webhooks.Deliveries(id, http.Owner()))
            .WithName("ListWebhookDeliveries").WithSummary("The last messages of a webhook and what became of them, newest first.");
        group.MapPost("/{id}/test", (string id, WebhookRegistry webhooks, HttpContext http) => webhooks.TestAsync(id, http.Owner()))
            .WithName("TestWebhook").WithSummary("Sends a message of the type 'test', once, and tells what became of it.");
    }

    private static Created<WebhookInfo> Create(CreateWebhookRequest request, WebhookRegistry webhooks, HttpContext http)
    {
        var made = webhooks.Create(request, http.Owner());
        return TypedResults.Created($"/api/v1/webhooks/{made.Id}", made);
    }

    private static NoContent Remove(string id, WebhookRegistry webhooks, HttpContext http)
    {
        webhooks.Remove(id, http.Owner());
        return TypedResults.NoContent();
    }
}
