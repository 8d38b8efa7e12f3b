"""Runs wrk and reads what it reports.

SPDX-License-Identifier: MIT
"""

import os
import re
from dataclasses import dataclass

from .build import ROOT
from .tree import Tree
from .watch import LoadError, Watch
from .watch import run as watch_run

PIPELINE = os.path.join(ROOT, "bench", "wrk", "pipeline.lua")


@dataclass
class Run:
    """One run of wrk against one server."""

    requests: int
    seconds: float
    p99: float  # seconds within which 99 of 100 replies came
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


class WrkError(LoadError):
    """wrk failed, or what it saw was not what a benchmark may count."""


def parse(output):
    """(requests, seconds, timeouts) of wrk's report. Raises WrkError when there were other errors or no requests."""
    found = re.search(r"(\d+) requests in ([\d.]+)(ms|s|m)\b", output)
    if not found:
        raise WrkError(f"wrk gave no report: {' '.join(output.split())[-300:]}")
    if int(found.group(1)) == 0:
        raise WrkError("wrk got no reply at all")
    refused = re.search(r"Non-2xx or 3xx responses: .*", output)
    wrong = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", output)
    counts = [int(count) for count in wrong.groups()] if wrong else [0] * 4
    if refused or any(counts[:3]):
        raise WrkError(f"wrk saw errors: {(refused or wrong).group(0)}")
    return int(found.group(1)), float(found.group(2)) * {"ms": 0.001, "s": 1, "m": 60}[found.group(3)], counts[3]


def parse_p99(output):
    """The 99th percentile of latency in seconds, of wrk's report with --latency."""
    found = re.search(r"^ +99%\s+([\d.]+)(us|ms|s|m) *$", output, re.MULTILINE)
    if not found:
        raise WrkError(f"wrk reports no latencies:\n{output}")
    return float(found.group(1)) * {"us": 1e-6, "ms": 0.001, "s": 1, "m": 60}[found.group(2)]


def command(url, connections, seconds, script=None, threads=None, headers=()):
    """The command line of a run of whole seconds."""
    threads = min(threads or len(os.sched_getaffinity(0)), connections)
    line = ["wrk", f"-t{threads}", f"-c{connections}", f"-d{seconds}s", "--latency"]
    line += ["-s", script] if script else []
    for header in headers:
        line += ["-H", header]
    return line + [url]


def run(server, connections, seconds, script=None, path="/", threads=None):
    """Loads a server for whole seconds and measures both sides. The load runs on the processors this process may use."""
    line = command(server.url + path, connections, seconds, script, threads)
    with Watch(Tree(server.pid), server.process.kill, os.sched_getaffinity(server.pid)) as watch:
        output = watch_run(line, seconds + 30)
    requests, taken, timeouts = parse(output)
    return Run(
        requests=requests,
        seconds=taken,
        p99=parse_p99(output),
        server_cpu=watch.server_cpu,
        client_cpu=watch.client_cpu,
        busy=watch.busy,
        server_share=watch.server_share,
        foreign=watch.foreign,
        timeouts=timeouts,
        private=watch.memory.private,
        peak=watch.peak,
    )
