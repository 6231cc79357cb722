using System.Text.Json;
using KernelGateway.Contracts.Executions;

namespace ConsoleReconnect;

/// <summary>All that a new process needs to go on where an old one stopped.</summary>
internal sealed record Place
{
    /// <summary>The sandbox to come back to.</summary>
    public required string SandboxId { get; init; }

    /// <summary>The run that is being read.</summary>
    public required string ExecutionId { get; init; }

    /// <summary>How many lines the code prints in all.</summary>
    public required int Lines { get; init; }

    /// <summary>The number of the last event whose lines are on the screen.</summary>
    public required long LastSequence { get; init; }

    /// <summary>The number of the next line that must come.</summary>
    public required int NextLine { get; init; }

    /// <summary>The beginning of a line whose end is in a later event.</summary>
    public string Unfinished { get; init; } = "";

    /// <summary>How the run ended; <c>null</c> until then.</summary>
    public ExecutionStatus? Status { get; init; }

    /// <summary>When the last event was shown.</summary>
    public required DateTimeOffset LeftAt { get; init; }

    /// <summary>Where the place is kept unless told otherwise.</summary>
    public static string DefaultFile
    {
        get
        {
            var state = Environment.GetEnvironmentVariable("XDG_STATE_HOME") is { Length: > 0 } given
                ? given
                : Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".local", "state");
            return Path.Combine(state, "kernel-gateway", "console-reconnect.json");
        }
    }

    /// <summary>Writes the place in one step: a process that dies in between leaves the old one.</summary>
    public void Save(string file)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(file))!);
        var draft = file + ".new";
        File.WriteAllText(draft, JsonSerializer.Serialize(this));
        File.Move(draft, file, overwrite: true);
    }

    public static Place Load(string file)
    {
        try
        {
            return JsonSerializer.Deserialize<Place>(File.ReadAllText(file)) ?? throw new JsonException("It is empty.");
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new IOException($"There is nothing to resume: {file} does not exist. Run with --kill first.", e);
        }
        catch (JsonException e)
        {
            throw new IOException($"{file} cannot be read: {e.Message}", e);
        }
    }
}
