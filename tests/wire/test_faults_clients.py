"""Clients that reset, half-close, stop reading or come in floods, at any byte: the server lets go of all it held for them.

SPDX-License-Identifier: MIT
"""

import itertools
import select
import socket
import time

import pytest

from client import ProtocolError, ReplyParser, open_socket, request
from conftest import SANITIZE
from faults import Held, Others, assert_rests, ledger, reset, stall, wait_for

STEP = 7 if SANITIZE else 1  # of sweeps
FLOOD = 400 if SANITIZE else 3000
AT_ONCE = 50

# Every way in which a request can be cut: heads, a body by length, chunks, a handler that waits, one that hands work to
# a thread, a file, errors. Each is (method, bytes).
MIXED = [
    ("GET", request(path="/")),
    ("POST", request("POST", "/echo", body=b"x" * 60)),
    ("HEAD", request("HEAD", "/pieces/1/100")),
    ("POST", request("POST", "/echo", body=[b"one", b"twenty-two bytes long.", b"x"])),
    ("GET", request(path="/sleep/1")),
    ("GET", request(path="/file/hello.txt")),
    ("GET", request(path="/offload/0")),
    ("POST", request("POST", "/ignore-body", body=b"y" * 30)),
    ("GET", request(path="/by-hand/hello.txt")),
    ("GET", request(path="/nowhere")),
    ("GET", request(path="/pieces/3/300")),
    ("GET", request(path="/", headers={"X-Long": "z" * 50})),
]
BATCH = b"".join(data for _, data in MIXED)
METHODS = [method for method, _ in MIXED]
ENDS = list(itertools.accumulate(len(data) for _, data in MIXED))


def inside(length, path):
    """Whether a cut at this byte is within a request for path."""
    return any(end - len(data) < length < end for (_, data), end in zip(MIXED, ENDS) if path in data)


@pytest.fixture
def server(start_probe, root):
    server = start_probe("workers=2", f"root={root}")
    for _ in range(5):
        whole_batch(server)
    return server


def whole_batch(server):
    """Every reply of the batch, and how many bytes they took."""
    with server.connect(timeout=60) as connection:
        count = [0]
        fed = connection.parser.feed
        connection.parser.feed = lambda data: (count.__setitem__(0, count[0] + len(data)), fed(data))
        connection.send(BATCH, *METHODS)
        replies = [connection.reply() for _ in METHODS]
        assert [reply.status for reply in replies] == [404 if b"nowhere" in data else 200 for _, data in MIXED]
        return replies, count[0]


def groups(items, size=AT_ONCE):
    items = iter(items)
    while group := list(itertools.islice(items, size)):
        yield group


# ---- Resets


@pytest.mark.threaded
@pytest.mark.parametrize("when", ["at once", "later"])
def test_reset_at_any_byte_of_the_requests(server, when):
    """Before the server has looked at what came, and when it has."""
    held = Held(server)
    with Others(server):
        for group in groups(range(0, len(BATCH) + 1, STEP)):
            cut = [open_socket(server.address) for _ in group]
            for s, length in zip(cut, group):
                s.sendall(BATCH[:length])
                if when == "at once":
                    reset(s)
            if when == "later":
                for _ in range(4):  # every worker has had turns since
                    server.ask()
                for s in cut:
                    reset(s)
    assert_rests(server)
    held.check()


def test_reset_at_any_byte_of_the_replies(server):
    _, length = whole_batch(server)
    held = Held(server)
    with Others(server):
        for group in groups(range(0, length + 1, STEP)):
            cut = [open_socket(server.address, timeout=60) for _ in group]
            for s in cut:
                s.sendall(BATCH)
            for s, wanted in zip(cut, group):
                while wanted > 0:
                    data = s.recv(wanted)
                    assert data
                    wanted -= len(data)
                reset(s)
    assert_rests(server)
    held.check()


@pytest.mark.parametrize("path", ["/flood", "/deaf", "/large-static", "/file/large.bin", "/by-hand/large.bin"])
def test_reset_within_a_long_reply(server, path):
    """The rest waits on this side, and goes with the connection."""
    held = Held(server)
    with Others(server):
        for group in groups(range(1, 60000, 1499 * STEP), 10):
            cut = [open_socket(server.address, timeout=60, receive_buffer=4096) for _ in group]
            for s in cut:
                s.sendall(request(path=path))
            for s, wanted in zip(cut, group):
                while wanted > 0:
                    wanted -= len(s.recv(wanted))
                reset(s)
    assert_rests(server)
    held.check()


# ---- Half-closed connections


def test_half_closed_at_any_byte(server):
    """Every whole request before it is answered, then the connection is closed. Half a request is not, or with 4xx; an
    echo of half a body that has begun is broken off by a reset."""
    replies, _ = whole_batch(server)
    held = Held(server)
    with Others(server):
        for group in groups(range(0, len(BATCH) + 1, STEP)):
            halves = []
            for length in group:
                connection = server.connect(timeout=60)
                connection.send(BATCH[:length], *METHODS)
                connection.socket.shutdown(socket.SHUT_WR)
                halves.append(connection)
            for connection, length in zip(halves, group):
                try:
                    while connection.fill():
                        pass
                except (ConnectionResetError, ProtocolError):
                    assert inside(length, b"/echo"), length
                connection.close()
                got = list(connection.parser.replies)
                whole = sum(end <= length for end in ENDS)
                assert len(got) - whole in (0, 1), (length, got)
                assert [bytes(reply.body) for reply in got[:whole]] == [bytes(reply.body) for reply in replies[:whole]]
                assert all(400 <= reply.status < 500 or inside(length, b"/ignore-body") for reply in got[whole:])
    assert_rests(server)
    held.check()


