"""memory_limit: who is admitted, who waits, who is told no, and that nothing is ever over it.

SPDX-License-Identifier: MIT
"""

import collections
import json
import os
import pathlib
import resource
import selectors
import socket
import struct
import time

import pytest

from client import Connection, ProtocolError, open_socket, request, turns
from conftest import MIB, SANITIZE, SLOW

LIMIT = 3 * MIB


@pytest.fixture
def limited(start_probe):
    """One worker with room for a few dozen requests that wait."""
    return lambda *more: start_probe("workers=1", f"memory_limit={LIMIT}", "log_level=3", *more)


def ledger(server):
    found = json.loads(server.ask(path="/ledger").text())
    assert found["reserved"] <= LIMIT
    return found


def fill(server, path="/sleep/60000", count=100):
    """Takes all memory that a route may have; returns the connections, admitted or waiting."""
    held = []
    for _ in range(count):
        held.append(server.connect(timeout=60))
        held[-1].send(request(path=path), "GET")
    wait_for(lambda: waiting(server) > 0)
    before = -1
    while before != waiting(server):
        before = waiting(server)
        time.sleep(0.3)
    return held


def waiting(server):
    return ledger(server)["accounts"]["waiting requests"]["in_use"]


def wait_for(condition, seconds=30):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def close_all(connections):
    """Resets them: an orderly end would leave their handlers running, since the client might still read."""
    for connection in connections:
        sock = getattr(connection, "socket", connection)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.close()


def test_those_that_wait_come_in_order(limited):
    """Many more requests than there is memory for: each is answered, the first first, and nothing is over the limit."""
    server = limited("memory_wait_ms=60000")
    held = fill(server, "/turn/60000")
    places = turns(server, 120, lambda: ledger(server), lambda found: found["accounts"]["waiting requests"]["objects"])
    close_all(held)
    began = places()
    # Those of one turn may overtake each other; whole rounds may not.
    together = server_sets(server)
    assert all(abs(place - i) <= 2 * together for i, place in enumerate(began)), began
    assert "refused" not in server.error_text()


def server_sets(server):
    """Requests that can wait at once, from the peak of the stacks."""
    stacks = ledger(server)["accounts"]["stacks"]
    return stacks["peak"] // 65536


def test_too_long_a_wait_is_refused(limited):
    """503 with Retry-After, readable, and the connection ends; short requests are served all the time."""
    server = limited("memory_wait_ms=400")
    held = fill(server)
    late = server.connect(timeout=30)
    late.send(request(path="/sleep/60000"), "GET")
    for _ in range(50):
        assert server.ask().text() == "Hello, World!"
    found = late.reply()
    assert found.status == 503 and found.closes and found.header("Retry-After")
    late.expect_end(20)
    close_all(held)
    wait_for(lambda: ledger(server)["fibers"] <= 1)
    assert server.ask(path="/sleep/1").text() == "slept"


def test_waiting_ends_when_there_is_memory(limited):
    server = limited("memory_wait_ms=60000")
    held = fill(server)
    late = server.connect(timeout=60)
    late.send(request(path="/sleep/1"), "GET")
    late.expect_open()
    close_all(held)
    assert late.reply().text() == "slept"
    wait_for(lambda: waiting(server) == 0)


def test_request_that_waits_is_counted_once(limited):
    """The last request that a connection may have is begun twice if it has to wait, and is one refusal."""
    server = limited("memory_wait_ms=60000", "max_requests_per_connection=3")
    held = fill(server)
    late = server.connect(timeout=60)
    for path in ("/", "/"):
        late.send(request(path=path), "GET")
        assert late.reply().status == 200
    before = ledger(server)["refusals"]["max_requests_per_connection"]
    late.send(request(path="/sleep/1"), "GET")
    late.expect_open()
    close_all(held)
    assert late.reply().text() == "slept"
    late.expect_end()
    assert ledger(server)["refusals"]["max_requests_per_connection"] == before + 1


def test_a_route_leaves_room_for_others(limited):
    """However many ask for one route, another one's requests are admitted."""
    server = limited("memory_wait_ms=60000")
    held = fill(server)
    with server.connect(timeout=30) as other:
        other.send(request(path="/live/200"), "GET")
        assert other.reply().text() == "before\nafter\n"
    close_all(held)


