using KernelGateway.Contracts.Sandboxes;
using KernelGateway.Core.Errors;
using KernelGateway.Jupyter;
using KernelGateway.Jupyter.Messaging;
using Newtonsoft.Json.Linq;

namespace KernelGateway.Core.Kernels;

/// <summary>What is asked of a kernel beside its runs. It answers between them, one thing at a time.</summary>
internal sealed partial class KernelSession
{
    /// <summary>Whether it is started by our launcher, which answers more than Jupyter's questions.</summary>
    public bool HasLauncher => _kernel.KeepsLog;

    /// <summary>Whether its variables can be asked for.</summary>
    public bool TellsVariables => HasLauncher || _kernel.Language == "python";

    /// <summary>Puts a question about variables, in the form that our launcher answers.</summary>
    public Task<JObject> AskVariablesAsync(bool wait, JObject question, CancellationToken cancellationToken) => AskAsync(
        "tell its variables",
        wait,
        (client, token) => HasLauncher
            ? client.RequestAsync(KernelChannel.Shell, client.CreateRequest("kg_variables_request", question), token)
            : PythonQuestions.Variables.AskAsync(client, question, token),
        cancellationToken);

    /// <summary>Has it keep its variables in files of its sandbox, or bring them back, in the form that our launcher answers.</summary>
    public Task<JObject> AskSnapshotAsync(string what, JObject question, TimeSpan within, CancellationToken cancellationToken) => AskAsync(
        what,
        true,
        (client, token) => HasLauncher
            ? client.RequestAsync(KernelChannel.Shell, client.CreateRequest("kg_snapshot_request", question), token)
            : PythonQuestions.Snapshot.AskAsync(client, question, token),
        cancellationToken,
        within);

    /// <summary>Puts a question and waits for its turn, at most as long as configured.</summary>
    /// <param name="what">What is wanted, for the refusal: "complete code".</param>
    /// <param name="wait">Whether to wait while it is busy.</param>
    /// <param name="ask">Puts the question.</param>
    /// <param name="cancellationToken">Stops the waiting.</param>
    /// <param name="within">How long it may take; <c>null</c>: as configured.</param>
    /// <exception cref="GatewayException"><see cref="ErrorCode.Conflict"/>: it is busy, dead or being started, or it did not answer in time.</exception>
    public async Task<JObject> AskAsync(string what, bool wait, Func<KernelClient, CancellationToken, Task<JupyterMessage>> ask, CancellationToken cancellationToken, TimeSpan? within = null)
    {
        KernelLink link;
        lock (_gate)
        {
            if (_state != KernelState.Idle || _link is null)
            {
                throw new GatewayException(ErrorCode.Conflict, $"The kernel of context '{Id}' is {_state.ToString().ToLowerInvariant()} and cannot {what}.");
            }

            if (!wait && _current is not null)
            {
                throw new GatewayException(ErrorCode.Conflict, $"The kernel of context '{Id}' runs code and cannot {what} now. Ask again with wait=true, or later.");
            }

            link = _link;
        }

        var patience = within ?? _options.QuestionTimeout;
        using var deadline = new CancellationTokenSource(patience, _time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
        try
        {
            return (await ask(link.Client, either.Token)).Content;
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new GatewayException(ErrorCode.Conflict, $"The kernel of context '{Id}' was busy and did not {what} within {patience.TotalSeconds:0.#} s. Ask again later, or interrupt what runs.");
        }
        catch (KernelErrorException)
        {
            throw; // An answer: who asked knows what it means.
        }
        catch (KernelException e)
        {
            throw new GatewayException(ErrorCode.KernelFailed, e.Message, inner: e);
        }
    }
}
