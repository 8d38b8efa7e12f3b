"""Every limit and every timeout: its reply, its words in the log, and what it does not touch.

SPDX-License-Identifier: MIT
"""

import json
import re
import select
import socket
import time

import pytest

import namespaces
from client import ProtocolError, request
from conftest import SANITIZE

pytestmark = pytest.mark.threaded
INFO = "log_level=3"


def refusals(server, name):
    """How often the log names a cause."""
    return len(re.findall(rf"refused \({name}, \d+\): ", server.error_text()))


def expect_refusal(server, name, count=1, seconds=20, counter=True):
    deadline = time.monotonic() + seconds
    while refusals(server, name) < count:
        assert time.monotonic() < deadline, f"{name} is not in the log: {server.error_text()}"
        time.sleep(0.02)
    assert refusals(server, name) == count
    if counter:
        assert json.loads(server.ask(path="/ledger").text())["refusals"][name] == count


def expect_status(server, status, data, *methods, name=None):
    """Sends bytes as they are; the reply has the status, says close, and the connection ends."""
    with server.connect() as connection:
        connection.send(data, *methods)
        found = connection.reply()
        assert found.status == status and found.closes, found
        connection.expect_end()
    if name:
        expect_refusal(server, name)


def drip(connection, pieces, pause=0.05):
    """Sends pieces with pauses until the server says something."""
    for piece in pieces:
        connection.socket.sendall(piece)
        if select.select([connection.socket], [], [], pause)[0]:
            return


# ---- Lengths of a head


def line_of(length):
    """A request line of so many bytes, its CRLF included, and the rest of a head."""
    target = "/" + "a" * (length - len("GET / HTTP/1.1\r\n"))
    return f"GET {target} HTTP/1.1\r\n".encode() + b"Host: a\r\n\r\n"


@pytest.mark.parametrize("cut", [None, 1])
def test_request_line(start_probe, cut):
    server = start_probe("max_request_line=100", INFO)
    with server.connect() as connection:
        connection.send(line_of(100), "GET")
        assert connection.reply().status == 404
    data = line_of(101)
    if cut is None:
        expect_status(server, 414, data, "GET", name="max_request_line")
        return
    with server.connect() as connection:
        connection.parser.methods.append("GET")
        for i in range(len(data)):
            connection.socket.sendall(data[i : i + 1])
        assert connection.reply().status == 414
    expect_refusal(server, "max_request_line")


@pytest.mark.parametrize("rest", [1, 2, 3])
def test_ignored_line_is_not_counted(start_probe, rest):
    """The empty line that may come before a request counts neither as request line nor as header block, also while a part is missing."""
    server = start_probe("max_request_line=100", "max_header_block=100", INFO)
    line, block = line_of(100)[:100], b"Host: a\r\nX: " + b"x" * (100 - 16) + b"\r\n\r\n"
    assert len(line) == len(block) == 100
    for first, second in ((line[:-rest], line[-rest:] + block), (line + block[:-rest], block[-rest:])):
        with server.connect() as connection:
            connection.socket.sendall(b"\r\n" + first)
            time.sleep(0.1)  # so that it is read as it is
            connection.send(second, "GET")
            assert connection.reply().status == 404


def test_request_line_without_end(start_probe):
    """A line that never ends is refused when it is too long, not when it ends."""
    server = start_probe("max_request_line=100", INFO)
    expect_status(server, 414, b"GET /" + b"a" * 200, "GET", name="max_request_line")


def block_of(length):
    return b"GET / HTTP/1.1\r\n" + b"Host: a\r\nX: " + b"b" * (length - len("Host: a\r\nX: \r\n\r\n")) + b"\r\n\r\n"


def test_header_block(start_probe):
    server = start_probe("max_header_block=200", INFO)
    with server.connect() as connection:
        connection.send(block_of(200), "GET")
        assert connection.reply().status == 200
    expect_status(server, 431, block_of(201), "GET", name="max_header_block")


def test_header_block_without_end(start_probe):
    server = start_probe("max_header_block=200", INFO)
    expect_status(server, 431, block_of(300)[:-10], "GET", name="max_header_block")


