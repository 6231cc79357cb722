"""A client without IOPub: sends code on the shell channel and says what the replies were.

Use: shell_client.py <connection file>. Reads {"code": ..., "answer": ...} lines, writes a line for each reply;
"answer" is given to every input_request.
"""
import json
import sys

import zmq
from jupyter_client.session import Session

with open(sys.argv[1]) as file:
    connection = json.load(file)
context = zmq.Context()
session = Session(key=connection["key"].encode())
identity = b"test-client"
sockets = {}
for name in ("shell", "stdin"):
    sockets[name] = context.socket(zmq.DEALER)
    sockets[name].identity = identity
    sockets[name].reconnect_ivl = 10
    sockets[name].connect("ipc://%s-%d" % (connection["ip"], connection[name + "_port"]))
poller = zmq.Poller()
for socket in sockets.values():
    poller.register(socket, zmq.POLLIN)


def ask(kind, content, answer=None):
    request = session.send(sockets["shell"], kind, content)
    while True:
        for socket, _ in poller.poll():
            _, message = session.recv(socket, 0)
            if message["msg_type"] == "input_request":
                session.send(sockets["stdin"], "input_reply", {"value": answer}, parent=message)
            elif message["parent_header"].get("msg_id") == request["header"]["msg_id"]:
                return message["content"]


ask("kernel_info_request", {})
print("ready", flush=True)
for line in sys.stdin:
    order = json.loads(line)
    answer = order.get("answer")
    content = {"code": order["code"], "silent": False, "allow_stdin": answer is not None, "stop_on_error": False}
    reply = ask("execute_request", content, answer)
    print(json.dumps({"status": reply["status"], "ename": reply.get("ename")}), flush=True)
