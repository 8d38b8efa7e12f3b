"""WebSockets whose messages come as events, which hold no fiber between them: tests/programs/live.c, by Python's
websockets and aiohttp, and by frames made by hand.

SPDX-License-Identifier: MIT
"""

import asyncio
import contextlib
import json
import socket
import ssl
import threading
import time

import pytest

import ws
from client import ask, request
from conftest import Server
from faults import wait_for
from tunnels import WITH_HTTP2, Tunnel, Upgraded

websockets = pytest.importorskip("websockets")
aiohttp = pytest.importorskip("aiohttp")

pytestmark = pytest.mark.threaded


@pytest.fixture
def server():
    server = Server("tests/programs/live", expect=r"(http://\S+)\nlistening on https://\S+\n")
    yield server
    server.stop()


def text_of(server, path):
    return ask(server.address, path=path).text()


def until(server, path, condition, seconds=30):
    end = time.monotonic() + seconds
    while not condition(text := text_of(server, path)):
        assert time.monotonic() < end, text
        time.sleep(0.02)
    return text


def connect(server, path="/socket", secure=False, **more):
    if secure:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return websockets.connect(f"wss://127.0.0.1:{server.tls_port}{path}", ssl=context, max_size=None, **more)
    return websockets.connect(f"ws://127.0.0.1:{server.port}{path}", max_size=None, compression=more.pop("compression", None), **more)


def run(test):
    asyncio.run(asyncio.wait_for(test, 60))


@pytest.mark.parametrize("secure", [False, True])
def test_messages_of_all_lengths_come_back(server, secure):
    async def test():
        async with connect(server, "/socket?name=greeted", secure) as s:
            assert await s.recv() == "hello"
            for length in [0, 1, 125, 126, 4000, 5000, 65535, 65536, 300000]:
                await s.send("ä" * length)
                assert await s.recv() == "ä" * length
                await s.send(b"\0x" * length)
                assert await s.recv() == b"\0x" * length
            await s.send(["in ", "three ", "pieces"])
            assert await s.recv() == "in three pieces"
            await (await s.ping(b"are you there"))
            await s.close(4000, "bye")
    run(test())
    assert until(server, "/sockets", lambda t: t.startswith("1 1 ")) == "1 1 greeted 4000 bye"


def test_many_in_one_write_are_in_order(server):
    async def test():
        async with connect(server) as s:
            for i in range(500):
                await s.send("sleep" if i == 100 else f"message {i}")
            assert [await s.recv() for _ in range(500)] == ["sleep" if i == 100 else f"message {i}" for i in range(500)]
    run(test())


def test_pings_without_end(server):
    with ws.Frames(Upgraded(server.address, "/socket", protocol="websocket", fields=ws.asked(), SO_RCVBUF=16384)) as s:
        s.expect_pings_to_wait()
        s.send(ws.text("a"))
        s.expect(ws.TEXT, "a")


ASKED = 40
MOST = 2 << 20  # bytes that a flood may get through while so many others are served, each after one turn of it


