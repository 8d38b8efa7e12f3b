"""Table 6: start-up time, binary size, resident size when idle.

SPDX-License-Identifier: MIT
"""


from lib import load
from lib.table import Scenario, Section, Visit, bytes_text, seconds_text

TITLE = "6. Start, size and idling"
ABOUT = """From the start of the process to the end of its first right reply, asked for over and over; the bytes of what its manifest
names as needed to run, without debugging information and the system's shared libraries; and memory once it has answered ten requests and rests.
Resident memory counts what several processes share once; private memory is written memory that nobody else maps."""

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
    return figures if size is None else {**figures, "size": size}


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
            cell(name, "proportional", bytes_text),
            cell(name, "private", bytes_text),
            cell(name, "processes", str),
        ]
        for name in names
    ]
    return [Section("", ["peer", "start to first reply", "size on disk", "resident, idle", "private, idle", "processes"], rows)]
