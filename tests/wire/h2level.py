"""Whether a server is as it was: its ledger before and after what an HTTP/2 client does to it (tests/programs/probe.c).

SPDX-License-Identifier: MIT
"""

import contextlib
import json
import time

import h2peer as h2


def ledger(server):
    return json.loads(server.ask(path="/ledger").text())


def in_use(found):
    """By account, what is handed out. Each look has its own request in it."""
    return {name: account["in_use"] for name, account in found["accounts"].items()}


def wait_for(look, good, seconds=30):
    deadline = time.monotonic() + seconds
    while not good(figure := look()):
        assert time.monotonic() < deadline, figure
        time.sleep(0.02)
    return figure


@contextlib.contextmanager
def level(server, **expected):
    """Within, exactly these refusals are counted, others are served, and afterwards every account is as before."""
    def alone(found):  # the counter and the account are not read at one moment
        return found["connections"] == found["accounts"]["connections"]["objects"] == 1

    before = wait_for(lambda: ledger(server), alone)
    yield
    assert server.ask().text() == "Hello, World!"
    try:
        after = wait_for(lambda: ledger(server), lambda found: in_use(found) == in_use(before))
    except AssertionError as error:
        found = ledger(server)
        raise AssertionError({name: (count, in_use(before)[name]) for name, count in in_use(found).items()
                              if count != in_use(before)[name]}) from error
    counted = {cause: count - before["refusals"][cause] for cause, count in after["refusals"].items() if count != before["refusals"][cause]}
    assert counted == expected


def expect_calm(peer, error=h2.ENHANCE_YOUR_CALM):
    """The connection is ended by a GOAWAY of that error, and all of it can be read."""
    peer.rest()
    assert [goaway[1] for goaway in peer.goaways] == [error], peer.goaways
    assert not peer.broken
    return peer.goaways[0][0]


def opened(i):
    """The id of a client's i-th stream."""
    return 2 * i + 1
