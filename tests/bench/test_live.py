"""The clients of bench/live against weir, and against servers that lose, change or break what they should send.

SPDX-License-Identifier: MIT
"""

import argparse
import contextlib
import os
import socket
import subprocess
import threading

import pytest
from lib import build, held, live, peer, turn_tables
from lib.table import Visit
from lib.tree import Tree
from lib.watch import LoadError
from tables import live as table

ROUTES = os.path.join(os.environ.get("WEIR_BUILD", os.path.join(build.ROOT, "build", "release")), "bench", "live_routes")
HEAD = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"


@pytest.fixture(name="weir", scope="module")
def fixture_weir():
    """weir's part in the table."""
    with peer.Peer("weir", "").start(Visit([], part="live", command=[ROUTES, "@PORT@"])) as instance:
        yield instance


@contextlib.contextmanager
def serving(reply, answer):
    """A server that opens every WebSocket by `reply`, and sends answer(frame) for what comes."""

    def serve(connection):
        with connection, contextlib.suppress(OSError):
            connection.recv(4096)
            connection.sendall(reply)
            while frame := connection.recv(65536):
                connection.sendall(answer(frame))

    def accept():
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        threading.Thread(target=accept, daemon=True).start()
        yield argparse.Namespace(port=listener.getsockname()[1], tree=Tree(os.getpid()))
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)


def unmasked(frame):
    """A frame of a client as a server sends it back; up to 125 bytes."""
    mask, payload = frame[2:6], frame[6:]
    return bytes([frame[0], len(payload)]) + bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))


def echo(instance, **options):
    return live.measure("echo", instance, "/ws", 0.1, connections=2, size=64, **options)


@pytest.mark.parametrize("size", [8, 125, 126, 16384, 65535])
def test_messages_of_all_lengths_come_back(weir, size):
    found = live.measure("echo", weir, "/ws", 0.1, connections=3, size=size)
    assert found["requests"] > 0 and found["cpu_us"] > 0 and found["server_cpu_s"] > 0


@pytest.mark.parametrize("burst", [1, 16])
def test_what_is_published_comes_to_all(weir, burst):
    found = live.measure("fanout", weir, "/ws/topic/bench", 0.1, connections=20, burst=burst)
    assert found["requests"] > 0 and found["requests"] % (20 * burst) == 0


@pytest.mark.parametrize("path, events", [("/ws/topic/bench", 0), ("/events/bench", 1)])
def test_followers_get_what_is_published(weir, path, events):
    follow = live.command("follow", weir, path, connections=20, messages=100, events=events, stall=10)
    with live.Client(follow) as followers, live.Client(live.command("publish", weir, "/ws/topic/bench", messages=100, burst=7)) as publisher:
        followers.wait_ready()
        publisher.wait_ready()
        followers.begin()
        publisher.begin()
        assert publisher.result(30)["messages"] == 100
        assert followers.result(30)["messages"] == 18 * 100


def test_idle_sockets_are_held(weir):
    found = held.live_for_each(weir, "/ws", (20, 40), say=1)
    assert found["reached"] == 40 and found["private_40"] > 0


def test_a_server_that_echoes_well_is_measured_and_one_that_does_not_is_told():
    with serving(HEAD + b"\r\n", unmasked) as good:
        assert echo(good)["requests"] > 0
    for answer, told in (
        (lambda frame: unmasked(frame)[:-1] + b"!", "not what was sent"),
        (lambda frame: b"\x01" + unmasked(frame)[1:], "no whole text"),
        (lambda frame: b"\x88\x00", "closed a WebSocket"),
    ):
        with serving(HEAD + b"\r\n", answer) as bad, pytest.raises(LoadError, match=told):
            echo(bad)


def test_a_ping_is_answered():
    seen = []

    def answer(frame):
        if frame[0] == 0x8A:  # the Pong, perhaps with a message behind it
            seen.append(unmasked(frame[:8])[2:])
            return unmasked(frame[8:]) if len(frame) > 8 else b""
        return unmasked(frame) if seen else b"\x89\x02hi" + unmasked(frame)

    with serving(HEAD + b"\r\n", answer) as server:
        live.measure("echo", server, "/ws", 0.1, connections=1, size=64)
    assert seen == [b"hi"]


@pytest.mark.parametrize("reply", [HEAD.replace(b"s3p", b"s3q") + b"\r\n", HEAD + b"Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n", b"HTTP/1.1 404 Not Found\r\n\r\n"])
def test_no_socket_is_no_load(reply):
    with serving(reply, unmasked) as bad, pytest.raises(LoadError, match="not the reply"):
        echo(bad)


def test_wrong_options_are_told():
    assert subprocess.run([build.live("echo"), "--port", "1", "--wrong", "2"], capture_output=True, check=False).returncode == 2


def test_weir_is_compared_with_the_fastest():
    assert all(shown.base == "uwebsockets" and shown.goals == (turn_tables.Goal("uwebsockets", 1.0),) for shown in table.SHOWN)
