"""An HTTP/2 client for peers that no library plays: what is sent is what the test says, and what comes is kept by stream.
Peer sends bytes, reads frames, answers SETTINGS and gives windows only where it is told to. The functions before it are
those of h2frames.py in a shorter form.

SPDX-License-Identifier: MIT
"""

import collections
import select
import socket
import struct
import time

import hpack

import client
import h2frames
from h2frames import (ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PADDED, PING, PREFACE, PRIORITY,
                      PRIORITY_UPDATE, RST_STREAM, SETTINGS, WINDOW_MOST, WINDOW_UPDATE)
from h2frames import INITIAL_WINDOW_SIZE as INITIAL_WINDOW
from h2frames import MAX_CONCURRENT_STREAMS as MAX_STREAMS
from h2frames import WITH_PRIORITY as HAS_PRIORITY
from h2frames import data, frame, window_update
from h2frames import rst_stream as reset

(NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, FLOW_CONTROL_ERROR, SETTINGS_TIMEOUT, STREAM_CLOSED, FRAME_SIZE_ERROR, REFUSED_STREAM, CANCEL,
 COMPRESSION_ERROR, CONNECT_ERROR, ENHANCE_YOUR_CALM) = range(12)

Frame = collections.namedtuple("Frame", "type flags stream payload")


def settings(values=(), ack=False):
    return h2frames.settings(*(values.items() if isinstance(values, dict) else values), flags=ACK * ack)


def ping(opaque=b"12345678", ack=False):
    return h2frames.ping(opaque, ACK * ack)


def literal(name, value, indexed=False):
    """indexed: it enters the table."""
    return h2frames.literal(name, value, 0x40 if indexed else 0)


def block(path="/", method="GET", fields=(), authority="localhost"):
    pairs = fields.items() if isinstance(fields, dict) else fields
    return h2frames.block(*h2frames.request(method, path, *pairs, authority=authority))


def headers(stream, path="/", method="GET", fields=(), end=True):
    return h2frames.headers(stream, block(path, method, fields), end)


class Stream:
    """What has come of one stream."""

    def __init__(self):
        self.interim = []  # statuses of 1xx
        self.status = None
        self.headers = []
        self.trailers = []
        self.body = bytearray()
        self.ended = False
        self.reset = None

    @property
    def over(self):
        return self.ended or self.reset is not None

    def header(self, name):
        return next((value for key, value in self.headers if key == name), None)

    def text(self):
        return bytes(self.body).decode()

    def __repr__(self):
        return f"<{self.status} {self.headers} {bytes(self.body[:80])!r} of {len(self.body)} ended={self.ended} reset={self.reset}>"


