"""Compressed replies: byte for byte what the handler made, for every kind of reply, version and coding; what their heads
say; and the contexts of the compressors, which are bounded and come back.

The decoders are Python's zlib and Debian's modules for Brotli and Zstandard. Waits three seconds for memory to go back.

SPDX-License-Identifier: MIT
"""

import json
import random
import subprocess
import time
import zlib

import brotli
import client
import h2client
import h2frames
import pytest
import zstandard

from conftest import MIB, SANITIZE, Server

CODINGS = ("gzip", "br", "zstd")
LARGE = "".join(f"line {line}: {line * 2654435761:x} took {line * line % 977} ms\n" for line in range(40000))
LARGE = LARGE.encode()[:MIB]


class Decoder:
    """Decodes as bytes come. ended: the coding's own end has come, with nothing behind it."""

    def __init__(self, coding):
        self.coding, self.ended = coding, coding == "identity"
        self.make = {"gzip": lambda: zlib.decompressobj(31), "br": brotli.Decompressor,
                     "zstd": lambda: zstandard.ZstdDecompressor(max_window_size=1 << 23).decompressobj(), "identity": lambda: None}[coding]()

    def feed(self, data):
        if self.coding == "identity":
            return bytes(data)
        if self.coding == "br":
            out = self.make.process(bytes(data))
            self.ended = self.make.is_finished()
            return out
        out = self.make.decompress(bytes(data))
        if self.coding == "gzip":
            self.ended = self.make.eof
        assert not self.make.unused_data
        return out


def decoded(data, coding):
    if coding == "zstd":
        # A frame that is cut is an error only here.
        with zstandard.ZstdDecompressor(max_window_size=1 << 23).stream_reader(bytes(data), read_across_frames=False) as reader:
            whole = reader.read()
        frame = zstandard.frame_content_size(bytes(data))
        assert frame in (-1, len(whole))
    decoder = Decoder(coding)
    out = decoder.feed(data)
    assert decoder.ended or coding == "zstd"
    return out


def coding_of(reply):
    return reply.header("Content-Encoding") or "identity"


