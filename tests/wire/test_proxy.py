"""weir_proxy() of weir-curl, by tests/programs/curl.c: what is passed on and what is not, in constant memory, and what
becomes of a reply that breaks off.

SPDX-License-Identifier: MIT
"""

import asyncio
import hashlib
import os
import shutil
import subprocess
import threading

import pytest

import h2client
from client import ProtocolError, request
from conftest import MIB, SANITIZE, Server
from faults import wait_for
from services import Service
from tunnels import WITH_HTTP2, Tunnel, Upgraded
from upstreams import BIG, Upstream, echo, nginx_in, read_head, reply

pytestmark = pytest.mark.threaded


@pytest.fixture(scope="module")
def nginx(tmp_path_factory):
    with nginx_in(tmp_path_factory.mktemp("nginx")) as url:
        yield url


@pytest.fixture(scope="module")
def server():
    started = Server("tests/programs/curl", 1)
    yield started
    started.stop()


def ask(server, upstream, method="GET", path="/stripped/p?q=1", headers=(), **more):
    with server.connect(timeout=60) as connection:
        return connection.ask(method, path, headers=[("X-Upstream", upstream), *headers], **more)


# ---- Requests

@pytest.mark.parametrize("path, base, target", [
    ("/stripped/p?q=1", "", "/p?q=1"), ("/stripped/", "", "/"), ("/stripped/?a", "", "/?a"),
    ("/stripped/a%20b/%C3%A4;x=1", "", "/a%20b/%C3%A4;x=1"), ("/stripped/p", "/base", "/base/p"),
    ("/stripped/p", "/base/", "/base/p"), ("/stripped//x", "", "//x"), ("/whole/p?x=%2e%2e", "", "/whole/p?x=%2e%2e"),
    ("/whole/.well-known/...", "", "/whole/.well-known/...")])
def test_target(server, path, base, target):
    with Upstream(echo) as upstream:
        assert ask(server, upstream.url + base, path=path).status == 200
        assert upstream.requests[0].target == target


@pytest.mark.parametrize("path", ["/stripped/a/../../x", "/stripped/%2e%2e/x", "/stripped/a/%2E./x", "/stripped/..%2fx",
                                  "/stripped/..%5cx", "/stripped/a%2f..%2f..%2fx", "/stripped/.", "/%73tripped/x"])
def test_target_that_leaves(server, path):
    with Upstream(echo) as upstream:
        assert ask(server, upstream.url, path=path).status in (400, 404)
        assert not upstream.requests


