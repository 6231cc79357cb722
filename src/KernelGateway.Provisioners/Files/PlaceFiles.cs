using KernelGateway.Contracts.Files;
using KernelGateway.Core.Files;
using KernelGateway.Core.Provisioning;
using Microsoft.Win32.SafeHandles;

namespace KernelGateway.Provisioners.Files;

/// <summary>The files of a place on this host. Its calls are short and made where they are asked for, some at a time.</summary>
internal sealed partial class PlaceFiles : ISandboxFiles, IDisposable
{
    /// <summary>Calls of one place at once; of file data any number.</summary>
    private const int MaxCalls = 4;

    private readonly FileTree _tree;
    private readonly TimeProvider _time;
    private readonly FileUses _uses = new();
    private readonly SemaphoreSlim _turns = new(MaxCalls, MaxCalls);

    internal PlaceFiles(FileRoot root, uint uid, TimeProvider time)
    {
        _tree = new FileTree(root, new FileCalls(new SandboxUser(uid)));
        _time = time;
    }

    private FileCalls Calls => _tree.Calls;

    private FileRoot Root => _tree.Root;

    public Task<FileEntry> StatAsync(SandboxPath path, CancellationToken cancellationToken) =>
        RunAsync(_ => Describe(Root.Locate(path, "path"), "path"), cancellationToken);

    public Task<FileEntry> MakeFolderAsync(SandboxPath path, bool parents, CancellationToken cancellationToken) => RunAsync(
        _ =>
        {
            var names = Root.Locate(path, "path");
            if (parents)
            {
                _tree.MakeFolders(names, "path");
            }
            else
            {
                using var parent = _tree.OpenParent(names, "path");
                _tree.Check(Calls.MakeFolder(parent, names[^1], 0x1ED), names, "path");
            }

            return Describe(names, "path");
        },
        cancellationToken);

    public Task<IFileContent> OpenAsync(SandboxPath path, CancellationToken cancellationToken) => RunAsync<IFileContent>(
        _ =>
        {
            var names = Root.Locate(path, "path");

            // Without waiting for anybody: a FIFO would, for its other end.
            var file = _tree.Open(names, SystemCall.ReadOnly | SystemCall.NonBlocking | SystemCall.NoControllingTerminal, "path");
            try
            {
                var status = _tree.Stat(file, [], names, "path");
                _tree.DemandFile(status, names, "path");
                return new FileContent(file, status.Describe(Root.Show(names)), _uses);
            }
            catch
            {
                file.Dispose();
                throw;
            }
        },
        cancellationToken);

    public Task<FileList> ListAsync(SandboxPath path, FileListing how, CancellationToken cancellationToken) => RunAsync(
        token => new FolderListing(_tree, how, token).List(Root.Locate(path, "path")), cancellationToken);

    public Task RemoveAsync(SandboxPath path, bool recursive, CancellationToken cancellationToken) => RunAsync(
        token =>
        {
            var names = Root.LocateToTakeAway(path, "path");
            using var parent = _tree.OpenParent(names, "path");
            if (_tree.Stat(parent, names[^1], names, "path").Type != FileType.Directory)
            {
                _tree.Check(Calls.Remove(parent, names[^1], isFolder: false), names, "path");
            }
            else if (recursive)
            {
                new TreeRemoval(_tree, token).Remove(parent, names);
            }
            else
            {
                _tree.Check(Calls.Remove(parent, names[^1], isFolder: true), names, "path");
            }

            return true;
        },
        cancellationToken);

    /// <summary>Ends all that goes on and waits for it; nothing is possible afterwards.</summary>
    internal Task CloseAsync() => _uses.CloseAsync();

    public void Dispose()
    {
        _uses.Dispose();
        _turns.Dispose();
    }

    private FileEntry Describe(byte[][] names, string field)
    {
        if (names.Length == 0)
        {
            using var top = Root.Open();
            return _tree.Stat(top, [], names, field).Describe(Root.Show(names));
        }

        using var parent = _tree.OpenParent(names, field);
        return Describe(parent, names, field);
    }

    private FileEntry Describe(SafeFileHandle parent, byte[][] names, string field)
    {
        var status = _tree.Stat(parent, names[^1], names, field);
        var target = status.Type == FileType.Symlink ? SandboxPath.Show(Calls.ReadLink(parent, names[^1])) : null;
        return status.Describe(Root.Show(names), target);
    }

    private async Task<T> RunAsync<T>(Func<CancellationToken, T> call, CancellationToken cancellationToken)
    {
        using var use = _uses.Begin();
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _uses.Ended);
        try
        {
            await _turns.WaitAsync(either.Token);
            try
            {
                return call(either.Token);
            }
            finally
            {
                _turns.Release();
            }
        }
        catch (OperationCanceledException) when (_uses.Ended.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            throw FileRoot.Ended();
        }
    }
}
