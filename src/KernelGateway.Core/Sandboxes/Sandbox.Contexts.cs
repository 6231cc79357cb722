using KernelGateway.Contracts;
using KernelGateway.Contracts.Executions;
using KernelGateway.Contracts.Sandboxes;
using KernelGateway.Core.Environments;
using KernelGateway.Core.Errors;
using KernelGateway.Core.Executions;
using KernelGateway.Core.Faults;
using KernelGateway.Core.Journals;
using KernelGateway.Core.Kernels;
using KernelGateway.Core.Provisioning;
using Microsoft.Extensions.Logging;

namespace KernelGateway.Core.Sandboxes;

/// <summary>Its contexts: kernels with namespaces and queues of their own in one place.</summary>
public sealed partial class Sandbox
{
    /// <summary>Its contexts as they are; the first is the default one. None when it does not run.</summary>
    public IReadOnlyList<ContextInfo> Contexts => [.. _contexts.All.Select(session => session.Info)];

    /// <summary>Finds a context.</summary>
    /// <exception cref="GatewayException"><see cref="ErrorCode.ContextNotFound"/>, or <see cref="ErrorCode.Conflict"/> when it does not run.</exception>
    public ContextInfo GetContext(string contextId)
    {
        _ = DemandLive("asked for its contexts");
        return _contexts.Find(contextId).Info;
    }

    /// <summary>Starts another kernel and waits until it is ready; on failure nothing is left of it.</summary>
    /// <exception cref="GatewayException">A value is wrong, there are as many contexts as there may be, or the kernel could not be started.</exception>
    public async Task<ContextInfo> CreateContextAsync(CreateContextRequest request, CancellationToken cancellationToken)
    {
        var plan = ContextPlan.Of(request, _environment);
        await AwakeAsync(cancellationToken);
        return await LiveAsync(
            async either =>
            {
                _ = Session(null);
                return (await AddContextAsync(plan, either)).Info;
            },
            cancellationToken);
    }

    /// <summary>Ends a context's kernel and forgets the context. Its executions can still be read.</summary>
    /// <exception cref="GatewayException"><see cref="ErrorCode.Conflict"/>: it is the default one.</exception>
    public async Task RemoveContextAsync(string contextId, CancellationToken cancellationToken)
    {
        await AwakeAsync(cancellationToken);
        await LiveAsync(
            async either =>
            {
                var session = Session(contextId);
                if (session.Id == DefaultContext)
                {
                    throw new GatewayException(ErrorCode.Conflict, "The default context cannot be removed. Restart it to get rid of its variables, or terminate the sandbox.", "contextId");
                }

                const string Removed = "Its context was removed.";
                _contexts.Remove(session); // Nothing new is accepted for it from here on.
                session.CancelAll(ReasonCodes.Removed, Removed);

                // Forgotten before it is killed: the kernels that no context has are killed when the gateway starts again.
                Change(r => r with { Contexts = [.. r.Contexts.Where(c => c.Id != session.Id)] });
                Fault.At("context.forgotten");
                await session.RemoveAsync(Removed, CancellationToken.None);
                return true;
            },
            cancellationToken);
    }

    /// <summary>Accepts a run of code. With a language, in the context of that language, which is made on its first use.</summary>
    /// <param name="request">The run.</param>
    /// <param name="cancellationToken">Stops the start of a context; a run that was accepted goes on whatever becomes of the caller.</param>
    public async Task<Execution> RunCodeAsync(RunCodeRequest request, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(request);
        CheckCode(request);
        await AwakeAsync(cancellationToken);
        if (request.Language is not { } language)
        {
            return RunCode(request);
        }

        if (request.ContextId is not null)
        {
            throw new GatewayException(ErrorCode.InvalidArgument, "'language' chooses a context, and so does 'contextId': give one of them.", "language");
        }

        var plan = ContextPlan.OfLanguage(language, _environment);
        _ = Session(null);
        if (_contexts.TryFind(plan.Id) is null)
        {
            await LiveAsync(
                async either =>
                {
                    _ = Session(null);
                    return _contexts.TryFind(plan.Id) ?? await AddContextAsync(plan, either);
                },
                cancellationToken);
        }

        return RunCode(request with { ContextId = plan.Id });
    }

