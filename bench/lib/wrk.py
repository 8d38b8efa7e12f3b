"""Runs wrk and reads what it reports.

SPDX-License-Identifier: MIT
"""

import os
import re
import subprocess
import time
from dataclasses import dataclass

from . import proc
from .build import ROOT
from .server import end_process

PIPELINE = os.path.join(ROOT, "bench", "wrk", "pipeline.lua")


@dataclass
class Run:
    """One run of wrk against one server."""

    requests: int
    seconds: float
    server_cpu: float  # seconds of processor time that the server used
    client_cpu: float  # the same for wrk
    busy: float  # share of the time in which the server's processors were not idle
    server_share: float  # share of the server's processors that the server itself used
    foreign: float  # share of all processors that neither of the two used
    timeouts: int  # replies that took wrk's two seconds or more
    private: int  # the server's largest private memory seen under load
    peak: int  # the server's VmHWM after the run

    @property
    def rate(self):
        """Requests a second."""
        return self.requests / self.seconds

    @property
    def cpu_us(self):
        """Server processor time per request, in microseconds."""
        return self.server_cpu / self.requests * 1e6


class WrkError(RuntimeError):
    """wrk failed, or what it saw was not what a benchmark may count."""


def parse(output):
    """(requests, seconds, timeouts) of wrk's report. Raises WrkError when there were other errors or no requests."""
    found = re.search(r"(\d+) requests in ([\d.]+)(ms|s|m)\b", output)
    if not found or int(found.group(1)) == 0:
        raise WrkError(f"wrk reports no requests:\n{output}")
    refused = re.search(r"Non-2xx or 3xx responses: .*", output)
    wrong = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", output)
    counts = [int(count) for count in wrong.groups()] if wrong else [0] * 4
    if refused or any(counts[:3]):
        raise WrkError(f"wrk saw errors: {(refused or wrong).group(0)}")
    return int(found.group(1)), float(found.group(2)) * {"ms": 0.001, "s": 1, "m": 60}[found.group(3)], counts[3]


def _most_private(pid, until):
    """The largest private memory that a look every quarter of a second finds."""
    most = 0
    while time.monotonic() < until:
        time.sleep(0.25)
        most = max(most, proc.private_bytes(pid))
    return most


def run(server, connections, seconds, script=None, path="/", threads=None):
    """Loads a server for whole seconds and measures both sides. The load runs on the processors this process may use."""
    server_cpus = os.sched_getaffinity(server.pid)
    all_cpus = os.sched_getaffinity(0) | server_cpus
    threads = min(threads or len(os.sched_getaffinity(0)), connections)
    command = ["wrk", f"-t{threads}", f"-c{connections}", f"-d{seconds}s"]
    command += ["-s", script] if script else []
    usage = os.times()
    cpu, near, everywhere = proc.cpu_seconds(server.pid), proc.machine_busy(server_cpus), proc.machine_busy(all_cpus)
    began = time.monotonic()
    client = subprocess.Popen(command + [server.url + path], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        private = _most_private(server.pid, began + seconds * 0.9)
        output, _ = client.communicate(timeout=seconds + 30)
    finally:
        end_process(client, 2)
    wall = time.monotonic() - began
    cpu = proc.cpu_seconds(server.pid) - cpu
    near = [after - before for before, after in zip(near, proc.machine_busy(server_cpus))]
    everywhere = [after - before for before, after in zip(everywhere, proc.machine_busy(all_cpus))]
    after = os.times()
    client_cpu = after.children_user + after.children_system - usage.children_user - usage.children_system
    requests, taken, timeouts = parse(output)
    return Run(
        requests=requests,
        seconds=taken,
        server_cpu=cpu,
        client_cpu=client_cpu,
        busy=near[0] / near[1] if near[1] else 0.0,
        server_share=cpu / (wall * len(server_cpus)),
        foreign=max(0.0, (everywhere[0] - cpu - client_cpu) / everywhere[1]) if everywhere[1] else 0.0,
        timeouts=timeouts,
        private=private,
        peak=proc.peak_bytes(server.pid),
    )
