"""What the tests of faults share: what a server holds before and after, whether it rests, and clients that go on meanwhile.

SPDX-License-Identifier: MIT
"""

import contextlib
import ctypes
import json
import os
import re
import resource
import socket
import struct
import subprocess
import threading
import time

import pytest

from client import Connection, request
from conftest import SANITIZE

RESET = struct.pack("ii", 1, 0)  # SO_LINGER of no time: closing resets
# Threads that did something blocking stay for ten seconds, and their stacks with them.
LASTING = "offload threads"
LIBC = ctypes.CDLL(None, use_errno=True)


def wait_for(condition, what="it does not happen", seconds=60):
    """Polls until condition() is true and returns what it gave. The limit is for servers that never get there."""
    deadline = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < deadline, what() if callable(what) else what
        time.sleep(0.02)


def descriptors(server):
    return len(os.listdir(f"/proc/{server.pid}/fd"))


def ledger(server):
    """The whole ledger of a probe, asked for on a connection of its own."""
    return json.loads(server.ask(path="/ledger").body)


def holdings(server):
    """What a probe holds while it answers one request: connections, fibers, and of each account bytes and objects."""
    found = ledger(server)
    accounts = {name: (account["in_use"], account["objects"]) for name, account in found["accounts"].items()
                if name != LASTING}
    return {"open connections": found["connections"], "fibers": found["fibers"], **accounts}


class Held:
    """What a server holds when a fault begins, and that it holds the same again when the fault has ended."""

    def __init__(self, server):
        self.server = server
        for _ in range(5):
            server.ask()
        wait_for(lambda: holdings(server)["open files"][1] == 0, "files of an earlier test stay open")
        self.descriptors = self._idle_descriptors()
        self.before = holdings(server)

    def _idle_descriptors(self):
        """Once closed connections are closed on the other side too: the least of a few looks."""
        return min((time.sleep(0.02), descriptors(self.server))[1] for _ in range(10))

    def check(self, seconds=60):
        """Waits until everything has been given back. What stays is a leak."""
        state = {}

        def returned():
            state.update(now=holdings(self.server), descriptors=descriptors(self.server))
            return state["now"] == self.before and state["descriptors"] <= self.descriptors

        def differences():
            changed = {name: (value, state["now"].get(name)) for name, value in self.before.items()
                       if state["now"].get(name) != value}
            return f"not given back: {changed}, descriptors {self.descriptors}, {state['descriptors']}"

        wait_for(returned, differences, seconds)


def assert_rests(server, seconds=2.0):
    """The server uses next to no processor time: a loop that spins would use all it can get."""
    before = server.cpu()
    time.sleep(seconds)
    used = server.cpu() - before
    assert used <= 0.05 + 0.05 * seconds, f"it used {used:.2f} s of processor time in {seconds} s of rest"


class Others:
    """Clients that must not notice: one that keeps its connection and, if there can be any, new ones. A block."""

    def __init__(self, server, new=True):
        self.server = server
        self.new = new
        self.answered = 0
        self.error = None
        self._stop = threading.Event()
        self._kept = server.connect(timeout=60)
        self._thread = threading.Thread(target=self._run)

    def _ask(self, connection):
        reply = connection.ask(path="/")
        assert reply.status == 200 and reply.body == b"Hello, World!", reply
        reply = connection.ask(path="/pieces/3/1000")
        assert reply.status == 200 and reply.received == 3000, reply
        self.answered += 1

    def _run(self):
        try:
            while not self._stop.is_set():
                self._ask(self._kept)
                if self.new:
                    with self.server.connect(timeout=60) as connection:
                        self._ask(connection)
                time.sleep(0.01)
        except Exception as error:  # noqa: BLE001 - told when the block ends
            self.error = error

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, kind, *_):
        if kind is None and self._thread.is_alive():
            answered = self.answered
            wait_for(lambda: self.error or self.answered > answered, "others are not answered any more")
        self._stop.set()
        self._thread.join()
        self._kept.close()
        if kind is None and self.error:
            raise self.error


def limit(server, which, soft):
    """Sets a soft resource limit of a running server; None: the hard one. Returns the old soft limit."""
    old, hard = resource.prlimit(server.pid, which)
    resource.prlimit(server.pid, which, (hard if soft is None else soft, hard))
    return old


def status_number(server, name):
    """A number of /proc/PID/status."""
    with open(f"/proc/{server.pid}/status", encoding="ascii") as lines:
        return int(re.search(rf"^{name}:\s+(\d+)", lines.read(), re.MULTILINE).group(1))


def reset(connection):
    """Closes a socket or a Connection by a reset."""
    s = getattr(connection, "socket", connection)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    s.close()


def stall(server, path, receive_buffer=4096, **more):
    """A client that asks, reads the first bytes of the reply and no more: its window closes."""
    connection = Connection(server.address, receive_buffer=receive_buffer, **more)
    connection.send(request(path=path), "GET")
    connection.fill()
    return connection


def open_crowd(server, count, **more):
    """So many connections that say nothing yet."""
    return [server.connect(timeout=60, **more) for _ in range(count)]


@contextlib.contextmanager
def traced(server, *what):
    """strace beside what is done within."""
    if SANITIZE:
        pytest.skip("a sanitizer and strace do not go together")
    with subprocess.Popen(["strace", "-f", "-qq", *what, "-p", str(server.pid)]) as tracer:
        try:
            deadline = time.monotonic() + 10
            while not re.search(r"TracerPid:\s+[1-9]", open(f"/proc/{server.pid}/status").read()):
                assert time.monotonic() < deadline
                time.sleep(0.01)
            time.sleep(0.2)  # its other threads
            yield
        finally:
            tracer.terminate()
