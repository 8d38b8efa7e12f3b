"""Many connections at once, held by processes of bench/connect.c, bench/secure/hold.c or bench/live/follow.c.

One process may have fewer descriptors than are wanted, and one address has fewer ports, so each process takes a share
and an address of 127.0.0.0/8 of its own.

SPDX-License-Identifier: MIT
"""

import json
import select
import subprocess
import time

from . import build
from .server import end_process

PER_PROCESS = 9000


class Held:
    """Processes of a client that print `ready` once their connections are open, and hold them until their input ends."""

    def __init__(self, commands, ready_seconds):
        self.processes = []
        self.reports = []  # what each printed at its end, once they are closed
        try:
            for command in commands:
                self.processes.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
            self._wait_ready(time.monotonic() + ready_seconds)
        except BaseException:
            self.close()
            raise

    def _wait_ready(self, deadline):
        for process in self.processes:
            if not select.select([process.stdout], [], [], max(0, deadline - time.monotonic()))[0]:
                raise RuntimeError("clients did not get ready in time")
            if process.stdout.readline() != "ready\n":
                raise RuntimeError(f"a client failed, status {process.wait()}")

    def close(self):
        """Closes all connections."""
        for process in self.processes:
            process.stdin.close()
        for process in self.processes:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                end_process(process, 2)
            self.reports.append(process.stdout.read())
            process.stdout.close()
        self.processes = []

    def __enter__(self):
        return self

    def __exit__(self, *_exception):
        self.close()


def shares(count, first_address):
    """(connections, address) of each process."""
    found = []
    while count > 0:
        found.append((min(count, PER_PROCESS), f"127.0.0.{first_address + len(found)}"))
        count -= PER_PROCESS
    return found


class Clients(Held):
    """Connections that are open until the block is left. options go to bench/connect.c."""

    def __init__(self, server, count, send="", reply=0, lockstep=False, rcvbuf=0, trickle=0, first_address=2, ready_seconds=120):
        program = build.program("connect.c")
        parts = shares(count, first_address)
        self.addresses = len(parts)
        more = ["--send", send, "--reply", str(reply), "--lockstep", str(int(lockstep)), "--rcvbuf", str(rcvbuf), "--trickle", str(trickle)]
        super().__init__(
            [
                [program, "--host", server.host, "--port", str(server.port), "--connections", str(share), "--from", address, *more]
                for share, address in parts
            ],
            ready_seconds,
        )


class SecureClients(Held):
    """The same over TLS, HTTP/2 or both, by bench/secure/hold.c: protocol is one of lib/secure.py, options go to the program."""

    def __init__(self, server, protocol, count, first_address=2, ready_seconds=120, **options):
        program = build.secure("hold")
        parts = shares(count, first_address)
        self.addresses = len(parts)
        more = ["--tls", str(int(protocol.tls)), "--h2", str(int(protocol.h2))]
        for name, value in options.items():
            more += [f"--{name.replace('_', '-')}", str(value)]
        super().__init__(
            [
                [program, "--port", str(protocol.port(server)), "--connections", str(share), "--from", address, *more]
                for share, address in parts
            ],
            ready_seconds,
        )

    def counts(self):
        """What became of connections and requests, all processes together, once they are closed."""
        found = [json.loads(report) for report in self.reports if report.strip()]
        if len(found) < len(self.reports):
            raise RuntimeError("a client failed before its connections were closed")
        return {name: sum(each[name] for each in found) for name, value in found[0].items() if isinstance(value, int)}


class LiveClients(Held):
    """WebSockets, or event streams, by bench/live/follow.c, whose options these are."""

    def __init__(self, server, path, count, first_address=2, ready_seconds=120, **options):
        program = build.live("follow")
        parts = shares(count, first_address)
        self.addresses = len(parts)
        more = [word for name, value in options.items() for word in (f"--{name}", str(value))]
        super().__init__(
            [
                [program, "--port", str(server.port), "--path", path, "--connections", str(share), "--from", address, *more]
                for share, address in parts
            ],
            ready_seconds,
        )
