"""The client of HTTP, weir-curl, by tests/programs/curl.c: whole replies, streams, many at once, and other sides that
misbehave.

SPDX-License-Identifier: MIT
"""

import contextlib
import pathlib
import re
import shutil
import socket
import subprocess
import threading
import time
import urllib.parse

import pytest

from conftest import MIB, SANITIZE, Server
from faults import wait_for
from secure import skip_without_tls
from services import BlackHole, Service, secure_context
from upstreams import BIG, Upstream, echo, nginx_in, read_request, reply

pytestmark = pytest.mark.threaded

EINVAL, ENOMEM, ETOOBIG, ETIMEDOUT, ENOENT, EPROTO, EREACH, ETRUST = -1, -2, -6, -7, -8, -13, -21, -22


@pytest.fixture(scope="module")
def nginx(tmp_path_factory):
    with nginx_in(tmp_path_factory.mktemp("nginx")) as url:
        yield url


@pytest.fixture(scope="module")
def server():
    started = Server("tests/programs/curl", 1)
    yield started
    started.stop()


def ask(server, path, how="GET", body=None, **query):
    with server.connect(timeout=60) as connection:
        got = connection.ask(how, f"{path}?{urllib.parse.urlencode(query)}", body=body)
    assert got.status == 200, got

    error, status, len, why, answer, *body = got.text().split("|", 5)
    return int(error), int(status), int(len), why, answer, body[0] if body else None


def test_whole(server, nginx):
    assert ask(server, "/call", url=nginx + "/small")[::5] == (0, "small file\n")
    assert ask(server, "/call", url=nginx + "/none")[:2] == (0, 404)
    assert ask(server, "/call", url=nginx + "/empty")[:3] == (0, 204, 0)
    assert ask(server, "/call", url=nginx + "/small", how="POST", body=b"x")[1] == 405


@pytest.mark.parametrize("body, method, line", [
    (None, "GET", "GET /p?q=1"), (b"", "GET", "GET /p?q=1"), (b"text", "POST", "POST /p?q=1"),
    (b"b" * 200000, "POST", "POST /p?q=1"), (None, "DELETE", "DELETE /p?q=1"), (b"xyz", "PUT", "PUT /p?q=1")])
def test_methods(server, body, method, line):
    with Upstream(echo) as upstream:
        sent = body if body is None or len(body) < 10000 else body[:10000]
        query = {} if method in ("GET", "POST") else {"method": method}
        with server.connect(timeout=60) as connection:
            path = "/call?" + urllib.parse.urlencode({"url": upstream.url + "/p?q=1", "line": "X-Mine: 1", **query})
            got = connection.ask("POST", path, body=sent).text().split("|", 5)
        assert got[:2] == ["0", "200"] and got[4] == line
        request = upstream.requests[0]
        assert request.body == (sent or b"") and request.all("X-Mine") == ["1"]
        assert request.all("Expect") == [] and request.all("User-Agent")[0].startswith("weir/")
        assert request.all("Content-Type") == (["text/x-test"] if sent else [])


@pytest.mark.parametrize("query", [
    {"url": "ftp://127.0.0.1/"}, {"url": "file:///etc/passwd"}, {"url": "127.0.0.1"}, {"url": "http://a b/"},
    {"url": "http://127.0.0.1/\r\nX: y"}, {"url": "http://127.0.0.1/", "line": "X: a\r\nY: b"},
    {"url": "http://127.0.0.1/", "line": "Transfer-Encoding: chunked"},
    {"url": "http://127.0.0.1/", "line": "Content-Length: 5"}, {"url": "http://127.0.0.1/", "method": "CONNECT"},
    {"url": "http://127.0.0.1/", "method": "GET / HTTP/1.1\r\n"}])
def test_refused(server, query):
    assert ask(server, "/call", **query)[0] == EINVAL


