namespace KernelGateway.Core.Tests.KernelLogs;

/// <summary>The launcher's modules for themselves: with peers, files and objects of which nothing good can be expected.</summary>
public sealed class LauncherCodeTests
{
    [Test]
    public Task All_of_it_is_written_for_Python_3_9() => LauncherCode.RunAsync("""
        import ast, os
        names = sorted(name for name in os.listdir(LAUNCHER) if name.endswith(".py"))
        assert len(names) > 20, names
        for name in names:
            with open(os.path.join(LAUNCHER, name), encoding="utf-8") as file:
                source = file.read()
            ast.parse(source, name, feature_version=(3, 9))
            compile(source, name, "exec")
        """);

    [Test]
    public Task Commands_can_be_loaded_by_an_agent_that_was_started_before_the_launcher_was_replaced() => LauncherCode.RunAsync("""
        import os, selectors, sys, types
        import agent_processes
        # Of what such an agent has loaded, no more than this is known for sure.
        older = types.ModuleType("agent_processes")
        older.descendants, older.restore_signals = agent_processes.descendants, agent_processes.restore_signals
        sys.modules["agent_processes"], sys.modules["agent_peers"] = older, types.ModuleType("agent_peers")
        from agent_commands import CommandRefused, Commands
        said = []
        class Peers:
            send = staticmethod(lambda connection, message: said.append((connection, message)))
            send_to_all = staticmethod(said.append)
        class Agent:
            selector, peers, logs = selectors.DefaultSelector(), Peers(), FOLDER
        commands = Commands(Agent())
        assert commands.run("me", 5, {"command": "c", "argv": ["cat; exit 3"], "shell": True, "env": {}, "cwd": "/", "keep_input": True}) is None
        commands.hold(True)
        assert commands.held_at is not None and commands.running_count() == 1
        commands.hold(False)
        for act in (commands.write, commands.signal, commands.resize):
            try:
                act({"command": "none"})
                raise SystemExit("not refused")
            except CommandRefused as refusal:
                assert refusal.code == "unknown" and str(refusal)
        commands.write({"command": "c", "input": "aGk=", "close": True})
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid and commands.ended(pid, status):
                break
            for key, events in Agent.selector.select(commands.tend() or 0.01):
                key.data(events)
        assert commands.describe() == [{"command": "c", "running": False, "said_all": True}], commands.describe()
        assert said[0][0] == "me" and said[0][1]["id"] == 5 and said[0][1]["ok"], said
        commands.forget({"command": "c"})
        assert not commands.all and not os.listdir(FOLDER)
        """);

    [Test]
    public Task A_log_that_cannot_be_made_refuses_the_command_and_costs_no_descriptor() => LauncherCode.RunAsync("""
        import os, selectors
        import agent_commands
        from agent_requests import Refused
        class Agent:
            selector, peers, logs = selectors.DefaultSelector(), None, FOLDER
        commands = agent_commands.Commands(Agent())
        make = os.mkdir
        def make_and_fill(path, mode):
            # Somebody of the sandbox is quick.
            make(path, mode)
            open(path + "/0000000007.seg", "w").close()
        before = len(os.listdir("/proc/self/fd"))
        os.mkdir = make_and_fill
        try:
            commands.run(None, 1, {"command": "c", "argv": ["true"], "env": {}, "cwd": "/"})
            raise SystemExit("not refused")
        except Refused as refusal:
            assert refusal.code == "failed", refusal.code
        assert len(os.listdir("/proc/self/fd")) == before and not commands.all
        """);

    [Test]
    public Task A_command_that_is_started_while_time_stands_still_gets_no_more_of_it() => LauncherCode.RunAsync("""
        from agent_command import Command
        command = Command("c", None, None, 0)
        command.started, command.deadline = 100.0, 105.0
        command.postpone(since=40.0, now=110.0)
        assert command.deadline == 115.0, command.deadline
        command.started = 30.0
        command.postpone(since=120.0, now=121.0)
        assert command.deadline == 116.0, command.deadline
        """);

