"""Measurements of a slice of time, of which many peers take turns: what a client that ran for a second cost the server.

The kernel's exact clocks are read before and after. What the connections of a client cost to open, each with its handshake, is
measured alone and taken off: it would be a fortieth of a second's work for a server of HTTP/1.1, and a tenth for one that takes
half a microsecond for a request.

SPDX-License-Identifier: MIT
"""

import json
import os
import statistics
import time

from . import build, h2load, proc, secure, wrk
from .load import show
from .watch import LoadError, run

SPARE_SECONDS = 60  # beyond a slice, until a client counts as stuck
OPENINGS = 5  # measurements of what opening connections costs


class Slice(dict):
    """Figures of one slice, and the command of its client."""

    def __init__(self, command, **figures):
        super().__init__(figures)
        self.command = show(command)


def watched(instance, command, seconds):
    """Runs a client: (its output, figures of what it cost)."""
    everything = os.sched_getaffinity(0)

    def read():
        usage = os.times()
        return time.monotonic(), instance.tree.cpu_seconds_exact(), sum(usage[:4]), *proc.machine_busy(everything)

    before = read()
    output = run(command, seconds + SPARE_SECONDS, secure.environment())
    wall, server, client, busy, total = (after - earlier for earlier, after in zip(before, read()))
    figures = {
        "wall_s": wall,
        "server_cpu_s": server,
        "client_cpu_s": client,
        "busy": busy / total if total else 0.0,
        "foreign": max(0.0, (busy - server - client) / total) if total else 0.0,
    }
    return output, figures


def _h2load(protocol, instance, path, connections, requests, streams):
    more = {"streams": streams if protocol.h2 else None, "cipher": secure.CIPHER if protocol.tls else None}
    return h2load.command(protocol.url(instance) + path, connections, requests, **more)


def check_agreed(protocol, output):
    """Raises LoadError unless h2load's connections agreed on what a protocol is to be."""
    application = protocol.name if protocol.h2 else "http/1.1"
    wanted = (application, *((secure.VERSION, secure.CIPHER) if protocol.tls else (None, None)))
    found = h2load.agreed(output)
    if found != wanted:
        raise LoadError(f"{found} was agreed on, not {wanted}")


def opening(protocol, instance, connections):
    """Seconds of the server's time that so many connections with a request on each cost."""
    command = _h2load(protocol, instance, "/", connections, connections, 1)
    return statistics.median(watched(instance, command, 1)[1]["server_cpu_s"] for _ in range(OPENINGS))


def _requests(command, figures, requests, seconds, opened, connections):
    """A Slice of so many requests, of which the first on each connection, and the connections, cost `opened`."""
    counted = requests - connections
    if counted <= 0:
        raise LoadError(f"only {requests:,} requests were answered over {connections:,} connections")
    cpu = figures["server_cpu_s"] - opened
    return Slice(command, **figures, requests=requests, rate=requests / seconds, opened_s=opened, cpu_us=cpu / counted * 1e6)


class ByWrk:
    """Slices of wrk, which keeps its connections: HTTP/1.1."""

    def __init__(self, protocol, path, connections, seconds, headers=()):
        self.protocol, self.path, self.connections, self.seconds = protocol, path, connections, seconds
        self.headers = headers

    def prepare(self, instance):
        """What opening costs."""
        self.measure(instance, 0.0)
        return opening(self.protocol, instance, self.connections)

    def measure(self, instance, opened):
        """One slice."""
        command = wrk.command(self.protocol.url(instance) + self.path, self.connections, self.seconds, headers=self.headers)
        output, figures = watched(instance, command, self.seconds)
        requests, taken, _ = wrk.parse(output)
        return _requests(command, figures, requests, taken, opened, self.connections)


class ByH2load:
    """Slices of h2load: so many requests as fit into the time, which is found once for each instance."""

    def __init__(self, protocol, path, connections, streams, seconds):
        self.protocol, self.path = protocol, path
        self.connections, self.streams, self.seconds = connections, streams, seconds

    def _command(self, instance, requests):
        return _h2load(self.protocol, instance, self.path, self.connections, requests, self.streams)

    def prepare(self, instance):
        """(what opening costs, requests of a slice)."""
        opened = opening(self.protocol, instance, self.connections)

        def once(requests):
            output, _ = watched(instance, self._command(instance, requests), self.seconds)
            check_agreed(self.protocol, output)
            return h2load.parse(output)

        pace = h2load.find_pace(self.connections * self.streams, once)
        return opened, max(2 * self.connections * self.streams, round(pace * self.seconds))

    def measure(self, instance, prepared):
        """One slice."""
        opened, requests = prepared
        command = self._command(instance, requests)
        output, figures = watched(instance, command, self.seconds)
        check_agreed(self.protocol, output)
        done, taken = h2load.parse(output)
        return _requests(command, figures, done, taken, opened, self.connections)


def get_file(protocol, path, size, count, instance):
    """A slice of h2load, which gets the same file `count` times over one connection: processor time for 10^9 bytes."""
    command = _h2load(protocol, instance, path, 1, count, 1)
    output, figures = watched(instance, command, 60)
    check_agreed(protocol, output)
    h2load.parse(output)
    sent = h2load.body_bytes(output)
    if sent != size * count:
        raise LoadError(f"{sent:,} bytes came, not {count} times {size:,}")
    return Slice(command, **figures, bytes=sent, bytes_rate=sent / figures["wall_s"], cpu_gb_s=figures["server_cpu_s"] / sent * 1e9, both_gb_s=(figures["server_cpu_s"] + figures["client_cpu_s"]) / sent * 1e9)


def handshakes(resume, seconds, threads, instance):
    """A slice of bench/secure/handshakes.c: connections with a handshake, a request and its reply each."""
    command = [build.secure("handshakes"), "--port", str(instance.tls_port), "--threads", str(threads), "--seconds", str(seconds)]
    command += ["--resume", str(int(resume))]
    output, figures = watched(instance, command, seconds)
    return Slice(command, **figures, **parse_handshakes(output, resume, threads, figures["server_cpu_s"]))


def parse_handshakes(output, resume, threads, cpu):
    """The figures of a report of bench/secure/handshakes.c. LoadError unless each was made, and resumed if it should be."""
    found = json.loads(output.strip().splitlines()[-1])
    if found["failed"] or not found["handshakes"]:
        raise LoadError(f"{found['failed']} of {found['handshakes'] + found['failed']} handshakes failed")
    if (found["version"], found["cipher"]) != (secure.VERSION, secure.CIPHER):
        raise LoadError(f"{found['version']} and {found['cipher']} were agreed on")
    wanted = found["handshakes"] - threads if resume else 0  # the first of each thread is a full one
    if found["resumed"] < 0.99 * wanted or not resume and found["resumed"]:
        raise LoadError(f"{found['resumed']:,} of {found['handshakes']:,} handshakes resumed a session")
    made = found["handshakes"]
    return {"requests": made, "rate": made / found["seconds"], "cpu_us": cpu / made * 1e6, "a_cpu_second": made / cpu if cpu else None}
