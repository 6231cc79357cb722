using System.Buffers;
using System.Globalization;
using System.Text;
using KernelGateway.Contracts.Files;
using Microsoft.Win32.SafeHandles;

namespace KernelGateway.Provisioners.Files;

/// <summary>Removes a folder with all in it, at any depth, with three descriptors and no recursion; links are removed, not followed.</summary>
/// <remarks>
/// A folder that is found inside is moved up into the one that is being removed before its content is looked at. So there is never a way
/// back up to find, which whoever else has the folder could lead elsewhere.
/// </remarks>
internal sealed class TreeRemoval(FileTree tree, CancellationToken cancellationToken)
{
    private const string Field = "path";
    private long _moved;

    /// <summary>Removes whatever has the name; nothing happens when there is none.</summary>
    internal void RemoveAny(SafeFileHandle parent, byte[][] names)
    {
        if (tree.Find(parent, names[^1], names, Field) is not { } status)
        {
            return;
        }

        if (status.Type == FileType.Directory)
        {
            Remove(parent, names);
        }
        else
        {
            tree.Check(tree.Calls.Remove(parent, names[^1], isFolder: false), names, Field);
        }
    }

    /// <summary>Removes a folder.</summary>
    internal void Remove(SafeFileHandle parent, byte[][] names)
    {
        tree.Check(tree.Calls.Open(parent, names[^1], SystemCall.ReadOnly | SystemCall.Directory, 0, out var top), names, Field);
        using (top)
        {
            // Each pass empties the folders that are in it now; what they held is in it for the next.
            while (Pass(top, top, names))
            {
                cancellationToken.ThrowIfCancellationRequested();
            }
        }

        tree.Check(tree.Calls.Remove(parent, names[^1], isFolder: true), names, Field);
    }

    /// <summary>Removes the files of a folder; empties and removes its folders when it is the top, else moves them there.</summary>
    /// <returns>Whether there was anything.</returns>
    private bool Pass(SafeFileHandle top, SafeFileHandle folder, byte[][] names)
    {
        var found = false;
        tree.Check(tree.Calls.Open(folder, [], SystemCall.ReadOnly | SystemCall.Directory, 0, out var reading), names, Field);
        var buffer = ArrayPool<byte>.Shared.Rent(32 << 10);
        try
        {
            long length;
            while ((length = tree.Calls.Entries(reading, buffer)) > 0)
            {
                foreach (var name in FileCalls.NamesIn(buffer, (int)length))
                {
                    cancellationToken.ThrowIfCancellationRequested();
                    found = true;
                    RemoveOne(top, folder, name, names);
                }
            }

            tree.Check(length, names, Field);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
            reading.Dispose();
        }

        return found;
    }

    private void RemoveOne(SafeFileHandle top, SafeFileHandle folder, byte[] name, byte[][] names)
    {
        byte[][] shown = [.. names, name];
        var result = tree.Calls.Remove(folder, name, isFolder: false);
        if (result is not (-FileCalls.IsAFolder or -FileCalls.NotPermitted))
        {
            Demand(result, shown);
            return;
        }

        if (tree.Calls.Stat(folder, name, out var status) != 0 || status.Type != FileType.Directory)
        {
            Demand(result, shown);
            return;
        }

        result = tree.Calls.Remove(folder, name, isFolder: true);
        if (result != -FileCalls.NotEmpty)
        {
            Demand(result, shown);
            return;
        }

        if (ReferenceEquals(top, folder))
        {
            tree.Check(tree.Calls.Open(folder, name, SystemCall.ReadOnly | SystemCall.Directory, 0, out var inner), shown, Field);
            using (inner)
            {
                Pass(top, inner, shown);
            }

            // Somebody may have put something into it again: the next pass sees to that.
            result = tree.Calls.Remove(folder, name, isFolder: true);
            Demand(result == -FileCalls.NotEmpty ? 0 : result, shown);
            return;
        }

        var place = Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $".kg-remove-{Guid.NewGuid():N}-{_moved++}"));
        Demand(tree.Calls.Rename(folder, name, top, place, replace: false), shown);
    }

    /// <summary>What has gone already needs no removing.</summary>
    private void Demand(long result, byte[][] names) => tree.Check(result == -FileCalls.NotFound ? 0 : result, names, Field);
}