def test_fields(server):
    with Upstream(echo) as upstream:
        got = ask(server, upstream.url, headers=[
            ("Connection", "keep-alive, X-Drop, x-also"), ("X-Drop", "1"), ("X-Also", "2"), ("X-Keep", "3"), ("X-Empty", ""),
            ("Keep-Alive", "timeout=5"), ("Proxy-Connection", "x"), ("Proxy-Authorization", "secret"), ("TE", "trailers, x"),
            ("Upgrade", "h2c"), ("Cookie", "a=1"), ("Cookie", "b=2"), ("Authorization", "Basic abc"),
            ("X-Forwarded-For", "203.0.113.9"), ("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "evil"),
            ("Forwarded", "for=203.0.113.9"), ("Via", "1.0 before"), ("Accept-Encoding", "gzip")])
        assert got.status == 200
        sent = upstream.requests[0]
        assert sent.all("Host") == [f"127.0.0.1:{upstream.port}"]
        assert not sent.names() & {"x-drop", "x-also", "keep-alive", "proxy-connection", "proxy-authorization", "upgrade",
                                   "content-length", "transfer-encoding", "expect", "user-agent", "accept"}
        assert sent.all("TE") == ["trailers"] and sent.all("Connection") == ["TE"]
        assert sent.all("X-Keep") == ["3"] and sent.all("X-Empty") == [""]
        assert sent.all("Cookie") == ["a=1", "b=2"] and sent.all("Authorization") == ["Basic abc"]
        assert sent.all("Accept-Encoding") == ["gzip"]
        assert sent.all("X-Forwarded-For") == ["203.0.113.9", "127.0.0.1"]
        assert sent.all("X-Forwarded-Proto") == ["http"] and sent.all("X-Forwarded-Host") == ["localhost"]
        assert sent.all("Forwarded") == ["for=203.0.113.9", 'for=127.0.0.1;proto=http;host="localhost"']
        assert sent.all("Via") == ["1.0 before", "1.1 weir"]
        assert ask(server, upstream.url, path="/whole/x").status == 200
        assert upstream.requests[1].all("Host") == ["localhost"]


@pytest.mark.parametrize("method, body, framing", [
    ("GET", None, None), ("DELETE", None, None), ("OPTIONS", None, None), ("POST", b"", "content-length"),
    ("PUT", b"body", "content-length"), ("PATCH", [b"in ", b"pieces"], "transfer-encoding"), ("WEIRD", b"b", "content-length"),
    ("POST", b"x" * 3000000, "content-length"), ("POST", [b"y" * 100000] * 20, "transfer-encoding"),
    ("GET", b"even", "content-length")])
def test_bodies(server, method, body, framing):
    with Upstream(echo) as upstream:
        got = ask(server, upstream.url, method, body=body)
        whole = b"".join(body) if isinstance(body, list) else body or b""
        assert got.status == 200 and bytes(got.body) == whole and got.header("X-Answer") == f"{method} /p?q=1"
        assert upstream.requests[0].body == whole
        assert upstream.requests[0].names() & {"content-length", "transfer-encoding"} == ({framing} if framing else set())


def test_continue(server):
    """100 is this server's to say; the upstream is not asked for it."""
    with Upstream(echo) as upstream, server.connect() as connection:
        head = request("PUT", "/stripped/x", [("X-Upstream", upstream.url), ("Expect", "100-continue"), ("Content-Length", "4")])
        connection.send(head, "PUT")
        assert connection.reply().status == 100
        connection.send(b"late")
        assert bytes(connection.reply().body) == b"late" and upstream.requests[0].all("Expect") == []


# ---- Replies

def test_reply_fields(server):
    fields = ["Connection: X-Drop", "X-Drop: 1", "Keep-Alive: timeout=5", "Proxy-Authenticate: Basic", "Set-Cookie: a=1",
              "Set-Cookie: b=2", "Content-Type: text/x", "X-Keep: 3", "Server: theirs", "Date: Thu, 01 Jan 1970 00:00:00 GMT",
              "Via: 1.1 before", "Upgrade: h2c", "ETag: \"x\""]
    with Upstream(lambda *_: reply(b"body", fields=fields)) as upstream:
        got = ask(server, upstream.url)
        assert got.status == 200 and bytes(got.body) == b"body" and got.framing == "length"
        assert got.all("Set-Cookie") == ["a=1", "b=2"] and got.header("Content-Type") == "text/x"
        assert got.header("X-Keep") == "3" and got.header("Server") == "theirs" and got.header("ETag") == '"x"'
        assert got.all("Via") == ["1.1 before", "1.1 weir"] and "1970" not in got.header("Date")
        for name in ("X-Drop", "Keep-Alive", "Proxy-Authenticate", "Upgrade"):
            assert got.header(name) is None


@pytest.mark.parametrize("text, method, status, body, length", [
    (b"HTTP/1.1 204 No Content\r\n\r\n", "GET", 204, b"", None),
    (b"HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\n\r\n", "GET", 304, b"", None),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n", "HEAD", 200, b"", "1234"),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "GET", 200, b"", "0"),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", "GET", 200, b"abcde", ...),
    (b"HTTP/1.1 103 Early Hints\r\nX-Early: 1\r\n\r\nHTTP/1.1 404 Gone\r\nContent-Length: 1\r\n\r\nx", "GET", 404, b"x", "1"),
    (b"HTTP/1.0 200 OK\r\n\r\nto the end", "GET", 200, b"to the end", ...)],
    ids=["204", "304", "HEAD", "empty", "chunked", "103", "1.0"])
def test_forms(server, text, method, status, body, length):
    def answer(connection, _):
        connection.sendall(text)
        return False

    with Upstream(answer) as upstream:
        got = ask(server, upstream.url, method)
        assert got.status == status and bytes(got.body) == body
        assert length is ... or got.header("Content-Length") == length  # else by when its pieces come
        assert got.header("X-Early") is None


