"""A WebSocket's client by hand: frames of any kind, right or wrong, over what tunnels.py opens.

SPDX-License-Identifier: MIT
"""

import base64
import hashlib
import os
import select
import struct
import threading

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
FIN, RSV1, RSV2, RSV3 = 0x80, 0x40, 0x20, 0x10

KEY = "dGhlIHNhbXBsZSBub25jZQ=="  # of RFC 6455 section 1.3
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


PINGS = 120000


def asked(**changes):
    """The fields of a handshake beside Connection and Upgrade; None leaves one out."""
    fields = {"Sec-WebSocket-Key": KEY, "Sec-WebSocket-Version": "13"}
    fields.update({name.replace("_", "-"): value for name, value in changes.items()})
    return [(name, value) for name, value in fields.items() if value is not None]


def accept_of(key):
    return base64.b64encode(hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()).decode()


def masked(payload, mask):
    return bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload)) if any(mask) else payload


def frame(opcode, payload=b"", fin=True, rsv=0, mask=None, length=None, form=None):
    """mask: four bytes, or b"" for none; length: one that is announced and not meant; form: 7, 16 or 64 bits of it."""
    mask = os.urandom(4) if mask is None else mask
    count = len(payload) if length is None else length
    form = form or (7 if count < 126 else 16 if count < 65536 else 64)
    head = bytes([(FIN if fin else 0) | rsv | opcode])
    bit = 0x80 if mask else 0
    if form == 7:
        head += bytes([bit | count])
    elif form == 16:
        head += bytes([bit | 126]) + struct.pack(">H", count)
    else:
        head += bytes([bit | 127]) + struct.pack(">Q", count)
    return head + mask + (masked(payload, mask) if mask else payload)


def text(payload, **more):
    return frame(TEXT, payload.encode() if isinstance(payload, str) else payload, **more)


def close(code=None, reason=b"", **more):
    return frame(CLOSE, b"" if code is None else struct.pack(">H", code) + reason, **more)


class Frames:
    """Reads a server's frames from a stream, and checks what each has to be."""

    def __init__(self, stream):
        self.stream = stream
        self.buf = b""

    def send(self, *frames):
        self.stream.send(b"".join(frames))

    def take(self, count):
        while len(self.buf) < count:
            data = self.stream.recv()
            assert data, f"the end behind {self.buf!r}"
            self.buf += data
        taken, self.buf = self.buf[:count], self.buf[count:]
        return taken

    def frame(self):
        """(opcode, payload, fin, rsv)"""
        first, second = self.take(2)
        assert not second & 0x80, "a server's frame is masked"
        count = second & 0x7F
        if count == 126:
            (count,) = struct.unpack(">H", self.take(2))
            assert count >= 126
        elif count == 127:
            (count,) = struct.unpack(">Q", self.take(8))
            assert 65536 <= count < 1 << 63
        opcode = first & 0xF
        if opcode >= CLOSE:
            assert count <= 125 and first & FIN
        return opcode, self.take(count), bool(first & FIN), first & 0x70

    def message(self):
        """(opcode, payload) of a message, in however many frames; control frames between are not expected."""
        opcode, payload, fin, rsv = self.frame()
        assert opcode in (TEXT, BINARY), (opcode, payload)
        while not fin:
            again, more, fin, _ = self.frame()
            assert again == CONTINUATION
            payload += more
        return opcode, payload

    def expect(self, opcode, payload):
        got = self.frame()
        assert got[:2] == (opcode, payload.encode() if isinstance(payload, str) else payload), got

    def expect_close(self, code=None, reason=None):
        opcode, payload, _, _ = self.frame()
        assert opcode == CLOSE, (opcode, payload)
        got = struct.unpack(">H", payload[:2])[0] if payload else None
        assert got == code, (got, payload[2:])
        if reason is not None:
            assert payload[2:] == reason

    def expect_end(self):
        assert self.buf == b""
        try:
            assert self.stream.recv(100) == b""
        except ConnectionResetError:
            pass  # what this client had still sent was not read

    def expect_pings_to_wait(self):
        """A client that reads no Pongs is not read on, and misses none when it reads. SO_RCVBUF has to be small."""
        connection, ping = self.stream.socket, b"p" * 125
        unsent = memoryview(frame(PING, ping) * PINGS)
        connection.setblocking(False)
        while select.select([], [connection], [], 1)[1]:
            unsent = unsent[connection.send(unsent) :]
            assert unsent, "all of it was read"
        connection.setblocking(True)
        rest = threading.Thread(target=connection.sendall, args=(unsent,))
        rest.start()
        for _ in range(PINGS):
            self.expect(PONG, ping)
        rest.join()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stream.socket.close()
