"""Clients that announce a window of a few bytes, which no socket of Linux does: they are made of packets, behind a TUN device
in a network namespace of their own. The kernel then sends, and keeps, a packet buffer for each 36 bytes.

SPDX-License-Identifier: MIT
"""

import fcntl
import os
import re
import select
import socket
import struct
import subprocess
import time

import pytest

import namespaces
from client import request
from faults import ledger, wait_for

HOST, PEER = "10.79.0.1", "10.79.0.2"
TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 1, 0x1000
SYN, ACK, PUSH = 2, 16, 8


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


class Link:
    """A TUN device in a namespace; packets are read and written here."""

    def __init__(self, namespace):
        with namespace.within():
            self.fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
            fcntl.ioctl(self.fd, TUNSETIFF, struct.pack("16sH22x", b"tiny0", IFF_TUN | IFF_NO_PI))
        for words in (["address", "add", f"{HOST}/24", "dev", "tiny0"], ["link", "set", "tiny0", "up"]):
            subprocess.run(["ip", "-n", namespace.name, *words], check=True)

    def send(self, source, target, sequence, acknowledged, flags, window, data=b"", options=b""):
        addresses = socket.inet_aton(PEER) + socket.inet_aton(HOST)
        offset = (20 + len(options)) // 4 << 4
        parts = [source, target, sequence, acknowledged, offset, flags, window]
        segment = struct.pack("!HHIIBBHHH", *parts, 0, 0) + options + data
        total = checksum(addresses + struct.pack("!HH", socket.IPPROTO_TCP, len(segment)) + segment)
        segment = struct.pack("!HHIIBBHHH", *parts, total, 0) + options + data
        header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(segment), 0, 0, 64, socket.IPPROTO_TCP, 0) + addresses
        header = header[:10] + struct.pack("!H", checksum(header)) + header[12:]
        os.write(self.fd, header + segment)

    def receive(self, seconds):
        """The next TCP segment: (source, target, sequence, acknowledged, flags, data), or None."""
        deadline = time.monotonic() + seconds
        while select.select([self.fd], [], [], max(0, deadline - time.monotonic()))[0]:
            packet = os.read(self.fd, 65536)
            if packet[0] >> 4 != 4 or packet[9] != socket.IPPROTO_TCP:
                continue
            segment = packet[(packet[0] & 15) * 4 : struct.unpack("!H", packet[2:4])[0]]
            source, target, sequence, acknowledged, offset, flags = struct.unpack("!HHIIBB", segment[:14])
            return source, target, sequence, acknowledged, flags, segment[(offset >> 4) * 4 :]
        return None


class TinyClient:
    """It asks for a path, takes one window full of the reply and then nothing more, but acknowledges as it should."""

    def __init__(self, link, port, own_port, path, window):
        self.link, self.port, self.own_port, self.window = link, port, own_port, window
        self.request = request(path=path)
        self.next = None
        link.send(own_port, port, 1000, 0, SYN, window, options=struct.pack("!BBH", 2, 4, 1460))

    def take(self, sequence, flags, data):
        if flags & SYN:
            self.next = sequence + 1 & 0xFFFFFFFF
            self.link.send(self.own_port, self.port, 1001, self.next, ACK | PUSH, self.window, self.request)
        elif data:
            if sequence == self.next and self.window:
                self.next, self.window = self.next + len(data) & 0xFFFFFFFF, 0
            self.link.send(self.own_port, self.port, 1001 + len(self.request), self.next, ACK, self.window)


@pytest.fixture
def behind_a_link():
    with namespaces.pair() as (here, _):
        try:
            link = Link(here)
        except OSError as error:
            pytest.skip(f"no TUN device: {error}")
        yield here, link
        os.close(link.fd)


@pytest.mark.parametrize("window", [36, 536, 4000])
@pytest.mark.parametrize("lowat, most", [(0, 49152), (16384, 24576)])
def test_windows_of_a_few_bytes(start_probe, behind_a_link, window, lowat, most):
    here, link = behind_a_link
    server = start_probe("workers=1", f"host={HOST}", f"notsent_lowat={lowat}", "stop_timeout_ms=100", before=here.enter)
    server.address = (HOST, server.port)
    paths = ["/large-static", "/large-write", "/flood"]
    clients = {30000 + i: TinyClient(link, server.port, 30000 + i, paths[i % 3], window) for i in range(9)}
    news = time.monotonic()
    while time.monotonic() - news < 1.5:  # from then on there are only probes of the closed windows
        found = link.receive(0.1)
        if found and found[1] in clients:
            news = time.monotonic() if found[4] & SYN or len(found[5]) > 1 else news
            clients[found[1]].take(found[2], found[4], found[5])
    text = here.run("ss", "-tminH", "state", "connected", "sport", "=", f":{server.port}")
    held = sorted(sum(map(int, numbers)) for numbers in re.findall(r"skmem:\(r(\d+),rb\d+,t\d+,tb\d+,f(\d+),w(\d+),", text))
    segments = sorted(set(re.findall(r" mss:(\d+)", text)))
    print(f"\na window of {window}: packet buffers of {segments}, the kernel holds {held[0]} to {held[-1]} bytes for each")
    assert len(held) == len(clients)
    assert 1024 <= held[0] and held[-1] <= most
    with here.within():
        wait_for(lambda: abs(ledger(server)["kernel_memory"] - sum(held)) <= 16384)
