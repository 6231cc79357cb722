using System.Buffers;
using System.Runtime.ExceptionServices;
using System.Text.Json;
using System.Text.Json.Nodes;
using KernelGateway.Contracts.Files;
using KernelGateway.Core.Files;
using KernelGateway.Core.Provisioning;
using KernelGateway.Provisioners.Files;

namespace KernelGateway.Provisioners.Remote;

/// <summary>Writing: piece after piece into a file of another name, which takes the place of the old one when it is complete.</summary>
internal sealed partial class RemoteFiles
{
    /// <summary>What is in memory for each file; the next piece is read when this one has arrived.</summary>
    private const int PieceSize = 512 << 10;

    public async Task<FileEntry> WriteAsync(SandboxPath path, Stream content, FileWrite how, CancellationToken cancellationToken)
    {
        var names = _paths.Locate(path, "path");
        var done = await SendAsync("write", Begin(names, how), content, 0, how.MaxBytes, commit: true, keep: false, cancellationToken);
        return _answers.Entry(done.Answer, names);
    }

    public async Task<UploadProgress> WritePartAsync(SandboxPath path, UploadPart part, Stream content, FileWrite how, CancellationToken cancellationToken)
    {
        var names = _paths.Locate(path, "path");
        var request = Begin(names, how);
        (request["upload"], request["offset"]) = (FileRefusals.CheckUpload(part.UploadId), part.Offset);
        var done = await SendAsync("part", request, content, part.Offset, how.MaxBytes, part.IsLast, keep: true, cancellationToken);
        return new UploadProgress(part.UploadId, done.Length, part.IsLast ? _answers.Entry(done.Answer, names) : null);
    }

    public async Task<UploadProgress> GetUploadAsync(SandboxPath path, string uploadId, CancellationToken cancellationToken)
    {
        var request = new JsonObject { ["path"] = Names(_paths.Locate(path, "path")), ["upload"] = FileRefusals.CheckUpload(uploadId) };
        return new UploadProgress(uploadId, (await AskAsync("uploaded", request, cancellationToken)).Field("size").Count());
    }

    private static JsonObject Begin(byte[][] names, FileWrite how) => new()
    {
        ["path"] = Names(names),
        ["parents"] = how.MakeParents,
        ["mode"] = how.Mode,
        ["match"] = how.IfMatch,
        ["absent"] = how.IfAbsent,
    };

    /// <summary>Sends all of a stream; what fits into one piece is there with one call.</summary>
    private async Task<(JsonElement Answer, long Length)> SendAsync(
        string operation, JsonObject request, Stream content, long length, long maxBytes, bool commit, bool keep, CancellationToken cancellationToken)
    {
        var connection = await _kernel.ConnectedAsync(cancellationToken);
        var buffer = ArrayPool<byte>.Shared.Rent(PieceSize);
        long? handle = null;
        var tooLarge = false;
        try
        {
            while (true)
            {
                var (read, cut) = await ReadPieceAsync(content, buffer, cancellationToken);
                if (cut is not null && !keep)
                {
                    cut.Throw();
                }

                length += read;
                tooLarge = length > maxBytes;
                if (tooLarge)
                {
                    // For one that goes on from before, what is there goes too.
                    handle ??= keep ? await OpenUploadAsync(operation, request, connection) : null;
                    throw FileRefusals.OverLimit(maxBytes);
                }

                var last = read < PieceSize;
                (request["data"], request["last"], request["commit"]) = (Convert.ToBase64String(buffer.AsSpan(0, read)), last, commit && cut is null);

                // Not to be cut: only with its answer it is known what is open. The answer comes in any case.
                var answer = await AskAsync(operation, request, CancellationToken.None, connection);
                if (last)
                {
                    handle = null;
                    cut?.Throw();
                    return (answer, length);
                }

                handle = answer.Field("handle").Number();
                (operation, request) = ("more", new JsonObject { ["handle"] = handle });
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
            if (handle is { } open)
            {
                await CloseAsync(open);
            }
        }

        // Waited for: who is told that it failed finds nothing of it.
        async Task CloseAsync(long open)
        {
            try
            {
                await _kernel.CallAsync("close", new JsonObject { ["handle"] = open, ["discard"] = tooLarge || !keep }, CancellationToken.None, connection);
            }
            catch (Core.Errors.GatewayException)
            {
                // It has ended with its kernel.
            }
        }
    }

    private async Task<long> OpenUploadAsync(string operation, JsonObject request, RemoteConnection connection)
    {
        (request["data"], request["last"], request["commit"]) = ("", false, false);
        return (await AskAsync(operation, request, CancellationToken.None, connection)).Field("handle").Number();
    }

    /// <summary>A full piece, or the last; with why it broke off, if it did: of an upload in parts, what arrived is kept.</summary>
    private static async Task<(int Length, ExceptionDispatchInfo? Cut)> ReadPieceAsync(Stream content, byte[] buffer, CancellationToken cancellationToken)
    {
        var length = 0;
        try
        {
            while (length < PieceSize && await content.ReadAsync(buffer.AsMemory(length, PieceSize - length), cancellationToken) is > 0 and var read)
            {
                length += read;
            }

            return (length, null);
        }
#pragma warning disable CA1031 // Whatever ended the stream: it is thrown on when what came is stored.
        catch (Exception e)
#pragma warning restore CA1031
        {
            return (length, ExceptionDispatchInfo.Capture(e));
        }
    }
}
