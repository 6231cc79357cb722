using System.Buffers;
using System.Security.Cryptography;
using System.Text;
using KernelGateway.Contracts.Files;
using KernelGateway.Core.Errors;
using KernelGateway.Core.Files;
using KernelGateway.Core.Provisioning;
using Microsoft.Win32.SafeHandles;

namespace KernelGateway.Provisioners.Files;

/// <summary>Writing: into a file of another name in the same folder, which takes the place of the old one when it is complete.</summary>
internal sealed partial class PlaceFiles
{
    /// <summary>What files that are not complete yet are called.</summary>
    internal const string UnfinishedPrefix = ".kg-upload-";

    private const int BufferSize = 64 << 10;
    private const uint PrivateMode = 0x180;

    public Task<FileEntry> WriteAsync(SandboxPath path, Stream content, FileWrite how, CancellationToken cancellationToken) => StreamAsync(
        async token =>
        {
            var names = Root.Locate(path, "path");
            using var parent = how.MakeParents ? _tree.MakeParent(names, "path") : _tree.OpenParent(names, "path");
            DemandTarget(parent, names, how);
            return await WriteNewAsync(parent, names, how, file => FillAsync(file, content, 0, how.MaxBytes, names, token));
        },
        cancellationToken);

    public Task<UploadProgress> WritePartAsync(SandboxPath path, UploadPart part, Stream content, FileWrite how, CancellationToken cancellationToken) => StreamAsync(
        async token =>
        {
            var names = Root.Locate(path, "path");
            var unfinished = NameOf(part.UploadId);
            using var parent = how.MakeParents ? _tree.MakeParent(names, "path") : _tree.OpenParent(names, "path");
            DemandTarget(parent, names, how);
            using var file = OpenUpload(parent, unfinished, names, part);
            try
            {
                var length = await FillAsync(file, content, part.Offset, how.MaxBytes, names, token);
                return new UploadProgress(part.UploadId, length, part.IsLast ? Commit(parent, unfinished, file, names, how) : null);
            }
            catch (GatewayException error) when (error.Code == ErrorCode.TooLarge)
            {
                Calls.Remove(parent, unfinished, isFolder: false);
                throw;
            }
        },
        cancellationToken);

    public Task<UploadProgress> GetUploadAsync(SandboxPath path, string uploadId, CancellationToken cancellationToken) => RunAsync(
        _ =>
        {
            var names = Root.Locate(path, "path");
            using var parent = _tree.OpenParent(names, "path");
            return new UploadProgress(uploadId, _tree.Find(parent, NameOf(uploadId), names, "path")?.Size ?? 0);
        },
        cancellationToken);

    /// <summary>Makes a new file beside the one it is to replace; nothing of it is left when it does not get that far.</summary>
    private async Task<FileEntry> WriteNewAsync(SafeFileHandle parent, byte[][] names, FileWrite how, Func<SafeFileHandle, Task> fill)
    {
        var unfinished = HiddenName();
        _tree.Check(Calls.Open(parent, unfinished, SystemCall.WriteOnly | SystemCall.Create | SystemCall.Exclusive, PrivateMode, out var file), names, "path");
        using (file)
        {
            try
            {
                await fill(file);
                return Commit(parent, unfinished, file, names, how);
            }
            catch
            {
                Calls.Remove(parent, unfinished, isFolder: false);
                throw;
            }
        }
    }

    private SafeFileHandle OpenUpload(SafeFileHandle parent, byte[] unfinished, byte[][] names, UploadPart part)
    {
        const int Append = 0x400;
        var flags = SystemCall.WriteOnly | SystemCall.NonBlocking | Append | (part.Offset == 0 ? SystemCall.Create : 0);
        var opened = Calls.Open(parent, unfinished, flags, part.Offset == 0 ? PrivateMode : 0, out var file);
        try
        {
            if (opened == -FileCalls.NotFound)
            {
                throw FileRefusals.NothingArrived();
            }

            _tree.Check(opened, names, "uploadId");
            var status = _tree.Stat(file, [], names, "uploadId");
            _tree.DemandFile(status, names, "uploadId");
            if (Calls.Lock(file) < 0)
            {
                throw FileRefusals.BusyUpload();
            }

            // Asked again under the lock.
            status = _tree.Stat(file, [], names, "uploadId");
            return status.Size == part.Offset
                ? file
                : throw FileRefusals.WrongOffset(part.Offset, status.Size);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Refuses a target that cannot be replaced, before anything is written.</summary>
    private FileStatus? DemandTarget(SafeFileHandle parent, byte[][] names, FileWrite how)
    {
        var present = _tree.Find(parent, names[^1], names, "path");
        if (how.IfAbsent && present is not null)
        {
            _tree.Check(-FileCalls.Exists, names, "path");
        }

        if (how.IfMatch is not null && how.IfMatch != present?.Version)
        {
            throw _tree.Refusals.Changed(names);
        }

        if (present is { } status)
        {
            _tree.DemandFile(status, names, "path");

            // Replacing needs only the folder's permission; that of the file counts all the same.
            var result = Calls.Open(parent, names[^1], SystemCall.WriteOnly | SystemCall.NonBlocking | SystemCall.NoControllingTerminal, 0, out var writable);
            writable.Dispose();
            _tree.Check(result is -FileCalls.Busy or -FileCalls.NotFound ? 0 : result, names, "path");
        }

        return present;
    }

    private FileEntry Commit(SafeFileHandle parent, byte[] unfinished, SafeFileHandle file, byte[][] names, FileWrite how)
    {
        var present = DemandTarget(parent, names, how);
        if ((how.Mode ?? present?.Permissions) is { } mode)
        {
            _tree.Check(Calls.Chmod(file, mode), names, "path");
        }

        _tree.Check(Calls.Rename(parent, unfinished, parent, names[^1], replace: !how.IfAbsent), names, "path");
        return _tree.Stat(file, [], names, "path").Describe(Root.Show(names));
    }

    /// <summary>Writes all of a stream, one full buffer at a time.</summary>
    /// <returns>The length of the file.</returns>
    private async Task<long> FillAsync(SafeFileHandle file, Stream content, long offset, long maxBytes, byte[][] names, CancellationToken cancellationToken)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(BufferSize);
        try
        {
            while (true)
            {
                var read = await content.ReadAtLeastAsync(buffer, buffer.Length, throwOnEndOfStream: false, cancellationToken);
                if (offset + read > maxBytes)
                {
                    throw FileRefusals.OverLimit(maxBytes);
                }

                _tree.Check(Calls.Write(file, buffer.AsSpan(0, read)), names, "path");
                offset += read;
                if (read < buffer.Length)
                {
                    return offset;
                }
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    /// <summary>A name that nobody else has.</summary>
    private static byte[] HiddenName() => NameOf(Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(16)));

    private static byte[] NameOf(string uploadId) => Encoding.ASCII.GetBytes(UnfinishedPrefix + FileRefusals.CheckUpload(uploadId));

    private async Task<T> StreamAsync<T>(Func<CancellationToken, Task<T>> transfer, CancellationToken cancellationToken)
    {
        using var use = _uses.Begin();
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _uses.Ended);
        try
        {
            return await transfer(either.Token);
        }
        catch (OperationCanceledException) when (_uses.Ended.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            throw FileRoot.Ended();
        }
    }
}
