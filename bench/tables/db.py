"""Table 14: a row of PostgreSQL by its key.

SPDX-License-Identifier: MIT
"""

from lib import load
from lib.programs import PROGRAMS
from lib.table import Scenario, Section, Visit, bytes_text, rate_text, ratio_text, share_text

TITLE = "14. A row of PostgreSQL"
ABOUT = """`GET /row/17`: a prepared `SELECT id, name FROM things WHERE id = $1` of 10,000 rows, as JSON, by wrk with a thread for each processor. Each peer has one
worker and a pool of 32 connections, over TCP on the loopback, without TLS; 1,024 clients wait for 32 connections. The judge is the server's processor time per request: that of
PostgreSQL, which shares the processors with all, is not in it. Rates are of a machine on which the client, the server and the database take turns."""

CONNECTIONS = (64, 1024)
BASE = "weir_pg"


def visits(peer, options):
    """All numbers of clients, in one start."""
    if not peer.is_in("db") or not peer.has("row") or "tables" not in peer.manifest:
        return []

    def scenario(count):
        return Scenario(str(count), options.seconds + 0.5, lambda instance: load.closed(instance, PROGRAMS["row"], count, options.seconds))

    return [Visit([scenario(count)], program="row") for count in CONNECTIONS]


def _row(book, name, scenario, title):
    cell = lambda figure, form, spread=True: book.cell("db", scenario, name, figure, form, spread)  # noqa: E731
    ratio = book.ratio("db", scenario, name, BASE, "cpu_us")
    return [
        book.title("db", scenario, name, title), cell("cpu_us", lambda value: f"{value:.1f}"), ratio_text(ratio.middle) if ratio else "",
        cell("rate", rate_text), cell("server_share", share_text, False), cell("private", bytes_text), cell("timeouts", str, False),
    ]


def sections(book, peers, _options):
    """A section for each number of clients, ordered by processor time per request."""
    header = ["peer", "CPU us/request", "of weir's", "requests/s", "of the processors", "private", "over 2 s"]
    found = []
    for scenario in book.scenarios("db"):
        names = book.peers("db")
        names.sort(key=lambda name: book.middle("db", scenario, name, "cpu_us") or float("inf"))  # noqa: B023
        rows = [_row(book, name, scenario, peers[name]["title"]) for name in names if book.of("db", scenario, name)]
        found.append(Section(f"{scenario} clients", header, rows))
    return found
