using KernelGateway.Client.Tests.Gateway;
using KernelGateway.Contracts.Executions;
using Microsoft.AspNetCore.Http;

namespace KernelGateway.Client.Tests;

[Parallelizable(ParallelScope.All)]
[FixtureLifeCycle(LifeCycle.InstancePerTestCase)]
public sealed class InputTests : FakeGatewayFixture
{
    [Test]
    public async Task Questions_of_the_code_are_answered_in_turn()
    {
        var (fake, sandbox) = await OpenAsync();
        Gateway.State.Script = AskTwiceAsync;
        var prompts = new List<string>();

        var result = await sandbox.RunCodeAsync("x", new RunCodeOptions
        {
            OnInput = (question, _) =>
            {
                prompts.Add(question.Prompt);
                return Task.FromResult(question.Prompt == "Name? " ? "Ada" : "36");
            },
        }, Deadline);

        prompts.Should().Equal("Name? ", "Age? ");
        result.Stdout.Should().Be("Ada is 36\n");
        fake.Runs[0].Request.AllowStdin.Should().BeTrue();
    }

    [Test]
    public async Task An_answer_whose_confirmation_is_lost_is_not_given_to_the_next_question()
    {
        var (fake, sandbox) = await OpenAsync();
        Gateway.State.Script = AskTwiceAsync;
        var lost = 0;
        Gateway.State.LoseAnswer = http => IsReply(http) && Interlocked.Increment(ref lost) == 1;

        var result = await sandbox.RunCodeAsync("x", new RunCodeOptions { OnInput = (question, _) => Task.FromResult(question.Prompt == "Name? " ? "Ada" : "36") }, Deadline);

        result.Stdout.Should().Be("Ada is 36\n");
        fake.Runs[0].Answers.Should().Equal("Ada", "36");
    }

    [Test]
    public async Task An_answer_that_never_arrived_is_sent_again()
    {
        var (fake, sandbox) = await OpenAsync();
        Gateway.State.Script = AskTwiceAsync;
        var cut = 0;
        Gateway.State.Intercept = http =>
        {
            if (!IsReply(http) || Interlocked.Increment(ref cut) > 1)
            {
                return null;
            }

            http.Abort();
            return Results.Empty;
        };

        await sandbox.RunCodeAsync("x", new RunCodeOptions { OnInput = (question, _) => Task.FromResult(question.Prompt == "Name? " ? "Ada" : "36") }, Deadline);

        fake.Runs[0].Answers.Should().Equal("Ada", "36");
        cut.Should().Be(3);
    }

    [Test]
    public async Task A_direct_answer_that_may_have_arrived_is_not_repeated()
    {
        var (fake, sandbox) = await OpenAsync();
        Gateway.State.Script = AskTwiceAsync;
        Gateway.State.LoseAnswer = IsReply;
        var running = await sandbox.StartCodeAsync("x", cancellationToken: Deadline);
        await WaitForQuestionsAsync(running, 1);

        var replying = () => running.ReplyInputAsync("Ada", Deadline);

        (await replying.Should().ThrowAsync<KernelGatewayException>()).Which.Code.Should().Be(ClientErrorCodes.ConnectionLost);
        await WaitForQuestionsAsync(running, 2);
        fake.Runs[0].Answers.Should().Equal("Ada");
        Gateway.State.LoseAnswer = null;
        await running.ReplyInputAsync("36", Deadline);
        (await running.WaitAsync(Deadline)).Stdout.Should().Be("Ada is 36\n");
    }

    [Test]
    public async Task A_question_that_is_no_longer_open_is_withdrawn()
    {
        var (_, sandbox) = await OpenAsync();
        var asked = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var never = new TaskCompletionSource<string>();
        var withdrawn = false;
        Gateway.State.Script = async run =>
        {
            _ = run.AskAsync("Name? ");
            await run.Interrupted;
            return ExecutionStatus.Interrupted;
        };
        var running = await sandbox.StartCodeAsync("x", new RunCodeOptions
        {
            OnInput = (_, token) =>
            {
                token.Register(() => withdrawn = true);
                asked.SetResult();
                return never.Task;
            },
        }, Deadline);
        var waiting = running.WaitAsync(Deadline);
        await asked.Task.WaitAsync(Deadline);

        await running.InterruptAsync(Deadline);

        (await waiting).Interrupted.Should().BeTrue();
        withdrawn.Should().BeTrue();
    }

    [Test]
    public async Task Questions_that_were_answered_long_ago_are_not_asked_again()
    {
        var (_, sandbox) = await OpenAsync();
        Gateway.State.Script = AskTwiceAsync;
        var running = await sandbox.StartCodeAsync("x", cancellationToken: Deadline);
        await WaitForQuestionsAsync(running, 1);
        await running.ReplyInputAsync("Ada", Deadline);
        await WaitForQuestionsAsync(running, 2);
        var prompts = new List<string>();
        var later = await sandbox.GetCodeAsync(running.Id, new RunCodeOptions
        {
            OnInput = (question, _) =>
            {
                prompts.Add(question.Prompt);
                return Task.FromResult("36");
            },
        }, Deadline);

        (await later.WaitAsync(Deadline)).Stdout.Should().Be("Ada is 36\n");
        prompts.Should().Equal("Age? ");
    }

    [Test]
    public async Task An_exception_while_answering_reaches_the_caller()
    {
        var (fake, sandbox) = await OpenAsync();
        Gateway.State.Script = AskTwiceAsync;

        var waiting = () => sandbox.RunCodeAsync("x", new RunCodeOptions { OnInput = (_, _) => throw new InvalidOperationException("nobody there") }, Deadline);

        await waiting.Should().ThrowAsync<InvalidOperationException>().WithMessage("nobody there");
        fake.Runs[0].Info.AwaitingInput.Should().BeTrue();
    }

    private static async Task<ExecutionStatus> AskTwiceAsync(FakeRun run)
    {
        var name = await run.AskAsync("Name? ");
        var age = await run.AskAsync("Age? ");
        run.Print($"{name} is {age}\n");
        return ExecutionStatus.Ok;
    }

    private static bool IsReply(HttpContext http) => http.Request.Path.Value!.EndsWith("/input", StringComparison.Ordinal);

    private async Task WaitForQuestionsAsync(RunningCode running, int count)
    {
        await foreach (var next in running.Events(Deadline))
        {
            if (next is Contracts.Events.InputRequestEvent && --count == 0)
            {
                return;
            }
        }
    }
}
