"""WebSockets in a straight line with clients not written by us: Python's websockets and aiohttp, plain and by TLS, with
permessage-deflate and without.

SPDX-License-Identifier: MIT
"""

import asyncio

import pytest

from tunnels import Site

websockets = pytest.importorskip("websockets")
aiohttp = pytest.importorskip("aiohttp")

pytestmark = pytest.mark.threaded

SIZES = (0, 1, 125, 126, 65535, 65536, 500000)
SENTENCE = "Ein Würfel, drei Bäume, κόσμε, 日本語 and so on. "


@pytest.fixture(params=["plain", "tls"])
def site(request, pair, authority):
    site = Site(request.param, pair, authority, program="websocket")
    site.context = authority.context() if site.secure else None
    site.url = f"{'wss' if site.secure else 'ws'}://localhost:{site.address[1]}"
    site.sockaddr = {"host": site.address[0], "port": site.address[1]}
    yield site
    site.server.stop()


def texts(size):
    return (SENTENCE * (size // len(SENTENCE) + 1))[:size]


DEFLATE = ["", "?deflate=1", "?deflate=1&deflate_server_takeover=1&deflate_client_takeover=1",
           "?deflate=1&deflate_server_bits=9"]


@pytest.mark.parametrize("query", DEFLATE)
def test_websockets(site, query):
    async def run():
        async with websockets.connect(site.url + "/echo" + query, ssl=site.context, max_size=None,
                                      **site.sockaddr) as socket:
            names = [extension.name for extension in socket.extensions]
            assert names == (["permessage-deflate"] if query else [])
            for size in SIZES:
                await socket.send(texts(size))
                assert await socket.recv() == texts(size)
                await socket.send(bytes(size))
                assert await socket.recv() == bytes(size)
            await socket.send([SENTENCE] * 50)  # as fragments
            assert await socket.recv() == SENTENCE * 50
            await asyncio.wait_for(await socket.ping(), 10)
            for i in range(500):
                await socket.send(f"{i} {SENTENCE}")
            for i in range(500):
                assert await socket.recv() == f"{i} {SENTENCE}"
        assert socket.close_code == 1000

    asyncio.run(asyncio.wait_for(run(), 60))


@pytest.mark.parametrize("query", DEFLATE[:3])
def test_aiohttp(site, query):
    async def run():
        resolver = aiohttp.TCPConnector(family=2)
        async with aiohttp.ClientSession(connector=resolver) as session:
            url = f"{site.url.replace('ws', 'http', 1)}/echo{query}"
            async with session.ws_connect(url, ssl=site.context, max_msg_size=0, compress=15 if query else 0) as socket:
                assert bool(socket.compress) == bool(query)
                for size in SIZES:
                    await socket.send_str(texts(size))
                    assert await socket.receive_str() == texts(size)
                    await socket.send_bytes(bytes(size))
                    assert await socket.receive_bytes() == bytes(size)
                await socket.ping(b"here")
                await socket.close(code=4000, message=b"done")
                assert socket.close_code == 4000

    asyncio.run(asyncio.wait_for(run(), 60))


def test_subprotocol(site):
    async def run():
        async with websockets.connect(site.url + "/echo?protocols=one+two", ssl=site.context,
                                      subprotocols=["zero", "two", "one"], **site.sockaddr) as socket:
            assert socket.subprotocol == "two"

    asyncio.run(asyncio.wait_for(run(), 60))


def test_close_codes(site):
    async def closes(path):
        async with websockets.connect(site.url + path, ssl=site.context, **site.sockaddr) as socket:
            with pytest.raises(websockets.ConnectionClosed):
                await socket.send("a")
                await socket.recv()
            return socket.close_code, socket.close_reason

    async def run():
        assert await closes("/close?code=4001&reason=bye") == (4001, "bye")
        assert await closes("/leave") == (1000, "")
        assert await closes("/fail") == (1011, "")
        assert await closes("/echo?kinds=2") == (1003, "text is not taken")

    asyncio.run(asyncio.wait_for(run(), 60))


def test_refusals(site):
    async def status(path, **more):
        with pytest.raises(websockets.InvalidStatusCode) as refused:
            await websockets.connect(site.url + path, ssl=site.context, **site.sockaddr, **more)
        return refused.value.status_code

    async def run():
        assert await status("/echo", origin="https://evil.test") == 403
        assert await status("/deny") == 401
        assert await status("/nowhere") == 404
        async with websockets.connect(site.url + "/echo", ssl=site.context, origin=site.url.replace("ws", "http", 1),
                                      **site.sockaddr) as socket:
            assert socket.open

    asyncio.run(asyncio.wait_for(run(), 60))


def test_stop(site):
    async def run():
        async with websockets.connect(site.url + "/echo", ssl=site.context, **site.sockaddr) as socket:
            await socket.send("a")
            assert await socket.recv() == "a"
            site.server.process.terminate()
            with pytest.raises(websockets.ConnectionClosed):
                await socket.recv()
            assert socket.close_code == 1001

    asyncio.run(asyncio.wait_for(run(), 60))
