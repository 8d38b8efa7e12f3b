"""What RFC 9113 demands of a server, by a table: each row is what a client sends, and what it has to get.

The server (tests/programs/conform.c) says what it has understood and counts what it has executed. A row that keeps the
connection is followed by a canary request, which has to be answered; one that is a connection error has to end with
GOAWAY, the error that the row names and the end of the connection. Every row is sent whole, and byte by byte; and once
more over a transport that gives a byte at a time and holds what it has taken.

SPDX-License-Identifier: MIT
"""

import re

import pytest

import h2client as h2
from conftest import BUILD, Server
from h2client import (ACK, CONTINUATION, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PADDED, PING, PREFACE, PRIORITY,
                      PRIORITY_UPDATE, PUSH_PROMISE, RST_STREAM, SETTINGS, WINDOW_UPDATE, WITH_PRIORITY)
from h2client import block, data, frame, goaway, headers, literal, ping, priority, priority_update, request
from h2client import rst_stream, settings, window_update

pytestmark = pytest.mark.threaded

if "WEIR_HTTP2:BOOL=OFF" in (BUILD / "CMakeCache.txt").read_text():
    pytest.skip("a build without HTTP/2", allow_module_level=True)

CANARY = 9001  # a stream above those of the rows
OPENING = PREFACE + settings()
POST = request("POST", "/")
EMPTY = "GET / host=a body="


class Row:
    """said: what is to come, in words: "1: 200" a reply, "1: 200 text" with its body, "1: STREAM_CLOSED" RST_STREAM,
    "1: ?, STREAM_CLOSED" that behind a reply or without one, "1: *" anything, "GOAWAY PROTOCOL_ERROR" a connection
    error, after which nothing is served, "GOAWAY? STREAM_CLOSED" one where the stream has been forgotten, RST_STREAM on
    it where it has not: which of the two depends on how soon its reply is sent. Streams that are not named get nothing. executed: how many requests a handler
    has had, without the canary. head: the stream whose request is HEAD."""

    def __init__(self, name, sent, said="", executed=None, opening=OPENING, head=None):
        self.name = name
        self.data = opening + b"".join(sent if isinstance(sent, (list, tuple)) else [sent])
        self.error = None
        self.maybe = False  # the connection may go on, and the error be the stream's
        self.expected = {}
        self.head = head
        for each in filter(None, (part.strip() for part in said.split(";"))):
            if each.startswith("GOAWAY"):
                self.error = each.split()[1]
                self.maybe = each.startswith("GOAWAY?")
                continue
            stream, what = re.fullmatch(r"(\d+): (.*)", each).groups()
            found = re.fullmatch(r"\*|(?:(\d{3}|\?)(?: ([^,]*))?)?(?:, )?([A-Z0-9_]+)?", what)
            self.expected[int(stream)] = None if what == "*" else found.groups()
        if executed is None:
            executed = sum(bool(what) and what[0] == "200" for what in self.expected.values())
        self.executed = executed

    def check(self, connection, count):
        """What was sent has been sent, with a canary behind; connection: a h2client.Connection."""
        port = connection.socket.getsockname()[1]
        ends = self.error is not None
        if self.maybe:
            reset = lambda: any(reply.reset == self.error for reply in connection.replies.values())
            connection.until(lambda: connection.goaways or reset())
            ends = bool(connection.goaways)
        if ends:
            assert connection.end() == self.error
        else:
            canary = connection.reply(CANARY)
            assert (canary.status, canary.text()) == (200, "GET /canary host=a body=")
            connection.until(lambda: all(connection.reply_of(stream).over for stream in self.named()))
            connection.roundtrip()
            assert not connection.goaways
        for stream, reply in connection.replies.items():
            if stream != CANARY and (reply.status or reply.reset):
                expected = self.expected[stream]
                if expected:
                    status, text, reset = expected
                    assert reply.reset == reset, (stream, reply)
                    assert status == "?" or reply.status == (status and int(status)), (stream, reply)
                    assert text is None or reply.text() == text
        assert {stream for stream, what in self.expected.items() if what} <= set(connection.replies)
        assert count(port) == self.executed + (not ends)

    def named(self):
        return [stream for stream, what in self.expected.items() if what]


class Section:
    rows = []

    def __init__(self, name):
        self.name = name

    def __call__(self, name, sent, said="", executed=None, **more):
        Section.rows.append(Row(f"{self.name}: {name}", sent, said, executed, **more))


