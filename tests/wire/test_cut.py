"""Connections that are ended in the middle of something: by the server's stop, by a handler that fails, by their client.

SPDX-License-Identifier: MIT
"""

import signal
import socket
import struct
import time

import pytest

from client import Connection, open_socket, request

pytestmark = pytest.mark.threaded


@pytest.fixture
def start_conform(start):
    return lambda *settings: start("tests/programs/conform", *settings)


def wait_for(condition, seconds=20):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_stop_drops_output_that_lies_in_the_handlers_frame(start_conform):
    """A handler waits in a write out of its own frame when the stop cuts it. What the client gets are bytes that were written, and no end."""
    server = start_conform("workers=1", "stop_timeout_ms=200")
    readers = [open_socket(server.address, receive_buffer=4096) for _ in range(5)]
    for reader in readers:
        reader.sendall(request(path="/stack-stream"))
    started = [reader.recv(1) for reader in readers]
    assert started == [b"H"] * 5
    server.process.send_signal(signal.SIGTERM)
    server.process.wait(30)
    for reader in readers:
        data = b""
        try:
            while piece := reader.recv(65536):
                data += piece
        except ConnectionResetError:
            pass
        assert b"!" not in data and not data.endswith(b"0\r\n\r\n")
        reader.close()
    server.check_end()


def test_stop_answers_what_has_arrived(start_conform):
    """Requests that were in the kernel when the stop came, on a connection that idled, on a new one, and behind one that is being served."""
    server = start_conform("workers=1")
    idle, blocker = server.connect(), server.connect()
    assert idle.ask().status == 200 and blocker.ask().status == 200
    blocker.send(request(path="/block/700") + request(path="/behind"), "GET", "GET")
    time.sleep(0.2)  # the worker is held up now; what follows, it has not looked at
    idle.send(request(path="/idle"), "GET")
    fresh = server.connect()
    fresh.send(request(path="/fresh"), "GET")
    server.process.send_signal(signal.SIGTERM)
    assert blocker.reply().text() == "blocked"
    for connection, path in ((blocker, "/behind"), (idle, "/idle"), (fresh, "/fresh")):
        assert connection.reply().text() == f"GET {path} host=localhost body="
        connection.expect_end()
        connection.close()
    server.stop()


@pytest.mark.parametrize("end", ["reset", "half-closed", "open"])
def test_news_of_a_connection_whose_handler_has_failed(start_conform, end):
    """The body's first byte wakes the handler, which fails; more bytes and the end of the connection come before its page is made."""
    server = start_conform("workers=1")
    with server.connect() as control:
        for _ in range(5):
            clients = [Connection(server.address) for _ in range(40)]
            for client in clients:
                client.send(request("POST", "/read-and-fail", {"Content-Length": "1000"}), "POST")
            ports = [client.socket.getsockname()[1] for client in clients]
            for port in ports:
                wait_for(lambda port=port: control.ask(path=f"/executed/{port}").text() != "0")
            for client in clients:
                client.send(b"x")
                client.send(b"y" * 99)
                if end == "reset":
                    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    client.close()
                elif end == "half-closed":
                    client.socket.shutdown(socket.SHUT_WR)
            for client in clients:
                if end != "reset":
                    assert client.reply().status == 400
                client.close()
            assert control.ask().text() == "GET / host=localhost body="
    server.stop()
