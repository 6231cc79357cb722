using KernelGateway.Contracts.Files;
using KernelGateway.Core.Files;

namespace KernelGateway.Provisioners.Files;

/// <summary>What files need besides their content to be again what they were.</summary>
internal sealed partial class PlaceFiles
{
    public Task MakeLinkAsync(SandboxPath path, string target, CancellationToken cancellationToken) => RunAsync(
        _ =>
        {
            var names = Root.Locate(path, "path");
            using var parent = _tree.OpenParent(names, "path");
            _tree.Check(Calls.MakeLink(SandboxPath.TargetOf(target), parent, names[^1]), names, "path");
            return true;
        },
        cancellationToken);

    public Task SetAttributesAsync(SandboxPath path, int? mode, DateTimeOffset modifiedAt, CancellationToken cancellationToken) => RunAsync(
        _ =>
        {
            var names = Root.Locate(path, "path");
            if (names.Length == 0)
            {
                return false; // The root belongs to the system.
            }

            using var parent = _tree.OpenParent(names, "path");
            var status = _tree.Stat(parent, names[^1], names, "path");
            if (mode is { } bits && status.Type is FileType.File or FileType.Directory && bits != status.Permissions)
            {
                using var opened = _tree.Open(names, SystemCall.ReadOnly | SystemCall.NonBlocking | SystemCall.NoControllingTerminal, "path");
                _tree.Check(Calls.Chmod(opened, bits), names, "path");
            }

            _tree.Check(Calls.SetTime(parent, names[^1], modifiedAt), names, "path");
            return true;
        },
        cancellationToken);
}
