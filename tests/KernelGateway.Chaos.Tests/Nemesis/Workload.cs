using KernelGateway.Chaos.Tests.Support;
using KernelGateway.Client;
using KernelGateway.Contracts.Errors;
using KernelGateway.Contracts.Events;
using KernelGateway.Contracts.Sandboxes;

namespace KernelGateway.Chaos.Tests.Nemesis;

/// <summary>One sandbox and its clients: one that runs code, one that reads and drops its connection, one that reads slowly.</summary>
internal sealed class Workload : IAsyncDisposable
{
    /// <summary>A run takes seconds; one that has not ended after this will never end.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(120);

    private readonly GatewayProcess _gateway;
    private readonly KernelGatewayClient _client;
    private readonly Sandbox _sandbox;
    private readonly Random _random;
    private readonly CancellationTokenSource _noMore = new();
    private readonly CancellationTokenSource _closed = new();
    private Task _driving = Task.CompletedTask;
    private Task _reading = Task.CompletedTask;
    private Task _readingSlowly = Task.CompletedTask;

    private Workload(GatewayProcess gateway, KernelGatewayClient client, Sandbox sandbox, int seed)
    {
        _gateway = gateway;
        _client = client;
        _sandbox = sandbox;
        _random = new Random(seed);
    }

    public History History { get; } = new();

    public string SandboxId => _sandbox.Id;

    /// <summary>Makes the sandbox and sets its clients to work.</summary>
    public static async Task<Workload> BeginAsync(GatewayProcess gateway, string variant, int seed)
    {
        var client = gateway.PatientClient();
        var sandbox = await Sandbox.CreateAsync(client, new CreateSandboxRequest { Variant = variant });
        var workload = new Workload(gateway, client, sandbox, seed);
        workload._reading = Task.Run(() => workload.ReadAsync(new Random(seed + 1)));
        workload._readingSlowly = Task.Run(() => new SlowReader(gateway, sandbox.Id, workload.History).ReadAsync(workload._closed.Token));
        workload._driving = Task.Run(workload.DriveAsync);
        return workload;
    }

    /// <summary>Starts no more runs and waits until those that were begun have ended.</summary>
    public async Task FinishAsync()
    {
        await _noMore.CancelAsync();
        await _driving.WaitAsync(Patience);
        History.Violations.Should().BeEmpty();

        // How often the code of the counting runs has really run.
        var count = await _sandbox.RunCodeAsync("globals().get('counter', 0)");
        Counted = int.Parse(count.Text!, System.Globalization.CultureInfo.InvariantCulture);
        await History.ShownAsync<ExecutionFinishedEvent>(count.Execution.Id, new CancellationTokenSource(Patience).Token);
        await _closed.CancelAsync();
        await Task.WhenAll(_reading, _readingSlowly).WaitAsync(Patience);
    }

    /// <summary>The value of the kernel's counter at the end.</summary>
    public int Counted { get; private set; }

    /// <summary>Everything once more, by somebody who was never cut.</summary>
    public async Task<IReadOnlyList<SandboxEvent>> ReadAgainAsync(long until)
    {
        await using var client = _gateway.PatientClient();
        await using var sandbox = await Sandbox.FromIdAsync(SandboxId, client);
        var all = new List<SandboxEvent>();
        using var deadline = new CancellationTokenSource(Patience);
        await foreach (var one in sandbox.EventsAsync(0, deadline.Token))
        {
            all.Add(one);
            if (one.Sequence >= until)
            {
                break;
            }
        }

        return all;
    }

    public Task TerminateAsync() => _sandbox.TerminateAsync(TimeSpan.Zero);

    public async ValueTask DisposeAsync()
    {
        await _noMore.CancelAsync();
        await _closed.CancelAsync();
        await Task.WhenAll(_driving, _reading, _readingSlowly).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await _client.DisposeAsync();
        _noMore.Dispose();
        _closed.Dispose();
    }

    private async Task DriveAsync()
    {
        for (var number = 0; !_noMore.IsCancellationRequested; number++)
        {
            var run = PlannedRun.Next(_random, number);
            using var deadline = CancellationTokenSource.CreateLinkedTokenSource(_closed.Token);
            deadline.CancelAfter(Patience);
            try
            {
                var running = await StartAsync(run, deadline.Token);
                if (_random.Next(4) == 0)
                {
                    await StartAsync(run, deadline.Token); // As a client does that never saw the answer.
                }

                if (run.Kind == RunKind.Ask)
                {
                    await AnswerAsync(run, running, deadline.Token);
                }

                await History.ShownAsync<ExecutionFinishedEvent>(running.Id, deadline.Token);
            }
            catch (Exception e)
            {
                History.Violate($"{run.Key} ({run.Kind}) did not end: {e.GetType().Name}: {e.Message}");
                return;
            }
        }
    }

    private async Task<RunningCode> StartAsync(PlannedRun run, CancellationToken cancellationToken)
    {
        while (true)
        {
            try
            {
                var running = await _sandbox.StartCodeAsync(run.Code, new RunCodeOptions { IdempotencyKey = run.Key }, cancellationToken);
                History.Accept(run, running.Id);
                return running;
            }
            catch (KernelGatewayException e) when (e.Code == ErrorCodes.StorageFull)
            {
                cancellationToken.ThrowIfCancellationRequested(); // An armed fault; the next attempt passes.
            }
        }
    }

    private async Task AnswerAsync(PlannedRun run, RunningCode running, CancellationToken cancellationToken)
    {
        if (await History.ShownAsync<InputRequestEvent>(running.Id, cancellationToken) is not InputRequestEvent)
        {
            return; // It ended before it asked.
        }

        while ((await _sandbox.GetCodeAsync(running.Id, null, cancellationToken)).Info is { AwaitingInput: true })
        {
            try
            {
                await running.ReplyInputAsync(run.Answer, cancellationToken);
                return;
            }
            catch (KernelGatewayException e) when (e.Code == ClientErrorCodes.ConnectionLost)
            {
                // It may have arrived or not: the loop asks.
            }
        }
    }

    private async Task ReadAsync(Random random)
    {
        long after = 0;
        while (!_closed.IsCancellationRequested)
        {
            var quota = random.Next(1, 2000);
            await using var client = _gateway.PatientClient();
            try
            {
                await using var sandbox = await Sandbox.FromIdAsync(SandboxId, client, _closed.Token);
                await foreach (var one in sandbox.EventsAsync(after, _closed.Token))
                {
                    History.Show(one);
                    after = one.Sequence;
                    if (--quota == 0)
                    {
                        break; // The connection is dropped, and another one goes on.
                    }
                }
            }
            catch (OperationCanceledException)
            {
                return;
            }
            catch (KernelGatewayException e)
            {
                History.Violate($"the reader was refused: {e.Code}: {e.Message}");
                return;
            }
        }
    }
}