def test_redirects(server, nginx):
    assert ask(server, "/call", url=nginx + "/moved")[:2] == (0, 302)
    assert ask(server, "/call", url=nginx + "/moved", redirects=1)[::5] == (0, "small file\n")
    assert ask(server, "/call", url=nginx + "/round", redirects=5)[0] == EPROTO
    with Upstream(lambda *_: reply(status="302 Found", fields=["Location: file:///etc/passwd"])) as upstream:
        assert ask(server, "/call", url=upstream.url, redirects=2)[0] == EPROTO


def test_kept_connections(nginx, start):
    """Requests one after the other have one connection, which nothing is registered for again."""
    server = start("tests/programs/curl", 1)
    first = ask(server, "/call", url=nginx + "/connection")[4].split(":")
    with server.connect(timeout=60) as connection:
        query = urllib.parse.urlencode({"url": nginx + "/connection", "times": 50})
        assert connection.ask(path=f"/many?{query}").text() == "0"
    last = ask(server, "/call", url=nginx + "/connection")[4].split(":")
    assert last[0] == first[0] and int(last[1]) == int(first[1]) + 51


def test_clean_up(nginx, start):
    """What a request of a clean-up keeps, which was deferred before the first one, is freed, as a sanitizer would
    tell."""
    server = start("tests/programs/curl", 1)
    for _ in range(5):
        assert ask(server, "/twice", url=nginx + "/small")[:3] == (0, 200, 11)


@pytest.mark.skipif(not shutil.which("strace") or SANITIZE != "", reason="needs strace, and a build as users have it")
def test_calls_of_the_kernel(nginx, start, tmp_path):
    server = start("tests/programs/curl", 1)
    trace = tmp_path / "trace"
    tracer = subprocess.Popen(["strace", "-f", "-qq", "-e", "trace=epoll_ctl,eventfd2,timerfd_settime,sendto", "-o", trace,
                               "-p", str(server.pid)], stderr=subprocess.DEVNULL)
    path = "/many?" + urllib.parse.urlencode({"url": nginx + "/connection", "times": 100})
    try:
        wait_for(lambda: tracer.poll() is not None or re.search(
            r"TracerPid:\s+[1-9]", pathlib.Path(f"/proc/{server.pid}/status").read_text()), "strace does not begin")
        if tracer.poll() is not None:
            pytest.skip("strace cannot be used here")
        with server.connect(timeout=60) as connection:
            assert connection.ask(path=path).text() == "0"
            wait_for(lambda: trace.read_text().count("GET /connection") >= 100)
            before = trace.read_text()
            assert connection.ask(path=path).text() == "0"
            wait_for(lambda: trace.read_text().count("GET /connection") >= 200)
            text = trace.read_text()[len(before):]
        assert text.count("epoll_ctl") + text.count("eventfd2") + text.count("timerfd_settime") == 0, text
    finally:
        tracer.terminate()
        tracer.wait()


def test_at_once(server):
    """Twenty requests of one handler are all there before the first is answered."""
    count = 20
    barrier = threading.Barrier(count, timeout=60)

    def together(*_):
        barrier.wait()
        return reply(b"x")

    with Upstream(together) as upstream, server.connect(timeout=60) as connection:
        query = urllib.parse.urlencode({"url": upstream.url, "count": count})
        assert connection.ask(path=f"/many?{query}").text() == "0"
        assert upstream.count == count
        assert connection.ask(path=f"/many?{query}").text() == "0"
        assert upstream.count == count  # by the same connections


def test_most_connections(start):
    """Further requests wait for a connection, and cost no time of the processor while they do."""
    server = start("tests/programs/curl", 1, "", 2)
    release = threading.Event()

    def slow(*_):
        release.wait(60)
        return reply(b"x")

    with Upstream(slow) as upstream, server.connect(timeout=60) as connection:
        query = urllib.parse.urlencode({"url": upstream.url, "count": 20})
        connection.send(f"GET /many?{query} HTTP/1.1\r\nHost: x\r\n\r\n".encode(), "GET")
        wait_for(lambda: len(upstream.requests) == 2)
        before = server.cpu()
        time.sleep(1)
        assert SANITIZE or server.cpu() - before < 0.5
        release.set()
        assert connection.reply().text() == "0"
        assert upstream.count == 2 and len(upstream.requests) == 20


