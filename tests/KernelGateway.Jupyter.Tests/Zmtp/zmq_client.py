"""libzmq as the client: the same work as the benchmark does with ours, for a ratio."""
import sys
import time

import zmq

kind, address, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
context = zmq.Context()
if kind == "roundtrip":
    socket = context.socket(zmq.DEALER)
    socket.connect(address)
    frames = [b"id", b"<IDS|MSG>", b"s" * 64, b"h" * 200, b"p" * 200, b"{}", b"c" * 300]
    for _ in range(200):
        socket.send_multipart(frames)
        socket.recv_multipart()
    started = time.perf_counter()
    for _ in range(count):
        socket.send_multipart(frames)
        socket.recv_multipart()
else:
    socket = context.socket(zmq.SUB)
    socket.rcvhwm = 0
    socket.subscribe(b"")
    socket.connect(address)
    print("subscribed", flush=True)
    socket.recv_multipart()
    started = time.perf_counter()
    while len(socket.recv_multipart()) > 1:
        pass
print("seconds", time.perf_counter() - started, flush=True)
context.destroy(linger=0)
