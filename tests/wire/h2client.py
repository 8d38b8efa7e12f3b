"""An HTTP/2 client that believes nothing: what it sends are frames made by hand (h2frames.py), and what the server sends
is held to every rule that a client can check: order of frames, flow control, header blocks.

Header blocks of the server are decoded by python3-hpack, which is not ours.

SPDX-License-Identifier: MIT
"""

import re
import select
import socket
import struct
import time

import hpack

from client import DATE, ProtocolError
from h2frames import (PREFACE, DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY,
                      WINDOW_UPDATE, CONTINUATION, PRIORITY_UPDATE, END_STREAM, ACK, END_HEADERS, PADDED,
                      WITH_PRIORITY, ERRORS, HEADER_TABLE_SIZE, ENABLE_PUSH, MAX_CONCURRENT_STREAMS,
                      INITIAL_WINDOW_SIZE, MAX_FRAME_SIZE, MAX_HEADER_LIST_SIZE, ENABLE_CONNECT_PROTOCOL,
                      NO_RFC7540_PRIORITIES)
from h2frames import (frame, integer, text, literal, block, request, headers, data, settings, window_update,
                      rst_stream, ping, priority, goaway, priority_update)

OF_CONNECTION = {"connection", "proxy-connection", "keep-alive", "transfer-encoding", "upgrade", "te"}
NAME = re.compile(r"[!#$%&'*+.^_`|~0-9a-z-]+\Z")


# ---- What is received


class Reply:
    """What has come on a stream. reset: the name of RST_STREAM's error, or None."""

    def __init__(self):
        self.informational = []
        self.status = None
        self.headers = []
        self.trailers = []
        self.body = bytearray()
        self.received = 0
        self.ended = False
        self.reset = None
        self.frames = []  # lengths of DATA

    def all(self, name):
        return [value for key, value in self.headers if key == name]

    def header(self, name):
        values = self.all(name)
        if len(values) > 1:
            raise ProtocolError(f"{name} is there {len(values)} times")
        return values[0] if values else None

    def text(self):
        return bytes(self.body).decode()

    @property
    def over(self):
        return self.ended or self.reset is not None

    def __repr__(self):
        return f"<{self.status} {self.headers} {bytes(self.body[:80])!r} of {self.received} {self.reset or ''}>"


