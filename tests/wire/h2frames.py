"""Frames of HTTP/2 and header blocks as bytes, made by hand (RFC 9113, RFC 7541), so that anything can be sent: for the
client that believes nothing (h2client.py) and the one that does nothing by itself (h2peer.py).

Header blocks are literals, written here byte by byte.

SPDX-License-Identifier: MIT
"""

import struct

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
PRIORITY_UPDATE = 0x10

END_STREAM = ACK = 0x1
END_HEADERS = 0x4
PADDED = 0x8
WITH_PRIORITY = 0x20

ERRORS = ("NO_ERROR", "PROTOCOL_ERROR", "INTERNAL_ERROR", "FLOW_CONTROL_ERROR", "SETTINGS_TIMEOUT", "STREAM_CLOSED",
          "FRAME_SIZE_ERROR", "REFUSED_STREAM", "CANCEL", "COMPRESSION_ERROR", "CONNECT_ERROR", "ENHANCE_YOUR_CALM",
          "INADEQUATE_SECURITY", "HTTP_1_1_REQUIRED")

HEADER_TABLE_SIZE, ENABLE_PUSH, MAX_CONCURRENT_STREAMS, INITIAL_WINDOW_SIZE, MAX_FRAME_SIZE, MAX_HEADER_LIST_SIZE = range(1, 7)
ENABLE_CONNECT_PROTOCOL, NO_RFC7540_PRIORITIES = 8, 9
WINDOW_MOST = 2**31 - 1


def frame(kind, flags=0, stream=0, payload=b"", length=None):
    """A frame; length: what its head says, if that is not how long the payload is."""
    length = len(payload) if length is None else length
    return struct.pack(">I", length)[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def integer(value, prefix, first=0):
    most = (1 << prefix) - 1
    if value < most:
        return bytes([first | value])
    out, value = [first | most], value - most
    while value >= 128:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def text(value):
    value = value if isinstance(value, bytes) else value.encode("latin-1")
    return integer(len(value), 7) + value


def literal(name, value, first=0x00):
    """A literal without indexing; first=0x40: with it, 0x10: never indexed."""
    return bytes([first]) + text(name) + text(value)


def block(*fields, first=0x00):
    return b"".join(literal(name, value, first) for name, value in fields)


def request(method="GET", path="/", *fields, scheme="http", authority="a"):
    """The fields of a request."""
    return [(":method", method), (":scheme", scheme), (":authority", authority), (":path", path), *fields]


def headers(stream, fields=None, end=True, flags=END_HEADERS, before=b"", behind=b"", first=0x00):
    """HEADERS with the fields of a request, or a whole block if they are bytes. before and behind: padding and priority."""
    fields = request() if fields is None else fields
    payload = fields if isinstance(fields, bytes) else block(*fields, first=first)
    return frame(HEADERS, flags | (END_STREAM if end else 0), stream, before + payload + behind)


def data(stream, payload=b"", end=False, flags=0):
    return frame(DATA, flags | (END_STREAM if end else 0), stream, payload)


def settings(*pairs, flags=0, stream=0):
    return frame(SETTINGS, flags, stream, b"".join(struct.pack(">HI", *pair) for pair in pairs))


def window_update(stream, increment):
    return frame(WINDOW_UPDATE, 0, stream, struct.pack(">I", increment))


def rst_stream(stream, error=8):
    return frame(RST_STREAM, 0, stream, struct.pack(">I", error))


def ping(opaque=b"12345678", flags=0):
    return frame(PING, flags, 0, opaque)


def priority(stream, on=0, weight=15, exclusive=False):
    return frame(PRIORITY, 0, stream, struct.pack(">IB", on | exclusive << 31, weight))


def goaway(last=0, error=0, debug=b""):
    return frame(GOAWAY, 0, 0, struct.pack(">II", last, error) + debug)


def priority_update(stream, value, on=0):
    return frame(PRIORITY_UPDATE, 0, on, struct.pack(">I", stream) + value.encode())
