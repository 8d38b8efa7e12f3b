"""When a connection is kept and when it is closed, framing of replies and requests, and a first set of requests that
have to be refused.

SPDX-License-Identifier: MIT
"""

import select
import socket
import time

import pytest

from client import Connection, ProtocolError, request

pytestmark = pytest.mark.threaded


# ---- Keep-alive and close


@pytest.mark.parametrize("version, connection_header, kept", [
    ("1.1", None, True), ("1.1", "keep-alive", True), ("1.1", "close", False), ("1.1", "Close", False),
    ("1.1", "foo, close", False), ("1.1", "close, keep-alive", False), ("1.1", "closed", True), ("1.1", "", True),
    ("1.0", None, False), ("1.0", "close", False), ("1.0", "keep-alive", True), ("1.0", "Keep-Alive", True),
    ("1.0", "foo ,keep-alive", True), ("1.0", "keep-alive, close", False),
])
def test_kept_or_closed(tour, version, connection_header, kept):
    headers = {} if connection_header is None else {"Connection": connection_header}
    with tour.connect() as connection:
        reply = connection.ask(version=version, headers=headers)
        assert reply.body == b"Hello, World!" and reply.framing == "length"
        assert reply.closes == (not kept)
        if not kept:
            connection.expect_end()
            return
        if version == "1.0":
            assert [value.lower() for value in reply.all("Connection")] == ["keep-alive"]
        assert connection.ask().body == b"Hello, World!"


def test_two_connection_headers(tour):
    with tour.connect() as connection:
        assert connection.ask(headers=[("Connection", "keep-alive"), ("Connection", "close")]).closes
        connection.expect_end()


def test_http10_without_host(tour):
    assert tour.ask(version="1.0", host=None).body == b"Hello, World!"


def test_many_on_one_connection(tour):
    with tour.connect() as connection:
        for _ in range(500):
            assert connection.ask().body == b"Hello, World!"


def test_one_empty_line_before_a_request(tour):
    with tour.connect() as connection:
        connection.send(b"\r\n" + request() + b"\r\n" + request(), "GET", "GET")
        assert connection.reply().status == 200 and connection.reply().status == 200


def test_date(tour):
    """The parser checks form and nearness of every Date; here, that it moves."""
    with tour.connect() as connection:
        first = connection.ask().header("Date")
        time.sleep(1.1)
        assert connection.ask().header("Date") != first


def test_half_close(probe):
    """A client that ends its side after a request still gets its reply, and the handler can tell."""
    with probe.connect() as connection:
        connection.send(request(path="/closed"), "GET")
        connection.socket.shutdown(socket.SHUT_WR)
        assert connection.reply().body == b"1"
        connection.expect_end()
    with probe.connect() as connection:
        assert connection.ask(path="/closed").body == b"0"


def test_half_request_then_end(tour):
    with tour.connect() as connection:
        connection.socket.sendall(request()[:-5])
        connection.socket.shutdown(socket.SHUT_WR)
        connection.parser.methods.append("GET")
        try:
            assert connection.reply().status in (400, 408)
        except ProtocolError:
            pass


# ---- Framing of replies


@pytest.mark.parametrize("status", [204, 304])
def test_no_body(probe, status):
    """The parser refuses a length with 204 and takes bytes of a body for the next reply, which they are not."""
    with probe.connect() as connection:
        for _ in range(3):
            assert connection.ask(path=f"/status/{status}").status == status
        assert connection.ask().body == b"Hello, World!"


def test_status_and_reason(probe):
    for status, reason in ((200, "OK"), (201, "Created"), (404, "Not Found"), (418, None),
                           (503, "Service Unavailable")):
        reply = probe.ask(path=f"/status/{status}")
        assert reply.status == status and reply.body == b"text"
        assert reason is None or reply.reason == reason


@pytest.mark.parametrize("count, size", [(0, 1), (1, 1), (3, 5), (1, 4096), (2, 4096), (100, 100), (30, 4096),
                                         (5000, 7)])
