"""What a hostile HTTP/2 client can do is bounded: each attack ends, by a cause of its own in the ledger, memory is as it was, and others are served.

The attacks are those that other servers have met (rapid reset, CONTINUATION, PING, SETTINGS and empty-frame floods, HPACK bombs, windows that stay
shut), and those that a server of level memory has to fear. Nothing here measures time: what takes long is bounded by the test's own limit.

SPDX-License-Identifier: MIT
"""

import signal
import time

import pytest

import h2peer as h2
from conftest import BUILD, MIB
from h2peer import Peer
from h2level import expect_calm, in_use, ledger, level, opened, wait_for

if "WEIR_HTTP2:BOOL=OFF" in (BUILD / "CMakeCache.txt").read_text():
    pytest.skip("a build without HTTP/2", allow_module_level=True)

TIMES = 20000  # frames of a flood
BUCKET, A_SECOND = 1000, 33  # of what may be wrong on a connection


@pytest.fixture(scope="module")
def server(probe):
    """Everything has been used once: what stays in pools is there."""
    with Peer(probe) as peer:
        assert peer.ask(1).text() == "Hello, World!"
        assert peer.ask(3, "/echo", "POST", body=b"x").text() == "x"
    wait_for(lambda: ledger(probe), lambda found: found["connections"] == 1)
    return probe


# ---- Floods that the bucket bounds


@pytest.mark.parametrize("path", ["/", "/sleep/60000", "/large-static", "/flood"])
def test_rapid_reset(server, path):
    with level(server, http2_resets=1), Peer(server, windows=False) as peer:
        began = time.monotonic()
        peer.flood(lambda i: h2.headers(opened(i), path) + h2.reset(opened(i)), TIMES)
        last = expect_calm(peer)
        assert last // 2 <= BUCKET + A_SECOND * (time.monotonic() - began) + 1


def test_a_connection_may_reset_now_and_then(server):
    with level(server), Peer(server) as peer:
        for i in range(BUCKET - 100):
            peer.send(h2.headers(opened(i), "/sleep/60000"), h2.reset(opened(i)))
        assert peer.ask(opened(BUCKET)).text() == "Hello, World!"


# What makes the server reset a stream, by the stream's id.
PROVOKED = {
    "no increment": lambda id: h2.headers(id, "/sleep/60000") + h2.window_update(id, 0),
    "a window too large": lambda id: h2.headers(id, "/sleep/60000") + h2.window_update(id, h2.WINDOW_MOST),
    "data behind the end": lambda id: h2.headers(id, "/sleep/60000") + h2.data(id, b"x"),
    "a priority of wrong length": lambda id: h2.headers(id, "/sleep/60000") + h2.frame(h2.PRIORITY, 0, id, b"1234"),
    "a malformed head": lambda id: h2.frame(h2.HEADERS, h2.END_HEADERS | h2.END_STREAM, id, h2.literal(":method", "GET")),
    "a head in capitals": lambda id: h2.headers(id, fields=[("Capital", "x")]),
    "dependency on itself": lambda id: h2.frame(h2.HEADERS, h2.END_HEADERS | h2.END_STREAM | h2.HAS_PRIORITY, id,
                                                id.to_bytes(4, "big") + b"\x10" + h2.block()),
    "more than was announced": lambda id: h2.headers(id, "/read-all", "POST", {"content-length": "1"}, end=False) + h2.data(id, b"xx"),
    "less than was announced": lambda id: h2.headers(id, "/read-all", "POST", {"content-length": "3"}, end=False) + h2.data(id, b"xx", end=True),
    "more than was announced, unread": lambda id: h2.headers(id, "/", "GET", {"content-length": "1"}, end=False) + h2.data(id, b"xx"),
    "trailers that do not end": lambda id: h2.headers(id, "/read-all", "POST", end=False) + h2.frame(h2.HEADERS, h2.END_HEADERS, id, b""),
    "trailers with a pseudo-header": lambda id: h2.headers(id, "/read-all", "POST", end=False)
    + h2.frame(h2.HEADERS, h2.END_HEADERS | h2.END_STREAM, id, h2.literal(":path", "/")),
    "beyond the stream's window": lambda id: h2.headers(id, "/sleep/60000", "POST", end=False) + h2.data(id, bytes(8192)) + h2.data(id, b"x"),
}


