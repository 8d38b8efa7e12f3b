"""Runs bench/steady.c: requests at a fixed rate, each timed from the moment at which it was due; or downloads to their end.

SPDX-License-Identifier: MIT
"""

import json

from . import build
from .watch import LoadError


def command(port, path, connections, rate=0, seconds=None, requests=None, warm_up=0, headers=()):
    """The command line: `rate` requests a second (0: each connection as fast as its replies come)."""
    line = [build.program("steady.c"), "--port", str(port), "--path", path, "--connections", str(connections)]
    line += ["--rate", str(rate)] if rate else []
    line += ["--seconds", str(seconds)] if seconds else []
    line += ["--requests", str(requests)] if requests else []
    line += ["--warm-up", str(warm_up)] if warm_up else []
    for header in headers:
        line += ["--header", header]
    return line


def parse(output, late_allowed=True):
    """The figures as a dictionary. LoadError when a reply was wrong, or none came, or (unless they may be late) some did not."""
    found = json.loads(output.strip().splitlines()[-1])
    if found["errors"]:
        raise LoadError(f"steady saw {found['errors']:,} wrong replies among {found['issued']:,}")
    if not found["done"] or found["unanswered"] and not late_allowed:
        raise LoadError(f"steady got {found['done']:,} replies to {found['issued']:,} requests")
    return found