def test_streamed_bodies(probe, count, size):
    """Right bytes whichever framing is chosen; what fits a buffer has a length."""
    with probe.connect() as connection:
        reply = connection.ask(path=f"/pieces/{count}/{size}")
        assert reply.body == b"x" * (count * size)
        if count * size < 1000:
            assert reply.framing == "length"
        if count * size > 10000:
            assert reply.framing == "chunked"
        reply = connection.ask(path=f"/pieces/{count}/{size}", version="1.0", headers={"Connection": "keep-alive"})
        assert reply.body == b"x" * (count * size) and reply.framing in ("length", "close")


def test_written_goes_out_before_a_wait(probe):
    with probe.connect() as connection:
        began = time.monotonic()
        connection.send(request(path="/live/500"), "GET")
        while connection.parser.current is None or not connection.parser.current.body:
            connection.fill()
        assert connection.parser.current.body == b"before\n" and time.monotonic() - began < 0.4
        assert connection.reply().body == b"before\nafter\n" and time.monotonic() - began >= 0.5


def test_body_shorter_than_announced(probe):
    """The client must not take it for whole."""
    with probe.connect() as connection:
        with pytest.raises((ProtocolError, ConnectionResetError)):
            connection.ask(path="/short")


def test_body_shorter_than_announced_behind_others(probe):
    """The replies to the requests before it, which are whole, get out."""
    with probe.connect() as connection:
        connection.send(request() + request(path="/status/404") + request(path="/short"), "GET", "GET", "GET")
        assert connection.reply().body == b"Hello, World!" and connection.reply().status == 404
        with pytest.raises((ProtocolError, ConnectionResetError)):
            connection.reply()


def test_body_longer_than_announced(probe):
    with probe.connect() as connection:
        reply = connection.ask(path="/long")
        assert reply.body == b"123" and reply.header("Content-Length") == "3"
        assert connection.ask().status == 200


def test_fail(probe):
    with probe.connect() as connection:
        for status in (400, 403, 500, 503):
            reply = connection.ask(path=f"/fail/{status}")
            assert reply.status == status and reply.framing == "length"
            if reply.closes:
                return
        assert connection.ask().body == b"Hello, World!"


def test_fail_after_the_head(probe):
    """No page, no last chunk: the reply must not look whole."""
    with probe.connect() as connection:
        with pytest.raises((ProtocolError, ConnectionResetError)):
            connection.ask(path="/fail-late")


def test_headers_cannot_be_split(probe):
    reply = probe.ask(path="/split")
    assert reply.body == b"-1 -1 -1 -1 0" and reply.header("X-Four") == "good"
    assert reply.header("X-Evil") is None


# ---- Bodies of requests


def test_expect_continue(tour):
    with tour.connect() as connection:
        whole = request("POST", "/length", {"Expect": "100-continue"}, b"12345")
        connection.send(whole[:-5], "POST")
        interim = connection.reply()
        assert (interim.status, interim.headers) == (100, [])
        connection.send(b"12345")
        assert connection.reply().body == b"5"
        assert connection.ask().status == 200


def test_expect_continue_is_not_sent_when_nobody_reads(probe):
    """A handler that does not want the body answers at once, without asking for it."""
    with probe.connect() as connection:
        connection.send(request("POST", "/ignore-body", {"Expect": "100-continue"}, b"12345")[:-5], "POST")
        reply = connection.reply()
        assert reply.status == 200 and reply.body == b"ignored"


def test_expect_continue_http10(tour):
    with tour.connect() as connection:
        connection.send(request("POST", "/length", {"Expect": "100-continue"}, b"12345", version="1.0"), "POST")
        assert connection.reply().status == 200


def test_expect_unknown(tour):
    assert tour.ask("POST", "/length", headers={"Expect": "miracle"}, body=b"1").status == 417


def test_body_in_drops(tour):
    """A chunked body a byte at a time."""
    with tour.connect() as connection:
        data = request("POST", "/echo", body=[b"a", b"bc", b"def" * 10])
        connection.parser.methods.append("POST")
        for byte in data:
            connection.socket.sendall(bytes([byte]))
        assert connection.reply().body == b"abc" + b"def" * 10


def test_read_part_of_a_body(probe):
    with probe.connect() as connection:
        assert connection.ask("POST", "/read-some", body=b"x" * 5000).body == b"16"
        assert connection.ask().body == b"Hello, World!"


