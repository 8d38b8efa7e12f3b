"""Bounds of pools: who is admitted, who waits and is told no, and that no pool is ever over its bound; and that what was made before the start is enough for
the first requests.

SPDX-License-Identifier: MIT
"""

import collections
import json
import selectors
import socket
import struct
import time

import pytest

from client import connect_all, open_socket, request, turns
from conftest import SANITIZE

pytestmark = pytest.mark.threaded

CLIENTS = 50
FEW = 6  # requests that may wait at once, beside the one that runs

# By the name of its account: the setting, its value for FEW requests and the one that runs, and what an object takes.
BOUNDS = {
    "stacks": ("max_stacks", FEW + 1),
    "requests": ("max_request_records", FEW + 1),
    "http buffers": ("max_http_buffers", 2 * (FEW + 1)),
    "request arenas": ("max_request_memory_blocks", FEW + 1),
}


class Watch:
    """Reads the ledger again and again by one connection, and holds it to the bounds."""

    def __init__(self, server, bounds):
        self.connection = server.connect(timeout=60)
        self.bounds = bounds
        self.samples = 0

    def look(self):
        found = json.loads(self.connection.ask(path="/ledger").text())
        for name, (_, most) in self.bounds.items():
            account = found["accounts"][name]
            assert 0 < account["reserved"] <= account["limit"], (name, account)
            assert account["peak"] <= account["limit"], (name, account)
            assert account["refused"] == 0, (name, account)
            if name != "requests":  # tables of fields are in the same account
                assert account["objects"] <= most, (name, account)
        self.samples += 1
        return found

    def until_blocked(self):
        """Until a stream goes no further: from one look to the next, little more than the ledger itself is sent."""
        sent, quiet = 0, 0
        while quiet < 3:
            before, sent = sent, self.look()["bytes_out"]
            quiet = quiet + 1 if sent - before < 8192 else 0

    def until(self, condition, seconds=60):
        deadline = time.monotonic() + seconds
        while not condition(self.look()):
            assert time.monotonic() < deadline
            time.sleep(0.02)


def start_bounded(start_probe, names, *more):
    bounds = {name: BOUNDS[name] for name in names}
    settings = [f"{setting}={most}" for setting, most in bounds.values()]
    server = start_probe("workers=1", "log_level=3", *settings, *more)
    return server, Watch(server, bounds)


def waiting(found):
    return found["accounts"]["waiting requests"]["objects"]


def reset_all(connections):
    """An orderly end would leave their handlers running, since the client might still read."""
    for connection in connections:
        sock = getattr(connection, "socket", connection)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.close()


EACH = [[name] for name in BOUNDS] + [list(BOUNDS)]


@pytest.mark.parametrize("names", EACH, ids=lambda names: "+".join(names).replace(" ", "-"))
def test_slow_clients(start_probe, names):
    """Fifty clients read an endless stream slowly where there is room for a few: those are served, the others wait and are told no, short requests are
    answered all the time, and the bound holds at each look."""
    server, watch = start_bounded(start_probe, names, "memory_wait_ms=1500", "memory_share=100", "send_buffer=8192")
    slow = [open_socket(server.address, receive_buffer=4096) for _ in range(CLIENTS)]
    for i, sock in enumerate(slow):
        sock.sendall(request(path="/flood"))
        sock.setblocking(False)
        if i == 0:  # that the route waits is learned from its first wait: when the kernel takes no more
            watch.until_blocked()
    status, received = {}, collections.Counter()
    deadline = time.monotonic() + 60
    waited = 0
    while len(status) < CLIENTS:
        assert time.monotonic() < deadline, collections.Counter(status.values())
        for sock in slow:
            try:
                data = sock.recv(512)
            except BlockingIOError:
                continue
            if sock not in status:
                status[sock] = int(data[9:12])
                assert status[sock] == 200 or b"\r\nRetry-After: 1\r\n" in data
            received[sock] += len(data)
        waited = max(waited, waiting(watch.look()))
        assert server.ask().text() == "Hello, World!"
    served = [sock for sock in slow if status[sock] == 200]
    seen = collections.Counter(status.values())
    assert set(seen) == {200, 503} and seen[200] == FEW, seen
    assert waited == CLIENTS - FEW
    # Those that were admitted go on.
    before = dict(received)
    for _ in range(10):
        for sock in served:
            try:
                received[sock] += len(sock.recv(4096))
            except BlockingIOError:
                pass
        watch.look()
        time.sleep(0.02)
    assert all(received[sock] > before[sock] for sock in served)
    assert watch.samples > 10
    reset_all(slow)
    watch.until(lambda found: found["fibers"] <= 1 and waiting(found) == 0)
    found = watch.look()
    assert found["refusals"]["memory"] == CLIENTS - FEW, found["refusals"]
    assert server.ask(path="/sleep/1").text() == "slept"


