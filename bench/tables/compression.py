"""Table 11: replies that are compressed, of which all peers take turns; then memory of those whose clients do not read.

SPDX-License-Identifier: MIT
"""

from lib import documents
from lib.compressed import NONE, Load, held
from lib.table import Scenario, Turn, Visit, bytes_text, count_text
from lib.turn_tables import Goal, Shown, memory_section, section

TITLE = "11. Compression"
ABOUT = """A document of 10 KB, 150 records as JSON, over 64 connections that stay, by wrk, which asks for one coding alone; what opening the
connections costs is measured alone and taken off. *File*: it is read from a file and compressed each time. *Constant*: it lies in memory.
*Handler*: it is printed for each request. Levels of zlib are told to each peer, since their own are 1 (nginx), 5 (weir) and 6 (Express): 1 and 5
are measured. Brotli is at level 5, Zstandard at weir's own, 3. Windows are each peer's own: weir's is 8 KiB for gzip. On the wire: a whole
reply with its head and its framing. Peers take turns as in the table of TLS. Memory: the slope of private memory over clients that ask for
the same of 30 MB, with a receive buffer of 16 KB, and read nothing, at level 5; what a reply holds while it is being compressed."""

ROUNDS_MOST = 1  # of memory
CONNECTIONS = 64
STALLED = (10, 50)
PART = "compression"

# (scenario, way, title, coding, level)
LOADS = (
    ("file", "file", "A file, as it is", NONE, 5),
    ("file, gzip 1", "file", "A file by gzip, level 1", "gzip", 1),
    ("file, gzip 5", "file", "A file by gzip, level 5", "gzip", 5),
    ("constant, gzip 5", "static", "A constant by gzip, level 5", "gzip", 5),
    ("handler", "made", "What a handler prints, as it is", NONE, 5),
    ("handler, gzip 5", "made", "What a handler prints by gzip, level 5", "gzip", 5),
    ("handler, br 5", "made", "What a handler prints by Brotli, level 5", "br", 5),
    ("handler, zstd 3", "made", "What a handler prints by Zstandard, level 3", "zstd", 5),
)
LONG_CODINGS = ("gzip", "br", "zstd")
PATHS = {"file": f"file/{documents.SHORT}", "static": "static", "made": f"made/{documents.RECORDS[documents.SHORT]}"}
WIRE = (("on the wire", "wire_bytes", count_text),)



def _shown(scenario, way, title, coding):
    base = "nginx" if way == "file" else "express"  # nginx has nothing else that it could compress
    goals = (Goal("nginx", 1.0),) if way == "file" and coding != NONE else ()
    return Shown(scenario, title, "cpu_us", "CPU us/reply", goals, base=base, more=WIRE)


SHOWN = {scenario: _shown(scenario, way, title, coding) for scenario, way, title, coding, _ in LOADS}


def _can(way, coding):
    """Whether a peer has a way to a reply, and a coding."""
    return lambda peer: peer.has_part(PART) and way in peer.manifest[PART]["ways"] and coding in (NONE, *peer.manifest[PART]["codings"])


def _stalled(coding):
    return f"stalled, {coding}"


def turns(options):
    """What all peers take turns at."""
    seconds = min(options.seconds, 1)
    found = []
    for scenario, way, _, coding, level in LOADS:
        asked = Load(f"/{level}/{PATHS[way]}", coding, CONNECTIONS, seconds)
        found.append(Turn(scenario, None, seconds + 0.3, asked.measure, asked.prepare, PART, _can(way, coding)))
    return found


def visits(peer, options):
    """A start for each coding."""
    found = []
    counts = tuple(count // 5 for count in STALLED) if options.quick else STALLED
    for coding in LONG_CODINGS:
        if _can("file", coding)(peer):
            stall = lambda instance, coding=coding: held(instance, f"/5/file/{documents.LONG}", coding, counts)  # noqa: E731
            found.append(Visit([Scenario(_stalled(coding), 20, stall)], warm=False, part=PART))
    return found


def sections(book, peers, _options):
    """A section for each load, and one of memory."""
    found = [section(book, peers, "compression", shown) for scenario, shown in SHOWN.items() if book.of("compression", scenario)]
    columns = [
        column
        for coding in LONG_CODINGS
        for column in ((f"{coding}, each", _stalled(coding), "each", bytes_text), (f"{coding}, kernel", _stalled(coding), "kernel_each", bytes_text))
    ]
    memory = memory_section(book, peers, "compression", "Memory of a reply that waits for its client", columns, _stalled("gzip"))
    return found + ([memory] if memory.rows else [])