def test_half_closed_and_silent(server):
    """It has ended its side and reads nothing of a long reply: it is a reader that stalls, and costs no more."""
    held = Held(server)
    with Others(server):
        crowd = [stall(server, path) for path in ["/flood", "/large-static", "/file/large.bin"] * 5]
        for connection in crowd:
            connection.socket.shutdown(socket.SHUT_WR)
    assert_rests(server)
    for connection in crowd:
        connection.close()
    held.check()


# ---- Windows that stay closed


@pytest.mark.parametrize("path", ["/flood", "/deaf", "/large-static", "/file/large.bin", "/by-hand/large.bin"])
def test_zero_window(start_probe, root, path):
    """Their windows close, the server rests, and cuts them when write_timeout_ms is over."""
    server = start_probe("workers=2", f"root={root}", "write_timeout_ms=4000")
    held = Held(server)
    crowd = [stall(server, path, receive_buffer=1) for _ in range(40)]
    wait_for(lambda: ledger(server)["connections"] == 41)
    with Others(server):
        pass
    assert_rests(server)
    held.check()
    for connection in crowd:
        with pytest.raises((ConnectionResetError, ProtocolError)):
            while connection.fill():
                pass
        connection.close()


def test_window_that_opens_again(server):
    """Nothing is lost for having waited."""
    held = Held(server)
    crowd = [stall(server, "/large-static", receive_buffer=1) for _ in range(10)]
    assert_rests(server)
    for connection in crowd:
        connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        found = connection.reply()
        assert found.received == int(found.header("Content-Length")) > 1 << 20
        connection.close()
    held.check()


def test_requests_without_end_and_no_reading(start_probe):
    """A client that only sends is not read from either once its replies wait: it meets its own wall, and is cut."""
    server = start_probe("workers=1", "write_timeout_ms=4000")
    held = Held(server)
    with server.connect(receive_buffer=4096) as connection:
        connection.socket.setblocking(False)
        flood = request(path="/pieces/1/1000") * 200
        sent = 0
        while select.select([], [connection.socket], [], 1)[1]:
            sent += connection.socket.send(flood)
            assert sent < 1 << 26, "it takes without end"
        accounts = ledger(server)["accounts"]
        assert accounts["http buffers"]["objects"] <= 4
        with Others(server):
            pass
        held.check()


# ---- Floods


def leave(s):
    s.close()


def ask_and_leave(s):
    s.send(request())
    s.close()


def ask_and_reset(s):
    s.send(request(path="/pieces/3/1000"))
    reset(s)


@pytest.mark.parametrize("what", [leave, reset, ask_and_leave, ask_and_reset])
def test_flood_of_connections_that_end_at_once(server, what):
    held = Held(server)
    with Others(server):
        for _ in range(FLOOD):
            what(open_socket(server.address))
    assert_rests(server)
    held.check()


@pytest.mark.parametrize("settings", [["workers=1"], ["workers=2"], ["workers=2", "shared_listener=1"],
                                      ["workers=2", "backlog=16"], ["workers=2", "max_connections=100"]])
def test_flood_of_connections_that_stay(start_probe, settings):
    """Thousands at once, more than the backlog or the limit lets in: whoever gets in is answered, and all is let go of."""
    # Where its queue was full the kernel may keep a connection of which the client's side is over, and never says so: only
    # the time for idleness ends that.
    server = start_probe(*settings, "idle_timeout_ms=15000")
    limited = "max_connections=100" in settings
    held = Held(server)
    with Others(server, new=False):
        crowd = []
        poller = select.epoll()
        for _ in range(FLOOD):
            s = socket.socket()
            s.setblocking(False)
            s.connect_ex(server.address)
            poller.register(s, select.EPOLLOUT)
            crowd.append(s)
        by_number = {s.fileno(): s for s in crowd}
        answered, parsers = 0, {}
        enough = 90 if limited else FLOOD // 2
        deadline = time.monotonic() + 60
        while answered < enough:
            assert time.monotonic() < deadline, f"only {answered} of {FLOOD} are answered"
            for number, events in poller.poll(1):
                s = by_number[number]
                if number not in parsers:
                    if events & (select.EPOLLERR | select.EPOLLHUP):
                        poller.unregister(number)
                        continue
                    parsers[number] = ReplyParser()
                    parsers[number].methods.append("GET")
                    s.send(request())
                    poller.modify(number, select.EPOLLIN)
                else:
                    poller.unregister(number)
                    data = s.recv(1000)
                    if data:
                        parsers[number].feed(data)
                        answered += parsers[number].replies[0].status == 200
        poller.close()
    for s in crowd:
        s.close()
    held.check()
    assert_rests(server)
