"""Table 3: plaintext over many connections, by another client, pipelined, and with a connection for each request.

SPDX-License-Identifier: MIT
"""

from lib import h2load, load, svg, wrk
from lib.programs import PROGRAMS
from lib.table import Plot, Scenario, Section, Visit, bytes_text, rate_text, ratio_text, share_text

TITLE = "3. Plaintext"
ABOUT = """`GET /` with a reply of 13 bytes, by wrk with a thread for each processor, and over 64 connections by h2load as well, so that two
clients which nobody here wrote can be seen to agree. Pipelined, wrk sends 16 requests at once and the next 16 when all are answered. The
judge is the server's processor time per request; a ratio of throughputs means something only where the server's processors were busy
(97 % or more), and `busy` says whether they were. The floor is the smallest epoll server there can be: what this machine allows."""

CONNECTIONS = (16, 64, 256, 1000)
MANY = 10000
MANY_SECONDS = 10  # at least: opening so many takes a while
QUICK = (64,)
PIPELINED = "64 x 16"
SECOND = "64, by h2load"
CLOSE = "64, closing"
BUSY_ENOUGH = 0.97
BASE = "floor"
FLOOR_CLOSES = ("--close", "1")


def _scenario(name, options):
    """The Scenario of a name: connections, and what is special about them."""
    program, seconds = PROGRAMS["hello"], options.seconds
    if name == PIPELINED:
        measure = lambda instance: load.closed(instance, program, 64, seconds, script=wrk.PIPELINE)  # noqa: E731
    elif name == SECOND:
        seconds += h2load.PACE_FACTOR * h2load.PACE_SECONDS
        measure = lambda instance: load.second(instance, program, 64, options.seconds)  # noqa: E731
    elif name == CLOSE:
        measure = lambda instance: load.closed(instance, program, 64, seconds, headers=["Connection: close"])  # noqa: E731
    else:
        seconds = max(seconds, MANY_SECONDS) if int(name) >= MANY else seconds
        measure = lambda instance: load.closed(instance, program, int(name), seconds)  # noqa: E731
    return Scenario(name, seconds + 0.5, measure)


def visits(peer, options):
    """Up to 1,000 connections in one start; what could spoil the memory of the others in starts of its own."""
    if not peer.has("hello"):
        return []
    names = [str(count) for count in (QUICK if options.quick else CONNECTIONS) if count <= options.connections_most]
    found = [Visit([_scenario(name, options) for name in names])]
    found += [Visit([_scenario(name, options)]) for name in (SECOND, PIPELINED)]
    if not options.quick:
        # The floor does not read headers: it has to be told that it is to close.
        found.append(Visit([_scenario(CLOSE, options)], warm=False, options=FLOOR_CLOSES if peer.kind == "floor" else ()))
    if not options.quick and MANY <= options.connections_most:
        found.append(Visit([_scenario(str(MANY), options)]))
    return found


def _row(book, name, scenario, title):
    cell = lambda figure, form, spread=True: book.cell("plaintext", scenario, name, figure, form, spread)  # noqa: E731
    ratios = [book.ratio("plaintext", scenario, name, BASE, figure) for figure in ("cpu_us", "rate")]
    shown = [ratio_text(ratio.middle) if ratio else "" for ratio in ratios]
    busy = book.middle("plaintext", scenario, name, "busy")
    if busy is not None and busy < BUSY_ENOUGH:
        shown[1] += " (not busy)" if shown[1] else ""
    return [
        book.title("plaintext", scenario, name, title), cell("cpu_us", lambda value: f"{value:.2f}"), shown[0], cell("rate", rate_text), shown[1],
        cell("busy", share_text, False), cell("peak", bytes_text, False), cell("private", bytes_text, False),
    ]


def sections(book, peers, _options):
    """A section for each number of connections, ordered by processor time per request."""
    found = []
    header = ["peer", "CPU us/request", "of the floor", "requests/s", "of the floor", "busy", "peak", "private"]
    for scenario in book.scenarios("plaintext"):
        names = book.peers("plaintext")
        names.sort(key=lambda name: book.middle("plaintext", scenario, name, "cpu_us") or float("inf"))  # noqa: B023
        rows = [_row(book, name, scenario, peers[name]["title"]) for name in names if book.of("plaintext", scenario, name)]
        plots = []
        if scenario == "64":
            values = [(peers[name]["title"], book.middle("plaintext", scenario, name, "cpu_us"), None) for name in names]
            picture = svg.bars("Server CPU per request, 64 connections", "us", values, first="weir")
            plots = [Plot("plaintext-cpu", "server CPU per request of each peer", picture)]
        connections, comma, rest = scenario.partition(",")
        found.append(Section(f"{connections} connections{comma}{rest}", header, rows, plots=plots))
    return found
