"""What clients of HTTP/2 have done to servers, each bounded and told in the ledger by a cause of its own: rapid resets, and
resets that the server is made to send, floods of frames that cost their sender little, header blocks without an end or
of enormous size once decoded, windows that stay shut. Meanwhile somebody else is served.

SPDX-License-Identifier: MIT
"""

import json

import pytest

import h2client as h2
from conftest import BUILD, Server
from h2client import CONTINUATION, END_HEADERS, END_STREAM, HEADERS
from h2client import block, data, frame, headers, literal, ping, priority, priority_update, request
from h2client import rst_stream, settings, window_update

pytestmark = pytest.mark.threaded

if "WEIR_HTTP2:BOOL=OFF" in (BUILD / "CMakeCache.txt").read_text():
    pytest.skip("a build without HTTP/2", allow_module_level=True)

FRAMES = 20000  # of an attack
BUCKET = 1000  # faults that a connection may have at once
POST = request("POST", "/")


@pytest.fixture(scope="module")
def server():
    server = Server("tests/programs/conform", "workers=1")
    yield server
    server.stop()


@pytest.fixture
def refusals(server):
    """How often each cause has been counted since the test began."""

    def read():
        return json.loads(server.ask(path="/ledger.json").text())["refusals"]

    before = read()
    return lambda: {cause: count - before[cause] for cause, count in read().items() if count != before[cause]}


def ids():
    return range(1, 2 * FRAMES, 2)


def resets():
    for stream in ids():
        yield headers(stream) + rst_stream(stream)


def malformed():
    for stream in ids():
        yield headers(stream, block(("X", "y")))


def windows_by_0():
    for stream in ids():
        yield headers(stream, POST, end=False) + window_update(stream, 0)


def data_on_closed():
    yield headers(1)
    for _ in ids():
        yield data(1, b"x")


def depends_on_itself():
    for stream in ids():
        yield priority(stream, stream)


def on_a_stream(piece):
    yield headers(1, POST, end=False)
    for _ in range(FRAMES):
        yield piece


FLOODS = {
    "rapid reset": (resets, "http2_resets"),
    "malformed requests": (malformed, "http2_resets"),
    "windows opened by 0": (windows_by_0, "http2_resets"),
    "DATA on a closed stream": (data_on_closed, "http2_resets"),
    "PING": (lambda: [ping()] * FRAMES, "http2_control"),
    "PING's acknowledgements": (lambda: [ping(flags=h2.ACK)] * FRAMES, "http2_control"),
    "SETTINGS": (lambda: [settings((4, 65535))] * FRAMES, "http2_control"),
    "empty SETTINGS": (lambda: [settings()] * FRAMES, "http2_control"),
    "GOAWAY": (lambda: [h2.goaway()] * FRAMES, "http2_control"),
    "PRIORITY": (lambda: [priority(1)] * FRAMES, "http2_empty"),
    "PRIORITY on itself": (depends_on_itself, "http2_empty"),
    "PRIORITY_UPDATE": (lambda: [priority_update(1, "u=1")] * FRAMES, "http2_empty"),
    "empty DATA": (lambda: on_a_stream(data(1)), "http2_empty"),
    "DATA of padding alone": (lambda: on_a_stream(data(1, b"\x07" + bytes(7), flags=h2.PADDED)), "http2_empty"),
    "frames that nobody knows": (lambda: [frame(0xEE)] * FRAMES, "http2_empty"),
}


@pytest.mark.parametrize("flood", FLOODS)
def test_floods(server, refusals, flood):
    """The bucket empties by 33 a second: how much was sent before it was full is not asked here beyond a bound that a
    slow machine meets, too."""
    make, cause = FLOODS[flood]
    with h2.Connection(server.address) as attacker, h2.Connection(server.address) as other:
        assert other.ask().status == 200
        attacker.flood(make())
        assert attacker.end() == "ENHANCE_YOUR_CALM"
        assert attacker.goaways[-1][0] < 2 * FRAMES - 1
        assert other.ask().status == 200
    assert refusals()[cause] >= 1


