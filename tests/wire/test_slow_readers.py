"""Endless streams to clients that read badly: at 1 KB a second, not at all for a while, or not to the end. The server's
private memory stays within two buffers and the stack of where it was, and the handler learns when the client goes.

SPDX-License-Identifier: MIT
"""

import json
import re
import resource
import subprocess
import time

import pytest

from client import Compare, ProtocolError, request
from conftest import BUILD, SANITIZE, SLOW

BUFFER, STACK = 8192, 65536
ROOM = 2 * BUFFER + STACK
STREAM = b"".join(b"Chunk %d\n" % i for i in range(1000000))
FLOOD = b"".join(b"Chunk %d\n" % i for i in range(3000000))
SECONDS = 60 if SLOW else 5


def counts(server):
    return json.loads(server.ask(path="/counts").body)


def wait_for(condition, seconds=5):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it does not happen"
        time.sleep(0.02)


def warm(server, path="/stream"):
    """Everything that is made once is made: a stream, its end, and the requests that a test asks between."""
    for _ in range(2):
        with server.connect() as connection:
            connection.send(request(path=path), "GET")
            while connection.parser.current is None or connection.parser.current.received < 200000:
                connection.fill()
    time.sleep(0.3)
    for _ in range(10):
        server.ask(path="/")
    return server.private()


class Memory:
    """Watches a server's private memory while a test goes on."""

    def __init__(self, server, before):
        self.server = server
        self.before = before
        self.most = before

    def look(self):
        self.most = max(self.most, self.server.private())

    def check(self, what, readers=1):
        growth = self.most - self.before
        print(f"\n{what}: private memory {self.before // 1024} KiB before, at most {growth // 1024} KiB more")
        if not SANITIZE:
            assert growth <= ROOM * readers


def test_reader_of_a_kilobyte_a_second(start_tour):
    server = start_tour("--workers", 1)
    memory = Memory(server, warm(server))
    with server.connect(sink=Compare(STREAM), receive_buffer=4096) as connection:
        connection.send(request(path="/stream"), "GET")
        received = 0
        for _ in range(SECONDS * 4):
            time.sleep(0.25)
            data = connection.socket.recv(256)
            received += len(data)
            connection.parser.feed(data)
            memory.look()
            assert server.ask().body == b"Hello, World!"
        assert received >= SECONDS * 1000
    memory.check("a reader of 1 KB a second")


def test_reader_that_stops(start_probe):
    """It reads a little, stops, and then reads on: nothing is lost. Longer than write_timeout_ms, it would be cut."""
    server = start_probe("workers=1", f"write_timeout_ms={SECONDS * 2000}")
    memory = Memory(server, warm(server, "/flood"))
    with server.connect(sink=Compare(FLOOD), receive_buffer=4096) as connection:
        connection.send(request(path="/flood"), "GET")
        connection.fill()
        ended = counts(server)["ended"]
        cpu = server.cpu()
        for _ in range(SECONDS):
            time.sleep(1)
            memory.look()
            assert server.ask().body == b"Hello, World!"
        assert counts(server)["ended"] == ended
        assert server.cpu() - cpu < 0.2 + SECONDS * 0.02, "it does not rest while the client does"
        while connection.parser.current.received < 5000000:
            connection.fill()
        memory.look()
    wait_for(lambda: counts(server)["ended"] == ended + 1)
    assert counts(server)["last_error"] == -3
    memory.check(f"a reader that stops for {SECONDS} s")


def test_reader_that_stops_for_too_long(start_probe):
    server = start_probe("workers=1", "write_timeout_ms=1000")
    with server.connect(receive_buffer=4096) as connection:
        connection.send(request(path="/flood"), "GET")
        wait_for(lambda: counts(server)["started"] == 1)
        began = time.monotonic()
        wait_for(lambda: counts(server)["ended"] == 1, 8)
        assert time.monotonic() - began > 0.8
        assert counts(server)["last_error"] == -7
        with pytest.raises((ProtocolError, ConnectionResetError)):
            while connection.fill():
                pass


