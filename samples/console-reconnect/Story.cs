using System.Diagnostics;
using System.Globalization;
using KernelGateway.Client;
using KernelGateway.Contracts.Executions;
using KernelGateway.Contracts.Sandboxes;

namespace ConsoleReconnect;

/// <summary>What the user asked for.</summary>
internal sealed record StorySettings(string? Url, string? Key, int Lines, double Rate, int DropAt, TimeSpan Away, bool Kill, string? Variant, string PlaceFile);

/// <summary>The whole way: start, lose the connection, come back by id, read on, judge.</summary>
internal sealed class Story(Screen screen, StorySettings settings)
{
    /// <summary>Starts a run and reads it over two connections.</summary>
    /// <returns>Whether every line came exactly once and in order.</returns>
    public async Task<bool> TellAsync(CancellationToken cancellationToken)
    {
        Place place;
        using (var connections = new CuttableHandler())
        {
            await using var client = Connect(connections.Handler);
            screen.Step($"Creating a sandbox at {client.BaseAddress}");
            var sandbox = await Sandbox.CreateAsync(client, new CreateSandboxRequest { Name = "console-reconnect", Variant = settings.Variant }, cancellationToken);
            sandbox.Detach();
            screen.Step($"Sandbox {sandbox.Id} is {Words.State(sandbox.Info.State)}; the code prints {Words.Lines(settings.Lines)}{Words.Pace(settings)}");
            var running = await sandbox.StartCodeAsync(Code(), new RunCodeOptions { Timeout = Timeout.InfiniteTimeSpan, AllowStdin = false }, cancellationToken);
            place = new Place
            {
                SandboxId = sandbox.Id,
                ExecutionId = running.Id,
                Lines = settings.Lines,
                LastSequence = running.FirstSequence - 1,
                NextLine = 1,
                LeftAt = TimeProvider.System.GetUtcNow(),
            };
            var reading = new Reading(screen, place, settings.PlaceFile);
            reading.Keep();
            await reading.FollowAsync(sandbox, stopAtLine: settings.DropAt, cancellationToken);
            place = reading.Place;
            if (settings.Kill)
            {
                screen.Break($"Killing this process after event {place.LastSequence}; run again with --resume");
                await Console.Out.FlushAsync(cancellationToken);
                using var self = Process.GetCurrentProcess();
                self.Kill();
                await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, CancellationToken.None);
            }

            screen.Break($"Cutting the connection after event {place.LastSequence}");
            connections.Cut();
        }

        await Task.Delay(settings.Away, TimeProvider.System, cancellationToken);
        return await ReadOnAsync(place, cancellationToken);
    }

    /// <summary>Goes on where a killed process stopped.</summary>
    /// <returns>Whether every line came exactly once and in order.</returns>
    public Task<bool> ResumeAsync(CancellationToken cancellationToken) => ReadOnAsync(Place.Load(settings.PlaceFile), cancellationToken);

    private async Task<bool> ReadOnAsync(Place place, CancellationToken cancellationToken)
    {
        var away = TimeProvider.System.GetUtcNow() - place.LeftAt;
        var clock = Stopwatch.StartNew();
        await using var client = Connect(null);
        screen.Step($"Coming back to sandbox {place.SandboxId}, after event {place.LastSequence}");
        var sandbox = await Sandbox.FromIdAsync(place.SandboxId, client, cancellationToken);
        var reading = new Reading(screen, place, settings.PlaceFile) { CatchUpTo = sandbox.Info.LastSequence, Clock = clock };
        await reading.FollowAsync(sandbox, stopAtLine: int.MaxValue, cancellationToken);
        await sandbox.TerminateAsync(cancellationToken: cancellationToken);
        File.Delete(settings.PlaceFile);
        return Judge(place, reading, away);
    }

    private bool Judge(Place place, Reading reading, TimeSpan away)
    {
        var proof = reading.Proof;
        proof.End();
        var good = proof.Holds && reading.Place.Status == ExecutionStatus.Ok;
        List<(string, string)> rows =
        [
            ("The code printed", Words.Lines(place.Lines)),
            ("Seen before the cut", Words.Lines(place.NextLine - 1)),
            ("Away for", Words.Time(away)),
            ("Printed meanwhile", Words.Count(reading.CaughtUp)),
            ("Caught up within", Words.Time(reading.CatchUpTime)),
            ("Seen live again", Words.Count(reading.Shown - reading.CaughtUp - (place.NextLine - 1))),
            ("Lost", Words.Count(proof.Lost)),
            ("Twice or out of order", Words.Count(proof.Repeated)),
        ];
        if (proof.Strange > 0)
        {
            rows.Add(("Never printed by the code", Words.Count(proof.Strange)));
        }

        var verdict = good
            ? $"Proven: all {Words.Lines(place.Lines)} came exactly once and in order."
            : $"NOT proven: the run ended as '{reading.Place.Status?.ToString() ?? "unknown"}', lost {Words.Count(proof.Lost)}, repeated {Words.Count(proof.Repeated)}, strange {Words.Count(proof.Strange)}.";
        screen.Summary(good, verdict, rows);
        return good;
    }

    private KernelGatewayClient Connect(HttpMessageHandler? handler) => new(new KernelGatewayClientOptions
    {
        BaseAddress = settings.Url is null ? null : Uri.TryCreate(settings.Url, UriKind.Absolute, out var address) ? address : throw new ArgumentException($"--url must be an address such as {KernelGatewayClientOptions.DefaultBaseAddress}."),
        ApiKey = settings.Key,
        HttpMessageHandler = handler,
    });

    private string Code() => string.Create(CultureInfo.InvariantCulture, $"""
        import time
        for number in range(1, {settings.Lines} + 1):
            print(f"line {"{number}"} of {settings.Lines}", flush=True)
            time.sleep({(settings.Rate == 0 ? 0 : 1 / settings.Rate)})
        """);
}
