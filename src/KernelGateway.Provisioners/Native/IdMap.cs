using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using Microsoft.Win32.SafeHandles;
using DiagnosticsProcess = System.Diagnostics.Process;

namespace KernelGateway.Provisioners.Native;

/// <summary>A map of ids for a mount: files of one owner of the host belong to another uid when they are seen through it.</summary>
internal static class IdMap
{
    private const string Program = "unshare";

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    /// <summary>Makes a user namespace that stands for the map. It lives as long as the handle or a mount that uses it.</summary>
    /// <param name="uid">The owner on the host.</param>
    /// <param name="gid">The group on the host.</param>
    /// <param name="seenAs">Both, through the mount.</param>
    /// <exception cref="IOException">The host cannot.</exception>
    internal static async Task<SafeFileHandle> MakeAsync(uint uid, uint gid, uint seenAs)
    {
        if (!HostPrograms.TryFind(Program, out var program))
        {
            throw new IOException($"'{Program}' was not found (apt install util-linux)");
        }

        // What it becomes answers only after the namespace is there, and ends with its input, also when this process is killed.
        var start = new ProcessStartInfo(program, ["--user", "--", "/bin/cat"]) { RedirectStandardInput = true, RedirectStandardOutput = true };
        start.Environment.Clear();
        try
        {
            using var holder = DiagnosticsProcess.Start(start) ?? throw new IOException($"{program} was not started");
            using var answer = holder.StandardOutput;
            await using (var input = holder.StandardInput)
            {
                await input.WriteLineAsync();
                await input.FlushAsync();
                if (await answer.ReadLineAsync().WaitAsync(Patience) is null)
                {
                    throw new IOException($"{program} could not make a user namespace");
                }

                var proc = string.Create(CultureInfo.InvariantCulture, $"/proc/{holder.Id}");
                await File.WriteAllTextAsync($"{proc}/uid_map", string.Create(CultureInfo.InvariantCulture, $"{uid} {seenAs} 1"));
                await File.WriteAllTextAsync($"{proc}/gid_map", string.Create(CultureInfo.InvariantCulture, $"{gid} {seenAs} 1"));
                var space = LibC.OpenFrom(-100, $"{proc}/ns/user", LibC.OpenCloseOnExec, 0);
                return space >= 0 ? new SafeFileHandle(space, ownsHandle: true) : throw new IOException("its user namespace could not be opened");
            }
        }
        catch (Exception error) when (error is Win32Exception or TimeoutException or UnauthorizedAccessException)
        {
            throw new IOException(error.Message, error);
        }
    }
}