# ---- The table

row = Section("3.4 preface")
row("nothing else", [], "")
row("with a request", headers(1), "1: 200 " + EMPTY)
row("with settings", [headers(1), settings((3, 100))], "1: 200", opening=PREFACE + settings((1, 0), (3, 1), (4, 70000)))
row("a request before SETTINGS", headers(1), "GOAWAY PROTOCOL_ERROR", opening=PREFACE)
row("PING before SETTINGS", ping(), "GOAWAY PROTOCOL_ERROR", opening=PREFACE)
row("SETTINGS' acknowledgement first", settings(flags=ACK), "GOAWAY PROTOCOL_ERROR", opening=PREFACE)

row = Section("4.1 frames")
row("an unknown type", [frame(0xEE, 0xFF, 0, b"x" * 100), headers(1)], "1: 200")
row("an unknown type on a stream", [frame(0xEE, 0xFF, 1, b"x" * 100), headers(1)], "1: 200")
row("an unknown type, empty", [frame(0x0B, 0, 7), headers(1)], "1: 200")
row("unknown flags of PING", ping(flags=0xFE), "")
row("unknown flags of HEADERS", headers(1, flags=END_HEADERS | 0xD2 & ~WITH_PRIORITY & ~PADDED), "1: 200")
row("unknown flags of DATA", [headers(1, POST, end=False), data(1, b"ab", end=True, flags=0xF6)], "1: 200 POST / host=a body=ab")
row("the reserved bit of a stream", headers(1 | 1 << 31), "1: 200")
row("the reserved bit of WINDOW_UPDATE", window_update(0, 1 | 1 << 31), "")
row("the reserved bit of PING's stream", frame(PING, 0, 1 << 31, b"12345678"), "")

row = Section("4.2 sizes")
row("DATA of 16384", [headers(1, POST, end=False), data(1, b"x" * 8192), data(1, b"", end=True)], "1: 200")
row("DATA of 16385", [headers(1, POST, end=False), data(1, b"x" * 16385, end=True)], "GOAWAY FRAME_SIZE_ERROR", 1)
row("HEADERS of 16385", headers(1, request("GET", "/", ("x", "y" * 16330)) + [("z", "z" * 50)]), "GOAWAY FRAME_SIZE_ERROR")
row("an unknown type of 16384", [frame(0xEE, 0, 0, b"x" * 16384), headers(1)], "1: 200")
row("an unknown type of 16385", frame(0xEE, 0, 0, b"x" * 16385), "GOAWAY FRAME_SIZE_ERROR")
row("SETTINGS of 16386", frame(SETTINGS, 0, 0, bytes(6) * 2731), "GOAWAY FRAME_SIZE_ERROR")

row = Section("4.3 header blocks")
row("an index of nothing", headers(1, b"\xbe"), "GOAWAY COMPRESSION_ERROR")
row("index 0", headers(1, b"\x80"), "GOAWAY COMPRESSION_ERROR")
row("cut within a literal", headers(1, block(*request())[:-1]), "GOAWAY COMPRESSION_ERROR")
row("EOS within a string", headers(1, block(*request()) + b"\x00\x84\xff\xff\xff\xff\x00"), "GOAWAY COMPRESSION_ERROR")
row("padding of Huffman's code too long", headers(1, block(*request()) + b"\x00\x82\x1f\xff\x00"), "GOAWAY COMPRESSION_ERROR")
row("a size update beyond what was announced", headers(1, b"\x3f\xe2\x1f" + block(*request())), "GOAWAY COMPRESSION_ERROR")
row("a size update at the end", headers(1, block(*request()) + b"\x20"), "GOAWAY COMPRESSION_ERROR")
row("size updates at the beginning", headers(1, b"\x20\x3f\xe1\x1f" + block(*request())), "1: 200")
row("a block in a malformed request counts", [headers(1, block(("X", "y")) + literal("last", "1", 0x40)),
                                              headers(3, block(*request()) + b"\xbe")], "1: PROTOCOL_ERROR; 3: 200")
row("a table over two requests", [headers(1, request(), first=0x40), headers(3, b"\xc1\xc0\xbf\xbe")], "1: 200; 3: 200")

