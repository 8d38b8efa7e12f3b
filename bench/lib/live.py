"""Slices of clients of WebSocket, bench/live: what messages cost the server, without what opening the connections does.

SPDX-License-Identifier: MIT
"""

import json
import os
import select
import subprocess
import time

from . import build, proc
from .server import end_process
from .turns import Slice
from .watch import LoadError

READY_SECONDS = 60
SPARE_SECONDS = 60  # beyond a slice, until a client counts as stuck


class Client:
    """A program of bench/live that says `ready`, begins when it is told, prints a line of JSON, and ends when its input does."""

    def __init__(self, command):
        self.command = command
        self._said = ""
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def _line(self, seconds):
        deadline = time.monotonic() + seconds
        while "\n" not in self._said:
            if not select.select([self.process.stdout], [], [], max(0.0, deadline - time.monotonic()))[0]:
                raise LoadError(f"{os.path.basename(self.command[0])} said nothing for {seconds:.0f} s")
            more = os.read(self.process.stdout.fileno(), 4096)
            if not more:
                raise LoadError(f"{os.path.basename(self.command[0])} failed: {self._said.strip()[-300:]}")
            self._said += more.decode(errors="replace")
        line, _, self._said = self._said.partition("\n")
        return line

    def wait_ready(self, seconds=READY_SECONDS):
        """Until all its connections are open."""
        line = self._line(seconds)
        if line != "ready":
            raise LoadError(f"{os.path.basename(self.command[0])} failed: {line[:300]}")

    def begin(self):
        """Tells it to begin."""
        self.process.stdin.write(b"\n")
        self.process.stdin.flush()

    def result(self, seconds):
        """What it prints when it is done; it stays, with its connections."""
        line = self._line(seconds)
        try:
            return json.loads(line)
        except ValueError:
            raise LoadError(f"{os.path.basename(self.command[0])} failed: {line[:300]}") from None

    def cpu_seconds(self):
        """Processor time that it has used."""
        return proc.cpu_seconds_exact(self.process.pid)

    def __enter__(self):
        return self

    def __exit__(self, *_exception):
        self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            end_process(self.process, 2)
        self.process.stdout.close()


def command(name, instance, path, **options):
    """The command line of a client."""
    words = [("--port", instance.port), ("--path", path), *((f"--{option}", value) for option, value in options.items())]
    return [build.live(name), *(str(word) for pair in words for word in pair)]


def measure(name, instance, path, seconds, **options):
    """A Slice of a client: processor time of the server for each message that came."""
    line = command(name, instance, path, milliseconds=round(seconds * 1000), **options)
    everything = os.sched_getaffinity(0)
    with Client(line) as client:
        client.wait_ready()

        def read():
            return time.monotonic(), instance.tree.cpu_seconds_exact(), client.cpu_seconds(), *proc.machine_busy(everything)

        before = read()
        client.begin()
        found = client.result(seconds + SPARE_SECONDS)
        wall, server, used, busy, total = (after - earlier for earlier, after in zip(before, read()))
    messages = found["messages"]
    return Slice(
        line,
        wall_s=wall,
        server_cpu_s=server,
        client_cpu_s=used,
        busy=busy / total if total else 0.0,
        foreign=max(0.0, (busy - server - used) / total) if total else 0.0,
        requests=messages,
        rate=messages / found["seconds"],
        cpu_us=server / messages * 1e6,
    )
