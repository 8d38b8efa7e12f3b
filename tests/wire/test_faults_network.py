"""A network that is gone: nothing tells the server, so its own times have to end what it holds for the clients there.

Server and clients are in a network namespace of their own, made and removed here, whose one device is taken down.

SPDX-License-Identifier: MIT
"""

import os
import subprocess

import pytest

from client import request
from faults import LIBC, Held, Others, assert_rests, descriptors, wait_for

pytestmark = pytest.mark.threaded

CLONE_NEWNET = 0x40000000


class Network:
    """A network namespace with a loopback device. A block."""

    def __init__(self):
        self.name = f"weir-{os.getpid()}"

    def _ip(self, *words):
        subprocess.run(["ip", *words], check=True)

    def __enter__(self):
        self._ip("netns", "add", self.name)
        self.device("up")
        self._inside = os.open(f"/run/netns/{self.name}", os.O_RDONLY)
        self._outside = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        return self

    def __exit__(self, *_):
        os.close(self._inside)
        os.close(self._outside)
        self._ip("netns", "delete", self.name)

    def device(self, state):
        self._ip("-n", self.name, "link", "set", "lo", state)

    def _enter(self, namespace):
        if LIBC.setns(namespace, CLONE_NEWNET) != 0:
            raise OSError("setns")

    def enter(self):
        """For a server about to start."""
        self._enter(self._inside)

    def make(self, function):
        """What function() makes inside; sockets stay in the namespace in which they were made."""
        self._enter(self._inside)
        try:
            return function()
        finally:
            self._enter(self._outside)


@pytest.fixture
def network():
    if os.geteuid() != 0:
        pytest.skip("a network namespace needs root")
    with Network() as made:
        yield made


def gone(server, network, requests):
    """Clients who have asked what is given, each a moment before their network goes."""
    crowd = [network.make(server.connect) for _ in requests]
    for connection, data in zip(crowd, requests):
        connection.send(data, "GET")
    return crowd


WAYS = {
    "reading": [request(path=path) for path in ["/flood", "/deaf", "/large-static", "/file/large.bin"]],
    "idle": [b"", request(path="/")],
    "asking": [b"GET / HT", request("POST", "/echo", body=b"x" * 100)[:-50]],
}


@pytest.mark.parametrize("way", WAYS)
def test_network_goes(start_probe, network, root, way):
    """Replies, idle connections, half heads and half bodies: each is given up when its time is over. The network comes
    back, and the server serves it as before."""
    server = start_probe("workers=2", f"root={root}", "write_timeout_ms=3000", "idle_timeout_ms=3000",
                         "header_timeout_ms=3000", "body_timeout_ms=3000", before=network.enter)
    server.connect, connect = lambda **more: network.make(lambda: connect(**more)), server.connect
    server.ask = lambda method="GET", path="/", **more: asked(server, method, path, more)
    held = Held(server)
    crowd = gone(server, network, WAYS[way] * 5)
    wait_for(lambda: descriptors(server) >= held.descriptors + len(crowd))
    network.device("down")
    wait_for(lambda: descriptors(server) <= held.descriptors)
    assert_rests(server)
    network.device("up")
    with Others(server):
        pass
    held.check()
    for connection in crowd:
        connection.close()


def asked(server, method, path, more):
    with server.connect() as connection:
        return connection.ask(method, path, **more)