def test_limits_of_one_head_do_not_add_up(start_probe):
    """The request line does not count towards the block, nor what is pipelined behind it."""
    server = start_probe("max_request_line=300", "max_header_block=100")
    with server.connect() as connection:
        connection.send(line_of(300) * 5, *["GET"] * 5)
        assert [connection.reply().status for _ in range(5)] == [404] * 5


def test_header_count(start_probe):
    server = start_probe("max_headers=40", INFO)
    lines = b"".join(b"X-%d: y\r\n" % i for i in range(39))
    head = b"GET / HTTP/1.1\r\nHost: a\r\n"
    with server.connect() as connection:
        connection.send(head + lines + b"\r\n", "GET")
        assert connection.reply().status == 200
    expect_status(server, 431, head + lines + b"X: y\r\n\r\n", "GET", name="max_headers")


# ---- Bodies


def post(path, body, *fields):
    head = [f"POST {path} HTTP/1.1", "Host: a", *fields, "", ""]
    return "\r\n".join(head).encode() + body


def test_body_announced(start_probe):
    """A length beyond the limit is refused before anything of the body is asked for."""
    server = start_probe("max_body=1000", INFO)
    assert server.ask("POST", "/read-all", body=b"a" * 1000).text() == "1000"
    with server.connect() as connection:
        connection.send(post("/read-all", b"", "Content-Length: 1001", "Expect: 100-continue"), "POST")
        found = connection.reply()
        assert found.status == 413 and found.closes
        connection.expect_end()
    expect_refusal(server, "max_body")


def test_body_of_unread_requests(start_probe):
    """Also where the handler would not have read it."""
    server = start_probe("max_body=1000", INFO)
    expect_status(server, 413, post("/ignore-body", b"", "Content-Length: 1001"), "POST", name="max_body")


def test_body_chunked(start_probe):
    server = start_probe("max_body=1000", INFO)
    chunk = b"64\r\n" + b"a" * 100 + b"\r\n"
    with server.connect() as connection:
        connection.send(post("/read-all", chunk * 10 + b"0\r\n\r\n", "Transfer-Encoding: chunked"), "POST")
        assert connection.reply().text() == "1000"
    expect_status(server, 413, post("/read-all", chunk * 11 + b"0\r\n\r\n", "Transfer-Encoding: chunked"), "POST",
                  name="max_body")


def test_body_of_a_group(start_probe):
    """A group has a limit of its own, larger or smaller than the server's."""
    server = start_probe("max_body=1000", INFO)
    assert server.ask("POST", "/small/read-all", body=b"a" * 10).text() == "10"
    assert server.ask("POST", "/small/read-all", body=b"a" * 11).status == 413
    assert server.ask("POST", "/any/read-all", body=b"a" * 100000).text() == "100000"


def test_body_off(start_probe):
    server = start_probe("max_body=-1")
    assert server.ask("POST", "/read-all", body=b"a" * 300000).text() == "300000"


def test_chunk_extensions(start_probe):
    server = start_probe("max_chunk_extension=50", INFO)
    body = b"1;" + b"e" * 49 + b"\r\na\r\n0\r\n\r\n"
    with server.connect() as connection:
        connection.send(post("/read-all", body, "Transfer-Encoding: chunked"), "POST")
        assert connection.reply().text() == "1"
    body = b"1;" + b"e" * 60 + b"\r\na\r\n0\r\n\r\n"
    expect_status(server, 413, post("/read-all", body, "Transfer-Encoding: chunked"), "POST",
                  name="max_chunk_extension")


def test_trailer(start_probe):
    server = start_probe("max_trailer=60", INFO)
    for length, status in (40, 200), (80, 431):
        body = b"1\r\na\r\n0\r\nX-T: " + b"t" * length + b"\r\n\r\n"
        with server.connect() as connection:
            connection.send(post("/read-all", body, "Transfer-Encoding: chunked"), "POST")
            assert connection.reply().status == status
    expect_refusal(server, "max_trailer")


def test_malformed_chunk_is_refused_whatever_the_handler_says(start_probe):
    """The handler replies 200 with what its read gave; the client is told 400 all the same."""
    server = start_probe(INFO)
    expect_status(server, 400, post("/read-all", b"zz\r\n", "Transfer-Encoding: chunked"), "POST", name="malformed")


