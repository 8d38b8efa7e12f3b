"""The memory that the kernel holds for clients that do not read, or send what is not read: how much it is for each, whatever
they are sent and whatever window they announce, as the server's ledger tells it and as ss sees it from outside; that
kernel_memory_limit bounds it, and that a client that has vanished leaves nothing behind.

SPDX-License-Identifier: MIT
"""

import contextlib
import os
import pathlib
import re
import socket
import subprocess
import time

import pytest

import namespaces
from client import Connection, request
from conftest import BUILD, SANITIZE
from faults import RESET, descriptors, ledger, wait_for

EACH = 20 if SANITIZE else 250  # clients that are sent the same kind of reply
KINDS = {"file": "/file/large.bin", "static": "/large-static", "write": "/large-write", "printf": "/flood"}
WINDOWS = [0, 0, 4096, 1024]  # receive buffers; 0: the system's. The least that the kernel has gives a window of 1,152 bytes
BOUNDS = {"default": (0, 65536), "lean": (16384, 40960)}  # notsent_lowat, and bytes for a stalled client, user space included


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("large")
    with open(path / "large.bin", "wb") as file:
        file.truncate(10 << 20)
    return path


def sockets(port, *namespace):
    """What the kernel holds for each connection of a server, by ss: received, queued, ahead, options, backlog."""
    text = subprocess.run([*namespace, "ss", "-tmnH", "state", "connected", "sport", "=", f":{port}"], check=True,
                          capture_output=True, text=True).stdout
    found = re.findall(r"skmem:\(r(\d+),rb\d+,t\d+,tb\d+,f(\d+),w(\d+),o(\d+),bl(\d+),", text)
    return [sum(map(int, numbers)) for numbers in found]


@contextlib.contextmanager
def readers(port, path, count, *options, receive_buffer=0, host="127.0.0.1", within=()):
    """Clients that ask for path and read nothing; with options of tests/tools/slow_reader.c, or not quite nothing."""
    options = options or ("--rate", "0")
    command = [*within, BUILD / "tests/tools/slow_reader", "--host", host, "--port", port, "--connections", count,
               "--request", request(path=path).decode(), *options]
    if receive_buffer:
        command += ["--rcvbuf", receive_buffer]
    process = subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline() == "ready\n"
        yield process
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


def at_rest(port, count):
    """What is held for each of count clients, once it has not changed for a second."""
    last, since = [], 0

    def rests():
        nonlocal last, since
        now = sorted(sockets(port))
        if now != last or len(now) != count:
            last, since = now, time.monotonic()
        return time.monotonic() - since > 1

    wait_for(rests, lambda: f"it does not come to rest: {len(last)} connections, {sum(last)} bytes")
    return last


def agree(server, count, tolerance):
    """The ledger says what ss says, within a tolerance; both were at rest. Returns that."""
    def compare():
        held, told = sum(sockets(server.port)), ledger(server)["kernel_memory"]
        compare.last = f"ss: {held}, ledger: {told}"
        return abs(told - held) <= tolerance * held + 16384 and told
    told = wait_for(compare, lambda: compare.last)
    print(f"\n{count} clients, {compare.last}")
    return told


def warm_private(server):
    """Private memory when everything that is made once is made."""
    for _ in range(3):
        for path in KINDS.values():
            with server.connect() as connection:
                connection.send(request(path=path), "GET")
                connection.fill()
    wait_for(lambda: ledger(server)["connections"] == 1)
    return server.private()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("setting", BOUNDS)
