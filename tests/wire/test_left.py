"""What is left of an exchange when its handler has ended and its client stays: tests/programs/left.c, over HTTP/1.1 and
HTTP/2, and over a transport that gives a byte at a time.

SPDX-License-Identifier: MIT
"""

import socket
import subprocess
import time

import pytest

import h2client
from client import request
from conftest import Server
from tunnels import WITH_HTTP2, Tunnel, Upgraded

pytestmark = pytest.mark.threaded

TRANSPORTS = ["plain", "unsteady=1"]
OPENERS = [Upgraded, Tunnel] if WITH_HTTP2 else [Upgraded]


@pytest.fixture(params=TRANSPORTS)
def server(request):
    arguments = [] if request.param == "plain" else [request.param]
    server = Server("tests/programs/left", *arguments)
    yield server
    server.stop()


def curl(server, *arguments):
    return subprocess.run(["curl", "-sS", "-m", "30", *arguments], capture_output=True, check=True).stdout.decode()


def alive(server):
    return int(curl(server, server.url + "/alive"))


def until_alive(server, count, seconds=20):
    end = time.monotonic() + seconds
    while alive(server) != count:
        assert time.monotonic() < end, f"{alive(server)} are alive"
        time.sleep(0.02)


@pytest.mark.parametrize("version", ["--http1.1", "--http1.0", "--http2-prior-knowledge"])
def test_a_reply_goes_on_without_its_handler(server, version):
    lines = curl(server, version, server.url + "/ticks/5").split("\n")
    assert lines == ["begin"] + [f"tick {i}" for i in range(5)] + [""]
    assert alive(server) == 0


@pytest.mark.parametrize("version", [["-c", "30", "--h1"], ["-c", "2", "-m", "15"]])
def test_many_at_once(server, version):
    made = subprocess.run(["h2load", "-n", "30", *version, server.url + "/ticks/10"], capture_output=True, timeout=60)
    assert b" 30 succeeded" in made.stdout, made.stdout
    assert alive(server) == 0


def test_a_client_that_goes_is_noticed(server):
    connection = socket.create_connection(server.address)
    connection.sendall(request(path="/ticks/1000000"))
    assert connection.recv(100)
    until_alive(server, 1)
    connection.close()
    until_alive(server, 0)


def test_a_stream_that_is_reset_is_over(server):
    with h2client.Connection(server.address) as connection:
        stream = connection.open(path="/ticks/1000000")
        connection.until(lambda: b"tick 1\n" in connection.reply_of(stream).body)
        connection.send(h2client.rst_stream(stream, 8))
        until_alive(server, 0)
        assert connection.ask(path="/alive").text() == "0"


def test_what_comes_is_read_and_answered(server):
    with h2client.Connection(server.address) as connection:
        stream = connection.open("POST", "/echo", end=False)
        reply = connection.reply_of(stream)
        sent = b""
        for i in range(50):
            piece = f"line {i}\n".encode() * (1 + i % 7)
            sent += piece
            connection.send_body(stream, piece, end=False)
            connection.until(lambda: bytes(reply.body) == sent)
        connection.send_body(stream, b"the end", end=True)
        connection.until(lambda: reply.over)
        assert bytes(reply.body) == sent + b"the end" and reply.reset is None
    assert alive(server) == 0


def test_more_comes_than_is_taken_at_once(server):
    with h2client.Connection(server.address) as connection:
        stream = connection.open("POST", "/echo", end=False)
        body = bytes(i % 251 for i in range(300000)).replace(b"\0", b"z")
        connection.send_body(stream, body, end=True)
        reply = connection.reply(stream)
        assert bytes(reply.body) == body
    assert alive(server) == 0


@pytest.mark.parametrize("read", [0, 1, 10, 3000])
@pytest.mark.parametrize("open_one", OPENERS)
def test_an_upgraded_one_is_left(server, open_one, read):
    """What the handler has not read is read by whom it leaves, and nothing twice or not at all."""
    with open_one(server.address, f"/socket/{read}", b"behind\n") as stream:
        stream.send(b"x" * (read + 500))
        stream.expect(b"behind\n" + b"x" * (read + 500))
        for i in range(20):
            stream.send(b"line %d\n" % i)
            stream.expect(b"line %d\n" % i)
        stream.end()
        stream.expect_end()
    until_alive(server, 0)


def test_a_failure_leaves_nothing(server):
    for version in ["--http1.1", "--http2-prior-knowledge"]:
        assert curl(server, version, "-w", "%{http_code}", server.url + "/failing").startswith("500")
    assert alive(server) == 0


def test_a_client_that_takes_nothing_holds_nothing_up():
    server = Server("tests/programs/left", "write_timeout_ms=1000")
    try:
        stalled = []
        for _ in range(20):
            connection = socket.create_connection(server.address)
            connection.sendall(request(path="/flood"))
            stalled.append(connection)
        assert curl(server, server.url + "/ticks/3").endswith("tick 2\n")
        until_alive(server, 0)  # each is given up
    finally:
        server.stop()


def test_a_reader_gets_as_much_as_it_takes(server):
    connection = socket.create_connection(server.address)
    connection.sendall(request(path="/flood"))
    got = 0
    while got < 3_000_000:
        piece = connection.recv(65536)
        assert piece
        got += len(piece)
    connection.close()
    until_alive(server, 0)


def test_a_stop_ends_them_in_order():
    server = Server("tests/programs/left")
    connection = socket.create_connection(server.address)
    connection.sendall(request(path="/ticks/1000000"))
    other = h2client.Connection(server.address)
    stream = other.open(path="/ticks/1000000")
    other.until(lambda: b"tick 1\n" in other.reply_of(stream).body)
    server.process.terminate()
    other.until(lambda: other.reply_of(stream).over)
    assert other.reply_of(stream).reset is None
    data = b""
    while piece := connection.recv(65536):
        data += piece
    assert data.endswith(b"0\r\n\r\n")
    connection.close()
    other.close()
    server.stop()
