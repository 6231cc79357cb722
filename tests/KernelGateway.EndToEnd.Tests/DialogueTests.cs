using KernelGateway.Client;
using KernelGateway.Contracts.Events;
using KernelGateway.Contracts.Executions;
using KernelGateway.EndToEnd.Tests.Support;

namespace KernelGateway.EndToEnd.Tests;

/// <summary>Questions of user code, and interrupts.</summary>
public sealed class DialogueTests : GatewayFixture
{
    [Test]
    public async Task Code_asks_and_the_callback_answers(CancellationToken cancellationToken)
    {
        await using var sandbox = await Sandbox.CreateAsync(Client, cancellationToken: cancellationToken);
        var asked = new List<InputRequestEvent>();
        var result = await sandbox.RunCodeAsync(
            "import getpass\nname = input('Name? ')\nword = getpass.getpass('Word? ')\nprint(f'{name}/{word}')",
            new RunCodeOptions
            {
                OnInput = (question, _) =>
                {
                    asked.Add(question);
                    return Task.FromResult(question.Password ? "s3cret" : "Grüße, \"Ada\"");
                },
            },
            cancellationToken);

        result.Status.Should().Be(ExecutionStatus.Ok);
        result.Stdout.Should().Be("Grüße, \"Ada\"/s3cret\n");
        asked.Select(q => (q.Prompt, q.Password)).Should().Equal(("Name? ", false), ("Word? ", true));
    }

    [Test]
    public async Task A_question_can_be_answered_over_the_hub(CancellationToken cancellationToken)
    {
        await using var sandbox = await Sandbox.CreateAsync(Client, cancellationToken: cancellationToken);
        var running = await sandbox.StartCodeAsync("input('Who? ')", cancellationToken: cancellationToken);
        await sandbox.FirstAsync<InputRequestEvent>(running.FirstSequence, cancellationToken);

        await using var hub = await RawHub.ConnectAsync(Gateway.Address, Gateway.Key);
        (await hub.InvokeAsync("ReplyInput", sandbox.Id, running.Id, "me")).TryGetProperty("error", out var error).Should().BeFalse($"it answered: {error}");

        (await running.WaitAsync(cancellationToken)).Text.Should().Be("'me'");
    }

    [Test]
    public async Task Without_a_callback_a_question_is_an_error_of_the_code_and_does_not_hang(CancellationToken cancellationToken)
    {
        await using var sandbox = await Sandbox.CreateAsync(Client, cancellationToken: cancellationToken);
        (await sandbox.RunCodeAsync("input('Anybody? ')", cancellationToken: cancellationToken)).Error!.Name.Should().Be("StdinNotImplementedError");
    }

    [TestCase("import time\nn = 1\nprint('on', flush=True)\ntime.sleep(60)\nn = 2")]
    [TestCase("n = 1\nprint('on', flush=True)\nwhile True: n = 1")]
    [TestCase("n = 1\nprint('on', flush=True)\ninput('Never answered? ')\nn = 2")]
    public async Task An_interrupt_ends_the_run_and_leaves_the_variables(string code, CancellationToken cancellationToken)
    {
        await using var sandbox = await Sandbox.CreateAsync(Client, cancellationToken: cancellationToken);
        var running = await sandbox.StartCodeAsync(code, cancellationToken: cancellationToken);
        await sandbox.FirstAsync<OutputEvent>(running.FirstSequence, cancellationToken);

        (await sandbox.InterruptAsync(cancellationToken)).Should().BeTrue();

        var result = await running.WaitAsync(cancellationToken);
        result.Status.Should().Be(ExecutionStatus.Interrupted);
        result.Error!.Name.Should().Be("KeyboardInterrupt");
        (await sandbox.RunCodeAsync("n", cancellationToken: cancellationToken)).Text.Should().Be("1");
        (await sandbox.InterruptAsync(cancellationToken)).Should().BeFalse("nothing runs");
    }
}
