"""Pipelining: replies in order and whole, however many requests one write holds and wherever it is cut.

SPDX-License-Identifier: MIT
"""

import random
import re
import threading
import time

import pytest

from client import Connection, request
from conftest import SANITIZE

pytestmark = pytest.mark.threaded
TEN_THOUSAND = 2000 if SANITIZE else 10000


def numbered(count):
    """Requests whose replies tell them apart, and what the replies have to be."""
    requests = [request(path=f"/users/{i}/posts/p{i}") if i % 3 else request() for i in range(count)]
    bodies = [b'{"id":"%d","post":"p%d"}' % (i, i) if i % 3 else b"Hello, World!" for i in range(count)]
    return b"".join(requests), bodies


def check_numbered(tour, parts, bodies, pause=0.0):
    with Connection(tour.address) as connection:
        connection.parser.methods.extend(["GET"] * len(bodies))

        def send():
            for part in parts:
                connection.socket.sendall(part)
                if pause:
                    time.sleep(pause)

        sender = threading.Thread(target=send)
        sender.start()
        for i, body in enumerate(bodies):
            reply = connection.reply()
            assert reply.status == 200 and reply.body == body, (i, reply)
        sender.join()
        assert connection.parser.idle
        connection.expect_open()


def test_ten_thousand_whole(tour):
    data, bodies = numbered(TEN_THOUSAND)
    check_numbered(tour, [data], bodies)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_ten_thousand_cut(tour, seed):
    data, bodies = numbered(TEN_THOUSAND)
    cuts = [0, *sorted(random.Random(seed).sample(range(1, len(data)), 100)), len(data)]
    check_numbered(tour, [data[a:b] for a, b in zip(cuts, cuts[1:])], bodies, pause=0.002)


def test_reader_that_starts_late(tour):
    """Nothing is read until everything is sent: the server waits with what it could not send and loses nothing."""
    data, bodies = numbered(TEN_THOUSAND)
    with Connection(tour.address, timeout=60) as connection:
        connection.parser.methods.extend(["GET"] * len(bodies))
        sender = threading.Thread(target=connection.socket.sendall, args=(data,))
        sender.start()
        sender.join(3)
        for i, body in enumerate(bodies):
            assert connection.reply().body == body, i
        sender.join()


# ---- Twenty mixed requests, cut at every byte

HELLO = rb"Hello, World!"
JSON = rb'\{"request_id":"%s","timestamp":[0-9]+,"status":"ok"\}'
# (method, bytes, status, what the body matches as a whole)
MIXED = [
    ("GET", request(), 200, HELLO),
    ("HEAD", request("HEAD"), 200, rb""),
    ("POST", request("POST", "/length", body=b"12345"), 200, rb"5"),
    ("POST", request("POST", "/length", body=[b"123", b"4567890123"]), 200, rb"13"),
    ("GET", request(path="/json", headers={"X-Request-ID": "mixed"}), 200, JSON % b"mixed"),
    ("GET", request(path="/nowhere"), 404, rb"[^{]*"),
    ("POST", request("POST", "/echo", body=b"GET / HTTP/1.1\r\nHost: in-a-body\r\n\r\n"), 200,
     rb"GET / HTTP/1\.1\r\nHost: in-a-body\r\n\r\n"),
    ("POST", request("POST", "/echo", body=[b"0\r\n\r\n", b"GET /"]), 200, rb"0\r\n\r\nGET /"),
    ("GET", request(path="/file/hello.txt"), 200, rb"Hello from a file\.\n"),
    ("GET", request(path="/file/missing"), 404, rb"File not found"),
    ("OPTIONS", request("OPTIONS"), (200, 204), rb""),
    ("DELETE", request("DELETE"), 405, rb"[^{]*"),
    ("GET", request(path="/users/7/posts/a%20b"), 200, rb'\{"id":"7","post":"a b"\}'),
    ("POST", request("POST", "/echo", body=b""), 200, rb""),
    ("GET", request(path="/efficient?a=1&b=2"), 200, rb"A reply to /efficient, made in 1024 bytes of stack\.\n"),
    ("GET", request(path="/cache/mixed"), 200, rb'\{"key":"mixed","computed":true\}'),
    ("POST", b"POST /length HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
             b'a;name="va;l\\"ue";b\r\n0123456789\r\n0005\r\n01234\r\n000\r\nX-Trailer: field\r\n\r\n', 200, rb"15"),
    ("GET", b"GET http://localhost/ HTTP/1.1\r\nhOsT:localhost\r\nAccept:\r\nX-Spaces:   a b \t \r\n\r\n", 200, HELLO),
    ("HEAD", request("HEAD", "/file/hello.txt"), 200, rb""),
    ("GET", request(path="/json", headers={"X-Request-ID": "last", "Connection": "close"}), 200, JSON % b"last"),
]