def test_those_that_wait_come_in_order(start_probe):
    """Given time, each is served, the first first."""
    server, watch = start_bounded(start_probe, list(BOUNDS), "memory_wait_ms=60000", "memory_share=100")
    assert server.ask(path="/sleep/1").text() == "slept" and server.ask(path="/turn/1").status == 200
    held = [server.connect(timeout=60) for _ in range(FEW)]
    for connection in held:
        connection.send(request(path="/sleep/60000"), "GET")
    watch.until(lambda found: found["fibers"] >= FEW)
    places = turns(server, CLIENTS, watch.look, waiting)
    reset_all(held)
    began = places()
    # Those of one turn may overtake each other; whole rounds may not.
    assert all(abs(place - i) <= 2 * FEW for i, place in enumerate(began)), began
    assert watch.look()["refusals"]["memory"] == 0


def test_a_route_leaves_room_for_others(start_probe):
    """memory_share is a share of what the bounds allow, too: of 6, one route has 4 here."""
    server, watch = start_bounded(start_probe, ["stacks"], "memory_wait_ms=60000")
    assert server.ask(path="/live/1").status == 200 and server.ask(path="/sleep/1").status == 200
    held = connect_all(server, CLIENTS, watch.look)
    for connection in held:
        connection.send(request(path="/sleep/60000"), "GET")
    watch.until(lambda found: waiting(found) == CLIENTS - 4)
    with server.connect(timeout=30) as other:
        other.send(request(path="/live/200"), "GET")
        assert other.reply().text() == "before\nafter\n"
    reset_all(held)


def test_each_worker_has_its_own(start_probe):
    """The bounds are each worker's, and so are the shares: the accounts show the sum."""
    server = start_probe("workers=2", "max_stacks=4", "memory_wait_ms=60000", "memory_share=100",
                         "max_connections_per_address=-1")
    assert server.ask(path="/sleep/1").text() == "slept"
    watch = Watch(server, {"stacks": ("max_stacks", 8)})
    held = connect_all(server, CLIENTS, watch.look)
    for connection in held:
        connection.send(request(path="/sleep/60000"), "GET")
    watch.until(lambda found: waiting(found) == CLIENTS - 6)
    assert watch.look()["accounts"]["stacks"]["limit"] == 8 * 65536
    reset_all(held)


def test_unexpected_wait(start_probe):
    """A handler that was not known to wait is told no at its first wait, when there is no room: nobody waits for what only it could free."""
    server, watch = start_bounded(start_probe, ["http buffers"], "memory_wait_ms=60000", "memory_share=100")
    assert server.ask(path="/sleep/1").text() == "slept"
    held = [server.connect(timeout=60) for _ in range(FEW)]
    for connection in held:
        connection.send(request(path="/sleep/60000"), "GET")
    watch.until(lambda found: found["fibers"] >= FEW)
    with server.connect(timeout=30) as connection:
        connection.send(request("POST", "/read-all", {"Content-Length": "4"}) + b"ab", "POST")
        found = connection.reply()
        assert found.status == 503 and found.header("Retry-After") and found.closes
    assert server.ask().text() == "Hello, World!"
    reset_all(held)


def test_no_room_to_wait_at_all(start_probe):
    """The least bounds: short requests are served, and none that waits."""
    server = start_probe("workers=1", "max_stacks=1", "max_request_records=1", "max_http_buffers=2",
                         "max_request_memory_blocks=1", "memory_wait_ms=200")
    for _ in range(3):
        assert server.ask().text() == "Hello, World!"
        assert server.ask(path="/sleep/1").status == 503
    fields = "".join(f"X-{i}: 1\r\n" for i in range(60))
    with server.connect() as connection:
        connection.send(f"GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n".encode(), "GET")
        assert connection.reply().text() == "Hello, World!"


