"""Table 13: WebSocket. Messages that come back, and messages to many, of which all peers take turns; then memory.

SPDX-License-Identifier: MIT
"""

from lib import held, live
from lib.table import Scenario, Section, Turn, Visit, bytes_text, count_text
from lib.turn_tables import Goal, Shown, memory_section, section

TITLE = "13. Live connections"
ABOUT = """WebSocket over plain TCP, without permessage-deflate, by the clients of `bench/live`, which check every byte of every message. Echo: 64 connections, on
each of which a text is sent, and the next one when it has come back. Fan-out: 1,000 connections to one topic, of which one publishes a text of 64 bytes, and the
next, or the next 16, when all 1,000 have got what was published before; a message is one delivery. All peers run while they take turns, as in the table of
TLS. Processor time is read when all connections are open and again when the last message has come, so that opening them is not in it. Memory, in a fresh start
each: WebSockets that idle after one message, slopes of private memory over their number."""

ROUNDS_MOST = 1  # of memory
PART, MANY = "live", "fanout"
CONNECTIONS, SUBSCRIBERS, BURST = 64, 1000, 16
COUNTS = (1000, 10000)
SIZES = {64: "64 bytes", 16384: "16 KB"}
FANOUT, BURSTS = "fan-out", f"fan-out, {BURST} at once"
IDLE = "idle"
GOALS = (Goal("uwebsockets", 1.0),)


def _echo(size):
    return f"echo, {SIZES[size]}"


def _shown(scenario, title, unit):
    return Shown(scenario, title, "cpu_us", unit, GOALS, rate_unit="messages/s", base="uwebsockets")


SHOWN = [_shown(_echo(size), f"Echo of {name}, 64 connections", "CPU us/message") for size, name in SIZES.items()] + [
    _shown(FANOUT, "Fan-out of 64 bytes to 1,000, one message at once", "CPU us/delivery"),
    _shown(BURSTS, f"Fan-out of 64 bytes to 1,000, {BURST} messages at once", "CPU us/delivery"),
]


def _takes_part(peer):
    return peer.has_part(PART)


def _turn(name, seconds, program, path, part, **options):
    def measure(instance, _prepared=None):
        return live.measure(program, instance, instance.peer.manifest[PART][path], seconds, **options)

    return Turn(name, None, seconds + 0.4, measure, measure, part, _takes_part)


def turns(options):
    """What all peers take turns at."""
    seconds, less = min(options.seconds, 1), 10 if options.quick else 1
    found = [_turn(_echo(size), seconds, "echo", "echo", PART, connections=CONNECTIONS, size=size) for size in SIZES]
    for name, burst in ((FANOUT, 1), (BURSTS, BURST)):
        found.append(_turn(name, seconds, "fanout", "topic", MANY, connections=SUBSCRIBERS // less, size=64, burst=burst))
    return found


def visits(peer, options):
    """WebSockets that idle."""
    if not _takes_part(peer):
        return []
    most = 1000 if options.quick else options.connections_most
    counts = sorted({min(count // (10 if options.quick else 1), most) for count in COUNTS})
    idle = Scenario(IDLE, 15, lambda instance: held.live_for_each(instance, peer.manifest[PART]["echo"], counts, say=1))
    return [Visit([idle], warm=False, part=PART)]


def sections(book, peers, _options):
    """A section for each load, and one of memory."""
    found: list[Section] = [section(book, peers, "live", shown) for shown in SHOWN if book.of("live", shown.scenario)]
    columns = [
        ("idle, each", IDLE, "each", bytes_text),
        ("before", IDLE, "private_0", bytes_text),
        ("with 1,000", IDLE, "private_1000", bytes_text),
        ("with 10,000", IDLE, "private_10000", bytes_text),
        ("reached", IDLE, "reached", count_text),
    ]
    memory = memory_section(book, peers, "live", "Memory of idle WebSockets", columns, IDLE)
    return found + ([memory] if memory.rows else [])