# ---- Connections


def test_connections_per_address(start_probe):
    """One address has its share and no more; another is served meanwhile; what is closed makes room."""
    server = start_probe("max_connections_per_address=10", "workers=2", INFO)
    mine = [server.connect() for _ in range(10)]
    assert all(connection.ask().status == 200 for connection in mine)
    for _ in range(3):
        with server.connect() as more:
            more.parser.methods.append("GET")
            found = more.reply()
            assert found.status == 503 and found.closes and found.header("Retry-After"), found
            more.expect_end()
    expect_refusal(server, "max_connections_per_address", 3, counter=False)
    with socket.create_connection(server.address, 5, source_address=("127.0.0.2", 0)) as other:
        other.sendall(request())
        assert other.recv(100).startswith(b"HTTP/1.1 200 ")
    assert all(connection.ask().status == 200 for connection in mine)
    mine.pop().close()
    deadline = time.monotonic() + 20
    while True:
        with server.connect() as again:
            again.send(request(), "GET")
            if again.reply().status == 200:
                break
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture
def ipv6_host():
    """A network namespace with addresses of two networks of 64 bits."""
    with namespaces.alone("2001:db8:0:1::1/64", "2001:db8:0:1:ffff::2/64", "2001:db8:0:2::1/64") as found:
        yield found


def test_connections_of_an_ipv6_network(start, ipv6_host):
    """Addresses of one /64 are one, and those of the next one are others."""
    server = start("tests/programs/probe", "host=::", "max_connections_per_address=2", INFO,
                   expect=r"listening on (\S+)\n", before=ipv6_host.enter)

    def status(source):
        """A connection from there, and what is said to a request on it."""
        with ipv6_host.within():
            sock = socket.create_connection(("2001:db8:0:1::1", server.port), 20, source_address=(source, 0))
        sock.sendall(request())
        return sock, sock.recv(100)[:12].decode()

    held = [status("2001:db8:0:1::1"), status("2001:db8:0:1:ffff::2")]
    assert [answer for _, answer in held] == ["HTTP/1.1 200"] * 2
    for source in ("2001:db8:0:1::1", "2001:db8:0:1:ffff::2"):
        held.append(status(source))
        assert held[-1][1] == "HTTP/1.1 503", source
    held += [status("2001:db8:0:2::1") for _ in range(3)]
    assert [answer for _, answer in held[-3:]] == ["HTTP/1.1 200"] * 2 + ["HTTP/1.1 503"]
    expect_refusal(server, "max_connections_per_address", 3, counter=False)
    for sock, _ in held:
        sock.close()


def test_connections_in_all(start_probe):
    """Beyond the limit a client waits in the backlog until another has gone; the pause is told and counted."""
    server = start_probe("max_connections=5", "workers=1", INFO)
    held = [server.connect(timeout=60) for _ in range(5)]
    assert all(connection.ask().status == 200 for connection in held)
    with server.connect(timeout=60) as sixth:
        sixth.send(request(), "GET")
        sixth.expect_open()
        found = json.loads(held[0].ask(path="/ledger").text())
        assert found["connections"] == 5 and found["refusals"]["max_connections"] > 0
        assert refusals(server, "max_connections") > 0
        held.pop().close()
        assert sixth.reply().status == 200
    for connection in held:
        connection.close()


def test_requests_per_connection(start_probe):
    """The last one says close, whether they are pipelined or come one by one; a new connection begins anew."""
    server = start_probe("max_requests_per_connection=5", INFO)
    for _ in range(2):
        with server.connect() as connection:
            assert [connection.ask().closes for _ in range(5)] == [False] * 4 + [True]
            connection.expect_end()
    with server.connect() as connection:
        connection.send(request() * 7, *["GET"] * 7)
        found = [connection.reply() for _ in range(5)]
        assert [reply.closes for reply in found] == [False] * 4 + [True]
        connection.expect_end()
    expect_refusal(server, "max_requests_per_connection", 3)


