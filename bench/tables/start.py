"""Table 6: start-up time, size of the program and of its libraries, resident size when idle.

SPDX-License-Identifier: MIT
"""

from lib import load
from lib.table import Scenario, Section, Visit, bytes_text, seconds_text

TITLE = "6. Start, size and idling"
ABOUT = """From the start of the process to the end of its first right reply, asked for over and over; sizes on disk; and memory once it has answered
ten requests and rests. Resident memory counts what several processes share once; private memory is written memory that nobody else maps.

The size on disk is that of what its manifest names as needed to run, without debugging information and the system's shared libraries. With its
libraries it is that and the shared libraries that its processes have mapped when they rest, each file once and as it lies on the disk, except
those of Debian's packages libc6 and libgcc-s1 (the C library and `libgcc_s.so.1`), which are on every system, and modules of the name
service (`libnss_*`), which are the system's choice. What an interpreter reads and the manifest does not name, as the class library of Java and
the modules of Python that are text, is in neither."""

STARTS = "start"


def _measure(peer, instance):
    for _ in range(10):
        instance.is_ready("/")
    memory = load.settled(instance, 1.0, 4.0)
    figures = {
        "start_s": instance.start_seconds,
        "private": memory.private,
        "proportional": memory.proportional,
        "resident": memory.resident,
        "processes": memory.processes,
    }
    size = peer.size()
    return figures if size is None else {**figures, "size": size, "shipped": size + peer.libraries_size(instance.tree.pids())}


def visits(peer, _options):
    """One start each."""
    return [Visit([Scenario("start", 2, lambda instance: _measure(peer, instance))], warm=False)]


def sections(book, peers, _options):
    """One table, the leanest first."""
    names = book.peers("start")
    names.sort(key=lambda name: book.middle("start", STARTS, name, "proportional") or float("inf"))
    cell = lambda name, figure, form, spread=False: book.cell("start", STARTS, name, figure, form, spread)  # noqa: E731
    rows = [
        [
            peers[name]["title"],
            cell(name, "start_s", seconds_text, True),
            cell(name, "size", bytes_text),
            cell(name, "shipped", bytes_text),
            cell(name, "proportional", bytes_text),
            cell(name, "private", bytes_text),
            cell(name, "processes", str),
        ]
        for name in names
    ]
    header = ["peer", "start to first reply", "size on disk", "with its libraries", "resident, idle", "private, idle", "processes"]
    return [Section("", header, rows)]