@pytest.mark.parametrize("how", PROVOKED)
def test_resets_that_the_server_is_made_to_send(server, how):
    before = ledger(server)["refusals"]
    causes = ("malformed", "http2_resets", "max_trailer")
    try:
        with level(server), Peer(server, windows=False) as peer:
            peer.until(lambda: peer.settings)  # acknowledged: the server holds it to its windows from here on
            began = time.monotonic()
            peer.flood(lambda i: PROVOKED[how](opened(i)), TIMES)
            last = expect_calm(peer)
            assert last // 2 <= BUCKET + A_SECOND * (time.monotonic() - began) + 1
            assert sum(s.reset not in (None, h2.NO_ERROR) for s in peer.streams.values()) > BUCKET - 1
            raise EOFError  # the refusals of each request are told below
    except EOFError:
        pass
    after = ledger(server)["refusals"]
    assert after["http2_resets"] == before["http2_resets"] + 1
    assert {cause for cause in after if after[cause] != before[cause]} <= set(causes)


EMPTY = {
    "PRIORITY": lambda i: h2.frame(h2.PRIORITY, 0, opened(i), b"\0\0\0\0\1"),
    "PRIORITY of one stream": lambda i: h2.frame(h2.PRIORITY, 0, 1, b"\0\0\0\0\1"),
    "PRIORITY_UPDATE": lambda i: h2.frame(h2.PRIORITY_UPDATE, 0, 0, opened(i).to_bytes(4, "big") + b"u=1"),
    "unknown frames": lambda i: h2.frame(0x7A, 0, 0, b""),
    "unknown frames with a payload": lambda i: h2.frame(0xFF, 0, 1, bytes(100)),
}


@pytest.mark.parametrize("how", EMPTY)
def test_frames_that_say_nothing(server, how):
    with level(server, http2_empty=1), Peer(server) as peer:
        peer.flood(EMPTY[how], TIMES)
        expect_calm(peer)


@pytest.mark.parametrize("path", ["/read-all", "/sleep/60000", "/echo"])
@pytest.mark.parametrize("piece", [h2.data(1), h2.frame(h2.DATA, h2.PADDED, 1, b"\0"), h2.frame(h2.DATA, h2.PADDED, 1, b"\3\0\0\0")],
                         ids=["empty", "padded", "padding alone"])
def test_empty_data(server, path, piece):
    with level(server, http2_empty=1), Peer(server) as peer:
        peer.send(h2.headers(1, path, "POST", end=False))
        peer.flood(lambda i: piece, TIMES)
        expect_calm(peer)


CONTROL = {
    "PING": lambda i: h2.ping(),
    "PING acknowledged": lambda i: h2.ping(ack=True),
    "SETTINGS": lambda i: h2.settings(),
    "SETTINGS with a value": lambda i: h2.settings({h2.INITIAL_WINDOW: i}),
    "SETTINGS acknowledged": lambda i: h2.settings(ack=True),
    "GOAWAY": lambda i: h2.frame(h2.GOAWAY, 0, 0, bytes(8)),
}


@pytest.mark.parametrize("how", CONTROL)
def test_control_frames(server, how):
    with level(server, http2_control=1), Peer(server) as peer:
        peer.flood(CONTROL[how], TIMES)
        expect_calm(peer)


@pytest.mark.parametrize("how", ["PING", "SETTINGS"])
def test_control_frames_whose_answers_are_not_read(server, how):
    """The kernel holds the answers, until the bucket is full."""
    with level(server, http2_control=1), Peer(server) as peer:
        peer.flood(CONTROL[how], TIMES, read=False)
        expect_calm(peer)


