using System.ComponentModel;

namespace KernelGateway.Provisioners.Native;

/// <summary>Removes folders that sandboxed code has filled: any depth, any number, any names, no link followed.</summary>
internal static class FolderRemoval
{
    private static readonly TimeSpan Deadline = TimeSpan.FromMinutes(5);

    /// <summary>Nothing happens when there is no such folder.</summary>
    /// <exception cref="IOException">Something could not be removed.</exception>
    internal static async Task RemoveAsync(string folder, TimeProvider time)
    {
        if (!Directory.Exists(folder))
        {
            return;
        }

        try
        {
            // Not Directory.Delete: it recurses, and stops where a path becomes longer than the system takes. rm goes down by descriptors.
            var result = await ExternalProgram.RunAsync("/bin/rm", ["-rf", "--one-file-system", "--", folder], Deadline, time);
            if (result.ExitCode != 0 || Directory.Exists(folder))
            {
                throw new IOException($"{folder} could not be removed: {result.Error}");
            }
        }
        catch (Exception error) when (error is Win32Exception or TimeoutException)
        {
            throw new IOException($"{folder} could not be removed: {error.Message}", error);
        }
    }
}
