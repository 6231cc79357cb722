using KernelGateway.Contracts.Sandboxes;
using KernelGateway.Contracts.Snapshots;
using KernelGateway.Core.Errors;
using KernelGateway.Core.Provisioning;
using KernelGateway.Core.Snapshots;

namespace KernelGateway.Core.Sandboxes;

/// <summary>Snapshots of sandboxes, and sandboxes from snapshots.</summary>
public sealed partial class SandboxRegistry
{
    /// <summary>Children of a fork that are started at once.</summary>
    private const int ForksAtOnce = 4;

    /// <summary>Makes a snapshot of a sandbox; it is durable when this returns.</summary>
    /// <exception cref="GatewayException">Nothing was kept; the message says why.</exception>
    public async Task<SnapshotInfo> SnapshotAsync(Sandbox sandbox, CreateSnapshotRequest request, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(sandbox);
        ArgumentNullException.ThrowIfNull(request);
        var name = request.Name ?? throw new GatewayException(ErrorCode.InvalidArgument, "'name' is missing: it names the snapshot among yours.", "name");
        using var draft = _snapshots.Begin(sandbox.Owner, name, request.Description);
        return (await sandbox.SnapshotAsync(draft, request, _variants.With<IFileHost>(), cancellationToken)).Info;
    }

    /// <summary>Makes sandboxes that have what a sandbox has now.</summary>
    /// <returns>One result for each that was asked for; one that fails does not stop the others.</returns>
    /// <exception cref="GatewayException">No snapshot could be made of the sandbox; then there are no children.</exception>
    public async Task<IReadOnlyList<ForkedSandbox>> ForkAsync(Sandbox sandbox, ForkRequest request, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(sandbox);
        ArgumentNullException.ThrowIfNull(request);
        var count = request.Count ?? 1;
        if (count < 1 || count > _snapshots.Options.MaxForks)
        {
            throw new GatewayException(ErrorCode.InvalidArgument, $"'count' must be between 1 and {_snapshots.Options.MaxForks}, but is {count}.", "count");
        }

        if (request.Name is { } prefix)
        {
            CreateSandboxValidator.Name(NameOf(prefix, count)); // The longest of them.
        }

        StoredSnapshot snapshot;
        using (var draft = _snapshots.Begin(sandbox.Owner, null, null))
        {
            snapshot = await sandbox.SnapshotAsync(draft, new CreateSnapshotRequest { Wait = request.Wait, WaitSeconds = request.WaitSeconds }, _variants.With<IFileHost>(), cancellationToken);
        }

        var children = new ForkedSandbox?[count];
        try
        {
            var tags = sandbox.Record.Tags;
            await Parallel.ForEachAsync(
                Enumerable.Range(0, count),
                new ParallelOptions { MaxDegreeOfParallelism = ForksAtOnce, CancellationToken = cancellationToken },
                async (i, ct) => children[i] = await ForkOneAsync(snapshot, new CreateSandboxRequest { Name = request.Name is null ? null : NameOf(request.Name, i + 1), Tags = tags }, ct));
            return children!;
        }
        catch
        {
            // Nobody learns of those that were made.
            await Task.WhenAll(children.Select(child => child?.Sandbox).OfType<Sandbox>().Select(child => TerminateAsync(child, TimeSpan.Zero)));
            throw;
        }
        finally
        {
            _snapshots.Discard(snapshot);
        }
    }

    private async Task<ForkedSandbox> ForkOneAsync(StoredSnapshot snapshot, CreateSandboxRequest request, CancellationToken cancellationToken)
    {
        try
        {
            return new ForkedSandbox(await CreateFromAsync(snapshot, request, snapshot.Owner, null, cancellationToken), null);
        }
        catch (GatewayException e)
        {
            return new ForkedSandbox(null, e);
        }
    }

    private async Task<Sandbox> CreateFromAsync(StoredSnapshot snapshot, CreateSandboxRequest request, string owner, string? idempotencyKey, CancellationToken cancellationToken)
    {
        using var opened = _snapshots.Open(snapshot);
        var (completed, warnings) = SnapshotRecipe.Complete(request, snapshot.Recipe, _variants, _options);
        return await CreateAsync(completed, owner, idempotencyKey, opened, warnings, cancellationToken);
    }

    private static string NameOf(string prefix, int number) => string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{prefix}-{number}");
}