row = Section("5.1 states")
row("DATA on an idle stream", data(1, b"x", end=True), "GOAWAY PROTOCOL_ERROR")
row("RST_STREAM on an idle stream", rst_stream(1), "GOAWAY PROTOCOL_ERROR")
row("WINDOW_UPDATE on an idle stream", window_update(1, 100), "GOAWAY PROTOCOL_ERROR")
row("CONTINUATION on an idle stream", frame(CONTINUATION, END_HEADERS, 1, block(*request())), "GOAWAY PROTOCOL_ERROR")
row("PRIORITY on an idle stream", priority(9), "")
row("DATA on a half-closed stream", [headers(1, request("GET", "/block/100")), data(1, b"x", end=True)], "1: ?, STREAM_CLOSED", 0)
row("HEADERS on a half-closed stream", [headers(1, request("GET", "/block/100")), headers(1)], "1: *; GOAWAY? STREAM_CLOSED", 0)
row("PRIORITY on a half-closed stream", [headers(1), priority(1, 3)], "1: 200")
row("WINDOW_UPDATE on a half-closed stream", [headers(1), window_update(1, 10)], "1: 200")
row("RST_STREAM on a half-closed stream", [headers(1), rst_stream(1)], "1: *", 1)

row = Section("5.1.1 identifiers")
row("an even stream", headers(2), "GOAWAY PROTOCOL_ERROR")
row("a smaller stream", [headers(5), headers(3)], "5: *; GOAWAY STREAM_CLOSED", 1)
row("streams left out", [headers(1), headers(101), headers(8999)], "1: 200; 101: 200; 8999: 200")

row = Section("5.3 dependencies")
row("HEADERS on itself", headers(1, flags=END_HEADERS | WITH_PRIORITY, before=b"\0\0\0\1\x10"), "1: PROTOCOL_ERROR")
row("HEADERS on another", headers(1, flags=END_HEADERS | WITH_PRIORITY, before=b"\x80\0\0\3\xff"), "1: 200")
row("PRIORITY on itself", priority(1, 1), "1: PROTOCOL_ERROR")

row = Section("6.1 DATA")
row("on stream 0", data(0, b"x"), "GOAWAY PROTOCOL_ERROR")
row("on an even stream", data(2, b"x"), "GOAWAY PROTOCOL_ERROR")
row("padded", [headers(1, POST, end=False), data(1, b"\x03ab\0\0\0", end=True, flags=PADDED)], "1: 200 POST / host=a body=ab")
row("padding alone", [headers(1, POST, end=False), data(1, b"\x03\0\0\0", flags=PADDED), data(1, b"ab", end=True)],
    "1: 200 POST / host=a body=ab")
row("padding as long as the frame", [headers(1, POST, end=False), data(1, b"\x04\0\0\0", end=True, flags=PADDED)],
    "GOAWAY PROTOCOL_ERROR", 1)
row("padding longer than the frame", [headers(1, POST, end=False), data(1, b"\xff\0", end=True, flags=PADDED)],
    "GOAWAY PROTOCOL_ERROR", 1)
row("empty, in the middle", [headers(1, POST, end=False), data(1), data(1, b"a"), data(1), data(1, b"b", end=True)],
    "1: 200 POST / host=a body=ab")

row = Section("6.2 HEADERS")
row("on stream 0", headers(0), "GOAWAY PROTOCOL_ERROR")
row("padded", headers(1, flags=END_HEADERS | PADDED, before=b"\x05", behind=bytes(5)), "1: 200")
row("padded, with a priority", headers(1, flags=END_HEADERS | PADDED | WITH_PRIORITY, before=b"\x05\0\0\0\3\0", behind=bytes(5)), "1: 200")
row("padding longer than the frame", frame(HEADERS, END_HEADERS | END_STREAM | PADDED, 1, b"\xff" + block(*request())[:20]),
    "GOAWAY PROTOCOL_ERROR")
row("too short for its priority", frame(HEADERS, END_HEADERS | END_STREAM | WITH_PRIORITY, 1, b"\0\0\0"), "GOAWAY FRAME_SIZE_ERROR")
row("another frame within a block", [headers(1, flags=0), ping()], "GOAWAY PROTOCOL_ERROR")
row("another stream within a block", [headers(1, flags=0), headers(3)], "GOAWAY PROTOCOL_ERROR")
row("an unknown type within a block", [headers(1, flags=0), frame(0xEE, 0, 1)], "GOAWAY PROTOCOL_ERROR")

row = Section("6.3 PRIORITY")
row("on stream 0", priority(0), "GOAWAY PROTOCOL_ERROR")
row("of 4 bytes", [headers(1, POST, end=False), frame(PRIORITY, 0, 1, bytes(4))], "1: FRAME_SIZE_ERROR", 1)

