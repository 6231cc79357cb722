"""ipykernel's kernel and application, with a log. They keep their names: users see those in %config."""
import faulthandler
import gc
import importlib
import logging
import os
import sys

import zmq
from ipykernel import ipkernel, kernelapp

from kernel_data import register
from kernel_interrupts import Interrupts
from kernel_output import LoggedOutStream
from kernel_packages import offer
from kernel_publisher import Publisher
from kernel_run_variables import RunVariables
from kernel_types import error_content
from kernel_variables import answer


class IPythonKernel(ipkernel.IPythonKernel):
    log_of_kernel = None

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        show = self.shell._showtraceback

        def show_traceback(etype, evalue, stb):
            if isinstance(etype, type) and issubclass(etype, KeyboardInterrupt):
                # Somebody wants the kernel back: what it printed until now need not wait for room.
                self.log_of_kernel.wait_interrupted()
            show(etype, evalue, stb)

        self.shell._showtraceback = show_traceback
        self.interrupts = Interrupts(self.shell)
        self.interrupts.listen()
        self.run_variables = RunVariables()
        register(self.shell)
        offer()
        self.shell_handlers["kg_variables_request"] = self.variables_request
        self.shell_handlers["kg_snapshot_request"] = self.snapshot_request

    def set_parent(self, ident, parent, channel="shell"):
        if channel == "shell":
            # This comes before the busy status of the request.
            self.interrupts.next_request()
        super().set_parent(ident, parent, channel)

    def pre_handler_hook(self):
        super().pre_handler_hook()
        parent = self.get_parent("shell")
        if parent.get("header", {}).get("msg_type") == "execute_request":
            # An interrupt is not heard yet, and not any more when they are put back: neither is cut short.
            self.run_variables.put(parent.get("metadata", {}).get("kg_env"))
            self.interrupts.listen()

    def post_handler_hook(self):
        super().post_handler_hook()
        self.run_variables.take_back()
        self.interrupts.next_request()

    def start(self):
        # It warns that there is no debugger, into the last words that an exit event carries.
        level = self.log.level
        self.log.setLevel(logging.ERROR)
        super().start()
        self.log.setLevel(level)

    async def variables_request(self, stream, ident, parent):
        try:
            content = {"status": "ok", **answer(self.shell, parent["content"])}
        except BaseException as error:
            # Values may raise whatever they want when they are looked at, also what would end the kernel.
            content = error_content(error)
        self.session.send(stream, "kg_variables_reply", content, parent, ident=ident)

    async def snapshot_request(self, stream, ident, parent):
        """{"save": {...}} or {"load": {...}}, with the arguments of kernel_snapshot; can be interrupted."""
        try:
            # Loaded when it is first used: most kernels never do.
            content = {"status": "ok", **import_of_launcher("kernel_snapshot").answer(self.shell, parent["content"])}
        except BaseException as error:
            content = error_content(error)
        self.session.send(stream, "kg_snapshot_reply", content, parent, ident=ident)

    async def execute_request(self, stream, ident, parent):
        try:
            await super().execute_request(stream, ident, parent)
        except (Exception, KeyboardInterrupt) as error:
            # Between the user's code and the reply (Ctrl-C, a result that JSON cannot hold). Without a reply
            # the execution would never end.
            if LoggedOutStream.publisher.replied_to == parent["header"]["msg_id"]:
                raise
            content = {
                "status": "error",
                "ename": type(error).__name__,
                "evalue": ascii(error),
                "traceback": [],
                "execution_count": self.execution_count,
            }
            self.session.send(stream, "execute_reply", content, parent, ident=ident)


def import_of_launcher(name):
    """A module of the launcher's folder, which is on the path only here: user code must not find it there."""
    folder = os.path.dirname(os.path.abspath(__file__))
    sys.path.insert(0, folder)
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(folder)


class Heartbeat(kernelapp.Heartbeat):
    """Echoes in Python and not, as its base does, in C: a kernel whose code keeps the interpreter to itself must not seem well."""

    def run(self):
        self.socket = self.context.socket(zmq.ROUTER)
        self.socket.linger = 0
        try:
            self._bind_socket()
            while True:
                self.socket.send_multipart(self.socket.recv_multipart())
        except zmq.ContextTerminated:
            pass
        finally:
            self.socket.close()


class IPKernelApp(kernelapp.IPKernelApp):
    log_of_kernel = None

    def init_iopub(self, context):
        super().init_iopub(context)
        publisher = Publisher(self.log_of_kernel, self.iopub_thread, getattr(self, "control_thread", None))
        publisher.log_replies_of(self.session)
        LoggedOutStream.publisher = publisher

    def init_io(self):
        super().init_io()
        try:
            # The raw descriptor: the captured one is read by a thread of the process that crashes.
            faulthandler.enable(sys.stderr.fileno(), all_threads=False)
        except (OSError, ValueError, AttributeError):
            pass

    def start(self):
        # What is loaded by now stays; the first collection need not look through it.
        gc.freeze()
        gc.enable()
        super().start()

    def close(self):
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, LoggedOutStream):
                stream.drain_without_waiting()
        super().close()


def run(log, arguments):
    kernelapp.Heartbeat = Heartbeat
    IPythonKernel.log_of_kernel = IPKernelApp.log_of_kernel = log
    app = IPKernelApp.instance(
        kernel_class=IPythonKernel,
        outstream_class="kernel_output.LoggedOutStream",
        # "My parent is init": no watching of the parent, and no advice for terminals on stdout.
        parent_handle=1,
    )
    app.initialize([*arguments, "--HistoryManager.enabled=False"])
    app.start()
