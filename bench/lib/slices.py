"""Runs bench/slices.c: a client whose connections stay open while it loads one server or the other for a slice of time.

SPDX-License-Identifier: MIT
"""

import os
import subprocess
import time
from dataclasses import dataclass

from . import build, proc, workers
from .server import end_process
from .watch import LoadError

ROUNDS_MOST = 40  # of opening some more connections, until every worker has its share


@dataclass
class Slice:
    """What one server did in one slice. Times are in seconds."""

    requests: int
    seconds: float  # from the first request to the last reply
    slowest: float  # the longest wait for a batch of replies
    server_cpu: float
    client_cpu: float
    busy: float  # share of the time in which the server's processors were not idle
    server_share: float  # share of the server's processors that the server itself used
    foreign: float  # share of all processors that neither server nor client used: somebody else's, or the host's
    private: int  # the server's private memory in the middle of the slice

    @property
    def rate(self):
        """Requests a second."""
        return self.requests / self.seconds

    @property
    def cpu_us(self):
        """Server processor time per request, in microseconds."""
        return self.server_cpu / self.requests * 1e6


def command(targets, depth, threads):
    """The command line. targets: (port, length of a reply) of each server."""
    line = [build.program("slices.c"), "--depth", str(depth), "--threads", str(threads)]
    for port, length in targets:
        line += ["--target", f"{port}:{length}"]
    return line


class Client:
    """The client's process. servers: those to be loaded; reply_lengths: of each. Use it as a context manager."""

    def __init__(self, servers, reply_lengths, depth, threads):
        self.servers = servers
        targets = [(server.port, length) for server, length in zip(servers, reply_lengths)]
        self.process = subprocess.Popen(
            command(targets, depth, threads), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def __enter__(self):
        return self

    def __exit__(self, *_exception):
        end_process(self.process, 2)
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            try:
                stream.close()
            except BrokenPipeError:
                pass  # a client that has ended takes no more commands

    def _tell(self, *words):
        try:
            print(*words, file=self.process.stdin, flush=True)
        except BrokenPipeError:
            pass  # _answer says why it has ended

    def _answer(self):
        line = self.process.stdout.readline()
        if not line:
            raise LoadError(self.process.stderr.read().strip()[-300:] or "the client ended")
        return [int(word) for word in line.split()]

    def open(self, number, count):
        """Opens connections to a server; returns their ports on this side."""
        self._tell("open", number, count)
        return self._answer()

    def keep(self, number, ports):
        """Closes all connections to a server but these."""
        self._tell("keep", number, *ports)
        self._answer()

    def connect_evenly(self, number, wanted):
        """Opens so many connections that as many as are wanted can be kept with an even share for each worker. Returns how many
        each has, as text."""
        server, opened = self.servers[number], []
        for _ in range(ROUNDS_MOST):
            opened += self.open(number, max(8, wanted // 16) if opened else wanted)
            known, placed = workers.look(server.pid, server.port, opened)
            chosen = workers.choose(known, placed, wanted)
            if chosen or known == 0:
                break
        chosen = chosen or opened[:wanted]
        self.keep(number, chosen)
        return workers.count(known, placed, chosen)

    def slice(self, number, seconds, server_cpus, client_cpus):
        """Loads a server for some seconds; returns a Slice."""
        pid, everything = self.servers[number].pid, server_cpus | client_cpus

        def read():
            cpu = proc.cpu_seconds_exact(pid), proc.cpu_seconds_exact(self.process.pid)
            return time.monotonic(), *cpu, *proc.machine_busy(server_cpus), *proc.machine_busy(everything)

        before = read()
        self._tell("slice", number, round(seconds * 1000))
        time.sleep(seconds / 2)
        private = proc.private_bytes(pid)
        requests, nanoseconds, slowest = self._answer()
        wall, server_cpu, client_cpu, busy, total, all_busy, all_total = (
            after - earlier for earlier, after in zip(before, read())
        )
        return Slice(
            requests=requests,
            seconds=nanoseconds / 1e9,
            slowest=slowest / 1e9,
            server_cpu=server_cpu,
            client_cpu=client_cpu,
            busy=busy / total if total else 0.0,
            server_share=server_cpu / (wall * len(server_cpus)),
            foreign=max(0.0, (all_busy - server_cpu - client_cpu) / all_total) if all_total else 0.0,
            private=private,
        )