class Connection:
    """A blocking socket, its streams, and both sides' windows.

    auto_window: what has been received is given back at once. context: TLS, with ALPN.
    """

    def __init__(self, address, pairs=(), preface=True, auto_window=True, timeout=20, context=None, hostname="localhost"):
        self.timeout = timeout
        if isinstance(address, str):
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.settimeout(timeout)
            self.socket.connect(address)
        else:
            self.socket = socket.create_connection(address, timeout)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if context:
            self.socket = context.wrap_socket(self.socket, server_hostname=hostname)
            if self.socket.selected_alpn_protocol() != "h2":
                raise ProtocolError(f"ALPN chose {self.socket.selected_alpn_protocol()}")
        self.decoder = hpack.Decoder()
        self.auto_window = auto_window
        self.replies = {}
        self.methods = {}
        self.peer = {INITIAL_WINDOW_SIZE: 65535, MAX_FRAME_SIZE: 16384, HEADER_TABLE_SIZE: 4096}
        self.settings_seen = False
        self.settings_acks = 0
        self.pings = []
        self.goaways = []
        self.window = 65535  # what the server may send
        self.windows = {}
        self.window_initial = 65535
        self.send_window = 65535  # what we may send
        self.send_windows = {}
        self.frame_max = 16384
        self.buf = bytearray()
        self.eof = False
        self._block = None
        self.next_stream = 1
        for key, value in pairs:
            if key == INITIAL_WINDOW_SIZE:
                self.window_initial = value
            elif key == MAX_FRAME_SIZE:
                self.frame_max = value
        if preface:
            self.send(PREFACE + settings(*pairs))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    # -- sending

    def send(self, *pieces):
        for piece in pieces:
            self.socket.sendall(piece)

    def reply_of(self, stream):
        return self.replies.setdefault(stream, Reply())

    def open(self, method="GET", path="/", *fields, body=None, end=None, trailers=None, **more):
        """Sends a request, as far as windows are open for its body. Returns its stream."""
        stream = self.next_stream
        self.next_stream += 2
        self.methods[stream] = method
        end = (body is None and trailers is None) if end is None else end
        self.send(headers(stream, request(method, path, *fields, **more), end=end))
        if body is not None:
            self.send_body(stream, body, end=trailers is None)
        if trailers is not None:
            self.send(headers(stream, block(*trailers)))
        return stream

    def send_body(self, stream, body, end=True, size=16384):
        view = memoryview(body)
        while True:
            most = min(size, self.peer[MAX_FRAME_SIZE], len(view), self.send_window, self.send_windows.get(stream, self.peer[INITIAL_WINDOW_SIZE]))
            if most <= 0 and len(view) > 0:  # below 0: more was sent than SETTINGS have allowed since
                if self.reply_of(stream).over:
                    return
                self.step()
                continue
            piece, view = view[:most], view[most:]
            self.send_window -= most
            self.send_windows[stream] = self.send_windows.get(stream, self.peer[INITIAL_WINDOW_SIZE]) - most
            self.send(data(stream, bytes(piece), end=end and len(view) == 0))
            if len(view) == 0:
                return

    def ask(self, method="GET", path="/", *fields, **more):
        return self.reply(self.open(method, path, *fields, **more))

    # -- receiving

    def take(self):
        """Acts on the next frame that has come whole; returns (type, flags, stream, payload), or None."""
        if len(self.buf) < 9:
            return None
        length = int.from_bytes(self.buf[:3], "big")
        if length > self.frame_max:
            raise ProtocolError(f"a frame of {length} bytes")
        if len(self.buf) < 9 + length:
            return None
        kind, flags, stream = struct.unpack(">BBI", self.buf[3:9])
        payload = bytes(self.buf[9 : 9 + length])
        del self.buf[: 9 + length]
        self.act(kind, flags, stream, payload)
        return kind, flags, stream, payload

    def step(self, deadline=None):
        """Reads a frame and acts on it; returns (type, flags, stream, payload), or None at the end."""
        while True:
            taken = self.take()
            if taken or self.eof:
                return taken
            left = self.timeout if deadline is None else deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            self.socket.settimeout(left)
            got = self.socket.recv(65536)
            self.socket.settimeout(self.timeout)
            if not got:
                self.eof = True
                if self.buf:
                    raise ProtocolError(f"cut within a frame: {bytes(self.buf[:40])!r}")
            self.buf += got

    def flood(self, pieces, seconds=60):
        """Sends pieces one after the other, as fast as they are taken, and reads meanwhile; until they are all sent or
        the connection ends. Returns how many were sent."""
        deadline = time.monotonic() + seconds
        sent, waiting, ended = 0, b"", False
        pieces = iter(pieces)
        self.socket.settimeout(0)
        try:
            while not self.eof and not (ended and not waiting):
                while len(waiting) < 16384 and not ended:
                    piece = next(pieces, None)
                    ended = piece is None
                    waiting += piece or b""
                    sent += not ended
                readable, writable, _ = select.select([self.socket], [self.socket], [], deadline - time.monotonic())
                if readable:
                    got = self.socket.recv(65536)
                    self.eof = not got
                    self.buf += got
                    while self.take():
                        pass
                if writable:
                    waiting = waiting[self.socket.send(waiting) :]
        except (BrokenPipeError, ConnectionResetError):
            self.eof = True
        self.socket.settimeout(self.timeout)
        return sent

    def until(self, condition, seconds=20):
        deadline = time.monotonic() + seconds
        while not condition():
            if self.step(deadline) is None:
                raise ProtocolError("the connection has ended")

    def reply(self, stream, seconds=20):
        """The whole reply of a stream."""
        self.until(lambda: self.reply_of(stream).over, seconds)
        return self.replies[stream]

    def roundtrip(self, opaque=b"roundtrp"):
        """Everything that was sent has been read, and what is made at once for it has come."""
        self.send(ping(opaque))
        self.until(lambda: opaque in self.pings)
        self.pings.remove(opaque)

    def end(self, seconds=20):
        """Reads to the end of the connection, which has to come; returns the name of the last GOAWAY's error."""
        deadline = time.monotonic() + seconds
        try:
            while self.step(deadline):
                pass
        except ConnectionResetError:
            pass
        return ERRORS[self.goaways[-1][1]] if self.goaways else None

    def act(self, kind, flags, stream, payload):
        if stream & 1 << 31:
            raise ProtocolError("the reserved bit is set")
        if self._block is not None and kind != CONTINUATION:
            raise ProtocolError(f"type {kind} within a header block")
        if not self.settings_seen and kind != SETTINGS:
            raise ProtocolError(f"the first frame is of type {kind}")
        act = {DATA: self.act_data, HEADERS: self.act_headers, CONTINUATION: self.act_continuation,
               RST_STREAM: self.act_reset, SETTINGS: self.act_settings, PING: self.act_ping, GOAWAY: self.act_goaway,
               WINDOW_UPDATE: self.act_window_update}.get(kind)
        if act is None:
            raise ProtocolError(f"a frame of type {kind}")
        act(flags, stream, payload)

    def stream_of(self, stream, opened=True):
        if stream == 0 or stream % 2 == 0:
            raise ProtocolError(f"a frame on stream {stream}")
        reply = self.reply_of(stream)
        if opened and reply.over:
            raise ProtocolError(f"a frame on stream {stream}, which is over")
        return reply

    def act_data(self, flags, stream, payload):
        reply = self.stream_of(stream)
        if reply.status is None:
            raise ProtocolError("DATA before HEADERS")
        if flags & ~(END_STREAM | PADDED):
            raise ProtocolError(f"DATA with flags {flags:#x}")
        self.window -= len(payload)
        self.windows[stream] = self.windows.get(stream, self.window_initial) - len(payload)
        if self.window < 0 or (self.windows[stream] < 0 and payload):
            raise ProtocolError(f"more than the window: {self.window} {self.windows[stream]}")
        reply.frames.append(len(payload))
        size = len(payload)
        if flags & PADDED:
            payload = payload[1 : len(payload) - payload[0]]
        if self.methods.get(stream) == "HEAD" and payload:
            raise ProtocolError("a body to HEAD")
        reply.body += payload
        reply.received += len(payload)
        if flags & END_STREAM:
            self.finish(stream, reply)
        if self.auto_window and size:
            self.window += size
            self.send(window_update(0, size))
            if not reply.over:
                self.windows[stream] += size
                self.send(window_update(stream, size))

    def finish(self, stream, reply):
        reply.ended = True
        length = reply.header("content-length")
        if length is not None and self.methods.get(stream) != "HEAD" and reply.status != 304:
            if int(length) != reply.received:
                raise ProtocolError(f"content-length {length} and {reply.received} bytes")

    def act_headers(self, flags, stream, payload):
        reply = self.stream_of(stream)
        if flags & ~(END_STREAM | END_HEADERS | PADDED | WITH_PRIORITY):
            raise ProtocolError(f"HEADERS with flags {flags:#x}")
        if flags & PADDED:
            payload = payload[1 : len(payload) - payload[0]]
        if flags & WITH_PRIORITY:
            payload = payload[5:]
        self._block = (stream, flags, bytearray(payload))
        if flags & END_HEADERS:
            self.act_block(reply)

    def act_continuation(self, flags, stream, payload):
        if self._block is None or self._block[0] != stream:
            raise ProtocolError("CONTINUATION without HEADERS")
        self._block[2].extend(payload)
        if flags & END_HEADERS:
            self.act_block(self.reply_of(stream))

    def act_block(self, reply):
        stream, flags, payload = self._block
        self._block = None
        fields = self.decoder.decode(bytes(payload), raw=True)
        fields = [(name.decode("ascii"), value.decode("latin-1")) for name, value in fields]
        pseudo = [field for field in fields if field[0].startswith(":")]
        plain = [field for field in fields if not field[0].startswith(":")]
        for name, value in plain:
            if not NAME.match(name) or name in OF_CONNECTION or re.search("[\r\n\0]|^[ \t]|[ \t]$", value):
                raise ProtocolError(f"field {name!r}: {value!r}")
        if reply.status is not None:
            if pseudo or not flags & END_STREAM:
                raise ProtocolError(f"trailers {fields}")
            reply.trailers = plain
        else:
            if fields[:1] != pseudo or len(pseudo) != 1 or not re.fullmatch("[1-5][0-9][0-9]", pseudo[0][1]) or pseudo[0][0] != ":status":
                raise ProtocolError(f"pseudo-headers {fields}")
            status = int(pseudo[0][1])
            if status < 200:
                if flags & END_STREAM or status == 101:
                    raise ProtocolError(f"{status} ends the stream")
                reply.informational.append(status)
                return
            reply.status, reply.headers = status, plain
            if not DATE.match(reply.header("date") or ""):
                raise ProtocolError(f"Date: {reply.header('date')}")
            length = reply.header("content-length")
            if length is not None and (status == 204 or not re.fullmatch("[0-9]+", length)):
                raise ProtocolError(f"content-length {length} with {status}")
        if flags & END_STREAM:
            self.finish(stream, reply)

    def act_reset(self, _, stream, payload):
        reply = self.stream_of(stream, opened=False)
        if len(payload) != 4:
            raise ProtocolError("malformed RST_STREAM")
        reply.reset = reply.reset or ERRORS[int.from_bytes(payload, "big")]  # what had been sent meanwhile may cause others

    def act_settings(self, flags, stream, payload):
        if stream or len(payload) % 6 or (flags & ACK and payload):
            raise ProtocolError("malformed SETTINGS")
        if flags & ACK:
            self.settings_acks += 1
            return
        self.settings_seen = True
        for at in range(0, len(payload), 6):
            key, value = struct.unpack_from(">HI", payload, at)
            if key == INITIAL_WINDOW_SIZE:
                for each in self.send_windows:
                    self.send_windows[each] += value - self.peer[INITIAL_WINDOW_SIZE]
            if key == ENABLE_PUSH and value != 0:
                raise ProtocolError("a server that wants to be pushed to")
            self.peer[key] = value
        self.send(settings(flags=ACK))

    def act_ping(self, flags, stream, payload):
        if stream or len(payload) != 8:
            raise ProtocolError("malformed PING")
        if flags & ACK:
            self.pings.append(payload)
        else:
            self.send(ping(payload, ACK))

    def act_goaway(self, _, stream, payload):
        last, error = struct.unpack_from(">II", payload)
        if stream or (self.goaways and last > self.goaways[-1][0]):
            raise ProtocolError(f"GOAWAY {last} after {self.goaways}")
        self.goaways.append((last, error, payload[8:]))

    def act_window_update(self, _, stream, payload):
        increment = int.from_bytes(payload, "big")
        if len(payload) != 4 or not 0 < increment < 1 << 31:
            raise ProtocolError("malformed WINDOW_UPDATE")
        if stream == 0:
            self.send_window += increment
        else:
            self.send_windows[stream] = self.send_windows.get(stream, self.peer[INITIAL_WINDOW_SIZE]) + increment
        if self.send_window >= 1 << 31:
            raise ProtocolError("a window beyond 2^31-1")