def test_nothing_is_read_where_nothing_is_taken(start_probe):
    """With no room in the kernel: answers are not collected without end, the client is not read any more, and cut."""
    server = start_probe("workers=1", "send_buffer=1024", "notsent_lowat=1024", "write_timeout_ms=700", "write_min_rate=-1")
    with Peer(server) as peer:
        assert peer.ask(1).text() == "Hello, World!"
    wait_for(lambda: ledger(server), lambda found: found["connections"] == 1)
    with level(server, write_timeout_ms=1), Peer(server, receive_buffer=1) as peer:
        # A reply fills what the client's kernel takes; the pings' answers come behind it.
        peer.send(h2.settings({h2.INITIAL_WINDOW: h2.WINDOW_MOST}), h2.window_update(0, h2.WINDOW_MOST - 65535), h2.headers(1, "/large-static"))
        sent = peer.flood(CONTROL[how := "PING"], 900, read=False)
        assert sent == 900, how
        wait_for(lambda: ledger(server), lambda found: found["refusals"]["write_timeout_ms"] == 1)


def test_many_settings_in_a_frame(server):
    with level(server), Peer(server) as peer:
        peer.send(h2.settings([(h2.INITIAL_WINDOW, 5)] * 31 + [(h2.INITIAL_WINDOW, 65535)]))
        assert peer.ask(1).text() == "Hello, World!"
    with level(server, http2_control=1), Peer(server) as peer:
        peer.send(h2.settings([(h2.INITIAL_WINDOW, 5)] * 33))
        expect_calm(peer)


def test_windows_that_flip(server):
    """Each change goes over all streams that are open."""
    with level(server, http2_control=1), Peer(server, windows=False) as peer:
        peer.send(*(h2.headers(opened(i), "/large-static") for i in range(100)))
        peer.flood(lambda i: h2.settings([(h2.INITIAL_WINDOW, 0), (h2.INITIAL_WINDOW, 65535)] * 16), TIMES)
        expect_calm(peer)
        assert max(len(s.body) for s in peer.streams.values()) <= 65535


def test_windows_that_overflow(server):
    with level(server, http2_protocol=1), Peer(server, {h2.INITIAL_WINDOW: 0}) as peer:
        peer.send(*(h2.headers(opened(i), "/large-static") + h2.window_update(opened(i), 1) for i in range(100)),
                  h2.settings({h2.INITIAL_WINDOW: h2.WINDOW_MOST}))
        expect_calm(peer, h2.FLOW_CONTROL_ERROR)
    with level(server, http2_protocol=1), Peer(server) as peer:
        peer.send(h2.window_update(0, h2.WINDOW_MOST))
        expect_calm(peer, h2.FLOW_CONTROL_ERROR)
    with level(server, http2_protocol=1), Peer(server) as peer:
        peer.send(h2.window_update(0, 0))
        expect_calm(peer, h2.PROTOCOL_ERROR)


# ---- Header blocks


@pytest.mark.parametrize("size", [0, 1, 1000])
def test_continuation(server, size):
    with level(server, http2_continuation=1), Peer(server, acknowledge=False) as peer:
        piece = (h2.literal("x-fill", "y" * max(size - 9, 0)))[:size]
        peer.send(h2.frame(h2.HEADERS, h2.END_STREAM, 1, h2.block()))
        peer.flood(lambda i: h2.frame(h2.CONTINUATION, 0, 1, piece), TIMES)
        assert expect_calm(peer) == 0


def test_continuation_of_more_than_a_frame(server):
    with level(server, http2_continuation=1), Peer(server) as peer:
        peer.send(h2.frame(h2.HEADERS, h2.END_STREAM, 1, bytes(16000)), h2.frame(h2.CONTINUATION, 0, 1, bytes(1000)))
        expect_calm(peer)


