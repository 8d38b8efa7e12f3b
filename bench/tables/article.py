"""Table 1: the article's two measurements, for all of its systems, its claims beside what was measured.

SPDX-License-Identifier: MIT
"""

from lib import load, svg
from lib.programs import PROGRAMS
from lib.table import Plot, Scenario, Section, Visit, bytes_text, count_text, seconds_text, share_text

TITLE = "1. The article's two measurements"
ABOUT = """A file of 100 MiB to 1 client, ten times, and to 100 clients at once; and 1,000 clients that ask for small JSON as fast as they get it.
Each measurement has a fresh server. The article's claims are of its own machine, which it does not describe; what is measured
stands beside them. Its memory is compared with peak resident memory, its CPU share with the share of one processor that the
server used while files were sent."""

MEGA = 1_000_000
# The article's claims: {peer: (peak bytes, seconds, CPU share)} and {peer: (bytes a request, bytes in all)}
FILE_CLAIMS = {
    "hyperlane5": (12 * MEGA, 2.3, 0.15),
    "express": (156 * MEGA, 4.1, 0.45),
    "spring": (189 * MEGA, 3.8, 0.38),
    "gin": (134 * MEGA, 3.2, 0.28),
}
SMALL_CLAIMS = {
    "hyperlane5": (2100, 45 * MEGA),
    "express": (8700, 187 * MEGA),
    "django": (12300, 234 * MEGA),
    "rails": (15600, 298 * MEGA),
}

ONE, MANY = "1 client", "100 clients"
FILES = {"file": "by route (P1)", "large": "by an 8 KB read and send loop (P4)"}
CLIENTS = 1000
SMALL = "1,000 clients"


def _small(instance, options):
    program = PROGRAMS["json"]
    for _ in range(20):
        load.is_answered(instance, program)
    before = load.settled(instance, 1.0, 4.0)
    result = load.closed(instance, program, CLIENTS, options.seconds)
    result["private_before"] = before.private
    result["each"] = (result["private"] - before.private) / CLIENTS
    return result


def visits(peer, options):
    """Each measurement in a start of its own."""
    found = []
    for name in FILES:
        if peer.has(name):
            program = PROGRAMS[name]
            one = lambda instance, program=program: load.download(instance, program, 1, 10)  # noqa: E731
            many = lambda instance, program=program: load.download(instance, program, 100, 100)  # noqa: E731
            found.append(Visit([Scenario(f"{name}, {ONE}", 4, one)], warm=False))
            found.append(Visit([Scenario(f"{name}, {MANY}", 15, many)], warm=False))
    if peer.has("json"):
        found.append(Visit([Scenario(SMALL, options.seconds + 5, lambda instance: _small(instance, options))], warm=False))
    return found


def _file_section(book, peers, name, what):
    rows = []
    cell = lambda peer, clients, figure, form: book.cell("article", f"{name}, {clients}", peer, figure, form, False)  # noqa: E731
    each = lambda value: seconds_text(value / 10)  # noqa: E731
    for peer in _ordered(book, f"{name}, {ONE}", "peak"):
        claim = FILE_CLAIMS.get(peer)
        rows.append(
            [
                book.title("article", f"{name}, {ONE}", peer, peers[peer]["title"]),
                cell(peer, ONE, "peak", bytes_text),
                claim and bytes_text(claim[0]) or "",
                cell(peer, ONE, "seconds", each),
                claim and seconds_text(claim[1]) or "",
                cell(peer, ONE, "cpu_share", share_text),
                claim and share_text(claim[2]) or "",
                cell(peer, ONE, "cpu_us", lambda value: seconds_text(value / 1e6)),
                cell(peer, MANY, "peak", bytes_text),
                cell(peer, MANY, "seconds", seconds_text),
                cell(peer, MANY, "cpu_us", lambda value: seconds_text(value / 1e6)),
            ]
        )
    header = ["peer", "peak", "claimed", "time a file", "claimed", "CPU share", "claimed", "CPU a file", "peak, 100", "time, 100", "CPU a file, 100"]
    values = [
        (peers[peer]["title"], book.middle("article", f"{name}, {ONE}", peer, "peak"), (FILE_CLAIMS.get(peer) or [None])[0])
        for peer in _ordered(book, f"{name}, {ONE}", "peak")
    ]
    picture = svg.bars(f"100 MB file {what}, 1 client: peak memory (red: the article's claim)", "bytes", values, "weir")
    plots = [Plot(f"article-{name}", f"peak memory of each peer, 100 MB file {what}", picture)] if rows else []
    return Section(f"100 MB file {what}", header, rows, plots=plots)


def _ordered(book, scenario, figure):
    names = [name for name in book.peers("article") if book.of("article", scenario, name)]
    return sorted(names, key=lambda name: book.middle("article", scenario, name, figure) or float("inf"))


def _small_section(book, peers):
    rows, values = [], []
    for peer in _ordered(book, SMALL, "peak"):
        claim = SMALL_CLAIMS.get(peer)
        cell = lambda figure, form: book.cell("article", SMALL, peer, figure, form, False)  # noqa: E731, B023
        title = peers[peer]["title"]
        rows.append(
            [
                book.title("article", SMALL, peer, title),
                cell("each", bytes_text),
                claim and bytes_text(claim[0]) or "",
                cell("peak", bytes_text),
                claim and bytes_text(claim[1]) or "",
                cell("private_before", bytes_text),
                cell("private", bytes_text),
                cell("rate", count_text),
            ]
        )
        values.append((title, book.middle("article", SMALL, peer, "peak"), claim and claim[1]))
    header = ["peer", "memory a request", "claimed", "peak", "claimed", "private before", "private meanwhile", "requests/s"]
    picture = svg.bars("1,000 concurrent small requests: peak memory (red: the article's claim)", "bytes", values, "weir")
    plots = [Plot("article-small", "peak memory of each peer, 1,000 concurrent small requests", picture)] if rows else []
    return Section("1,000 concurrent small requests (P5)", header, rows, plots=plots)


def sections(book, peers, _options):
    """Both ways of sending the file, and the small requests."""
    files = [_file_section(book, peers, name, what) for name, what in FILES.items()]
    return [*files, _small_section(book, peers)]
