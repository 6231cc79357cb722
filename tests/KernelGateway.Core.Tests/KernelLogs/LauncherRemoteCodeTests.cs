namespace KernelGateway.Core.Tests.KernelLogs;

/// <summary>What runs beside the kernels of other servers, module by module.</summary>
public sealed class LauncherRemoteCodeTests
{
    [TestCase("5")]
    [TestCase("[1]")]
    [TestCase("{\"id\": []}")]
    [TestCase("no JSON")]
    public Task Whatever_an_agent_says_nobody_waits_for_a_thread_that_has_ended(string line) => LauncherCode.RunAsync($$"""
        import socket, threading
        from remote_link import Link
        from remote_refusals import Refused
        near, far = socket.socketpair()
        heard = threading.Event()
        link = Link(near, heard.set)
        def answer():
            far.recv(1 << 16)
            far.sendall({{"'"}}{{line}}{{"'"}}.encode() + b"\n")
        threading.Thread(target=answer).start()
        try:
            link.ask({"op": "hello"})
            raise SystemExit("answered")
        except Refused as refusal:
            assert refusal.fields["refused"] == "gone", refusal
        assert heard.wait(10) and link.ended and near.fileno() == -1
        """);

    [Test]
    public Task An_agent_that_takes_nothing_is_given_up() => LauncherCode.RunAsync("""
        import socket, threading, remote_link
        remote_link.SEND_PATIENCE = 0
        remote_link.struct = type("struct", (), {"pack": staticmethod(lambda form, seconds, _: __import__("struct").pack(form, seconds, 200_000))})
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(FOLDER + "/agent")
        listener.listen(0)
        link = remote_link.Link(remote_link.reach(FOLDER + "/agent"), lambda: None)
        try:
            link.ask({"op": "x", "text": "x" * 900_000})
            raise SystemExit("sent")
        except remote_link.Refused as refusal:
            assert refusal.fields["refused"] == "gone", refusal
        waiting = []
        try:
            while len(waiting) < 10:
                waiting.append(remote_link.reach(FOLDER + "/agent"))
            raise SystemExit("connected")
        except remote_link.Refused as refusal:
            assert refusal.fields["refused"] == "silent", refusal
        """);

    [Test]
    public Task An_agent_that_does_not_say_what_it_runs_is_not_taken_for_one_that_runs_nothing() => LauncherCode.RunAsync("""
        import json, os, socket, threading
        from remote_commands import Commands
        class Place:
            exists, own = staticmethod(lambda: True), staticmethod(lambda: None)
            def reach(self):
                near, far = socket.socketpair()
                def answer():
                    asked = json.loads(far.makefile("rb").readline())
                    far.sendall(json.dumps({"id": asked["id"], "ok": True, **said.pop(0)}).encode() + b"\n")
                threading.Thread(target=answer, daemon=True).start()
                self.far = far
                return near
        said = [{}, {"commands": [{"command": "c1"}]}]
        class Bell:
            ring = hear = staticmethod(lambda topic: None)
        commands = Commands(Bell())
        commands.place = Place()
        try:
            commands.commands({}, None)
            raise SystemExit("known")
        except KeyError:
            pass
        assert commands.commands({}, None) == {"known": ["c1"]}
        """);

    [Test]
    public Task What_lies_among_logs_and_is_none_neither_ends_a_log_nor_stops_the_others() => LauncherCode.RunAsync("""
        import os
        from remote_logs import next_piece
        def log(name, *segments):
            os.mkdir(FOLDER + "/" + name)
            for number, data in segments:
                with open("%s/%s/%010d.seg" % (FOLDER, name, number), "wb") as file:
                    file.write(data)
            return FOLDER + "/" + name
        growing = log("growing", (1, b"abc"))
        open(growing + "/0000000002.seg\n", "w").close()
        assert next_piece(growing, 1, 0, 100) == [1, 0, "YWJj", None]
        pipe = log("pipe")
        os.mkfifo(pipe + "/0000000001.seg")
        assert next_piece(pipe, 1, 0, 100) is None
        link = log("link")
        os.symlink("/etc/passwd", link + "/0000000001.seg")
        assert next_piece(link, 1, 0, 100) is None
        os.mkdir(log("folder") + "/0000000001.seg")
        assert next_piece(FOLDER + "/folder", 1, 0, 100) is None and next_piece(FOLDER + "/none", 1, 0, 100) is None
        whole = log("whole", (1, b"abc"), (2, b"de"))
        assert next_piece(whole, 1, 3, 100) == [1, 3, "", 3]
        assert next_piece(whole, 2, 0, 1) == [2, 0, "ZA==", None] and os.listdir(whole) == ["0000000002.seg"]
        """);

    [Test]
    public Task A_watch_that_has_ended_by_itself_is_stopped_without_a_trace() => LauncherCode.RunAsync("""
        import os
        from remote_inotify import Inotify
        system = Inotify()
        system.close()
        # These have the numbers that were its own.
        files = [open("%s/%d" % (FOLDER, number), "wb") for number in range(10)]
        system.stop()
        system.close()
        for file in files:
            file.close()
        assert all(os.path.getsize("%s/%d" % (FOLDER, number)) == 0 for number in range(10))
        """);

