using KernelGateway.Abuse.Tests.Support;

namespace KernelGateway.Abuse.Tests;

/// <summary>E: ways out of the sandbox, and what leaks into it.</summary>
public sealed class EscapeTests : AbuseFixture
{
    /// <summary>Tells for each attempt what became of it: the name of the error, or what was returned.</summary>
    private const string Attempt =
        """
        import ctypes, errno, os, signal, socket, subprocess, sys
        libc = ctypes.CDLL(None, use_errno=True)
        def attempt(name, what):
            try:
                print(name, '=', repr(what())[:200])
            except OSError as e:
                print(name, '!', errno.errorcode.get(e.errno, type(e).__name__))
            except BaseException as e:
                print(name, '!', type(e).__name__)
        def call(number, *arguments):
            ctypes.set_errno(0)
            answer = libc.syscall(number, *arguments)
            if answer == -1: raise OSError(ctypes.get_errno(), '')
            return answer
        def write(path, data):
            fd = os.open(path, os.O_WRONLY)
            try: return os.write(fd, data)
            finally: os.close(fd)
        def run(*argv):
            done = subprocess.run(argv, capture_output=True, timeout=20)
            if done.returncode: raise OSError(errno.EPERM, done.stderr.decode()[-200:])
            return done.stdout.decode()

        """;

    private static readonly string[] Denied = ["ENOENT", "EACCES", "EPERM", "EROFS", "ENOSYS", "ENOTDIR", "EINVAL", "ELOOP", "FileNotFoundError", "PermissionError"];

    [TestCase("E01", "open('/etc/shadow').read()", "open('/root/.bashrc').read()", "os.listdir('/var/lib')", "os.listdir('/home/' + os.listdir('/home')[0])", "open('{data}/admin.key').read()", "os.listdir('{data}')")]
    [TestCase("E02", "open('/usr/bin/evil', 'w')", "open('/etc/passwd', 'a')", "write('/proc/sys/kernel/hostname', b'x')", "write('/proc/self/uid_map', b'0 0 1')", "write('/proc/1/oom_score_adj', b'-900')", "os.rename('/usr', '/usr2')", "os.unlink('/bin')", "os.chmod('/usr', 0o777)")]
    [TestCase("E08", "socket.socket(socket.AF_UNIX).connect('/var/run/docker.sock')", "socket.socket(socket.AF_UNIX).connect('/run/containerd/containerd.sock')", "socket.socket(socket.AF_PACKET, socket.SOCK_RAW)", "socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)", "socket.socket(40, socket.SOCK_STREAM)")]
    [TestCase("E11", "run('unshare', '-Ur', 'true')", "run('mount', '-t', 'tmpfs', 'x', '/tmp')", "os.chroot('/tmp')", "run('nsenter', '-t', '1', '-m', 'true')", "call(272, 0x10000000)", "call(435, 0, 0)", "call(165, b'x', b'/tmp', b'tmpfs', 0, 0)", "call(428, -100, b'/', 0)", "call(429, 0, b'', -100, b'/tmp', 0)")]
    [TestCase("E13", "call(101, 16, 1, 0, 0)", "call(310, 1, 0, 0, 0, 0, 0)", "call(312, os.getpid(), 1, 0, 0, 0)", "call(438, 0, 0, 0)")]
    [TestCase("E14", "open('/proc/1/exe', 'r+b')", "open('/proc/self/exe', 'r+b')", "open('/proc/1/cwd/../../../../etc/shadow')", "open('/proc/1/root/etc/shadow')", "open('/proc/1/root/{data}/admin.key')")]
    [TestCase("E17", "open('/run/kg/launcher/kernel.py', 'a')", "os.unlink('/run/kg/launcher/kernel.py')", "os.rename('/run/kg/launcher', '/tmp/x')", "os.rmdir('/run/kg/s')")]
    public async Task What_is_forbidden_is_refused(string id, params string[] attempts)
    {
        var cancellationToken = TestContext.CurrentContext.CancellationToken;
        var code = Attempt + string.Join('\n', attempts.Select((a, i) => $"attempt('{i}', lambda: {a.Replace("{data}", Gateway.DataFolder)})"));

        var result = await AttackAsync(code, cancellationToken);

        result.Error.Should().BeNull();
        var answers = result.Stdout.TrimEnd('\n').Split('\n');
        answers.Should().HaveCount(attempts.Length, "{0} said: {1}", id, result.Stdout);
        foreach (var (attempt, answer) in attempts.Zip(answers))
        {
            answer.Should().MatchRegex($" ! ({string.Join('|', Denied)}|IndexError|EXDEV|ETXTBSY|ECONNREFUSED|EAFNOSUPPORT|ESRCH|EPROTONOSUPPORT|ESOCKTNOSUPPORT)$", "{0}: {1}", id, attempt);
        }
    }

    [Test]
    public async Task E04_No_process_of_the_host_is_seen_or_reached(CancellationToken cancellationToken)
    {
        var result = await AttackAsync(
            $$"""
            import os
            def alive(pid):
                try: os.kill(pid, 0); return True
                except OSError as e: return type(e).__name__
            own = sorted(int(p) for p in os.listdir('/proc') if p.isdigit())
            print(len(own) < 10, {{Gateway.ProcessId}} in own, alive({{Gateway.ProcessId}}))
            """, cancellationToken);

        result.Stdout.Should().Be("True False ProcessLookupError\n");
    }

