"""Trailer fields of replies (RFC 9110 section 6.5, RFC 9112 section 7.1.2), with each kind of reply and by each part of a handler.

SPDX-License-Identifier: MIT
"""

import http.client
import re
import shutil
import subprocess
import urllib.parse

import pytest

from client import ProtocolError
from conftest import SANITIZE, Server

LARGE = bytes(b"abcdefghijklmnopqrstuvwxyz\n"[i % 27] for i in range(100000))
STREAM = b"first second"
ECOMMITTED, EDONE, EINVAL = -4, -5, -1

KINDS = {
    "text": b"text",
    "large": LARGE,
    "static": b"static",
    "static-large": LARGE,
    "value": LARGE,
    "file": b"Hello from a file.\n",
    "file-large": LARGE * 2,
    "stream": STREAM,
    "announced": STREAM,
    "nothing": b"",
}


@pytest.fixture(scope="module", params=["plain"] if SANITIZE else ["plain", "unsteady"])
def server(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("trailers")
    (folder / "small.txt").write_bytes(KINDS["file"])
    (folder / "large.bin").write_bytes(KINDS["file-large"])
    server = Server("tests/programs/trailers", folder, *([] if request.param == "plain" else [1]))
    yield server
    server.stop()


@pytest.fixture
def connection(server):
    with server.connect() as connection:
        connection.ask(path="/results")  # those of tests before
        connection.parser.trailers = True
        yield connection
        connection.parser.trailers = False
        connection.ask(path="/results")  # also: what came before was whole


def results(connection):
    return [int(result) for result in connection.ask(path="/results").text().split()]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("folder, when", [("plain", "before"), ("reply", "before"), ("reply", "late"), ("reply", "before,late")])
@pytest.mark.parametrize("filtered", [False, True])
def test_every_kind_of_reply(connection, kind, folder, when, filtered):
    """They make the reply chunked; its body is what it is without them."""
    if filtered and folder == "plain":
        return
    for _ in range(2):
        reply = connection.ask(path=f"/{folder}/{kind}?when={when}{'&filter=1' if filtered else ''}")
        body = bytes(byte for byte in KINDS[kind] for _ in range(2)) if filtered else KINDS[kind]
        assert bytes(reply.body) == body and reply.framing == "chunked"
        assert reply.trailers == [("X-When", part) for part in when.split(",")]
    assert set(results(connection)) == {0}


@pytest.mark.parametrize("kind", ["stream", "announced"])
@pytest.mark.parametrize("filtered", [False, True])
def test_between_writes(connection, kind, filtered):
    reply = connection.ask(path=f"/reply/{kind}?when=between{'&filter=1' if filtered else ''}")
    assert reply.framing == "chunked" and reply.trailers == [("X-When", "between")]
    assert bytes(reply.body) == (b"ffiirrsstt  sseeccoonndd" if filtered else STREAM)


def test_behind_a_head_that_is_out(connection):
    """A stream has them, a reply of an announced length has none: the handler is told."""
    reply = connection.ask(path="/reply/stream?when=between,after&flush=1")
    assert reply.trailers == [("X-When", "between"), ("X-When", "after")]
    assert results(connection) == [0, 0]
    reply = connection.ask(path="/reply/announced?when=between,after&flush=1")
    assert reply.framing == "length" and bytes(reply.body) == STREAM
    assert results(connection) == [ECOMMITTED, ECOMMITTED]
    reply = connection.ask(path="/reply/announced?when=before,between&flush=1")
    assert reply.trailers == [("X-When", "before"), ("X-When", "between")] and bytes(reply.body) == STREAM


@pytest.mark.parametrize("kind", ["text", "static", "value", "file", "file-large"])
def test_behind_a_reply_that_is_not_out(connection, kind):
    reply = connection.ask(path=f"/reply/{kind}?when=after")
    assert reply.trailers == [("X-When", "after")] and bytes(reply.body) == KINDS[kind]


@pytest.mark.parametrize("size", [1, 200, 300, 3000, 5500])
@pytest.mark.parametrize("kind", ["file", "file-large", "static-large"])
def test_behind_a_body_that_is_read_meanwhile(connection, kind, size):
    """Where the transport cannot send files, they come through the buffer in which the last chunk waits."""
    reply = connection.ask(path=f"/reply/{kind}?when=before&value={'v' * size}")
    assert bytes(reply.body) == KINDS[kind] and reply.trailers == [("X-When", "v" * size)]


def test_an_announced_length_is_still_counted(server):
    with server.connect() as connection:
        connection.parser.trailers = True
        with pytest.raises((ProtocolError, ConnectionResetError)):
            connection.ask(path="/reply/short?when=before")
            connection.ask()


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "nothing"])
def test_http10_has_none(server, kind):
    with server.connect() as connection:
        reply = connection.ask(path=f"/reply/{kind}?when=before,late", version="1.0")
        assert bytes(reply.body) == KINDS[kind] and reply.framing in ("length", "close")
    with server.connect() as connection:
        reply = connection.ask(path=f"/reply/{kind}?when=before&filter=1", version="1.0")
        assert len(reply.body) == 2 * len(KINDS[kind])


def test_bodyless_replies_have_none(server):
    with server.connect() as connection:
        for kind, body in KINDS.items():
            assert connection.ask("HEAD", f"/reply/{kind}?when=before,late").received == 0
        for kind, status in (("no-content", 204), ("not-modified", 304)):
            reply = connection.ask(path=f"/reply/{kind}?when=before,late")
            assert reply.status == status and reply.header("Transfer-Encoding") is None
        assert set(results(connection)) == {0}