def test_whole_share(limited):
    """memory_share=100: one route may have all but what short requests need."""
    server = limited("memory_wait_ms=300", "memory_share=100")
    assert server.ask(path="/live/1").status == 200  # it is known to wait
    held = fill(server)
    with server.connect(timeout=30) as other:
        other.send(request(path="/live/200"), "GET")
        assert other.reply().status == 503
    assert server.ask().text() == "Hello, World!"
    close_all(held)


def test_client_that_leaves_while_waiting(limited):
    server = limited("memory_wait_ms=60000")
    held = fill(server)
    before = waiting(server)
    late = [server.connect() for _ in range(20)]
    for connection in late:
        connection.send(request(path="/sleep/1"), "GET")
    wait_for(lambda: waiting(server) > before)
    close_all(late)
    wait_for(lambda: waiting(server) == before)
    close_all(held)
    wait_for(lambda: waiting(server) == 0 and ledger(server)["connections"] <= 2)


def test_pipelined_behind_one_that_waits(limited):
    """What came before is answered, what comes behind is answered after it, in order."""
    server = limited("memory_wait_ms=60000")
    held = fill(server)
    with server.connect(timeout=60) as connection:
        connection.send(request() + request(path="/sleep/1") + request(path="/worker"), "GET", "GET", "GET")
        assert connection.reply().text() == "Hello, World!"
        connection.expect_open()
        close_all(held)
        assert [connection.reply().text() for _ in range(2)] == ["slept", "0"]


def test_upload_that_waits(limited):
    """The body stays with the kernel and the client until the request is admitted, and is whole then."""
    server = limited("memory_wait_ms=60000")
    assert server.ask("POST", "/read-slowly/1", body=b"ab").text() == "2"
    held = fill(server, "/sleep/60000") + fill(server, "/live/60000")
    with server.connect(timeout=60) as connection:
        body = b"u" * (2 * MIB)
        connection.send(request("POST", "/read-slowly/1", {"Content-Length": str(len(body))}), "POST")
        connection.socket.setblocking(False)
        sent = 0
        deadline = time.monotonic() + 60
        freed = False
        while sent < len(body):
            try:
                sent += connection.socket.send(body[sent : sent + 65536])
            except BlockingIOError:
                time.sleep(0.01)
            if not freed and sent > 65536:
                close_all(held)
                freed = True
            assert time.monotonic() < deadline
        connection.socket.setblocking(True)
        found = connection.reply()
        assert found.status == 200 and found.text() == str(len(body)), found


@pytest.mark.threaded
def test_stop_while_some_wait(limited):
    """They are served if memory comes in time, and cut at the end of the stop's time."""
    server = limited("memory_wait_ms=60000", "stop_timeout_ms=500")
    held = fill(server)
    took = server.stop()
    assert took < 20
    close_all(held)


def test_first_wait_without_memory(limited):
    """A handler that was not known to wait is ended at its first wait when there is no memory, and says so."""
    server = limited("memory_wait_ms=60000", "memory_share=100")
    # The route has been seen not to wait.
    for _ in range(5):
        assert server.ask("POST", "/read-all", body=b"ab").text() == "2"
    held = fill(server)
    with server.connect(timeout=30) as connection:
        connection.send(request("POST", "/read-all", {"Content-Length": "4"}) + b"ab", "POST")
        found = connection.reply()
        assert found.status == 503 and found.header("Retry-After") and found.closes
    assert server.ask().text() == "Hello, World!"
    close_all(held)


def test_connections_without_memory(start_probe):
    """When there is no memory for one more connection, those that have been idle for longest make room."""
    server = start_probe("workers=1", "memory_limit=1300000", "log_level=3", "max_connections_per_address=-1")
    connections = []
    for _ in range(14000):
        connections.append(open_socket(server.address))
        if len(connections) % 500 == 0 and "idle connection makes room" in server.error_text():
            break
    else:
        pytest.fail("the limit was not met")
    with server.connect() as newest:
        assert newest.ask().status == 200
    first = connections[0]
    first.settimeout(20)
    assert first.recv(10) == b""
    close_all(connections)


def fill_cache(server):
    """Until it gets no more memory; what it then has from the system."""
    before, number = -1, 0
    with server.connect() as connection:
        while before != (before := cache_reserved(server)):
            for _ in range(100):
                number += 1
                assert connection.ask(path=f"/cache/{number}-" + "k" * 4000).status == 200
    return before