@pytest.mark.parametrize("message", [ws.text(""), ws.text("x"), ws.frame(ws.PING)], ids=["empty", "short", "ping"])
def test_a_flood_of_messages_holds_up_nobody(message):
    """One worker serves others while a client sends without a pause, in turn with it."""
    server = Server("tests/programs/live", 1, expect=r"(http://\S+)\nlistening on https://\S+\n")
    many = message * (65536 // len(message))
    with by_hand(server) as flooding:
        sent, over = 0, False

        def read():
            with contextlib.suppress(OSError):
                while flooding.recv(1 << 20):
                    pass

        def write():
            nonlocal sent
            with contextlib.suppress(OSError):
                while not over:
                    flooding.sendall(many)
                    sent += len(many)

        threads = [threading.Thread(target=each) for each in (read, write)]
        for thread in threads:
            thread.start()
        wait_for(lambda: sent > 1 << 20)
        text_of(server, "/sockets")
        before = sent
        for _ in range(ASKED):
            text_of(server, "/sockets")
        taken, over = sent - before, True
        flooding.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join()
        assert taken < MOST
    server.stop()


@pytest.mark.parametrize("fields, status", [({}, 426), ({"Origin": "https://evil.test"}, 403), ({"Sec_WebSocket_Version": "12"}, 426)])
def test_what_is_refused_is_not_told(server, fields, status):
    """`accept` sees only what can become a socket."""
    path = "/socket?name=seen"
    if fields:
        with Upgraded(server.address, path, protocol="websocket", fields=ws.asked(**fields)) as stream:
            assert stream.status == status
    else:
        assert ask(server.address, path=path).status == status
    assert text_of(server, "/accepted") == "0"


def test_compressed_messages(server):
    async def test():
        async with connect(server, "/socket/deflated", compression="deflate") as s:
            for length in [10, 5000, 50000]:
                await s.send("compress me " * length)
                assert await s.recv() == "compress me " * length
    run(test())


@pytest.mark.parametrize("path", ["/socket", "/socket/deflated"])
@pytest.mark.parametrize("secure", [False, True])
def test_aiohttp(server, secure, path):
    async def test():
        url = f"https://127.0.0.1:{server.tls_port}" if secure else server.url
        async with aiohttp.ClientSession() as session:
            async with session.ws_connect(url + path, ssl=False, max_msg_size=0, compress=15) as s:
                assert bool(s.compress) == path.endswith("deflated")
                for length in [0, 1, 125, 126, 4000, 65535, 65536, 300000]:
                    await s.send_str("ä" * length)
                    assert await s.receive_str() == "ä" * length
                    await s.send_bytes(b"\0x" * length)
                    assert await s.receive_bytes() == b"\0x" * length
                await s.ping(b"are you there")
                await s.close(code=4000, message=b"bye")
                assert s.close_code == 4000
    run(test())
    assert until(server, "/sockets", lambda t: t.startswith("1 1 ")) == "1 1 somebody 4000 bye"


@pytest.mark.parametrize("offered, agreed", [([], None), (["zero"], None), (["zero", "two", "one"], "two"), (["one"], "one")])
def test_subprotocols(server, offered, agreed):
    async def test():
        async with connect(server, "/socket/protocols", subprotocols=offered) as s:
            assert s.subprotocol == agreed
            for _ in range(2):
                await s.send("protocol")
                assert await s.recv() == (agreed or "")
    run(test())


def test_topics_are_delivered_beside(server):
    async def test():
        async with connect(server) as a, connect(server, secure=True) as b:
            for s in (a, b):
                await s.send("subscribe room/+")
                assert await s.recv() == "0"
                await s.send("subscribe hall")
                assert await s.recv() == "0"
                await s.send("subscribe hall")
                assert await s.recv() == "-14"
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(None, text_of, server, "/publish/room/5?times=300")
            for s in (a, b):
                assert [await s.recv() for _ in range(300)] == [str(i) for i in range(300)]
            await loop.run_in_executor(None, text_of, server, "/publish/hall?text=all")
            assert await a.recv() == "all" and await b.recv() == "all"
    run(test())
    until(server, "/subscribers/hall", lambda t: t == "0")


def test_closes(server):
    async def test():
        async with connect(server) as s:
            await s.send("close")
            with pytest.raises(websockets.ConnectionClosed):
                await s.recv()
            assert (s.close_code, s.close_reason) == (3001, "as told")
        async with connect(server) as s:
            await s.send("fail")
            with pytest.raises(websockets.ConnectionClosed):
                await s.recv()
        with pytest.raises(websockets.InvalidStatusCode) as refused:
            await connect(server, "/socket?name=nobody")
        assert refused.value.status_code == 403
        with pytest.raises(websockets.InvalidStatusCode) as refused:
            await connect(server, origin="https://elsewhere.test")
        assert refused.value.status_code == 403
    run(test())
    until(server, "/sockets", lambda t: t.startswith("2 2 "))  # the refused ones were never told


def test_a_ping_behind_our_close_is_answered(server):
    with opened(server, "HTTP/1.1") as s:
        s.send(ws.text("close"))
        s.expect_close(3001, b"as told")
        s.send(ws.frame(ws.PING, b"here"), ws.close(3001))
        s.expect(ws.PONG, b"here")
        s.expect_end()


HTTP = ["HTTP/1.1", pytest.param("HTTP/2", marks=pytest.mark.skipif(not WITH_HTTP2, reason="a build without HTTP/2"))]


def opened(server, http, path="/socket"):
    """The frames of a socket over a version of HTTP."""
    fields = ws.asked()
    if http == "HTTP/2":
        fields = [(name.lower(), value) for name, value in fields if name != "Sec-WebSocket-Key"]
    return ws.Frames((Tunnel if http == "HTTP/2" else Upgraded)(server.address, path, protocol="websocket", fields=fields))


@pytest.mark.parametrize("http", HTTP)
def test_an_event_that_fails_closes_in_order(server, http):
    """The client can read why, and what it sends before its Close is told to nobody."""
    with opened(server, http) as s:
        s.send(ws.text("fail"), ws.text("behind"), ws.text("half of", fin=False))
        s.expect_close(1011)
        s.send(ws.frame(ws.CONTINUATION, b" it"), ws.text("fail"), ws.close(1011))
        assert s.stream.recv(100) == b""
    assert until(server, "/sockets", lambda t: t.startswith("1 1 ")) == "1 1 somebody 1011 "


@pytest.mark.parametrize("http", HTTP)
def test_an_event_that_fails_waits_for_no_client_for_ever(server, http):
    with opened(server, http, "/socket/quick") as s:
        s.send(ws.text("fail"))
        s.expect_close(1011)
        assert until(server, "/sockets", lambda t: t.startswith("1 1 ")) == "1 1 somebody 1011 "


def by_hand(server, path="/socket"):
    connection = socket.create_connection(server.address, timeout=20)
    connection.sendall(request(path=path, headers=[("Connection", "Upgrade"), ("Upgrade", "websocket"), *ws.asked()]))
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += connection.recv(1)
    assert b" 101 " in head.split(b"\r\n")[0]
    return connection


def test_a_client_that_goes_is_told(server):
    connection = by_hand(server)
    connection.sendall(ws.text("the only one"))
    connection.close()
    assert until(server, "/sockets", lambda t: t.startswith("1 1 ")) == "1 1 somebody 1006 "


def test_a_silent_client_is_pinged_and_given_up(server):
    connection = by_hand(server, "/socket/quick")
    data = b""
    try:
        while piece := connection.recv(100):
            data += piece
    except ConnectionResetError:
        pass
    assert data.startswith(b"\x89\0")
    assert until(server, "/sockets", lambda t: t.startswith("1 1 ")) == "1 1 somebody 1006 "


def test_what_breaks_the_protocol_is_closed(server):
    connection = by_hand(server)
    connection.sendall(bytes([0x81, 3]) + b"abc")  # no mask
    data = b""
    while piece := connection.recv(100):
        data += piece
    assert data[:4] == b"\x88" + data[1:2] + (1002).to_bytes(2, "big")
    assert until(server, "/sockets", lambda t: t.startswith("1 1 ")).startswith("1 1 somebody 1002")


def test_a_stop_sends_1001(server):
    async def test():
        async with connect(server) as s:
            await s.send("x")
            assert await s.recv() == "x"
            server.process.terminate()
            with pytest.raises(websockets.ConnectionClosed):
                await s.recv()
            assert s.close_code == 1001
    run(test())


def test_an_event_that_waits_ends_with_its_client(server):
    connection = by_hand(server)
    connection.sendall(ws.text("sleep long"))
    until(server, "/sockets", lambda t: t.startswith("1 0 "))
    connection.close()
    assert until(server, "/sockets", lambda t: t.startswith("1 1 ")) == "1 1 somebody 1006 "


def test_an_event_that_waits_does_not_hold_up_a_stop(server):
    connections = [by_hand(server) for _ in range(3)]
    for connection in connections:
        connection.sendall(ws.text("sleep long"))
    until(server, "/sockets", lambda t: t.startswith("3 0 "))
    server.stop()
    for connection in connections:
        connection.close()


def test_a_last_event_that_waits_does_not_hold_up_a_stop(server):
    for closes in (True, False):
        connection = by_hand(server, "/socket?name=sleeper")
        if closes:
            connection.sendall(ws.close(1000))
        else:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            connection.close()
    until(server, "/sockets", lambda t: t.startswith("2 2 "))
    server.stop()


def test_a_client_is_not_given_up_while_its_messages_are_told(server):
    async def test():
        async with connect(server, "/socket/quick") as s:
            for _ in range(15):
                await s.send("sleep")
            for _ in range(15):
                assert await s.recv() == "sleep"
    run(test())


def test_topics_wait_for_the_end_of_a_message(server):
    text = "".join(f"{i:x}" for i in range(100000))
    async def test():
        async with connect(server, "/socket/deflated", compression="deflate") as s:
            await s.send("subscribe hall")
            assert await s.recv() == "0"
            await s.send(text)
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(None, text_of, server, "/publish/hall?times=3")
            got = [await s.recv() for _ in range(4)]
            assert sorted(got, key=len)[3] == text and [t for t in got if t != text] == ["0", "1", "2"]
    run(test())


def test_over_http2(server):
    fields = [(name.lower(), value) for name, value in ws.asked() if name != "Sec-WebSocket-Key"]
    with Tunnel(server.address, "/socket", protocol="websocket", fields=fields) as stream:
        frames = ws.Frames(stream)
        for i in range(20):
            stream.send(ws.text(f"message {i}"))
            assert frames.message() == (ws.TEXT, f"message {i}".encode())
        stream.send(ws.close(1000))
        frames.expect_close(1000)
    until(server, "/sockets", lambda t: t.startswith("1 1 somebody 1000"))
    with Tunnel(server.address, "/socket/quick", protocol="websocket", fields=fields) as stream:
        assert ws.Frames(stream).frame()[0] == ws.PING
        assert stream.recv() == b"" and stream.reset == 8  # CANCEL, where TCP would have a reset


def figures(server):
    return json.loads(text_of(server, "/ledger"))["sockets"]


def test_figures(server):
    connections = [by_hand(server) for _ in range(5)]
    for c in connections:
        for _ in range(3):
            c.sendall(ws.text("x"))
            assert c.recv(3) == b"\x81\1x"
    assert figures(server) == {"websockets": 5, "event_streams": 0, "received": 15, "sent": 15}
    for c in connections:
        c.close()
    wait_for(lambda: figures(server)["websockets"] == 0)


def test_an_idle_socket_holds_little(server):
    connections = [by_hand(server) for _ in range(300)]
    for c in connections:
        c.sendall(ws.text("x"))
        assert c.recv(3) == b"\x81\1x"
    accounts = json.loads(text_of(server, "/ledger"))["memory"]["accounts"]
    held = {a["name"]: a["in_use"] for a in accounts}
    assert held["live streams"] <= 300 * 64 + 4096, held
    assert held["websocket buffers"] == 0
    for c in connections:
        c.close()
    until(server, "/sockets", lambda t: t.startswith("300 300 "))