def test_requests_are_counted_through_half_heads(start_probe):
    """What the connection has had is remembered while only half of the next head is there."""
    server = start_probe("max_requests_per_connection=3")
    data = request()
    with server.connect() as connection:
        for last in False, False, True:
            connection.parser.methods.append("GET")
            connection.socket.sendall(data[:10])
            time.sleep(0.1)
            connection.socket.sendall(data[10:])
            assert connection.reply().closes == last
        connection.expect_end()


# ---- Times


def test_header_timeout_is_absolute(start_probe):
    """A byte now and then does not extend it: 408, then the end."""
    server = start_probe("header_timeout_ms=700", INFO)
    with server.connect(timeout=30) as connection:
        connection.parser.methods.append("GET")
        drip(connection, [b"G", b"E", b"T", b" ", b"/"] + [b"a"] * 400)
        found = connection.reply()
        assert found.status == 408 and found.closes
    expect_refusal(server, "header_timeout_ms")


def test_header_timeout_of_a_later_request(start_probe):
    server = start_probe("header_timeout_ms=500", "idle_timeout_ms=60000", INFO)
    with server.connect(timeout=30) as connection:
        assert connection.ask().status == 200
        connection.send(b"GET / HT", "GET")
        assert connection.reply().status == 408
    expect_refusal(server, "header_timeout_ms")


def test_idle_timeout(start_probe):
    """Closed in order, with nothing said, before the first request and between two."""
    server = start_probe("idle_timeout_ms=300", INFO)
    with server.connect(timeout=30) as silent, server.connect(timeout=30) as served:
        assert served.ask().status == 200
        silent.expect_end(30)
        served.expect_end(30)
    expect_refusal(server, "idle_timeout_ms", 2)


def test_body_timeout(start_probe):
    """408 if nothing has been said, though the handler takes no notice; the connection ends."""
    server = start_probe("body_timeout_ms=400", "body_min_rate=-1", INFO)
    with server.connect(timeout=30) as connection:
        connection.send(post("/read-all", b"half", "Content-Length: 8"), "POST")
        found = connection.reply()
        assert found.status == 408 and found.closes, found
        connection.expect_end(30)
    expect_refusal(server, "body_timeout_ms")


def test_body_rate(start_probe):
    """A body that drips in is refused after its time of grace though no single wait is long."""
    server = start_probe("body_min_rate=10000", "body_grace_ms=500", "body_timeout_ms=20000", INFO)
    with server.connect(timeout=30) as connection:
        connection.send(post("/read-all", b"", "Content-Length: 100000"), "POST")
        drip(connection, [b"a"] * 400)
        assert connection.reply().status == 408
    expect_refusal(server, "body_min_rate")
    # A client that is fast enough is not touched, however long its body takes in all.
    with server.connect(timeout=30) as connection:
        connection.send(post("/read-all", b"", "Content-Length: 40000"), "POST")
        for _ in range(10):
            connection.socket.sendall(b"a" * 4000)
            time.sleep(0.1)
        assert connection.reply().text() == "40000"


def test_body_rate_does_not_count_the_handlers_own_time(start_probe):
    """A handler that reads a little and then sleeps for long is not the client's fault."""
    server = start_probe("body_min_rate=100000", "body_grace_ms=300")
    with server.connect(timeout=30) as connection:
        connection.send(post("/read-slowly/1000", b"ab", "Content-Length: 4"), "POST")
        time.sleep(0.5)
        connection.socket.sendall(b"cd")
        assert connection.reply().text() == "4"


def test_write_timeout(start_probe):
    """A client that takes nothing is reset."""
    server = start_probe("write_timeout_ms=600", INFO)
    with server.connect(timeout=60) as connection:
        connection.socket.sendall(request(path="/flood"))
        expect_refusal(server, "write_timeout_ms", seconds=60)
        with pytest.raises((ConnectionResetError, ProtocolError)):
            while connection.socket.recv(1 << 20):
                pass
            raise ProtocolError("the stream ended in order")


