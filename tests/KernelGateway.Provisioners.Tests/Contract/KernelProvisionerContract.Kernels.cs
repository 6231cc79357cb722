using System.Diagnostics;
using KernelGateway.Core.Errors;
using KernelGateway.Core.KernelLogs;
using KernelGateway.Core.Provisioning;
using KernelGateway.Jupyter;
using KernelGateway.Jupyter.Messaging;
using KernelGateway.Provisioners.Tests.Support;

namespace KernelGateway.Provisioners.Tests.Contract;

/// <summary>Kernels in a place.</summary>
public abstract partial class KernelProvisionerContract
{
    [Test]
    public async Task A_kernel_answers(CancellationToken cancellationToken)
    {
        var host = await ProvisionAsync(cancellationToken);
        await using var kernel = await RunningKernel.LaunchAsync(host, TestKernels.Python("k1"), cancellationToken);
        (await kernel.RunAsync("print(1+1)", cancellationToken)).Should().Be("2");
        host.Kernels.Should().ContainSingle().Which.Id.Should().Be("k1");
        kernel.Kernel.Exited.IsCompleted.Should().BeFalse();
    }

    [Test]
    public async Task Two_kernels_live_side_by_side(CancellationToken cancellationToken)
    {
        var host = await ProvisionAsync(cancellationToken);
        await using var first = await RunningKernel.LaunchAsync(host, TestKernels.Python("k1"), cancellationToken);
        await using var second = await RunningKernel.LaunchAsync(host, TestKernels.Python("k2"), cancellationToken);
        await first.RunAsync("x = 'first'", cancellationToken);
        await second.RunAsync("x = 'second'", cancellationToken);
        (await first.RunAsync("print(x)", cancellationToken)).Should().Be("first");
        await first.Kernel.SignalAsync(KernelSignal.Kill, cancellationToken);
        (await first.Kernel.Exited.WaitAsync(cancellationToken)).Reason.Should().Be("terminated");
        (await second.RunAsync("print(x)", cancellationToken)).Should().Be("second", "the end of one is none of the other's business");
    }

    [Test]
    public async Task An_interrupt_stops_the_cell_and_keeps_the_variables(CancellationToken cancellationToken)
    {
        var host = await ProvisionAsync(cancellationToken);
        await using var kernel = await RunningKernel.LaunchAsync(host, TestKernels.Python("k1"), cancellationToken);
        await kernel.RunAsync("x = 41", cancellationToken);
        using var sleeping = await kernel.StartAsync("import time; time.sleep(60)", cancellationToken);
        await kernel.Kernel.SignalAsync(KernelSignal.Interrupt, cancellationToken);
        var reply = await sleeping.Completion.WaitAsync(TimeSpan.FromSeconds(10), cancellationToken);
        ((string?)reply.Content["ename"]).Should().Be("KeyboardInterrupt");
        (await kernel.RunAsync("print(x + 1)", cancellationToken)).Should().Be("42");
    }

    [Test]
    public async Task The_client_interrupts_by_the_signal_of_the_recipe(CancellationToken cancellationToken)
    {
        var host = await ProvisionAsync(cancellationToken);
        await using var kernel = await RunningKernel.LaunchAsync(host, TestKernels.Python("k1"), cancellationToken);
        using var busy = await kernel.StartAsync("while True: pass", cancellationToken);
        await kernel.Client.InterruptAsync(cancellationToken);
        var reply = await busy.Reply.WaitAsync(TimeSpan.FromSeconds(10), cancellationToken);
        ((string?)reply.Content["ename"]).Should().Be("KeyboardInterrupt");
    }