row = Section("6.4 RST_STREAM")
row("on stream 0", rst_stream(0), "GOAWAY PROTOCOL_ERROR")
row("of 3 bytes", [headers(1, POST, end=False), frame(RST_STREAM, 0, 1, bytes(3))], "GOAWAY FRAME_SIZE_ERROR", 1)
row("of an unknown error", [headers(1, POST, end=False), rst_stream(1, 0xFFFF)], "", 1)

row = Section("6.5 SETTINGS")
row("on a stream", settings(stream=1), "GOAWAY PROTOCOL_ERROR")
row("of 5 bytes", frame(SETTINGS, 0, 0, bytes(5)), "GOAWAY FRAME_SIZE_ERROR")
row("an acknowledgement with a payload", settings((1, 1), flags=ACK), "GOAWAY FRAME_SIZE_ERROR")
row("an unknown one", [settings((0xEEEE, 1)), headers(1)], "1: 200")
row("ENABLE_PUSH 2", settings((2, 2)), "GOAWAY PROTOCOL_ERROR")
row("ENABLE_PUSH 1", [settings((2, 1)), headers(1)], "1: 200")
row("INITIAL_WINDOW_SIZE 2^31", settings((4, 1 << 31)), "GOAWAY FLOW_CONTROL_ERROR")
row("INITIAL_WINDOW_SIZE 2^31-1", [settings((4, (1 << 31) - 1)), headers(1)], "1: 200")
row("MAX_FRAME_SIZE 16383", settings((5, 16383)), "GOAWAY PROTOCOL_ERROR")
row("MAX_FRAME_SIZE 2^24", settings((5, 1 << 24)), "GOAWAY PROTOCOL_ERROR")
row("MAX_FRAME_SIZE 2^24-1", [settings((5, (1 << 24) - 1)), headers(1)], "1: 200")
row("the last value counts", [settings((4, 0), (4, 100)), headers(1)], "1: 200")
row("HEADER_TABLE_SIZE 0", [settings((1, 0)), headers(1)], "1: 200")
row("HEADER_TABLE_SIZE 2^32-1", [settings((1, (1 << 32) - 1)), headers(1)], "1: 200")

row = Section("6.6 PUSH_PROMISE")
row("from a client", [headers(1, POST, end=False), frame(PUSH_PROMISE, END_HEADERS, 1, b"\0\0\0\2" + block(*request()))],
    "GOAWAY PROTOCOL_ERROR", 1)

row = Section("6.7 PING")
row("of 7 bytes", frame(PING, 0, 0, bytes(7)), "GOAWAY FRAME_SIZE_ERROR")
row("of 9 bytes", frame(PING, 0, 0, bytes(9)), "GOAWAY FRAME_SIZE_ERROR")
row("on a stream", frame(PING, 0, 1, bytes(8)), "GOAWAY PROTOCOL_ERROR")
row("an acknowledgement that nobody waits for", ping(flags=ACK), "")

row = Section("6.8 GOAWAY")
row("on a stream", frame(GOAWAY, 0, 1, bytes(8)), "GOAWAY PROTOCOL_ERROR")
row("of 7 bytes", frame(GOAWAY, 0, 0, bytes(7)), "GOAWAY FRAME_SIZE_ERROR")

row = Section("6.9 WINDOW_UPDATE")
row("by 0, of the connection", window_update(0, 0), "GOAWAY PROTOCOL_ERROR")
row("by 0, of a stream", [headers(1, POST, end=False), window_update(1, 0)], "1: PROTOCOL_ERROR", 1)
row("of 3 bytes", frame(WINDOW_UPDATE, 0, 0, bytes(3)), "GOAWAY FRAME_SIZE_ERROR")
row("of the connection beyond 2^31-1", window_update(0, (1 << 31) - 1), "GOAWAY FLOW_CONTROL_ERROR")
row("of the connection up to 2^31-1", [window_update(0, (1 << 31) - 1 - 65535), headers(1)], "1: 200")
row("of a stream beyond 2^31-1", [headers(1, POST, end=False), window_update(1, (1 << 31) - 1)], "1: FLOW_CONTROL_ERROR", 1)
row("by INITIAL_WINDOW_SIZE beyond 2^31-1", [headers(1, POST, end=False), window_update(1, (1 << 31) - 1 - 65535), settings((4, 65536))],
    "GOAWAY FLOW_CONTROL_ERROR", 1)

