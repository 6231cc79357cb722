using KernelGateway.Client.Tests.Gateway;
using KernelGateway.Contracts.Events;
using KernelGateway.Contracts.Executions;

namespace KernelGateway.Client.Tests;

[Parallelizable(ParallelScope.All)]
[FixtureLifeCycle(LifeCycle.InstancePerTestCase)]
public sealed class RunCodeTests : FakeGatewayFixture
{
    [Test]
    public async Task Lines_arrive_whole_while_the_code_still_runs()
    {
        var (_, sandbox) = await OpenAsync();
        var seen = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        Gateway.State.Script = async run =>
        {
            run.Print("he");
            run.Print("llo\nwo");
            await seen.Task;
            run.Print("oops\n", "stderr");
            run.Print("rld");
            return ExecutionStatus.Ok;
        };
        var lines = new List<OutputMessage>();
        var errors = new List<OutputMessage>();

        var result = await sandbox.RunCodeAsync("…", new RunCodeOptions
        {
            OnStdout = message =>
            {
                lines.Add(message);
                seen.TrySetResult();
            },
            OnStderr = errors.Add,
        }, Deadline);

        lines.Select(message => message.Line).Should().Equal("hello", "world");
        lines.Should().OnlyContain(message => message.Stream == "stdout" && !message.Error);
        errors.Should().ContainSingle().Which.Should().Match<OutputMessage>(message => message.Line == "oops" && message.Error && message.Stream == "stderr");
        result.Stdout.Should().Be("hello\nworld");
        result.Stderr.Should().Be("oops\n");
        result.Lines.Select(message => message.Line).Should().Equal("hello", "oops", "world");
        result.Success.Should().BeTrue();
        result.Duration.Should().BeGreaterThan(TimeSpan.Zero);
        result.ExecutionCount.Should().Be(1);
        result.Execution.State.Should().Be(ExecutionState.Finished);
    }

    [Test]
    public async Task Results_come_typed_and_a_display_that_is_updated_is_replaced()
    {
        var (_, sandbox) = await OpenAsync();
        Gateway.State.Script = run =>
        {
            run.Display("10 %", "bar");
            run.Return("42");
            run.Display("100 %", "bar", update: true);
            return Task.FromResult(ExecutionStatus.Ok);
        };
        var live = new List<RichResult>();

        var result = await sandbox.RunCodeAsync("x", new RunCodeOptions { OnResult = live.Add }, Deadline);

        live.Should().HaveCount(3);
        result.Results.Select(value => value.Data["text/plain"].GetString()).Should().Equal("100 %", "42");
        result.Text.Should().Be("42");
    }

    [Test]
    public async Task An_error_of_the_code_is_a_result_and_no_exception()
    {
        var (_, sandbox) = await OpenAsync();
        Gateway.State.Script = run =>
        {
            run.Raise("ZeroDivisionError", "division by zero");
            return Task.FromResult(ExecutionStatus.Error);
        };
        var live = new List<CodeError>();

        var result = await sandbox.RunCodeAsync("1/0", new RunCodeOptions { OnError = live.Add }, Deadline);

        result.Success.Should().BeFalse();
        result.Error!.Name.Should().Be("ZeroDivisionError");
        live.Should().ContainSingle().Which.Value.Should().Be("division by zero");
        result.Text.Should().BeNull();
    }

    [Test]
    public async Task A_kernel_that_dies_gives_its_reason_as_the_error()
    {
        var (_, sandbox) = await OpenAsync();
        Gateway.State.Script = _ => Task.FromResult(ExecutionStatus.KernelDied);

        var result = await sandbox.RunCodeAsync("x", cancellationToken: Deadline);

        result.Status.Should().Be(ExecutionStatus.KernelDied);
        result.Error.Should().BeEquivalentTo(new CodeError("KernelDied", "The kernel was ended by signal 9 (SIGKILL).", []));
    }

    [Test]
    public async Task Only_so_much_output_is_kept_but_the_callbacks_get_it_all()
    {
        var (_, sandbox) = await OpenAsync();
        Gateway.State.Script = run =>
        {
            for (var line = 0; line < 100; line++)
            {
                run.Print(new string('x', 999) + "\n");
            }

            return Task.FromResult(ExecutionStatus.Ok);
        };
        var live = 0;

        var result = await sandbox.RunCodeAsync("x", new RunCodeOptions { KeepBytes = 50_000, OnStdout = _ => live++ }, Deadline);

        live.Should().Be(100);
        result.Truncated.Should().BeTrue();
        result.Stdout.Length.Should().BeInRange(1, 25_000);
    }

    [Test]
    public async Task Cancelling_the_wait_leaves_the_run_going()
    {
        var (fake, sandbox) = await OpenAsync();
        var release = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        Gateway.State.Script = async run =>
        {
            run.Print("working\n");
            await release.Task;
            run.Print("done\n");
            return ExecutionStatus.Ok;
        };
        using var enough = new CancellationTokenSource();

        var waiting = () => sandbox.RunCodeAsync("x", new RunCodeOptions { OnStdout = _ => enough.Cancel() }, enough.Token);

        await waiting.Should().ThrowAsync<OperationCanceledException>();
        fake.Runs.Should().ContainSingle().Which.Info.State.Should().Be(ExecutionState.Running);
        release.SetResult();
        var again = await sandbox.GetCodeAsync("run-1", cancellationToken: Deadline);
        (await again.WaitAsync(Deadline)).Stdout.Should().Be("working\ndone\n");
        Gateway.State.Requests.Should().NotContain(request => request.EndsWith("/interrupt", StringComparison.Ordinal));
    }

