"""Table 9: HTTP/2, over TLS and without. Requests and a large file, of which all peers take turns; then memory.

SPDX-License-Identifier: MIT
"""

from lib import held
from lib.secure import PROTOCOLS
from lib.table import Scenario, Turn, Visit, bytes_text
from lib.turn_tables import Goal, Shown, memory_section, section
from lib.turns import ByH2load

from tables.tls import CONNECTIONS, STALLED, counts_of, download

TITLE = "9. HTTP/2"
ABOUT = """As in the table before: all peers take turns, and what they agree on over TLS is the same. Requests: `GET /` over 64 connections by h2load, one
after the other on each (`-m 1`) and 32 at once (`-m 32`). The file: 100 MiB over one connection. Memory: slopes of private memory over
connections that idle after a request, whose clients go on to answer what the server sends; and over streams that ask for the file with a window of
0, 50 on each connection."""

ROUNDS_MOST = 1  # of memory
STREAMS = 50
PARKED_SECONDS = 12.0  # until a server may have given up the tables of connections that idle
DEPTHS = (1, 32)
OF_NGINX = {1: 0.6, 32: 0.2}
BELOW_H2O = Goal("h2o", 1.0)
TITLES = {"h2": "over TLS", "h2c": "without TLS"}
FILE = "file"
IDLE, STALL = "idle", "stalled stream"


def _scenario(name, depth):
    return f"{name}, -m {depth}"


SHOWN = [
    Shown(_scenario(name, depth), f"{depth} at once, {title}" if depth > 1 else f"One after the other, {title}", "cpu_us", "CPU us/request",
          (Goal("nginx", OF_NGINX[depth]), BELOW_H2O))
    for name, title in TITLES.items()
    for depth in DEPTHS
] + [
    Shown(f"{name}, {FILE}", f"100 MB file, {title}", "cpu_gb_s", "CPU s/GB", digits=3, rate="bytes_rate", rate_unit="bytes/s")
    for name, title in TITLES.items()
]


def turns(options):
    """What all peers take turns at."""
    seconds = min(options.seconds, 1)
    found = []
    for name in TITLES:
        for depth in DEPTHS:
            load = ByH2load(PROTOCOLS[name], "/", CONNECTIONS, depth, seconds)
            found.append(Turn(_scenario(name, depth), name, seconds + 0.3, load.measure, load.prepare))
        prepare, measure = download(PROTOCOLS[name], seconds)
        found.append(Turn(f"{name}, {FILE}", name, 1.0, measure, prepare))
    return found


def visits(peer, options):
    """Each kind of connection in a start of its own."""
    found = []
    for name in TITLES:
        if not peer.speaks(name):
            continue
        protocol, counts = PROTOCOLS[name], counts_of(options)
        idle = lambda instance, protocol=protocol: held.for_each(instance, protocol, counts, least=PARKED_SECONDS, request=held.REQUEST)  # noqa: E731
        found.append(Visit([Scenario(f"{name}, {IDLE}", 60 if protocol.tls else 20, idle)], warm=False, part="secure"))
    if peer.speaks("h2c"):
        asked = {"request": held.LARGE, "requests": STREAMS, "streams": STREAMS, "window": 0, "stop": "asked"}
        stalled = lambda instance: held.for_each(instance, PROTOCOLS["h2c"], counts_of(options, STALLED), unit=STREAMS, **asked)  # noqa: E731
        found.append(Visit([Scenario(STALL, 15, stalled)], warm=False, part="secure"))
    return found


def sections(book, peers, _options):
    """A section for each load, and one of memory."""
    found = [section(book, peers, "http2", shown) for shown in SHOWN if book.of("http2", shown.scenario)]
    columns = [
        ("idle without TLS, each", f"h2c, {IDLE}", "each", bytes_text),
        ("idle over TLS, each", f"h2, {IDLE}", "each", bytes_text),
        ("stalled stream, each", STALL, "each", bytes_text),
    ]
    memory = memory_section(book, peers, "http2", "Memory", columns, f"h2c, {IDLE}")
    return found + ([memory] if memory.rows else [])
