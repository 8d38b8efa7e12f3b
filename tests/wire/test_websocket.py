"""WebSockets in a straight line (tests/programs/websocket.c), by a client whose frames are made by hand: over HTTP/1.1,
plain and by TLS, and over HTTP/2. Clients not written by us are in test_websocket_clients.py.

SPDX-License-Identifier: MIT
"""

import json
import random
import socket
import threading
import time
import zlib

import pytest

import ws
from client import Connection, ask
from faults import wait_for
from tunnels import KINDS, Site, Upgraded, beginning
from ws import BINARY, CLOSE, CONTINUATION, FIN, PING, PONG, TEXT, frame, text

pytestmark = pytest.mark.threaded


class Sockets(Site):
    def __init__(self, kind, pair, authority, *settings):
        super().__init__(kind, pair, authority, *settings, program="websocket")

    def socket(self, path, behind=b"", **changes):
        """An open socket."""
        stream = self.ask(path, behind, **changes)
        assert stream.status == (200 if self.http2 else 101), stream.status
        return ws.Frames(stream)

    def ask(self, path, behind=b"", **changes):
        fields = ws.asked(**changes)
        if self.http2:
            fields = [(name.lower(), value) for name, value in fields if name != "Sec-WebSocket-Key"]
        return self.open(path, behind, protocol="websocket", fields=fields)

    def get(self, path):
        """By plain HTTP/1.1."""
        return ask(self.server.address, "GET", path).text()

    def held(self):
        """Bytes of the worker's that sockets have."""
        accounts = json.loads(self.get("/ledger"))["memory"]["accounts"]
        return sum(account["in_use"] for account in accounts if account["name"].startswith("websocket"))

    def figures(self):
        """Sockets that are open, messages received and sent."""
        sockets = json.loads(self.get("/ledger"))["sockets"]
        return [sockets[name] for name in ("websockets", "received", "sent")]

    def wait_held(self, size):
        deadline = time.monotonic() + 10
        while (got := self.held()) != size:
            assert time.monotonic() < deadline, got
            time.sleep(0.01)

    def told(self, start):
        """What /last says, once that is what it says."""
        deadline = time.monotonic() + 10
        while not (got := self.get("/last")).startswith(start):
            assert time.monotonic() < deadline, got
            time.sleep(0.01)
        return got.rstrip("\n")


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


@pytest.fixture
def begin(kind, pair, authority):
    with beginning(lambda *settings: Sockets(kind, pair, authority, *settings)) as begin:
        yield begin


@pytest.fixture
def site(begin):
    return begin()


@pytest.fixture
def plain(pair, authority):
    site = Sockets("plain", pair, authority)
    yield site
    site.server.stop()


# ---- the opening handshake


def test_handshake(site):
    with site.socket("/echo") as socket:
        fields = {name.lower(): value for name, value in socket.stream.fields.items()}
        assert fields["x-middleware"] == "yes"
        assert "sec-websocket-protocol" not in fields and "sec-websocket-extensions" not in fields
        if site.http2:
            assert "sec-websocket-accept" not in fields and "upgrade" not in fields
        else:
            assert fields["sec-websocket-accept"] == ws.ACCEPT == ws.accept_of(ws.KEY)
            assert (fields["upgrade"], fields["connection"]) == ("websocket", "Upgrade")


def test_figures(site):
    with site.socket("/echo") as socket, site.socket("/echo") as other:
        for i in range(3):
            socket.send(text(f"message {i}"))
            socket.expect(TEXT, f"message {i}")
        other.send(frame(TEXT, b"two ", fin=0) + frame(CONTINUATION, b"pieces"))
        other.expect(TEXT, "two pieces")
        assert site.figures() == [2, 4, 4]
    assert site.ask("/echo", Sec_WebSocket_Version="12").status == 426
    wait_for(lambda: site.figures() == [0, 4, 4])


