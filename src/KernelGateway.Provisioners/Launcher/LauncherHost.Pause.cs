using KernelGateway.Core.Errors;
using KernelGateway.Core.Provisioning;
using Microsoft.Extensions.Logging;

namespace KernelGateway.Provisioners.Launcher;

/// <summary>How a place is made to stand still, and found again so.</summary>
internal sealed partial class LauncherHost : IPausable
{
    // Completes with the connection to the agent; with none when the host is ended or let go before there was one.
    private readonly TaskCompletionSource<LauncherClient?> _connected = new(TaskCreationOptions.RunContinuationsAsynchronously);

    // What is remembered of a place that was found paused. Its agent cannot answer, so it is not asked before it goes on.
    private LauncherState? _asleep;

    public bool IsPaused => _place.Freezer is { IsFrozen: true };

    public async Task PauseAsync(CancellationToken cancellationToken)
    {
        await Client.HoldAsync(on: true, cancellationToken);
        try
        {
            await Freezer.FreezeAsync(cancellationToken);
        }
        catch
        {
            await LetGoOnAsync();
            throw;
        }
    }

    public async Task ResumeAsync(CancellationToken cancellationToken)
    {
        try
        {
            Freezer.Thaw();
        }
        catch (IOException error)
        {
            throw new GatewayException(ErrorCode.KernelFailed, $"The host does not let the sandbox go on: {error.Message}", inner: error);
        }

        if (_asleep is { } past)
        {
            await TakeUpAsync(past, AwakeWithin, cancellationToken);
            _asleep = null;
        }
        else
        {
            await LetGoOnAsync();
        }
    }

    /// <summary>An agent that lives answers within milliseconds.</summary>
    private static TimeSpan AwakeWithin => TimeSpan.FromSeconds(10);

    private IFreezer Freezer => _place.Freezer ?? throw new InvalidOperationException("The place has no freezer.");

    /// <summary>Without it commands have no time limits; their sandbox has one all the same.</summary>
    private async Task LetGoOnAsync()
    {
        try
        {
            await Client.HoldAsync(on: false, CancellationToken.None);
        }
        catch (GatewayException error)
        {
            LogHeld(_log, _place.SandboxId, error.Message);
        }
    }

    private async Task<string> WhenClosedAsync() => await _connected.Task is { } client ? await client.Closed : "";

    [LoggerMessage(Level = LogLevel.Warning, Message = "The time limits of commands of sandbox {SandboxId} stand still: {Problem}")]
    private static partial void LogHeld(ILogger logger, string sandboxId, string problem);
}
