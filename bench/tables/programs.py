"""Table 2: each of the article's programs: throughput, latency, processor time, peak memory.

SPDX-License-Identifier: MIT
"""

from lib import load
from lib.programs import PROGRAMS
from lib.table import Scenario, Section, Visit, bytes_text, rate_text, seconds_text, us_text

TITLE = "2. The ten programs"
ABOUT = """Programs with small replies: wrk with 64 connections for throughput and processor time; then latency at the same fixed rate
for all, each reply timed from the moment at which its request was due. Programs with large replies: eight clients at once, each
to the end of one reply. Each program has a fresh server, so that peak memory is the program's. P3 and P6 are settings and not
programs, of systems that have them: `GET /` with the buffers of each."""

# The article's buffer sizes, for HTTP and for WebSocket
SETTINGS = {"P3": (8192, 4096), "P6": (16384, 8192)}
CONNECTIONS = 64
DOWNLOADS = 8
FLOOR = "floor"
CLOSED, FIXED, WHOLE = "closed", "fixed", "whole"


def _settings_visit(peer, name, options):
    """A start of a peer with the buffer sizes of P3 or P6."""
    http, websocket = SETTINGS[name]
    environment = {"PEER_HTTP_BUFFER": str(http), "PEER_WS_BUFFER": str(websocket)}
    closed = lambda instance: load.closed(instance, PROGRAMS["hello"], CONNECTIONS, options.seconds)  # noqa: E731
    fixed = lambda instance: load.fixed(instance, PROGRAMS["hello"], CONNECTIONS, options.rate, options.seconds)  # noqa: E731
    scenarios = [Scenario(f"{name}, {CLOSED}", options.seconds, closed), Scenario(f"{name}, {FIXED}", options.seconds, fixed)]
    return Visit(scenarios, environment=environment, command=peer.manifest["growth"].get("command"))


def visits(peer, options):
    """A start for each program, and for each of the two settings."""
    found = []
    if peer.manifest.get("growth", {}).get("buffers") and peer.has("hello"):
        found = [_settings_visit(peer, name, options) for name in SETTINGS]
    for name, program in PROGRAMS.items():
        if not peer.has(name) or name == "file":  # table 1 has it
            continue
        if program.small:
            closed = lambda instance, program=program: load.closed(instance, program, CONNECTIONS, options.seconds)  # noqa: E731
            fixed = lambda instance, program=program: load.fixed(  # noqa: E731
                instance, program, CONNECTIONS, options.rate, options.seconds
            )
            scenarios = [Scenario(f"{name}, {CLOSED}", options.seconds, closed), Scenario(f"{name}, {FIXED}", options.seconds, fixed)]
        else:
            whole = lambda instance, program=program: load.download(instance, program, DOWNLOADS, DOWNLOADS)  # noqa: E731
            scenarios = [Scenario(f"{name}, {WHOLE}", 10, whole)]
        found.append(Visit(scenarios, program=name))
    return found


def _small_row(book, title, peer, name, rate):
    closed, fixed = f"{name}, {CLOSED}", f"{name}, {FIXED}"
    kept = book.middle("programs", fixed, peer, "kept")
    latency = [
        book.cell("programs", fixed, peer, figure, us_text, figure == "p99_us") if kept != 0 else f"over {rate:,}/s"
        for figure in ("p50_us", "p99_us", "p999_us")
    ]
    return [
        book.title("programs", closed, peer, title),
        book.cell("programs", closed, peer, "cpu_us", lambda value: f"{value:.2f}"),
        book.cell("programs", closed, peer, "rate", rate_text, False),
        *latency,
        book.cell("programs", closed, peer, "peak", bytes_text, False),
    ]


def _large_row(book, peers, peer, name):
    whole = f"{name}, {WHOLE}"
    cell = lambda figure, form, spread=False: book.cell("programs", whole, peer, figure, form, spread)  # noqa: E731
    return [
        book.title("programs", whole, peer, peers[peer]["title"]),
        cell("cpu_us", lambda value: seconds_text(value / 1e6), True),
        cell("bytes_rate", lambda value: f"{value / 1e6:,.0f} MB/s"),
        cell("p50_us", us_text),
        cell("max_us", us_text),
        cell("peak", bytes_text),
    ]


def _measured(book, key):
    """The peers that a scenario was measured of, the one that needs least processor time first."""
    names = [peer for peer in book.peers("programs") if book.of("programs", key, peer)]
    return sorted(names, key=lambda peer: book.middle("programs", key, peer, "cpu_us") or float("inf"))


def _small_section(book, peers, name, title, rate):
    header = ["peer", "CPU us/request", "requests/s", f"50 % at {rate:,}/s", "99 %", "99.9 %", "peak"]
    names = _measured(book, f"{name}, {CLOSED}")
    rows = [_small_row(book, peers[peer]["title"], peer, name, rate) for peer in names]
    if FLOOR not in names and book.of("programs", f"hello, {CLOSED}", FLOOR):  # the machine's own limit
        rows.insert(0, _small_row(book, "the floor, for GET /", FLOOR, "hello", rate))
    return Section(title, header, rows)


def _large_section(book, peers, name, title):
    header = ["peer", "CPU a reply", "rate in all", "reply, 50 %", "slowest", "peak"]
    return Section(title, header, [_large_row(book, peers, peer, name) for peer in _measured(book, f"{name}, {WHOLE}")])


def sections(book, peers, options):
    """A section for each program and each of the two settings."""
    found = []
    for name, program in PROGRAMS.items():
        title = f"{program.article}: {program.about}"
        if _measured(book, f"{name}, {CLOSED if program.small else WHOLE}"):
            small = program.small and _small_section(book, peers, name, title, options.rate)
            found.append(small or _large_section(book, peers, name, title))
    for name, (http, websocket) in SETTINGS.items():
        if _measured(book, f"{name}, {CLOSED}"):
            title = f"{name}: buffers of {http:,} bytes for HTTP and {websocket:,} for WebSocket"
            found.append(_small_section(book, peers, name, title, options.rate))
    return found