def tour_ledger(server):
    """Its handler waits for a thread, so that it may be refused itself."""
    while (found := server.ask(path="/_weir/ledger.json")).status != 200:
        time.sleep(0.1)
    return json.loads(found.text())


def cache_reserved(server):
    return next(a["reserved"] for a in tour_ledger(server)["memory"]["accounts"] if a["name"] == "cache")


@pytest.mark.threaded
def test_the_cache_gives_back_before_idle_connections_go(start_tour):
    """A full cache makes room for connections, and none that is idle is closed while it can."""
    server = start_tour("--workers", 1, "--memory-limit", "3M")
    full = fill_cache(server)
    idle = [open_socket(server.address) for _ in range(6000)]
    wait_for(lambda: tour_ledger(server)["connections"]["open"] > 6000)
    found = tour_ledger(server)
    assert found["refusals"]["memory"] == 0, "idle connections were closed"
    print(f"\nthe cache had {full} bytes and has {cache_reserved(server)}")
    assert cache_reserved(server) < full
    close_all(idle)


@pytest.mark.threaded
def test_the_cache_gives_back_before_heads_are_refused(start_tour):
    """A full cache makes room for heads that come slowly."""
    server = start_tour("--workers", 1, "--memory-limit", "3M")
    full = fill_cache(server)
    heads = [open_socket(server.address) for _ in range(300)]
    for head in heads:
        head.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 1500)
    wait_for(lambda: (found := tour_ledger(server))["connections"]["head"] + found["refusals"]["memory"] >= 300)
    assert tour_ledger(server)["refusals"]["memory"] == 0
    assert cache_reserved(server) < full
    for head in heads:
        head.sendall(b"\r\n\r\n")
        assert head.recv(100).startswith(b"HTTP/1.1 200 ")
    close_all(heads)


@pytest.mark.threaded
def test_the_cache_gives_back_before_requests_are_refused(start_tour):
    """A full cache takes nothing from those that wait: as many are served as where it is empty."""
    served = []
    for filled in (False, True):
        server = start_tour("--workers", 1, "--memory-limit", "3M")
        full = fill_cache(server) if filled else 0
        tour_ledger(server)  # which needs a thread: it is there in both cases before memory is short
        streams = []
        for _ in range(40):
            streams.append(server.connect(receive_buffer=4096))
            streams[-1].send(request(path="/stream"), "GET")
        wait_for(lambda: tour_ledger(server)["refusals"]["memory"] > 0)
        served.append(tour_ledger(server)["fibers"]["waiting"])
        assert not filled or cache_reserved(server) < full
        close_all(streams)
    print(f"\nstreams at once, without a cache and with a full one: {served}")
    assert served[1] >= served[0] - 1 > 5


def test_rss_of_the_standing_set(limited):
    """Ten thousand short requests one after the other need no more than one."""
    server = limited()
    with server.connect() as connection:
        connection.ask()
        before = ledger(server)["reserved"]
        for _ in range(2000):
            assert connection.ask().status == 200
        assert ledger(server)["reserved"] == before


# ---- The whole of it


