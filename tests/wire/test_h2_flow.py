"""HTTP/2's windows and streams where they are narrowest: what a client's frames do between each other.

SPDX-License-Identifier: MIT
"""

import socket
import struct

import pytest

from conftest import Server
from h2frames import (ACK, DATA, END_STREAM, GOAWAY, HEADERS, PING, PREFACE, RST_STREAM, SETTINGS, WINDOW_MOST,
                      WINDOW_UPDATE)
from h2frames import INITIAL_WINDOW_SIZE as INITIAL_WINDOW
from h2frames import frame, window_update
from h2peer import headers, settings


def request(stream, path, method="GET", end=True, **fields):
    return headers(stream, path, method, [(name.replace("_", "-"), value) for name, value in fields.items()], end)


class Peer:
    """Sends what it is told and counts what comes; acknowledges settings and gives no window by itself."""

    def __init__(self, server, first=None):
        self.socket = socket.create_connection(server.address, timeout=20)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = bytearray()
        self.frames = []
        self.ended = False  # this side
        self.send(PREFACE + settings(first or {}))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, *parts):
        self.socket.sendall(b"".join(parts))

    def end(self):
        self.ended = True
        self.socket.shutdown(socket.SHUT_WR)

    def read(self):
        """The next frame; None: the end."""
        while len(self.buffer) < 9 or len(self.buffer) < 9 + int.from_bytes(self.buffer[:3], "big"):
            try:
                got = self.socket.recv(65536)
            except ConnectionResetError:
                got = b""
            if not got:
                return None
            self.buffer += got
        length = int.from_bytes(self.buffer[:3], "big")
        kind, flags, stream = self.buffer[3], self.buffer[4], int.from_bytes(self.buffer[5:9], "big")
        payload = bytes(self.buffer[9 : 9 + length])
        del self.buffer[: 9 + length]
        if kind == SETTINGS and not flags & ACK and not self.ended:
            self.send(frame(SETTINGS, ACK))
        self.frames.append((kind, flags, stream, payload))
        return self.frames[-1]

    def until(self, done):
        """Reads until done(frame); returns it."""
        while True:
            got = self.read()
            assert got, self.frames[-5:]
            if done(*got):
                return got

    def data(self, least):
        """Reads DATA until so many bytes have come."""
        got = 0
        while got < least:
            got += len(self.until(lambda kind, *_: kind == DATA)[3])
        return got

    def turn(self):
        """All that the server does because of what was sent: returns the frames until then."""
        before = len(self.frames)
        for mark in (b"turnturn", b"turn two"):
            self.send(frame(PING, 0, 0, mark))
            self.until(lambda kind, flags, _, payload, mark=mark: kind == PING and flags & ACK and payload == mark)
        return self.frames[before:]


@pytest.fixture
def tour(tmp_path):
    server = Server("examples/tour", "--port", 0, "--root", tmp_path, "--quiet")
    yield server
    server.stop()


def test_narrow_windows(tour):
    """A handler that waits for a window goes on, however little of what it has written is left."""
    with Peer(tour, {INITIAL_WINDOW: 1000}) as peer:
        peer.send(request(1, "/stream"))
        for _ in range(40):
            assert peer.data(1000) == 1000
            peer.send(window_update(1, 1000))


def test_window_narrowed(tour):
    """A window that is made smaller while its stream waits for the connection's counts at once."""
    with Peer(tour, {INITIAL_WINDOW: 1 << 20}) as peer:
        peer.send(request(1, "/stream"))
        peer.data(65535)
        peer.send(settings({INITIAL_WINDOW: 0}), window_update(0, 10000))
        assert not [f for f in peer.turn() if f[0] == DATA]
        peer.send(window_update(1, 65535 + 100))
        assert peer.data(100) == 100


def test_window_overflow(tour):
    """SETTINGS that make one stream's window too large end all streams, and nothing else."""
    with Peer(tour, {INITIAL_WINDOW: 65535}) as peer:
        peer.send(request(1, "/stream"))
        peer.data(65535)
        for stream in (33, 65, 97, 129):
            peer.send(request(stream, "/"))
        peer.send(window_update(65, WINDOW_MOST - 65535))
        peer.turn()
        peer.send(settings({INITIAL_WINDOW: 65536}))
        error = peer.until(lambda kind, *_: kind == GOAWAY)[3]
        assert struct.unpack(">II", error[:8]) == (129, 3)
        while peer.read():
            pass
    assert tour.ask().status == 200


@pytest.mark.parametrize("known", [False, True])
def test_window_before_settings(tour, known):
    """A client that does not know our settings yet has a window of 65,535 bytes for each stream (RFC 9113 section
    6.9.3), which a handler that reads nothing has to find in memory; one that has acknowledged them has less."""
    with Peer(tour) as peer:
        if known:
            peer.turn()
        pieces = [frame(DATA, END_STREAM if i == 3 else 0, 1, bytes(16383 if i == 3 else 16384)) for i in range(4)]
        peer.send(request(1, "/wait/30", end=False, content_length="65535"), *pieces)
        kind, flags, _, payload = peer.until(lambda kind, flags, stream, _: stream == 1)
        assert (kind, payload) == (RST_STREAM, b"\0\0\0\3") if known else kind == HEADERS
        if not known:
            peer.until(lambda kind, flags, stream, payload: kind == DATA and payload == b"30")
        peer.send(request(3, "/"))
        peer.until(lambda kind, flags, stream, _: stream == 3 and kind == HEADERS)


def test_empty_end_beyond_the_window(tour):
    """The end of a body takes nothing of a window, also of one that is below 0 (RFC 9113 section 6.9)."""
    with Peer(tour) as peer:
        peer.send(request(1, "/wait/300", end=False), *[frame(DATA, 0, 1, bytes(size)) for size in (16384, 16384, 16384, 16383)])
        peer.turn()
        peer.send(frame(DATA, END_STREAM, 1, b""))
        assert peer.until(lambda kind, flags, stream, _: stream == 1)[0] == HEADERS
        peer.until(lambda kind, flags, stream, payload: kind == DATA and payload == b"300")


def test_half_closed(tour):
    """A client that ends its side in the middle of a body does not keep the handler waiting for the rest."""
    with Peer(tour) as peer:
        peer.send(request(1, "/length", "POST", end=False, content_length="10"), frame(DATA, 0, 1, b"abc"))
        peer.turn()
        peer.end()
        while peer.read():
            pass
        assert [f for f in peer.frames if f[2] == 1]


def test_half_closed_reply(tour):
    """And it gets the replies to what it has asked for."""
    with Peer(tour) as peer:
        peer.send(request(1, "/wait/100"), request(3, "/wait/50"))
        peer.end()
        while peer.read():
            pass
        assert {f[2] for f in peer.frames if f[0] == DATA} == {1, 3}


def test_connection_window_comes_back(tour):
    """Whatever becomes of a body, the connection's window gets back what it took."""
    sent, given = 0, 0
    with Peer(tour) as peer:
        for stream in range(1, 601, 2):
            body = bytes(8000)
            wrong = stream % 4 == 1
            peer.send(request(stream, "/length", "POST", end=False, content_length=str(1 if wrong else len(body))))
            peer.send(frame(DATA, 0 if wrong else END_STREAM, stream, body))
            sent += len(body)
            peer.turn()
        given = sum(int.from_bytes(f[3], "big") for f in peer.frames if f[0] == WINDOW_UPDATE and f[2] == 0)
    first = (1 << 20) - 65535
    assert sent - (1 << 19) <= given - first <= sent
