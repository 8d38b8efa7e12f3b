"""What takes a conversation: 100 Continue, bodies that nobody reads, refusals to a client that goes on sending, trailer fields.

SPDX-License-Identifier: MIT
"""

import shutil
import socket
import subprocess
import threading

import pytest

from client import Connection, request
from conftest import Server

pytestmark = pytest.mark.threaded
EXPECT = {"Expect": "100-continue"}
EDONE = -5


@pytest.fixture(scope="module")
def server():
    server = Server("tests/programs/conform", "drain_limit=20000", "max_body=1000000")
    yield server
    server.stop()


def head(path, length, version="1.1", **more):
    return request("POST", path, {**EXPECT, "Content-Length": str(length), **more}, version=version)


# ---- 100 Continue


@pytest.mark.parametrize("chunked", [False, True])
def test_sent_at_the_first_read(server, chunked):
    body = b"5\r\nhello\r\n0\r\n\r\n" if chunked else b"hello"
    framing = {"Transfer-Encoding": "chunked"} if chunked else {"Content-Length": "5"}
    with server.connect() as connection:
        for _ in range(2):
            connection.send(request("POST", "/x", {**EXPECT, **framing}), "POST")
            interim = connection.reply()
            assert (interim.status, interim.headers) == (100, [])
            connection.send(body)
            assert connection.reply().text() == "POST /x host=localhost body=hello"


def test_not_sent_when_nobody_reads(server):
    """The client does not know whether to send, so the connection cannot be kept. What it sends all the same is not executed."""
    with server.connect() as connection:
        connection.send(head("/unread", 5), "POST")
        reply = connection.reply()
        assert (reply.status, reply.text(), reply.closes) == (200, "unread", True)
        connection.send(request())
        connection.expect_end()


def test_not_sent_after_a_reply(server):
    with server.connect() as connection:
        connection.send(head("/late", 5), "POST")
        reply = connection.reply()
        assert (reply.status, reply.text(), reply.closes) == (200, "late", True)
        connection.expect_end()
    assert server.ask(path="/late/result").text() == str(EDONE)


def test_not_sent_when_the_head_is_out(server):
    """A handler may still read what a client sends that has not waited for long."""
    with server.connect() as connection:
        connection.send(head("/head-first", 5), "POST")
        while connection.parser.current is None:
            connection.fill()
        assert connection.parser.current.status == 200
        connection.send(b"hello")
        assert connection.reply().text() == "head hello"


@pytest.mark.parametrize("sent", [1, 5])
def test_not_sent_when_the_body_has_come(server, sent):
    with server.connect() as connection:
        connection.send(head("/x", 5) + b"hello"[:sent], "POST")
        if sent < 5:
            connection.expect_open()
            connection.send(b"hello"[sent:])
        assert connection.reply().text() == "POST /x host=localhost body=hello"


def test_not_sent_to_http10(server):
    with server.connect() as connection:
        connection.send(head("/x", 5, version="1.0"), "POST")
        connection.expect_open()
        connection.send(b"hello")
        assert connection.reply().text() == "POST /x host=localhost body=hello"


def test_not_sent_for_an_empty_body(server):
    with server.connect() as connection:
        connection.send(head("/x", 0), "POST")
        assert connection.reply().status == 200


def test_not_sent_before_a_413(server):
    with server.connect() as connection:
        connection.send(head("/x", 1000001), "POST")
        assert connection.reply().status == 413
        connection.expect_end()


@pytest.mark.skipif(not shutil.which("curl"), reason="no curl")
def test_curl_waits_for_it(server):
    for path, proceed in (("x", True), ("unread", False)):
        run = subprocess.run(["curl", "-sv", "--expect100-timeout", "20", "-H", "Expect: 100-continue", "--data-binary", "hello",
                              f"{server.url}/{path}"], capture_output=True, text=True, timeout=60)
        assert run.returncode == 0, run.stderr
        assert ("100 Continue" in run.stderr) == proceed
        assert run.stdout.endswith("body=hello" if proceed else "unread")


# ---- Bodies that nobody reads