    private async Task<KernelSession> AddContextAsync(ContextRecord plan, CancellationToken cancellationToken)
    {
        if (_contexts.Count >= _options.MaxContexts)
        {
            throw new GatewayException(ErrorCode.LimitReached, $"The sandbox has {_contexts.Count} contexts already, the most there may be. Remove some, or raise Gateway:Sandboxes:MaxContexts.");
        }

        _clock.Use();
        var session = NewSession(_host!, plan);
        try
        {
            await session.StartAsync(NextKernelId(), KernelVariables(plan), cancellationToken);
            Fault.At("context.kernel_launched");
            RememberKernel(session);
        }
        catch
        {
            await session.RemoveAsync("It could not be started.", CancellationToken.None);
            throw;
        }

        _contexts.Add(session);
        return session;
    }

    /// <summary>Takes up one context again. Without the default one the sandbox is lost; another one is only dead.</summary>
    private async Task ReattachAsync(KernelSession session, Func<string, SourcePosition?> recorded, CancellationToken cancellationToken)
    {
        try
        {
            await session.ReattachAsync(recorded(session.KernelId), cancellationToken);
        }
        catch (GatewayException e) when (session.Id != DefaultContext)
        {
            LogContextLost(_logger, Id, session.Id, e.Message);
            session.Lose(e.Message);
        }
    }

    /// <summary>Kills kernels that belong to a context that was removed, or not yet made, when the gateway ended.</summary>
    private async Task KillForgottenAsync(IKernelHost host)
    {
        var known = _record.Contexts.Select(c => c.KernelId).ToHashSet(StringComparer.Ordinal);
        foreach (var kernel in host.Kernels.Where(k => !k.Exited.IsCompleted && !known.Contains(k.Id)))
        {
            try
            {
                await kernel.SignalAsync(KernelSignal.Kill, CancellationToken.None);
            }
            catch (GatewayException e)
            {
                LogContextLost(_logger, Id, kernel.Id, e.Message); // It ends with the sandbox.
            }
        }
    }

    private KernelSession NewSession(IKernelHost host, ContextRecord context) => new(
        Id, context, KernelOn(host, _environment.Kernels[context.KernelName]), host, Journal, _executions, _options, _time, _logger,
        (code, reason) => EndOnceAsync(SandboxState.Failed, code, reason, TimeSpan.Zero));

    /// <summary>A kernel that somebody else starts keeps no log, and is interrupted by whoever started it.</summary>
    private static EnvironmentKernel KernelOn(IKernelHost host, EnvironmentKernel kernel) =>
        host.RunsLauncher ? kernel : kernel with { KeepsLog = false, InterruptMode = "signal" };

    private ContextRecord DefaultPlan => new(DefaultContext, _environment.DefaultKernel, "");

    private void RememberKernel(KernelSession session)
    {
        var context = session.Record;
        Change(r => r with
        {
            Host = _host?.Describe() ?? r.Host, // It now describes the new kernel as well.
            Contexts = r.Contexts.Any(c => c.Id == context.Id)
                ? [.. r.Contexts.Select(c => c.Id == context.Id ? context : c)]
                : [.. r.Contexts, context],
        });
    }

    private IReadOnlyDictionary<string, string> KernelVariables(ContextRecord context) =>
        context.Variables is { Count: > 0 } own ? Merge(KernelVariables(), own) : KernelVariables();

    /// <summary>Does something to its kernels, one thing at a time, and gives up when it is ended meanwhile.</summary>
    private async Task<T> LiveAsync<T>(Func<CancellationToken, Task<T>> act, CancellationToken cancellationToken)
    {
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _ending.Token);
        try
        {
            await _life.WaitAsync(either.Token);
            try
            {
                return await act(either.Token);
            }
            finally
            {
                _life.Release();
            }
        }
        catch (OperationCanceledException) when (_ending.IsCancellationRequested)
        {
            throw EndedMeanwhile();
        }
    }

    [LoggerMessage(LogLevel.Warning, "Sandbox {SandboxId}: context {ContextId} was not found again: {Reason}")]
    private static partial void LogContextLost(ILogger logger, string sandboxId, string contextId, string reason);
}