def test_reader_that_is_refused_behind(start_tour):
    """Its connection, whose output has waited for it once, lingers without work for the server."""
    server = start_tour("--workers", 1)
    with server.connect(receive_buffer=4096) as connection:
        connection.send(request(path="/stream") + b"BAD\r\n\r\n", "GET", "GET")
        time.sleep(0.3)
        while len(connection.parser.replies) < 2:
            assert connection.fill()
        cpu = server.cpu()
        time.sleep(1)
        assert server.cpu() - cpu < 0.2
        connection.parser.replies.popleft()
        assert connection.reply().status == 400


@pytest.mark.parametrize("path", ["/flood", "/deaf"])
def test_reader_that_leaves(start_probe, path):
    """By a close, which is a reset here, since there is unread data; the handler ends, also one that ignores errors."""
    server = start_probe("workers=1")
    memory = Memory(server, warm(server, path))
    wait_for(lambda: counts(server)["ended"] == 2)
    for i in range(20):
        with server.connect(sink=Compare(FLOOD)) as connection:
            connection.send(request(path=path), "GET")
            while connection.parser.current is None or connection.parser.current.received < 500000:
                connection.fill()
            memory.look()
        wait_for(lambda: counts(server)["ended"] == 3 + i)
    assert counts(server)["started"] == counts(server)["ended"] == 22
    if path == "/flood":
        assert counts(server)["last_error"] == -3
    assert json.loads(server.ask(path="/ledger").body)["fibers"] <= 1
    memory.check("readers that leave half-way")


def test_reader_that_leaves_while_the_handler_sleeps(start_probe):
    server = start_probe("workers=1")
    with server.connect() as connection:
        connection.send(request(path="/sleep/60000"), "GET")
        wait_for(lambda: counts(server)["started"] == 1)
        connection.socket.setsockopt(1, 13, b"\1\0\0\0\0\0\0\0")  # SO_LINGER of no time: a reset
    wait_for(lambda: counts(server)["ended"] == 1, 2)
    assert counts(server)["last_error"] == -3


def test_final_reply_to_a_reader_that_leaves(start_probe):
    """weir_on_sent tells how a reply ended after its handler had."""
    server = start_probe("workers=1")
    with server.connect() as connection:
        assert connection.ask(path="/large-static").received == 10 << 20
    wait_for(lambda: counts(server)["sent"] == 1)
    assert counts(server)["sent_error"] == 0 and counts(server)["sent_bytes"] == 10 << 20
    with server.connect(receive_buffer=4096) as connection:
        connection.send(request(path="/large-static"), "GET")
        connection.fill()
    wait_for(lambda: counts(server)["sent"] == 2)
    assert counts(server)["sent_error"] < 0 and counts(server)["sent_bytes"] < 10 << 20


def test_many_readers_that_stop(start_probe):
    """A hundred of them at once, by a client made for it; then the memory goes back."""
    readers = 20 if SANITIZE else 100
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    server = start_probe("workers=1")
    memory = Memory(server, warm(server, "/flood"))
    command = [str(BUILD / "tests/tools/slow_reader"), "--port", str(server.port), "--request",
               "GET /flood HTTP/1.1\r\nHost: a\r\n\r\n", "--connections", str(readers), "--stop-after", "1000",
               "--seconds", "4", "--rcvbuf", "4096"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as client:
        assert client.stdout.readline() == "ready\n"
        for _ in range(5):
            time.sleep(0.5)
            memory.look()
            assert server.ask().body == b"Hello, World!"
        totals = client.stdout.readline()
        assert f"open={readers}" in totals, totals
    memory.check(f"{readers} readers that stop", readers)
    each = (memory.most - memory.before) / readers
    print(f"{each / 1024:.1f} KiB for each")
    wait_for(lambda: counts(server)["ended"] == readers + 2)
    assert re.search(r"reset=0", totals)
