"""Table 1b: what a server keeps of many small requests, the article's words beside what was measured.

SPDX-License-Identifier: MIT
"""

from lib import load
from lib.programs import PROGRAMS
from lib.table import Scenario, Section, Visit, bytes_text, count_text

TITLE = "1b. Leak over many requests"
ABOUT = """The article also says which systems leak. Here 64 clients ask for small JSON, ten million times or as often as the time allows. Private
memory is looked at when a tenth of the requests is answered, or of the time is over, and the server rests; and again after all of
it. Every request is counted; a client whose connection the server closes, as some do after so many requests, opens another."""

CLAIMS = {"hyperlane5": "none", "express": "slight", "django": "clear", "rails": "severe"}
ROUNDS_MOST = 1  # one long run says more of a leak than several short ones
LEAK = "leak"
CONNECTIONS = 64
MILLION = 1_000_000


def _measure(instance, options):
    """Private memory after a tenth of the requests or of the time, whatever is first, and after all of it."""
    program = PROGRAMS["json"]
    early = load.exact(instance, program, CONNECTIONS, options.leak_requests // 10, options.leak_seconds / 10)
    private = load.settled(instance, 2.0, 6.0).private
    left = options.leak_seconds - early["seconds"]
    result = load.exact(instance, program, CONNECTIONS, options.leak_requests - early["requests"], left)
    result["private_early"] = private
    result["private_late"] = load.settled(instance, 2.0, 6.0).private
    result["requests_early"], result["requests_all"] = early["requests"], early["requests"] + result["requests"]
    return result


def visits(peer, options):
    """One long run in a start of its own."""
    if not peer.has("json"):
        return []
    leak = Scenario(LEAK, options.leak_seconds + 10, lambda instance: _measure(instance, options))
    return [Visit([leak], program="json")]


def sections(book, peers, _options):
    """One table."""
    rows = []
    for peer in book.peers("leak"):
        middle = lambda figure: book.middle("leak", LEAK, peer, figure)  # noqa: E731, B023
        early, late = middle("private_early"), middle("private_late")
        requests = middle("requests_all")
        grown = late is not None and (late - early) / max(1, requests - middle("requests_early")) * MILLION
        rows.append(
            [
                book.title("leak", LEAK, peer, peers[peer]["title"]),
                count_text(requests) if requests else "failed",
                bytes_text(early) if early else "",
                bytes_text(late) if late else "",
                bytes_text(grown) if late else "",
                CLAIMS.get(peer, ""),
            ]
        )
    header = ["peer", "requests", "private after a tenth", "private after all", "grown per million requests", "claimed leak"]
    note = "A collector that has not run yet looks like a leak here; only growth that goes on is one."
    return [Section("", header, rows, [note])]
