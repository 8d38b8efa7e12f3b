"""Handlers that go on after an upgrade (tests/programs/upgraded.c): by Upgrade in HTTP/1.1, plain and by TLS, and by
extended CONNECT in HTTP/2, whose client is python3-h2.

SPDX-License-Identifier: MIT
"""

import hashlib
import select
import socket
import time

import pytest

import h2client
from client import request
from conftest import Server
from tunnels import KINDS, WITH_HTTP2, Site, Tunnel, Upgraded, beginning

pytestmark = pytest.mark.threaded

LARGE = hashlib.shake_128(b"large").digest(3 << 20)


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


@pytest.fixture
def begin(kind, pair, authority):
    with beginning(lambda *settings: Site(kind, pair, authority, *settings)) as begin:
        yield begin


@pytest.fixture
def site(begin):
    return begin()


def test_echo(site):
    """What was behind the request comes first, and the end of one side is told to the other."""
    with site.open("/echo", b"behind\n") as stream:
        assert stream.status == (200 if site.http2 else 101)
        assert stream.fields["x-asked" if site.http2 else "X-Asked"] == ("CONNECT" if site.http2 else "GET")
        stream.expect(b"behind\n")
        for i in range(20):
            stream.send(b"line %d\n" % i)
            stream.expect(b"line %d\n" % i)
        if not (site.secure and not site.http2):  # which Python's ssl cannot
            stream.end()
            stream.expect(b"end\n")
            stream.expect_end()


def test_head(site):
    """Fields of a connection's own are HTTP/1.1's alone, and none says where a body ends."""
    with site.open("/echo") as stream:
        names = {name.lower() for name in stream.fields}
        assert not names & {"content-length", "transfer-encoding", "keep-alive"}
        if not site.http2:
            assert (stream.fields["Connection"], stream.fields["Upgrade"]) == ("Upgrade", "echo")
            assert stream.head.startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
        else:
            assert not names & {"connection", "upgrade"}


def test_server_first(site):
    with site.open("/first") as stream:
        stream.expect(b"hello\n")
        stream.send(b"to you\n")
        stream.expect(b"to you\n")


def test_both_directions(site):
    """More than all buffers hold, sent while it comes back."""
    with site.open("/echo") as stream:
        back = b""
        if site.http2:
            sent = 0
            while len(back) < len(LARGE):
                window = min(stream.h2.local_flow_control_window(stream.id), 16384, len(LARGE) - sent)
                if window > 0:
                    stream.h2.send_data(stream.id, LARGE[sent : sent + window])
                    stream.flush()
                    sent += window
                if window == 0 or select.select([stream.socket], [], [], 0)[0]:
                    assert stream.take_events()
                back += stream.received
                stream.received = b""
        else:
            stream.socket.setblocking(False)
            sent = 0
            while len(back) < len(LARGE):
                if sent < len(LARGE):
                    try:
                        sent += stream.socket.send(LARGE[sent : sent + 20000])
                    except OSError:  # would block, by whatever name
                        pass
                try:
                    back += stream.recv()
                except OSError:
                    if sent == len(LARGE):
                        select.select([stream.socket], [], [], 20)
        assert back == LARGE


def test_no_limits_of_a_request(begin):
    """Neither the time of a body or a handler nor the size of a body is a limit any more."""
    site = begin("body_timeout_ms=100", "handler_timeout_ms=100", "max_body=1000", "idle_timeout_ms=100")
    with site.open("/echo") as stream:
        stream.send(LARGE[:5000])
        stream.expect(LARGE[:5000])
        time.sleep(0.6)
        stream.send(b"late\n")
        stream.expect(b"late\n")


def test_time_of_reads(site):
    with site.open("/timed") as stream:
        stream.expect(b"tick\ntick\n")
        stream.send(b"text\n")
        got = b""
        while not got.endswith(b"text\n"):
            got += stream.recv(1)
        assert got.replace(b"tick\n", b"") == b"text\n"
        stream.expect(b"tick\n")


def test_nudge(site):
    """Another wake-up than input ends the wait."""
    with site.open("/nudged") as stream:
        stream.send(b"a")
        stream.expect(b"a")
        for _ in range(5):
            assert site.server.ask(path="/nudge").text() == "yes"
            stream.expect(b"nudged\n")
            stream.send(b"b" * 10)
            stream.expect(b"b" * 10)