def test_clients_that_stop_reading(start_probe, folder, kind, setting):
    lowat, bound = BOUNDS[setting]
    server = start_probe("workers=1", f"notsent_lowat={lowat}", f"root={folder}")
    before = warm_private(server)
    with contextlib.ExitStack() as stack:
        for window in WINDOWS:
            stack.enter_context(readers(server.port, KINDS[kind], EACH // len(WINDOWS), receive_buffer=window))
        count = EACH // len(WINDOWS) * len(WINDOWS)
        held = at_rest(server.port, count)
        own = (server.private() - before) / count
        told = agree(server, count, 0.01)
        print(f"{kind}, {setting}: the kernel holds {held[0]} to {held[-1]} bytes for each, user space {own:.0f}")
        assert held[-1] <= bound
        if not SANITIZE:
            assert held[-1] + own <= bound
    wait_for(lambda: ledger(server)["kernel_memory"] <= 16384, "what was held is not given back")
    assert ledger(server)["kernel_memory_peak"] >= told


def test_clients_that_read_and_then_stop(start_probe, folder):
    """Their windows have grown, and with them the packet buffers: a file's last one cannot be sealed and may take 64 KiB. That is
    what the kernel counts: the bytes are in the file's own pages."""
    server = start_probe("workers=1", f"root={folder}")
    with contextlib.ExitStack() as stack:
        for path in KINDS.values():
            stack.enter_context(readers(server.port, path, 10, "--stop-after", 2000000))
        most = 65536 + 8192
        wait_for(lambda: max(sockets(server.port), default=most + 1) <= most)  # later ones may still be in full flight
        held = at_rest(server.port, 40)
        print(f"\nthe kernel holds {held[0]} to {held[-1]} bytes for each, {sum(held) / len(held):.0f} in the mean")
        assert sum(held) / len(held) <= 49152 and held[-1] <= most


@pytest.mark.skipif(SANITIZE != "", reason="it is about numbers of connections")
def test_a_thousand_clients_of_all_kinds(start_probe, folder):
    """More than are asked for in a round: the ledger's figure is an estimate."""
    server = start_probe("workers=2", f"root={folder}")
    with contextlib.ExitStack() as stack:
        for path in KINDS.values():
            for window in WINDOWS:
                stack.enter_context(readers(server.port, path, EACH // len(WINDOWS), receive_buffer=window))
        count = EACH // len(WINDOWS) * len(WINDOWS) * len(KINDS)
        held = at_rest(server.port, count)
        agree(server, count, 0.1)
        assert held[-1] <= 49152
    wait_for(lambda: ledger(server)["kernel_memory"] <= 16384, "what was held is not given back")


def test_replies_that_wait_on_idle_connections(start_probe):
    """A reply that the kernel has taken whole is in nobody's hands any more, but it is held and told."""
    server = start_probe("workers=1")
    count = 20 if SANITIZE else 100
    with readers(server.port, "/pieces/5/4000", count, receive_buffer=4096):
        held = at_rest(server.port, count)
        assert held[0] > 10000
        agree(server, count, 0.05)


@pytest.mark.parametrize("receive_buffer, most", [(0, None), (16384, 2 * 16384 + 8192)])
def test_uploads_that_are_not_read(start_probe, receive_buffer, most):
    """A handler that does not read leaves what comes to the kernel: as much as the receive buffer takes, then the client waits."""
    count = 5 if SANITIZE else 50
    server = start_probe("workers=1", f"receive_buffer={receive_buffer}")
    if most is None:  # by default what the system gives a connection at its beginning
        most = int(open("/proc/sys/net/ipv4/tcp_rmem").read().split()[1]) + 8192
    head = b"POST /sleep/600000 HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n"
    clients = [server.connect() for _ in range(count)]
    try:
        for client in clients:
            client.socket.sendall(head)
            client.socket.setblocking(False)
        piece = bytes(65536)
        stuck = 0
        while stuck < 5:  # nothing more goes out, five times in a row
            moved = False
            for client in clients:
                with contextlib.suppress(BlockingIOError):
                    moved = client.socket.send(piece) > 0 or moved
            stuck = 0 if moved else stuck + 1
            time.sleep(0.05)
        held = at_rest(server.port, count)
        print(f"\nthe kernel holds {held[0]} to {held[-1]} bytes for each upload that is not read, {most} are allowed")
        assert 8192 < held[0] and held[-1] <= most
        agree(server, count, 0.01)
    finally:
        # By a reset: an orderly end would wait behind what is not read.
        for client in clients:
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            client.close()
    wait_for(lambda: ledger(server)["kernel_memory"] <= 16384, "what was held is not given back")


def test_the_ledger_says_what_the_kernel_charges(start_probe, folder):
    """A memory cgroup of version 1 is charged for TCP's queues by the kernel itself, if that is asked for."""
    group = pathlib.Path(f"/sys/fs/cgroup/memory/weir-test-kernel-{os.getpid()}")
    try:
        group.mkdir()
        (group / "memory.kmem.tcp.limit_in_bytes").write_text(str(1 << 30))
    except OSError:
        with contextlib.suppress(OSError):
            group.rmdir()
        pytest.skip("there is no memory cgroup of version 1 to make one in")
    server = None
    try:
        server = start_probe("workers=1", f"root={folder}", before=lambda: (group / "cgroup.procs").write_text(str(os.getpid())))
        charged = group / "memory.kmem.tcp.usage_in_bytes"
        with contextlib.ExitStack() as stack:
            for path in KINDS.values():
                stack.enter_context(readers(server.port, path, EACH // 5))
            count = EACH // 5 * len(KINDS)
            at_rest(server.port, count)
            told = agree(server, count, 0.01)
            print(f"the kernel charges {charged.read_text().strip()}")
            assert abs(int(charged.read_text()) - told) <= 0.02 * told + 16384
    finally:
        if server:
            server.stop()
        wait_for(lambda: not (group / "cgroup.procs").read_text())
        group.rmdir()


# ---- The soft bound


def test_the_longest_stalled_are_cut(start_probe):
    """Of two crowds that together are over the limit, the one that stopped first loses as many as are too many."""
    server = start_probe("workers=1", f"kernel_memory_limit={3 << 20}")
    with readers(server.port, "/flood", 50, receive_buffer=4096) as first:
        wait_for(lambda: ledger(server)["kernel_memory"] > 50 * 35000)
        time.sleep(2.5)  # a round later it is known that they take nothing
        with readers(server.port, "/flood", 50, receive_buffer=4096) as second:
            found = wait_for(lambda: (now := ledger(server))["kernel_memory_cut"] and now["kernel_memory"] <= 3 << 20 and now)
            assert found["kernel_memory_peak"] > 3 << 20
            time.sleep(0.5)  # nobody more is cut
            cut = ledger(server)["kernel_memory_cut"]
            for process in (first, second):
                process.terminate()
            totals = [re.search(r"reset=(\d+)", process.stdout.read()).group(1) for process in (first, second)]
    print(f"\n{cut} were cut: {totals}")
    assert totals == [str(cut), "0"]
    assert 5 <= cut <= 40
    assert ledger(server)["refusals"]["kernel_memory_limit"] == cut
    assert "kernel_memory_limit is 3145728: accepting is paused" in server.error_text()
    assert f"{cut} clients that took nothing were cut" in server.error_text()


def test_replies_on_idle_connections_are_cut(start_probe):
    """There is no handler and no output of weir's to tell by, but the kernel holds them."""
    server = start_probe("workers=1", f"kernel_memory_limit={1 << 20}")
    quiet = [server.connect() for _ in range(10)]
    assert all(connection.ask().status == 200 for connection in quiet)
    with readers(server.port, "/pieces/5/4000", 100, receive_buffer=4096):
        found = wait_for(lambda: (now := ledger(server))["kernel_memory_cut"] and now["kernel_memory"] <= 1 << 20 and now)
        assert 20 <= 100 - found["kernel_memory_cut"] and found["connections"] == 111 - found["kernel_memory_cut"]
    assert all(connection.ask().status == 200 for connection in quiet), "one that had taken all was cut"


def test_accepting_pauses_over_the_limit(start_probe):
    """Clients that read are not cut, though they hold too much. Others wait in the backlog; who is in is served."""
    server = start_probe("workers=1", f"kernel_memory_limit={1 << 20}")
    with server.connect() as inside:
        inside.ask()
        # 50 bytes in 20 ms: in no second does one of them take nothing.
        with readers(server.port, "/flood", 40, "--rate", "2500", receive_buffer=1024):
            told = "accepting is paused"
            wait_for(lambda: told in server.error_text())
            with server.connect(timeout=1) as outside:
                outside.send(request(), "GET")
                with pytest.raises(TimeoutError):
                    outside.fill()
                assert inside.ask().status == 200
        assert server.ask().status == 200  # they have gone
    assert "accepting goes on" in server.error_text()


# ---- Clients that vanish


@pytest.fixture
def two_hosts():
    with namespaces.pair() as found:
        yield found


def test_clients_that_vanish(start_probe, folder, two_hosts):
    """Their cable is pulled in mid-transfer, while they stall, and before a last reply: nothing tells the server but time."""
    here, there = two_hosts
    server = start_probe("workers=1", "host=0.0.0.0", "write_timeout_ms=3000", f"root={folder}", before=here.enter)
    listing = here.command()

    def held():
        return sockets(server.port, *listing)

    with here.within():
        server.ask()
        before = descriptors(server), ledger(server)
        with contextlib.ExitStack() as stack:
            for path in KINDS.values():
                more = {"host": here.address, "within": there.command()}
                stack.enter_context(readers(server.port, path, 5, "--rate", "200000", **more))
                stack.enter_context(readers(server.port, path, 5, receive_buffer=4096, **more))
            with there.within():
                last = Connection((here.address, server.port))
            last.send(request(path="/sleep/1500", headers={"Connection": "close"}), "GET")
            wait_for(lambda: ledger(server)["kernel_memory"] > 500000)
            namespaces.cut(there)
            time.sleep(0.5)
            print(f"\n{len(held())} connections that have vanished hold {sum(held())} bytes, {max(held())} at most")
            wait_for(lambda: not held(), lambda: f"{len(held())} are still there, {sum(held())} bytes")
            wait_for(lambda: (descriptors(server), ledger(server)["connections"]) == (before[0] + 1, 1)
                     or descriptors(server) == before[0])
            wait_for(lambda: ledger(server)["kernel_memory"] <= before[1]["kernel_memory"] + 16384)
            assert ledger(server)["fibers"] <= before[1]["fibers"]
            last.close()
    assert not re.search(r"refused \((?!write_timeout_ms|write_min_rate)", server.error_text()), server.error_text()


# ---- What it costs


def test_no_request_pays_for_it(start_probe, tmp_path):
    """The system calls that look at sockets are made by the clock and when output blocks, however many requests there are."""
    trace = tmp_path / "trace"
    server = start_probe("workers=1")
    with subprocess.Popen(["strace", "-f", "-qq", "-e", "trace=getsockopt,setsockopt,ioctl", "-o", str(trace), "-p",
                           str(server.pid)], stderr=subprocess.PIPE, text=True) as strace:
        wait_for(lambda: os.path.exists(trace) and re.search(r"TracerPid:\s+[1-9]", open(f"/proc/{server.pid}/status").read()))
        began = time.monotonic()
        with server.connect() as connection:
            for _ in range(2000):
                connection.ask()
        seconds = time.monotonic() - began
        strace.terminate()
    calls = trace.read_text().splitlines()
    assert len(calls) <= 5 + 5 * seconds, f"{len(calls)} calls for 2,000 requests in {seconds:.1f} s:\n" + "\n".join(calls[:20])
