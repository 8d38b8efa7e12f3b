"""Runs h2load, as a client of HTTP/1.1 or of HTTP/2, and reads what it reports.

It is told how many requests to send, not how long: then each of them is accounted for. Told a time, it keeps silent about those on
connections that ended too early, and may wait for ever for one that is being opened anew when the time is up. How many fit into a time is
found before, by runs that do not count, of more and more requests.

SPDX-License-Identifier: MIT
"""

import os
import re

from .watch import LoadError

STUCK_SECONDS = 20  # a connection that is silent for so long is given up, and its requests are errors
PACE_SECONDS = 0.5  # a run of at least so long tells the pace
PACE_FACTOR = 4
GROUP = "X25519"  # of the key exchange of TLS

_UNITS = {"us": 1e-6, "ms": 0.001, "s": 1}


def command(url, connections, requests, headers=(), streams=None, cipher=None):
    """The command line of a run of so many requests: over HTTP/2 if a number of streams at once is told. cipher: the only suite of
    TLS 1.3 that is offered, since h2load has a list of its own."""
    threads = min(len(os.sched_getaffinity(0)), connections)
    line = ["h2load", *(["--h1"] if streams is None else []), f"-t{threads}", f"-c{connections}", f"-m{streams or 1}"]
    for header in headers:
        line += ["-H", header]
    if cipher:
        line += [f"--tls13-ciphers={cipher}", f"--groups={GROUP}"]
    return [*line, f"-n{requests}", f"-N{STUCK_SECONDS}s", url]


def _counts(output):
    """Its counts of requests and of statuses by name, as {"total", "succeeded", ..., "2xx", ...}."""
    found = {}
    for start in ("requests", "status codes"):
        line = re.search(rf"^{start}: (.*)$", output, re.MULTILINE)
        if not line:
            raise LoadError(f"h2load gave no report: {' '.join(output.split())[-300:]}")
        found.update({name: int(count) for count, name in re.findall(r"(\d+) (\w+)", line.group(1))})
    return found


def parse(output):
    """(requests, seconds) of a run of command(). LoadError unless each request was answered by a status of 2xx."""
    found = _counts(output)
    took = re.search(r"^finished in ([\d.]+)(us|ms|s),", output, re.MULTILINE)
    if not took:
        raise LoadError(f"h2load gave no time: {' '.join(output.split())[-300:]}")
    if not found["total"] or found["succeeded"] != found["total"] or found["2xx"] != found["total"]:
        wrong = ", ".join(f"{found[name]:,} {name}" for name in ("succeeded", "errored", "timeout", "2xx", "3xx", "4xx", "5xx"))
        raise LoadError(f"h2load saw errors: of {found['total']:,} requests {wrong}")
    return found["total"], float(took.group(1)) * _UNITS[took.group(2)]


def agreed(output):
    """What a run's connections agreed on, as its report tells: (application protocol, TLS's version, cipher); None where it says nothing."""
    names = ("Application protocol", "TLS Protocol", "Cipher")
    found = [re.search(rf"^{name}: (\S+)", output, re.MULTILINE) for name in names]
    return tuple(match and match.group(1) for match in found)


def body_bytes(output):
    """Bytes of all bodies, as a run's report tells."""
    found = re.search(r"^traffic: .*\((\d+)\) data$", output, re.MULTILINE)
    if not found:
        raise LoadError(f"h2load counted no bytes: {' '.join(output.split())[-300:]}")
    return int(found.group(1))


def find_pace(requests, run):
    """Replies a second: run(requests) gives (requests, seconds) of a run, which is made with more of them until it takes long enough."""
    while True:
        done, seconds = run(requests)
        if seconds >= PACE_SECONDS:
            return done / seconds
        requests *= PACE_FACTOR