def test_relay(site):
    """One fiber waits for its client and for a descriptor."""
    with site.open("/relay") as stream:
        stream.expect(b"late tick")
        for i in range(100):
            stream.send(b"back and forth %d" % i)
            stream.expect(b"back and forth %d" % i)
        if site.kind != "tls":
            stream.end()
            stream.expect(b"0 end")
            stream.expect_end()


def test_count(site):
    with site.open("/count", b"x" * 100) as stream:
        stream.send(LARGE[:300000])
        if site.secure and not site.http2:
            return  # Python's ssl has no half of a connection
        stream.end()
        stream.expect(b"300100\n")
        stream.expect_end()


def test_stop(site):
    """The begin of a stop ends the wait, once, and what is said then comes."""
    with site.open("/stop") as stream:
        stream.send(b"a")
        stream.expect(b"a")
        site.server.process.terminate()
        stream.expect(b"stopping\n")
        stream.expect_end()
    assert site.server.stop() < 10


def test_stop_cuts(begin):
    """A handler that does not hear of the stop is cut."""
    site = begin("stop_timeout_ms=300")
    with site.open("/timed") as stream:
        stream.expect(b"tick\n")
        site.server.process.terminate()
        try:
            while stream.recv():
                pass
        except (OSError, AssertionError):
            pass  # a reset
    site.server.stop()


def test_response_middleware(site):
    """Its fields are in the head; what comes behind that is not compressed."""
    fields = [("accept-encoding", "gzip, br, zstd")]
    with site.open("/back", b"plain text\n" * 3, fields=fields) as stream:
        names = {name.lower(): value for name, value in stream.fields.items()}
        assert names["x-middleware"] == "yes" and "content-encoding" not in names
        stream.expect(b"plain text\n" * 3)


def test_response_middleware_refuses(site):
    with site.open("/deny") as stream:
        assert stream.status == 403


def test_another_protocol(site):
    with site.open("/echo", protocol="other") as stream:
        assert stream.status == 426
        names = {name.lower(): value for name, value in stream.fields.items()}
        if not site.http2:
            assert (names["connection"], names["upgrade"]) == ("Upgrade", "echo")


def test_own_page(site):
    with site.open("/own", protocol="other") as stream:
        assert stream.status == 426
        assert site.http2 or stream.fields["Upgrade"] == "echo"


def test_memory_is_bounded(begin):
    """Where it is, the two directions work as well."""
    site = begin(f"memory_limit={64 << 20}")
    with site.open("/echo") as stream:
        for at in range(0, 200000, 5000):
            stream.send(LARGE[at : at + 5000])
            stream.expect(LARGE[at : at + 5000])


# ---- What is of one version


@pytest.fixture
def plain():
    server = Server("tests/programs/upgraded")
    yield server
    server.stop()


def test_lists(plain):
    """The names that a client takes are a list, and their case is none (RFC 9110 section 7.8)."""
    with Upgraded(plain.address, "/echo", protocol="foo/1, ECHO, bar") as stream:
        assert stream.status == 101


def test_last_request_of_a_connection():
    """max_requests_per_connection is of HTTP, which ends with it anyhow."""
    server = Server("tests/programs/upgraded", "max_requests=1")
    with Upgraded(server.address, "/echo", b"text") as stream:
        assert stream.fields["Connection"] == "Upgrade"
        stream.expect(b"text")
    server.stop()


def test_not_asked_for(plain):
    reply = plain.ask(path="/echo")
    assert (reply.status, reply.header("Upgrade")) == (426, "echo")
    reply = plain.ask(path="/echo", headers=[("Upgrade", "echo")])  # Connection does not name it
    assert reply.status == 426


def test_with_a_body(plain):
    asked = [("Connection", "Upgrade"), ("Upgrade", "echo")]
    assert plain.ask("POST", "/echo", headers=asked, body=b"body").status == 400
    assert plain.ask("HEAD", "/echo", headers=asked).status == 400


def test_http_1_0(plain):
    with plain.connect() as connection:
        connection.send(b"GET /echo HTTP/1.0\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n", "GET")
        assert connection.reply().status == 400


def test_pipelined(plain):
    """Requests before it are answered first."""
    with plain.connect() as connection:
        asked = request(path="/echo", headers=[("Connection", "Upgrade"), ("Upgrade", "echo")])
        connection.send(request(path="/get") * 3 + asked + b"text", "GET", "GET", "GET")
        got = b""
        while not got.endswith(b"text"):
            got += connection.socket.recv(1000)
        assert got.count(b"got\n") == 3 and got.count(b"HTTP/1.1 101 ") == 1