def test_an_error_page_drops_them(server):
    with server.connect() as connection:
        reply = connection.ask(path="/reply/fail?when=before")
        assert (reply.status, reply.framing, reply.text()) == (409, "length", "409 Conflict\nfailed\n")
        with pytest.raises((ProtocolError, ConnectionResetError)):
            connection.parser.trailers = True
            connection.ask(path="/reply/fail-late?when=before")


@pytest.mark.parametrize("count, size", [(1, 0), (100, 40), (1, 7000), (2, 4500), (40, 300)])
def test_many_and_large_ones(connection, count, size):
    """Those that fit the request's memory; more than the output's buffer has room for, too."""
    value = "v" * size
    reply = connection.ask(path=f"/many/{count}?value={value}")
    assert reply.trailers == [(f"X-{i}", value) for i in range(count)] and reply.text() == "many"


def test_beyond_request_memory(connection):
    reply = connection.ask(path=f"/many/60?value={'v' * 900}")
    results_ = results(connection)
    assert results_.count(0) == len(reply.trailers) < 60 and set(results_) == {0, -2}


FORBIDDEN = ("Content-Length", "transfer-encoding", "Connection", "Trailer", "TE", "Host", "Set-Cookie", "Authorization", "Content-Type",
             "Content-Encoding", "Content-Range", "Cache-Control", "Vary", "Location", "Date", "Age", "Expires", "Retry-After",
             "WWW-Authenticate", "Strict-Transport-Security", "If-Match", "Proxy-Authenticate", "Upgrade", "a b", "", "a:", "\u00e4")


@pytest.mark.parametrize("name", FORBIDDEN)
def test_names_that_are_no_trailers_business(server, name):
    with server.connect() as connection:
        reply = connection.ask(path=f"/named?name={urllib.parse.quote(name)}&value=1")
        assert reply.text() == str(EINVAL) and reply.framing == "length"


@pytest.mark.parametrize("value", ["a\r\nX: 1", "a\nb", "a\rb", "a\x01"])
def test_no_injection(server, value):
    with server.connect() as connection:
        assert connection.ask(path=f"/named?name=X&value={urllib.parse.quote(value)}").text() == str(EINVAL)


@pytest.mark.parametrize("name", ["ETag", "Content-Digest", "grpc-status", "Server-Timing", "X-Sum", "Authentication-Info"])
def test_names_that_are(connection, name):
    reply = connection.ask(path=f"/named?name={name}&value=1")
    assert reply.text() == "0" and reply.trailers == [(name, "1")]


def test_a_sum_behind_a_stream(connection):
    reply = connection.ask(path="/summed")
    assert reply.header("Trailer") == "X-Sum" and len(reply.body) == 100000 and reply.trailers == [("X-Sum", "100000")]


def test_deferred_calls_come_too_late(connection):
    reply = connection.ask(path="/deferred")
    assert reply.text() == "body" and reply.trailers == []
    assert results(connection) == [EDONE]


def test_pipelined(server):
    with server.connect() as connection:
        connection.parser.trailers = True
        paths = [f"/{folder}/{kind}?when=before" for kind in KINDS for folder in ("plain", "reply")] * 2
        connection.send("".join(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n" for path in paths).encode(), *["GET"] * len(paths))
        for path in paths:
            reply = connection.reply()
            assert bytes(reply.body) == KINDS[path.split("/")[2].split("?")[0]] and reply.trailers == [("X-When", "before")]


@pytest.mark.parametrize("kind", KINDS)
def test_clients_that_know_none(server, kind):
    """http.client drops them, and the connection goes on."""
    client = http.client.HTTPConnection(*server.address, timeout=20)
    for _ in range(3):
        client.request("GET", f"/reply/{kind}?when=before,late")
        assert client.getresponse().read() == KINDS[kind]
    client.close()


@pytest.mark.skipif(not shutil.which("curl"), reason="needs curl")
def test_curl_sees_them(server, tmp_path):
    done = subprocess.run(["curl", "-s", "-H", "TE: trailers", "-D", tmp_path / "head", server.where + "/summed"], capture_output=True,
                          timeout=20, check=True)
    head = (tmp_path / "head").read_text().splitlines()
    assert len(done.stdout) == 100000 and head[-1] == "X-Sum: 100000" and "Trailer: X-Sum" in head


@pytest.mark.skipif(not shutil.which("nghttp"), reason="needs nghttp")
@pytest.mark.parametrize("kind", KINDS)
def test_http2_has_them_whatever_the_length(server, kind):
    """Behind the data, in a block of their own that ends the stream (RFC 9113 section 8.1); a length stays in the head."""
    done = subprocess.run(["nghttp", "-nv", f"{server.where}/reply/{kind}?when=before,between,after,late"], capture_output=True, timeout=60,
                          check=True)
    said = done.stdout.decode()
    fields = re.findall(r"recv \(stream_id=\d+\) (x-when|content-length): (\S+)", said)
    parts = ["before", "after", "late"] if "announced" != kind != "stream" else ["before", "between", "after", "late"]
    assert sorted(value for name, value in fields if name == "x-when") == sorted(parts)  # middleware runs when the head is due
    assert said.rfind("recv DATA") < said.find("x-when: before")
    assert ("content-length", str(len(KINDS[kind]))) in fields or kind == "stream" or kind == "nothing"
