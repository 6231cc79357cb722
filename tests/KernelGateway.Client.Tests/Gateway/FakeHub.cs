using System.Runtime.CompilerServices;
using System.Text.Json;
using KernelGateway.Contracts.Events;
using Microsoft.AspNetCore.SignalR;

namespace KernelGateway.Client.Tests.Gateway;

internal sealed class FakeHub(FakeState state) : Hub
{
    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web);

    public override Task OnConnectedAsync()
    {
        state.HubConnections[Context.ConnectionId] = true;
        return Task.CompletedTask;
    }

    public async IAsyncEnumerable<JsonElement> StreamEvents(string sandboxId, long after, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var sandbox = state.Find(sandboxId) ?? throw new HubException("sandbox_not_found: There is no sandbox of that id.");
        state.StreamBegan();
        var left = state.StreamLength;
        try
        {
            await foreach (var next in sandbox.ReadAsync(after, cancellationToken))
            {
                if (state.Withheld.ContainsKey(next.Sequence))
                {
                    continue;
                }

                for (var copy = 0; copy < state.Copies; copy++)
                {
                    state.EventSent();
                    yield return JsonSerializer.SerializeToElement(next, Json);
                }

                if (--left == 0)
                {
                    yield break;
                }
            }
        }
        finally
        {
            if (cancellationToken.IsCancellationRequested)
            {
                state.StreamCancelled.Release();
            }
        }
    }
}
