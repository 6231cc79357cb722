using KernelGateway.Client.Http;
using KernelGateway.Contracts.Errors;
using KernelGateway.Contracts.Sandboxes;
using KernelGateway.Contracts.Snapshots;

namespace KernelGateway.Client;

/// <summary>Its snapshots and forks: what it has at one moment, for other sandboxes. <see cref="CreateSandboxRequest.SnapshotName"/> makes one from a snapshot.</summary>
public sealed partial class Sandbox
{
    /// <summary>Longer than the gateway may take by its default limits.</summary>
    private static readonly TimeSpan SnapshotDeadline = TimeSpan.FromMinutes(15);

    /// <summary>Keeps files, contexts and variables as they are now. No code of the sandbox runs meanwhile; what runs already is waited for.</summary>
    /// <param name="name">1 to 64 characters, unique among your snapshots.</param>
    /// <param name="description">At most 1000 characters.</param>
    /// <param name="cancellationToken">Gives it up.</param>
    /// <exception cref="KernelGatewayException">
    /// <see cref="ErrorCodes.AlreadyExists"/>: you have one of that name. <see cref="ErrorCodes.Conflict"/>: code runs on, or files keep changing.
    /// <see cref="ErrorCodes.TooLarge"/> or <see cref="ErrorCodes.LimitReached"/>: there is too much of something.
    /// </exception>
    public Task<SnapshotInfo> CreateSnapshotAsync(string name, string description = "", CancellationToken cancellationToken = default) =>
        CreateSnapshotAsync(new CreateSnapshotRequest { Name = name, Description = description }, cancellationToken);

    /// <summary>As <see cref="CreateSnapshotAsync(string, string, CancellationToken)"/>, with all that can be asked for.</summary>
    /// <param name="request">What to keep, and how long to wait.</param>
    /// <param name="cancellationToken">Gives it up.</param>
    /// <exception cref="KernelGatewayException">As there.</exception>
    public Task<SnapshotInfo> CreateSnapshotAsync(CreateSnapshotRequest request, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(request);
        return _client.Http.CreateSnapshotAsync(Id, request, SnapshotDeadline, cancellationToken);
    }

    /// <summary>Makes sandboxes that have what this one has now: snapshot and restore in one call.</summary>
    /// <param name="count">How many.</param>
    /// <param name="request">Names and waiting; its count is not used.</param>
    /// <param name="cancellationToken">Gives it up; children that were made by then are ended.</param>
    /// <returns>One for each, a sandbox or an error.</returns>
    /// <exception cref="KernelGatewayException">No snapshot could be made; there are no children.</exception>
    public async Task<IReadOnlyList<ForkedSandbox>> ForkAsync(int count = 1, ForkRequest? request = null, CancellationToken cancellationToken = default)
    {
        var result = await _client.Http.ForkAsync(Id, (request ?? new ForkRequest()) with { Count = count }, SnapshotDeadline, cancellationToken);
        return [.. result.Children.Select(child => child.Sandbox is { } info
            ? new ForkedSandbox(new Sandbox(_client, ownsClient: false, info, leaveRunning: false), null)
            : new ForkedSandbox(null, new KernelGatewayException(child.Code ?? ErrorCodes.KernelFailed, child.Message ?? "")))];
    }

    /// <summary>Lists your snapshots, newest first.</summary>
    /// <param name="client">The gateway; <c>null</c> for the one the environment variables name.</param>
    /// <param name="filter">Which ones; <c>null</c> for all.</param>
    /// <param name="cancellationToken">Ends the listing.</param>
    /// <exception cref="KernelGatewayException">The gateway refused or could not be reached.</exception>
    public static IAsyncEnumerable<SnapshotInfo> ListSnapshotsAsync(
        KernelGatewayClient? client = null,
        SnapshotFilter? filter = null,
        CancellationToken cancellationToken = default) => Pages.AllAsync(
            client,
            async (http, cursor, token) =>
            {
                var page = await http.ListSnapshotsAsync(filter ?? new SnapshotFilter(), cursor, token);
                return (page.Items, page.NextCursor);
            },
            cancellationToken);

    /// <summary>What is in a snapshot, and what is not and why.</summary>
    /// <param name="snapshotId">The snapshot.</param>
    /// <param name="client">The gateway; <c>null</c> for the one the environment variables name.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <exception cref="KernelGatewayException"><see cref="ErrorCodes.SnapshotNotFound"/>, or <see cref="ErrorCodes.SnapshotDamaged"/>.</exception>
    public static Task<SnapshotManifest> GetSnapshotManifestAsync(string snapshotId, KernelGatewayClient? client = null, CancellationToken cancellationToken = default) =>
        WithClientAsync(client, used => used.Http.GetManifestAsync(snapshotId, cancellationToken));

    /// <summary>What the second snapshot has otherwise than the first: files and variables.</summary>
    /// <param name="first">The id of one snapshot.</param>
    /// <param name="second">The id of the other.</param>
    /// <param name="client">The gateway; <c>null</c> for the one the environment variables name.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <exception cref="KernelGatewayException"><see cref="ErrorCodes.SnapshotNotFound"/>, or <see cref="ErrorCodes.SnapshotDamaged"/>.</exception>
    public static Task<SnapshotComparison> CompareSnapshotsAsync(string first, string second, KernelGatewayClient? client = null, CancellationToken cancellationToken = default) =>
        WithClientAsync(client, used => used.Http.CompareSnapshotsAsync(first, second, cancellationToken));

    /// <summary>Gives a snapshot another name or description.</summary>
    /// <param name="snapshotId">The snapshot.</param>
    /// <param name="request">What changes.</param>
    /// <param name="client">The gateway; <c>null</c> for the one the environment variables name.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <exception cref="KernelGatewayException"><see cref="ErrorCodes.AlreadyExists"/>: you have one of that name.</exception>
    public static Task<SnapshotInfo> UpdateSnapshotAsync(string snapshotId, UpdateSnapshotRequest request, KernelGatewayClient? client = null, CancellationToken cancellationToken = default) =>
        WithClientAsync(client, used => used.Http.UpdateSnapshotAsync(snapshotId, request, cancellationToken));

    /// <summary>Removes a snapshot; sandboxes made from it stay.</summary>
    /// <param name="snapshotId">The snapshot.</param>
    /// <param name="client">The gateway; <c>null</c> for the one the environment variables name.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <exception cref="KernelGatewayException"><see cref="ErrorCodes.SnapshotNotFound"/>: there is none, or it is not yours.</exception>
    public static Task DeleteSnapshotAsync(string snapshotId, KernelGatewayClient? client = null, CancellationToken cancellationToken = default) => WithClientAsync(
        client,
        async used =>
        {
            await used.Http.DeleteSnapshotAsync(snapshotId, cancellationToken);
            return true;
        });

    private static async Task<T> WithClientAsync<T>(KernelGatewayClient? client, Func<KernelGatewayClient, Task<T>> ask)
    {
        await using var own = client is null ? new KernelGatewayClient() : null;
        return await ask(client ?? own!);
    }
}