def test_trailers(server):
    text = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\nX-Sum: 7\r\n\r\n" % (50000, b"t" * 50000)
    with Upstream(lambda *_: text) as upstream, server.connect() as connection:
        connection.send(request("GET", "/stripped/x", [("X-Upstream", upstream.url), ("Connection", "close")]), "GET")
        data = b""
        while piece := connection.socket.recv(65536):
            data += piece
        assert data.endswith(b"\r\n0\r\nX-Sum: 7\r\n\r\n")


@pytest.mark.parametrize("text", [
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n12345",
    b"HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\n12345", b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n12345",
    b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"HTTP/1.1 700 OK\r\nContent-Length: 0\r\n\r\n", b"garbage\r\n\r\n", b"", b"HTTP/1.1 200 OK\r\nContent-Le"],
    ids=["two lengths", "a list", "negative", "both", "700", "garbage", "nothing", "half a head"])
def test_nonsense(server, text):
    def answer(connection, _):
        connection.sendall(text)
        return False

    with Upstream(answer) as upstream:
        got = ask(server, upstream.url)
        assert got.status == 502, got
    with Upstream(echo) as upstream:
        assert ask(server, upstream.url).status == 200


def test_unreachable(server):
    assert ask(server, "http://127.0.0.1:1").status == 502
    release = threading.Event()
    with Upstream(lambda *_: release.wait(60) and False) as upstream:
        assert ask(server, upstream.url, headers=[("X-Timeout", "1")]).status == 504
        assert ask(server, upstream.url, headers=[("X-Idle", "1")]).status == 504
        release.set()


@pytest.mark.parametrize("head", [b"Content-Length: 200000", b"Transfer-Encoding: chunked"])
def test_half_a_reply(server, head):
    """A reply that breaks off is not ended as if it were whole."""
    def answer(connection, _):
        piece = b"z" * 100000
        connection.sendall(b"HTTP/1.1 200 OK\r\n%s\r\n\r\n" % head)
        connection.sendall(piece if head[:1] == b"C" else b"%x\r\n%s\r\n" % (len(piece), piece))
        return False

    with Upstream(answer) as upstream, pytest.raises((ProtocolError, OSError)):
        ask(server, upstream.url)


# ---- Streams

def test_large(nginx, start):
    server = start("tests/programs/curl", 1)
    server.ask(path="/stripped/small", headers=[("X-Upstream", nginx)])
    before = server.private()
    received = [0]
    with server.connect(timeout=60, sink=lambda _, data: received.__setitem__(0, received[0] + len(data))) as connection:
        got = connection.ask(path="/stripped/big", headers=[("X-Upstream", nginx)])
    assert got.status == 200 and got.header("Content-Length") == str(BIG) and received[0] == BIG
    assert SANITIZE or server.private() < before + 2 * MIB


def test_large_by_a_slow_client(nginx, start):
    """What the client does not take is not fetched."""
    server = start("tests/programs/curl", 1)
    server.ask(path="/stripped/small", headers=[("X-Upstream", nginx)])
    before = server.private()
    with server.connect(timeout=60, receive_buffer=16384) as connection:
        connection.send(request("GET", "/stripped/big", [("X-Upstream", nginx)]), "GET")
        connection.socket.recv(1000)
        for _ in range(20):
            assert ask(server, nginx, path="/stripped/small").status == 200
        assert SANITIZE or server.private() < before + 2 * MIB
        assert server.peak() < 64 * MIB or SANITIZE
    assert ask(server, nginx, path="/stripped/small").status == 200


def test_large_upload(start):
    server = start("tests/programs/curl", 1)
    count = 20 << 20

    def serve(connection):
        head = read_head(connection)
        digest, left = hashlib.sha256(), int(next(line for line in head.split(b"\r\n") if b"ontent-" in line).split()[1])
        while left:
            piece = connection.recv(65536)
            digest.update(piece)
            left -= len(piece)
        connection.sendall(reply(digest.hexdigest().encode()))

    with Service(serve) as upstream:
        got = ask(server, f"http://127.0.0.1:{upstream.port}", "POST", body=b"u" * count)
        assert got.text() == hashlib.sha256(b"u" * count).hexdigest()
        assert SANITIZE or server.peak() < 64 * MIB


