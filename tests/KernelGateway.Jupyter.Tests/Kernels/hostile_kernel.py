"""A kernel that answers kernel_info and execute properly, and on request sends what no kernel should.

Usage: hostile_kernel.py CONNECTION_FILE. Code "NAME": the frames of attack NAME are sent on IOPub and on shell between
busy and the proper output, reply and idle.
"""
import hashlib
import hmac
import json
import os
import sys

import zmq

with open(sys.argv[1]) as file:
    connection = json.load(file)
key = connection["key"].encode()
context = zmq.Context()


def bind(kind, channel):
    socket = context.socket(kind)
    port = connection[channel + "_port"]
    socket.bind(f"ipc://{connection['ip']}-{port}" if connection["transport"] == "ipc" else f"tcp://{connection['ip']}:{port}")
    return socket


def sign(parts):
    mac = hmac.new(key, digestmod=hashlib.sha256)
    for part in parts:
        mac.update(part)
    return mac.hexdigest().encode()


def header(kind, **fields):
    return {"msg_id": os.urandom(8).hex(), "msg_type": kind, "session": "s", "username": "u", "date": "2024-01-01T00:00:00Z", "version": "5.3", **fields}


def raw(head, parent, content, metadata=b"{}"):
    parts = [p if isinstance(p, bytes) else json.dumps(p).encode() for p in (head, parent, metadata, content)]
    return [b"<IDS|MSG>", sign(parts), *parts]


def attack(name, parent):
    """The messages of an attack, each a list of frames without identity."""
    head, text = header("stream"), {"name": "stdout", "text": "hostile"}
    deep = b'{"a":' * 100_000 + b"1" + b"}" * 100_000
    good = raw(head, parent, text)
    return {
        "none": lambda: [],
        "wrong_hmac": lambda: [[good[0], b"0" * 64, *good[2:]]],
        "short_hmac": lambda: [[good[0], good[1][:63], *good[2:]]],
        "no_hmac": lambda: [[good[0], b"", *good[2:]]],
        "no_delimiter": lambda: [good[1:]],
        "one_frame": lambda: [[b"x"]],
        "empty_frame": lambda: [[b""]],
        "only_delimiter": lambda: [[b"<IDS|MSG>"]],
        "three_json_frames": lambda: [good[:5]],
        "many_identities": lambda: [[b"id"] * 40 + good],
        "thousand_frames": lambda: [[os.urandom(20) for _ in range(1000)]],
        "more_frames_than_allowed": lambda: [raw(head, header("execute_request"), text) + [b"b"] * 5000],
        "random": lambda: [[os.urandom(n) for n in range(1, 12)] for _ in range(50)],
        "deep_header": lambda: [raw(deep[:60_000], parent, text)],
        "deep_content": lambda: [raw(head, parent, deep)],
        "deep_metadata": lambda: [raw(head, parent, text, b"[" * 100_000)],
        "huge_msg_type": lambda: [raw(header("x" * (5 << 20)), parent, text)],
        "huge_parent": lambda: [raw(head, {"msg_id": "x" * (5 << 20)}, text)],
        "array_content": lambda: [raw(head, parent, b"[]")],
        "number_content": lambda: [raw(head, parent, b"5")],
        "no_json": lambda: [raw(head, parent, b"hello")],
        "two_values": lambda: [raw(head, parent, b"{}{}")],
        "endless_number": lambda: [raw(head, parent, b'{"a":' + b"9" * 100_000 + b"}")],
        "array_header": lambda: [raw(b"[]", parent, text)],
        "null_header": lambda: [raw(b"null", parent, text)],
        "no_msg_id": lambda: [raw({"msg_type": "stream"}, parent, text)],
        "number_msg_type": lambda: [raw(header(5), parent, text)],
        "array_parent": lambda: [raw(head, b"[]", text)],
        "oversize": lambda: [raw(head, header("execute_request"), {"name": "stdout", "text": "x" * (9 << 20)})],
        # From here on: unusual, and taken.
        "nan": lambda: [raw(head, parent, b'{"name":"stdout","text":"t","a":NaN,"b":-Infinity,"c":Infinity}')],
        "invalid_utf8": lambda: [raw(head, parent, b'{"name":"stdout","text":"\xff\xfe\xc3"}')],
        "lone_surrogate": lambda: [raw(head, parent, b'{"name":"stdout","text":"\\ud800"}')],
        "null_content": lambda: [raw(head, parent, b"null", b"null")],
        "empty_content": lambda: [raw(head, parent, b"", b"")],
        "numeric_date": lambda: [raw(header("stream", date=1700000000), parent, text)],
        "absent_fields": lambda: [raw({"msg_id": "1", "msg_type": "stream"}, parent, text)],
        "unknown_type": lambda: [raw(header("made_up"), parent, text)],
        "buffers": lambda: [raw(head, parent, text) + [b"\x00" * 10, b""]],
        "control_characters": lambda: [raw(head, parent, b'{"name":"stdout","text":"a\x01b\x00c"}')],
        "duplicate_keys": lambda: [raw(head, parent, b'{"name":1,"name":"stdout","text":"t"}')],
        # Nobody's replies.
        "no_parent": lambda: [raw(header("execute_reply"), {}, {"status": "ok"})],
        "null_parent": lambda: [raw(header("execute_reply"), b"null", {"status": "ok"})],
        "unknown_parent": lambda: [raw(header("execute_reply"), header("execute_request"), {"status": "ok"})],
    }[name]()


shell, control, stdin = bind(zmq.ROUTER, "shell"), bind(zmq.ROUTER, "control"), bind(zmq.ROUTER, "stdin")
iopub, heartbeat = bind(zmq.PUB, "iopub"), bind(zmq.REP, "hb")
poller = zmq.Poller()
for socket in (shell, control, heartbeat):
    poller.register(socket, zmq.POLLIN)
print("bound", flush=True)


def publish(kind, parent, content):
    iopub.send_multipart([b"topic", *raw(header(kind), parent, content)])


def execute(identity, parent, name):
    if name == "oversize_reply":
        shell.send_multipart([identity, *raw(header("execute_reply"), parent, {"status": "ok", "x": "x" * (9 << 20)})])
        return
    if name == "reply_on_control":
        control.send_multipart([identity, *raw(header("execute_reply"), parent, {"status": "forged"})])
        return
    if name != "two_replies":
        for frames in attack(name, parent):
            shell.send_multipart([identity, *frames])
            iopub.send_multipart([b"topic", *frames] if len(frames) < 40 else frames)
    publish("stream", parent, {"name": "stdout", "text": "after"})
    for status in ["ok", "second"][: 2 if name == "two_replies" else 1]:
        shell.send_multipart([identity, *raw(header("execute_reply"), parent, {"status": status})])


while True:
    for socket, _ in poller.poll():
        frames = socket.recv_multipart()
        if socket is heartbeat:
            heartbeat.send_multipart(frames)
            continue
        identity, _, _, head, _, _, content = frames[:7]
        parent = json.loads(head)
        publish("status", parent, {"execution_state": "busy"})
        if parent["msg_type"] == "kernel_info_request":
            socket.send_multipart([identity, *raw(header("kernel_info_reply"), parent, {"status": "ok"})])
        elif parent["msg_type"] == "execute_request":
            execute(identity, parent, json.loads(content)["code"])
        publish("status", parent, {"execution_state": "idle"})
