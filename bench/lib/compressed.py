"""Replies that are compressed: what they are on the wire, what they cost, and what a server holds of those that wait for their clients.

SPDX-License-Identifier: MIT
"""

import re
import socket
import subprocess
import tempfile

from . import documents, load
from .clients import Clients
from .secure import PROTOCOLS, curl
from .stats import slope
from .turns import ByWrk
from .watch import LoadError

HTTP = PROTOCOLS["http"]
NONE = "identity"
RECEIVE_BUFFER = 16384
COMPRESS_SECONDS = 40.0  # until so much is compressed that nothing more is taken


def header(coding):
    """The field by which a client asks for a coding alone."""
    return f"Accept-Encoding: {coding}"


def _request(instance, path, coding):
    return f"GET {path} HTTP/1.1\r\nHost: {instance.host}:{instance.port}\r\n{header(coding)}\r\n\r\n"


def wire_bytes(instance, path, coding):
    """The bytes of a whole reply as they come, head and framing included. LoadError unless it has that coding."""
    reply = b""
    with socket.create_connection((instance.host, instance.port), timeout=30) as connection:
        connection.sendall(_request(instance, path, coding).encode())
        while not load.ends_reply(reply):
            more = connection.recv(65536)
            if not more:
                raise LoadError("the connection ended within a reply")
            reply += more
    head = reply.partition(b"\r\n\r\n")[0].decode("latin-1")
    found = re.search(r"\r\ncontent-encoding: *(\S+)", head, re.IGNORECASE)
    if (found.group(1) if found else NONE) != coding:
        raise LoadError(f"asked for {coding}, got {found.group(1) if found else 'none'}")
    return len(reply)


def check(instance, path, coding, records):
    """Raises LoadError unless a reply, decoded by curl, is these records."""
    with tempfile.NamedTemporaryFile() as body:
        line = curl(HTTP, HTTP.url(instance) + path, "--compressed", "--header", header(coding), "--output", body.name, "--max-time", "60")
        done = subprocess.run(line, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise LoadError(done.stderr.strip()[-200:] or f"curl ended with status {done.returncode}")
        if body.read().decode("ascii", "replace") != documents.text(records):
            raise LoadError(f"the body of {path} is not the right one")


class Load:
    """Slices of wrk, which asks for one document by one coding."""

    def __init__(self, path, coding, connections, seconds):
        self.path, self.coding = path, coding
        self._wrk = ByWrk(HTTP, path, connections, seconds, [header(coding)])

    def prepare(self, instance):
        """(what opening costs, bytes of a reply)."""
        check(instance, self.path, self.coding, documents.RECORDS[documents.SHORT])
        return self._wrk.prepare(instance), wire_bytes(instance, self.path, self.coding)

    def measure(self, instance, prepared):
        """One slice."""
        opened, wire = prepared
        figures = self._wrk.measure(instance, opened)
        figures["wire_bytes"] = wire
        return figures


def held(instance, path, coding, counts):
    """{"each", "kernel_each", ...}: the slope of private memory over clients that have asked for a long document and read nothing of it."""
    figures = {"private_0": load.settled(instance, 1.0, 4.0).private}
    clients, points = [], []
    try:
        for count in counts:
            have = sum(number for number, _ in clients)
            clients.append((count - have, Clients(instance, count - have, send=_request(instance, path, coding), rcvbuf=RECEIVE_BUFFER, first_address=2 + len(clients))))
            points.append((count, load.settled(instance, 2.0, COMPRESS_SECONDS).private))
            figures[f"private_{count}"] = points[-1][1]
        sockets, kernel = load.kernel_bytes(instance)
    finally:
        for _, each in clients:
            each.close()
    if sockets < counts[-1]:
        raise LoadError(f"{counts[-1] - sockets} of {counts[-1]} connections were closed")
    figures["each"] = slope(points) if len(points) > 1 else (points[0][1] - figures["private_0"]) / points[0][0]
    figures["kernel_each"] = kernel / sockets
    return figures
