using System.Runtime.CompilerServices;
using KernelGateway.Client.Http;
using KernelGateway.Client.Output;
using KernelGateway.Contracts.Errors;
using KernelGateway.Contracts.Events;
using KernelGateway.Contracts.Executions;

namespace KernelGateway.Client;

/// <summary>One run of code in a sandbox. It goes on whether or not anybody reads it.</summary>
public sealed class RunningCode
{
    private readonly KernelGatewayClient _client;
    private readonly RunCodeOptions _options;

    internal RunningCode(KernelGatewayClient client, ExecutionInfo info, RunCodeOptions options)
    {
        _client = client;
        Info = info;
        _options = options;
    }

    /// <summary>The run's id.</summary>
    public string Id => Info.Id;

    /// <summary>The number of its first event.</summary>
    public long FirstSequence => Info.FirstSequence;

    /// <summary>The run as it was when this object was made.</summary>
    public ExecutionInfo Info { get; }

    /// <summary>
    /// Reads the run's events from its beginning to its end, over any number of connections; each exactly once and in order.
    /// Events that say that something is missing, or how kernel and sandbox fare, are among them.
    /// </summary>
    /// <param name="cancellationToken">Ends the reading; the run goes on.</param>
    /// <exception cref="KernelGatewayException">The gateway refused or stayed away too long, or events are missing.</exception>
    public async IAsyncEnumerable<SandboxEvent> Events([EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        await foreach (var next in FollowAsync(cancellationToken))
        {
            if (IsMine(next))
            {
                yield return next;
            }
        }
    }

    /// <summary>Waits for the end; calls the callbacks that were given at the start on the way. May be called again: it reads everything again.</summary>
    /// <param name="cancellationToken">Ends the waiting; the run goes on.</param>
    /// <exception cref="KernelGatewayException">As <see cref="Events"/>; and <see cref="ClientErrorCodes.ExecutionUnknown"/>.</exception>
    public async Task<CodeResult> WaitAsync(CancellationToken cancellationToken = default)
    {
        var gatherer = new ResultGatherer(Info, _options);
        if (_options.OnInput is null)
        {
            await foreach (var next in Events(cancellationToken))
            {
                gatherer.Add(next);
            }

            return gatherer.ToResult();
        }

        using var reading = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var dialogue = new InputDialogue(_client, this, _options.OnInput, reading);
        try
        {
            await dialogue.BeginAsync(cancellationToken);
            await foreach (var next in FollowAsync(reading.Token))
            {
                if (IsMine(next))
                {
                    gatherer.Add(next);
                }

                await dialogue.SeeAsync(next);
            }
        }
        catch (OperationCanceledException) when (dialogue.Failed && !cancellationToken.IsCancellationRequested)
        {
            // The dialogue ended the reading; its own error is the one to show.
        }
        finally
        {
            await dialogue.EndAsync();
        }

        dialogue.ThrowIfFailed();
        return gatherer.ToResult();
    }

    /// <summary>Interrupts the run, as Ctrl-C does. Nothing happens when it has ended.</summary>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <exception cref="KernelGatewayException">The gateway refused or could not be reached.</exception>
    public Task InterruptAsync(CancellationToken cancellationToken = default) =>
        _client.Http.InterruptAsync(Info.SandboxId, Id, escalate: false, cancellationToken);

    /// <summary>
    /// Ends the run whatever it does: interrupts it and, after the gateway's graces, asks its children to end, kills the kernel and at
    /// last ends the sandbox. Returns at once; the events tell each step. Nothing happens when it has ended.
    /// </summary>
    /// <param name="cancellationToken">Cancels the call, not what has begun.</param>
    /// <exception cref="KernelGatewayException">The gateway refused or could not be reached.</exception>
    public Task ForceInterruptAsync(CancellationToken cancellationToken = default) =>
        _client.Http.InterruptAsync(Info.SandboxId, Id, escalate: true, cancellationToken);

    /// <summary>Answers the <c>input()</c> that waits.</summary>
    /// <param name="value">The answer, without the newline.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <exception cref="KernelGatewayException">
    /// <see cref="ErrorCodes.Conflict"/>: nothing was asked. <see cref="ClientErrorCodes.ConnectionLost"/>: the answer may have arrived or not; it is not
    /// sent twice, because a second one would answer the next question.
    /// </exception>
    public Task ReplyInputAsync(string value, CancellationToken cancellationToken = default) =>
        _client.Http.ReplyInputAsync(Info.SandboxId, Id, value, cancellationToken);

    private async IAsyncEnumerable<SandboxEvent> FollowAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await foreach (var next in _client.EventsOf(Info.SandboxId).ReadAsync(FirstSequence - 1, cancellationToken))
        {
            yield return next;
            if (next is ExecutionFinishedEvent && next.ExecutionId == Id)
            {
                yield break;
            }
        }

        throw new KernelGatewayException(ErrorCodes.KernelFailed, "The sandbox has ended, and the end of this run was not recorded.");
    }

    private bool IsMine(SandboxEvent next) => next.ExecutionId == Id
        || (next.ExecutionId is null && next is TruncatedEvent or GapEvent or OmittedEvent or KernelStateEvent or SandboxStateEvent);
}
