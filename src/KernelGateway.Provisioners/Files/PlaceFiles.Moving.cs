using KernelGateway.Contracts.Files;
using KernelGateway.Core.Files;
using Microsoft.Win32.SafeHandles;

namespace KernelGateway.Provisioners.Files;

/// <summary>Copying and moving.</summary>
internal sealed partial class PlaceFiles
{
    public Task<FileEntry> CopyAsync(SandboxPath from, SandboxPath to, bool overwrite, CancellationToken cancellationToken) => RunAsync(
        token =>
        {
            var (source, target) = (Root.Locate(from, "from"), Root.Locate(to, "to"));
            _tree.Refusals.DemandApart(source, target);
            using var sourceFolder = _tree.OpenParent(source, "from");
            using var targetFolder = _tree.MakeParent(target, "to");
            Copy(sourceFolder, source, targetFolder, target, overwrite, token);
            return Describe(targetFolder, target, "to");
        },
        cancellationToken);

    public Task<FileEntry> MoveAsync(SandboxPath from, SandboxPath to, bool overwrite, CancellationToken cancellationToken) => RunAsync(
        token =>
        {
            var (source, target) = (Root.LocateToTakeAway(from, "from"), Root.Locate(to, "to"));
            _tree.Refusals.DemandApart(source, target);
            using var sourceFolder = _tree.OpenParent(source, "from");
            _tree.Stat(sourceFolder, source[^1], source, "from");
            using var targetFolder = _tree.MakeParent(target, "to");
            var result = Calls.Rename(sourceFolder, source[^1], targetFolder, target[^1], overwrite);
            if (result == -FileCalls.OtherDevice)
            {
                MoveByCopy(sourceFolder, source, targetFolder, target, overwrite, token);
            }
            else
            {
                _tree.Check(result, target, "to");
            }

            return Describe(targetFolder, target, "to");
        },
        cancellationToken);

    /// <summary>To another file system: a copy, and then the original goes.</summary>
    private void MoveByCopy(SafeFileHandle sourceFolder, byte[][] source, SafeFileHandle targetFolder, byte[][] target, bool overwrite, CancellationToken cancellationToken)
    {
        // Put aside first: what may not be removed is not copied either, and nobody changes it meanwhile.
        byte[][] aside = [.. source[..^1], HiddenName()];
        _tree.Check(Calls.Rename(sourceFolder, source[^1], sourceFolder, aside[^1], replace: false), source, "from");
        try
        {
            Copy(sourceFolder, aside, targetFolder, target, overwrite, cancellationToken);
        }
        catch
        {
            Calls.Rename(sourceFolder, aside[^1], sourceFolder, source[^1], replace: false);
            throw;
        }

        new TreeRemoval(_tree, CancellationToken.None).RemoveAny(sourceFolder, aside);
    }

    /// <summary>Copies under another name first, so that the copy is there completely or not at all.</summary>
    private void Copy(SafeFileHandle sourceFolder, byte[][] source, SafeFileHandle targetFolder, byte[][] target, bool overwrite, CancellationToken cancellationToken)
    {
        if (_tree.Find(targetFolder, target[^1], target, "to") is { } present)
        {
            _tree.Check(overwrite ? 0 : -FileCalls.Exists, target, "to");
            _tree.DemandFile(present, target, "to");
        }

        var unfinished = HiddenName();
        byte[][] hidden = [.. target[..^1], unfinished];
        try
        {
            new TreeCopy(_tree, cancellationToken).Copy(sourceFolder, source, targetFolder, hidden);
            _tree.Check(Calls.Rename(targetFolder, unfinished, targetFolder, target[^1], overwrite), target, "to");
        }
        catch
        {
            new TreeRemoval(_tree, CancellationToken.None).RemoveAny(targetFolder, hidden);
            throw;
        }
    }
}
