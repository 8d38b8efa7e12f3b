"""The plan of memory is kept: a server that is driven to its worst case takes what weir_plan() said, and not more.

SPDX-License-Identifier: MIT
"""

import json
import re
import time

import pytest

from client import Connection, request
from conftest import SANITIZE

CONNECTIONS = 60 if SANITIZE else 300


def start_worst(start, workers, limit=0, bound=0):
    server = start("tests/programs/worst", CONNECTIONS, workers, limit, bound)
    numbers = re.search(r"plan (\d+) (\d+) (\d+) (\d+)", server.output).groups()
    return server, dict(zip(("start", "connection", "request", "worst"), map(int, numbers)))


def ledger(connection):
    return json.loads(connection.ask(path="/ledger.json").body)["memory"]


def by_name(memory):
    return {a["name"]: a for a in memory["accounts"]}


def counts(accounts):
    return {name: a["objects"] for name, a in accounts.items()}


def half_heads(server, count):
    """As long as a half head may be without being one for a buffer."""
    connections = [server.connect() for _ in range(count)]
    for connection in connections:
        connection.socket.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 7000)
    return connections


def hold(connections):
    """Completes them: requests that hold all that a request can hold."""
    fields = "".join(f"X-{i}: {'v' * 100}\r\n" for i in range(60))  # many, and long enough for the reply to need a buffer of its own
    for connection in connections:
        connection.socket.sendall(f"POST /hold HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n{fields}\r\nbody".encode())


def wait_until(condition, what):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, what()
        time.sleep(0.2)


class Peak:
    """Reads the ledger's rows, by name, and keeps the most that was ever reserved in all."""

    def __init__(self, watcher):
        self.watcher, self.peak = watcher, 0

    def __call__(self):
        memory = ledger(self.watcher)
        self.peak = max(self.peak, memory["reserved"])
        return by_name(memory)


def heads_then_holders(server, now):
    """As many half heads as there may be, and then, in their place, as many requests; returns the connections of these."""
    heads = half_heads(server, CONNECTIONS - 1)
    wait_until(lambda: now()["half-received heads"]["objects"] >= CONNECTIONS - 1, lambda: counts(now()))
    for connection in heads:
        connection.close()
    holders = [server.connect() for _ in range(CONNECTIONS - 1)]
    hold(holders)
    return holders


READING = 12 << 10  # bytes, of a weir_ledger and a little less


@pytest.mark.parametrize("workers", [1, 2])
def test_plan(start, workers):
    server, plan = start_worst(start, workers)
    watcher = Connection(server.address)
    first = ledger(watcher)
    # Reading the ledger offloads, and takes some memory for what is read.
    at_start = first["reserved"] - by_name(first)["offload threads"]["reserved"] - READING
    assert plan["start"] * 0.8 <= at_start <= plan["start"]
    for i in range(1000):
        assert watcher.ask(path=f"/cache/key{i}").status == 200
    now = Peak(watcher)
    holders = heads_then_holders(server, now)
    # A record, and a table of fields, which is of the same account; two buffers; a block; a stack.
    wait_until(lambda: now()["request arenas"]["objects"] >= CONNECTIONS - 1, lambda: counts(now()))
    wait_until(lambda: now()["http buffers"]["objects"] >= 2 * (CONNECTIONS - 1), lambda: counts(now()))
    full = now()
    assert full["requests"]["objects"] >= 2 * (CONNECTIONS - 1) and full["stacks"]["objects"] >= CONNECTIONS - 1
    assert now.peak <= plan["worst"], (now.peak, plan)
    held = sum(a["reserved"] for a in full.values())
    print(f"\nplan {plan['worst']:,}, peak {now.peak:,}, requests alone {held:,}")
    unused = 3 * (1040 << 10) + workers * (1 << 20)  # offload threads but the ledger's, and deep stacks
    assert now.peak >= (plan["worst"] - unused) * 0.6  # heads and requests are not at their most together
    # What a request more is said to take is what it takes.
    names = ("requests", "http buffers", "request arenas", "stacks")
    per_request = sum(full[name]["reserved"] - by_name(first)[name]["reserved"] for name in names) / CONNECTIONS
    slabs = 8 * (128 << 10) / CONNECTIONS  # one of each pool may be nearly empty
    assert 0.8 * plan["request"] <= per_request <= plan["request"] + slabs
    for connection in holders:
        connection.close()
    watcher.close()


def test_plan_with_a_limit(start):
    """The bound is the plan, then."""
    limit = 8 << 20
    server, plan = start_worst(start, 1, limit)
    assert plan["worst"] == limit
    watcher = Connection(server.address)
    # The request that reads the ledger waits for a thread: it is promised a set of its own, which may be a slab of each pool.
    set_and_thread = ((256 + 16) << 10) + 6 * (64 << 10)
    assert plan["start"] * 0.8 <= ledger(watcher)["reserved"] <= plan["start"] + set_and_thread < limit
    watcher.close()


@pytest.mark.parametrize("workers", [1, 2])
def test_plan_with_bounds(start, workers):
    """Bounds of pools are in it: as many requests as they allow, and a line of all others."""
    bound = 10
    server, plan = start_worst(start, workers, bound=bound)
    watcher = Connection(server.address, timeout=60)
    most = workers * 6  # of 9, one being each worker's own: memory_share leaves the others, of which the ledger may need one
    now = Peak(watcher)
    first = now()
    holders = heads_then_holders(server, now)
    wait_until(lambda: now()["waiting requests"]["objects"] >= CONNECTIONS - 1 - most, lambda: counts(now()))
    wait_until(lambda: now()["stacks"]["objects"] >= most, lambda: counts(now()))
    full = now()
    for name in ("requests", "http buffers", "request arenas", "stacks"):
        assert first[name]["reserved"] <= full[name]["reserved"] <= full[name]["limit"], name
    assert now.peak <= plan["worst"], (now.peak, plan)
    print(f"\nplan {plan['worst']:,}, peak {now.peak:,}")
    unused = 3 * (1040 << 10) + workers * (1 << 20)  # offload threads but the ledger's, and deep stacks
    assert now.peak >= (plan["worst"] - unused) * 0.4  # these heads take half of the largest class
    for connection in holders:
        connection.close()
    watcher.close()


def test_the_tour_says_its_plan(start, root):
    loud = start("examples/tour", "--port", 0, "--root", root, "--workers", 1, "--memory-limit", "8M")
    assert re.search(r"memory planned: [0-9.]+ MiB at the start, \d+ bytes for a connection, [0-9.]+ KiB for a request, "
                     r"8.0 MiB at most \(\d+ connections\)\n", loud.output)
    quiet = start("examples/tour", "--port", 0, "--root", root, "--quiet")
    assert "planned" not in quiet.output
