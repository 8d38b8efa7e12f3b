"""Runs h2load over HTTP/1.1 and reads what it reports. Unlike wrk it makes an exact number of requests.

SPDX-License-Identifier: MIT
"""

import re

from .watch import LoadError

_UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0}


def command(url, connections, requests=None, seconds=None, pipeline=1, headers=(), threads=1):
    """The command line of a run: so many requests in all, or of so many seconds; `pipeline` requests at a time on each connection."""
    line = ["h2load", "--h1", f"-c{connections}", f"-m{pipeline}", f"-t{min(threads, connections)}"]
    line += [f"-n{requests}"] if requests else [f"-D{seconds}"]
    for header in headers:
        line += ["-H", header]
    return line + [url]


def parse(output):
    """{"requests", "seconds", "rate"} of h2load's report. LoadError when a request failed or none was made."""
    ended = re.search(r"finished in ([\d.]+)(us|ms|s), ([\d.]+) req/s", output)
    counts = re.search(r"requests: \d+ total, \d+ started, (\d+) done, (\d+) succeeded, (\d+) failed, (\d+) errored", output)
    if not ended or not counts or int(counts.group(2)) == 0:
        raise LoadError(f"h2load reports no replies: {' '.join(output.split())[-300:]}")
    if int(counts.group(3)) or int(counts.group(4)):
        raise LoadError(f"h2load saw errors: {counts.group(0)}")
    seconds = float(ended.group(1)) * _UNITS[ended.group(2)]
    return {"requests": int(counts.group(2)), "seconds": seconds, "rate": float(ended.group(3))}
