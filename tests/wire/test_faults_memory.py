"""The kernel refuses memory: to the process, by its address space, or to everything that it and the kernel do for it, by a
memory cgroup. Those who have what they need go on; all goes on when there is memory again.

SPDX-License-Identifier: MIT
"""

import os
import resource
import time

import pytest

from client import ProtocolError, request
from conftest import SANITIZE
from faults import Held, Others, assert_rests, descriptors, ledger, limit, open_crowd, status_number, wait_for

FAILED = (ProtocolError, ConnectionError)


def refused(server):
    return sum(account["refused"] for account in ledger(server)["accounts"].values())


@pytest.fixture
def no_sanitizer():
    if SANITIZE:
        pytest.skip("a sanitizer needs address space and memory of its own")


@pytest.mark.parametrize("path", ["/sleep/300", "/flood"])
def test_no_address_space_for_requests(start_probe, no_sanitizer, path):
    """mmap fails: requests wait for a stack or lose their connection, and nobody gets half of anything. Then all go on."""
    server = start_probe("workers=1")
    held = Held(server)
    before = refused(server)
    old = limit(server, resource.RLIMIT_AS, status_number(server, "VmSize") * 1024 + (1 << 20))
    crowd = open_crowd(server, 60, receive_buffer=4096)
    for connection in crowd:
        connection.send(request(path=path), "GET")
    wait_for(lambda: descriptors(server) >= held.descriptors + 60)
    time.sleep(0.5)
    if path == "/flood":
        assert_rests(server)
    limit(server, resource.RLIMIT_AS, old)
    with Others(server):
        answered = 0
        for connection in crowd:
            try:
                answered += connection.fill()
            except FAILED:
                pass
            connection.close()
    assert answered > 0
    assert refused(server) > before
    held.check()


def test_no_address_space_for_connections(start_probe, no_sanitizer):
    """Accepting pauses, and idle connections make room for those who wait: nobody is accepted and turned away."""
    server = start_probe("workers=1")
    held = Held(server)
    old = limit(server, resource.RLIMIT_AS, status_number(server, "VmSize") * 1024)
    crowd = open_crowd(server, 2000)
    wait_for(lambda: "no memory for a connection" in server.error_text())
    assert_rests(server)
    assert crowd[-1].ask().status == 200
    limit(server, resource.RLIMIT_AS, old)
    answered = 0
    with Others(server):
        for connection in crowd[:-1]:
            try:
                answered += connection.ask().status == 200
            except FAILED:
                pass  # it was idle for longest
            connection.close()
    assert answered >= 100  # all that there was memory for; how many of those idle for longest were closed is a matter of time
    crowd[-1].close()
    held.check()


# ---- A memory cgroup


class MemoryGroup:
    """A memory cgroup of version 1 below the one that this process is in. A block."""

    def __init__(self):
        with open("/proc/self/cgroup", encoding="ascii") as lines:
            own = [line.split(":", 2)[2].strip() for line in lines if line.split(":")[1] == "memory"]
        if os.geteuid() != 0 or not own:
            pytest.skip("making a memory cgroup needs version 1 of them and root")
        self.path = f"/sys/fs/cgroup/memory{own[0]}/weir-{os.getpid()}"

    def put(self, name, value):
        with open(f"{self.path}/{name}", "w", encoding="ascii") as file:
            file.write(str(value))

    def get(self, name):
        with open(f"{self.path}/{name}", encoding="ascii") as file:
            return file.read()

    def __enter__(self):
        os.mkdir(self.path)
        self.put("memory.oom_control", 1)  # nobody is killed: who needs memory waits for it
        return self

    def enter(self):
        """For a server about to start."""
        self.put("cgroup.procs", os.getpid())

    def __exit__(self, *_):
        self.put("memory.limit_in_bytes", -1)
        wait_for(lambda: not self.get("cgroup.procs"), seconds=30)
        time.sleep(0.1)
        os.rmdir(self.path)


@pytest.fixture
def group():
    with MemoryGroup() as made:
        yield made


def test_memory_cgroup_is_full(group, start_probe, no_sanitizer):
    """Half of its connections close, so that the server has records to spare and it is the kernel that lacks memory: its
    calls give ENOMEM, then the kernel makes the process wait. When there is memory again, everything goes on."""
    server = start_probe("workers=1", before=group.enter)
    try:
        held = Held(server)
        crowd = open_crowd(server, 2000)
        wait_for(lambda: ledger(server)["connections"] == 2001)
        for connection in crowd[::2]:
            connection.close()
        crowd = crowd[1::2]
        wait_for(lambda: ledger(server)["connections"] == 1001)
        group.put("memory.limit_in_bytes", (int(group.get("memory.usage_in_bytes")) + 200000) // 4096 * 4096)
        crowd += open_crowd(server, 900)
        wait_for(lambda: int(group.get("memory.failcnt")) > 0)
        assert_rests(server)
        group.put("memory.limit_in_bytes", -1)
        answered = 0
        for connection in crowd:
            try:
                answered += connection.ask().status == 200
            except FAILED:
                pass
            connection.close()
        assert answered >= len(crowd) - 50
        assert "oom_kill 0" in group.get("memory.oom_control")
        with Others(server):
            pass
        held.check()
    finally:
        group.put("memory.limit_in_bytes", -1)
        server.stop()
