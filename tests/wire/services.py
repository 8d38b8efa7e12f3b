"""Services that tests have weir connect to: lines, bytes, TLS, DNS; each on threads of its own, on the loopback.

SPDX-License-Identifier: MIT
"""

import contextlib
import socket
import ssl
import struct
import threading


class Service:
    """Calls serve(socket) on a thread for each connection. A block. Counts the connections that it has had."""

    def __init__(self, serve, *, address=("127.0.0.1", 0), family=socket.AF_INET, context=None):
        self.serve = serve
        self.context = context
        self.count = 0
        self.open = 0
        self.lock = threading.Lock()
        self.ended = threading.Event()
        self.errors = []
        self.listener = socket.socket(family, socket.SOCK_STREAM)
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self.listener.bind(address)
            self.listener.listen(128)
        except OSError:
            self.listener.close()
            raise
        self.port = self.listener.getsockname()[1] if family != socket.AF_UNIX else None
        self.threads = [threading.Thread(target=self._accept, daemon=True)]
        self.threads[0].start()

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with self.lock:
                self.count += 1
                self.open += 1
            thread = threading.Thread(target=self._run, args=(connection,), daemon=True)
            thread.start()

    def _run(self, connection):
        try:
            connection.settimeout(60)
            if self.context:
                connection = self.context.wrap_socket(connection, server_side=True)
            with connection:
                self.serve(connection)
        except (OSError, ssl.SSLError) as error:
            self.errors.append(error)
        finally:
            connection.close()
            with self.lock:
                self.open -= 1

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.ended.set()
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


def echo(connection):
    """Lines, upper case."""
    with connection.makefile("rwb", 0) as lines:
        for line in lines:
            lines.write(line.upper())


def secure_context(pair, authority=None, alpn=None):
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(pair.certificate, pair.key)
    if authority:
        made.load_verify_locations(authority.pair.certificate)
        made.verify_mode = ssl.CERT_REQUIRED
    if alpn:
        made.set_alpn_protocols(alpn)
    return made


class BlackHole:
    """An address that answers nobody: a listener whose queue is full. A block."""

    def __init__(self, address="127.0.0.3", port=0):
        self.listener = socket.socket()
        self.listener.bind((address, port))
        self.listener.listen(0)
        self.address, self.port = self.listener.getsockname()
        self.filling = []
        for _ in range(4):
            one = socket.socket()
            one.setblocking(False)
            one.connect_ex((self.address, self.port))
            self.filling.append(one)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for one in [*self.filling, self.listener]:
            one.close()


A, AAAA = 1, 28


class NameServer:
    """DNS over UDP and TCP on one port. zone: {name: {"a": [...], "aaaa": [...], "ttl": seconds}}; what is not in there
    does not exist. silent, truncated: names that get no answer, or whose answer over UDP is empty and cut. A block."""

    def __init__(self, zone, silent=(), truncated=()):
        self.zone, self.silent, self.truncated = zone, set(silent), set(truncated)
        self.asked = []  # (name, type, transport)
        self.udp = self.tcp = None
        while self.tcp is None:  # a port that is free for both
            self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self.udp.bind(("127.0.0.1", 0))
            self.port = self.udp.getsockname()[1]
            try:
                self.tcp = Service(self._stream, address=("127.0.0.1", self.port))
            except OSError:
                self.udp.close()
        self.thread = threading.Thread(target=self._datagrams, daemon=True)
        self.thread.start()
        self.setting = f"127.0.0.1:{self.port}"

    def count(self, name):
        return sum(1 for each in self.asked if each[0] == name)

    def _answer(self, query, transport):
        labels, at = [], 12
        while query[at]:
            labels.append(query[at + 1:at + 1 + query[at]].decode())
            at += 1 + query[at]
        question = query[12:at + 5]
        kind = struct.unpack("!H", query[at + 1:at + 3])[0]
        name = ".".join(labels).lower()
        self.asked.append((name, kind, transport))
        if name in self.silent:
            return None
        head = query[:2]
        if name in self.truncated and transport == "udp":
            return head + struct.pack("!HHHHH", 0x8380, 1, 0, 0, 0) + question
        found = self.zone.get(name)
        if found is None:
            return head + struct.pack("!HHHHH", 0x8183, 1, 0, 0, 0) + question
        family = {A: socket.AF_INET, AAAA: socket.AF_INET6}.get(kind)
        values = [socket.inet_pton(family, text) for text in found.get("a" if kind == A else "aaaa", [])] if family else []
        answer = head + struct.pack("!HHHHH", 0x8180, 1, len(values), 0, 0) + question
        for value in values:
            answer += b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, found.get("ttl", 60), len(value)) + value
        return answer

    def _datagrams(self):
        while True:
            try:
                query, client = self.udp.recvfrom(4096)
            except OSError:
                return
            if not query:
                return
            answer = self._answer(query, "udp")
            if answer:
                self.udp.sendto(answer, client)

    def _stream(self, connection):
        with connection.makefile("rwb", 0) as stream:
            while True:
                size = stream.read(2)
                if len(size) < 2:
                    return
                query = stream.read(struct.unpack("!H", size)[0])
                answer = self._answer(query, "tcp")
                if answer:
                    stream.write(struct.pack("!H", len(answer)) + answer)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.tcp.__exit__()
        with contextlib.suppress(OSError):
            self.udp.shutdown(socket.SHUT_RDWR)
        self.udp.close()
