"""The other side of every ratio: kernels used with jupyter_client and nothing else.

Reads one JSON request a line and answers with one JSON line. It owns the kernels it starts and ends them
when its input ends, so that a benchmark that is killed leaves none behind.
"""
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time

import ipykernel
import jupyter_client
import zmq
import zmq.asyncio
from jupyter_client import BlockingKernelClient
from jupyter_client.connect import write_connection_file

PYTHON = sys.executable
PATIENCE = 60


class Kernels:
    def __init__(self, launcher):
        self.launcher = launcher
        self.folder = tempfile.mkdtemp(prefix="kgb-")
        self.processes = []
        self.clients = []

    def spawn(self, kind):
        number = len(self.processes)
        place = os.path.join(self.folder, str(number))
        os.mkdir(place)
        path = os.path.join(place, "connection.json")
        write_connection_file(path, transport="ipc", ip=os.path.join(place, "k"))
        environment = dict(os.environ)
        if kind == "launcher":
            log = os.path.join(place, "log")
            os.mkdir(log)
            # Nobody reads this log; it must not make the kernel wait.
            environment.update(KG_LOG_DIR=log, KG_LOG_MAX=str(1 << 40))
            argv = [PYTHON, "-I", os.path.join(self.launcher, "kernel.py"), "-f", path]
        else:
            argv = [PYTHON, "-m", "ipykernel_launcher", "-f", path]
        process = subprocess.Popen(argv, env=environment, cwd=place, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.processes.append(process)
        self.clients.append(None)
        return number, path

    def connect(self, number):
        self.disconnect(number)
        context = zmq.asyncio.Context()
        # With the default of 1000 messages a kernel that prints faster than this side reads loses some of
        # them, idle among them, and there would be nothing to compare with.
        context.setsockopt(zmq.RCVHWM, 0)
        client = BlockingKernelClient(context=context, connection_file=os.path.join(self.folder, str(number), "connection.json"))
        client.load_connection_file()
        client.start_channels(hb=False)
        self.clients[number] = client
        return client

    def disconnect(self, number):
        if self.clients[number] is not None:
            self.clients[number].stop_channels()
            self.clients[number] = None

    def end(self, number):
        self.disconnect(number)
        self.processes[number].kill()
        self.processes[number].wait()
        shutil.rmtree(os.path.join(self.folder, str(number)), ignore_errors=True)

    def end_all(self):
        for number, process in enumerate(self.processes):
            if process.returncode is None:
                self.end(number)
        shutil.rmtree(self.folder, ignore_errors=True)


def run(client, code):
    """Runs code to its reply and its idle status; gives the seconds, and the lines it printed."""
    lines = 0
    begun = time.perf_counter()
    request = client.execute(code)
    while True:
        message = client.get_iopub_msg(timeout=PATIENCE)
        if message["parent_header"].get("msg_id") != request:
            continue
        if message["msg_type"] == "stream":
            lines += message["content"]["text"].count("\n")
        elif message["msg_type"] == "status" and message["content"]["execution_state"] == "idle":
            break
    while client.get_shell_msg(timeout=PATIENCE)["parent_header"].get("msg_id") != request:
        pass
    return time.perf_counter() - begun, lines


def first_result(kernels, kind, ready):
    """From nothing to the reply to the first cell. With ready, as jupyter_client's wait_for_ready has it,
    which besides the kernel's start waits for 0.2 s of silence."""
    begun = time.perf_counter()
    number, _ = kernels.spawn(kind)
    client = kernels.connect(number)
    if ready:
        client.wait_for_ready(timeout=PATIENCE)
    request = client.execute("1")
    while client.get_shell_msg(timeout=PATIENCE)["parent_header"].get("msg_id") != request:
        pass
    seconds = time.perf_counter() - begun
    kernels.end(number)
    return seconds


def answer(kernels, request):
    operation = request["op"]
    if operation == "versions":
        return {"text": "python %s, ipykernel %s, jupyter_client %s, libzmq %s" % (
            platform.python_version(), ipykernel.__version__, jupyter_client.__version__, zmq.zmq_version())}
    if operation == "start":
        number, path = kernels.spawn(request["kind"])
        kernels.connect(number).wait_for_ready(timeout=PATIENCE)
        kernels.disconnect(number)
        return {"kernel": number, "connection": path}
    if operation == "connect":
        kernels.connect(request["kernel"]).wait_for_ready(timeout=PATIENCE)
        return {}
    if operation == "disconnect":
        kernels.disconnect(request["kernel"])
        return {}
    if operation == "run":
        seconds, lines = run(kernels.clients[request["kernel"]], request["code"])
        return {"seconds": seconds, "lines": lines}
    if operation == "first":
        return {"seconds": first_result(kernels, request["kind"], request["ready"])}
    raise ValueError(operation)


def main():
    kernels = Kernels(sys.argv[1])
    try:
        for line in sys.stdin:
            print(json.dumps(answer(kernels, json.loads(line))), flush=True)
    finally:
        kernels.end_all()


if __name__ == "__main__":
    main()
