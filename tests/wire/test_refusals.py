"""Refusals that belong to no request, over any transport: all of one is told, or nothing where the client would not know the language.

SPDX-License-Identifier: MIT
"""

import json
import re
import socket

import pytest

from conftest import Server

TRANSPORTS = ["plain", *(f"unsteady={seed}" for seed in (1, 2, 3, 7))]
PIECES = 48  # bytes that the unsteady transport takes at most


def start(transport, *settings):
    return Server("tests/programs/conform", *settings, *([] if transport == "plain" else [transport]))


@pytest.fixture(params=TRANSPORTS)
def transport(request):
    return request.param


def test_a_head_that_does_not_come(transport):
    """408 to its last byte, and then the end, however little of it the transport takes at once."""
    server = start(transport, "header_timeout_ms=50")
    clients = [server.connect() for _ in range(30)]
    for client in clients:
        client.send(b"GET / HTTP/1.1\r\nHo", "GET")
    for client in clients:
        reply = client.reply()
        assert reply.status == 408 and reply.closes and reply.header("Content-Length") == "0"
        client.expect_end()
        client.close()
    server.stop()


def test_a_client_that_has_ended_its_side(transport):
    """Whoever has said all that they will may still be listening."""
    server = start(transport, "header_timeout_ms=50")
    for _ in range(10):
        with server.connect() as client:
            client.send(b"GET / HTTP/1.1\r\nHo", "GET")
            received = client.socket.recv(1)
            client.socket.shutdown(socket.SHUT_WR)
            while data := client.socket.recv(4096):
                received += data
            assert len(received) > PIECES and re.fullmatch(rb"HTTP/1\.1 408 .*\r\nContent-Length: 0\r\n\r\n", received, re.DOTALL)
    server.stop()


def test_a_client_that_has_gone(transport):
    server = start(transport, "header_timeout_ms=50")
    for _ in range(30):
        with server.connect() as client:
            client.send(b"GET / HTTP/1.1\r\nHo", "GET")
            client.socket.recv(1)
    assert server.connect().ask().status == 200
    server.stop()


def test_handshakes_are_counted(transport):
    """Connections that are through with theirs are idle or active; one without a handshake has none."""
    server = start(transport, "workers=1")
    clients = [server.connect() for _ in range(5)]
    for client in clients:
        assert client.ask().status == 200
    ledger = json.loads(clients[0].ask(path="/ledger.json").text())
    assert ledger["handshakes"]["done"] == (0 if transport == "plain" else 5)
    assert set(ledger["handshakes"]["failed"].values()) == {0}
    assert ledger["connections"]["handshake"] == 0 and ledger["connections"]["idle"] == 4 and ledger["connections"]["active"] == 1
    server.stop()


def test_too_many_of_one_address(transport):
    """Before a handshake there is no way to say anything: the socket is closed."""
    server = start(transport, "max_connections_per_address=2")
    first, second = server.connect(), server.connect()
    assert first.ask().status == second.ask().status == 200
    for _ in range(5):
        with server.connect() as third:
            received = b""
            try:
                while data := third.socket.recv(4096):
                    received += data
            except ConnectionResetError:
                pass
            if transport == "plain":
                assert received.startswith(b"HTTP/1.1 503 ") and received.endswith(b"\r\n\r\n")
            else:
                assert received == b""
    second.close()
    assert first.ask().status == 200
    server.stop()
