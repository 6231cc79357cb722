using KernelGateway.Abuse.Tests.Support;
using KernelGateway.Client;
using KernelGateway.Contracts;
using KernelGateway.Contracts.Events;
using KernelGateway.Contracts.Executions;
using KernelGateway.Contracts.Sandboxes;

namespace KernelGateway.Abuse.Tests;

/// <summary>R: everything that can be used up.</summary>
public sealed class ResourceTests : AbuseFixture
{
    [Test]
    public async Task R01_A_fork_bomb_ends_at_its_limit_and_with_its_sandbox(CancellationToken cancellationToken)
    {
        var sandbox = await AttackerAsync(cancellationToken, new CreateSandboxRequest { Pids = 64 });
        var result = await sandbox.RunCodeAsync(
            """
            import os, time
            children = 0
            try:
                while True:
                    if os.fork() == 0: time.sleep(1000); os._exit(0)
                    children += 1
            except OSError as e: print(type(e).__name__, 10 < children < 64)
            import subprocess, sys, signal
            """, cancellationToken: cancellationToken);
        result.Stdout.Should().Be("BlockingIOError True\n");

        var bomb = await sandbox.StartCodeAsync("import os\nwhile True:\n    try: os.fork()\n    except OSError: pass", cancellationToken: cancellationToken);
        await foreach (var one in sandbox.EventsAsync(bomb.FirstSequence - 1, cancellationToken))
        {
            if (one is ExecutionStartedEvent)
            {
                break;
            }
        }

        HostProcesses.ProcessesOf(sandbox.Id).Count.Should().BeLessThanOrEqualTo(64);
        await sandbox.TerminateAsync(TimeSpan.Zero, cancellationToken);
        HostProcesses.ProcessesOf(sandbox.Id).Should().BeEmpty();
    }

    [Test]
    public async Task R02_Five_thousand_threads_are_too_many_for_the_kernel_and_it_says_so(CancellationToken cancellationToken)
    {
        var result = await AttackAsync(
            """
            import threading
            leave = threading.Event()
            try:
                for i in range(5000): threading.Thread(target=leave.wait, daemon=True).start()
            except RuntimeError as e: print(e)
            finally: leave.set()
            """, cancellationToken);

        result.Stdout.Should().Be("can't start new thread\n");
    }

    [Test]
    public async Task R04_A_kernel_without_memory_ends_with_that_reason_and_can_be_restarted(CancellationToken cancellationToken)
    {
        var sandbox = await AttackerAsync(cancellationToken, new CreateSandboxRequest { MemoryMb = 128 });
        var result = await sandbox.RunCodeAsync("hog = []\nprint('before', flush=True)\nwhile True: hog.append(b'x' * (8 << 20))", cancellationToken: cancellationToken);

        result.Status.Should().Be(ExecutionStatus.KernelDied);
        result.Execution.ReasonCode.Should().Be(ReasonCodes.Oom);
        result.Stdout.Should().Be("before\n", "what was printed is kept");
        await sandbox.RestartAsync(cancellationToken: cancellationToken);
        (await sandbox.RunCodeAsync("6 * 7", cancellationToken: cancellationToken)).Text.Should().Be("42");
    }

    [TestCase("pipes", "import fcntl, os\nkeep = []\nwhile True:\n    r, w = os.pipe(); os.set_blocking(w, False); keep.append((r, w))\n    try:\n        fcntl.fcntl(w, 1031, 1 << 20)\n    except OSError: pass\n    try:\n        while True: os.write(w, b'x' * 65536)\n    except BlockingIOError: pass")]
    [TestCase("sockets", "import socket\nkeep = []\nwhile True:\n    a, b = socket.socketpair(); a.setblocking(False); keep.append((a, b))\n    try:\n        while True: a.send(b'x' * 65536)\n    except BlockingIOError: pass")]
    [TestCase("shared memory", "f = open('/dev/shm/x', 'wb')\nwhile True: f.write(b'x' * (1 << 20))")]
    [TestCase("tmpfs", "f = open('/tmp/x', 'wb')\nwhile True: f.write(b'x' * (1 << 20))")]
    public async Task R05_Memory_that_is_not_the_processs_own_is_counted_too(string kind, string code)
    {
        const int LimitMb = 128;
        var cancellationToken = TestContext.CurrentContext.CancellationToken;
        var sandbox = await AttackerAsync(cancellationToken, new CreateSandboxRequest { MemoryMb = LimitMb });
        var before = AvailableMb();

        var result = await sandbox.RunCodeAsync(code, cancellationToken: cancellationToken);

        result.Error.Should().NotBeNull("{0} are limited", kind);
        result.Error!.Value.Should().MatchRegex("out of memory|No space left|Too many open files|No buffer space");
        (before - AvailableMb()).Should().BeLessThan(LimitMb + 256, "the host lost no more than the limit and what others used meanwhile");
    }

    [Test]
    public async Task R07_A_million_empty_files_in_tmp_end_at_the_limit(CancellationToken cancellationToken)
    {
        var result = await AttackAsync("import os\nn = 0\nwhile True:\n    os.close(os.open(f'/tmp/{n}', os.O_CREAT | os.O_WRONLY)); n += 1", cancellationToken);

        result.Error!.Value.Should().Contain("No space left");
    }