def test_echo(site):
    """What was behind the handshake comes first; texts and binary data of all forms of length; and a closing handshake."""
    with site.socket("/echo", text("behind")) as socket:
        socket.expect(TEXT, "behind")
        for size in (0, 1, 125, 126, 127, 4096, 4097, 65535, 65536, 300000):
            socket.send(frame(BINARY, bytes(size % 251 for _ in range(size))))
            assert socket.message() == (BINARY, bytes(size % 251 for _ in range(size)))
        socket.send(text("κόσμε"))
        socket.expect(TEXT, "κόσμε")
        socket.send(ws.close(1000, b"done"))
        socket.expect_close(1000, b"")
        socket.expect_end()
    assert site.told('-3 1000 "done"') == '-3 1000 "done" ""'


def test_many_in_one_piece(site):
    with site.socket("/echo") as socket:
        socket.send(*(text(f"message {i}") for i in range(200)))
        for i in range(200):
            socket.expect(TEXT, f"message {i}")


def test_bytes_one_by_one(plain):
    data = text("héllo", fin=False) + frame(PING, b"ping") + frame(CONTINUATION, b" world") + ws.close(1000)
    with plain.socket("/echo") as socket:
        for i in range(len(data)):
            socket.send(data[i : i + 1])
            time.sleep(0.001)
        socket.expect(PONG, b"ping")
        socket.expect(TEXT, "héllo world")
        socket.expect_close(1000)
        socket.expect_end()


@pytest.mark.parametrize("offered, spoken, agreed", [
    ("chat", "chat", "chat"), ("soap, chat", "chat soap", "soap"), ("x", "chat", None), ("chat", "", None)])
def test_protocol(plain, offered, spoken, agreed):
    stream = plain.ask(f"/echo?protocols={spoken.replace(' ', '+')}", Sec_WebSocket_Protocol=offered)
    with ws.Frames(stream) as socket:
        assert stream.status == 101 and stream.fields.get("Sec-WebSocket-Protocol") == agreed
        socket.send(ws.close(1000))
        socket.expect_close(1000)
    assert plain.told("-3 1000").endswith(f'"{agreed or ""}"')


ORIGINS = [(None, None, True), ("http://localhost", None, True), ("https://evil.test", None, False),
           ("null", None, False), ("https://a.test", "https://a.test https://b.test", True),
           ("https://b.test", "https://a.test https://b.test", True), ("https://c.test", "https://a.test", False),
           ("https://evil.test", "*", True)]


@pytest.mark.parametrize("origin, allowed, good", ORIGINS)
def test_origin(plain, origin, allowed, good):
    path = "/echo" + (f"?origins={allowed.replace(' ', '+')}" if allowed else "")
    with ws.Frames(plain.ask(path, Origin=origin)) as socket:
        assert socket.stream.status == (101 if good else 403)


def refusal(site, lines):
    """The reply to a request by hand."""
    with Connection(site.server.address) as connection:
        connection.send(lines.encode(), lines.split()[0])
        return connection.reply()


BASE = {"Host": "localhost", "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Key": ws.KEY,
        "Sec-WebSocket-Version": "13"}
# (request line's method and version, fields that differ, status), RFC 6455 section 4.2.1 in its order
REFUSED = [
    ("POST", "1.1", {}, 405), ("GET", "1.0", {}, 426),
    ("GET", "1.1", {"Host": None}, 400), ("GET", "1.1", {"Upgrade": None}, 426), ("GET", "1.1", {"Upgrade": "h2c"}, 426),
    ("GET", "1.1", {"Connection": None}, 426), ("GET", "1.1", {"Connection": "keep-alive"}, 426),
    ("GET", "1.1", {"Sec-WebSocket-Key": None}, 400), ("GET", "1.1", {"Sec-WebSocket-Key": "short"}, 400),
    ("GET", "1.1", {"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZXM="}, 400),
    ("GET", "1.1", {"Sec-WebSocket-Version": None}, 426), ("GET", "1.1", {"Sec-WebSocket-Version": "8"}, 426),
    ("GET", "1.1", {"Sec-WebSocket-Version": "14"}, 426), ("GET", "1.1", {"Sec-WebSocket-Protocol": "a b"}, 400),
    ("GET", "1.1", {"Sec-WebSocket-Extensions": "x;;"}, 400), ("GET", "1.1", {"Origin": "http://other.test"}, 403),
    ("GET", "1.1", {"Content-Length": "3"}, 400),
]
TAKEN = [{"Connection": "keep-alive, Upgrade"}, {"Connection": "upgrade"}, {"Upgrade": "WebSocket"},
         {"Upgrade": "h2c, websocket"}, {"Sec-WebSocket-Extensions": "unknown; a=b"}, {"Cookie": "a=b"}]


