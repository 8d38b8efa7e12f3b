"""The ledger's page: where it is, who may see it, its event stream, and the list of live requests.

SPDX-License-Identifier: MIT
"""

import contextlib
import json
import re
import socket
import struct
import time

import client
import conftest
import pytest

MIB = 1 << 20
PAGES = {"": 308, "/": 200, "/page.css": 200, "/page.js": 200, "/page.svg": 200, "/ledger.json": 200, "/metrics": 200, "/events": 200}


@pytest.fixture
def watched(start):
    return start("tests/programs/watched")


def read(server, path="/_weir/ledger.json"):
    return json.loads(bytes(server.ask(path=path).body))


def wait_for(read_it, good, seconds=30):
    deadline = time.monotonic() + seconds
    while not good(found := read_it()):
        assert time.monotonic() < deadline, found
        time.sleep(0.05)
    return found


def reset_at_close(connection):
    """A close that ends a handler which waits; an orderly one would be only half of the connection's end."""
    connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


class Events:
    """A reader of the event stream."""

    def __init__(self, address, path="/_weir/events"):
        self.connection = client.Connection(address, timeout=60)
        reset_at_close(self.connection)
        self.connection.send(client.request(path=path), "GET")
        self.text = b""
        while self.connection.parser.current is None:
            assert self.connection.fill()
        self.reply = self.connection.parser.current

    def next(self):
        """The next event's data."""
        while b"\n\n" not in self.reply.body:
            assert self.connection.fill(), "the stream has ended"
        event, _, rest = bytes(self.reply.body).partition(b"\n\n")
        self.reply.body[:] = rest
        assert event.startswith(b"data: ") and b"\n" not in event
        return json.loads(event[6:])


def test_page(watched):
    """Everything is there, small, and may load nothing from elsewhere."""
    size = 0
    for path, status in PAGES.items():
        if path == "/events":
            continue
        reply = watched.ask(path="/_weir" + path)
        assert reply.status == status, path
        if path == "":
            assert reply.header("Location") == "_weir/"
        elif path in ("/ledger.json", "/metrics"):
            assert reply.header("Cache-Control") == "no-store"
        else:
            size += reply.received
            policy = reply.header("Content-Security-Policy")
            assert "default-src 'none'" in policy and "unsafe" not in policy and "http" not in policy
            assert reply.header("X-Content-Type-Options") == "nosniff"
            assert not re.search(rb"(src|href|url|import)\W+https?:", bytes(reply.body)), "something from elsewhere"
    assert size < 60 * 1024
    types = [watched.ask(path="/_weir" + path).header("Content-Type") for path in ("/", "/page.css", "/page.js", "/page.svg")]
    assert types == ["text/html; charset=utf-8", "text/css; charset=utf-8", "text/javascript; charset=utf-8", "image/svg+xml"]
    assert watched.ask("POST", "/_weir/", body=b"x").status == 405
    assert watched.ask("HEAD", "/_weir/page.js").received == 0
    with watched.connect() as one:
        assert one.ask("HEAD", "/_weir/events").status == 200


def test_off_unless_mounted(start_probe):
    server = start_probe()
    for path in PAGES:
        assert server.ask(path="/_weir" + path).status == 404


def test_authorisation(start):
    """401 without a password, 403 with a wrong one, for every path below; nothing of the ledger is in the answer."""
    server = start("tests/programs/watched", "authorize=1")
    for path, status in PAGES.items():
        unknown = server.ask(path="/_weir" + path)
        assert unknown.status == 401 and unknown.header("WWW-Authenticate") == 'Basic realm="ledger"'
        assert server.ask(path="/_weir" + path, headers={"Authorization": "Basic d3Jvbmc="}).status == 403
        assert b"account" not in unknown.body and unknown.received < 100
        if path != "/events":
            assert server.ask(path="/_weir" + path, headers={"Authorization": "Basic d2VpcjpzZWNyZXQ="}).status == status
    assert server.ask().status == 200


def test_own_listener(start):
    """By other listeners there is nothing; an own listener does not take the place of the server's."""
    server = start("tests/programs/watched", "own=1")
    port = int(re.search(r"page on (\d+)", server.output).group(1))
    assert port != server.port
    for path, status in PAGES.items():
        assert server.ask(path="/_weir" + path).status == 404
        if path != "/events":
            assert client.ask(("127.0.0.1", port), path="/_weir" + path).status == status
    assert Events(("127.0.0.1", port)).next()["workers"] == 2
    assert server.ask().status == 200


@pytest.mark.threaded
def test_events(watched):
    """Several viewers each get an event a second, with figures that follow what happens."""
    viewers = [Events(watched.address) for _ in range(3)]
    assert viewers[0].reply.header("Content-Type") == "text/event-stream"
    first = [viewer.next() for viewer in viewers]
    for _ in range(10):
        watched.ask()
    second = [viewer.next() for viewer in viewers]
    third = [viewer.next() for viewer in viewers]
    for before, between, after in zip(first, second, third):
        assert after["requests"] - before["requests"] == 10
        assert 0.9 < between["uptime_seconds"] - before["uptime_seconds"]
        assert after["connections"]["active"] == 3
    assert all(event["process"] is None or event["process"]["age_seconds"] < 3 for event in third)