row = Section("6.10 CONTINUATION")
row("two", [frame(HEADERS, END_STREAM, 1, block(*request())[:7]), frame(CONTINUATION, 0, 1, block(*request())[7:20]),
            frame(CONTINUATION, END_HEADERS, 1, block(*request())[20:])], "1: 200 " + EMPTY)
row("empty ones", [frame(HEADERS, END_STREAM, 1), frame(CONTINUATION, 0, 1), frame(CONTINUATION, END_HEADERS, 1, block(*request()))],
    "1: 200")
row("behind END_HEADERS", [headers(1, POST, end=False), frame(CONTINUATION, END_HEADERS, 1, b"")], "GOAWAY PROTOCOL_ERROR", 1)
row("on stream 0", [headers(1, flags=0), frame(CONTINUATION, END_HEADERS, 0, b"")], "GOAWAY PROTOCOL_ERROR")
row("on another stream", [headers(1, flags=0), frame(CONTINUATION, END_HEADERS, 3, b"")], "GOAWAY PROTOCOL_ERROR")
row("behind DATA", [headers(1, POST, end=False), data(1, b"x"), frame(CONTINUATION, END_HEADERS, 1, b"")],
    "GOAWAY PROTOCOL_ERROR", 1)
row("more than 8 frames", [headers(1, flags=0)] + [frame(CONTINUATION, 0, 1)] * 20, "GOAWAY ENHANCE_YOUR_CALM")

row = Section("8.1 messages")
row("a body", [headers(1, POST, end=False), data(1, b"abc"), data(1, b"def", end=True)], "1: 200 POST / host=a body=abcdef")
row("trailers", [headers(1, POST, end=False), data(1, b"abc"), headers(1, [("x-sum", "6")])],
    "1: 200 POST / host=a body=abc x-sum=6")
row("trailers without a body", [headers(1, POST, end=False), headers(1, [("x-sum", "6")])], "1: 200 POST / host=a body= x-sum=6")
row("trailers that do not end the stream", [headers(1, POST, end=False), headers(1, [("x", "y")], end=False)],
    "1: PROTOCOL_ERROR", 1)
row("a pseudo-header in trailers", [headers(1, POST, end=False), headers(1, [(":path", "/")])], "1: PROTOCOL_ERROR", 1)
row("a forbidden field in trailers", [headers(1, POST, end=False), headers(1, [("content-length", "0")])], "1: PROTOCOL_ERROR", 1)
row("upper case in trailers", [headers(1, POST, end=False), headers(1, [("X-Sum", "0")])], "1: PROTOCOL_ERROR", 1)
row("a length that is right", [headers(1, POST + [("content-length", "6")], end=False), data(1, b"abc"), data(1, b"def", end=True)],
    "1: 200 POST / host=a body=abcdef")
row("a length that is too large", [headers(1, POST + [("content-length", "7")], end=False), data(1, b"abcdef", end=True)],
    "1: PROTOCOL_ERROR", 1)
row("a length that is too small", [headers(1, POST + [("content-length", "5")], end=False), data(1, b"abcdef", end=True)],
    "1: PROTOCOL_ERROR", 1)
row("a length and no body", headers(1, POST + [("content-length", "5")]), "1: PROTOCOL_ERROR", 0)
row("a length of 0", headers(1, POST + [("content-length", "0")]), "1: 200 POST / host=a body=")
row("a length and trailers", [headers(1, POST + [("content-length", "4")], end=False), data(1, b"abc"), headers(1, [("x", "y")])],
    "1: PROTOCOL_ERROR", 1)
row("a malformed length", headers(1, POST + [("content-length", "x")]), "1: PROTOCOL_ERROR")
row("two lengths", headers(1, POST + [("content-length", "0")] * 2), "1: PROTOCOL_ERROR")
row("HEAD", headers(1, request("HEAD", "/")), "1: 200 ", head=1)