def test_log_of_requests_has_room(start_probe):
    """At the level debug each reply on its way has a record of what is to be logged, beside the requests' own."""
    server = start_probe("workers=1", "max_request_records=2", "log_level=4")
    with server.connect() as connection:
        for count in (1, 16):
            connection.send(request() * count, *["GET"] * count)
            for _ in range(count):
                assert connection.reply().status == 200
        account = json.loads(connection.ask(path="/ledger").text())["accounts"]["requests"]
    assert account["refused"] == 0 and account["peak"] <= account["reserved"] <= account["limit"]


def test_bound_below_memory_limit(start_probe):
    """Both bounds together; the lower one is met."""
    server, watch = start_bounded(start_probe, ["stacks"], "memory_wait_ms=300", "memory_share=100",
                                  f"memory_limit={64 << 20}")
    assert server.ask(path="/sleep/1").text() == "slept"
    held = connect_all(server, CLIENTS, watch.look)
    for connection in held:
        connection.send(request(path="/sleep/60000"), "GET")
    refused = 0
    with selectors.DefaultSelector() as selector:
        for connection in held:
            selector.register(connection.socket, selectors.EVENT_READ, connection)
        while refused < CLIENTS - FEW:
            for key, _ in selector.select(60):
                assert key.data.reply().status == 503
                selector.unregister(key.fileobj)
                refused += 1
    assert watch.look()["fibers"] >= FEW
    reset_all(held)


@pytest.mark.skipif(bool(SANITIZE), reason="what a sanitizer takes is not counted")
def test_first_requests_take_nothing_new(start_probe):
    """What was made before the start is what so many connections and requests need at once."""
    count = 40
    server = start_probe("workers=1", f"stacks={count + 1}", f"request_records={count + 1}",
                         f"http_buffers={2 * count + 1}", f"request_memory_blocks={count + 1}",
                         f"connection_records={count + 1200}")
    watcher = server.connect(timeout=60)
    look = lambda: json.loads(watcher.ask(path="/ledger").text())
    before = look()
    clients = [server.connect(timeout=60) for _ in range(count)]
    for _ in range(3):
        for client in clients:
            client.send(request(path="/sleep/300"), "GET")
        deadline = time.monotonic() + 60
        while look()["fibers"] < count:
            assert time.monotonic() < deadline
        during = look()
        for name, account in before["accounts"].items():
            assert during["accounts"][name]["reserved"] == account["reserved"], name
        for client in clients:
            assert client.reply().text() == "slept"
    time.sleep(2.5)  # what is made beforehand stays, though nobody needs it for a while
    for name, account in before["accounts"].items():
        assert look()["accounts"][name]["reserved"] == account["reserved"], name
    reset_all(clients)


@pytest.mark.parametrize("setting, message", [
    ("max_http_buffers=1", "setting max_http_buffers: 1 is not within 2 and 1048576"),
    ("max_stacks=-2", "setting max_stacks: -2 is not within 1 and 1048576"),
    ("connection_records=1048577", "setting connection_records: 1048577 is not within 1 and 1048576"),
])
def test_wrong_settings(start_probe, setting, message):
    with pytest.raises(AssertionError, match="ended with") as ended:
        start_probe(setting)
    assert message in str(ended.value)


def test_a_body_that_is_too_long_does_not_wait(start_probe):
    """Its refusal needs no memory: it comes at once, and is counted once, though a request of its route would have to wait."""
    server = start_probe("workers=1", "max_stacks=2", "memory_wait_ms=1000", "memory_share=100", "max_body=1000")
    with server.connect() as first, server.connect() as second:
        assert first.ask("POST", "/sleep/10").text() == "slept"  # from here on it is known that the route's handlers wait
        first.send(request("POST", "/sleep/3000"), "POST")
        first.expect_open(0.1)
        second.send(request("POST", "/sleep/1", headers={"Content-Length": 2000}), "POST")
        assert second.reply().status == 413
        assert not first.parser.replies
        assert first.reply().text() == "slept"
    refusals = json.loads(server.ask(path="/ledger").text())["refusals"]
    assert refusals["max_body"] == 1 and refusals.get("memory", 0) == 0