@pytest.mark.threaded
def test_events_do_not_hold_the_stop(watched):
    viewers = [Events(watched.address) for _ in range(3)]
    for viewer in viewers:
        viewer.next()
    assert watched.stop() < 5
    for viewer in viewers:
        while viewer.connection.fill():
            pass
        assert viewer.connection.parser.replies, "the stream ends in order"


def test_viewer_that_does_not_read(watched):
    """It waits in its own write, and nobody else does."""
    with watched.connect(receive_buffer=4096) as deaf:
        deaf.send(client.request(path="/_weir/events"), "GET")
        viewer = Events(watched.address)
        for _ in range(3):
            assert viewer.next()["requests"] >= 0
    assert read(watched)["responses"]["2xx"] >= 0


@pytest.mark.skipif(bool(conftest.SANITIZE), reason="a sanitizer's frames are larger")
def test_small_stack(start):
    """Every form of the ledger fits the least stack that a handler can have."""
    server = start("tests/programs/watched", "stack_size=16384")
    assert read(server)["workers"] == 2
    assert server.ask(path="/_weir/metrics").status == 200
    assert Events(server.address).next()["workers"] == 2


# ---- Live requests


@pytest.mark.threaded
def test_live_requests(watched):
    """The oldest come first, with what they are, and are gone when they are."""
    with contextlib.ExitStack() as stack:
        peers = []
        for path in ("/sleep/60000", "/flood", "/large"):
            one = stack.enter_context(watched.connect(receive_buffer=4096))
            reset_at_close(one)
            one.send(client.request(path=path), "GET")
            host, port = one.socket.getsockname()
            peers.append(f"{host}:{port}")
            wait_for(lambda: read(watched)["live"], lambda live: peers[-1] in [row["peer"] for row in live])
            time.sleep(0.1)
        live = wait_for(lambda: read(watched)["live"],
                        lambda live: [row["state"] for row in live[:3]] == ["waiting", "sending", "draining"])
        assert [row["peer"] for row in live[:3]] == peers
        assert [row["route"] for row in live[:3]] == ["/sleep/{ms:[0-9]+}", "/flood", "/large"]
        assert [row["method"] for row in live[:3]] == ["GET", "GET", ""]
        assert [row["version"] for row in live[:3]] == ["HTTP/1.1"] * 3
        asleep, flooding, draining = live[:3]
        assert asleep["seconds"] >= flooding["seconds"] >= draining["seconds"] > 0
        assert asleep["sent"] == 0 and flooding["sent"] > 0 and 0 < draining["sent"] < 8 * MIB
        assert draining["memory"] < 4096 < 64 * 1024 < asleep["memory"] <= flooding["memory"]
    wait_for(lambda: read(watched)["live"],
             lambda live: not {"/flood", "/large"} & {row["route"] for row in live})


def test_many_live_requests(watched):
    """Only the oldest are listed, of both workers."""
    with contextlib.ExitStack() as stack:
        peers = []
        for _ in range(40):
            one = stack.enter_context(watched.connect())
            reset_at_close(one)
            one.send(client.request(path="/sleep/60000"), "GET")
            peers.append("{}:{}".format(*one.socket.getsockname()))
            time.sleep(0.005)
        ledger = wait_for(lambda: read(watched), lambda ledger: ledger["fibers"]["waiting"] >= 40)
        live = ledger["live"]
        assert len(live) == 12
        ages = [row["seconds"] for row in live]
        assert ages == sorted(ages, reverse=True)
        assert {row["worker"] for row in live} == {0, 1}
        assert {row["peer"] for row in live} <= set(peers[:20])


def test_stuck_worker_holds_nobody(start):
    """A worker that does not come round is not waited for: its board shows what it showed."""
    server = start("tests/programs/watched", "watchdog_ms=10000")
    viewer = Events(server.address)
    mine = wait_for(viewer.next, lambda event: event["live"])["live"][0]["worker"]
    with contextlib.ExitStack() as stack:
        for _ in range(100):
            one = stack.enter_context(server.connect())
            if int(one.ask(path="/worker").body) != mine:
                break
        one.send(client.request(path="/spin/4000"), "GET")
        began = time.monotonic()
        assert [viewer.next()["workers"] for _ in range(2)] == [2, 2]
        assert time.monotonic() - began < 4 and not one.parser.replies


# ---- The process


@pytest.mark.skipif(bool(conftest.SANITIZE), reason="a sanitizer's memory is not the program's")
def test_remainder_of_the_tour(start_tour):
    """What the ledger does not know of the tour is little, before, under and after a load of its programs."""
    server = start_tour()

    def remainder():
        time.sleep(1.1)
        return wait_for(lambda: read(server)["process"], lambda p: p and p["age_seconds"] < 1)

    idle = remainder()
    with client.Crowd(server.address, 300) as crowd:
        for path in ("/", "/json", "/efficient", "/cache/a", "/file/hello.txt"):
            crowd.send(client.request(path=path), "GET")
            assert {reply.status for reply in crowd.replies()} == {200}
        for member in crowd.members:
            reset_at_close(member)
        crowd.send(client.request(path="/stream"), "GET")
        wait_for(lambda: read(server)["fibers"]["waiting"], lambda waiting: waiting >= 250)
        busy = remainder()
    after = remainder()
    for process in (idle, busy, after):
        assert 0 < process["remainder"] < 1.5 * MIB, process
    assert busy["private"] > 2 * MIB