@pytest.mark.parametrize("body", [b"x" * 20000, [b"x" * 100] * 100], ids=["length", "chunked"])
def test_unread_body_is_drained(server, body):
    with server.connect() as connection:
        for _ in range(3):
            assert connection.ask("POST", "/unread", body=body).text() == "unread"
        assert connection.ask().status == 200


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("half_closed", [False, True])
def test_longer_unread_body_lingers(server, chunked, half_closed):
    """The client reads only when it has sent everything."""
    body = [b"x" * 1000] * 300 if chunked else b"x" * 300000
    with server.connect() as connection:
        connection.send(request("POST", "/unread", body=body) + request(), "POST")
        if half_closed:
            connection.socket.shutdown(socket.SHUT_WR)
        reply = connection.reply()
        assert reply.text() == "unread" and (chunked or reply.closes)
        connection.expect_end()


# ---- Refusals to a client that goes on sending


@pytest.mark.parametrize("data", [b"GET / HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 20000,
                                  b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
                                  b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n"],
                         ids=["400", "431", "chunk", "413"])
def test_refusal_is_read_by_a_client_that_sends(server, data):
    with server.connect() as connection:
        connection.parser.methods.append("GET")
        sender = threading.Thread(target=connection.socket.sendall, args=(data + b"x" * 10000000,))
        sender.start()
        reply = connection.reply()
        assert reply.status in (400, 413, 431) and reply.closes
        connection.expect_end()
        sender.join()


@pytest.mark.parametrize("rest", [0, 100, 100000])
def test_refusal_is_read_by_a_half_closed_client(server, rest):
    """All of it, and the end, have come before the refusal is sent or soon after."""
    for _ in range(20):
        with server.connect() as connection:
            connection.send(b"GET / HTTP/1.1\r\n\r\n" + b"x" * rest, "GET")
            connection.socket.shutdown(socket.SHUT_WR)
            assert connection.reply().status == 400
            connection.expect_end()


@pytest.mark.skipif(not shutil.which("curl"), reason="no curl")
def test_curl_reads_the_refusal(server):
    """curl as a plain connection: what it sends is not of its making, how it reads is."""
    host, port = server.address
    run = subprocess.run(["curl", "-s", "-N", f"telnet://{host}:{port}"], input=b"GET / HTTP/1.1\nHost: a\n\n" + b"x" * 50000,
                         capture_output=True, timeout=60)
    assert run.stdout.startswith(b"HTTP/1.1 400 Bad Request\r\n")


# ---- Trailer fields and Host


def test_trailer_after_the_body(server):
    with server.connect() as connection:
        for size in (1, 3000):
            chunk = b"%x\r\n%s\r\n" % (size, b"x" * size)
            data = request("POST", "/trailer", {"Transfer-Encoding": "chunked"}) + chunk + b"0\r\nOther: 1\r\nX-Sum: 42\r\n\r\n"
            for cut in (len(data), len(data) - 30, len(data) - 20, len(data) - 1):
                connection.send(data[:cut], "POST")
                if cut < len(data):
                    connection.expect_open(0.05)
                    connection.send(data[cut:])
                assert connection.reply().text() == f"none 0 {size} 42 none"


@pytest.mark.parametrize("size", [1024, 2048, 8192])
def test_trailer_with_little_room(size):
    """The head leaves little of the buffer: what fits is told right, what does not is 431, and nothing is overwritten."""
    server = Server("tests/programs/conform", f"http_buffer_size={size}")
    seen = set()
    for padding in range(0, size - 120, max(1, size // 16)):
        for trailer in (10, 100, size // 4, size // 2, size):
            with server.connect() as connection:
                data = request("POST", "/x", {"Transfer-Encoding": "chunked", "X": "a" * padding}) + b"1\r\nb\r\n0\r\n"
                connection.send(data, "POST")
                connection.send(b"A: " + b"v" * trailer + b"\r\n")
                connection.send(b"B: 2\r\n\r\n")
                reply = connection.reply()
                seen.add(reply.status)
                assert reply.status in (200, 431)
                if reply.status == 200:
                    assert reply.text() == f"POST /x host=localhost body=b A={'v' * trailer} B=2"
                    assert connection.ask().status == 200
    assert 200 in seen
    server.stop()


def test_host_is_replaced(server):
    with server.connect() as connection:
        assert connection.ask(path="http://b:81/host?q", host="a").text() == "b:81 b:81 b:81 http://b:81/host?q"
        assert connection.ask(path="/host", host="a").text() == "a a a /host"
