using System.Collections.Concurrent;
using System.Text.Json;
using System.Text.Json.Nodes;
using KernelGateway.Core.Errors;
using KernelGateway.Core.Provisioning;
using Microsoft.Extensions.Logging;

namespace KernelGateway.Provisioners.Remote;

/// <summary>Copies the logs of the commands of one place to this host as they grow. One loop for all; it sleeps until it is told that there is something.</summary>
internal sealed partial class LogMirror : IAsyncDisposable
{
    internal const int MaxCommands = 10_000;

    /// <summary>Most bytes that are asked for at once.</summary>
    private const int MaxPieces = 512 << 10;

    /// <summary>While a copy waits for its reader it is looked at this often, as the writer of a full log does.</summary>
    private static readonly TimeSpan LookAtFull = TimeSpan.FromMilliseconds(50);

    /// <summary>For a ring that was lost on the way.</summary>
    private static readonly TimeSpan LookAnyway = TimeSpan.FromSeconds(2);

    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan LastPause = TimeSpan.FromSeconds(5);

    private readonly RemotePlace _place;
    private readonly RemoteKernel _kernel;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly ConcurrentDictionary<string, LogCopy> _copies = new(StringComparer.Ordinal);
    private readonly CancellationTokenSource _stop = new();
    private readonly SemaphoreSlim _turn = new(1, 1);
    private readonly Task _copying;

    internal LogMirror(RemotePlace place, RemoteKernel kernel, TimeProvider time, ILogger logger)
    {
        _place = place;
        _kernel = kernel;
        _time = time;
        _logger = logger;
        _copying = Task.Run(CopyAsync);
    }

    /// <summary>Is told of a command when its copy has grown.</summary>
    internal Action<string>? Activity { get; set; }

    internal static bool IsName(string command) => command.Length == 32 && command.All(char.IsAsciiHexDigitLower);

    internal KernelLogLocation LocationOf(string command) => new(Path.Combine(_place.LogsFolder, command), Native.LibC.GetEffectiveUid());

    /// <summary>The commands of which there are copies.</summary>
    internal IReadOnlyList<string> CopiesFound() => Directory.Exists(_place.LogsFolder)
        ? [.. Directory.EnumerateDirectories(_place.LogsFolder).Select(path => Path.GetFileName(path)).Where(IsName)]
        : [];

    /// <summary>Copies the log of a command from where its copy ends.</summary>
    internal void Follow(string command)
    {
        _copies.TryAdd(command, LogCopy.Open(LocationOf(command)));
        _kernel.Logs.Ring();
    }

    /// <summary>Copies no more of it and removes the copy.</summary>
    internal async Task ForgetAsync(string command)
    {
        await _turn.WaitAsync();
        try
        {
            _copies.TryRemove(command, out _);
            LogCopy.Remove(LocationOf(command));
        }
        finally
        {
            _turn.Release();
        }
    }

    internal void RemoveAll()
    {
        foreach (var command in CopiesFound())
        {
            LogCopy.Remove(LocationOf(command));
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _copying;
    }

    private async Task CopyAsync()
    {
        var pause = FirstPause;
        try
        {
            while (true)
            {
                try
                {
                    var rings = _kernel.Logs.Rings;
                    if (!await CopyOnceAsync())
                    {
                        await WaitForNewsAsync(rings);
                    }

                    pause = FirstPause;
                }
                catch (Exception e) when (e is GatewayException or IOException or UnauthorizedAccessException)
                {
                    LogNotCopied(_logger, _place.Name, e.Message);
                    await Task.Delay(pause, _time, _stop.Token);
                    pause = pause * 2 < LastPause ? pause * 2 : LastPause;
                }
            }
        }
        catch (OperationCanceledException)
        {
            // Let go of: whoever comes next goes on where the copies end.
        }
    }

    /// <summary>Waits until there is something to ask for: a ring, room in a copy that was full, or the time to look anyway.</summary>
    private async Task WaitForNewsAsync(long rings)
    {
        if (_copies.IsEmpty)
        {
            await _kernel.Logs.WaitAsync(rings, Timeout.InfiniteTimeSpan, _stop.Token);
            return;
        }

        var began = _time.GetTimestamp();
        while (_kernel.Logs.Rings == rings && _time.GetElapsedTime(began) < LookAnyway)
        {
            var full = _copies.Values.Where(copy => copy.IsFull).ToList();
            await _kernel.Logs.WaitAsync(rings, full.Count > 0 ? LookAtFull : LookAnyway, _stop.Token);
            if (full.Any(copy => !copy.CheckFull()))
            {
                return;
            }
        }
    }

    /// <summary>Asks for what is new; false when there is nothing.</summary>
    private async Task<bool> CopyOnceAsync()
    {
        var wanted = new JsonObject();
        foreach (var (command, copy) in _copies)
        {
            if (!copy.IsOver && !copy.CheckFull())
            {
                wanted[command] = new JsonArray(copy.Segment, copy.Offset);
            }
        }

        if (wanted.Count == 0)
        {
            return false;
        }

        var answer = await _kernel.CallAsync("logs", new JsonObject { ["at"] = wanted, ["most"] = MaxPieces }, _stop.Token);
        var news = RemoteCommands.Demand(answer);
        var pieces = news.Field("pieces").List(MaxCommands);
        var lost = news.Field("lost").List(MaxCommands);
        await _turn.WaitAsync(_stop.Token);
        try
        {
            foreach (var piece in pieces)
            {
                Take(piece);
            }

            foreach (var command in lost)
            {
                if (_copies.TryGetValue(command.Words(), out var copy))
                {
                    copy.End();
                    Activity?.Invoke(command.Words());
                }
            }
        }
        finally
        {
            _turn.Release();
        }

        return pieces.Count > 0;
    }

    private void Take(JsonElement piece)
    {
        var parts = piece.List(5);
        if (parts.Count < 5)
        {
            throw RemoteAnswer.Malformed();
        }

        var command = parts[0].Words();
        if (_copies.TryGetValue(command, out var copy))
        {
            long? final = parts[4].ValueKind == JsonValueKind.Null ? null : parts[4].Count();
            copy.Add(parts[1].Count(), parts[2].Count(), parts[3].Bytes(MaxPieces), final);
            Activity?.Invoke(command);
        }
    }

    [LoggerMessage(LogLevel.Warning, "Place {Place}: the output of its commands cannot be copied now: {Reason}")]
    private static partial void LogNotCopied(ILogger logger, string place, string reason);
}
