"""What a connection takes while nothing is asked of it: its record, and of the other accounts nothing; and that what a client announces takes no memory.

SPDX-License-Identifier: MIT
"""

import json
import time

import pytest

from client import open_socket, request
from conftest import SANITIZE

FEW, MANY = (50, 150) if SANITIZE else (500, 4500)
RECORD = 64  # bytes for an idle connection, at most
SLACK = 4 * 4096  # pages that are touched or given back meanwhile
LASTING = "offload threads"


def accounts(server):
    return json.loads(server.ask(path="/ledger").text())["accounts"]


def wait_for(condition, what, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what() if callable(what) else what
        time.sleep(0.05)


def settled(server):
    """Private memory, once it has not changed for two seconds: nothing is asked meanwhile."""
    last, since = server.private(), time.monotonic()
    deadline = since + 60
    while time.monotonic() - since < 2 and time.monotonic() < deadline:
        time.sleep(0.1)
        if (now := server.private()) != last:
            last, since = now, time.monotonic()
    return last


def serve_one(server):
    """A connection whose request has been answered."""
    sock = open_socket(server.address)
    sock.sendall(request(path="/"))
    data = b""
    while not data.endswith(b"Hello, World!"):
        data += sock.recv(4096)
    return sock


@pytest.mark.parametrize("kind", ["silent", "keep-alive"])
def test_idle_connection_is_its_record(start_probe, kind):
    make = serve_one if kind == "keep-alive" else lambda server: open_socket(server.address)
    server = start_probe("workers=1", "max_connections_per_address=-1")
    for _ in range(20):
        server.ask()
    held = [make(server) for _ in range(FEW)]
    wait_for(lambda: accounts(server)["connections"]["objects"] == FEW + 1, "they are not all there")
    before, low = accounts(server), settled(server)
    held += [make(server) for _ in range(MANY - FEW)]
    wait_for(lambda: accounts(server)["connections"]["objects"] == MANY + 1, "they are not all there")
    after, high = accounts(server), settled(server)
    other = {name: (a["in_use"], after[name]["in_use"]) for name, a in before.items()
             if name not in ("connections", LASTING) and a["in_use"] != after[name]["in_use"]}
    assert not other
    each = (after["connections"]["in_use"] - before["connections"]["in_use"]) / (MANY - FEW)
    print(f"\n{kind}: {each:.0f} bytes of the account, {(high - low) / (MANY - FEW):.1f} of private memory")
    assert each <= RECORD
    if not SANITIZE:
        assert high - low <= RECORD * (MANY - FEW) + SLACK
    for sock in held:
        sock.close()


HEADS = {
    "no length": b"Content-Length: 1\r\n\r\n",
    "a length": b"Content-Length: 1073741824\r\n\r\n",
    "a chunk": b"Transfer-Encoding: chunked\r\n\r\n3fffffff\r\n",
}


def test_what_is_announced_takes_no_memory(start_probe):
    """Handlers that wait for a body of a gigabyte hold what those hold that wait for a byte."""
    count, taken = (10 if SANITIZE else 100), {}
    for name, framing in HEADS.items():
        server = start_probe("workers=1", "max_connections_per_address=-1")
        before = accounts(server)
        held = [open_socket(server.address) for _ in range(count)]
        for sock in held:
            sock.sendall(b"POST /read-all HTTP/1.1\r\nHost: a\r\n" + framing)
        wait_for(lambda: accounts(server)["stacks"]["objects"] >= count + before["stacks"]["objects"], lambda: accounts(server))
        after = accounts(server)
        taken[name] = {account: after[account]["in_use"] - a["in_use"] for account, a in before.items() if account != LASTING}
        for sock in held:
            sock.close()
    print(f"\n{taken['a length']}")
    assert taken["a length"] == taken["a chunk"] == taken["no length"]
