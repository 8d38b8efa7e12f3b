"""Measures both sides while a client loads a server: processor time, memory, and what else the machine was doing.

SPDX-License-Identifier: MIT
"""

import os
import subprocess
import time

from . import proc
from .server import end_process
from .tree import Sampler


class LoadError(RuntimeError):
    """A client failed, or what it saw was not what a benchmark may count."""


class Watch:
    """A block in which a client loads a server. Afterwards the attributes tell what it cost; times are in seconds."""

    def __init__(self, tree, end, server_cpus=None):
        self.tree = tree
        self._end = end
        self._cpus = server_cpus or os.sched_getaffinity(0)
        self._all = os.sched_getaffinity(0) | self._cpus

    def __enter__(self):
        self._usage = os.times()
        self._before = self.tree.cpu_seconds(), proc.machine_busy(self._cpus), proc.machine_busy(self._all)
        self._began = time.monotonic()
        self._sampler = Sampler(self.tree, self._end)
        self._sampler.__enter__()
        return self

    def __exit__(self, *exception):
        self._sampler.__exit__(*exception)
        self.wall = time.monotonic() - self._began
        cpu, near, everywhere = self._before
        usage = os.times()
        self.server_cpu = self.tree.cpu_seconds() - cpu
        self.client_cpu = sum(usage[:4]) - sum(self._usage[:4])  # this process's own share is the sampler's
        near = [after - before for before, after in zip(near, proc.machine_busy(self._cpus))]
        everywhere = [after - before for before, after in zip(everywhere, proc.machine_busy(self._all))]
        self.busy = near[0] / near[1] if near[1] else 0.0  # share of the time in which the processors were not idle
        self.server_share = self.server_cpu / (self.wall * len(self._cpus))  # share of the processors that the server used
        # share of the processors that neither of the two used: somebody else's work, and what the host took away
        self.foreign = max(0.0, (everywhere[0] - self.server_cpu - self.client_cpu) / everywhere[1]) if everywhere[1] else 0.0
        self.memory = self._sampler.most
        self.peak = self.tree.peak_bytes()

    def figures(self):
        """All of it as a dictionary of numbers, for a record."""
        return {
            "server_cpu_s": self.server_cpu,
            "client_cpu_s": self.client_cpu,
            "busy": self.busy,
            "server_share": self.server_share,
            "foreign": self.foreign,
            "private": self.memory.private,
            "proportional": self.memory.proportional,
            "resident": self.memory.resident,
            "peak": self.peak if self.memory.processes == 1 else self.memory.proportional,
            "processes": self.memory.processes,
        }


def run(command, timeout, environment=None):
    """Runs a client to its end and returns what it printed. LoadError when it fails or takes too long."""
    client = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True, env=environment)
    try:
        output, _ = client.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        raise LoadError(f"{os.path.basename(command[0])} did not end within {timeout:.0f} s") from None
    finally:
        end_process(client, 2)
    if client.returncode != 0:
        raise LoadError(f"{os.path.basename(command[0])} failed: {output.strip()[-300:]}")
    return output