    [Test]
    public async Task E05_The_files_and_sockets_of_another_sandbox_are_nowhere(CancellationToken cancellationToken)
    {
        await Site.Neighbour.RunCodeAsync("open('/workspace/mine', 'w').write('secret of the neighbour')", cancellationToken: cancellationToken);
        var result = await AttackAsync(
            $$"""
            import os
            paths = {line.split()[3] for line in open('/proc/self/mountinfo')} | {'{{Gateway.DataFolder}}/hosts/local/sandboxes/{{Site.Neighbour.Id}}/' + n for n in ('work', 'sock', 'logs', 'root', '')}
            print([p for p in paths if '{{Site.Neighbour.Id}}' in p and os.path.exists(p)], os.path.exists('/workspace/mine'))
            """, cancellationToken);

        result.Stdout.Should().Be("[] False\n");
    }

    [Test]
    public async Task E07_There_is_no_network_and_no_name(CancellationToken cancellationToken)
    {
        var result = await AttackAsync(
            $$"""
            import socket
            def attempt(host, port, family=socket.AF_INET):
                try:
                    s = socket.socket(family, socket.SOCK_STREAM); s.settimeout(3); s.connect((host, port)); return 'connected'
                except OSError as e: return type(e).__name__
            print(attempt('169.254.169.254', 80), attempt('127.0.0.1', {{Gateway.Address.Port}}), attempt('1.1.1.1', 53), attempt('::1', 80, socket.AF_INET6), attempt('example.com', 80))
            """, cancellationToken);

        result.Stdout.Should().NotContain("connected").And.NotContain("timeout");
        result.Stdout.Trim().Split(' ').Should().HaveCount(5);
    }

    [Test]
    public async Task E10_A_set_id_program_gains_nothing(CancellationToken cancellationToken)
    {
        var result = await AttackAsync(
            """
            import os, shutil, subprocess
            shutil.copy('/usr/bin/id', '/workspace/id'); os.chmod('/workspace/id', 0o6755)
            say = lambda *argv: subprocess.run(argv, capture_output=True, text=True, stdin=subprocess.DEVNULL)
            print(say('/workspace/id', '-u').stdout.strip(), say('su', '-c', 'id -u').returncode != 0, say('/usr/bin/newgrp', 'root').returncode != 0)
            print([line for line in open('/proc/self/status') if line.startswith(('CapEff', 'CapPrm', 'CapBnd', 'NoNewPrivs'))])
            """, cancellationToken);

        result.Stdout.Should().StartWith("1000 True True\n").And.Contain(@"NoNewPrivs:\t1").And.NotMatchRegex("Cap...:.t0*[1-9a-f]");
    }

    [Test]
    public async Task E16_A_kernel_that_puts_another_socket_in_place_of_its_own_hurts_itself_only(CancellationToken cancellationToken)
    {
        var sandbox = await AttackerAsync(cancellationToken);
        await sandbox.RunCodeAsync(
            """
            import os, socket
            fakes = []
            for name in os.listdir('/run/kg/s'):
                path = '/run/kg/s/' + name
                if name != 'agent': os.unlink(path)
                if name.endswith('-1'): os.symlink('/run/kg/s/agent', path)
                elif name != 'agent':
                    s = socket.socket(socket.AF_UNIX); s.bind(path); s.listen(); fakes.append(s)
            """, cancellationToken: cancellationToken);

        (await sandbox.RunCodeAsync("6 * 7", cancellationToken: cancellationToken)).Text.Should().Be("42", "the connections that stand go on");
        await sandbox.RestartAsync(cancellationToken: cancellationToken);
        (await sandbox.RunCodeAsync("6 * 7", cancellationToken: cancellationToken)).Text.Should().Be("42", "a new kernel has sockets of its own");
    }

    [Test]
    public async Task E19_Nothing_is_typed_into_a_terminal_of_the_host(CancellationToken cancellationToken)
    {
        var result = await AttackAsync(
            """
            import fcntl, os, pty
            master, slave = pty.openpty()
            def attempt(fd, number):
                try: fcntl.ioctl(fd, number, b'x'); return 'done'
                except OSError as e: return type(e).__name__
            print(attempt(slave, 0x5412), attempt(slave, 0x541c), attempt(0, 0x5412), attempt(slave, 0x1_0000_5412))
            """, cancellationToken);

        result.Stdout.Should().Be("PermissionError PermissionError PermissionError PermissionError\n");
    }

    [Test]
    public async Task E22_The_key_of_the_kernel_opens_nothing_but_the_kernel_itself(CancellationToken cancellationToken)
    {
        var result = await AttackAsync("get_ipython().kernel.session.key.decode()", cancellationToken);
        var key = result.Text!.Trim('\'');

        key.Should().NotBeEmpty();
        using var http = Site.HttpAs(key);
        ((int)(await http.GetAsync("/api/v1/sandboxes", cancellationToken)).StatusCode).Should().Be(401);
        var other = await AttackAsync("get_ipython().kernel.session.key.decode()", cancellationToken);
        other.Text!.Trim('\'').Should().NotBe(key, "each kernel has a key of its own");
    }
}