    [Test]
    public async Task R11_Descriptors_end_at_the_limit_and_those_sent_over_sockets_do_not_reach_the_gateway(CancellationToken cancellationToken)
    {
        var before = Gateway.OpenFiles().Count;
        var result = await AttackAsync(
            """
            import array, os, socket
            def send():
                s = socket.socket(socket.AF_UNIX); s.connect('/run/kg/s/agent'); n = 0
                fds = array.array('i', [os.open('/dev/null', os.O_RDONLY) for _ in range(50)])
                for _ in range(20): s.sendmsg([b'{}\n'], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)])
                for fd in fds: os.close(fd)
                s.close()
            send()
            keep = []
            try:
                while True: keep.append(os.open('/dev/null', os.O_RDONLY))
            except OSError as e: print(e.strerror, len(keep) < 1024)
            finally:
                for fd in keep: os.close(fd)
            """, cancellationToken);

        result.Stdout.Should().Be("Too many open files True\n");
        Gateway.OpenFiles().Count.Should().BeLessThan(before + 100);
    }

    [Test]
    public async Task R13_A_busy_loop_ends_at_its_time_limit_and_keeps_what_it_printed(CancellationToken cancellationToken)
    {
        var sandbox = await AttackerAsync(cancellationToken);
        var result = await sandbox.RunCodeAsync("print('begun', flush=True)\nwhile True: pass", new RunCodeOptions { Timeout = TimeSpan.FromSeconds(2) }, cancellationToken);

        result.Status.Should().Be(ExecutionStatus.Timeout);
        result.Stdout.Should().Be("begun\n");
        (await sandbox.RunCodeAsync("6 * 7", cancellationToken: cancellationToken)).Text.Should().Be("42");
    }

    [Test]
    public async Task R16_A_line_of_100_MB_is_cut_and_marked(CancellationToken cancellationToken)
    {
        var result = await AttackAsync("print('x' * 100_000_000)", cancellationToken);

        result.Status.Should().Be(ExecutionStatus.Ok);
        result.Truncated.Should().BeTrue();
        result.Execution.Violations.Should().ContainSingle().Which.Kind.Should().Be(ReasonCodes.Output);
    }

    [Test]
    public async Task R17_A_display_of_100_MB_is_replaced_by_a_marker_with_its_size(CancellationToken cancellationToken)
    {
        var sandbox = await AttackerAsync(cancellationToken, new CreateSandboxRequest { MemoryMb = 2048 });
        var result = await sandbox.RunCodeAsync("from IPython.display import display\ndisplay({'image/png': 'x' * 100_000_000}, raw=True)\nprint('after')", cancellationToken: cancellationToken);

        result.Stdout.Should().Be("after\n", "what follows is not lost");
        var omitted = await sandbox.FirstAsync<OmittedEvent>(result.Execution.FirstSequence - 1, cancellationToken);
        omitted.Bytes.Should().BeGreaterThan(90_000_000);
    }

    [Test]
    public async Task R17_Displays_without_end_are_counted_and_cut(CancellationToken cancellationToken)
    {
        var result = await AttackAsync("from IPython.display import display\nfor i in range(30_000): display({'text/plain': 'x'}, raw=True)\n'end'", cancellationToken);

        result.Status.Should().Be(ExecutionStatus.Ok);
        result.Execution.Violations.Should().ContainSingle("30,000 are more than the 20,000 of this gateway").Which.Count.Should().BeGreaterThan(9_000);
    }

    [Test]
    public async Task R20_Limits_cannot_be_raised_from_inside(CancellationToken cancellationToken)
    {
        var result = await AttackAsync(
            """
            import os, resource
            def lower(path):
                fd = os.open(path, os.O_WRONLY)
                try: os.write(fd, b'-900')
                finally: os.close(fd)
            def attempt(what):
                try: what(); return 'done'
                except (OSError, ValueError) as e: return type(e).__name__
            print(attempt(lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))),
                  attempt(lambda: resource.setrlimit(resource.RLIMIT_CORE, (1, 1))),
                  attempt(lambda: resource.prlimit(1, resource.RLIMIT_NPROC, (10000, 10000))),
                  attempt(lambda: lower('/proc/self/oom_score_adj')),
                  attempt(lambda: open('/sys/fs/cgroup/memory.max', 'w')))
            """, cancellationToken);

        result.Stdout.Should().MatchRegex("^(ValueError|PermissionError) (ValueError|PermissionError) PermissionError PermissionError FileNotFoundError\n$");
    }

    [TestCase("x = 'a' * 10**10")]
    [TestCase("import re; re.match('(a*)*b', 'a' * 40)")]
    [TestCase("10 ** 10 ** 8")]
    [TestCase("import json; json.loads('[' * 10**6)")]
    public async Task R22_Code_that_is_a_bomb_ends_with_an_error_or_at_its_time_limit(string code)
    {
        var cancellationToken = TestContext.CurrentContext.CancellationToken;
        var sandbox = await AttackerAsync(cancellationToken, new CreateSandboxRequest { MemoryMb = 256 });

        var result = await sandbox.RunCodeAsync(code, new RunCodeOptions { Timeout = TimeSpan.FromSeconds(3) }, cancellationToken);

        result.Success.Should().BeFalse();
        result.Status.Should().BeOneOf(ExecutionStatus.Error, ExecutionStatus.Timeout, ExecutionStatus.KernelDied);
    }

    private static long AvailableMb() => long.Parse(
        File.ReadLines("/proc/meminfo").Single(l => l.StartsWith("MemAvailable", StringComparison.Ordinal)).Split(' ', StringSplitOptions.RemoveEmptyEntries)[1],
        System.Globalization.CultureInfo.InvariantCulture) >> 10;
}