def test_unread_body_beyond_the_limit(probe):
    """More than drain_limit is not read only to be dropped: the connection is closed, with the reply delivered."""
    with probe.connect() as connection:
        connection.socket.settimeout(5)
        connection.send(request("POST", "/ignore-body", {"Content-Length": "10000000"}) + b"x" * 100000, "POST")
        assert connection.reply().body == b"ignored"
        try:
            while connection.socket.recv(1000):
                pass
        except ConnectionResetError:
            pass


# ---- What is refused

LINE = b"GET / HTTP/1.1\r\n"
HOST = b"Host: a\r\n"
POST = b"POST /length HTTP/1.1\r\n" + HOST

BAD = {
    "bare LF": b"GET / HTTP/1.1\nHost: a\n\n",
    "bare LF after a header": LINE + b"Host: a\n\r\n",
    "bare CR in a value": LINE + HOST + b"X: a\rb\r\n\r\n",
    "NUL in a value": LINE + HOST + b"X: a\0b\r\n\r\n",
    "NUL in a name": LINE + HOST + b"X\0: a\r\n\r\n",
    "control in a value": LINE + HOST + b"X: a\x01b\r\n\r\n",
    "no request line": b": a\r\n\r\n",
    "two spaces": b"GET  / HTTP/1.1\r\n" + HOST + b"\r\n",
    "space behind": b"GET / HTTP/1.1 \r\n" + HOST + b"\r\n",
    "space before": b" GET / HTTP/1.1\r\n" + HOST + b"\r\n",
    "tab for a space": b"GET\t/\tHTTP/1.1\r\n" + HOST + b"\r\n",
    "no version": b"GET /\r\n" + HOST + b"\r\n",
    "lower-case version": b"GET / http/1.1\r\n" + HOST + b"\r\n",
    "version without digits": b"GET / HTTP/x.y\r\n" + HOST + b"\r\n",
    "long version": b"GET / HTTP/1.10\r\n" + HOST + b"\r\n",
    "method not a token": b"G@T / HTTP/1.1\r\n" + HOST + b"\r\n",
    "no method": b" / HTTP/1.1\r\n" + HOST + b"\r\n",
    "target without slash": b"GET index.html HTTP/1.1\r\n" + HOST + b"\r\n",
    "star for GET": b"GET * HTTP/1.1\r\n" + HOST + b"\r\n",
    "control in the target": b"GET /a\x01b HTTP/1.1\r\n" + HOST + b"\r\n",
    "no Host": LINE + b"\r\n",
    "two Hosts": LINE + HOST + b"Host: b\r\n\r\n",
    "bad Host": LINE + b"Host: a b\r\n\r\n",
    "Host with a slash": LINE + b"Host: a/b\r\n\r\n",
    "space before colon": LINE + HOST + b"X : a\r\n\r\n",
    "header without colon": LINE + HOST + b"X\r\n\r\n",
    "header without name": LINE + HOST + b": a\r\n\r\n",
    "folded header": LINE + HOST + b"X: a\r\n b\r\n\r\n",
    "folded first header": LINE + b" Host: a\r\n\r\n",
    "name not a token": LINE + HOST + b"X(Y): a\r\n\r\n",
    "length and chunked": POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked and length": POST + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "two lengths": POST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n12345",
    "two equal lengths": POST + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\n12345",
    "listed lengths": POST + b"Content-Length: 5, 5\r\n\r\n12345",
    "signed length": POST + b"Content-Length: +5\r\n\r\n12345",
    "negative length": POST + b"Content-Length: -5\r\n\r\n12345",
    "hexadecimal length": POST + b"Content-Length: 0x5\r\n\r\n12345",
    "length with a letter": POST + b"Content-Length: 5x\r\n\r\n12345",
    "empty length": POST + b"Content-Length:\r\n\r\n",
    "length beyond 64 bits": POST + b"Content-Length: 18446744073709551621\r\n\r\n12345",
    "length beyond 63 bits": POST + b"Content-Length: 9223372036854775808\r\n\r\n12345",
    "chunked twice": POST + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "chunked in two lines": POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked not last": POST + b"Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    "chunked misspelt": POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "chunked with vertical tab": POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "coding identity": POST + b"Transfer-Encoding: identity\r\nContent-Length: 5\r\n\r\n12345",
    "empty coding": POST + b"Transfer-Encoding:\r\nContent-Length: 5\r\n\r\n12345",
    "chunked in HTTP/1.0": b"POST /length HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "space before coding's colon": POST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "nearly HTTP/2's preface": b"PRI * HTTP/2.0\r\n\r\nGET\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(200)),
}
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
BAD_CHUNKS = {
    "no size": b"\r\n",
    "not hexadecimal": b"g\r\n",
    "signed": b"+5\r\n12345\r\n0\r\n\r\n",
    "negative": b"-5\r\n12345\r\n0\r\n\r\n",
    "prefixed": b"0x5\r\n12345\r\n0\r\n\r\n",
    "space before": b" 5\r\n12345\r\n0\r\n\r\n",
    "space behind": b"5 \r\n12345\r\n0\r\n\r\n",
    "bare LF": b"5\n12345\r\n0\r\n\r\n",
    "bare CR": b"5\r12345\r\n0\r\n\r\n",
    "too large": b"10000000000000005\r\n12345\r\n0\r\n\r\n",
    "beyond 63 bits": b"8000000000000000\r\n12345\r\n0\r\n\r\n",
    "no CR LF behind": b"5\r\n12345670\r\n\r\n",
    "LF behind": b"5\r\n12345\n0\r\n\r\n",
    "bare LF in an extension": b"5;a\n12345\r\n0\r\n\r\n",
    "bare LF in a trailer": b"0\r\nX: a\n\r\n",
    "trailer without colon": b"0\r\nX\r\n\r\n",
    "endless extension": b"5;" + b"a" * 20000 + b"\r\n",
}