@pytest.mark.parametrize("first", [headers(1, flags=0), frame(HEADERS, 0, 1)], ids=["a request", "nothing"])
def test_continuation_without_an_end(server, refusals, first):
    with h2.Connection(server.address) as attacker, h2.Connection(server.address) as other:
        attacker.flood([first] + [frame(CONTINUATION, 0, 1, literal("x", "y" * 100))] * FRAMES)
        assert attacker.end() == "ENHANCE_YOUR_CALM"
        assert other.ask().status == 200
    assert refusals() == {"http2_continuation": 1}


def test_settings_with_many_values(server, refusals):
    with h2.Connection(server.address) as attacker:
        attacker.send(settings(*[(4, 65535)] * 2000))
        assert attacker.end() == "ENHANCE_YOUR_CALM"
    assert refusals() == {"http2_control": 1}


def test_a_head_that_is_large_once_decoded(server, refusals):
    """An entry of 4,000 bytes, and a block of indexes: megabytes of fields. The connection goes on."""
    with h2.Connection(server.address) as attacker:
        attacker.send(headers(1, request() + [("bomb", "x" * 3900)], first=0x40))
        assert attacker.reply(1).status == 200
        attacker.send(headers(3, block(*request()) + b"\xbe" * 15000))
        assert attacker.reply(3).status == 431
        attacker.send(headers(5, block(*request()) + b"\xbe"))
        assert attacker.reply(5).status == 200
    assert set(refusals()) <= {"max_header_block", "max_headers"}


def test_many_cookies(server, refusals):
    """Each costs a byte to send; joined they become too long."""
    with h2.Connection(server.address) as attacker:
        attacker.send(headers(1, block(*request()) + literal("cookie", "a", 0x40) + literal("x", "y", 0x40) + b"\xbf\xbe" * 4000))
        assert attacker.reply(1).status == 431
        attacker.send(headers(3, block(*request()) + b"\xbf" * 15000))
        assert attacker.reply(3).status == 431
        attacker.send(headers(5, block(*request()) + b"\xbf" * 1000))
        assert attacker.reply(5).status == 200


def test_tables_that_are_filled_again_and_again(server):
    """Entries that each let all others go."""
    with h2.Connection(server.address) as attacker, h2.Connection(server.address) as other:
        fields = block(*request()) + literal("x", "y" * 4000, 0x40) + literal("z", "y" * 3000, 0x40)
        for stream in range(1, 201, 2):
            attacker.send(headers(stream, fields))
            assert attacker.reply(stream).status == 200
        assert other.ask().status == 200


def test_windows_that_stay_shut(server, refusals):
    """As many requests as may be, none of whose replies can be sent: others are served, and further ones are refused."""
    with h2.Connection(server.address, [(h2.INITIAL_WINDOW_SIZE, 0)]) as attacker, h2.Connection(server.address) as other:
        attacker.roundtrip()
        most = attacker.peer[h2.MAX_CONCURRENT_STREAMS]
        streams = [attacker.open(path="/announce/100000/100000/whole") for _ in range(most + 10)]
        for stream in streams[most:]:
            assert attacker.reply(stream).reset == "REFUSED_STREAM"
        assert other.ask().status == 200
        for stream in streams[:most]:
            attacker.send(rst_stream(stream))
        attacker.roundtrip()
        again = attacker.open(path="/")
        attacker.send(window_update(again, 1000))
        attacker.windows[again] = attacker.windows.get(again, 0) + 1000
        assert attacker.reply(again).status == 200
    assert refusals() == {"http2_max_streams": 10}


def test_requests_that_are_opened_and_left(server):
    """Bodies that never come hold no more than their streams, and end with the connection."""
    with h2.Connection(server.address) as attacker, h2.Connection(server.address) as other:
        attacker.roundtrip()
        for _ in range(attacker.peer[h2.MAX_CONCURRENT_STREAMS]):
            attacker.open("POST", "/", end=False)
        attacker.roundtrip()
        assert other.ask("POST", "/", body=b"x").status == 200
        assert server.ask("POST", "/", body=b"x").status == 200