def check_mixed(connection):
    for i, (_, _, status, pattern) in enumerate(MIXED):
        reply = connection.reply()
        assert reply.status in (status if isinstance(status, tuple) else (status,)), (i, reply)
        assert re.fullmatch(pattern, reply.body), (i, reply)
        assert reply.closes == (i == len(MIXED) - 1), (i, reply)
    connection.expect_end()


def test_mixed_whole(tour):
    with tour.connect() as connection:
        connection.send(b"".join(data for _, data, _, _ in MIXED), *(method for method, *_ in MIXED))
        check_mixed(connection)


def test_mixed_cut_at_every_byte(tour):
    """Two writes for each byte at which the batch can be cut, far enough apart that the server sees both."""
    batch = b"".join(data for _, data, _, _ in MIXED)
    methods = [method for method, *_ in MIXED]
    step = 7 if SANITIZE else 1
    cuts = list(range(1, len(batch), step))
    for first in range(0, len(cuts), 100):
        group = cuts[first : first + 100]
        connections = [Connection(tour.address) for _ in group]
        for connection, cut in zip(connections, group):
            connection.send(batch[:cut], *methods)
        time.sleep(0.03)
        for connection, cut in zip(connections, group):
            connection.send(batch[cut:])
        for connection, cut in zip(connections, group):
            try:
                check_mixed(connection)
            except (AssertionError, OSError) as error:
                where = f"cut at {cut}, within {batch[max(0, cut - 20):cut]!r} | {batch[cut:cut + 20]!r}"
                raise AssertionError(where) from error
            connection.close()


def test_mixed_byte_by_byte(tour):
    """The batch in writes of one byte, which the kernel may join, on several connections at once."""
    batch = b"".join(data for _, data, _, _ in MIXED)
    connections = [Connection(tour.address) for _ in range(4)]
    for connection in connections:
        connection.parser.methods.extend(method for method, *_ in MIXED)
    for byte in batch:
        for connection in connections:
            connection.socket.sendall(bytes([byte]))
        time.sleep(0.0002)
    for connection in connections:
        check_mixed(connection)
        connection.close()


def test_requests_behind_a_slow_one(probe):
    """Requests behind one that waits are answered after it, in order."""
    with probe.connect() as connection:
        connection.send(request(path="/sleep/300") + request() + request(path="/sleep/100") + request("HEAD"),
                        "GET", "GET", "GET", "HEAD")
        assert [bytes(connection.reply().body) for _ in range(4)] == [b"slept", b"Hello, World!", b"slept", b""]


def test_requests_behind_a_close_are_dropped(tour):
    with tour.connect() as connection:
        connection.send(request(headers={"Connection": "close"}) + request() * 3, "GET")
        assert connection.reply().closes
        connection.expect_end()


def test_requests_behind_an_unread_body(probe):
    """A body that the handler does not read is not taken for a request."""
    with probe.connect() as connection:
        body = request(path="/nowhere")
        ignored = request("POST", "/ignore-body", body=body) + request("POST", "/ignore-body", body=[body])
        connection.send(ignored + request(), "POST", "POST", "GET")
        assert [bytes(connection.reply().body) for _ in range(3)] == [b"ignored", b"ignored", b"Hello, World!"]


def test_files_of_all_small_sizes(start_probe, tmp_path):
    """A small file goes out with its head and a larger one by itself: what is received is the same at each side of every border."""
    sizes = [0, 1, 7, 8, 511, 512, 513, 4095, 4096, 4097, 8191, 8192, 8193, 20000]
    for size in sizes:
        (tmp_path / str(size)).write_bytes(bytes((i * 7 + size) % 251 for i in range(size)))
    server = start_probe("workers=1", f"root={tmp_path}")
    for order in (sizes, sizes[::-1], [4096] * 20 + [4097] * 20):
        wanted = [("HEAD" if i % 5 == 4 else "GET", size) for i, size in enumerate(order)]
        with server.connect() as connection:
            connection.send(b"".join(request(method, f"/file/{size}") for method, size in wanted), *[method for method, _ in wanted])
            for method, size in wanted:
                reply = connection.reply()
                assert reply.status == 200 and reply.header("Content-Length") == str(size)
                assert bytes(reply.body) == (b"" if method == "HEAD" else (tmp_path / str(size)).read_bytes())
    server.stop()
