"""A name server that lies: what it does is in the first label of a name."""

import contextlib
import random
import socket
import struct
import threading

A, CNAME, TXT, AAAA = 1, 5, 16, 28
TTL = 300
POINTER_TO_QUESTION = b"\xc0\x0c"
UDP_MAX = 512
GOOD = bytes([127, 0, 0, 1])
# What a lie says; nobody may believe it.
BAD = bytes([127, 66, 66, 66])


def name_bytes(name):
    return b"".join(bytes([len(x)]) + x.encode() for x in name.split(".")) + b"\0"


def record(kind, data, owner=POINTER_TO_QUESTION, ttl=TTL):
    return owner + struct.pack(">HHIH", kind, 1, ttl, len(data)) + data


class Question:
    def __init__(self, data):
        self.id = data[:2]
        at, labels = 12, []
        while data[at]:
            labels.append(data[at + 1 : at + 1 + data[at]].decode("ascii").lower())
            at += 1 + data[at]
        self.name = ".".join(labels)
        self.bytes = data[12 : at + 5]
        (self.type,) = struct.unpack(">H", data[at + 1 : at + 3])

    @property
    def rest(self):
        """The name without its first label."""
        return self.name.partition(".")[2]

    def reply(self, *records, flags=0x8180, question=None, message_id=None):
        counts = struct.pack(">HHHHH", flags, 1, len(records), 0, 0)
        head = (message_id or self.id) + counts
        return head + (self.bytes if question is None else question) + b"".join(records)


def good(q):
    return q.reply(*([record(A, GOOD)] if q.type == A else []))


def bad(q, **how):
    return q.reply(record(A, BAD), **how)


def other_id(q):
    return bytes([q.id[0], q.id[1] ^ 1])


def other_question(q):
    return name_bytes("else." + q.rest) + q.bytes[-4:]


def alias(q, to):
    return q.reply(record(CNAME, name_bytes(f"{to}.{q.rest}")))


def step(q):
    """chain40 is an alias of chain39, and so on; chain0 has an address."""
    left = int(q.name.partition(".")[0].removeprefix("chain"))
    return [alias(q, f"chain{left - 1}") if left else good(q)]


def poison(q):
    """An answer for somebody else beside the right one."""
    owner = name_bytes("victim." + q.rest)
    return [q.reply(record(A, GOOD), record(A, BAD, owner))]


def huge(q):
    """Nearly as much as a message can hold: it comes by TCP."""
    return [q.reply(*[record(A, GOOD)] * 4000)]


def noise(q):
    # The same bytes every time.
    return [q.id + random.Random(q.name).randbytes(300)]


# One label, the messages that come for it.
LIES = {
    "ok": lambda q: [good(q)],
    "victim": lambda q: [good(q)],
    "wrongid": lambda q: [bad(q, message_id=other_id(q)), good(q)],
    "onlywrongid": lambda q: [bad(q, message_id=other_id(q))],
    "wrongname": lambda q: [bad(q, question=other_question(q)), good(q)],
    "query": lambda q: [bad(q, flags=0x0100), good(q)],
    "self": lambda q: [alias(q, "self")],
    "ping": lambda q: [alias(q, "pong")],
    "pong": lambda q: [alias(q, "ping")],
    "poison": poison,
    "huge": huge,
    "noise": noise,
    "short": lambda q: [good(q)[:20]],
    "cut": lambda q: [good(q)[:-2]],
    "counts": lambda q: [good(q)[:6] + b"\xff\xff" * 3 + good(q)[12:]],
    "pointers": lambda q: [q.reply(record(A, GOOD, owner=b"\xc0\x1e"))],
    "longdata": lambda q: [q.reply(record(A, GOOD * 5))],
    "text": lambda q: [q.reply(record(TXT, b"\x04text"))],
    "refused": lambda q: [q.reply(flags=0x8185)],
    "notimplemented": lambda q: [q.reply(flags=0x8184)],
    "servfail": lambda q: [q.reply(flags=0x8182)],
    "nothing": lambda q: [q.reply()],
    "nosuch": lambda q: [q.reply(flags=0x8183)],
    "silent": lambda q: [],
}


def answers(data, everything=None):
    q = Question(data)
    label = everything or q.name.partition(".")[0]
    if label.startswith("chain"):
        return q, step(q)
    return q, LIES.get(label, LIES["nosuch"])(q)


class LyingServer:
    """A context; `upstream` is its address, as `--dns` wants it. `everything`:
    what it does whatever the first label is."""

    def __init__(self, everything=None):
        self.everything = everything

    def __enter__(self):
        # The same number for both: whoever has a port of UDP mostly gets TCP's too.
        self.tcp = socket.create_server(("127.0.0.1", 0))
        port = self.tcp.getsockname()[1]
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind(("127.0.0.1", port))
        self.upstream = f"127.0.0.1@{port}"
        self.asked = []
        for serve in (self.serve_udp, self.serve_tcp):
            threading.Thread(target=serve, daemon=True).start()
        return self

    def __exit__(self, *_):
        for sock in (self.udp, self.tcp):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()

    def serve_udp(self):
        while True:
            try:
                data, peer = self.udp.recvfrom(4096)
            except OSError:
                return
            if not data:
                return
            q, messages = answers(data, self.everything)
            self.asked.append(q.name)
            for message in messages:
                if len(message) > UDP_MAX:
                    message = q.reply(flags=0x8380)
                self.udp.sendto(message, peer)

    def serve_tcp(self):
        while True:
            try:
                client, _ = self.tcp.accept()
            except OSError:
                return
            with client, contextlib.suppress(OSError):
                client.settimeout(5)
                (size,) = struct.unpack(">H", client.recv(2, socket.MSG_WAITALL))
                data = client.recv(size, socket.MSG_WAITALL)
                _, messages = answers(data, self.everything)
                for message in messages:
                    client.sendall(struct.pack(">H", len(message)) + message)
