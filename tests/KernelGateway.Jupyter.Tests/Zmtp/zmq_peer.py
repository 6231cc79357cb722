"""A libzmq peer driven by lines on stdin; it answers with lines on stdout."""
import sys
import time

import zmq

kind, address = sys.argv[1], sys.argv[2]
context = zmq.Context()
socket = context.socket(getattr(zmq, "PUB" if kind == "PUB" else kind))
socket.linger = 0
socket.sndhwm = socket.rcvhwm = 0
if kind == "ROUTER":
    socket.router_handover = 1
socket.bind(address)


def say(*words):
    print(*words, flush=True)


def echo(count):
    for _ in range(count):
        socket.send_multipart(socket.recv_multipart())


def main():
    say("ready", socket.last_endpoint.decode().rstrip("\0"))
    for line in sys.stdin:
        words = line.split()
        command = words[0]
        if command == "echo":
            echo(int(words[1]))
            say("echoed", words[1])
        elif command == "recv":
            say("got", *[frame.hex() or "-" for frame in socket.recv_multipart()])
        elif command == "send":
            socket.send_multipart([bytes.fromhex("" if w == "-" else w) for w in words[1:]])
            say("sent")
        elif command == "flood":
            # flood <count> <bytes>: numbered messages, a last frame that is the end
            count, size = int(words[1]), int(words[2])
            body = b"x" * size
            for i in range(count):
                socket.send_multipart([b"flood", i.to_bytes(8, "big"), body])
            socket.send_multipart([b"end"])
            say("flooded")
        elif command == "big":
            # big <bytes>: one message whose second frame is that large, then three small ones
            socket.send_multipart([b"big", b"y" * int(words[1]), b"tail"])
            for i in range(3):
                socket.send_multipart([b"small", str(i).encode()])
            say("sent")
        elif command == "heartbeat":
            socket.heartbeat_ivl = int(words[1])
            say("set")
        elif command == "sleep":
            time.sleep(float(words[1]))
            say("awake")


try:
    main()
finally:
    context.destroy(linger=0)
