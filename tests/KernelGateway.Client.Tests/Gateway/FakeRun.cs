using System.Text.Json;
using KernelGateway.Contracts.Events;
using KernelGateway.Contracts.Executions;

namespace KernelGateway.Client.Tests.Gateway;

/// <summary>One run as a test's script sees it.</summary>
internal sealed class FakeRun(FakeSandbox sandbox, RunCodeRequest request, string id)
{
    private readonly TaskCompletionSource _interrupted = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly List<string> _answers = [];
    private TaskCompletionSource<string>? _question;
    private ExecutionInfo _info = null!;

    public string Id => id;

    public RunCodeRequest Request => request;

    public FakeSandbox Sandbox => sandbox;

    /// <summary>Completes when somebody interrupts the run.</summary>
    public Task Interrupted => _interrupted.Task;

    /// <summary>All answers that arrived.</summary>
    public IReadOnlyList<string> Answers => _answers;

    /// <summary>The script's end.</summary>
    public Task Done { get; private set; } = Task.CompletedTask;

    public ExecutionInfo Info => _info with { AwaitingInput = Volatile.Read(ref _question) is not null };

    public void Begin(Func<FakeRun, Task<ExecutionStatus>> script)
    {
        var first = sandbox.Append(new ExecutionQueuedEvent { Code = request.Code, ExecutionId = id });
        _info = new ExecutionInfo
        {
            Id = id,
            SandboxId = sandbox.Id,
            ContextId = request.ContextId ?? "default",
            State = ExecutionState.Running,
            CreatedAt = DateTimeOffset.UnixEpoch.AddSeconds(first),
            FirstSequence = first,
        };
        sandbox.Append(new ExecutionStartedEvent { ExecutionCount = 1, ExecutionId = id });
        Done = Task.Run(() => PlayAsync(script));
    }

    public void Print(string text, string stream = "stdout") => sandbox.Append(new OutputEvent { Stream = stream, Text = text, ExecutionId = id });

    public void Display(string plain, string? displayId = null, bool update = false) =>
        sandbox.Append(new DisplayEvent { Data = Bundle(plain), DisplayId = displayId, Update = update, ExecutionId = id });

    public void Return(string plain) => sandbox.Append(new ResultEvent { Data = Bundle(plain), ExecutionCount = 1, ExecutionId = id });

    public void Raise(string name, string value) => sandbox.Append(new ErrorEvent { Name = name, Value = value, Traceback = ["Traceback", name], ExecutionId = id });

    public Task<string> AskAsync(string prompt)
    {
        var question = new TaskCompletionSource<string>(TaskCreationOptions.RunContinuationsAsynchronously);
        Volatile.Write(ref _question, question);
        sandbox.Append(new InputRequestEvent { Prompt = prompt, ExecutionId = id });
        return question.Task;
    }

    public bool Answer(string value)
    {
        if (Interlocked.Exchange(ref _question, null) is not { } question)
        {
            return false;
        }

        _answers.Add(value);
        question.SetResult(value);
        return true;
    }

    public void Interrupt() => _interrupted.TrySetResult();

    /// <summary>As a gateway that was away and lost sight of the run.</summary>
    public void Forget() => sandbox.Append(new ExecutionFinishedEvent { ExecutionId = id, Reason = "Nobody knows." });

    private async Task PlayAsync(Func<FakeRun, Task<ExecutionStatus>> script)
    {
        var status = await script(this);
        Interlocked.Exchange(ref _question, null);
        var last = sandbox.Append(new ExecutionFinishedEvent
        {
            Status = status,
            Reason = status == ExecutionStatus.KernelDied ? "The kernel was ended by signal 9 (SIGKILL)." : null,
            ExecutionCount = 1,
            ExecutionId = id,
        });
        _info = _info with { State = ExecutionState.Finished, Status = status, LastSequence = last };
    }

    private static Dictionary<string, JsonElement> Bundle(string plain) => new() { ["text/plain"] = JsonSerializer.SerializeToElement(plain) };
}
