"""A connection goes from HTTP/1 to another protocol and back: tests/programs/switched.c, whose own protocol sends lines back.

SPDX-License-Identifier: MIT
"""

import select
import socket
import time

import pytest

from client import request, take
from conftest import Server

pytestmark = pytest.mark.threaded

TRANSPORTS = ["plain", "unsteady=1"]


def arguments(transport):
    return [] if transport == "plain" else [transport]


@pytest.fixture(params=TRANSPORTS)
def server(request):
    server = Server("tests/programs/switched", "deadline_ms=20000", *arguments(request.param))
    yield server
    server.stop()


def upgrade(**more):
    return request(path="/lines", headers=[("Connection", "Upgrade"), ("Upgrade", "lines")], **more)


def switch(connection, unread=b""):
    """Switches to lines, and sends what is behind the request with it. What comes afterwards is the caller's."""
    connection.send(upgrade() + unread)
    return head_of(connection)


def head_of(connection):
    """The head of the reply 101, read byte by byte: what follows it is no HTTP."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = connection.socket.recv(1)
        assert byte, head
        head += byte
    lines = head.decode().split("\r\n")
    assert lines[0] == "HTTP/1.1 101 Switching Protocols"
    assert "Connection: Upgrade" in lines and "Upgrade: lines" in lines
    assert not any(line.startswith(("Content-Length", "Transfer-Encoding", "Connection: close")) for line in lines)


def take_end(connection):
    assert connection.socket.recv(100) == b""


def test_lines_are_sent_back(server):
    with server.connect() as connection:
        switch(connection)
        for i in range(50):
            line = b"line %d\n" % i
            connection.socket.sendall(line)
            take(connection, line)
        connection.socket.sendall(b"ping\n")
        take(connection, b"pong\n")
        connection.socket.sendall(b"bye\n")
        take(connection, b"bye\n")
        take_end(connection)


def test_what_came_with_the_request(server):
    """Bytes behind the request are the next protocol's, half a line among them."""
    with server.connect() as connection:
        switch(connection, b"one\nping\ntw")
        take(connection, b"one\npong\n")
        connection.socket.sendall(b"o\n")
        take(connection, b"two\n")


def test_requests_before(server):
    """Pipelined requests before it are answered first."""
    with server.connect() as connection:
        connection.send(request(path="/hello") * 3 + upgrade() + b"ping\n", "GET", "GET", "GET")
        replies = b""
        while replies.count(b"hello") < 3:
            replies += connection.socket.recv(1)
        head_of(connection)
        take(connection, b"pong\n")


def test_byte_by_byte(server):
    with server.connect() as connection:
        for byte in upgrade() + b"ping\nabc\n":
            connection.socket.sendall(bytes([byte]))
        head_of(connection)
        take(connection, b"pong\nabc\n")


def test_back_to_http(server):
    """HTTP/1 has what follows, and can be left again."""
    with server.connect() as connection:
        switch(connection, b"http\n" + request(path="/hello"))
        connection.parser.methods.append("GET")
        assert connection.reply().text() == "hello"
        assert connection.ask(path="/hello").text() == "hello"
        switch(connection)
        half = request(path="/hello")
        connection.socket.sendall(b"a\nhttp\n" + half[:9])
        take(connection, b"a\n")
        time.sleep(0.05)
        connection.send(half[9:], "GET")
        assert connection.reply().text() == "hello"
        assert connection.ask(path="/hello").text() == "hello"


def test_many_lines_at_once(server):
    """More than either end buffers: nothing is lost while output blocks."""
    lines = b"".join(b"%06d %s\n" % (i, b"x" * (i % 60)) for i in range(3000))
    with server.connect() as connection:
        switch(connection)
        connection.socket.setblocking(False)
        sent, back = 0, b""
        while len(back) < len(lines):
            writers = [connection.socket] if sent < len(lines) else []
            readable, writable, _ = select.select([connection.socket], writers, [], 20)
            assert readable or writable, (sent, len(back))
            if writable:
                sent += connection.socket.send(lines[sent : sent + 5000])
            if readable:
                back += connection.socket.recv(65536)
        assert back == lines


def test_end_of_the_client(server):
    with server.connect() as connection:
        switch(connection)
        connection.socket.sendall(b"last\n")
        connection.socket.shutdown(socket.SHUT_WR)
        take(connection, b"last\n")
        take_end(connection)


@pytest.mark.parametrize(
    "sent",
    [
        request(path="/lines"),
        request(path="/lines", headers=[("Upgrade", "other")]),
    ],
)
def test_not_asked_for(server, sent):
    with server.connect() as connection:
        connection.send(sent, "GET")
        reply = connection.reply()
        assert (reply.status, reply.header("Upgrade")) == (426, "lines")
        assert connection.ask(path="/hello").text() == "hello"


def test_cannot_be_switched(server):
    """A request with a body, or of HTTP/1.0, stays with HTTP/1."""
    with server.connect() as connection:
        connection.send(upgrade(method="POST", body=b"body"), "POST")
        assert connection.reply().status == 400
        assert connection.ask(path="/hello").text() == "hello"
        connection.send(b"GET /lines HTTP/1.0\r\nHost: a\r\nUpgrade: lines\r\n\r\n", "GET")
        assert connection.reply().status == 400


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_deadline(transport):
    server = Server("tests/programs/switched", "deadline_ms=100", *arguments(transport))
    with server.connect() as connection:
        switch(connection)
        take(connection, b"late\n")
        take_end(connection)
    server.stop()


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_stop(transport):
    """Each protocol ends its connections in its own way."""
    server = Server("tests/programs/switched", "deadline_ms=20000", *arguments(transport))
    with server.connect() as connection, server.connect() as plain:
        switch(connection, b"ping\n")
        take(connection, b"pong\n")
        assert plain.ask(path="/hello").text() == "hello"
        server.stop()
        take(connection, b"stopping\n")
        take_end(connection)
        plain.expect_end()


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_cut(transport):
    """A connection that does not take its last word is cut when stop_timeout_ms are over."""
    server = Server("tests/programs/switched", "deadline_ms=20000", "stop_timeout_ms=200", *arguments(transport))
    with server.connect(receive_buffer=2048) as connection:
        switch(connection)
        connection.socket.setblocking(False)
        line, silent = b"x" * 500 + b"\n", 0
        while silent < 20:  # until neither end takes more
            try:
                connection.socket.send(line)
                silent = 0
            except BlockingIOError:
                silent += 1
                time.sleep(0.01)
        server.stop(10)
