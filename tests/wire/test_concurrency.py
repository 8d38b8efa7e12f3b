"""Each program at a thousand concurrent connections with every byte checked, and under clients not written by us: wrk
and h2load in HTTP/1.1 mode. The connections are all open before the first request is sent.

SPDX-License-Identifier: MIT
"""

import json
import re
import shutil
import subprocess
import time

import pytest

from client import Compare, Crowd, request
from conftest import MANY, MIB

STREAM_START = b"".join(b"Chunk %d\n" % i for i in range(20000))
pytestmark = pytest.mark.threaded


def crowd_of(server, expected=None):
    return Crowd(server.address, MANY, sink=(lambda: Compare(expected)) if expected is not None else lambda: None)


def many_rounds(server, path, check, rounds=5, headers=lambda i: {}):
    with crowd_of(server) as crowd:
        for _ in range(rounds):
            crowd.send(lambda i: request(path=path(i) if callable(path) else path, headers=headers(i)), "GET")
            for i, reply in enumerate(crowd.replies()):
                assert reply.status == 200 and not reply.closes, reply
                check(i, reply)
        for member in crowd.members:
            assert member.parser.idle


def test_static_reply(tour):
    def check(_, reply):
        assert reply.body == b"Hello, World!"

    many_rounds(tour, "/", check, rounds=10)


def test_json(tour):
    """Each client gets its own id back, not another's."""

    def check(i, reply):
        found = json.loads(reply.body)
        assert found["request_id"] == f"client-{i}" and found["status"] == "ok"
        assert abs(found["timestamp"] - time.time()) < 30

    many_rounds(tour, "/json", check, rounds=10, headers=lambda i: {"X-Request-ID": f"client-{i}"})


def test_stack_reply(tour):
    def check(_, reply):
        assert reply.body == b"A reply to /efficient, made in 1024 bytes of stack.\n"

    many_rounds(tour, "/efficient", check)


def test_parameters(tour):
    def check(i, reply):
        assert json.loads(reply.body) == {"id": str(i), "post": f"p{i}"}

    many_rounds(tour, lambda i: f"/users/{i}/posts/p{i}", check)


def test_cache(tour):
    """More keys than the cache holds, all clients at once."""

    def check(i, reply):
        assert json.loads(reply.body) == {"key": f"k{i * 2}", "computed": True}
        assert reply.header("X-Cache") in ("HIT", "MISS")

    many_rounds(tour, lambda i: f"/cache/k{i * 2}", check)


def test_file(tour, root):
    expected = (root / "large.bin").read_bytes()
    with crowd_of(tour, expected) as crowd:
        crowd.send(request(path="/file/large.bin"), "GET")
        for reply in crowd.replies():
            assert reply.status == 200 and reply.received == MIB


def test_large(tour, root):
    expected = (root / "large.bin").read_bytes()
    with crowd_of(tour, expected) as crowd:
        crowd.send(request(path="/large"), "GET")
        for reply in crowd.replies():
            assert reply.status == 200 and reply.received == MIB and reply.closes
        crowd.wait(lambda member: member.parser.ended)


def test_csv(tour, root):
    expected = (root / "large_dataset.csv").read_bytes().upper()
    with crowd_of(tour, expected) as crowd:
        crowd.send(request(path="/csv"), "GET")
        for reply in crowd.replies():
            assert reply.status == 200 and reply.received == len(expected)


def test_stream(tour):
    """A beginning of the stream on each, checked; then all leave."""
    with crowd_of(tour, STREAM_START + b"-" * MIB * 20) as crowd:
        crowd.send(request(path="/stream"), "GET")
        # The crowd stops reading a member once it has enough, which leaves many writers waiting.
        crowd.wait(lambda member: member.parser.current is not None and member.parser.current.received >= 65536)
    assert tour.ask().body == b"Hello, World!"


def test_echo(tour):
    bodies = [bytes([i % 251]) * (3000 + i) for i in range(MANY)]
    with crowd_of(tour) as crowd:
        for _ in range(3):
            crowd.send(
                lambda i: request("POST", "/echo", body=bodies[i] if i % 2 else [bodies[i][:1000], bodies[i][1000:]]),
                "POST")
            for i, reply in enumerate(crowd.replies()):
                assert reply.body == bodies[i]


def test_connections_come_and_go(tour):
    """A connection for each request, many times the number that is open at once."""
    for _ in range(3):
        with crowd_of(tour) as crowd:
            crowd.send(request(headers={"Connection": "close"}), "GET")
            for reply in crowd.replies():
                assert reply.body == b"Hello, World!" and reply.closes
            crowd.wait(lambda member: member.parser.ended)


# ---- Clients not written by us

PATHS = ["/", "/json", "/efficient", "/cache/apple", "/file/hello.txt", "/file/large.bin", "/large", "/csv",
         "/users/1/posts/a"]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("connections", [1, MANY])
def test_wrk(tour, path, connections):
    if not shutil.which("wrk"):
        pytest.skip("wrk is not installed")
    command = ["wrk", "-t1", f"-c{connections}", "-d1s", "--timeout", "20s", tour.url + path]
    output = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout
    assert "Non-2xx" not in output, output
    # A reply that closes is an end that wrk counts as an error of reading.
    if path != "/large":
        assert "Socket errors" not in output, output
    if connections == 1:
        assert int(re.search(r"(\d+) requests in", output).group(1)) > 0, output


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("connections", [1, MANY])
def test_h2load(tour, path, connections):
    if not shutil.which("h2load"):
        pytest.skip("h2load is not installed")
    number = connections if path in ("/csv", "/large", "/file/large.bin") else connections * 5
    number = max(number, 20) if path != "/large" else connections
    command = ["h2load", "--h1", "-t1", "-c", str(connections), "-n", str(number), "-T", "120", tour.url + path]
    output = subprocess.run(command, capture_output=True, text=True, check=True, timeout=240).stdout
    done = re.search(r"requests: (\d+) total, .* (\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout", output)
    assert done and done.groups() == (str(number), str(number), "0", "0", "0"), output
    assert f"status codes: {number} 2xx, 0 3xx, 0 4xx, 0 5xx" in output, output


def test_curl_in_parallel(tour, root):
    """curl's own parallel mode, many transfers of a file over as many connections as it likes."""
    count = min(MANY, 100)
    command = ["curl", "-sS", "--no-progress-meter", "-Z", "--parallel-max", "50",
               f"{tour.url}/file/hello.txt?[1-{count}]"]
    output = subprocess.run(command, capture_output=True, check=True, timeout=120).stdout
    assert output == (root / "hello.txt").read_bytes() * count