def vary_of(reply):
    return [name.strip() for value in reply.all("Vary") for name in value.split(",")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("compressed")
    (folder / "text.txt").write_bytes(LARGE[:200000])
    (folder / "small.txt").write_bytes(LARGE[:2000])
    return folder


@pytest.fixture(scope="module")
def server(folder):
    server = Server("tests/programs/compressed", folder, expect=r"(?s)listening on (http://\S+)\n.*https")
    yield server
    server.stop()


@pytest.fixture
def start_compressed(start, folder):
    return lambda *settings: start("tests/programs/compressed", folder, *settings)


def ask(server, path, accept="gzip", method="GET", headers=(), **more):
    fields = [("Accept-Encoding", accept)] if accept is not None else []
    return server.ask(method, path, headers=fields + list(headers), **more)


def account(server):
    ledger = json.loads(bytes(server.ask(path="/ledger").body))
    return next(row for row in ledger["memory"]["accounts"] if row["name"] == "compression"), ledger["compression"]


def wait_until(condition, seconds=20):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


# ---- Bodies


@pytest.mark.parametrize("group", ["on", "low", "high"])
@pytest.mark.parametrize("coding", CODINGS)
def test_kinds_of_replies(server, group, coding):
    for kind in ("reply", "static", "printf", "value"):
        for size in (1024, 3000, 7000, 10000) + ((100000, MIB) if kind != "printf" else ()):
            reply = ask(server, f"/{group}/{kind}?n={size}", coding)
            assert reply.status == 200 and coding_of(reply) == coding and vary_of(reply) == ["Accept-Encoding"]
            assert decoded(reply.body, coding) == LARGE[:size]
            assert reply.received < size / 2
            assert reply.framing == "length" or size > 7000 or kind == "printf"
    for name, size in (("text.txt", 200000), ("small.txt", 2000)):
        reply = ask(server, f"/{group}/file?name={name}", coding, headers=[("X-Set", "Content-Type: text/plain")])
        assert coding_of(reply) == coding and decoded(reply.body, coding) == LARGE[:size]


def pattern_of(numbers, size):
    words = []
    while size > 0 and len(words) < 300:
        piece = numbers.choice((1, 7, 100, 511, 512, 513, 4000, 8191, 8192, 8193, 20000))
        words += [str(piece)] + numbers.choices(["f", "s", "f f", ""], weights=[2, 1, 1, 6])
        size -= piece
    return " ".join(words)


def body_of(numbers, size):
    kind = numbers.randrange(4)
    if kind == 0:
        return numbers.randbytes(size)
    if kind == 1:
        return bytes(numbers.choices(b"abcdefgh \n", k=size))
    if kind == 2:
        return bytes(size)
    start = numbers.randrange(1000)
    return LARGE[start : start + size]


@pytest.mark.parametrize("group", ["on", "low", "high"])
@pytest.mark.parametrize("coding", CODINGS + ("identity",))
def test_random_bodies_and_patterns(server, group, coding):
    numbers = random.Random(f"{group} {coding}")
    with server.connect() as one:
        for _ in range(10 if SANITIZE else 25):
            body = body_of(numbers, numbers.choice((0, 1, 100, 1023, 1024, 5000, 16384, 50000, 300000)))
            reply = one.ask("POST", f"/{group}/pieces", headers={"Accept-Encoding": coding, "X-Pieces": pattern_of(numbers, len(body))},
                            body=body)
            assert decoded(reply.body, coding_of(reply)) == body
            assert coding_of(reply) in ("identity", coding)


@pytest.mark.parametrize("coding", CODINGS)
def test_flush(server, coding):
    """What was written before a flush can be decoded at once, over and over."""
    numbers = random.Random(coding)
    got = []
    decoder = Decoder(coding)
    with server.connect(sink=lambda reply, piece: got.append(decoder.feed(piece))) as one:
        one.send(b"POST /on/relay HTTP/1.1\r\nHost: x\r\nAccept-Encoding: " + coding.encode() + b"\r\nTransfer-Encoding: chunked\r\n\r\n", "POST")
        sent = b""
        for size in [1, 10, 1, 1000, 5000, 3] + [numbers.randrange(1, 6000) for _ in range(20)]:
            piece = LARGE[len(sent) : len(sent) + size]
            sent += piece
            one.send(b"%x\r\n%s\r\n" % (len(piece), piece))
            deadline = time.monotonic() + 20
            while len(b"".join(got)) < len(sent):
                assert time.monotonic() < deadline
                one.fill()
            assert b"".join(got) == sent
        one.send(b"0\r\n\r\n")
        assert one.reply().status == 200
    assert b"".join(got) == sent and (decoder.ended or coding == "zstd")


def test_versions(server):
    """HTTP/1.0, TLS, HTTP/2, and HTTP/2 over TLS."""
    for coding in CODINGS:
        reply = ask(server, "/on/reply?n=100000", coding, version="1.0")
        assert reply.framing == "close" and decoded(reply.body, coding) == LARGE[:100000]
        with h2client.Connection(server.address) as two:
            reply = two.ask("GET", "/on/reply?n=100000", ("accept-encoding", coding))
            assert reply.header("content-encoding") == coding and decoded(reply.body, coding) == LARGE[:100000]
        for version in ("--http1.1", "--http2"):
            out = subprocess.run(
                ["curl", "-sSk", version, "-H", f"Accept-Encoding: {coding}", f"https://127.0.0.1:{server.tls_port}/on/value?n={MIB}"],
                stdout=subprocess.PIPE, check=True).stdout
            assert decoded(out, coding) == LARGE


def test_curl(server):
    for path, size in (("reply?n=3000", 3000), (f"value?n={MIB}", MIB)):
        out = subprocess.run(["curl", "-sS", "--compressed", "-D", "/dev/stderr", f"{server.url}/on/{path}"], capture_output=True, check=True)
        assert out.stdout == LARGE[:size] and b"Content-Encoding:" in out.stderr


def test_tour(tour):
    plain = ask(tour, "/text/2000", None)
    assert coding_of(plain) == "identity" and len(json.loads(bytes(plain.body))) == 2000
    for coding in CODINGS:
        reply = ask(tour, "/text/2000", coding)
        assert coding_of(reply) == coding and decoded(reply.body, coding) == plain.body and reply.received * 5 < plain.received


# ---- Heads


def test_negotiation(server):
    for accept, coding in (
            ("gzip, deflate, br, zstd", "zstd"), ("gzip, deflate, br", "br"), ("gzip, deflate", "gzip"), ("gzip;q=1, br;q=0.5", "gzip"),
            ("*", "zstd"), ("x-gzip", "gzip"), ("identity, gzip;q=0.5", "identity"), ("gzip;q=0", "identity"), ("", "identity"),
            (None, "identity"), ("deflate", "identity"), ("identity;q=0, *;q=0", "identity")):
        reply = ask(server, "/on/reply", accept)
        assert coding_of(reply) == coding and vary_of(reply) == ["Accept-Encoding"], accept
        assert decoded(reply.body, coding) == LARGE[:3000]
    assert coding_of(ask(server, "/high/reply", "gzip, br, zstd")) == "gzip"  # the group's own order
    assert coding_of(ask(server, "/all/reply", "br, zstd")) == "identity"  # and codings


def test_what_is_left_alone(server):
    """Not compressed, and nothing is said of Accept-Encoding."""
    untouched = [
        ("/on/reply?n=1023", []), ("/on/untyped", []), ("/on/off/reply", []), ("/plain/reply", []), ("/on/error", []),
        *[("/on/reply", [("X-Set", field)]) for field in (
            "Content-Encoding: gzip", "Content-Encoding: identity", "Cache-Control: no-transform", "Cache-Control: public, No-Transform",
            "Content-Range: bytes 0-2999/5000", "Content-Digest: sha-256=:x:", "Repr-Digest: sha-256=:x:", "Content-MD5: x", "Digest: x",
            "Content-Type: image/png", "Content-Type: application/octet-stream", "Content-Type: text/event-stream",
            "Content-Type: Text/Event-Stream; charset=utf-8")],
        ("/on/reply", [("X-Status", "206")]), ("/all/reply?n=0", []), ("/all/reply", [("X-Set", "Content-Type: image/svg+xml")]),
    ]
    for path, headers in untouched:
        reply = ask(server, path, "gzip, br, zstd", headers=headers)
        assert reply.framing == "length" and vary_of(reply) == [], (path, headers)
        assert reply.all("Content-Encoding") == [value[18:] for _, value in headers if value.startswith("Content-Encoding")]
        if "reply" in path and "n=" not in path:
            assert reply.body == LARGE[:3000]
    for status in (204, 304):
        reply = ask(server, "/on/nothing", headers=[("X-Status", str(status))])
        assert reply.status == status and coding_of(reply) == "identity" and vary_of(reply) == []


def test_what_is_compressed(server):
    for field in ("Content-Type: application/json; charset=utf-8", "Content-Type: APPLICATION/LD+JSON", "Content-Type: text/x;a=b",
                  "Content-Type: image/svg+xml ;x", "Cache-Control: no-store", "Content-Language: de"):
        assert coding_of(ask(server, "/on/reply", headers=[("X-Set", field)])) == "gzip", field
    assert coding_of(ask(server, "/on/inner/reply")) == "gzip"
    assert coding_of(ask(server, "/all/reply?n=1")) == "gzip"
    for status in (201, 404, 500):
        reply = ask(server, "/on/reply", headers=[("X-Status", str(status))])
        assert reply.status == status and coding_of(reply) == "gzip"


def test_vary_is_merged(server):
    for fields, vary in (([], ["Accept-Encoding"]), (["Vary: Cookie"], ["Cookie", "Accept-Encoding"]),
                         (["Vary: Cookie, Origin", "Vary: Accept"], ["Cookie", "Origin", "Accept", "Accept-Encoding"]),
                         (["Vary: *"], ["*"]), (["Vary: Cookie, accept-encoding"], ["Cookie", "accept-encoding"]),
                         (["Vary: " + "x" * 2000], ["x" * 2000, "Accept-Encoding"])):
        for accept in ("gzip", None):
            reply = ask(server, "/on/reply", accept, headers=[("X-Set", field) for field in fields])
            assert vary_of(reply) == vary and (len(reply.all("Vary")) == 1 or len(vary[0]) == 2000)


def test_validators(server):
    for tag, encoded in (('"abc"', 'W/"abc"'), ('W/"abc"', 'W/"abc"'), ('""', 'W/""')):
        fields = [("X-Set", f"ETag: {tag}"), ("X-Set", "Accept-Ranges: bytes")]
        reply = ask(server, "/on/reply", headers=fields)
        assert reply.header("ETag") == encoded and reply.header("Accept-Ranges") is None
        reply = ask(server, "/on/reply", None, headers=fields)
        assert reply.header("ETag") == tag and reply.header("Accept-Ranges") == "bytes"
    for asked, answered in (('W/"abc"', 'W/"abc"'), ('"abc"', '"abc"'), ('"x", W/"abc"', 'W/"abc"')):
        reply = ask(server, "/on/nothing", headers=[("X-Status", "304"), ("X-Set", 'ETag: "abc"'), ("If-None-Match", asked)])
        assert reply.status == 304 and reply.header("ETag") == answered and vary_of(reply) == ["Accept-Encoding"]
    reply = ask(server, "/on/reply", headers=[("X-Status", "206"), ("X-Set", "Content-Range: bytes 0-2999/5000")])
    assert reply.status == 206 and coding_of(reply) == "identity" and vary_of(reply) == ["Accept-Encoding"]


def test_head(server):
    """The same head as to GET, but for the length of what is not made."""
    for path in ("/on/reply", "/on/static?n=100000", "/on/value", "/on/reply?n=100"):
        for accept in ("gzip", "br", None):
            got, head = (ask(server, path, accept, method) for method in ("GET", "HEAD"))
            heads = [[(name, value) for name, value in reply.headers if name not in ("Date", "Content-Length", "Transfer-Encoding")] for reply in (got, head)]
            assert heads[0] == heads[1]
            assert coding_of(head) != "identity" or head.header("Content-Length") == got.header("Content-Length")
    assert account(server)[0]["in_use"] == 0


def test_failing_handler(server):
    """A page in place of a reply that has not begun; else what was sent does not look whole."""
    reply = ask(server, "/on/fail?n=500")
    assert reply.status == 409 and coding_of(reply) == "identity" and b"failed" in reply.body
    with server.connect() as one, pytest.raises((ConnectionError, client.ProtocolError)):
        one.send(client.request(path="/on/fail?n=500000", headers={"Accept-Encoding": "gzip"}), "GET")
        one.reply()
    assert account(server)[0]["in_use"] == 0


# ---- Memory


def test_contexts_come_back(server):
    """Of clients that leave in the midst, and of handlers that never get to their end; and nothing is kept for long."""
    before = account(server)[1]
    crowd = [server.connect(receive_buffer=4096) for _ in range(12)]
    for number, one in enumerate(crowd):
        path = ("/on/endless", "/on/hang")[number % 2]
        one.send(client.request(path=path, headers={"Accept-Encoding": CODINGS[number % 3]}), "GET")
    wait_until(lambda: account(server)[0]["objects"] == 12)
    for one in crowd:
        one.close()
    wait_until(lambda: account(server)[0]["objects"] == 0 and account(server)[0]["in_use"] == 0)
    after = account(server)[1]
    assert all(after[coding]["replies"] == before[coding]["replies"] + 4 for coding in CODINGS)
    wait_until(lambda: account(server)[0]["reserved"] == 0)


@pytest.mark.parametrize("how", ["reset", "gone"])
def test_contexts_come_back_of_streams(server, how):
    """Of HTTP/2: several replies of one connection at once, whose client does not read on, resets them or goes."""
    with h2client.Connection(server.address, auto_window=False) as two:
        streams = [two.open("GET", "/on/endless", ("accept-encoding", coding)) for coding in CODINGS * 2]
        wait_until(lambda: account(server)[0]["objects"] == 6)
        if how == "reset":
            two.send(*(h2frames.rst_stream(stream) for stream in streams))
            wait_until(lambda: account(server)[0]["objects"] == 0)
    wait_until(lambda: account(server)[0]["objects"] == 0 and account(server)[0]["in_use"] == 0)


def test_figures(server):
    before = account(server)[1]
    out = sum(ask(server, f"/on/value?n={size}", "zstd").received for size in (2000, MIB))
    after = account(server)[1]
    assert {name: after["zstd"][name] - before["zstd"][name] for name in after["zstd"]} == {"replies": 2, "bytes_in": MIB + 2000, "bytes_out": out}
    assert (after["gzip"], after["br"], after["missing"]) == (before["gzip"], before["br"], before["missing"])


@pytest.mark.parametrize("setting", [f"max_compression_memory={2 * MIB}", f"memory_limit={16 * MIB}"])
def test_bound(start_compressed, setting):
    """Where no context is to be had a cheaper coding's is taken, and at last none; the bound holds."""
    server = start_compressed(setting)
    most = 2 * MIB
    numbers = {}
    crowd = []
    for _ in range(40):
        one = server.connect(receive_buffer=4096, sink=lambda reply, piece: None)
        crowd.append(one)
        one.send(client.request(path="/on/hang", headers={"Accept-Encoding": "gzip;q=0.1, br, zstd;q=0.5"}), "GET")
        deadline = time.monotonic() + 20
        while one.parser.current is None:
            assert time.monotonic() < deadline
            one.fill()
        coding = coding_of(one.parser.current)
        numbers[coding] = numbers.get(coding, 0) + 1
        assert vary_of(one.parser.current) == ["Accept-Encoding"]
    row, figures = account(server)
    assert numbers.keys() >= {"br", "identity"} and numbers["br"] + numbers.get("zstd", 0) + numbers.get("gzip", 0) < 40
    assert row["reserved"] <= most + 1 and row["limit"] in (most, most + 1) and row["refused"] > 0
    assert figures["missing"] == numbers["identity"] and figures["br"]["replies"] == numbers["br"]
    for one in crowd:
        one.close()
    wait_until(lambda: account(server)[0]["objects"] == 0)
    assert coding_of(ask(server, "/on/reply", "gzip")) == "gzip"


def test_little_request_memory(start_compressed):
    """Replies come whole where request memory has no room for what was collected: compressed or not."""
    server = start_compressed("request_memory=4096")
    for kind in ("reply", "static", "value"):
        for size in (1500, 3000, 5000, 8000, 100000):
            for coding in CODINGS:
                reply = ask(server, f"/on/{kind}?n={size}", coding)
                assert decoded(reply.body, coding_of(reply)) == LARGE[:size] and vary_of(reply) == ["Accept-Encoding"]


@pytest.mark.parametrize("group", ["on", "low", "high"])
def test_little_stack(start_compressed, group):
    """Handlers with the smallest stack that there is: the library that takes more has another."""
    server = start_compressed("stack_size=16384")
    for coding in CODINGS:
        for kind in ("reply", "value"):
            reply = ask(server, f"/{group}/{kind}?n=300000", coding)
            assert coding_of(reply) == coding and decoded(reply.body, coding) == LARGE[:300000]