row = Section("8.2 fields")
for name, field in {
    "upper case in a name": ("X-Field", "y"), "an empty name": ("", "y"), "a space in a name": ("x y", "z"),
    "a colon in a name": ("x:y", "z"), "a byte beyond ASCII in a name": (b"x\xe4", "z"), "a NUL in a name": ("x\0", "z"),
    "a NUL in a value": ("x", "a\0b"), "a CR in a value": ("x", "a\rb"), "a LF in a value": ("x", "a\nb"),
    "a space before a value": ("x", " y"), "a space behind a value": ("x", "y "), "a tab behind a value": ("x", "y\t"),
    "Connection": ("connection", "close"), "Proxy-Connection": ("proxy-connection", "close"), "Keep-Alive": ("keep-alive", "1"),
    "Transfer-Encoding": ("transfer-encoding", "chunked"), "Upgrade": ("upgrade", "h2c"), "TE": ("te", "gzip"),
}.items():
    row(name, headers(1, request() + [field]), "1: PROTOCOL_ERROR")
row("TE: trailers", headers(1, request() + [("te", "trailers")]), "1: 200")
row("a byte beyond ASCII in a value", headers(1, request() + [("x", b"\xe4")]), "1: 200")
row("an empty value", headers(1, request() + [("x", "")]), "1: 200")
row("never indexed", headers(1, request(), first=0x10), "1: 200")

row = Section("8.3 pseudo-headers")
for name, fields in {
    "an unknown one": request() + [(":x", "y")], "a response's": request() + [(":status", "200")],
    "behind a field": [("x", "y")] + request(), "one behind a field": request()[:3] + [("x", "y")] + request()[3:],
    "no :method": request()[1:], "no :scheme": request()[:1] + request()[2:], "no :path": request()[:3], "none": [("x", "y")],
    "two :method": request() + request()[:1], "two :scheme": request() + request()[1:2], "two :path": request() + request()[3:],
    "two :authority": request() + request()[2:3], "an empty :path": request("GET", ""), "a :path without a slash": request("GET", "x"),
    "an absolute :path": request("GET", "http://a/"), "an empty :method": request("", "/"), "a space in :method": request("G T", "/"),
    ":protocol": request() + [(":protocol", "websocket")], "Host that is not :authority": request() + [("host", "b")],
}.items():
    row(name, headers(1, fields), "1: PROTOCOL_ERROR")
row("in another order", headers(1, request()[::-1]), "1: 200 " + EMPTY)
row("Host and no :authority", headers(1, request()[:2] + request()[3:] + [("host", "b")]), "1: 200 GET / host=b body=")
row("Host as :authority", headers(1, request() + [("host", "a")]), "1: 200 " + EMPTY)
row("neither Host nor :authority", headers(1, request()[:2] + request()[3:]), "1: 400")
row("an empty :authority", headers(1, request(authority="")), "1: 400")
row("user information", headers(1, request(authority="u@a")), "1: 400")
row("a space in :path", headers(1, request("GET", "/a b")), "1: 400")
row("a fragment in :path", headers(1, request("GET", "/#a")), "1: 400")
row("a byte beyond ASCII in :path", headers(1, request("GET", "/\xe4")), "1: 400")
row("OPTIONS *", headers(1, request("OPTIONS", "*")), "1: 204")
row("GET *", headers(1, request("GET", "*")), "1: 400")
row("https", headers(1, request(scheme="https")), "1: 200")
row("another scheme", headers(1, request(scheme="ftp")), "1: 400")
row("a query", headers(1, request("GET", "/?a=b")), "1: 200 GET /?a=b host=a body=")

row = Section("8.5 CONNECT")
row("alone", headers(1, [(":method", "CONNECT"), (":authority", "a:443")]), "1: 501")
row("with :path", headers(1, request("CONNECT", "/")), "1: PROTOCOL_ERROR")

row = Section("RFC 9218")
row("PRIORITY_UPDATE before the request", [priority_update(1, "u=1, i"), headers(1)], "1: 200")
row("PRIORITY_UPDATE of stream 0", priority_update(0, "u=1"), "GOAWAY PROTOCOL_ERROR")
row("PRIORITY_UPDATE on a stream", priority_update(1, "u=1", on=1), "GOAWAY PROTOCOL_ERROR")
row("PRIORITY_UPDATE of 3 bytes", frame(PRIORITY_UPDATE, 0, 0, bytes(3)), "GOAWAY FRAME_SIZE_ERROR")
row("PRIORITY_UPDATE that is no Dictionary", [headers(1), priority_update(1, "=")], "1: 200")
row("a Priority field", headers(1, request() + [("priority", "u=0, i")]), "1: 200")
row("a Priority field that is no Dictionary", headers(1, request() + [("priority", "u=,")]), "1: 200")
row("NO_RFC7540_PRIORITIES 2", settings((9, 2)), "GOAWAY PROTOCOL_ERROR")

