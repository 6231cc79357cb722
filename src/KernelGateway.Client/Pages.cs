using System.Runtime.CompilerServices;
using KernelGateway.Client.Http;

namespace KernelGateway.Client;

/// <summary>Reads a list that the gateway gives in pages, to its end.</summary>
internal static class Pages
{
    /// <param name="client">The gateway; <c>null</c> for the one the environment variables name.</param>
    /// <param name="read">Reads the page after a cursor, and gives it with the cursor of the next one.</param>
    /// <param name="cancellationToken">Ends the listing.</param>
    public static async IAsyncEnumerable<T> AllAsync<T>(
        KernelGatewayClient? client,
        Func<GatewayHttp, string?, CancellationToken, Task<(IReadOnlyList<T> Items, string? NextCursor)>> read,
        [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await using var own = client is null ? new KernelGatewayClient() : null;
        string? cursor = null;
        do
        {
            (var items, cursor) = await read((client ?? own!).Http, cursor, cancellationToken);
            foreach (var item in items)
            {
                yield return item;
            }
        }
        while (cursor is not null);
    }
}