def test_few_continuations_are_right(server):
    block = h2.block(fields=[("x-fill", "y" * 500)] * 7)
    with level(server), Peer(server) as peer:
        cuts = [block[i * len(block) // 8 : (i + 1) * len(block) // 8] for i in range(8)]
        peer.send(h2.frame(h2.HEADERS, h2.END_STREAM, 1, cuts[0]), *(h2.frame(h2.CONTINUATION, 0, 1, cut) for cut in cuts[1:-1]),
                  h2.frame(h2.CONTINUATION, h2.END_HEADERS, 1, cuts[-1]))
        assert peer.reply(1).text() == "Hello, World!"


def test_hpack_bomb(server):
    """A field of the table, repeated by a byte each: what it would be in memory counts, and the table goes on."""
    with level(server, max_headers=1, max_header_block=10), Peer(server) as peer:
        peer.send(h2.frame(h2.HEADERS, 5, 1, h2.block() + h2.literal("x-bomb", "b" * 3900, indexed=True)))
        assert peer.reply(1).text() == "Hello, World!"
        for i in range(1, 11):
            peer.send(h2.frame(h2.HEADERS, 5, opened(i), h2.block() + b"\xbe" * 15000))
            assert peer.reply(opened(i)).status == 431
        peer.send(h2.frame(h2.HEADERS, 5, 101, h2.block() + h2.literal("x-new", "n", indexed=True) + b"\xbe" * 3))
        assert peer.reply(101).status == 200
        # A refused block whose fields enter the table: the next one may refer to them.
        peer.send(h2.frame(h2.HEADERS, 5, 103, h2.block() + b"\xbe" * 12000 + h2.literal("x-late", "l" * 50, indexed=True) + b"\xbe" * 1000))
        assert peer.reply(103).status == 431
        peer.send(h2.frame(h2.HEADERS, 5, 105, h2.block() + b"\xbe\xbf"))
        assert peer.reply(105).status == 200


def test_many_fields(server):
    with level(server, max_headers=1), Peer(server) as peer:
        assert peer.ask(1, fields=[("x", "y")] * 90).status == 200
        assert peer.ask(3, fields=[("x", "y")] * 1000).status == 431
        assert peer.ask(5).status == 200


def test_large_heads(server):
    with level(server, max_header_block=2), Peer(server) as peer:
        assert peer.ask(1, fields=[("x-large", "y" * 12000)]).status == 431
        assert peer.ask(3, fields=[("x-large", "y" * 1000)] * 10).status == 431
        assert peer.ask(5).status == 200


def test_a_frame_that_is_too_long(server):
    for piece in (h2.frame(h2.HEADERS, 4, 1, b"", length=16385), h2.frame(h2.SETTINGS, 0, 0, b"", length=16386), h2.frame(h2.DATA, 0, 1, b"", length=0xFFFFFF)):
        with level(server, http2_protocol=1), Peer(server) as peer:
            peer.send(piece)
            expect_calm(peer, h2.FRAME_SIZE_ERROR)


def test_hpack_that_is_wrong(server):
    """A block that cannot be decoded ends the connection: the table would not be known any more."""
    for block in (b"\xbe", b"\x80", b"\x3f\xe2\x1f", b"\x40\x85", b"\x7f\xff\xff\xff\xff\xff\xff"):
        with level(server, http2_protocol=1), Peer(server) as peer:
            peer.send(h2.frame(h2.HEADERS, 5, 1, block))
            expect_calm(peer, h2.COMPRESSION_ERROR)


@pytest.mark.parametrize("ids, error", [((5, 3), h2.STREAM_CLOSED), ((2,), h2.PROTOCOL_ERROR), ((0,), h2.PROTOCOL_ERROR), ((1, 1), h2.STREAM_CLOSED),
                                        ((2**31 - 1, 1), h2.STREAM_CLOSED)])
def test_stream_ids(server, ids, error):
    """Backwards, even, none; one that has been used."""
    with level(server, http2_protocol=1), Peer(server) as peer:
        for id in ids[:-1]:
            assert peer.ask(id).status == 200
        peer.send(h2.headers(ids[-1]))
        expect_calm(peer, error)


# ---- Streams


def test_too_many_streams(start_probe):
    server = start_probe("workers=1", "http2_max_streams=10")
    assert server.ask().status == 200
    with level(server, http2_max_streams=20), Peer(server) as peer:
        peer.send(*(h2.headers(opened(i), "/sleep/300") for i in range(30)))
        peer.until(lambda: sum(s.over for s in peer.streams.values()) == 30)
        assert peer.settings[h2.MAX_STREAMS] == 10
        assert [peer.streams[opened(i)].reset for i in range(30)] == [None] * 10 + [h2.REFUSED_STREAM] * 20
        assert [peer.streams[opened(i)].text() for i in range(10)] == ["slept"] * 10
        assert peer.ask(99).text() == "Hello, World!"


def test_a_handler_that_runs_is_a_stream(start_probe):
    """Who resets its streams cannot have more handlers than streams: those that do not notice count until they end."""
    server = start_probe("workers=1", "http2_max_streams=10", "offload_threads=2")
    assert server.ask().status == 200
    with Peer(server) as peer:
        peer.send(*(h2.headers(opened(i), "/offload/500") + h2.reset(opened(i)) for i in range(30)), h2.ping())
        peer.until(lambda: peer.pongs)
        refused = [s for s in peer.streams.values() if s.reset == h2.REFUSED_STREAM]
        assert len(refused) == 20
        wait_for(lambda: ledger(server), lambda found: found["fibers"] <= 1)
        assert peer.ask(99).text() == "Hello, World!"


@pytest.mark.parametrize("path", ["/large-static", "/large-write", "/flood", "/pieces/100/4096"])
def test_windows_that_stay_shut(start_probe, path):
    """Each stream has its own time; the connection lives on."""
    server = start_probe("workers=1", "write_timeout_ms=600", "write_min_rate=-1")
    assert server.ask().status == 200
    with level(server, write_timeout_ms=100), Peer(server, {h2.INITIAL_WINDOW: 0}) as peer:
        peer.send(*(h2.headers(opened(i), path) for i in range(100)))
        peer.until(lambda: sum(s.reset is not None for s in peer.streams.values()) == 100)
        assert {s.reset for s in peer.streams.values()} == {h2.CANCEL}
        peer.send(h2.settings({h2.INITIAL_WINDOW: 65535}))
        assert peer.ask(201).text() == "Hello, World!"


def test_the_connections_window_stays_shut(start_probe):
    server = start_probe("workers=1", "write_timeout_ms=600", "write_min_rate=-1")
    assert server.ask().status == 200
    with level(server, write_timeout_ms=50), Peer(server, windows=False) as peer:
        peer.send(*(h2.headers(opened(i), "/large-static") for i in range(50)))
        peer.until(lambda: sum(s.reset is not None for s in peer.streams.values()) == 50)
        assert sum(len(s.body) for s in peer.streams.values()) == 65535
        peer.send(h2.window_update(0, 65535))
        assert peer.ask(201).text() == "Hello, World!"


def test_a_window_that_opens_by_bytes(start_probe):
    """Something is taken all the time, and too little."""
    server = start_probe("workers=1", "write_timeout_ms=1000", "write_min_rate=10000")
    assert server.ask().status == 200
    with level(server, write_min_rate=10), Peer(server, {h2.INITIAL_WINDOW: 0}, windows=False) as peer:
        peer.send(*(h2.headers(opened(i), "/large-static") for i in range(10)))
        deadline = time.monotonic() + 30
        while sum(s.reset is not None for s in peer.streams.values()) < 10:
            assert time.monotonic() < deadline
            peer.send(*(h2.window_update(opened(i), 1) for i in range(10) if peer.streams[opened(i)].reset is None))
            peer.fill(0.1)
        assert {peer.streams[opened(i)].reset for i in range(10)} == {h2.CANCEL}


def test_uploading_and_reading_nothing(start_probe):
    """An echo whose replies are not taken: what is uploaded stays within the windows."""
    server = start_probe("workers=1", "write_timeout_ms=800", "write_min_rate=-1")
    with Peer(server) as peer:
        assert peer.ask(1, "/echo", "POST", body=b"x").text() == "x"
    wait_for(lambda: ledger(server), lambda found: found["connections"] == 1)
    with Peer(server, {h2.INITIAL_WINDOW: 0}) as peer:
        ids = [opened(i) for i in range(20)]
        peer.send(*(h2.headers(id, "/echo", "POST", end=False) for id in ids))
        sent = dict.fromkeys(ids, 0)
        first = None
        while not peer.fill(0.3) or first is None:
            first = first or peer.settings and peer.settings[h2.INITIAL_WINDOW]
            for id in ids:
                room = (first or 0) + peer.credit.get(id, 0) - sent[id]
                if room > 0 and peer.streams[id].reset is None:
                    piece = min(room, 16384)
                    peer.send(h2.data(id, bytes(piece)))
                    sent[id] += piece
        assert sum(sent.values()) <= MIB
        assert all(count <= 200000 for count in sent.values()), sent
        peer.until(lambda: sum(peer.streams[id].reset is not None for id in ids) == len(ids))
        assert {peer.streams[id].reset for id in ids} == {h2.CANCEL}
        assert peer.ask(101).status == 200


def test_unread_bodies_fill_the_connections_window(start_probe):
    """They cannot be more than it; what its handlers leave unread is given back."""
    server = start_probe("workers=1", "http2_connection_window=65535")
    assert server.ask().status == 200
    with level(server), Peer(server) as peer:
        peer.until(lambda: peer.settings)
        first = peer.settings[h2.INITIAL_WINDOW]
        count = 65535 // first
        peer.send(*(h2.headers(opened(i), "/sleep/700", "POST", end=False) + h2.data(opened(i), bytes(first), end=True) for i in range(count)))
        assert peer.credit.get(0, 0) == 0
        peer.until(lambda: sum(s.over for s in peer.streams.values()) == count)
        assert {peer.streams[opened(i)].text() for i in range(count)} == {"slept"}
        peer.until(lambda: peer.credit.get(0, 0) > 0)
    with level(server, http2_protocol=1), Peer(server) as peer:
        for i in range(count):
            peer.send(h2.headers(opened(i), "/sleep/60000", "POST", end=False) + h2.data(opened(i), bytes(first)))
        left = 65535 - count * first
        peer.send(h2.headers(opened(count), "/sleep/60000", "POST", end=False) + h2.data(opened(count), bytes(left + 1)))
        expect_calm(peer, h2.FLOW_CONTROL_ERROR)


# ---- Silence

CUT = {
    "the preface": h2.PREFACE[:10],
    "the preface alone": h2.PREFACE + h2.settings()[:5],
    "a frame's head": h2.PREFACE + h2.settings() + h2.headers(1)[:5],
    "a frame": h2.PREFACE + h2.settings() + h2.headers(1)[:-3],
    "a header block": h2.PREFACE + h2.settings() + h2.settings(ack=True) + h2.frame(h2.HEADERS, h2.END_STREAM, 1, h2.block()),
    "settings": h2.PREFACE + h2.settings() + h2.settings({1: 4096})[:-1],
}


@pytest.mark.parametrize("where", CUT)
def test_half_a_frame_and_silence(start_probe, where):
    server = start_probe("workers=1", "header_timeout_ms=300")
    assert server.ask().status == 200
    with level(server, header_timeout_ms=1), Peer(server, begin=False, acknowledge=False) as peer:
        peer.send(CUT[where])
        peer.rest()


def test_half_a_frame_by_drips(start_probe):
    """The time is for the whole of it."""
    server = start_probe("workers=1", "header_timeout_ms=400")
    with level(server, header_timeout_ms=1), Peer(server, acknowledge=False) as peer:
        block = h2.headers(1, fields=[("x", "y" * 1000)])
        deadline = time.monotonic() + 30
        for i in range(len(block) - 1):
            assert time.monotonic() < deadline
            if peer.ended:
                break
            peer._answer(block[i : i + 1])
            peer.fill(0.05)
        assert peer.ended


@pytest.mark.parametrize("first", [h2.headers(1)[:-9], h2.frame(h2.HEADERS, h2.END_STREAM, 1, h2.block())[:40]], ids=["at rest", "live"])
@pytest.mark.parametrize("others", [b"", h2.headers(1, "/sleep/60000")], ids=["alone", "beside a stream"])
def test_half_a_frame_and_a_server_that_stood_still(start_probe, first, others):
    """What has come when the time is over is looked at once; if it is not the rest, there is no second time."""
    server = start_probe("workers=1", "header_timeout_ms=500")
    with level(server, header_timeout_ms=1), Peer(server, acknowledge=False) as peer:
        peer.send(h2.settings(ack=True), others, h2.ping())
        peer.until(lambda: peer.pongs)
        peer.send(first[:3] + first[3:].replace(b"\0\0\0\1", b"\0\0\0\3", 1))
        peer.fill(0.2)
        server.process.send_signal(signal.SIGSTOP)
        peer.send(b"y")
        time.sleep(0.6)
        server.process.send_signal(signal.SIGCONT)
        peer.rest()


def test_half_a_body_that_nobody_reads(start_probe):
    """Within DATA of a request that has been answered: silence ends it as it ends any other."""
    server = start_probe("workers=1", "idle_timeout_ms=700", "header_timeout_ms=500")
    assert server.ask().status == 200
    before = ledger(server)
    for length in ({"content-length": "1000"}, {}):
        with Peer(server, windows=False, acknowledge=False) as peer:
            peer.send(h2.settings(ack=True), h2.headers(1, "/ignore-body", "POST", length, end=False), h2.frame(h2.DATA, 1, 1, bytes(10), length=1000))
            assert peer.reply(1).status == 200
            peer.rest()
    wait_for(lambda: in_use(ledger(server)), lambda found: found == in_use(before))


@pytest.mark.parametrize("first", [b"", h2.data(1, b"some"), h2.frame(h2.DATA, 0, 1, b"some", length=1000)], ids=["none", "some", "half a frame"])
def test_a_body_that_does_not_come(start_probe, first):
    server = start_probe("workers=1", "body_timeout_ms=400")
    with Peer(server) as peer:
        assert peer.ask(1, "/echo", "POST", body=b"x").text() == "x"
    wait_for(lambda: ledger(server), lambda found: found["connections"] == 1)
    with level(server, body_timeout_ms=1), Peer(server, windows=False, acknowledge=False) as peer:
        peer.send(h2.headers(1, "/read-all", "POST", end=False), first)
        assert peer.reply(1).status == 408
        if not first.endswith(b"some") or first == h2.data(1, b"some"):
            assert peer.ask(3).text() == "Hello, World!"


def test_a_body_that_comes_by_bytes(start_probe):
    server = start_probe("workers=1", "body_min_rate=1000", "body_grace_ms=300")
    assert server.ask().status == 200
    with level(server, body_min_rate=1), Peer(server) as peer:
        peer.send(h2.headers(1, "/read-all", "POST", end=False))
        deadline = time.monotonic() + 30
        while not peer.streams[1].over:
            assert time.monotonic() < deadline
            peer.send(h2.data(1, b"x"))
            peer.fill(0.05)
        assert peer.streams[1].status == 408
        assert peer.ask(3).text() == "Hello, World!"


def test_idle(start_probe):
    server = start_probe("workers=1", "idle_timeout_ms=400")
    assert server.ask().status == 200
    with level(server, idle_timeout_ms=2), Peer(server) as peer:
        expect_calm(peer, h2.NO_ERROR)
        with Peer(server) as used:
            assert used.ask(1).text() == "Hello, World!"
            assert expect_calm(used, h2.NO_ERROR) == 1


@pytest.mark.parametrize("path", ["/sleep/60000", "/read-all", "/large-static"])
def test_settings_that_are_not_acknowledged_in_time(start_probe, path):
    """Until they are, a client may send as much as without them; so that ends, whatever else goes on."""
    server = start_probe("workers=1", "header_timeout_ms=500")
    if path != "/large-static":
        assert server.ask("POST", path.replace("60000", "1")).status == 200
    with level(server, http2_settings=1), Peer(server, acknowledge=False, windows=False) as peer:
        early = [h2.data(1, bytes(16000)) for _ in range(4)]
        peer.send(h2.headers(1, path, "GET" if path == "/large-static" else "POST", end=path == "/large-static"))
        peer.send(*(early if path != "/large-static" else ()))
        assert expect_calm(peer, h2.SETTINGS_TIMEOUT) == 1


def test_settings_acknowledged_late(start_probe):
    server = start_probe("workers=1", "header_timeout_ms=2000")
    assert server.ask("GET", "/sleep/1").status == 200
    with level(server), Peer(server, acknowledge=False) as peer:
        peer.send(h2.headers(1, "/sleep/2500"), h2.ping())
        peer.until(lambda: peer.pongs)
        peer.send(h2.settings(ack=True))
        assert peer.reply(1).text() == "slept"


def test_settings_acknowledged_while_the_server_stood_still(start_probe):
    """What has come when the time is over counts."""
    server = start_probe("workers=1", "header_timeout_ms=2000")
    assert server.ask("GET", "/sleep/1").status == 200
    with level(server), Peer(server, acknowledge=False) as peer:
        peer.send(h2.headers(1, "/sleep/3000"), h2.ping())
        peer.until(lambda: peer.pongs)
        server.process.send_signal(signal.SIGSTOP)
        peer.send(h2.settings(ack=True))
        time.sleep(2.2)
        server.process.send_signal(signal.SIGCONT)
        assert peer.reply(1).text() == "slept"


def test_settings_that_nobody_looks_at_between_requests(start_probe):
    """A client may look at a connection that rests only when it has the next request."""
    server = start_probe("workers=1", "header_timeout_ms=500")
    assert server.ask().status == 200
    with level(server), Peer(server, acknowledge=False) as peer:
        assert peer.ask(1).text() == "Hello, World!"
        time.sleep(0.7)
        assert peer.ask(3).text() == "Hello, World!"
        assert not peer.goaways


def test_settings_that_are_never_acknowledged(server):
    """The client is served, and its table is kept as long as it may use it."""
    with level(server), Peer(server, acknowledge=False) as peer:
        peer.send(h2.frame(h2.HEADERS, 5, 1, h2.block() + h2.literal("x-kept", "k" * 100, indexed=True)))
        assert peer.reply(1).status == 200
        peer.until(lambda: sum(f.type == h2.SETTINGS and not f.flags & h2.ACK for f in peer.frames) == 2)  # the table is to go
        for i in range(3):
            peer.send(h2.frame(h2.HEADERS, 5, opened(i + 1), h2.block() + b"\xbe"))
            assert peer.reply(opened(i + 1)).status == 200
        assert sum(f.type == h2.SETTINGS and not f.flags & h2.ACK for f in peer.frames) <= 3


def test_the_table_goes_and_comes(server):
    """After some rest the server takes its table back; with the next request it may be used again."""
    with level(server), Peer(server) as peer:
        for turn in range(2):
            block = h2.block() if turn == 0 else b"\x20\x3f\xe1\x1f" + h2.block()
            peer.send(h2.frame(h2.HEADERS, 5, opened(3 * turn), block + h2.literal("x-kept", "k" * 100, indexed=True)))
            assert peer.reply(opened(3 * turn)).status == 200
            mine = lambda: [f.payload for f in peer.frames if f.type == h2.SETTINGS and not f.flags & h2.ACK][1:]  # noqa: E731
            peer.until(lambda: len(mine()) == 1 + 2 * turn)
            assert mine()[-1] == b"\0\1\0\0\0\0"
            if turn == 0:
                peer.send(h2.frame(h2.HEADERS, 5, 3, b"\x20" + h2.block()))
                assert peer.reply(3).status == 200
                peer.until(lambda: len(mine()) == 2)
                assert mine()[-1] == b"\0\1\0\0\x10\0"


def test_clients_that_leave(server):
    """With streams in every state, and all at once."""
    with level(server):
        for _ in range(4):
            peer = Peer(server, {h2.INITIAL_WINDOW: 100}, windows=False)
            paths = ["/sleep/60000", "/large-static", "/flood", "/large-write", "/"]
            peer.send(*(h2.headers(opened(i), paths[i % len(paths)]) for i in range(30)),
                      h2.headers(101, "/echo", "POST", end=False), h2.data(101, bytes(5000)),
                      h2.headers(103, "/read-all", "POST", end=False))
            peer.until(lambda: peer.streams[101].status)
            peer.send(h2.headers(105)[:20])
            peer.drop()
