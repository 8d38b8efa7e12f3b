"""Listeners without HTTP (tests/programs/raw.c), plain and with TLS, by sockets, nc and openssl s_client.

SPDX-License-Identifier: MIT
"""

import json
import re
import shutil
import socket
import ssl
import subprocess
import time

import pytest

from client import take
from conftest import Server

pytestmark = pytest.mark.threaded


class Site:
    """A server and its ports: of what answers and of what speaks first, plain and by TLS."""

    def __init__(self, pair, authority, *settings):
        self.server = Server("tests/programs/raw", *pair.arguments(), *settings)
        self.authority = authority
        answers, first, answers_tls, first_tls = map(int, re.search(r"raw (.+)\n", self.server.output)[1].split())
        self.ports = {("plain", "answers"): answers, ("plain", "first"): first, ("tls", "answers"): answers_tls,
                      ("tls", "first"): first_tls}

    def open(self, kind, which="answers"):
        return Stream(self.ports[kind, which], self.authority.context() if kind == "tls" else None)

    def ledger(self):
        return json.loads(self.server.ask(path="/_weir/ledger.json").body)


class Stream:
    def __init__(self, port, context=None):
        self.socket = socket.create_connection(("127.0.0.1", port), 20)
        if context:
            self.socket = context.wrap_socket(self.socket, server_hostname="localhost")

    def send(self, data):
        self.socket.sendall(data)

    def expect(self, data):
        take(self, data)

    def expect_end(self):
        assert self.socket.recv(100) == b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()


@pytest.fixture(params=["plain", "tls"])
def kind(request):
    return request.param


@pytest.fixture
def begin(pair, authority):
    sites = []

    def begin_one(*settings):
        sites.append(Site(pair, authority, *settings))
        return sites[-1]

    yield begin_one
    for site in sites:
        site.server.stop()


@pytest.fixture
def site(begin):
    return begin()


def test_lines(site, kind):
    with site.open(kind) as stream:
        for i in range(30):
            stream.send(b"line %d\n" % i)
            stream.expect(b"line %d\n" % i)
        stream.send(b"one\ntwo\nquit\n")
        stream.expect(b"one\ntwo\n")
        stream.expect_end()


def test_server_first(site, kind):
    with site.open(kind, "first") as stream:
        stream.expect(b"hello\n")
        stream.send(b"to you\n")
        stream.expect(b"to you\n")


def test_byte_by_byte(site):
    with site.open("plain") as stream:
        for byte in b"slowly\nand so on\n":
            stream.send(bytes([byte]))
        stream.expect(b"slowly\nand so on\n")


def test_no_request(site, kind):
    """There is no method and no header, and nothing can be set; the peer is known."""
    with site.open(kind) as stream:
        port = stream.socket.getsockname()[1]
        stream.send(b"method\nheader\n")
        line = b""
        while not line.endswith(b"\n"):
            line += stream.socket.recv(1)
        assert line == b"0 0 127.0.0.1:%d\n" % port
        stream.expect(b"-4 -4\n")  # WEIR_ECOMMITTED


def test_http_is_lines_as_others(site):
    """A request of HTTP means nothing here."""
    with site.open("plain") as stream:
        stream.send(b"GET / HTTP/1.1\r\n")
        stream.expect(b"GET / HTTP/1.1\r\n")


def test_half_close(site):
    """The end of the client's side is an end, and the answer still comes."""
    with site.open("plain") as stream:
        stream.send(b"a\n")
        stream.socket.shutdown(socket.SHUT_WR)
        stream.expect(b"a\nended by 0\n")
        stream.expect_end()


def test_large(site, kind):
    with site.open(kind) as stream:
        stream.send(b"large\nquit\n")
        stream.expect(b"x" * 1000000)
        stream.expect_end()


def test_failure_resets(site):
    with site.open("plain") as stream:
        stream.send(b"fail\n")
        with pytest.raises(ConnectionResetError):
            while stream.socket.recv(100):
                pass


def test_nothing_said(begin, kind):
    """A client that says nothing is closed after idle_timeout_ms, without a word."""
    site = begin("idle_timeout_ms=200")
    with site.open(kind) as stream:
        try:
            stream.expect_end()
        except ssl.SSLEOFError:
            pass


