"""After a burst memory falls again: what every account has taken, and the private memory of the process.

SPDX-License-Identifier: MIT
"""

import json
import time

import pytest

from client import request
from conftest import MANY, SANITIZE

DEADLINE = 120  # it takes about 15 s; what is too slow is told by the printed figure


def accounts(server):
    found = json.loads(server.ask(path="/_weir/ledger.json").body)
    return {a["name"]: a for a in found["memory"]["accounts"]}


def wait_still(server, seconds=4):
    """Private memory, once it has not changed for a while."""
    last, since = server.private(), time.monotonic()
    deadline = since + DEADLINE
    while time.monotonic() - since < seconds and time.monotonic() < deadline:
        time.sleep(0.25)
        now = server.private()
        if now != last:
            last, since = now, time.monotonic()
    return last


def open_many(server, count, data):
    connections = []
    for _ in range(count):
        connections.append(server.connect())
        connections[-1].socket.sendall(data)
    return connections


def wait_until(condition, what):
    """what: a text, or a function that makes it."""
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline, what() if callable(what) else what
        time.sleep(0.5)


@pytest.fixture
def server(start_tour):
    one = start_tour("--workers", 1)
    for path in ("/", "/json", "/csv", "/file/hello.txt"):
        assert one.ask(path=path).status == 200
    return one


def test_memory_falls_after_a_burst(server):
    wait_still(server)
    quiet = accounts(server)
    before = wait_still(server)
    half_head = b"GET /json HTTP/1.1\r\nHost: a\r\nX-Half: " + b"x" * 500
    upload = b"POST /length HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n" + b"x" * 5000
    many, half = MANY // 2, MANY // 4
    burst = open_many(server, many, half_head) + open_many(server, half, request(path="/stream"))
    burst += open_many(server, half, upload)

    def is_high():
        now = accounts(server)
        return (now["connections"]["objects"] > len(burst) and now["half-received heads"]["objects"] == many
                and now["stacks"]["objects"] >= 2 * half and now["http buffers"]["objects"] >= 2 * half)

    wait_until(is_high, "the burst does not show in the ledger")
    high, peak = accounts(server), server.private()
    for connection in burst:
        connection.close()
    began = time.monotonic()

    def still_high():
        return {name: (quiet[name]["reserved"], a["reserved"]) for name, a in accounts(server).items()
                if a["reserved"] > quiet[name]["reserved"] * 1.1}

    wait_until(lambda: not still_high(), still_high)
    for name in ("connections", "half-received heads", "stacks", "http buffers"):
        now = accounts(server)[name]
        assert now["in_use"] < high[name]["in_use"] <= now["peak"]  # the ledger shows both
    if SANITIZE:
        return
    wait_until(lambda: server.private() <= before * 1.1, f"{server.private()} of {before} before")
    took = time.monotonic() - began
    print(f"\nprivate memory: {before:,} before, {peak:,} in the burst, {server.private():,} {took:.0f} s after it")
    assert peak > before * 2
