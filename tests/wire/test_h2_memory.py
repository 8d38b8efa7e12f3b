"""HTTP/2 under memory_limit: many streams, some of which wait or are told no; nothing is above the bound, and nothing is left behind.

SPDX-License-Identifier: MIT
"""

import contextlib

import pytest

import h2peer as h2
from conftest import BUILD, MIB
from h2peer import Peer
from h2level import in_use, ledger, opened, wait_for

if "WEIR_HTTP2:BOOL=OFF" in (BUILD / "CMakeCache.txt").read_text():
    pytest.skip("a build without HTTP/2", allow_module_level=True)

LIMIT = 3 * MIB


def test_many_streams_under_a_bound(start_probe):
    """Some wait, some are told no; nothing is above the bound, and who is admitted gets the whole reply."""
    server = start_probe("workers=1", f"memory_limit={LIMIT}", "memory_wait_ms=1000", "write_timeout_ms=20000")
    assert server.ask(path="/sleep/1").status == 200
    peers = [Peer(server, timeout=60) for _ in range(5)]
    for peer in peers:
        peer.send(*(h2.headers(opened(i), "/sleep/700") for i in range(100)))
    for peer in peers:
        while sum(s.over for s in peer.streams.values()) < 100:
            assert peer.fill(), (peer.ended, peer.goaways)
            assert ledger(server)["reserved"] <= LIMIT
    replies = [peer.streams[opened(i)] for peer in peers for i in range(100)]
    good = [s for s in replies if s.status == 200]
    assert good and all(s.text() == "slept" and s.reset is None for s in good)
    others = [s for s in replies if s.status != 200]
    assert others and all(s.status == 503 or s.reset == h2.REFUSED_STREAM for s in others), others[:5]
    assert not any(peer.goaways for peer in peers)
    for peer in peers:
        assert peer.ask(1001).text() == "Hello, World!"
        peer.close()
    found = wait_for(lambda: ledger(server), lambda found: found["connections"] == 1 and found["fibers"] <= 1)
    assert found["reserved"] <= LIMIT and found["refusals"]["memory"] > 0


@pytest.mark.parametrize("path", ["/large-static", "/large-write", "/flood"])
def test_shut_windows_under_a_bound(start_probe, path):
    server = start_probe("workers=1", f"memory_limit={LIMIT}", "memory_wait_ms=400", "write_timeout_ms=600", "write_min_rate=-1")
    assert server.ask(path="/sleep/1").status == 200
    peers = [Peer(server, {h2.INITIAL_WINDOW: 0}, timeout=60) for _ in range(3)]
    for peer in peers:
        peer.send(*(h2.headers(opened(i), path) for i in range(100)))
    for peer in peers:
        while sum(s.over for s in peer.streams.values()) < 100:
            assert peer.fill(), (peer.ended, peer.goaways)
            assert ledger(server)["reserved"] <= LIMIT
        assert all(s.status == 503 or s.reset in (h2.CANCEL, h2.REFUSED_STREAM, h2.ENHANCE_YOUR_CALM) for s in peer.streams.values())
        assert peer.ask(1001).status == 200
        peer.close()
    wait_for(lambda: ledger(server), lambda found: found["connections"] == 1 and found["fibers"] <= 1)


def test_uploads_under_a_bound(start_probe):
    """Requests that wait keep what has come of their bodies."""
    server = start_probe("workers=1", f"memory_limit={LIMIT}", "memory_wait_ms=20000")
    assert server.ask("POST", "/read-slowly/1", body=b"x").text() == "1"
    peers, replies = [Peer(server, timeout=60) for _ in range(3)], []
    for peer in peers:
        for i in range(60):
            peer.send(h2.headers(opened(i), "/read-slowly/50", "POST", end=False), h2.data(opened(i), bytes(1000)), h2.data(opened(i), bytes(500), end=True))
    for peer in peers:
        while sum(s.over for s in peer.streams.values()) < 60:
            assert peer.fill(), (peer.ended, peer.goaways)
            assert ledger(server)["reserved"] <= LIMIT
        replies += [s.text() for s in peer.streams.values() if s.status == 200]
        wrong = [s for s in peer.streams.values() if s.status not in (200, 503) and s.reset != h2.REFUSED_STREAM]
        assert not wrong, (len(wrong), wrong[:3])
        peer.close()
    assert set(replies) == {"1500"}  # also if one of the connections has had no turn
    wait_for(lambda: ledger(server), lambda found: found["connections"] == 1 and found["fibers"] <= 1)


@contextlib.contextmanager
def full(server):
    """A server with a bound, whose memory is taken by requests that wait; they leave with the block."""
    assert server.ask("POST", "/read-slowly/1", body=b"x").text() == "1"
    peers = [Peer(server), Peer(server)]
    try:
        for peer, path in zip(peers, ("/sleep/60000", "/live/60000")):
            peer.send(*(h2.headers(opened(i), path) for i in range(100)))
        wait_for(lambda: ledger(server)["accounts"]["waiting requests"]["in_use"], lambda count: count > 0)
        yield
    finally:
        for peer in peers:
            peer.drop()


@pytest.mark.parametrize("end", ["refused", "reset by the client", "cut by the client"])
def test_bodies_of_requests_that_waited_in_vain(start_probe, end):
    """Their bytes are given back to the connection's window."""
    wait = 700 if end == "refused" else 60000
    server = start_probe("workers=1", f"memory_limit={LIMIT}", f"memory_wait_ms={wait}", "http2_connection_window=65535")
    with full(server), Peer(server) as peer:
        for i in range(7):
            peer.send(h2.headers(opened(i), "/read-slowly/1", "POST", end=False), h2.data(opened(i), bytes(8000)))
        if end == "refused":
            peer.until(lambda: sum(s.over for s in peer.streams.values()) == 7)
            assert {s.status for s in peer.streams.values()} == {503}
        elif end == "reset by the client":
            peer.send(h2.ping(), *(h2.reset(opened(i)) for i in range(7)))
        else:
            peer.send(h2.ping(), *(h2.frame(h2.HEADERS, 5, opened(i), b"") for i in range(7)))
        peer.until(lambda: peer.credit.get(0, 0) >= 32768)


@pytest.mark.parametrize("length", [1499, 1501])
def test_bodies_of_a_wrong_length_that_waited(start_probe, length):
    """They are found out when their turn comes, and leave nothing."""
    server = start_probe("workers=1", f"memory_limit={LIMIT}", "memory_wait_ms=60000")
    looks = []
    for _ in range(3):
        with Peer(server) as peer:
            with full(server):
                peer.send(*(h2.headers(opened(i), "/read-slowly/1", "POST", {"content-length": str(length)}, end=False) + h2.data(opened(i), bytes(1500), end=True)
                            for i in range(10)))
                peer.send(h2.ping())
                peer.until(lambda: peer.pongs)
            peer.until(lambda: sum(s.over for s in peer.streams.values()) == 10)
            assert {s.reset for s in peer.streams.values()} == {h2.PROTOCOL_ERROR}
            assert peer.ask(101).status == 200
        found = wait_for(lambda: ledger(server), lambda found: found["connections"] == 1 and found["fibers"] <= 1)
        looks.append(in_use(found))
    assert looks[1] == looks[2]