def test_many_workers(nginx, start):
    server = start("tests/programs/curl", 4)
    results = []

    def run():
        with server.connect(timeout=60) as connection:
            query = urllib.parse.urlencode({"url": nginx + "/connection", "count": 20, "times": 20})
            results.append(connection.ask(path=f"/many?{query}").text())

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == ["0"] * 8


# ---- What goes wrong

def bad(text, then=False):
    def answer(connection, _):
        connection.sendall(text)
        return then
    return answer


@pytest.mark.parametrize("text, error", [
    (b"", EREACH), (b"HTTP/1.1 200 OK\r\nX: y", EPROTO), (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345", EPROTO), (b"nonsense\r\n\r\n", EPROTO),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n123", EPROTO),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", EPROTO),
    (b"HTTP/1.1 200 OK\r\n" + b"X: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n" * 2000, ETOOBIG),
    (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 200000, ENOMEM),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n" + b"z" * (2 * MIB), ETOOBIG)], ids=["nothing", "half a head", "short", "no HTTP", "cut", "no chunk", "fields", "line", "big"])
def test_broken(server, text, error):
    with Upstream(bad(text)) as upstream:
        assert ask(server, "/call", url=upstream.url)[0] in (error, EREACH)  # libcurl tells not all of them apart
    with Upstream(echo) as upstream:
        assert ask(server, "/call", url=upstream.url)[0] == 0


def test_endless_head(server):
    def endless(connection, _):
        connection.sendall(b"HTTP/1.1 200 OK\r\n")
        while True:
            connection.sendall(b"X-More: and more\r\n" * 100)

    with Upstream(endless) as upstream:
        assert ask(server, "/call", url=upstream.url)[0] == ETOOBIG
        assert upstream.gone.wait(60)


def test_times(server):
    release = threading.Event()

    def silent(*_):
        release.wait(60)
        return False

    with Upstream(silent) as upstream:
        for query in ({"timeout": 100}, {"idle": 100}, {"deadline": 100}):
            assert ask(server, "/call", url=upstream.url, **query)[0] == ETIMEDOUT
        release.set()
    with BlackHole() as hole:
        assert ask(server, "/call", url=f"http://{hole.address}:{hole.port}/", timeout=200)[0] == ETIMEDOUT


def test_drips(server):
    """A byte at a time is whole in the end; a limit on all of it counts all the same."""
    def drip(connection, _):
        for byte in reply(b"x" * 40):
            connection.sendall(bytes([byte]))

    with Upstream(drip) as upstream:
        assert ask(server, "/call", url=upstream.url)[:3] == (0, 200, 40)

    def endless(connection, _):
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        while not upstream.ended.wait(0.05):
            connection.sendall(b"x")

    with Upstream(endless) as upstream:
        assert ask(server, "/call", url=upstream.url, timeout=400, idle=30000)[0] == ETIMEDOUT


def test_interim(server):
    def early(*_):
        return b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n" + reply(b"then")

    with Upstream(early) as upstream:
        assert ask(server, "/call", url=upstream.url)[::5] == (0, "then")


def test_limit(server, nginx):
    assert ask(server, "/call", url=nginx + "/big")[0] == ETOOBIG
    assert ask(server, "/call", url=nginx + "/small", max=11)[0] == 0
    assert ask(server, "/call", url=nginx + "/small", max=10)[0] == ETOOBIG


def test_names(server):
    assert ask(server, "/call", url="http://nobody.invalid/")[0] in (ENOENT, ETIMEDOUT)
    with Upstream(echo) as upstream:
        assert ask(server, "/call", url=f"http://localhost:{upstream.port}/x")[0] == 0


def test_kept_connection_is_gone(server):
    """The other side has closed the connection meanwhile: another one is made."""
    def once(connection, _):
        connection.sendall(reply(b"1"))
        return False

    with Upstream(once) as upstream:
        for _ in range(5):
            assert ask(server, "/call", url=upstream.url)[:3] == (0, 200, 1)
        assert upstream.count == 5


def test_secure(start, pair, authority):
    skip_without_tls()
    server = start("tests/programs/curl", 2, authority.pair.certificate)
    stranger = start("tests/programs/curl", 1)

    def serve(connection):
        while read_request(connection):
            connection.sendall(reply(b"secret"))

    with Service(serve, context=secure_context(pair)) as upstream:
        url = f"https://localhost:{upstream.port}/"
        for _ in range(10):
            assert ask(server, "/call", url=url)[::5] == (0, "secret")
        assert upstream.count <= 2
        assert ask(stranger, "/call", url=url)[0] == ETRUST
        assert ask(server, "/call", url=url.replace("localhost", "127.0.0.9"))[0] in (ETRUST, EREACH)


# ---- Streams

def test_stream(server, nginx):
    assert ask(server, "/stream", url=nginx + "/big")[:3] == (0, 200, BIG)
    assert ask(server, "/stream", url=nginx + "/big", stop_at=100000)[:2] == (0, 200)
    assert ask(server, "/stream", url=nginx + "/empty")[:3] == (0, 204, 0)
    with Upstream(bad(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345")) as upstream:
        assert ask(server, "/stream", url=upstream.url)[:3] == (EPROTO, 200, 5)


def test_stream_that_is_not_read(start):
    """What is not read is not fetched: the other side can send no more than the kernel holds."""
    server = start("tests/programs/curl", 1)
    sent = [0]

    def much(connection, _):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n")
        while True:
            connection.sendall(bytes(65536))
            sent[0] += 65536

    with Upstream(much) as upstream, server.connect(timeout=60) as connection:
        query = urllib.parse.urlencode({"url": upstream.url, "pause": 20})
        connection.send(f"GET /stream?{query} HTTP/1.1\r\nHost: x\r\n\r\n".encode(), "GET")
        wait_for(lambda: upstream.requests)
        for _ in range(3):  # others are served, and drive the same handle
            assert ask(server, "/call", url=upstream.url + "/", max=1)[0] == ETOOBIG
        assert SANITIZE or server.private() < 16 * MIB
        connection.close()
        assert upstream.gone.wait(60)
    assert sent[0] < 200 * MIB


@pytest.mark.parametrize("bytes", [1, 8192, 3000000])
@pytest.mark.parametrize("told", [0, 1])
def test_upload(server, bytes, told):
    with Upstream(echo) as upstream:
        result = ask(server, "/upload", url=upstream.url, bytes=bytes, told=told, method="PUT")
        assert result[:3] == (0, 200, 0) and result[4] == "PUT /"
        request = upstream.requests[0]
        assert request.body == b"u" * bytes
        assert request.names() & {"content-length", "transfer-encoding"} == {
            "content-length" if told else "transfer-encoding"}


def test_upload_that_is_not_wanted(server):
    """The reply comes before the body has been sent."""
    def early(connection):
        head = b""
        while b"\r\n\r\n" not in head:
            head += connection.recv(4096)
        connection.sendall(reply(b"no", status="413 Too Much", fields=["Connection: close"]))
        while connection.recv(65536):
            pass

    with Service(early) as upstream:
        assert ask(server, "/upload", url=f"http://127.0.0.1:{upstream.port}/", bytes=50000000)[1] == 413


# ---- Ends

@contextlib.contextmanager
def unanswered(server):
    """A request whose call is not answered, and whose client leaves: afterwards the upstream has been left as well."""
    ended = threading.Event()

    def wait(connection):
        read_request(connection)
        connection.recv(1)
        ended.set()

    with Service(wait) as upstream:
        with server.connect() as connection:
            connection.send(f"GET /call?url=http://127.0.0.1:{upstream.port}/ HTTP/1.1\r\nHost: x\r\n\r\n".encode(), "GET")
            wait_for(lambda: upstream.count)
            yield
        assert ended.wait(60)


def test_client_leaves(start):
    server = start("tests/programs/curl", 1)
    with unanswered(server):
        pass


def test_stop(start):
    """A server that stops does not wait for the other side for ever: waits are cut, and connections closed."""
    server = start("tests/programs/curl", 2)
    with unanswered(server):
        server.stop()