def lines_of(method, version, changes):
    fields = {**BASE, **changes}
    return f"{method} /echo HTTP/{version}\r\n" + "".join(
        f"{name}: {value}\r\n" for name, value in fields.items() if value is not None) + "\r\n"


@pytest.mark.parametrize("method, version, changes, status", REFUSED)
def test_refused(plain, method, version, changes, status):
    got = refusal(plain, lines_of(method, version, changes) + "abc" * ("Content-Length" in changes))
    assert got.status == status
    if status == 426:
        assert got.header("Sec-WebSocket-Version") == "13" and got.header("Upgrade") == "websocket"


@pytest.mark.parametrize("changes", TAKEN)
def test_taken(plain, changes):
    with socket.create_connection(plain.server.address, 20) as connection:
        connection.sendall(lines_of("GET", "1.1", changes).encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 101 ")


def test_taken_by_an_absolute_target(plain):
    with socket.create_connection(plain.server.address, 20) as connection:
        connection.sendall(lines_of("GET", "1.1", {}).replace(" /echo ", " http://localhost/echo ").encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 101 ")


def test_lists_in_several_lines(plain):
    """Of one list in the request; in the reply each field stands once (RFC 6455 section 11.3)."""
    lists = [("Sec-WebSocket-Protocol", "zero"), ("Sec-WebSocket-Protocol", "two, one"),
             ("Sec-WebSocket-Extensions", "unknown"), ("Sec-WebSocket-Extensions", DEFLATE)]
    with plain.open("/echo?protocols=one+two&deflate=1", protocol="websocket", fields=[*ws.asked(), *lists]) as stream:
        assert stream.status == 101 and stream.fields["Sec-WebSocket-Protocol"] == "two"
        assert stream.fields["Sec-WebSocket-Extensions"].startswith("permessage-deflate")
        names = [line.partition(b":")[0].lower() for line in stream.head.split(b"\r\n")]
        for name in (b"accept", b"protocol", b"extensions"):
            assert names.count(b"sec-websocket-" + name) == 1


def test_refusal_of_a_handler(plain):
    """A page of its own, and middleware that says no."""
    assert refusal(plain, lines_of("GET", "1.1", {"Upgrade": None}).replace("/echo", "/own")).status == 418
    assert refusal(plain, lines_of("GET", "1.1", {}).replace("/echo", "/deny")).status == 401
    assert refusal(plain, lines_of("GET", "1.1", {}).replace("/echo", "/echo?max_message=-2")).status == 500


def test_http2_refusals(pair, authority):
    site = Sockets("h2", pair, authority)
    for changes, status in (({"Sec_WebSocket_Version": "8"}, 426), ({"Origin": "https://evil.test"}, 403)):
        with site.ask("/echo", **changes) as stream:
            assert stream.status == status
    with site.open("/echo", protocol="other", fields=[("sec-websocket-version", "13")]) as stream:
        assert stream.status == 426
    site.server.stop()


# ---- what breaks the protocol

# Name, what is sent, code of the Close that comes. RFC 6455, by sections.
VIOLATIONS = [
    ("5.1 a frame without a mask", text("a", mask=b""), 1002),
    ("5.1 a Ping without a mask", frame(PING, mask=b""), 1002),
    ("5.2 RSV1", text("a", rsv=ws.RSV1), 1002),
    ("5.2 RSV2", text("a", rsv=ws.RSV2), 1002),
    ("5.2 RSV3 of a Ping", frame(PING, rsv=ws.RSV3), 1002),
    *((f"5.2 opcode {opcode}", frame(opcode), 1002) for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)),
    ("5.2 a length that needs fewer bytes", text("a", form=16), 1002),
    ("5.2 a length of 64 bits that needs 16", text("a" * 200, form=64), 1002),
    ("5.2 a length of 2^63", frame(BINARY, length=1 << 63, form=64), 1002),
    ("5.4 a continuation of nothing", frame(CONTINUATION, b"a"), 1002),
    ("5.4 a last continuation of nothing", frame(CONTINUATION, b"a", fin=False), 1002),
    ("5.4 a message within a message", text("a", fin=False) + text("b"), 1002),
    ("5.5 a Ping in fragments", frame(PING, b"a", fin=False), 1002),
    ("5.5 a Close in fragments", frame(CLOSE, fin=False), 1002),
    ("5.5 a Ping of 126 bytes", frame(PING, b"a" * 126), 1002),
    ("5.5 a Pong of 126 bytes", frame(PONG, b"a" * 126), 1002),
    ("5.5 a Close of 126 bytes", frame(CLOSE, b"\x03\xe8" + b"a" * 124), 1002),
    ("5.5.1 half a code", frame(CLOSE, b"\x03"), 1002),
    ("5.5.1 a reason that is not UTF-8", ws.close(1000, b"\xff"), 1007),
    *((f"7.4 code {code}", ws.close(code), 1002)
      for code in (0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535)),
    ("8.1 text that is not UTF-8", text(b"a\xff"), 1007),
    ("8.1 a surrogate", text(b"\xed\xa0\x80"), 1007),
    ("8.1 longer than it need be", text(b"\xc0\xaf"), 1007),
    ("8.1 beyond U+10FFFF", text(b"\xf4\x90\x80\x80"), 1007),
    ("8.1 half a character", text(b"\xce"), 1007),
    ("8.1 told before the message ends", text(b"a\xff", fin=False), 1007),
    ("8.1 half a character and its end elsewhere", text(b"\xce", fin=False) + frame(CONTINUATION, b"a"), 1007),
]


@pytest.mark.parametrize("sent, code", [pytest.param(sent, code, id=name) for name, sent, code in VIOLATIONS])
def test_violation(begun, sent, code):
    """A Close says which, and what follows is not read."""
    with begun.socket("/echo") as socket:
        socket.send(text("before"), sent, text("behind"))
        socket.expect(TEXT, "before")
        socket.expect_close(code)
        socket.expect_end()
    begun.told(f"-3 {code}")


@pytest.fixture(scope="module")
def begun(pair, authority):
    """One server for a table."""
    site = Sockets("plain", pair, authority)
    yield site
    site.server.stop()


def test_violations_elsewhere(site):
    """In each version, plain and by TLS."""
    for _, sent, code in VIOLATIONS[::11]:
        with site.socket("/echo") as socket:
            socket.send(sent)
            socket.expect_close(code)


# Name, what is sent, the codes and payloads that come back
TAKEN_FRAMES = [
    ("5.2 a mask of zeros", text("a", mask=bytes(4)), [(TEXT, b"a")]),
    ("5.4 three fragments", text("a", fin=False) + frame(CONTINUATION, b"b", fin=False) + frame(CONTINUATION, b"c"),
     [(TEXT, b"abc")]),
    ("5.4 empty fragments", text("", fin=False) + frame(CONTINUATION, fin=False) + frame(CONTINUATION), [(TEXT, b"")]),
    ("5.4 a Ping between fragments", text("a", fin=False) + frame(PING, b"p") + frame(CONTINUATION, b"b"),
     [(PONG, b"p"), (TEXT, b"ab")]),
    ("5.5.2 an empty Ping", frame(PING), [(PONG, b"")]),
    ("5.5.2 a Ping of 125 bytes", frame(PING, b"x" * 125), [(PONG, b"x" * 125)]),
    ("5.5.3 a Pong that nobody has asked for", frame(PONG, b"x") + text("a"), [(TEXT, b"a")]),
    ("8.1 a character in two fragments", text(b"\xce", fin=False) + frame(CONTINUATION, b"\xba"), [(TEXT, b"\xce\xba")]),
    *((f"7.4 code {code}", ws.close(code), [(CLOSE, code.to_bytes(2, "big"))])
      for code in (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999)),
    ("7.1.5 a Close without a code", ws.close(), [(CLOSE, b"")]),
    ("5.5.1 a reason of 123 bytes", ws.close(1000, b"r" * 123), [(CLOSE, b"\x03\xe8")]),
    ("5.5.1 nothing is read behind a Close", ws.close(1000) + text("a"), [(CLOSE, b"\x03\xe8")]),
]


@pytest.mark.parametrize("sent, expected", [pytest.param(sent, got, id=name) for name, sent, got in TAKEN_FRAMES])
def test_frames(begun, sent, expected):
    with begun.socket("/echo") as socket:
        socket.send(sent)
        for opcode, payload in expected:
            socket.expect(opcode, payload)
        if expected[-1][0] == CLOSE:
            socket.expect_end()


# ---- limits


@pytest.mark.parametrize("query, sent, code", [
    ("max_message=100", text("a" * 101), 1009), ("max_message=100", text("a" * 60, fin=False) + frame(0, b"b" * 41), 1009),
    ("max_frame=100", frame(BINARY, b"a" * 101), 1009), ("kinds=1", frame(BINARY, b"a"), 1003),
    ("kinds=2", text("a"), 1003), ("", frame(BINARY, length=(1 << 20) + 1, form=64), 1009),
    ("max_message=70000", frame(BINARY, b"a" * 70001), 1009)])
def test_limit(begun, query, sent, code):
    with begun.socket(f"/echo?{query}") as socket:
        socket.send(sent)
        socket.expect_close(code)
        socket.expect_end()


@pytest.mark.parametrize("query, size", [("max_message=100", 100), ("max_message=70000", 70000), ("", 1 << 20),
                                         ("max_message=-1", (1 << 20) + 1)])
def test_within_limit(begun, query, size):
    with begun.socket(f"/echo?{query}") as socket:
        socket.send(frame(BINARY, b"a" * size))
        assert socket.message() == (BINARY, b"a" * size)


def test_pieces(begun):
    """Pieces are as large as the buffer, of whole characters, and a message that fits is one."""
    with begun.socket("/pieces?whole=-1") as socket:
        socket.send(text("é" * 5000))
        pieces = []
        while not pieces or not pieces[-1][2]:
            pieces.append([int(word) for word in socket.message()[1].split()])
        assert sum(piece[3] for piece in pieces) == 10000
        assert all(piece[0] == 1 and piece[3] % 2 == 0 and piece[3] <= 4096 for piece in pieces)
        assert [piece[1] for piece in pieces] == [1] + [0] * (len(pieces) - 1) and len(pieces) >= 3
        socket.send(text("a" * 4000))
        socket.expect(TEXT, "1 1 1 4000")


def test_memory(plain):
    """Nothing is held between messages; a large one goes when the next is asked for."""
    with plain.socket("/echo") as socket:
        assert plain.held() == 0
        socket.send(text("a" * 100, fin=False))
        plain.wait_held(4096)
        socket.send(frame(CONTINUATION, b"b" * 200000))
        socket.message()
        plain.wait_held(0)
        socket.send(text("a" * 100000))
        socket.stream.socket.close()
        plain.wait_held(0)
        plain.told("-3 1006")
        assert plain.held() == 0


# ---- sending


def test_parts(site):
    with site.socket("/parts") as socket:
        socket.send(text("aaabbbccc"))
        assert [socket.frame() for _ in range(4)] == [
            (TEXT, b"aaa", False, 0), (PING, b"within", True, 0), (CONTINUATION, b"bbb", False, 0),
            (CONTINUATION, b"ccc", True, 0)]


def test_calls(plain):
    with plain.socket("/calls") as socket:
        got = [int(socket.message()[1]) for _ in range(14)]
        assert got == [-1] * 12 + [-8, -5]
        assert socket.message() == (TEXT, "é".encode())
        assert [int(socket.message()[1]) for _ in range(3)] == [-15, -1, -1]
        socket.expect_close(1000)


def test_slow_client(plain):
    """A client that takes nothing makes its handler wait, and loses nothing."""
    with plain.socket("/echo") as socket:
        sent = threading.Thread(target=socket.send, args=[frame(BINARY, bytes([i]) * 100000) for i in range(40)])
        sent.start()
        time.sleep(0.3)  # both directions are full
        for i in range(40):
            assert socket.message() == (BINARY, bytes([i]) * 100000)
        sent.join()


@pytest.mark.parametrize("kind", ["plain", "tls"], indirect=True)
@pytest.mark.parametrize("path, told", [("/echo", "-7 1006"), ("/echo?deflate=1&deflate_min_size=1", "-7 1006"),
                                        ("/topic?topic=room", "-3 1006")])
def test_client_that_takes_nothing(begin, path, told):
    """It is ended by write_timeout_ms, and what its handler had of the worker's comes back."""
    site = begin("write_timeout_ms=300", "ws_buffer_size=1024")
    with site.socket(path, Sec_WebSocket_Extensions=DEFLATE) as socket:
        if "topic" in path:
            socket.expect(TEXT, "0 -14")
        sent = threading.Thread(target=send_until_gone, args=[socket])
        sent.start()
        site.told(told)
        sent.join()
        site.wait_held(0)


def send_until_gone(socket):
    data = random.Random(1).randbytes(1 << 20)
    try:
        while True:
            socket.send(frame(BINARY, data))
    except (OSError, AssertionError):
        pass


def test_long_head(plain):
    """One that leaves no room in the first buffer for what comes behind it."""
    stream = plain.open("/echo", protocol="websocket", fields=[*ws.asked(), ("X-Long", "x" * 7000)])
    with ws.Frames(stream) as socket:
        for size in (10, 3000, 10000, 200000):
            sent = threading.Thread(target=socket.send, args=[frame(BINARY, b"x" * size)])
            sent.start()
            assert socket.message() == (BINARY, b"x" * size)
            sent.join()


# ---- closing


def test_close_of_the_server(site):
    """What the client has sent before its Close is still told."""
    with site.socket("/close?code=4001&reason=bye") as socket:
        socket.expect_close(4001, b"bye")
        socket.send(text("one"), text("two"), ws.close(4001))
        socket.expect_end()
    assert site.told("-3 4001") == '-3 4001 "" "" 2'


def test_close_without_a_code(plain):
    with plain.socket("/close") as socket:
        socket.expect_close(None)
        socket.send(ws.close())
        socket.expect_end()
    plain.told("-3 1005")


def test_close_that_is_not_answered(plain):
    with plain.socket("/close?code=1000&close_timeout_ms=100") as socket:
        socket.expect_close(1000)
        socket.expect_end()
    plain.told("-3 1006")


def test_ping_behind_our_close(site):
    """Pings are answered until the client's own Close has come (RFC 6455 section 5.5.2)."""
    with site.socket("/close?code=1000") as socket:
        socket.expect_close(1000)
        socket.send(frame(PING, b"one"), text("behind"), frame(PING, b"two"), ws.close(1000), frame(PING, b"three"))
        socket.expect(PONG, b"one")
        socket.expect(PONG, b"two")
        socket.expect_end()


def test_close_that_is_never_answered(plain):
    """However much the client sends instead: small messages, of which the server never sees the end."""
    with plain.socket("/leave?close_timeout_ms=100") as socket:
        socket.send(text("a"))
        socket.expect_close(1000)
        deadline, unending = time.monotonic() + 60, frame(BINARY, mask=bytes(4)) * 200000
        with pytest.raises(OSError):
            while time.monotonic() < deadline:
                socket.send(unending)


@pytest.mark.parametrize("path, code", [("/leave", 1000), ("/fail", 1011), ("/within", 1000)])
def test_handler_that_returns(site, path, code):
    with site.socket(path) as socket:
        socket.send(text("a"))
        if path == "/within":
            assert socket.frame() == (TEXT, b"begun", False, 0)
        socket.expect_close(code)
        socket.send(ws.close(code))
        socket.expect_end()


def test_handler_that_returns_to_a_silent_client(plain):
    for path in ("/leave", "/fail"):
        with plain.socket(f"{path}?close_timeout_ms=50") as socket:
            socket.send(text("a"))
            socket.expect_close(1000 if path == "/leave" else 1011)
            socket.expect_end()


def test_client_that_goes(site):
    """Without a Close: by the end of its side, or a reset."""
    socket = site.socket("/echo")
    socket.send(text("a"))
    socket.expect(TEXT, "a")
    socket.stream.socket.close()
    site.told("-3 1006")


# ---- time


def test_pings(site):
    with site.socket("/echo?ping_ms=50&pong_timeout_ms=5000") as socket:
        for _ in range(3):
            opcode, payload, _, _ = socket.frame()
            assert opcode == PING
            socket.send(frame(PONG, payload))
        socket.send(text("a"))
        while (got := socket.frame())[0] == PING:
            pass
        assert got[:2] == (TEXT, b"a")


def test_pings_without_end(plain):
    deaf = Upgraded(plain.server.address, "/echo", protocol="websocket", fields=ws.asked(), SO_RCVBUF=16384)
    with plain.socket("/echo") as idle, ws.Frames(deaf) as socket:
        socket.expect_pings_to_wait()
        idle.send(text("a"))
        idle.expect(TEXT, "a")


def test_client_that_does_not_answer_pings(plain):
    with plain.socket("/echo?ping_ms=50&pong_timeout_ms=50") as socket:
        assert socket.frame()[0] == PING
        socket.expect_end()
    plain.told("-3 1006")


def test_timeout(plain):
    with plain.socket("/timed") as socket:
        socket.expect(TEXT, "tick")
        socket.send(text("a"))
        while (got := socket.message()[1]) == b"tick":
            pass
        assert got == b"a"
        socket.expect(TEXT, "tick")


def test_look(plain):
    """A call that does not wait."""
    with plain.socket("/look") as socket:
        socket.send(text("one"))
        socket.expect(TEXT, "-7 ")
        socket.send(text("two"), text("three"))
        socket.expect(TEXT, "0 three")


# ---- the stop


def test_stop(begin):
    site = begin()
    with site.socket("/echo") as socket:
        socket.send(text("a"))
        socket.expect(TEXT, "a")
        site.server.process.terminate()
        socket.expect_close(1001)
        socket.send(ws.close(1001))
        socket.expect_end()


@pytest.mark.parametrize("kind", ["plain"], indirect=True)
def test_stop_that_a_handler_hears(begin):
    site = begin()
    with site.socket("/stop?on=1") as socket:
        socket.send(text("a"))
        socket.expect(TEXT, "a")
        site.server.process.terminate()
        socket.expect(TEXT, "stopping")
        socket.send(text("b"))
        socket.expect(TEXT, "b")
        socket.send(ws.close(1000))
        socket.expect_close(1000)


def test_stop_that_is_cut(begin):
    """A handler and a client that do not end."""
    site = begin("stop_timeout_ms=300")
    with site.socket("/stop?on=1") as socket:
        socket.send(text("a"))
        socket.expect(TEXT, "a")
        site.server.process.terminate()
        socket.expect(TEXT, "stopping")
        site.server.process.wait(20)


# ---- topics


def test_topic(site):
    site.get("/publish?topic=room&text=old&count=3")
    with site.socket("/topic?topic=room&last=2") as socket:
        socket.expect(TEXT, "0 -14")
        socket.expect(TEXT, "old 1")
        socket.expect(TEXT, "old 2")
        site.get("/publish?topic=room&text=new")
        socket.expect(TEXT, "new")
        socket.send(text("mine"))
        socket.expect(TEXT, "mine")
        site.get("/publish?topic=room&text=many&count=100")
        for i in range(100):
            socket.expect(TEXT, f"many {i}")
        socket.send(text("off"))
        socket.expect(TEXT, "0 -8")
        site.get("/publish?topic=room&text=nobody")
        socket.send(text("a"))
        socket.expect(TEXT, "a")


def test_topic_waits_for_a_message_in_parts(plain):
    with plain.socket("/topic?topic=room") as socket:
        socket.expect(TEXT, "0 -14")
        socket.send(text("part"))
        assert socket.frame() == (TEXT, b"part", False, 0)
        plain.get("/publish?topic=room&text=between")
        socket.send(frame(PING, b"here"), text("end"))
        socket.expect(PONG, b"here")
        assert socket.frame() == (CONTINUATION, b"end", True, 0)
        socket.expect(TEXT, "between")


def test_topic_that_disconnects(plain):
    """A ring of 8 messages, of which 20 are published while the handler cannot send."""
    with plain.socket("/topic?topic=strict") as socket:
        socket.expect(TEXT, "0 -14")
        socket.send(text("part"))
        assert socket.frame() == (TEXT, b"part", False, 0)
        plain.get("/publish?topic=strict&text=x&count=20")
        socket.send(text("end"))
        assert socket.frame() == (CONTINUATION, b"end", True, 0)
        socket.expect_close(1008, b"too slow")
        socket.send(ws.close(1008))
        socket.expect_end()


# ---- permessage-deflate

DEFLATE = "permessage-deflate; client_max_window_bits"


class Deflated:
    """A client's half of permessage-deflate, without takeover unless told."""

    def __init__(self, takeover=False):
        self.takeover = takeover
        self.out, self.into = self.new_out(), zlib.decompressobj(-15)

    @staticmethod
    def new_out():
        return zlib.compressobj(wbits=-15)

    def compress(self, data):
        if not self.takeover:
            self.out = self.new_out()
        data = self.out.compress(data) + self.out.flush(zlib.Z_SYNC_FLUSH)
        return data[:-4]

    def inflate(self, data):
        if not self.takeover:
            self.into = zlib.decompressobj(-15)
        return self.into.decompress(data + b"\0\0\xff\xff")


@pytest.mark.parametrize("takeover", [False, True])
def test_deflate(site, takeover):
    query = "deflate=1" + ("&deflate_server_takeover=1&deflate_client_takeover=1" if takeover else "")
    with site.socket(f"/echo?{query}", Sec_WebSocket_Extensions=DEFLATE) as socket:
        fields = {name.lower(): value for name, value in socket.stream.fields.items()}
        agreed = fields["sec-websocket-extensions"]
        assert agreed.startswith("permessage-deflate")
        assert ("no_context_takeover" in agreed) == (not takeover)
        codec = Deflated(takeover)
        words = " ".join(f"word {i % 97}" for i in range(20000)).encode()
        sizes = []
        for size in (1000, 1000, 5000, len(words)):
            socket.send(frame(TEXT, codec.compress(words[:size]), rsv=ws.RSV1))
            opcode, payload, fin, rsv = socket.frame()
            assert (opcode, rsv) == (TEXT, ws.RSV1)
            while not fin:
                again, more, fin, rsv = socket.frame()
                assert (again, rsv) == (CONTINUATION, 0)
                payload += more
            sizes.append(len(payload))
            assert codec.inflate(payload) == words[:size]
        assert (sizes[1] < sizes[0] / 2) == takeover
        socket.send(text("short"))
        socket.expect(TEXT, "short")


def test_deflate_is_off(plain):
    with plain.socket("/echo", Sec_WebSocket_Extensions=DEFLATE) as socket:
        assert "Sec-WebSocket-Extensions" not in socket.stream.fields


def test_deflate_is_bounded(plain):
    """What inflates to more than a message may have."""
    with plain.socket("/echo?deflate=1&max_message=100000", Sec_WebSocket_Extensions=DEFLATE) as socket:
        socket.send(frame(BINARY, Deflated().compress(bytes(10 << 20)), rsv=ws.RSV1))
        socket.expect_close(1009)
        socket.expect_end()


def test_deflate_that_is_none(plain):
    with plain.socket("/echo?deflate=1", Sec_WebSocket_Extensions=DEFLATE) as socket:
        socket.send(frame(BINARY, b"\xff\xff\xff\xff", rsv=ws.RSV1))
        socket.expect_close(1007)
        socket.expect_end()