def test_only_connected(site):
    """The client ends its side without a word: there is no handler, and the connection ends."""
    with site.open("plain") as stream:
        stream.socket.shutdown(socket.SHUT_WR)
        stream.expect_end()


def test_read_timeout(begin, kind):
    site = begin("read_timeout_ms=100")
    with site.open(kind, "first") as stream:
        stream.expect(b"hello\nended by -7\n")
        stream.expect_end()


def test_idle_ones_hold_nothing(begin):
    """No record or buffer belongs to a client that has said nothing, and one buffer to one whose handler waits."""
    site = begin()
    before = accounts(site)
    streams = [site.open("plain") for _ in range(200)]
    deadline = time.monotonic() + 20
    while site.ledger()["connections"]["open"] < 200:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    after = accounts(site)
    assert after["requests"] <= before["requests"] + 2  # of the page's own
    assert after["http buffers"] <= before["http buffers"] + 2
    for stream in streams:
        stream.send(b"a\n")
    for stream in streams:
        stream.expect(b"a\n")
    deadline = time.monotonic() + 20
    while accounts(site)["http buffers"] > 200 + 4:  # one each, and the page's own
        assert time.monotonic() < deadline, accounts(site)
        time.sleep(0.02)
    for stream in streams:
        stream.socket.close()


def accounts(site):
    return {row["name"]: row["objects"] for row in site.ledger()["memory"]["accounts"]}


def test_too_many(begin):
    """Beyond max_connections_per_address a client is told nothing, since nothing of HTTP would mean anything."""
    site = begin("max_connections_per_address=2")
    streams = [site.open("plain") for _ in range(2)]
    for stream in streams:
        stream.send(b"a\n")
        stream.expect(b"a\n")
    with site.open("plain") as stream:
        try:
            assert stream.socket.recv(100) == b""
        except ConnectionResetError:
            pass
    for stream in streams:
        stream.socket.close()


def test_stop(begin, kind):
    """The begin of a stop ends reading, and what is said then comes; who has said nothing is closed."""
    site = begin()
    with site.open(kind) as stream, site.open(kind) as silent:
        stream.send(b"a\n")
        stream.expect(b"a\n")
        site.server.process.terminate()
        stream.expect(b"ended by -12, stopping\n")
        stream.expect_end()
        try:
            silent.expect_end()
        except ssl.SSLEOFError:
            pass
    assert site.server.stop() < 10


def test_cut(begin):
    """One that takes nothing is cut when stop_timeout_ms are over."""
    site = begin("stop_timeout_ms=300")
    with site.open("plain") as stream:
        stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        stream.send(b"large\n" * 50)
        stream.expect(b"x")
        site.server.process.terminate()
        site.server.stop()


def test_memory_is_bounded(begin):
    site = begin(f"memory_limit={48 << 20}")
    with site.open("plain") as stream:
        for i in range(100):
            stream.send(b"y" * 900 + b"\n")
            stream.expect(b"y" * 900 + b"\n")


def test_http_goes_on(site):
    with site.open("plain") as stream:
        stream.send(b"a\n")
        stream.expect(b"a\n")
        assert site.server.ask(path="/").text() == "hello"


def test_alpn_is_absent(site):
    """No name is offered, and one that the client offers is not answered."""
    context = site.authority.context(alpn=["h2", "http/1.1"])
    with Stream(site.ports["tls", "answers"], context) as stream:
        assert stream.socket.selected_alpn_protocol() is None
        stream.send(b"a\n")
        stream.expect(b"a\n")


def test_s_client(site):
    port = site.ports["tls", "first"]
    made = subprocess.run(["openssl", "s_client", "-quiet", "-connect", f"127.0.0.1:{port}", "-CAfile",
                           str(site.authority.pair.certificate)], input=b"by openssl\nquit\n", capture_output=True,
                          timeout=20)
    assert made.stdout == b"hello\nby openssl\n"


@pytest.mark.skipif(not shutil.which("nc"), reason="without nc")
def test_nc(site):
    made = subprocess.run(["nc", "-w", "10", "127.0.0.1", str(site.ports["plain", "first"])],
                          input=b"by nc\nquit\n", capture_output=True, timeout=20)
    assert made.stdout == b"hello\nby nc\n"
