"""bench/slices.c against servers that answer well, and badly; and script/bench_floor from end to end.

SPDX-License-Identifier: MIT
"""

import contextlib
import json
import os
import signal
import socket
import subprocess
import threading
from types import SimpleNamespace

import pytest
from lib import slices
from lib.watch import LoadError
from scripts import starting

REPLY = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"


class Listener:
    """Answers each request by the same bytes, in pieces if wanted, and counts what it sees."""

    def __init__(self, reply=REPLY, piece=None, silent_after=None, close_after=None):
        self.reply, self.piece, self.silent_after, self.close_after = reply, piece, silent_after, close_after
        self.requests, self.connections, self.gone, self.lock = 0, 0, 0, threading.Lock()
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection = self.socket.accept()[0]
                with self.lock:
                    self.connections += 1
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        with connection, contextlib.suppress(OSError):
            while True:
                data = connection.recv(65536)
                if not data:
                    break
                count = data.count(b"\r\n\r\n")
                assert data == count * f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\n\r\n".encode()
                with self.lock:
                    self.requests += count
                if self.close_after is not None and self.requests > self.close_after:
                    break
                whole = count * self.reply
                step = self.piece or len(whole)
                for at in range(0, len(whole), step):
                    connection.sendall(whole[at : at + step])
        with self.lock:
            self.gone += 1

    def close(self):
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


@contextlib.contextmanager
def loading(*listeners, depth=1, threads=1, length=len(REPLY)):
    """A client of these listeners."""
    try:
        servers = [SimpleNamespace(port=each.port, pid=os.getpid()) for each in listeners]
        with slices.Client(servers, [length] * len(servers), depth, threads) as client:
            yield client
    finally:
        for each in listeners:
            each.close()


def load(client, number=0):
    return client.slice(number, 0.1, {0}, {0})


@pytest.mark.parametrize("depth, piece", [(1, None), (16, None), (16, 7), (3, 1)])
def test_every_request_is_answered_within_its_slice(depth, piece):
    one = Listener(piece=piece)
    with loading(one, depth=depth, threads=2) as client:
        client.keep(0, client.open(0, 5))
        for _ in range(3):
            before = one.requests
            made = load(client)
            assert made.requests == one.requests - before
            assert made.requests >= 5 * depth and made.requests % depth == 0
            assert made.seconds >= made.slowest > 0
            assert made.rate == made.requests / made.seconds


def test_a_slice_loads_one_server_alone():
    one, other = Listener(), Listener()
    with loading(one, other) as client:
        for number in range(2):
            client.keep(number, client.open(number, 2))
        made = load(client, 1)
        assert (one.requests, other.requests) == (0, made.requests)
        made = load(client, 0)
        assert one.requests == made.requests


def test_what_is_not_kept_is_closed_and_the_rest_stays_open():
    one = Listener()
    with loading(one, threads=2) as client:
        ports = client.open(0, 3) + client.open(0, 3)
        assert len(set(ports)) == 6
        client.keep(0, [ports[4], ports[1], ports[2]])
        for _ in range(3):
            load(client)
        assert (one.connections, one.gone) == (6, 3)


@pytest.mark.parametrize(
    "listener, why",
    [
        ({"reply": REPLY.replace(b"200 OK", b"500 No")}, "not one of status 200"),
        ({"reply": REPLY + b"!"}, "more came than was asked for|not one of status 200"),
        ({"close_after": 3}, "closed a connection|reset|Broken pipe"),
    ],
)
@pytest.mark.parametrize("depth", [1, 4])
def test_bad_replies_end_the_measurement(listener, why, depth):
    with loading(Listener(**listener), depth=depth) as client:
        client.keep(0, client.open(0, 2))
        with pytest.raises(LoadError, match=why):
            load(client)


@pytest.mark.parametrize("words", [("slice", 0, 100), ("keep", 0), ("keep", 0, 1), ("open", 1, 1), ("open", 0, 0), ("jump", 0, 1)])
def test_wrong_commands_are_refused(words):
    with loading(Listener()) as client:
        client._tell(*words)
        with pytest.raises(LoadError, match="slices: "):
            client._answer()


def test_the_command_names_its_targets():
    line = slices.command([(1, 20), (2, 30)], 16, 2)
    assert line[1:] == ["--depth", "16", "--threads", "2", "--target", "1:20", "--target", "2:30"]


@pytest.mark.parametrize("words", [[], ["--target", "80"], ["--target", "80:5"], ["--depth", "0"], ["--depth"], ["--rate", "1"]])
def test_wrong_options_are_refused(words):
    found = subprocess.run([slices.command([(1, 20)], 1, 1)[0], *words], capture_output=True, check=False, stdin=subprocess.DEVNULL)
    assert found.returncode == 2 and b"usage: slices" in found.stderr


# ---- script/bench_floor


@pytest.fixture(name="start")
def fixture_start():
    """Starts script/bench_floor."""
    with starting("bench_floor") as start:
        yield start


def test_the_tour_is_compared_with_the_floor(start, tmp_path):
    process = start("--pairs", "5", "--seconds", "0.1", "--workers", "2", "--json", str(tmp_path / "figures"))
    output, errors = process.communicate(timeout=300)
    assert process.returncode == 0, output + errors
    assert "64 connections; by worker 32 + 32 of the floor's, 32 + 32 of the tour's" in output
    assert "1000 connections; by worker 500 + 500 of the floor's, 500 + 500 of the tour's" in output
    assert "WARNING: the replies differ" not in output
    assert output.count("  noise: ") == 3 and "of 8 commitments met" in output
    figures = json.loads((tmp_path / "figures").read_text(encoding="utf-8"))
    assert figures["pairs"] == 6  # each server is the first as often
    rows = {row["name"]: row for row in figures["rows"]}
    for name in ("64", "64 x 16", "1000"):
        for what, row in (("throughput", "throughput"), ("cpu", "CPU per request")):
            ratios = figures["ratios"][name][what]
            assert len(ratios) in (6, 12)
            value = rows[f"{name}: {row}, of the floor's"]["value"]
            assert 0 < min(ratios) <= value <= max(ratios)


def test_the_floor_is_compared_with_itself(start):
    process = start("--pairs", "2", "--seconds", "0.1", "--only", "64", "--twice")
    output, errors = process.communicate(timeout=300)
    assert process.returncode == 0, output + errors
    assert "commitments" not in output and "memory" not in output and "pipelined" not in output and "1000" not in output


def test_an_interrupted_comparison_leaves_nothing_running(start):
    process = start("--pairs", "1000", "--only", "64")
    for line in process.stdout:
        if "by worker" in line:
            break
    process.send_signal(signal.SIGTERM)
    assert "stopped" in process.communicate(timeout=120)[1]
    assert process.returncode == 130


@pytest.mark.parametrize("words", [["--pairs", "0"], ["--seconds", "0"], ["--seconds", "21"], ["--only", "65"]])
def test_wrong_options_of_the_script_are_refused(start, words):
    process = start(*words)
    assert "usage: bench_floor" in process.communicate(timeout=60)[1]
    assert process.returncode == 2