@pytest.mark.skipif(bool(SANITIZE), reason="measures a rate")
def test_write_rate(start_probe):
    """A client that takes a little now and then, so that no wait is too long, takes too little in all."""
    server = start_probe("write_timeout_ms=4000", "write_min_rate=4000000", "send_buffer=4096", "workers=1", INFO)
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.settimeout(30)
    connection.connect(server.address)
    connection.sendall(request(path="/large-static"))
    deadline = time.monotonic() + 60
    try:
        while refusals(server, "write_min_rate") == 0:
            assert time.monotonic() < deadline, server.error_text()
            connection.recv(8192)
            time.sleep(0.05)
    except ConnectionResetError:
        pass
    connection.close()
    expect_refusal(server, "write_min_rate")
    assert refusals(server, "write_timeout_ms") == 0


def test_slow_reader_that_keeps_the_rate_is_not_cut(start_probe):
    server = start_probe("write_timeout_ms=500", "write_min_rate=1000", "send_buffer=4096", INFO)
    with server.connect(timeout=60) as connection:
        connection.send(request(path="/large-static"), "GET")
        until = time.monotonic() + 3
        while time.monotonic() < until and connection.fill():
            time.sleep(0.02)
        assert not connection.parser.ended
        assert "refused" not in server.error_text()


def test_handler_timeout(start_probe):
    """A handler that waits for too long is ended at its wait, its deferred calls run, and the client is told."""
    server = start_probe("handler_timeout_ms=300", INFO)
    with server.connect(timeout=30) as connection:
        found = connection.ask(path="/sleep/20000")
        assert found.status == 503 and found.closes, found
    expect_refusal(server, "handler_timeout_ms")
    assert '"ended":1' in server.ask(path="/counts").text()
    assert server.ask(path="/sleep/10").text() == "slept"


def test_handler_timeout_after_the_head(start_probe):
    """What has begun cannot be taken back: the reply is cut."""
    server = start_probe("handler_timeout_ms=300", INFO)
    with server.connect(timeout=30) as connection:
        connection.send(request(path="/live/20000"), "GET")
        with pytest.raises((ConnectionResetError, ProtocolError)):
            while connection.fill():
                pass
            raise ProtocolError("the stream ended in order")
    expect_refusal(server, "handler_timeout_ms")

def test_handler_timeout_of_a_lender(start_probe):
    """What the handler was sending lies on its stack: nothing of it is sent when that is gone."""
    server = start_probe("handler_timeout_ms=100", "send_buffer=4096", "workers=1", INFO)
    with server.connect(timeout=30, receive_buffer=4096) as connection:
        connection.send(request(path="/lent/400"), "GET")
        expect_refusal(server, "handler_timeout_ms")
        assert server.ask(path="/sleep/10").text() == "slept"  # on the stack that has been left
        got = bytearray()
        try:
            while data := connection.socket.recv(65536):
                got += data
        except ConnectionResetError:
            pass
        head, body = bytes(got).split(b"\r\n\r\n", 1)
        size, body = body.split(b"\r\n", 1)
        assert int(size, 16) == 16384 and set(body) <= set(b"a") and len(body) < 16384, bytes(body[-100:])


@pytest.mark.skipif(bool(SANITIZE), reason="measures a rate")
def test_slow_reader_behind_a_fast_one(start_probe):
    """What an earlier client took on the same record is not held against a later one."""
    server = start_probe("workers=1", "write_timeout_ms=1000", "write_min_rate=10000", "send_buffer=4096", INFO)
    for _ in range(3):
        assert server.ask(path="/large-static").status == 200
    with server.connect(timeout=60, receive_buffer=8192) as connection:
        connection.send(request(path="/large-static"), "GET")
        until = time.monotonic() + 4
        while time.monotonic() < until and not connection.parser.replies and connection.fill():
            time.sleep(0.002)
        assert not connection.parser.ended and "refused" not in server.error_text()


def test_burst_buys_no_time(start_probe):
    """Much of a body at once is no credit for a drip afterwards."""
    server = start_probe("body_min_rate=10000", "body_grace_ms=300", "body_timeout_ms=700", INFO)
    with server.connect(timeout=30) as connection:
        connection.send(post("/read-all", b"a" * 300000, "Content-Length: 1000000"), "POST")
        drip(connection, [b"a"] * 400)
        assert connection.reply().status == 408
    expect_refusal(server, "body_min_rate")