def test_client_goes(plain):
    """A reset ends the handler's reading."""
    for _ in range(20):
        with Upgraded(plain.address, "/echo") as stream:
            stream.send(b"x" * 100000)
            stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    assert plain.ask(path="/get").status == 200


def test_takes_nothing():
    """A client that takes nothing is cut by write_timeout_ms, though the handler reads."""
    server = Server("tests/programs/upgraded", "write_timeout_ms=500", "send_buffer=8192")
    with Upgraded(server.address, "/echo", SO_RCVBUF=4096) as stream:
        stream.socket.settimeout(20)
        with pytest.raises(OSError):  # the reset
            for _ in range(100000):
                stream.send(b"x" * 1000)
    server.stop()


http2 = pytest.mark.skipif(not WITH_HTTP2, reason="a build without HTTP/2")


def connect_fields(**more):
    fields = {":method": "CONNECT", ":protocol": "echo", ":scheme": "http", ":path": "/echo", ":authority": "a"}
    fields.update({f":{name}": value for name, value in more.items()})
    return [(name, value) for name, value in fields.items() if value is not None]


@http2
@pytest.mark.parametrize(
    "fields",
    [
        connect_fields(path=None),
        connect_fields(scheme=None),
        connect_fields(method="GET"),
        connect_fields(protocol="two words"),
        connect_fields() + [("upgrade", "echo")],
        connect_fields() + [(":protocol", "echo")],
        [("x", "y")] + connect_fields(),
    ],
)
def test_malformed(plain, fields):
    """The stream's error (RFC 8441 section 4), and the connection goes on."""
    with h2client.Connection(plain.address) as connection:
        connection.send(h2client.headers(1, h2client.block(*fields), end=False))
        connection.methods[1] = "CONNECT"
        assert connection.reply(1).reset == "PROTOCOL_ERROR"
        connection.next_stream = 3
        assert connection.ask(path="/get").text() == "got\n"


@http2
def test_not_announced():
    """A server without a route for it does not announce extended CONNECT, and takes none."""
    server = Server("tests/programs/probe")
    with h2client.Connection(server.address) as connection:
        connection.roundtrip()
        assert h2client.ENABLE_CONNECT_PROTOCOL not in connection.peer
        connection.send(h2client.headers(1, h2client.block(*connect_fields()), end=False))
        connection.methods[1] = "CONNECT"
        assert connection.reply(1).reset == "PROTOCOL_ERROR"
    server.stop()


@http2
def test_announced(plain):
    with h2client.Connection(plain.address) as connection:
        connection.roundtrip()
        assert connection.peer[h2client.ENABLE_CONNECT_PROTOCOL] == 1


@http2
@pytest.mark.parametrize("path, status", [("/get", 405), ("/any", 405), ("/nothing", 404)])
def test_no_upgrade_there(plain, path, status):
    """A handler that knows nothing of it never sees an extended CONNECT, whose 200 would open a tunnel."""
    with Tunnel(plain.address, path) as stream:
        assert stream.status == status


@http2
def test_plain_connect(plain):
    """CONNECT without :protocol is none, as ever."""
    with h2client.Connection(plain.address) as connection:
        connection.methods[1] = "CONNECT"
        connection.send(h2client.headers(1, h2client.block((":method", "CONNECT"), (":authority", "a:1")), end=True))
        assert connection.reply(1).status == 501


@http2
def test_connect_with_a_length(plain):
    with Tunnel(plain.address, "/echo", fields=[("content-length", "5")]) as stream:
        assert stream.status == 400


@http2
def test_client_ended_before(plain):
    """END_STREAM with the request is the end of the client's side (RFC 8441 section 5)."""
    with Tunnel(plain.address, "/echo", end=True) as stream:
        assert stream.status == 200
        stream.expect(b"end\n")
        stream.expect_end()


@http2
def test_reset(plain):
    """RST_STREAM ends one stream; others of the connection go on."""
    with Tunnel(plain.address, "/echo", b"a") as stream:
        stream.expect(b"a")
        stream.h2.reset_stream(stream.id)
        stream.flush()
        other = stream.h2.get_next_available_stream_id()
        stream.status = stream.reset = None
        stream.h2.send_headers(other, [(":method", "GET"), (":scheme", "http"), (":path", "/get"),
                                       (":authority", "a")], end_stream=True)
        stream.flush()
        stream.expect(b"got\n")
