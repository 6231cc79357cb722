using System.Runtime.CompilerServices;
using System.Text.Json;
using System.Text.Json.Nodes;
using KernelGateway.Contracts.Files;
using KernelGateway.Core.Errors;
using KernelGateway.Core.Files;
using KernelGateway.Provisioners.Files;

namespace KernelGateway.Provisioners.Remote;

/// <summary>Watching.</summary>
internal sealed partial class RemoteFiles
{
    private const int MaxChanges = 2000;
    private static readonly TimeSpan LookAnyway = TimeSpan.FromSeconds(5);
    private int _watches;

    /// <inheritdoc/>
    /// <remarks>When the utility kernel ends, what happened until there is another one was missed: <see cref="FileChangeType.Overflow"/> says so, and the watch goes on.</remarks>
    public async IAsyncEnumerable<FileChange> WatchAsync(SandboxPath path, bool recursive, int maxFolders, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var names = _paths.Locate(path, "path");
        var request = new JsonObject { ["path"] = Names(names), ["recursive"] = recursive, ["most"] = maxFolders };
        try
        {
            if (Interlocked.Increment(ref _watches) > PlaceFiles.MaxWatches)
            {
                throw FileRefusals.TooManyWatches(PlaceFiles.MaxWatches);
            }

            for (var again = false; ; again = true)
            {
                var connection = await _kernel.ConnectedAsync(cancellationToken);
                var rings = _kernel.Watches.Rings;
                var answer = await AskAsync("watch", (JsonObject)request.DeepClone(), CancellationToken.None, connection);
                var watch = answer.Field("watch").Number();
                try
                {
                    if (again)
                    {
                        yield return new FileChange(FileChangeType.Overflow, _paths.Show(names), _time.GetUtcNow(), IsDirectory: true);
                    }

                    for (JsonElement? told = answer; told is { } some; told = await NextAsync(connection, watch, cancellationToken))
                    {
                        if (some.ValueKind == JsonValueKind.Undefined)
                        {
                            yield break;
                        }

                        foreach (var change in some.Field("changes").List(MaxChanges).Select(Change))
                        {
                            if (!again || change.Type != FileChangeType.Ready)
                            {
                                yield return change;
                            }
                        }

                        if (some.Field("over").Flag())
                        {
                            yield break;
                        }

                        if (!some.Field("more").Flag() && !await WaitAsync(rings, cancellationToken))
                        {
                            yield break;
                        }

                        rings = _kernel.Watches.Rings;
                    }
                }
                finally
                {
                    _ = EndAsync(connection, watch);
                }
            }
        }
        finally
        {
            Interlocked.Decrement(ref _watches);
        }
    }

    /// <summary>False when the place has ended, with which the watch ends too.</summary>
    private async Task<bool> WaitAsync(long rings, CancellationToken cancellationToken)
    {
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _kernel.Closed);
        try
        {
            await _kernel.Watches.WaitAsync(rings, LookAnyway, either.Token);
            return true;
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return false;
        }
    }

    /// <summary>What has happened since; null when the utility kernel has ended, nothing at all when the place has.</summary>
    private async Task<JsonElement?> NextAsync(RemoteConnection connection, long watch, CancellationToken cancellationToken)
    {
        try
        {
            return await AskAsync("changes", new JsonObject { ["watch"] = watch }, cancellationToken, connection);
        }
        catch (GatewayException) when (_kernel.Closed.IsCancellationRequested)
        {
            return default(JsonElement);
        }
        catch (GatewayException e) when (e.Code == ErrorCode.KernelFailed && connection.IsBroken)
        {
            return null;
        }
    }

    private async Task EndAsync(RemoteConnection connection, long watch)
    {
        try
        {
            await _kernel.CallAsync("unwatch", new JsonObject { ["watch"] = watch }, CancellationToken.None, connection);
        }
        catch (GatewayException)
        {
            // It has ended with its kernel.
        }
    }

    private FileChange Change(JsonElement json)
    {
        var parts = json.List(4);
        if (parts.Count < 4)
        {
            throw RemoteAnswer.Malformed();
        }

        var type = parts[0].Words() switch
        {
            "ready" => FileChangeType.Ready,
            "create" => FileChangeType.Create,
            "modify" => FileChangeType.Modify,
            "delete" => FileChangeType.Delete,
            "rename" => FileChangeType.Rename,
            "overflow" => FileChangeType.Overflow,
            _ => throw RemoteAnswer.Malformed(),
        };
        var newPath = parts[2].ValueKind == JsonValueKind.Null ? null : _paths.Show(RemoteFileAnswers.NamesIn(parts[2]));
        return new FileChange(type, _paths.Show(RemoteFileAnswers.NamesIn(parts[1])), _time.GetUtcNow(), newPath, parts[3].Flag());
    }
}