def check_refused(server, data, statuses=(400,)):
    """The refusal is delivered and the connection closed; a request behind it is not answered."""
    with server.connect() as connection:
        connection.send(data + request(path="/efficient"), "GET")
        reply = connection.reply()
        assert reply.status in statuses, reply
        assert reply.closes
        try:
            connection.expect_end()
        except ConnectionResetError:
            pass  # some of what was sent had not been read


@pytest.mark.parametrize("name", BAD)
def test_bad_request(tour, name):
    statuses = (400,)
    if name in ("long version", "nearly HTTP/2's preface"):
        statuses = (400, 505)
    elif name.startswith(("chunked", "coding", "empty coding")):
        statuses = (400, 501)
    check_refused(tour, BAD[name], statuses)


@pytest.mark.parametrize("path", ["/a%00b", "/a%zz", "/a%2", "/%", "/file/%00", "/file/hello.txt%00.png"])
def test_bad_path(tour, path):
    """The framing is good, so the connection may be kept."""
    with tour.connect() as connection:
        reply = connection.ask(path=path)
        assert reply.status == 400
        if not reply.closes:
            assert connection.ask().status == 200


@pytest.mark.parametrize("name", BAD_CHUNKS)
def test_bad_chunk(tour, name):
    check_refused(tour, CHUNKED + BAD_CHUNKS[name], (400, 413, 431))


@pytest.mark.parametrize("name", BAD_CHUNKS)
def test_bad_chunk_that_nobody_reads(probe, name):
    """The handler has answered; the connection ends all the same."""
    with probe.connect() as connection:
        connection.send(CHUNKED.replace(b"/length", b"/ignore-body") + BAD_CHUNKS[name] + request(path="/"), "POST")
        reply = connection.reply()
        assert reply.status == 200 or (reply.status == 400 and reply.closes)
        try:
            connection.expect_end()
        except ConnectionResetError:
            pass


@pytest.mark.parametrize("version", ["2.0", "0.9", "3.0", "9.9"])
def test_other_versions(tour, version):
    check_refused(tour, request(version=version), (400, 505))


def test_http12_is_http11(tour):
    """A higher minor version is answered as the highest that is known."""
    with tour.connect() as connection:
        assert connection.ask(version="1.2").status in (200, 505)


