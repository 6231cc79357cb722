using System.Text;
using KernelGateway.Client.Events;
using KernelGateway.Contracts;
using KernelGateway.Contracts.Events;
using KernelGateway.Contracts.Executions;

namespace KernelGateway.Client.Output;

/// <summary>Turns one run's events into callbacks and, at its end, into a <see cref="CodeResult"/>.</summary>
internal sealed class ResultGatherer
{
    private readonly RunCodeOptions _options;
    private readonly StringBuilder _stdout = new();
    private readonly StringBuilder _stderr = new();
    private readonly List<OutputMessage> _lines = [];
    private readonly List<(string? DisplayId, RichResult Value)> _results = [];
    private readonly LineAssembler _stdoutLines;
    private readonly LineAssembler _stderrLines;
    private ExecutionInfo _execution;
    private CodeError? _error;
    private long _kept;
    private bool _full;
    private bool _truncated;
    private bool _thinned;

    public ResultGatherer(ExecutionInfo execution, RunCodeOptions options)
    {
        _execution = execution;
        _options = options;
        _stdoutLines = new LineAssembler("stdout", message => Deliver(message, options.OnStdout));
        _stderrLines = new LineAssembler("stderr", message => Deliver(message, options.OnStderr));
    }

    public void Add(SandboxEvent next)
    {
        switch (next)
        {
            case OutputEvent output:
                Add(output);
                break;
            case ResultEvent result:
                Add(null, new RichResult(result.Data, result.Metadata, IsMainResult: true), update: false);
                break;
            case DisplayEvent display:
                Add(display.DisplayId, new RichResult(display.Data, display.Metadata, IsMainResult: false), display.Update);
                break;
            case ErrorEvent error:
                _error = new CodeError(error.Name, error.Value, error.Traceback);
                _options.OnError?.Invoke(_error);
                break;
            case ExecutionStartedEvent started:
                _execution = _execution with { State = ExecutionState.Running, StartedAt = started.Time, ExecutionCount = started.ExecutionCount ?? _execution.ExecutionCount };
                break;
            case ExecutionFinishedEvent finished:
                Finish(finished);
                break;
            case OmittedEvent { ReasonCode: ReasonCodes.Rate }:
                _thinned = true; // Only updates of what is shown: what comes later does not stand in their place.
                break;
            case TruncatedEvent or GapEvent or OmittedEvent:
                _truncated = true;
                break;
        }
    }

    public CodeResult ToResult() => new()
    {
        Execution = _execution,
        Stdout = _stdout.ToString(),
        Stderr = _stderr.ToString(),
        Lines = _lines,
        Results = _results.ConvertAll(result => result.Value),
        Error = _error ?? Unsaid(_execution),
        Status = _execution.Status ?? throw new InvalidOperationException("The run has not ended."),
        Truncated = _truncated || _thinned,
        Duration = _execution is { StartedAt: { } start, FinishedAt: { } end } && end > start ? end - start : TimeSpan.Zero,
    };

    private void Add(OutputEvent output)
    {
        var (text, lines) = output.Stream == "stderr" ? (_stderr, _stderrLines) : (_stdout, _stdoutLines);
        if (Keep(2L * output.Text.Length))
        {
            text.Append(output.Text);
        }

        lines.Add(output.Text, output.Time);
    }

    private void Add(string? displayId, RichResult value, bool update)
    {
        if (Keep(EventSize.Of(value.Data)))
        {
            var shown = update && displayId is not null ? _results.FindIndex(result => result.DisplayId == displayId) : -1;
            if (shown >= 0)
            {
                _results[shown] = (displayId, value);
            }
            else
            {
                _results.Add((displayId, value));
            }
        }

        _options.OnResult?.Invoke(value);
    }

    private void Finish(ExecutionFinishedEvent finished)
    {
        _stdoutLines.Flush();
        _stderrLines.Flush();
        var status = finished.Status ?? throw new KernelGatewayException(
            ClientErrorCodes.ExecutionUnknown,
            finished.Reason ?? "The gateway was away and cannot tell whether the kernel ever received this run.");
        if (finished.ExitCode == 0)
        {
            _error = null;
        }

        _execution = _execution with
        {
            State = ExecutionState.Finished,
            Status = status,
            Reason = finished.Reason,
            ReasonCode = finished.ReasonCode,
            Violations = finished.Violations,
            Output = finished.Output,
            ExitCode = finished.ExitCode,
            ExecutionCount = finished.ExecutionCount ?? _execution.ExecutionCount,
            FinishedAt = finished.Time,
            LastSequence = finished.Sequence,
            AwaitingInput = false,
        };
    }

    private void Deliver(OutputMessage message, Action<OutputMessage>? callback)
    {
        if (Keep(64 + (2L * message.Line.Length)))
        {
            _lines.Add(message);
        }

        callback?.Invoke(message);
    }

    // Once there is no room for something, nothing more is kept, however small: what is here is then the beginning and not a choice.
    private bool Keep(long bytes)
    {
        _full |= _kept + bytes > _options.KeepBytes;
        if (_full)
        {
            _truncated = true;
            return false;
        }

        _kept += bytes;
        return true;
    }

    private static CodeError? Unsaid(ExecutionInfo execution) => execution.Status is null or ExecutionStatus.Ok
        ? null
        : new CodeError(execution.Status.ToString()!, execution.Reason ?? Sentence(execution.Status.Value), []);

    private static string Sentence(ExecutionStatus status) => status switch
    {
        ExecutionStatus.Interrupted => "The run was interrupted.",
        ExecutionStatus.Timeout => "The run was stopped at its time limit.",
        ExecutionStatus.Cancelled => "The run was cancelled before it began.",
        ExecutionStatus.KernelDied => "The kernel ended while the code was running.",
        _ => "The run ended with an error.",
    };
}