def test_events(server):
    """What the upstream sends reaches the client at once."""
    go_on = threading.Event()

    def answer(connection, _):
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n")
        go_on.wait(60)
        connection.sendall(b"data: 2\n\n")
        return False

    with Upstream(answer) as upstream, server.connect() as connection:
        connection.send(request("GET", "/stripped/e", [("X-Upstream", upstream.url)]), "GET")
        data = b""
        while b"data: 1\n\n" not in data:
            data += connection.socket.recv(1000)
        go_on.set()
        while b"data: 2\n\n" not in data:
            data += connection.socket.recv(1000)


def test_client_leaves(server):
    def endless(connection, _):
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000000\r\n\r\n")
        while True:
            connection.sendall(bytes(65536))

    with Upstream(endless) as upstream:
        with server.connect() as connection:
            connection.send(request("GET", "/stripped/e", [("X-Upstream", upstream.url)]), "GET")
            assert connection.socket.recv(1000)
        assert upstream.gone.wait(60)


def test_client_leaves_in_its_body(server):
    ended = threading.Event()

    def serve(connection):
        try:
            while connection.recv(65536):
                pass
        finally:
            ended.set()

    with Service(serve) as upstream:
        with server.connect() as connection:
            connection.send(request("PUT", "/stripped/e", [("X-Upstream", f"http://127.0.0.1:{upstream.port}"),
                                                           ("Content-Length", "100000")]) + b"half", "PUT")
            wait_for(lambda: upstream.count)
        assert ended.wait(60)


def test_early_answer(server):
    """The upstream refuses a body before it has come."""
    def serve(connection):
        read_head(connection)
        connection.sendall(reply(b"no", status="413 Too Much", fields=["Connection: close"]))
        while connection.recv(65536):
            pass

    with Service(serve) as upstream:
        got = ask(server, f"http://127.0.0.1:{upstream.port}", "POST", body=b"u" * 5000000)
        assert got.status == 413


def test_kept_connections(server):
    with Upstream(echo) as upstream:
        for i in range(30):
            assert ask(server, upstream.url, "POST", body=b"%d" % i).text() == str(i)
        assert upstream.count == 1


def test_http2(server):
    if not WITH_HTTP2:
        pytest.skip("a build without HTTP/2")
    with Upstream(echo) as upstream, h2client.Connection(server.address) as connection:
        got = connection.ask("POST", "/stripped/x", ("x-upstream", upstream.url), body=b"by h2")
        assert got.status == 200 and bytes(got.body) == b"by h2"
        assert upstream.requests[0].all("Via") == ["2.0 weir"]


# ---- WebSockets

def shout(connection):
    """A server of WebSockets as far as a proxy sees it: behind the handshake bytes, in capitals."""
    head = read_head(connection).decode()
    shout.heads.append(head)
    connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                       b"Sec-WebSocket-Accept: xyz\r\nSec-WebSocket-Protocol: chat\r\nX-Mine: 1\r\n\r\nHELLO")
    while data := connection.recv(65536):
        connection.sendall(data.upper())


shout.heads = []
KEY = [("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="), ("Sec-WebSocket-Version", "13")]


@pytest.mark.parametrize("kind", ["HTTP/1", "HTTP/2"])
def test_tunnel(server, kind):
    if kind == "HTTP/2" and not WITH_HTTP2:
        pytest.skip("a build without HTTP/2")
    with Service(shout) as upstream:
        fields = [("x-upstream", f"http://127.0.0.1:{upstream.port}"), ("sec-websocket-version", "13")]
        make, more = (Upgraded, KEY) if kind == "HTTP/1" else (Tunnel, [])
        with make(server.address, "/sockets/chat?x=1", protocol="websocket", fields=fields[:1] + (more or fields[1:])) as t:
            assert t.status == (101 if kind == "HTTP/1" else 200)
            names = {name.lower(): value for name, value in t.fields.items()}
            assert names["sec-websocket-protocol"] == "chat" and names["x-mine"] == "1"
            assert names.get("sec-websocket-accept") == ("xyz" if kind == "HTTP/1" else None)
            t.expect(b"HELLO")
            t.send(b"and so on")
            t.expect(b"AND SO ON")
            block = b"q" * 50000
            for _ in range(40):  # more than the buffers between hold
                t.send(block)
                t.expect(block.upper())
        wait_for(lambda: upstream.open == 0)
    head = shout.heads[-1].lower()
    assert head.startswith("get /chat?x=1 http/1.1") and head.count("sec-websocket-key:") == 1
    assert "connection: upgrade" in head and "x-forwarded-for: 127.0.0.1" in head


