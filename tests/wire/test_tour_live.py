"""The tour's clients that stay: echoes, ticks, and topics by events and by WebSocket, by Python's websockets and curl.

SPDX-License-Identifier: MIT
"""

import asyncio
import contextlib
import json
import socket

import pytest

from client import ask
from faults import wait_for

websockets = pytest.importorskip("websockets")


def run(what):
    return asyncio.run(asyncio.wait_for(what, 60))


def connect(tour, path, **more):
    host, port = tour.address
    return websockets.connect(f"ws://{host}:{port}{path}", max_size=None, **more)


@contextlib.contextmanager
def stream(tour, path, **fields):
    """An event stream, as a file of its lines."""
    with socket.create_connection(tour.address) as sock, sock.makefile("r", encoding="utf-8", newline="\n") as lines:
        sock.settimeout(60)
        more = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in fields.items())
        sock.sendall(f"GET {path} HTTP/1.0\r\nHost: a\r\n{more}\r\n".encode())
        head = []
        while (line := lines.readline().rstrip("\r\n")):
            head.append(line)
        assert head[0] == "HTTP/1.1 200 OK" and "Content-Type: text/event-stream" in head
        yield lines


def event(lines):
    """The next event: a dictionary of its fields. Comments are left out."""
    found = {}
    while (line := lines.readline()) != "\n" or not found:
        assert line, "the stream has ended"
        if line != "\n" and not line.startswith(":"):
            name, _, value = line.rstrip("\n").partition(": ")
            found[name] = value
    return found


def post(tour, path, body):
    return ask(tour.address, "POST", path, body=body)


def ledger(tour):
    return json.loads(ask(tour.address, path="/_weir/ledger.json").text())


@pytest.mark.parametrize("path, deflate", [("/ws", None), ("/ws/deflate", "deflate"), ("/ws/deflate", None)])
def test_echo(tour, path, deflate):
    async def test():
        async with connect(tour, path, compression=deflate) as s:
            assert len(s.extensions) == (1 if deflate else 0)
            for length in (0, 1, 125, 126, 4000, 4096, 4097, 65536, 500000):
                for message in ("ä" * length, b"\0y" * length):
                    await s.send(message)
                    assert await s.recv() == message
            await s.send(["in ", "ä" * 3000, "pieces"])
            assert await s.recv() == "in " + "ä" * 3000 + "pieces"
    run(test())


def test_longest_echo(tour):
    async def test():
        async with connect(tour, "/ws", compression=None) as s:
            await s.send(bytes(16 << 20))
            assert await s.recv() == bytes(16 << 20)
            await s.send(bytes((16 << 20) + 1))
            with pytest.raises(websockets.ConnectionClosed):
                await s.recv()
            assert s.close_code == 1009
    run(test())


def test_ticks(tour):
    with stream(tour, "/events") as lines:
        assert event(lines)["event"] == "hello"
        first, second = event(lines), event(lines)
        assert first["event"] == second["event"] == "tick"
        assert int(second["data"]) == int(first["data"]) + 1


def test_topic(tour):
    with stream(tour, "/topic/news") as lines:
        wait_for(lambda: ledger(tour)["topics"]["subscribers"] == 1)
        assert post(tour, "/topic/news?event=headline", b"one\ntwo").status == 204
        one = event(lines)
        assert one["event"] == "headline"
        ids = [one["id"]]
        for text in ("äöü", "again"):
            assert post(tour, "/topic/news", text.encode()).status == 204
            one = event(lines)
            assert one["data"] == text
            ids.append(one["id"])
    with stream(tour, "/topic/news", Last_Event_ID=ids[1]) as lines:
        assert event(lines) == {"id": ids[2], "data": "again"}


def test_topic_by_websocket(tour):
    async def test():
        async with connect(tour, "/ws/topic/talk") as a, connect(tour, "/ws/topic/talk") as b:
            wait_for(lambda: ledger(tour)["topics"]["subscribers"] == 2)
            with stream(tour, "/topic/talk") as lines:
                wait_for(lambda: ledger(tour)["topics"]["subscribers"] == 3)
                for message in ("to all", b"bytes", "and more"):
                    await a.send(message)
                    assert await a.recv() == message
                    assert await b.recv() == message
                assert [event(lines)["data"] for _ in range(2)] == ["to all", "and more"]
    run(test())


@pytest.mark.parametrize("name", ["$tick", "$presence%2Fx", "%24x", "chat%2Flobby", "+", "%23", "a%2B"])
def test_names_that_are_not_for_visitors(tour, name):
    """Those of the tour's own are not there for others, and a pattern is no name."""
    assert post(tour, f"/topic/{name}", b"x").status in (400, 404)
    assert ask(tour.address, "GET", f"/topic/{name}").status in (400, 404)

    async def test():
        with pytest.raises(websockets.InvalidStatusCode) as refused:
            await connect(tour, f"/ws/topic/{name}")
        assert refused.value.status_code in (400, 404)
    run(test())


@pytest.mark.parametrize("body, status", [(b"\xff", 400), (b"x" * 65536, 204), (b"x" * 65537, 413), (b"", 204)],
                         ids=["no UTF-8", "longest", "too long", "empty"])
def test_bodies(tour, body, status):
    assert post(tour, "/topic/bodies", body).status == status


@pytest.mark.parametrize("path", ["/chat/a?name=", "/chat/a", "/chat/a%2Bb?name=x", f"/chat/{'r' * 33}?name=x",
                                  f"/chat/a?name={'x' * 33}", "/chat/a?name=a%0Ab", "/chat/a%00?name=b"])
def test_chat_refuses(tour, path):
    async def test():
        with pytest.raises(websockets.InvalidStatusCode) as refused:
            await connect(tour, path)
        assert refused.value.status_code in (400, 404)
    run(test())


def test_chat_is_bounded(tour):
    async def test():
        async with connect(tour, "/chat/bounds?name=Ann") as s:
            assert json.loads(await s.recv()) == {"event": "here", "who": ["Ann"]}
            await s.send("x" * 1000)
            assert json.loads(await s.recv())["text"] == "x" * 1000
            await s.send("\x01" * 1000)
            assert json.loads(await s.recv())["text"] == "\x01" * 1000
            await s.send("x" * 1001)
            with pytest.raises(websockets.ConnectionClosed):
                await s.recv()
            assert s.close_code == 1009
        async with connect(tour, "/chat/bounds?name=Ann") as s:
            await s.send(b"bytes")
            with pytest.raises(websockets.ConnectionClosed):
                while True:
                    await s.recv()
            assert s.close_code == 1003
    run(test())
