using System.Globalization;
using System.Text;
using KernelGateway.Provisioners.Native;

namespace KernelGateway.Provisioners.Process;

/// <summary>The processes of a place that has no container: each carries a mark in its environment, which children inherit.</summary>
/// <remarks>A process that wipes its environment escapes. This variant promises no isolation.</remarks>
internal sealed class MarkedProcesses(string name, string value, TimeProvider time)
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    private readonly byte[] _mark = Encoding.UTF8.GetBytes($"{name}={value}\0");

    /// <summary>Kills all of them, those too that are made meanwhile; returns when they are gone.</summary>
    /// <exception cref="IOException">Some do not go.</exception>
    internal async Task KillAsync()
    {
        var started = time.GetTimestamp();
        while (Find() is { Count: > 0 } found)
        {
            try
            {
                found.ForEach(process => process.Signal(LibC.SigKill));
                var left = Patience - time.GetElapsedTime(started);
                await Task.WhenAll(found.Select(process => process.Exited)).WaitAsync(left > TimeSpan.Zero ? left : TimeSpan.Zero, time);
            }
            catch (TimeoutException error)
            {
                throw new IOException($"The processes {string.Join(", ", found.Select(process => process.Pid))} were killed and do not go.", error);
            }
            finally
            {
                found.ForEach(process => process.Dispose());
            }
        }
    }

    /// <summary>Sends all of them a signal.</summary>
    internal void Signal(int signal)
    {
        foreach (var process in Find())
        {
            process.Signal(signal);
            process.Dispose();
        }
    }

    /// <summary>Sends a signal to those that run or could at once, and says how many they were. One that waits in the system takes it when it comes back.</summary>
    internal int SignalRunning(int signal)
    {
        var running = 0;
        foreach (var process in Find())
        {
            if (WatchedProcess.ReadState(process.Pid) is not ('T' or 't' or 'Z' or 'X' or null) and var state)
            {
                process.Signal(signal);
                running += state == 'D' ? 0 : 1;
            }

            process.Dispose();
        }

        return running;
    }

    private List<WatchedProcess> Find()
    {
        var found = new List<WatchedProcess>();
        foreach (var folder in Directory.EnumerateDirectories("/proc"))
        {
            if (!int.TryParse(Path.GetFileName(folder), NumberStyles.None, CultureInfo.InvariantCulture, out var pid)
                || pid == Environment.ProcessId
                || !IsMarked(folder))
            {
                continue;
            }

            // Opened, then looked at once more: the number may have come to mean another process in between.
            if (WatchedProcess.Open(pid) is { } process)
            {
                if (IsMarked(folder))
                {
                    found.Add(process);
                }
                else
                {
                    process.Dispose();
                }
            }
        }

        return found;
    }

    private bool IsMarked(string folder)
    {
        try
        {
            var environment = File.ReadAllBytes(Path.Combine(folder, "environ"));
            var at = environment.AsSpan().IndexOf(_mark);
            return at == 0 || (at > 0 && environment[at - 1] == 0);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }
}