def test_tunnel_full_in_both_directions(server):
    """Neither side reads before it has sent all."""
    count = 8 << 20

    def serve(connection):
        read_head(connection)
        connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        connection.sendall(bytes(count))
        left = count
        while left:
            left -= len(connection.recv(65536))
        connection.sendall(b"END")

    with Service(serve) as upstream:
        fields = [("X-Upstream", f"http://127.0.0.1:{upstream.port}"), *KEY]
        with Upgraded(server.address, "/sockets/x", protocol="websocket", fields=fields) as t:
            sender = threading.Thread(target=t.send, args=(bytes(count),))
            sender.start()
            left = count + 3
            while left:
                piece = t.recv(min(left, 65536))
                assert piece
                left -= len(piece)
            assert piece.endswith(b"END")
            sender.join()


def test_tunnel_that_is_refused(server):
    refusal = reply(b"go away", status="403 Forbidden", fields=["X-Why: because"])
    with Upstream(lambda *_: refusal) as upstream:
        fields = [("X-Upstream", upstream.url), *KEY]
        with Upgraded(server.address, "/sockets/x", protocol="websocket", fields=fields) as t:
            assert t.status == 403 and t.fields["X-Why"] == "because"
    with Upgraded(server.address, "/sockets/x", protocol="websocket", fields=[("X-Upstream", "http://127.0.0.1:1")]) as t:
        assert t.status == 502


def test_websockets(server):
    websockets = pytest.importorskip("websockets")

    async def run():
        async def mirror(socket, *_):
            async for message in socket:
                await socket.send(message)

        async with websockets.serve(mirror, "127.0.0.1", 0, max_size=None) as upstream:
            port = upstream.sockets[0].getsockname()[1]
            headers = {"X-Upstream": f"http://127.0.0.1:{port}"}
            async with websockets.connect(f"ws://127.0.0.1:{server.port}/sockets/x", extra_headers=headers,
                                          max_size=None) as socket:
                for size in (0, 1, 125, 65536, 500000):
                    await socket.send("ä" * size)
                    assert await socket.recv() == "ä" * size
                    await socket.send(bytes(size))
                    assert await socket.recv() == bytes(size)
                await asyncio.wait_for(await socket.ping(), 20)
            assert socket.close_code == 1000

    asyncio.run(asyncio.wait_for(run(), 60))


def test_websockets_of_node(server, start):
    node = shutil.which("node")
    environment = {**os.environ, "NODE_PATH": "/usr/share/nodejs"}
    if not node or subprocess.run([node, "-e", "require('ws')"], env=environment, capture_output=True).returncode != 0:
        pytest.skip("there is no node with ws")
    upstream = start("tests/programs/websocket")
    script = f"""
        const WebSocket = require("ws");
        const socket = new WebSocket("ws://127.0.0.1:{server.port}/sockets/echo?deflate=1",
                                     {{headers: {{"X-Upstream": "{upstream.url}"}}}});
        socket.on("open", () => socket.send("x".repeat(100000)));
        socket.on("message", data => {{ console.log(data.length); socket.close(4001, "done"); }});
        socket.on("close", code => console.log(code));
    """
    done = subprocess.run([node, "-e", script], env=environment, capture_output=True, timeout=60, check=True)
    assert done.stdout.split() == [b"100000", b"4001"], done
    assert upstream.process.poll() is None


def test_stop(start):
    """Streams through the proxy end when the server stops."""
    server = start("tests/programs/curl", 2)
    with Service(shout) as upstream:
        fields = [("X-Upstream", f"http://127.0.0.1:{upstream.port}"), *KEY]
        with Upgraded(server.address, "/sockets/x", protocol="websocket", fields=fields) as t:
            t.expect(b"HELLO")
            server.stop()
        wait_for(lambda: upstream.open == 0)