    [TestCase("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "signal", "signal 9 (SIGKILL)", null, 9)]
    [TestCase("import os; os._exit(3)", "exited", "with code 3", 3, null)]
    [TestCase("import ctypes; ctypes.string_at(0)", "signal", "signal 11 (SIGSEGV)", null, 11)]
    public async Task The_end_of_a_kernel_is_told_at_once_with_the_reason(string code, string reason, string words, int? exitCode, int? signal, CancellationToken cancellationToken)
    {
        var host = await ProvisionAsync(cancellationToken);
        await using var kernel = await RunningKernel.LaunchAsync(host, TestKernels.Python("k1"), cancellationToken);
        using var execution = await kernel.Client.ExecuteAsync(new ExecuteRequest(code), cancellationToken);
        var watch = Stopwatch.StartNew();
        var exit = await kernel.Kernel.Exited.WaitAsync(cancellationToken);
        watch.Elapsed.Should().BeLessThan(ToldWithin, "it is an event and no poll");
        if (TellsHowKernelsEnd)
        {
            exit.Should().Match<KernelExit>(it => it.Reason == reason && it.ExitCode == exitCode && it.Signal == signal, "it said {0}", exit);
            exit.Message.Should().Contain(words);
        }
        else
        {
            exit.Should().Match<KernelExit>(it => it.Reason == "exited" && it.Message.Contains("has died") && it.ExitCode == null && it.Signal == null, "it said {0}", exit);
        }

        host.Exited.IsCompleted.Should().BeFalse("the place outlives its kernels");
        await using var next = await RunningKernel.LaunchAsync(host, TestKernels.Python("k2"), cancellationToken);
        (await next.RunAsync("print(1+1)", cancellationToken)).Should().Be("2");
    }

    [Test]
    public async Task The_last_words_of_a_kernel_are_kept(CancellationToken cancellationToken)
    {
        var host = await ProvisionAsync(cancellationToken);
        await DemandAnyProgramAsync(host, cancellationToken);
        var kernel = await host.LaunchKernelAsync(TestKernels.Script("k1", "echo I cannot >&2; exit 7"), cancellationToken);
        var exit = await kernel.Exited.WaitAsync(cancellationToken);
        exit.Should().Be(new KernelExit("exited", "The kernel exited by itself with code 7.", 7, null, "I cannot"));
        (await kernel.Invoking(it => it.ConnectAsync(new KernelClientOptions(), cancellationToken)).Should().ThrowAsync<GatewayException>())
            .Which.Message.Should().Contain("code 7").And.Contain("I cannot");
        (await kernel.Invoking(it => it.SignalAsync(KernelSignal.Interrupt, cancellationToken)).Should().ThrowAsync<GatewayException>())
            .Which.Code.Should().Be(ErrorCode.KernelFailed);
    }

    [Test]
    public async Task Connecting_ends_when_the_kernel_does(CancellationToken cancellationToken)
    {
        var host = await ProvisionAsync(cancellationToken);
        await DemandAnyProgramAsync(host, cancellationToken);
        var kernel = await host.LaunchKernelAsync(TestKernels.Script("k1", "sleep 600"), cancellationToken);
        var connecting = kernel.ConnectAsync(new KernelClientOptions(), cancellationToken);
        await kernel.SignalAsync(KernelSignal.Kill, cancellationToken);
        (await ((Func<Task>)(() => connecting)).Should().ThrowAsync<GatewayException>()).Which.Message.Should().Contain("ended on request");
    }

    [TestCase(KernelSignal.Kill), TestCase(KernelSignal.Terminate)]
    public async Task An_end_that_was_asked_for_is_told_as_such(KernelSignal signal, CancellationToken cancellationToken)
    {
        var host = await ProvisionAsync(cancellationToken);
        var kernel = await host.LaunchKernelAsync(Sleeper("k1"), cancellationToken);
        await kernel.SignalAsync(signal, cancellationToken);
        (await kernel.Exited.WaitAsync(cancellationToken)).Reason.Should().Be("terminated");
    }

    [Test]
    public async Task A_kernel_that_cannot_be_started_says_why(CancellationToken cancellationToken)
    {
        var host = await ProvisionAsync(cancellationToken);
        var launch = new KernelLaunch("k1", "missing", null, TestKernels.NoVariables);
        (await host.Invoking(it => it.LaunchKernelAsync(launch, cancellationToken)).Should().ThrowAsync<GatewayException>())
            .Which.Message.Should().ContainAll(RunsAnyProgram ? ["/usr/bin/no-such-kernel", "No such file"] : ["no kernel 'missing'", "python3"]);
        host.Kernels.Should().BeEmpty();
    }

    [Test]
    public async Task What_cannot_be_a_kernel_is_refused_with_the_field(CancellationToken cancellationToken)
    {
        var host = await ProvisionAsync(cancellationToken);
        async Task Refused(KernelLaunch launch, string field) =>
            (await host.Invoking(it => it.LaunchKernelAsync(launch, cancellationToken)).Should().ThrowAsync<GatewayException>())
                .Which.Should().Match<GatewayException>(it => it.Code == ErrorCode.InvalidArgument && it.Field == field);
        await Refused(TestKernels.Python("../k"), "kernelId");
        await Refused(TestKernels.Python(""), "kernelId");
        await Refused(new KernelLaunch("k1", "cobol", null, TestKernels.NoVariables), "kernelName");
        await Refused(TestKernels.Python("k1", "a\0b"), "workingDirectory");
        await Refused(TestKernels.Python("k1", variables: new Dictionary<string, string> { ["A=B"] = "" }), "variables");
        await Refused(TestKernels.Python("k1", variables: new Dictionary<string, string> { ["A"] = "\0" }), "variables");
        await Refused(TestKernels.Python("k1", variables: new Dictionary<string, string> { ["KG_LOG_DIR"] = "/tmp" }), "variables");
        await Refused(TestKernels.Python("k1", variables: new Dictionary<string, string> { ["KERNELGATEWAY_PLACE"] = "x" }), "variables");
    }

    [Test]
    public async Task A_kernel_id_is_used_once(CancellationToken cancellationToken)
    {
        var host = await ProvisionAsync(cancellationToken);
        var kernel = await host.LaunchKernelAsync(Sleeper("k1"), cancellationToken);
        await kernel.SignalAsync(KernelSignal.Kill, cancellationToken);
        await kernel.Exited.WaitAsync(cancellationToken);
        (await host.Invoking(it => it.LaunchKernelAsync(Sleeper("k1"), cancellationToken)).Should().ThrowAsync<GatewayException>())
            .Which.Message.Should().Contain("before");
    }

    [Test]
    public async Task Environment_variables_arrive_the_nearest_wins_and_none_of_the_gateway(CancellationToken cancellationToken)
    {
        Environment.SetEnvironmentVariable("SECRET_OF_THE_GATEWAY", "secret");
        var host = await ProvisionAsync(cancellationToken, variables: new Dictionary<string, string> { ["OVERRIDDEN"] = "sandbox", ["FROM_SANDBOX"] = "sand box\n=1" });
        var launch = TestKernels.Python("k1", variables: new Dictionary<string, string> { ["OVERRIDDEN"] = "kernel" });
        await using var kernel = await RunningKernel.LaunchAsync(host, launch, cancellationToken);
        const string Names = "['FROM_ENVIRONMENT','FROM_SANDBOX','OVERRIDDEN','SECRET_OF_THE_GATEWAY','KG_LOG_DIR']";
        (await kernel.RunAsync($"import os; print([os.environ.get(n) for n in {Names}])", cancellationToken))
            .Should().Be("['env', 'sand box\\n=1', 'kernel', None, None]");
    }

    [Test]
    public async Task A_kernel_starts_in_its_working_directory(CancellationToken cancellationToken)
    {
        var id = NextId();
        var host = await ProvisionAsync(cancellationToken, id);
        await using var first = await RunningKernel.LaunchAsync(host, TestKernels.Python("k1"), cancellationToken);
        (await first.RunAsync("import os; os.mkdir('in side'); print(os.getcwd())", cancellationToken)).Should().Be(WorkFolderOf(id));
        await using var second = await RunningKernel.LaunchAsync(host, TestKernels.Python("k2", "in side"), cancellationToken);
        (await second.RunAsync("import os; print(os.getcwd())", cancellationToken)).Should().Be(WorkFolderOf(id) + "/in side");
        (await host.Invoking(it => it.LaunchKernelAsync(TestKernels.Python("k3", "/no/such"), cancellationToken)).Should().ThrowAsync<GatewayException>())
            .Which.Message.Should().Contain("enter /no/such");
    }

    [Test]
    public async Task The_log_of_a_kernel_can_be_read_by_the_gateway(CancellationToken cancellationToken)
    {
        var host = await ProvisionAsync(cancellationToken);
        await using var kernel = await RunningKernel.LaunchAsync(host, TestKernels.Python("k1"), cancellationToken);
        await kernel.RunAsync("print('into the log')", cancellationToken);
        if (!KeepsLogs)
        {
            host.RunsLauncher.Should().BeFalse("so that nobody looks for one");
            kernel.Kernel.Log.Should().BeNull();
            return;
        }

        using var reader = KernelLogReader.Open(kernel.Kernel.Log!, KernelLogPosition.Start, new KernelLogOptions());
        var texts = new List<string>();
        while (reader.TryRead(out var record))
        {
            texts.Add(string.Concat(record.Frames.Select(frame => System.Text.Encoding.UTF8.GetString(frame.Span))));
        }

        reader.Fault.Should().BeNull();
        texts.Should().Contain(text => text.Contains("into the log", StringComparison.Ordinal) && text.Contains(MessageTypes.Stream, StringComparison.Ordinal));
        (await host.LaunchKernelAsync(TestKernels.Script("k2", "exit 0"), cancellationToken)).Log.Should().BeNull("its recipe says that it keeps none");
    }
}