    [Test]
    public Task No_more_watches_than_allowed_are_begun_also_at_once_and_none_for_somebody_who_has_gone() => LauncherCode.RunAsync("""
        import os, threading, remote_watch, remote_watches
        from remote_folders import Folders
        from remote_refusals import Cancelled, FileRefused
        class Bell:
            ring = hear = staticmethod(lambda topic: None)
        folders = Folders()
        folders.root = os.fsencode(FOLDER)
        watches = remote_watches.Watches(Bell(), folders)
        begin, together, refused = remote_watch.Watch.begin, threading.Barrier(remote_watches.WATCHES_MAX + 1), []
        def slowly(watch):
            together.wait(20)
            begin(watch)
        remote_watch.Watch.begin = slowly
        def watch():
            try:
                watches.watch({"path": [], "recursive": False, "most": 10}, None)
            except BaseException as error:
                refused.append(error)
        threads = [threading.Thread(target=watch) for _ in range(remote_watches.WATCHES_MAX)]
        for thread in threads:
            thread.start()
        while len(watches.all) < remote_watches.WATCHES_MAX:
            pass
        watch()
        assert isinstance(refused.pop(), FileRefused)
        watches.close_all()
        together.wait(20)
        for thread in threads:
            thread.join(20)
        assert len(refused) == len(threads) and all(isinstance(one, Cancelled) for one in refused), refused
        assert not watches.all
        """);

    [Test]
    public Task Folders_that_are_too_deep_are_said_to_be_left_out_and_end_no_watch() => LauncherCode.RunAsync("""
        import os, remote_watch
        from remote_folders import Folders
        class Bell:
            ring = hear = staticmethod(lambda topic: None)
        folders = Folders()
        folders.root = os.fsencode(FOLDER)
        os.makedirs(FOLDER + "/top/" + "d/" * 700)
        watch = remote_watch.Watch(1, folders.enter, [], True, 10_000, Bell())
        watch.begin()
        assert [change[0] for change in watch.collect()["changes"]] == ["ready", "overflow"]
        assert len(watch.folders) == remote_watch.DEPTH_MAX, len(watch.folders)
        watch.end()
        # As they become when they are made one by one.
        watch.system = type("System", (), {"remove": staticmethod(lambda number: None)})
        watch.folders = {number: remote_watch.Folder(number - 1 or None, b"d%d" % number) for number in range(1, 5000)}
        watch.forget(1, b"d2")
        assert set(watch.folders) == {1}
        """);

    [Test]
    public Task A_file_that_was_opened_for_somebody_who_has_gone_is_closed() => LauncherCode.RunAsync("""
        import os, threading, remote_calls
        from remote_agent import AGENT
        from remote_calls import Calls
        files = AGENT.files
        files.folders.root = os.fsencode(FOLDER)
        open(FOLDER + "/f", "w").close()
        go, opened = threading.Event(), threading.Event()
        def slowly(request, cancelled):
            go.wait(20)
            result = files.open(request, cancelled)
            opened.set()
            return result
        before = len(os.listdir("/proc/self/fd"))
        def fds_are_as_before():
            while len(os.listdir("/proc/self/fd")) != before:
                pass
        import signal
        signal.alarm(25)
        AGENT.operations["slow"] = slowly
        ticket = eval(repr(AGENT.call('{"op": "slow", "path": ["f"]}')))["ticket"]
        AGENT.call('{"op": "cancel", "ticket": %d}' % ticket)
        go.set()
        opened.wait(20)
        fds_are_as_before()
        # Of a gateway that never heard its number, after a long time.
        go.clear()
        opened.clear()
        ticket = eval(repr(AGENT.call('{"op": "slow", "path": ["f"]}')))["ticket"]
        go.set()
        opened.wait(20)
        remote_calls.UNASKED_MAX = -1.0
        AGENT.calls.forget_unasked()
        assert "lost" in repr(AGENT.calls.fetch(ticket))
        fds_are_as_before()
        """);

    [Test]
    public Task Without_threads_for_them_calls_are_refused_and_none_is_remembered() => LauncherCode.RunAsync("""
        import threading
        from remote_calls import Calls
        class Bell:
            ring = hear = staticmethod(lambda topic: None)
        calls = Calls(Bell(), None)
        start = threading.Thread.start
        def no_thread(thread):
            raise RuntimeError("can't start new thread")
        threading.Thread.start = no_thread
        for _ in range(100):
            assert '"refused":"many"' in repr(calls.start(lambda request, cancelled: None, {}))
        threading.Thread.start = start
        assert '"ok":7' in repr(calls.start(lambda request, cancelled: 7, {}))
        """);

    [Test]
    public Task An_upload_that_is_given_up_twice_at_once_is_closed_once() => LauncherCode.RunAsync("""
        import threading
        from remote_handles import Handle
        ends = []
        class Upload:
            end = staticmethod(lambda: ends.append(1))
        sys.setswitchinterval(1e-6)
        for _ in range(300):
            handle = Handle(None)
            handle.upload = Upload()
            threads = [threading.Thread(target=handle.give_up) for _ in range(3)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        assert len(ends) == 300, len(ends)
        """);
}