class Peer:
    """A connection of its own. first: settings of the client. windows: gives back what it reads, at once."""

    def __init__(self, server, first=(), context=None, timeout=20, receive_buffer=None, windows=True, begin=True, acknowledge=True):
        self.socket = client.open_socket(server.address, timeout, receive_buffer)
        if context:
            self.socket = context.wrap_socket(self.socket, server_hostname="localhost")
            assert self.socket.selected_alpn_protocol() == "h2"
        self.timeout = timeout
        self.windows = windows
        self.acknowledge = acknowledge
        self.buffer = bytearray()
        self.frames = []  # all but DATA, in order
        self.order = []  # streams of DATA that was not empty, in order
        self.streams = collections.defaultdict(Stream)
        self.settings = None  # of the server, the first ones
        self.goaways = []  # (last stream, error)
        self.pongs = 0
        self.credit = {}  # windows that the server gave, by stream
        self.ended = False
        self.broken = False  # by a reset
        self.decoder = hpack.Decoder()
        self.decoder.max_allowed_table_size = 4096
        if begin:
            self.send(PREFACE + settings(first))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def drop(self):
        """A close that the server sees as a reset."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def send(self, *parts):
        self.socket.sendall(b"".join(parts))

    # ---- What comes

    def fill(self, seconds=None):
        """Receives once and takes the frames that are whole. False at the end of the connection, or when nothing came in that time."""
        self.socket.settimeout(self.timeout if seconds is None else seconds)
        try:
            got = self.socket.recv(262144)
        except ConnectionResetError:
            got = b""
            self.broken = True
        except TimeoutError:
            if seconds is None:
                raise
            return False
        finally:
            self.socket.settimeout(self.timeout)
        if not got:
            self.ended = True
            return False
        self.buffer += got
        while len(self.buffer) >= 9:
            length = int.from_bytes(self.buffer[:3], "big")
            if len(self.buffer) < 9 + length:
                break
            taken = Frame(self.buffer[3], self.buffer[4], int.from_bytes(self.buffer[5:9], "big"), bytes(self.buffer[9 : 9 + length]))
            del self.buffer[: 9 + length]
            self._take(taken)
        return True

    def _take(self, f):
        if f.type == DATA:
            self._take_data(f)
            return
        self.frames.append(f)
        if f.type == SETTINGS:
            self._take_settings(f)
        elif f.type == HEADERS:
            self._take_headers(f)
        elif f.type == RST_STREAM:
            if self.streams[f.stream].reset is None:  # what is on its way then may be answered by another one
                self.streams[f.stream].reset = int.from_bytes(f.payload, "big")
        elif f.type == GOAWAY:
            self.goaways.append(struct.unpack(">II", f.payload[:8]))
        elif f.type == PING:
            self.pongs += f.flags & ACK
        elif f.type == WINDOW_UPDATE:
            self.credit[f.stream] = self.credit.get(f.stream, 0) + int.from_bytes(f.payload, "big")
        else:
            raise client.ProtocolError(f"nobody asked for {f}")

    def _take_settings(self, f):
        if f.flags & ACK:
            return
        if self.settings is None:
            self.settings = dict(struct.iter_unpack(">HI", f.payload))
        if self.acknowledge:
            self._answer(settings(ack=True))

    def _answer(self, data):
        try:
            self.send(data)
        except OSError:
            pass  # the end of the connection is seen when it is read

    def _take_data(self, f):
        s = self.streams[f.stream]
        assert s.status and not s.over, (f.stream, s)
        s.body += f.payload
        s.ended = bool(f.flags & END_STREAM)
        if f.payload:
            self.order.append(f.stream)
        if self.windows and f.payload:
            self._answer(window_update(0, len(f.payload)) + (b"" if s.ended else window_update(f.stream, len(f.payload))))

    def _take_headers(self, f):
        s = self.streams[f.stream]
        assert f.flags & END_HEADERS and not s.over, (f, s)
        fields = self.decoder.decode(f.payload)
        if s.status:
            s.trailers = fields
            assert f.flags & END_STREAM
        else:
            assert fields[0][0] == ":status"
            status = int(fields[0][1])
            if status < 200:
                s.interim.append(status)
                return
            s.status, s.headers = status, fields[1:]
        s.ended = bool(f.flags & END_STREAM)

    def until(self, condition, seconds=30):
        """Reads until condition() holds; the connection must not end before."""
        deadline = time.monotonic() + seconds
        while not condition():
            left = deadline - time.monotonic()
            if left <= 0 or not self.fill(left):
                assert condition(), (self.ended, self.goaways, dict(self.streams), self.frames[-5:])

    def reply(self, stream, seconds=30):
        self.until(lambda: self.streams[stream].over, seconds)
        return self.streams[stream]

    def ask(self, stream, path="/", method="GET", fields=(), body=None):
        self.send(headers(stream, path, method, fields, end=body is None), b"" if body is None else data(stream, body, end=True))
        return self.reply(stream)

    def rest(self, seconds=30):
        """Reads to the end of the connection."""
        deadline = time.monotonic() + seconds
        while not self.ended:
            assert time.monotonic() < deadline, (self.goaways, dict(self.streams))
            self.fill(max(deadline - time.monotonic(), 0.01))

    def flood(self, piece, times, read=True, group=50):
        """Sends piece(i) for each i below times until the connection is ended, reading what comes or not. The number that were sent."""
        sent = 0
        self.socket.setblocking(False)
        pending = memoryview(b"")
        deadline = time.monotonic() + 30
        while sent < times or pending:
            assert time.monotonic() < deadline
            if not pending:
                pending = memoryview(b"".join(piece(i) for i in range(sent, min(sent + group, times))))
                sent = min(sent + group, times)
            wanted = [self.socket] if read else []
            readable, writable, _ = select.select(wanted, [self.socket], [], 10)
            if not readable and not writable:
                break  # nothing is taken any more
            if readable:
                self.fill(0)
                self.socket.setblocking(False)
            if self.ended or self.goaways:
                break
            if writable:
                try:
                    pending = pending[self.socket.send(pending) :]
                except BlockingIOError:
                    pass
                except OSError:
                    break
        self.socket.setblocking(True)
        return sent