    [Test]
    public Task Many_peers_that_never_finish_or_never_read_cost_a_bounded_memory_and_harm_no_other() => LauncherCode.RunAsync("""
        import selectors, socket
        import agent_peers
        agent_peers.HELD_MAX = 4 << 20
        answered = []
        peers = agent_peers.Peers(selectors.DefaultSelector(), lambda connection, line: answered.append(line))
        # Nobody listens on it; only who has left makes room for others.
        peers.listener = socket.socket(socket.AF_UNIX)
        def join():
            near, far = socket.socketpair()
            known = set(peers.connections)
            peers.welcome(near)
            return far, (peers.connections - known).pop()
        good, its = join()
        rude = [join() for _ in range(20)]
        for number, (far, connection) in enumerate(rude):
            for _ in range(12):
                if connection not in peers.connections:
                    break
                if number % 2:
                    peers.send(connection, {"text": "x" * 65000})
                else:
                    far.send(b"x" * 65000)
                    peers.serve(connection, selectors.EVENT_READ)
            assert sum(one.held() for one in peers.connections) <= agent_peers.HELD_MAX
        assert its in peers.connections and 1 < len(peers.connections) < 21, len(peers.connections)
        good.send(b"hello\n")
        peers.serve(its, selectors.EVENT_READ)
        assert answered == [b"hello"], answered
        """);

    [Test]
    public Task Without_descriptors_nobody_is_taken_in_and_afterwards_again_also_when_nobody_leaves() => LauncherCode.RunAsync("""
        import os, selectors, signal, socket
        import agent_peers
        signal.alarm(20)
        agent_peers.LISTEN_AGAIN = 0.01
        selector = selectors.DefaultSelector()
        peers = agent_peers.Peers(selector, None)
        peers.open(FOLDER + "/agent")
        peer = socket.socket(socket.AF_UNIX)
        peer.connect(FOLDER + "/agent")
        taken = []
        try:
            while True:
                taken.append(os.open("/dev/null", os.O_RDONLY))
        except OSError:
            pass
        for key, _ in selector.select(0):
            key.data(0)
        assert not peers.listening and not peers.connections
        assert peers.tend() > 0
        for fd in taken:
            os.close(fd)
        while not peers.connections:
            for key, _ in selector.select(peers.tend()):
                key.data(0)
        assert peers.listening and peers.tend() is None
        """);

    [Test]
    public Task Parents_that_form_a_circle_are_looked_at_once() => LauncherCode.RunAsync("""
        import io, signal, agent_processes
        signal.alarm(20)
        stats = {"10": b"10 (a) S 11 10 10", "11": b"11 (b) S 10 11 11", "12": b"12 (c) S 5 12 12", "13": b"13 (d)", "14": b""}
        agent_processes.os = type("os", (), {"listdir": staticmethod(lambda _: [*stats, "self"])})
        agent_processes.open = lambda path, _: io.BytesIO(stats[path.split("/")[2]])
        assert agent_processes.descendants(5, set()) == {12}
        assert agent_processes.descendants(5, {11}) == {10, 11, 12}
        """);

    [Test]
    public Task A_way_out_that_no_socket_can_be_is_refused() => LauncherCode.RunAsync("""
        from agent_forwarder import route_in
        from agent_requests import Refused
        assert route_in({"socket": "/" + "x" * 106, "ports": [3128]}) == ("/" + "x" * 106, [3128])
        for wrong in ("/" + "x" * 107, "/\ud800", "relative", "/\0", None, 5):
            try:
                route_in({"socket": wrong, "ports": [3128]})
                raise SystemExit("not refused: %r" % (wrong,))
            except Refused as refusal:
                assert refusal.code is None and "socket" in str(refusal)
        """);

    [Test]
    public Task An_agent_whose_streams_were_closed_runs_commands_all_the_same() => LauncherCode.RunAsync("""
        import json, os, socket, subprocess, time
        folders = [os.path.join(FOLDER, name) for name in "slt"]
        for folder in folders:
            os.mkdir(folder)
        sockets, logs, tmp = folders
        agent = subprocess.Popen(
            ["/bin/sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", sys.executable, "-I", "-S", "-B", LAUNCHER + "/agent.py",
             "--launcher", LAUNCHER, "--sockets", sockets, "--logs", logs, "--tmp", tmp])
        peer = socket.socket(socket.AF_UNIX)
        while peer.connect_ex(sockets + "/agent"):
            assert agent.poll() is None
            time.sleep(0.005)
        lines = peer.makefile("rwb", buffering=0)
        lines.write(json.dumps({"id": 1, "op": "command", "do": "run", "command": "c", "argv": ["/bin/sh", "-c", "cat; echo err >&2"], "env": {}, "cwd": "/", "input": "aW4="}).encode() + b"\n")
        while not json.loads(lines.readline()).get("said_all"):
            pass
        with open(logs + "/c/0000000001.seg", "rb") as file:
            said = file.read()
        assert b"stdout\x02\0\0\0in" in said and b"stderr\x04\0\0\0err\n" in said, said
        lines.write(b'{"id": 2, "op": "shutdown", "grace": 0}\n')
        assert agent.wait(20) == 0
        """);
}