row = Section("other limits")
row("Expect that is unknown", headers(1, request() + [("expect", "x")]), "1: 417")
row("too many fields", headers(1, request() + [("x", "y")] * 200), "1: 431")
row("a head that is too long", headers(1, request("GET", "/", ("x", "y" * 9000))), "1: 431")
row("a target that is too long", headers(1, request("GET", "/" + "y" * 9000)), "1: 414")

ROWS = Section.rows
BEHIND = headers(CANARY, request("GET", "/canary"))
SLOW_BYTES = 300  # of a longer row, these come one by one and the rest at once
GROUP = 16  # rows that are sent at once


@pytest.fixture(scope="module", params=["plain", "unsteady=1"])
def server(request):
    transport = [] if request.param == "plain" else [request.param]
    server = Server("tests/programs/conform", "max_body=100000", *transport)
    yield server
    server.stop()


@pytest.fixture(scope="module")
def count(server):
    """How many requests have been executed on the connection from a port; it begins anew with each answer."""
    with server.connect() as control:
        yield lambda port: int(control.ask(path=f"/executed/{port}").text())


def connect(server, row):
    connection = h2.Connection(server.address, preface=False)
    if row.head:
        connection.methods[row.head] = "HEAD"
    return connection


def send_on(connection, data):
    """Sends, unless the connection has been closed: whether it may have been is for the row to say."""
    try:
        connection.send(data)
    except (BrokenPipeError, ConnectionResetError):
        pass


def test_the_table_is_read():
    assert len(ROWS) > 150
    assert len({row.name for row in ROWS}) == len(ROWS)


@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_whole(server, count, row):
    with connect(server, row) as connection:
        send_on(connection, row.data + BEHIND)
        row.check(connection, count)


@pytest.mark.parametrize("first", range(0, len(ROWS), GROUP))
def test_byte_by_byte(server, count, first):
    """Some rows at once, a byte of each in turn: the server sees nearly every cut."""
    rows = ROWS[first : first + GROUP]
    connections = [connect(server, row) for row in rows]
    for at in range(max(min(len(row.data), SLOW_BYTES) for row in rows)):
        for connection, row in zip(connections, rows):
            if at < min(len(row.data), SLOW_BYTES):
                send_on(connection, row.data[at : at + 1])
    wrong = []
    for connection, row in zip(connections, rows):
        try:
            send_on(connection, row.data[SLOW_BYTES:] + BEHIND)
            row.check(connection, count)
        except (AssertionError, OSError) as error:
            wrong.append(f"{row.name}: {error!r}")
        connection.close()
    assert not wrong, "\n".join(wrong)


# ---- What no row can say


def test_the_first_settings_are_right(server):
    with h2.Connection(server.address) as connection:
        connection.roundtrip()
        assert connection.settings_acks == 1
        assert connection.peer[h2.MAX_FRAME_SIZE] == 16384
        assert connection.peer[h2.MAX_CONCURRENT_STREAMS] >= 100
        assert connection.peer.get(h2.ENABLE_CONNECT_PROTOCOL, 0) == 0


def test_settings_are_acknowledged_one_by_one(server):
    with h2.Connection(server.address) as connection:
        connection.send(settings((4, 100)), settings(), settings((4, 200)))
        connection.roundtrip()
        assert connection.settings_acks == 4


def test_pings_come_back(server):
    with h2.Connection(server.address) as connection:
        connection.send(ping(b"abcdefgh"), ping(bytes(8)), ping(b"\xff" * 8))
        connection.until(lambda: len(connection.pings) == 3)
        assert connection.pings == [b"abcdefgh", bytes(8), b"\xff" * 8]


def test_a_closed_window_holds_the_body_back(server):
    with h2.Connection(server.address, [(h2.INITIAL_WINDOW_SIZE, 0)], auto_window=False) as connection:
        stream = connection.open()
        connection.until(lambda: connection.reply_of(stream).status)
        connection.roundtrip()
        reply = connection.replies[stream]
        assert reply.received == 0 and not reply.ended
        for size in (1, 2, len(EMPTY) - 3):
            connection.windows[stream] = connection.windows.get(stream, 0) + size
            connection.send(window_update(stream, size))
            connection.until(lambda: connection.windows[stream] == 0)
        assert connection.reply(stream).text() == EMPTY