class Load:
    """Clients that ask for the endless stream and read it slowly, and clients that ask for the small JSON. Where the server may accept fewer than all,
    whole is False: those that it does not accept wait."""

    def __init__(self, server, count, whole):
        self.server = server
        self.whole = whole
        self.opened = 0
        self.streams = [self._open() for _ in range(count)]
        self.askers = [self._open() for _ in range(count)]
        self.selector = selectors.DefaultSelector()
        for asker in self.askers:
            self.selector.register(asker, selectors.EVENT_READ)
        self.sent = {}
        self.latencies = []
        self.status = {}
        self.received = collections.Counter()
        self.next = 0
        self.next_stream = 0

    def _open(self):
        if self.whole:
            sock = open_socket(self.server.address, receive_buffer=4096)
            sock.setblocking(False)
            return sock
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.setblocking(False)
        self.opened += 1  # from several addresses, for one may not have all connections
        sock.bind((f"127.0.0.{2 + self.opened % 4}", 0))
        sock.connect_ex(self.server.address)
        return sock

    def _send(self, sock, data):
        try:
            return sock.send(data) == len(data)
        except OSError:
            assert not self.whole
            return False

    def begin(self):
        self.unsent = [stream for stream in self.streams if not self._send(stream, request(path="/stream"))]

    def ask(self, count):
        for _ in range(count):
            asker = self.askers[self.next % len(self.askers)]
            self.next += 1
            if asker not in self.sent and self._send(asker, request(path="/json", headers={"X-Request-ID": "7"})):
                self.sent[asker] = time.monotonic()

    def take(self):
        for key, _ in self.selector.select(0.02):
            try:
                data = key.fileobj.recv(4096)
            except OSError:  # of a connect that has failed
                assert not self.whole
                self.selector.unregister(key.fileobj)
                continue
            assert data.startswith(b"HTTP/1.1 200 ") and data.endswith(b'"status":"ok"}'), data
            self.latencies.append(time.monotonic() - self.sent.pop(key.fileobj))

    def read_streams(self, count):
        for _ in range(count):
            stream = self.streams[self.next_stream % len(self.streams)]
            self.next_stream += 1
            try:
                data = stream.recv(512)
            except BlockingIOError:
                continue
            except OSError:
                assert not self.whole
                continue
            if stream not in self.status and data:
                self.status[stream] = int(data[9:12])
            self.received[stream] += len(data)

    def read_on(self, size):
        """Reads so much more of each stream that was admitted: more than the kernel has, so that its handler has to go on."""
        for stream in [stream for stream, status in self.status.items() if status == 200]:
            stream.settimeout(30)
            left = size
            while left > 0:
                data = stream.recv(min(left, 65536))
                assert data, "a stream that was admitted has ended"
                left -= len(data)

    def close(self):
        self.selector.close()
        close_all(self.streams + self.askers)


class Admin:
    """Reads the ledger by one connection. While that idles the server may close it, to make room for others'."""

    def __init__(self, address):
        self.address = address
        self.connection = Connection(address, timeout=60)

    def look(self):
        try:
            return self.connection.ask(path="/_weir/ledger.json")
        except (OSError, ProtocolError):
            self.close()
            self.connection = Connection(self.address, timeout=60)
            return self.connection.ask(path="/_weir/ledger.json")

    def close(self):
        self.connection.close()


