"""Table 5: a thousand clients that read slowly, while others are measured.

SPDX-License-Identifier: MIT
"""

import time

from lib import load
from lib.clients import Clients
from lib.programs import PROGRAMS
from lib.table import Scenario, Section, Visit, bytes_text, us_text
from lib.tree import Sampler

TITLE = "5. Slow clients"
ABOUT = """1,000 clients ask for the file of 100 MB and read 10 KB a second each, with a receive buffer of 64 KB. Meanwhile others ask for
`GET /` at a fixed rate, timed from when each request was due; beside it the same without slow clients. Memory is what each slow
client holds: in the server, private; and in the kernel for the server's end of its connection."""

CLIENTS = 1000
QUICK_CLIENTS = 100
BYTES_A_SECOND = 10240
RECEIVE_BUFFER = 65536
OTHERS = 16
ALONE, BESIDE = "alone", "beside slow clients"
SETTLE_SECONDS = 3


def _alone(instance, options):
    return load.fixed(instance, PROGRAMS["hello"], OTHERS, options.rate, options.seconds)


def _beside(instance, options):
    count = QUICK_CLIENTS if options.quick else CLIENTS
    before = load.settled(instance, 1.0, 4.0)
    asked = {"send": load.request(instance, PROGRAMS["file"]), "trickle": BYTES_A_SECOND, "rcvbuf": RECEIVE_BUFFER}
    with Sampler(instance.tree, instance.kill), Clients(instance, count, **asked):
        time.sleep(SETTLE_SECONDS)
        result = load.fixed(instance, PROGRAMS["hello"], OTHERS, options.rate, options.seconds)
        now = instance.tree.memory()
        sockets, kernel = load.kernel_bytes(instance)
    result["each"] = (now.private - before.private) / count
    result["kernel_each"] = kernel / sockets if sockets else None
    result["served"] = sockets / (count + OTHERS)
    return result


def visits(peer, options):
    """One start: alone, then beside the slow clients."""
    if not (peer.has("file") and peer.has("hello")):
        return []
    seconds = options.seconds + 0.5
    scenarios = [
        Scenario(ALONE, seconds, lambda instance: _alone(instance, options)),
        Scenario(BESIDE, seconds + SETTLE_SECONDS + 3, lambda instance: _beside(instance, options)),
    ]
    return [Visit(scenarios)]


def _latency(book, peer, scenario, figure):
    if book.middle("slow", scenario, peer, "kept") == 0:
        return "rate not kept"
    return book.cell("slow", scenario, peer, figure, us_text, False)


def sections(book, peers, _options):
    """One table, the least memory first."""
    names = book.peers("slow")
    names.sort(key=lambda peer: book.middle("slow", BESIDE, peer, "each") or float("inf"))
    rows = [
        [
            book.title("slow", BESIDE, peer, peers[peer]["title"]),
            book.cell("slow", BESIDE, peer, "each", bytes_text),
            book.cell("slow", BESIDE, peer, "kernel_each", bytes_text, False),
            *(_latency(book, peer, scenario, figure) for figure in ("p50_us", "p99_us") for scenario in (ALONE, BESIDE)),
            book.cell("slow", BESIDE, peer, "peak", bytes_text, False),
        ]
        for peer in names
    ]
    header = ["peer", "server, each", "kernel, each", "50 %, alone", "50 %, beside", "99 %, alone", "99 %, beside", "peak"]
    return [Section("", header, rows)]