def test_a_window_below_zero_holds_the_body_back(server):
    """SETTINGS may make windows of open streams negative (section 6.9.2)."""
    with h2.Connection(server.address, [(h2.INITIAL_WINDOW_SIZE, 10)], auto_window=False) as connection:
        stream = connection.open()
        connection.until(lambda: connection.reply_of(stream).received == 10)
        connection.send(settings((h2.INITIAL_WINDOW_SIZE, 0)))
        connection.windows[stream] = -10
        connection.send(window_update(stream, 10))
        connection.windows[stream] = 0
        connection.roundtrip()
        assert connection.replies[stream].received == 10
        connection.send(settings((h2.INITIAL_WINDOW_SIZE, 100)))
        connection.windows[stream] = 100
        assert connection.reply(stream).text() == EMPTY


def test_the_connections_window_holds_bodies_back(server):
    with h2.Connection(server.address, [(h2.INITIAL_WINDOW_SIZE, 1 << 20)], auto_window=False) as connection:
        stream = connection.open(path="/announce/200000/200000/whole")
        connection.until(lambda: connection.window == 0)
        connection.roundtrip()
        assert connection.replies[stream].received == 65535
        connection.window += 200000
        connection.send(window_update(0, 200000))
        assert connection.reply(stream).received == 200000


def test_frames_are_no_longer_than_allowed(server):
    with h2.Connection(server.address, [(h2.INITIAL_WINDOW_SIZE, 1 << 20), (h2.MAX_FRAME_SIZE, 1 << 20)]) as connection:
        reply = connection.ask(path="/announce/400000/400000/whole")
        assert reply.received == 400000 and max(reply.frames) <= 1 << 20


def test_more_data_than_the_window(server):
    """The handler reads nothing, so that the window stays what it is."""
    with h2.Connection(server.address) as connection:
        connection.roundtrip()
        most = connection.peer[h2.INITIAL_WINDOW_SIZE]
        for stream, size, error in ((1, most, None), (3, most + 1, "FLOW_CONTROL_ERROR")):
            connection.send(headers(stream, request("GET", "/block/50"), end=False), data(stream, b"x" * size))
            connection.until(lambda: connection.reply_of(stream).over)
            connection.roundtrip()
            assert connection.replies[stream].reset == error
        assert connection.reply(1).status == 200
        assert not connection.goaways


def test_streams_beyond_the_limit_are_refused(server):
    with h2.Connection(server.address) as connection:
        connection.roundtrip()
        most = connection.peer[h2.MAX_CONCURRENT_STREAMS]
        streams = [connection.open("POST", "/", end=False) for _ in range(most + 1)]
        assert connection.reply(streams[-1]).reset == "REFUSED_STREAM"
        for stream in streams[:-1]:
            connection.send(data(stream, b"x", end=True))
        for stream in streams[:-1]:
            assert connection.reply(stream).status == 200
        assert connection.ask().status == 200


def test_an_expectation_is_answered(server):
    with h2.Connection(server.address) as connection:
        stream = connection.open("POST", "/", ("expect", "100-continue"), end=False)
        connection.until(lambda: connection.reply_of(stream).informational == [100])
        connection.send(data(stream, b"body", end=True))
        assert connection.reply(stream).text() == "POST / host=a body=body"


def test_many_requests_by_indexes(server):
    with h2.Connection(server.address) as connection:
        connection.send(headers(1, request(), first=0x40))
        for stream in range(3, 181, 2):
            connection.send(headers(stream, b"\xc1\xc0\xbf\xbe"))
        for stream in range(1, 181, 2):
            assert connection.reply(stream).text() == EMPTY


def test_a_goaway_from_the_client_ends_nothing_that_runs(server):
    with h2.Connection(server.address) as connection:
        stream = connection.open("POST", "/", end=False)
        connection.send(goaway())
        connection.send(data(stream, b"x", end=True))
        assert connection.reply(stream).text() == "POST / host=a body=x"


def test_a_preface_that_is_none(server):
    """Until it differs from the preface it may become one, and is then a request of HTTP/1."""
    for wrong in (PREFACE[:-1] + b"X", b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n", b"PRI / HTTP/2.0\r\n\r\n"):
        with h2.Connection(server.address, preface=False) as connection:
            send_on(connection, wrong)
            connection.socket.settimeout(20)
            data = b""
            try:
                while got := connection.socket.recv(65536):
                    data += got
            except ConnectionResetError:
                pass
            assert data == b"" or data.startswith(b"HTTP/1.1 ") or h2.GOAWAY == data[3], data
