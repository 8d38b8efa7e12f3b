"""Two network namespaces joined by a pair of virtual interfaces, for tests that take a client away. Needs root.

SPDX-License-Identifier: MIT
"""

import contextlib
import ctypes
import os
import pathlib
import subprocess

import pytest

CLONE_NEWNET = 0x40000000
LIBC = ctypes.CDLL(None, use_errno=True)


def _set_namespace(fd):
    if LIBC.setns(fd, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


class Namespace:
    """One of them: run() runs a program in it, within() moves the calling thread there."""

    def __init__(self, name, address):
        self.name = name
        self.address = address
        self.path = pathlib.Path("/run/netns") / name

    def command(self, *words):
        return ["ip", "netns", "exec", self.name, *map(str, words)]

    def run(self, *words):
        return subprocess.run(self.command(*words), check=True, capture_output=True, text=True).stdout

    def enter(self):
        """For a child between fork and exec."""
        fd = os.open(self.path, os.O_RDONLY)
        _set_namespace(fd)
        os.close(fd)

    @contextlib.contextmanager
    def within(self):
        back = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        try:
            self.enter()
            yield
        finally:
            _set_namespace(back)
            os.close(back)


@contextlib.contextmanager
def pair():
    """(server's, client's): they reach each other by their addresses until cut() of this module. Removed in any case."""
    if os.geteuid() != 0:
        pytest.skip("making network namespaces needs root")
    here = Namespace(f"weir-{os.getpid()}-server", "10.77.0.1")
    there = Namespace(f"weir-{os.getpid()}-client", "10.77.0.2")
    try:
        for one in (here, there):
            subprocess.run(["ip", "netns", "add", one.name], check=True)
            subprocess.run(["ip", "-n", one.name, "link", "set", "lo", "up"], check=True)
        subprocess.run(["ip", "-n", here.name, "link", "add", "veth0", "type", "veth", "peer", "name", "veth0",
                        "netns", there.name], check=True)
        for one in (here, there):
            subprocess.run(["ip", "-n", one.name, "address", "add", f"{one.address}/24", "dev", "veth0"], check=True)
            subprocess.run(["ip", "-n", one.name, "link", "set", "veth0", "up"], check=True)
        yield here, there
    finally:
        for one in (here, there):
            subprocess.run(["ip", "netns", "delete", one.name], check=False, stderr=subprocess.DEVNULL)


@contextlib.contextmanager
def alone(*addresses):
    """One that reaches itself only, by these addresses. Removed in any case."""
    if os.geteuid() != 0:
        pytest.skip("making network namespaces needs root")
    one = Namespace(f"weir-{os.getpid()}-alone", addresses[0].partition("/")[0])
    try:
        subprocess.run(["ip", "netns", "add", one.name], check=True)
        subprocess.run(["ip", "-n", one.name, "link", "set", "lo", "up"], check=True)
        for address in addresses:
            subprocess.run(["ip", "-n", one.name, "address", "add", address, "dev", "lo", "nodad"], check=True)
        yield one
    finally:
        subprocess.run(["ip", "netns", "delete", one.name], check=False, stderr=subprocess.DEVNULL)


def cut(namespace):
    """Its end of the cable is pulled: packets to it vanish, nobody is told."""
    subprocess.run(["ip", "-n", namespace.name, "link", "set", "veth0", "down"], check=True)
