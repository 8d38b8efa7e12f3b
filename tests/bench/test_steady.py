"""bench/steady.c against servers that answer in every way, and badly.

SPDX-License-Identifier: MIT
"""

import contextlib
import json
import socket
import subprocess
import threading
import time

import pytest
from lib import steady

PLAIN = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4;x=y\r\nhell\r\n1\r\no\r\n0\r\nA: b\r\n\r\n"
UNTIL_CLOSE = b"HTTP/1.1 200 OK\r\n\r\nhello"
CLOSING = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello"
EMPTY = b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n"


@contextlib.contextmanager
def serving(reply, closes=False, piece=None, stall=None):
    """A server that sends the same bytes for each request, in pieces if wanted. stall: (number of the request, seconds)."""
    seen = [0]

    def serve(connection):
        with connection, contextlib.suppress(OSError):
            while connection.recv(65536):
                seen[0] += 1
                if stall and seen[0] == stall[0]:
                    time.sleep(stall[1])
                for at in range(0, len(reply), piece or len(reply)):
                    connection.sendall(reply[at : at + (piece or len(reply))])
                if closes:
                    return

    def accept():
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        threading.Thread(target=accept, daemon=True).start()
        yield listener.getsockname()[1]
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)


def run(port, **options):
    command = steady.command(port, "/", options.pop("connections", 2), **options)
    return json.loads(subprocess.run(command, capture_output=True, check=True, timeout=120).stdout)


@pytest.mark.parametrize("piece", [None, 1])
@pytest.mark.parametrize(
    "reply, closes",
    [(PLAIN, False), (CHUNKED, False), (CHUNKED, True), (UNTIL_CLOSE, True), (CLOSING, True), (EMPTY, False), (PLAIN, True)],
)
def test_replies_are_followed_to_their_end(reply, closes, piece):
    with serving(reply, closes, piece) as port:
        found = run(port, requests=20)
    assert (found["issued"], found["done"], found["errors"], found["unanswered"]) == (20, 20, 0, 0)
    assert found["bytes"] == 20 * len(reply)


@pytest.mark.parametrize(
    "reply, closes",
    [
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", False),
        (b"no HTTP at all\r\n\r\n", False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nstray", False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello", True),
    ],
)
def test_wrong_replies_are_errors(reply, closes):
    with serving(reply, closes) as port:
        found = run(port, requests=5)
    assert found["done"] == 0 and found["errors"] >= 5


def test_requests_leave_at_the_rate():
    with serving(PLAIN) as port:
        found = run(port, rate=200, seconds=1.5)
    assert found["issued"] == found["done"] == 300
    assert found["seconds"] > 1.4


def test_a_stall_is_charged_to_every_request_that_was_due():
    # One stall of a second at 100 requests a second: with the time counted from the sending, one request in 200 is slow.
    with serving(PLAIN, stall=(50, 1.0)) as port:
        found = run(port, rate=100, seconds=2, connections=1)
    assert found["done"] == 200
    assert found["p90_us"] > 500_000 and found["max_us"] > 900_000


def test_latencies_are_known_to_a_hundredth():
    with serving(PLAIN, stall=(1, 0.5)) as port:
        found = run(port, requests=1, connections=1)
    assert found["p50_us"] == found["p999_us"] == found["max_us"] >= 500_000