def run_load(server, limit, seconds, count, whole=True):
    admin = Admin(server.address)
    load = Load(server, count, whole)
    try:
        load.begin()
        samples = []
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            load.ask(count // 50 + 1)
            load.take()
            load.read_streams(count // 20 + 1)
            if not samples or time.monotonic() - samples[-1][0] > 0.2:
                samples.append((time.monotonic(), admin.look()))
                if samples[-1][1].status == 200:
                    assert reserved_of(json.loads(samples[-1][1].text())) <= limit
        while load.sent and whole:
            load.take()
        for _ in range(20):
            load.read_streams(count)
            time.sleep(0.02)
        if whole:
            load.read_on(128 << 10)
    finally:
        load.close()
        admin.close()
    return load


def reserved_of(found):
    return found["memory"]["reserved"] if "memory" in found else found["reserved"]


def check_load(load, least):
    """Every stream was admitted or told no; none that was admitted stalled; every JSON was answered."""
    seen = collections.Counter(load.status.values())
    print(f"streams {dict(seen)}, JSON {len(load.latencies)}, slowest {max(load.latencies):.3f} s")
    assert set(seen) <= {200, 503} and sum(seen.values()) >= least, seen
    assert seen[200] > 10
    assert all(load.received[stream] > 4096 for stream, status in load.status.items() if status == 200)
    if SLOW:
        assert max(load.latencies) < 2


COUNT = 300 if SANITIZE else 5000


def test_eight_megabytes(start_tour):
    """10,000 connections under memory_limit = 8 MB, half of them on endless streams that they read slowly."""
    server = start_tour("--memory-limit", "8M", "--workers", 2)
    load = run_load(server, 8 * MIB, 12, COUNT)
    check_load(load, COUNT)
    assert server.ask().text() == "Hello, World!"
    print(f"peak resident {server.peak() / MIB:.1f} MiB")


GROUPS = pathlib.Path("/sys/fs/cgroup/memory")


@pytest.fixture
def group():
    """A memory cgroup of 32 MB."""
    folder = GROUPS / f"weir-test-{os.getpid()}"
    try:
        folder.mkdir()
        (folder / "memory.limit_in_bytes").write_text(str(32 * MIB))
    except OSError as error:
        pytest.skip(f"no memory cgroups of version 1 here: {error}")
    yield folder
    for _ in range(100):
        try:
            folder.rmdir()
            return
        except OSError:
            time.sleep(0.1)
    raise AssertionError("the cgroup is still in use")


@pytest.mark.skipif(bool(SANITIZE), reason="sanitizers take more than that")
def test_eight_megabytes_in_a_small_container(group, start_tour):
    """The same with the whole process in 32 MB, which is less than the kernel needs for so many sockets: the server accepts what fits, the others wait,
    and the kernel does not kill it."""

    def enter():
        (group / "cgroup.procs").write_text(str(os.getpid()))

    server = start_tour("--memory-limit", "8M", "--workers", 2, before=enter)
    load = run_load(server, 8 * MIB, 12, COUNT, whole=False)
    check_load(load, COUNT // 10)
    wait_for(lambda: server.ask().text() == "Hello, World!")
    peak = int((group / "memory.max_usage_in_bytes").read_text())
    failures = int((group / "memory.failcnt").read_text())
    print(f"peak of the group {peak / MIB:.1f} MiB, limit met {failures} times")
    assert "oom_kill 0" in (group / "memory.oom_control").read_text()


# ---- What a review found


def test_burst_of_pipelined_short_requests(limited):
    """Turns that a long pipeline leaves to others are no waits: its route is served at the bound as before."""
    server = limited("memory_wait_ms=300", "memory_share=100")
    held = fill(server)
    with server.connect(timeout=30) as connection:
        connection.send(request() * 200, *["GET"] * 200)
        assert all(connection.reply().status == 200 for _ in range(200))
    assert all(server.ask().status == 200 for _ in range(10))
    close_all(held)


def test_those_behind_a_long_line_of_another_route(start_probe):
    """Hundreds of one route that has its share do not hide the requests of another behind them."""
    server = start_probe("workers=1", f"memory_limit={16 * MIB}", "memory_share=50", "memory_wait_ms=60000")
    assert server.ask(path="/sleep/1").status == 200 and server.ask(path="/live/1").status == 200
    first = [server.connect(timeout=60) for _ in range(700)]
    for connection in first:
        connection.send(request(path="/sleep/60000"), "GET")
    second = [server.connect(timeout=60) for _ in range(300)]
    for connection in second:
        connection.send(request(path="/live/60000"), "GET")
    with server.connect(timeout=30) as last:
        last.send(request(path="/live/1"), "GET")
        last.expect_open()
        close_all(second)
        assert last.reply().text() == "before\nafter\n"
    close_all(first)


def test_share_holds_for_those_that_waited(limited):
    """Also when several are let in at once, and for what is pipelined behind a request of another route."""
    server = limited("memory_wait_ms=60000", "memory_share=50")
    held = fill(server)
    most = ledger(server)["fibers"]
    close_all(held[:4])
    time.sleep(0.5)
    assert ledger(server)["fibers"] <= most + 2
    close_all(held[4:])
    wait_for(lambda: ledger(server)["fibers"] <= 1)
    both = [server.connect(timeout=60) for _ in range(60)]
    for connection in both:
        connection.send(request(path="/live/1") + request(path="/sleep/60000"), "GET", "GET")
    wait_for(lambda: waiting(server) > 0)
    time.sleep(0.5)
    assert ledger(server)["fibers"] <= most + 2
    close_all(both)


@pytest.mark.parametrize("size", [1976, 4088, 8184, 16376])
def test_wait_with_a_full_buffer(start_probe, size):
    """The head and what came behind it fill the buffer, whatever its size: the block they wait in goes back to where it came from."""
    server = start_probe("workers=1", f"memory_limit={LIMIT}", f"http_buffer_size={size}", "memory_wait_ms=300",
                         "memory_share=100")
    assert server.ask("POST", "/read-slowly/1", body=b"ab").status == 200
    held = fill(server)
    for _ in range(3):
        posts = [server.connect(timeout=30) for _ in range(20)]
        for post in posts:
            post.send(request("POST", "/read-slowly/60000", body=b"u" * 20000), "POST")
        assert {post.reply().status for post in posts} == {503}
        close_all(posts)
    assert server.ask().status == 200
    close_all(held)
