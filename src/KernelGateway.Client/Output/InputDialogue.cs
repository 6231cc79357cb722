using System.Runtime.ExceptionServices;
using KernelGateway.Client.Http;
using KernelGateway.Contracts.Errors;
using KernelGateway.Contracts.Events;

namespace KernelGateway.Client.Output;

/// <summary>Asks the caller what user code asked, beside the reading of events, and sends the answer exactly once.</summary>
internal sealed class InputDialogue(
    KernelGatewayClient client,
    RunningCode code,
    Func<InputRequestEvent, CancellationToken, Task<string>> ask,
    CancellationTokenSource reading)
{
    // Questions up to this number may have been answered before we came.
    private long _past;
    private InputRequestEvent? _old;
    private Task _answering = Task.CompletedTask;
    private CancellationTokenSource? _withdrawn;
    private volatile ExceptionDispatchInfo? _failure;

    public bool Failed => _failure is not null;

    public void ThrowIfFailed() => _failure?.Throw();

    public async Task BeginAsync(CancellationToken cancellationToken) =>
        _past = (await client.Http.GetSandboxAsync(code.Info.SandboxId, cancellationToken)).LastSequence;

    public async Task SeeAsync(SandboxEvent next)
    {
        if (next is InputRequestEvent question && question.ExecutionId == code.Id)
        {
            await EndAsync();
            if (question.Sequence > _past)
            {
                Start(question, mayBeOld: false);
            }
            else
            {
                _old = question;
            }
        }

        if (next.Sequence >= _past && _old is { } pending)
        {
            _old = null;
            Start(pending, mayBeOld: true);
        }
    }

    /// <summary>Withdraws the question that is open, if one is.</summary>
    public async Task EndAsync()
    {
        if (_withdrawn is { } open)
        {
            await open.CancelAsync();
            await _answering;
            _withdrawn = null;
            open.Dispose();
        }
    }

    private void Start(InputRequestEvent question, bool mayBeOld)
    {
        _withdrawn = CancellationTokenSource.CreateLinkedTokenSource(reading.Token);
        _answering = AnswerAsync(question, mayBeOld, _withdrawn.Token);
    }

    private async Task AnswerAsync(InputRequestEvent question, bool mayBeOld, CancellationToken withdrawn)
    {
        try
        {
            if (mayBeOld && !await IsWaitingAsync(withdrawn))
            {
                return;
            }

            // A callback may not heed its token, as a read from a terminal; nobody is kept waiting for it.
            var answer = await ask(question, withdrawn).WaitAsync(withdrawn);
            while (!await TryReplyAsync(question, answer, withdrawn))
            {
            }
        }
        catch (OperationCanceledException) when (withdrawn.IsCancellationRequested)
        {
            // The run has moved on.
        }
        catch (KernelGatewayException e) when (e.Code == ErrorCodes.Conflict)
        {
            // Somebody else answered, or the run no longer waits.
        }
#pragma warning disable CA1031 // Whatever the callback throws belongs to whoever waits for the run.
        catch (Exception e)
#pragma warning restore CA1031
        {
            _failure = ExceptionDispatchInfo.Capture(e);
            await reading.CancelAsync();
        }
    }

    /// <summary>False when the answer surely did not arrive.</summary>
    private async Task<bool> TryReplyAsync(InputRequestEvent question, string answer, CancellationToken cancellationToken)
    {
        try
        {
            await code.ReplyInputAsync(answer, cancellationToken);
            return true;
        }
        catch (KernelGatewayException e) when (e.Code == ClientErrorCodes.ConnectionLost)
        {
            return !await IsWaitingAsync(cancellationToken) || await HasAskedAgainAsync(question, cancellationToken);
        }
    }

    private async Task<bool> IsWaitingAsync(CancellationToken cancellationToken) =>
        (await client.Http.GetExecutionAsync(code.Info.SandboxId, code.Id, cancellationToken)).AwaitingInput;

    private async Task<bool> HasAskedAgainAsync(InputRequestEvent question, CancellationToken cancellationToken)
    {
        var now = (await client.Http.GetSandboxAsync(code.Info.SandboxId, cancellationToken)).LastSequence;
        if (now <= question.Sequence)
        {
            return false;
        }

        await foreach (var next in client.EventsOf(code.Info.SandboxId).ReadAsync(question.Sequence, cancellationToken))
        {
            if (next is InputRequestEvent && next.ExecutionId == code.Id)
            {
                return true;
            }

            if (next.Sequence >= now)
            {
                break;
            }
        }

        return false;
    }
}