    [Test]
    public async Task An_interrupt_reaches_the_run()
    {
        var (_, sandbox) = await OpenAsync();
        Gateway.State.Script = async run =>
        {
            await run.Interrupted;
            run.Raise("KeyboardInterrupt", "");
            return ExecutionStatus.Interrupted;
        };
        var running = await sandbox.StartCodeAsync("while True: pass", cancellationToken: Deadline);

        (await sandbox.InterruptAsync(Deadline)).Should().BeTrue();

        var result = await running.WaitAsync(Deadline);
        result.Interrupted.Should().BeTrue();
        result.Error!.Name.Should().Be("KeyboardInterrupt");
        (await sandbox.InterruptAsync(Deadline)).Should().BeFalse("nothing runs any more");
    }

    [Test]
    public async Task A_run_sees_only_its_own_events()
    {
        var (fake, sandbox) = await OpenAsync();
        Gateway.State.Script = run =>
        {
            fake.Append(new OutputEvent { Stream = "stdout", Text = "of another run", ExecutionId = "other" });
            run.Print("mine");
            return Task.FromResult(ExecutionStatus.Ok);
        };

        var running = await sandbox.StartCodeAsync("x", cancellationToken: Deadline);
        var seen = new List<SandboxEvent>();
        await foreach (var next in running.Events(Deadline))
        {
            seen.Add(next);
        }

        seen.Should().OnlyContain(next => next.ExecutionId == running.Id);
        seen.Select(next => next.GetType()).Should().Equal(typeof(ExecutionQueuedEvent), typeof(ExecutionStartedEvent), typeof(OutputEvent), typeof(ExecutionFinishedEvent));
    }

    [Test]
    public async Task A_restart_of_the_gateway_in_the_middle_of_a_run_is_only_a_pause()
    {
        var (_, sandbox) = await OpenAsync();
        var halfway = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var restarted = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        Gateway.State.Script = async run =>
        {
            run.Print("1\n");
            await halfway.Task;
            run.Print("2\n");
            await restarted.Task;
            run.Print("3\n");
            return ExecutionStatus.Ok;
        };

        var running = sandbox.RunCodeAsync("x", new RunCodeOptions { OnStdout = _ => halfway.TrySetResult() }, Deadline);
        await halfway.Task.WaitAsync(Deadline);
        await Gateway.EndAsync();
        await Gateway.BeginAsync();
        restarted.SetResult();

        (await running).Stdout.Should().Be("1\n2\n3\n");
    }

    [Test]
    public async Task A_run_that_the_gateway_lost_sight_of_is_an_error_and_not_an_endless_wait()
    {
        var (fake, sandbox) = await OpenAsync();
        var begun = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        Gateway.State.Script = async run =>
        {
            run.Print("1\n");
            await run.Interrupted;
            return ExecutionStatus.Ok;
        };

        var running = sandbox.RunCodeAsync("x", new RunCodeOptions { OnStdout = _ => begun.TrySetResult() }, Deadline);
        await begun.Task.WaitAsync(Deadline);
        await Gateway.EndAsync();
        fake.Runs[0].Forget();
        await Gateway.BeginAsync();

        (await FluentActions.Awaiting(() => running).Should().ThrowAsync<KernelGatewayException>()).Which.Should()
            .Match<KernelGatewayException>(e => e.Code == ClientErrorCodes.ExecutionUnknown && e.Message == "Nobody knows.");
        fake.Runs[0].Interrupt();
    }

    [Test]
    public async Task An_exception_of_a_callback_reaches_the_caller_and_leaves_the_run_going()
    {
        var (fake, sandbox) = await OpenAsync();
        Gateway.State.Script = async run =>
        {
            run.Print("1\n");
            await run.Interrupted;
            return ExecutionStatus.Ok;
        };

        var waiting = () => sandbox.RunCodeAsync("x", new RunCodeOptions { OnStdout = _ => throw new InvalidOperationException("mine") }, Deadline);

        await waiting.Should().ThrowAsync<InvalidOperationException>().WithMessage("mine");
        fake.Runs[0].Info.State.Should().Be(ExecutionState.Running);
        fake.Runs[0].Interrupt();
    }

    [Test]
    public async Task Settings_of_a_run_reach_the_gateway()
    {
        var (fake, sandbox) = await OpenAsync();

        await sandbox.RunCodeAsync("x", new RunCodeOptions { ContextId = "second", Timeout = TimeSpan.FromSeconds(1.5), Silent = true }, Deadline);
        await sandbox.RunCodeAsync("y", new RunCodeOptions { Timeout = Timeout.InfiniteTimeSpan }, Deadline);
        await (await sandbox.StartCodeAsync("z", cancellationToken: Deadline)).WaitAsync(Deadline);

        fake.Runs[0].Request.Should().BeEquivalentTo(new RunCodeRequest { Code = "x", ContextId = "second", TimeoutSeconds = 1.5, Silent = true, AllowStdin = false });
        fake.Runs[1].Request.TimeoutSeconds.Should().Be(0);
        fake.Runs[2].Request.AllowStdin.Should().BeTrue();
    }
}