@pytest.mark.parametrize("data, statuses", [
    (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", (414,)),
    (b"GET /" + b"a" * 100000, (414,)),
    (b"G" * 9000, (400, 414, 501)),
    (LINE + HOST + b"X: " + b"a" * 9000 + b"\r\n\r\n", (431,)),
    (LINE + HOST + b"X: " + b"a" * 100000, (431,)),
    (LINE + HOST + b"X" * 9000, (431, 400)),
    (LINE + HOST + b"X: a\r\n" * 100 + b"\r\n", (431,)),
], ids=["target", "endless target", "method", "value", "endless value", "name", "number"])
def test_too_large(tour, data, statuses):
    with tour.connect() as connection:
        connection.parser.methods.append("GET")
        try:
            connection.socket.sendall(data)
        except (ConnectionResetError, BrokenPipeError):
            pass
        reply = connection.reply()
        assert reply.status in statuses and reply.closes


def test_largest_head(tour):
    """A head of exactly http_buffer_size, or a little less for what the parser keeps free, is served."""
    with tour.connect() as connection:
        head = len(request(headers={"X": ""}))
        assert connection.ask(headers={"X": "a" * (8192 - head - 64)}).status == 200
        assert connection.ask(headers={f"X{i}": "a" for i in range(99)}).status == 200


def test_unknown_coding(tour):
    check_refused(tour, POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", (400, 501))


def test_allowed_oddities(tour):
    """Unusual and valid."""
    for data in (LINE + b"Host: a:\r\n\r\n", LINE + b"HOST: a:80\r\n\r\n", LINE + b"Host: [::1]:80\r\n\r\n",
                 LINE + HOST + b"X:a\tb\r\n\r\n", LINE + HOST + b"X: \xff\xfe\r\n\r\n",
                 LINE + HOST + b"Upgrade: h2c\r\n\r\n",
                 b"GET /?a=%00%zz HTTP/1.1\r\n" + HOST + b"\r\n", LINE + HOST + b"!#$%&'*+-.^_`|~: a\r\n\r\n"):
        with tour.connect() as connection:
            connection.send(data, "GET")
            assert connection.reply().status == 200, data


def test_slow_head_times_out(start_probe):
    """However it drips: the time for a head runs from its first byte."""
    server = start_probe("header_timeout_ms=600")
    with server.connect() as connection:
        connection.parser.methods.append("GET")
        began = time.monotonic()
        for byte in request(headers={"X": "a" * 100}):
            connection.socket.sendall(bytes([byte]))
            if select.select([connection.socket], [], [], 0.03)[0]:
                break
        assert 0.5 < time.monotonic() - began < 2.5
        reply = connection.reply()
        assert reply.status == 408 and reply.closes


def test_idle_times_out(start_probe):
    server = start_probe("idle_timeout_ms=500")
    with server.connect() as silent, server.connect() as idle:
        idle.ask()
        for connection in (silent, idle):
            began = time.monotonic()
            connection.expect_end(5)
        assert time.monotonic() - began < 4


def test_slow_body_times_out(start_probe):
    server = start_probe("body_timeout_ms=500")
    with server.connect() as connection:
        connection.send(request("POST", "/read-some", {"Content-Length": "100"}), "POST")
        began = time.monotonic()
        try:
            connection.reply()
        except (ProtocolError, ConnectionResetError):
            pass
        assert 0.3 < time.monotonic() - began < 4


@pytest.mark.parametrize("size", [1024, 8192])
@pytest.mark.parametrize("short", [0, 1, 2, 3, 17, 40])
def test_head_that_outgrows_the_buffer_later(start_probe, size, short):
    """Nearly a buffer of head, a pause, and then more than fits: refused, and nothing is overwritten."""
    server = start_probe(f"http_buffer_size={size}", "workers=1")
    head = b"GET / HTTP/1.1\r\nHost: a\r\nX-Long: "
    with server.connect() as connection:
        connection.socket.sendall(head + b"a" * (size - short - len(head)))
        time.sleep(0.05)
        if short:
            connection.socket.sendall(b"b" * (2 * size) + b"\r\n\r\n")
        data = connection.socket.recv(65536)
        assert data.startswith(b"HTTP/1.1 431 ")
    assert server.ask().status == 200
