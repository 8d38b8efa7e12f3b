"""Conditions and ranges of files, over every version and transport: what RFC 9110 sections 13 and 14 ask for.

The tables of fields are unit tests (test_condition.c, test_range.c); here is what goes over the wire. Sleeps for 3.1
seconds, until its files have settled.

SPDX-License-Identifier: MIT
"""

import email.utils
import os
import random
import re
import subprocess
import time

import pytest

import client
import h2client
import secure
from conftest import Server
from faults import traced, wait_for

SETTLED = 3.1  # seconds
BIG = 300_000
HUGE = 100 << 20
WAYS = ["plain 1.1", "plain 1.0", "plain 2", "openssl 1.1", "openssl 2", "lean 1.1", "lean 1.0", "lean 2"]
DATE = 784111777
DATE_TEXT = "Sun, 06 Nov 1994 08:49:37 GMT"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Files that have settled: small enough to be kept open, larger, of 100 MiB without a byte on the disk, and empty."""
    made = tmp_path_factory.mktemp("ranges")
    (made / "small").write_bytes(random.Random(1).randbytes(3000))
    (made / "big").write_bytes(random.Random(2).randbytes(BIG))
    (made / "empty").write_bytes(b"")
    with open(made / "huge", "wb") as huge:
        huge.truncate(HUGE)
        for at in range(0, HUGE, 10 << 20):
            huge.seek(at)
            huge.write(b"mark %d" % at)
    for name in ("small", "big", "empty", "huge"):
        os.utime(made / name, (DATE, DATE))
    time.sleep(SETTLED)
    return made


class Servers:
    """One with each kind of records, started when it is first asked for."""

    def __init__(self, folder):
        self.folder = folder
        self.by_kind = {}

    def of(self, kind):
        if kind not in self.by_kind:
            if kind == "plain":
                self.by_kind[kind] = Server("tests/programs/ranges", self.folder)
            else:
                secure.skip_without_tls()
                self.by_kind[kind] = Server("tests/programs/ranges", self.folder, kind,
                                            expect=r"listening on http://\S+\nlistening on (https://\S+)\n")
        return self.by_kind[kind]

    def stop(self):
        for server in self.by_kind.values():
            server.stop()


@pytest.fixture(scope="module")
def servers(folder):
    made = Servers(folder)
    yield made
    made.stop()


def skip_without_h2():
    build = os.environ.get("WEIR_BUILD", "../../build/release")
    with open(os.path.join(build, "CMakeCache.txt"), encoding="utf-8") as cache:
        if "WEIR_HTTP2:BOOL=OFF" in cache.read():
            pytest.skip("a build without HTTP/2")


class Way:
    """One connection, over which files are asked for, whatever it speaks."""

    def __init__(self, servers, name):
        kind, self.version = name.split()
        self.server = servers.of(kind)
        context = None if kind == "plain" else secure.blind_context()
        if self.version == "2":
            skip_without_h2()
            if context:
                context.set_alpn_protocols(["h2"])
            self.connection = h2client.Connection(self.server.address, context=context)
        elif context:
            self.connection = secure.Connection(self.server, context)
        else:
            self.connection = client.Connection(self.server.address)

    def ask(self, path, *headers, method="GET"):
        if self.version == "2":
            return self.connection.ask(method, path, *((name.lower(), value) for name, value in headers))
        own = [("Connection", "keep-alive")] if self.version == "1.0" else []
        return self.connection.ask(method, path, headers=[*headers, *own], version=self.version,
                                   body=b"" if method == "POST" else None)


@pytest.fixture(scope="module", params=WAYS)
def way(request, servers):
    made = Way(servers, request.param)
    yield made
    made.connection.close()


def field(reply, name):
    return reply.header(name.lower() if isinstance(reply, h2client.Reply) else name)


def all_fields(reply):
    """Every field of a reply, names in lower case, but for those that differ by time or by version."""
    return sorted((name.lower(), value) for name, value in reply.headers if name.lower() not in ("date", "connection"))


PART_HEAD = re.compile(rb"--([0-9a-f]{16})\r\nContent-Type: ([^\r]+)\r\nContent-Range: bytes (\d+)-(\d+)/(\d+)\r\n\r\n")


def parts_of(reply, size, kind="application/octet-stream"):
    """The ranges of a multipart reply and their bytes, in order; every byte between them has to be what it should."""
    boundary = re.fullmatch(r"multipart/byteranges; boundary=([0-9a-f]{16})", field(reply, "Content-Type")).group(1)
    body, at, found = bytes(reply.body), 0, []
    while True:
        head = PART_HEAD.match(body, at)
        assert head, body[at : at + 200]
        first, last, whole = (int(text) for text in head.groups()[2:])
        assert head.group(1).decode() == boundary and head.group(2).decode() == kind and whole == size
        end = head.end() + last - first + 1
        found.append((first, last, body[head.end() : end]))
        if body[end:] == f"\r\n--{boundary}--\r\n".encode():
            return found
        assert body[end : end + 2] == b"\r\n"
        at = end + 2


@pytest.mark.parametrize("name", ["small", "big"])
def test_marks(way, folder, name):
    """The same ones each time, and to HEAD; whole and in a part."""
    data = (folder / name).read_bytes()
    first = way.ask(f"/file/{name}")
    assert first.status == 200 and first.body == data
    assert field(first, "Accept-Ranges") == "bytes" and field(first, "Last-Modified") == DATE_TEXT
    assert re.fullmatch('"[0-9a-f]{16}"', field(first, "ETag"))
    assert field(first, "Content-Type") == "application/octet-stream"
    for method in ("GET", "HEAD"):
        again = way.ask(f"/file/{name}", method=method)
        assert again.status == 200 and all_fields(again) == all_fields(first)
    part = way.ask(f"/file/{name}", ("Range", "bytes=1-1"))
    assert {name: value for name, value in all_fields(part) if name not in ("content-length", "content-range")} == {
        name: value for name, value in all_fields(first) if name != "content-length"}


ONE = [("0-0", 0, 0), ("0-999", 0, 999), ("1000-", 1000, None), ("-1", -1, None), ("-1000", -1000, None), ("0-", 0, None),
       ("2990-999999999", 2990, None), ("-99999999999999999999", 0, None), ("5-6,7-8,9-9", 5, 9), ("9-9,5-6", 5, 9),
       ("0-99,50-", 0, None)]


@pytest.mark.parametrize("name", ["small", "big"])
def test_one_range(way, folder, name):
    data = (folder / name).read_bytes()
    for asked, first, last in ONE:
        first = first if first >= 0 else len(data) + first
        last = len(data) - 1 if last is None else last
        reply = way.ask(f"/file/{name}", ("Range", f"bytes={asked}"))
        assert reply.status == 206, asked
        assert field(reply, "Content-Range") == f"bytes {first}-{last}/{len(data)}"
        assert field(reply, "Content-Length") == str(last - first + 1)
        assert reply.body == data[first : last + 1]


def test_several_ranges(way, folder):
    for name, size in (("small", 3000), ("big", BIG)):
        data = (folder / name).read_bytes()
        sets = ["0-0,-1", "500-599,0-9,1000-1009", "0-9,2000-,100-200", "0-9,5-90,2990-2999",
                ",".join(f"{90 * i}-{90 * i}" for i in range(32))]
        if size == BIG:
            sets += ["0-99999,-100000", "290000-,100-250000", "0-4095,5000-9096,20000-24096"]
        for asked in sets:
            reply = way.ask(f"/file/{name}", ("Range", f"bytes={asked}"))
            assert reply.status == 206 and field(reply, "Content-Range") is None
            assert field(reply, "Content-Length") == str(len(reply.body))
            found = parts_of(reply, size)
            assert len(found) > 1
            for first, last, part in found:
                assert part == data[first : last + 1]
    order = parts_of(way.ask("/file/big", ("Range", "bytes=9000-9009,5-6,-1,9000-9001")), BIG)
    assert [(first, last) for first, last, _ in order] == [(9000, 9009), (5, 6), (BIG - 1, BIG - 1)]


def test_ranges_of_100_mib(way):
    """Near its end, and several."""
    at = 90 << 20
    reply = way.ask("/file/huge", ("Range", f"bytes={at}-{at + 12}"))
    assert reply.status == 206 and reply.body == b"mark 94371840"
    reply = way.ask("/file/huge", ("Range", "bytes=-5"))
    assert reply.status == 206 and reply.body == bytes(5)
    found = parts_of(way.ask("/file/huge", ("Range", f"bytes=-5,{at}-{at + 99999},0-5")), HUGE)
    assert [(first, last) for first, last, _ in found] == [(HUGE - 5, HUGE - 1), (at, at + 99999), (0, 5)]
    assert found[1][2] == b"mark 94371840" + bytes(99987) and found[2][2] == b"mark 0"


IGNORED = ["bytes=", "bytes=a", "bytes=2-1", "bytes=1-2;3-4", "bytes 0-1", "lines=0-1", "bytes=0-0,x", "bytes=--1",
           "bytes=" + ",".join(f"{100 * i}-{100 * i}" for i in range(33))]


def test_ranges_that_are_none(way, folder):
    """The whole is sent; as it is of a file without bytes, to HEAD, and where there are two such fields."""
    data = (folder / "small").read_bytes()
    for asked in IGNORED:
        reply = way.ask("/file/small", ("Range", asked))
        assert reply.status == 200 and reply.body == data and field(reply, "Content-Range") is None, asked
    assert way.ask("/file/small", ("Range", "bytes=0-0"), ("Range", "bytes=1-1")).body == data
    head = way.ask("/file/small", ("Range", "bytes=0-0"), method="HEAD")
    assert head.status == 200 and field(head, "Content-Length") == "3000"
    empty = way.ask("/file/empty", ("Range", "bytes=0-"))
    assert empty.status == 200 and field(empty, "Content-Length") == "0" and field(empty, "ETag")


def test_no_such_range(way):
    for asked in ("3000-", "3000-3001,99999-", "-0", "99999999999999999999-"):
        reply = way.ask("/file/small", ("Range", f"bytes={asked}"))
        assert reply.status == 416, asked
        assert field(reply, "Content-Range") == "bytes */3000" and field(reply, "ETag") is None
        assert b"416" in reply.body and field(reply, "Content-Type").startswith("text/plain")
    assert way.ask("/told/small", ("Range", "bytes=3000-")).status == 416


def test_not_modified(way):
    """Nothing but what guides caches, no length, no type; and the connection goes on."""
    tag = field(way.ask("/file/small"), "ETag")
    for headers in ([("If-None-Match", tag)], [("If-None-Match", f'"x", W/{tag}')], [("If-None-Match", "*")],
                    [("If-None-Match", '"x"'), ("If-None-Match", tag)], [("If-Modified-Since", DATE_TEXT)],
                    [("If-Modified-Since", "Sun Nov  6 08:49:37 1994")], [("If-None-Match", tag), ("Range", "bytes=0-0")],
                    [("If-None-Match", tag), ("If-Modified-Since", "Sun, 06 Nov 1994 08:49:36 GMT")],
                    [("If-Match", tag), ("If-None-Match", tag)]):
        for method in ("GET", "HEAD"):
            reply = way.ask("/file/small", *headers, method=method)
            assert reply.status == 304 and not reply.body, headers
            assert all_fields(reply) == [("etag", tag), ("last-modified", DATE_TEXT)]
    assert way.ask("/file/small").status == 200


def test_failed(way):
    tag = field(way.ask("/file/big"), "ETag")
    for headers in ([("If-Match", '"x"')], [("If-Match", f"W/{tag}")], [("If-Match", "x")],
                    [("If-Unmodified-Since", "Sun, 06 Nov 1994 08:49:36 GMT")],
                    [("If-Match", '"x"'), ("If-None-Match", tag)], [("If-Match", '"x"'), ("Range", "bytes=0-0")]):
        for method in ("GET", "HEAD"):
            reply = way.ask("/file/big", *headers, method=method)
            assert reply.status == 412, headers
            assert (b"412" in reply.body) == (method == "GET") and field(reply, "ETag") is None


def test_if_range(way, folder):
    data = (folder / "big").read_bytes()
    tag = field(way.ask("/file/big"), "ETag")
    for value, good in ((tag, True), (DATE_TEXT, True), (f"W/{tag}", False), ('"x"', False), ("x", False),
                        ("Sun, 06 Nov 1994 08:49:38 GMT", False), (f"{tag}, {tag}", False)):
        reply = way.ask("/file/big", ("Range", "bytes=10-19"), ("If-Range", value))
        assert reply.status == (206 if good else 200), value
        assert reply.body == (data[10:20] if good else data)
    assert way.ask("/file/big", ("If-Range", '"x"'), ("Range", f"bytes={BIG}-")).status == 200
    assert way.ask("/file/big", ("If-Range", tag), ("Range", f"bytes={BIG}-")).status == 416


def test_other_methods(way, folder):
    """Are neither conditional nor asked for in parts."""
    reply = way.ask("/file/small", ("If-Match", '"x"'), ("Range", "bytes=0-0"), ("If-None-Match", "*"), method="POST")
    assert reply.status == 200 and reply.body == (folder / "small").read_bytes()
    assert field(reply, "ETag") is None and field(reply, "Accept-Ranges") is None


def test_what_the_handler_says(way, folder):
    """Is kept, and compared."""
    data = (folder / "small").read_bytes()
    own = "/own/small?tag=%22mine%22&date=Mon,%2007%20Nov%201994%2008:49:37%20GMT&type=text/x-own"
    reply = way.ask(own)
    assert reply.status == 200 and reply.body == data and field(reply, "X-Own") == "kept"
    assert field(reply, "ETag") == '"mine"' and field(reply, "Last-Modified") == "Mon, 07 Nov 1994 08:49:37 GMT"
    assert field(reply, "Content-Type") == "text/x-own" and field(reply, "Accept-Ranges") == "bytes"
    assert way.ask(own, ("If-None-Match", '"mine"')).status == 304
    assert way.ask(own, ("If-Match", '"mine"')).status == 200
    assert way.ask(own, ("If-Modified-Since", DATE_TEXT)).status == 200
    assert way.ask(own, ("If-Modified-Since", "Mon, 07 Nov 1994 08:49:37 GMT")).status == 304
    assert parts_of(way.ask(own, ("Range", "bytes=0-0,-1"), ("If-Range", '"mine"')), 3000, "text/x-own")
    # A type that is longer than parts' heads have room for: the whole.
    assert way.ask(f"/own/small?type=text/{'x' * 200}", ("Range", "bytes=0-0,-1")).body == data
    # No ranges are wanted.
    reply = way.ask("/own/small?ranges=none", ("Range", "bytes=0-0"))
    assert reply.status == 200 and reply.body == data and field(reply, "Accept-Ranges") == "none"
    # A page of an error, say: no conditions, and no marks by which it would be asked for again.
    reply = way.ask("/own/small?status=404", ("If-None-Match", "*"), ("Range", "bytes=0-0"))
    assert reply.status == 404 and reply.body == data and field(reply, "ETag") is None
    assert [field(way.ask("/told/small", *headers), "X-Told") for headers in (
        [], [("Range", "bytes=1-1")], [("If-None-Match", "*")], [("If-Match", '"x"')], [("Range", "bytes=3000-")])] == [
            "0 200", "0 206", "0 304", "0 412", "0 416"]


def test_changes(servers, folder):
    """A file that has just changed has a weak tag, which no range is asked for by; then a strong one, which is another."""
    path = folder / "changing"
    path.write_bytes(b"first")
    with client.Connection(servers.of("plain").address) as c:
        fresh = c.ask(path="/file/changing").header("ETag")
        assert re.fullmatch('W/"[0-9a-f]{16}-new"', fresh)
        assert c.ask(path="/file/changing", headers=[("If-None-Match", fresh)]).status == 304
        assert c.ask(path="/file/changing", headers=[("If-Match", fresh)]).status == 412
        assert c.ask(path="/file/changing", headers=[("If-Range", fresh), ("Range", "bytes=0-0")]).status == 200
        assert c.ask(path="/file/changing", headers=[("Range", "bytes=0-0")]).status == 206
        date = c.ask(path="/file/changing").header("Last-Modified")
        assert c.ask(path="/file/changing", headers=[("If-Range", date), ("Range", "bytes=0-0")]).status == 200
        future = time.time() + 3600
        os.utime(path, (future, future))
        told = email.utils.parsedate_to_datetime(c.ask(path="/file/changing").header("Last-Modified")).timestamp()
        assert told <= time.time()
        os.utime(path, (DATE, DATE))
        wait_for(lambda: not c.ask(path="/file/changing").header("ETag").startswith("W/"))
        settled = c.ask(path="/file/changing").header("ETag")
        assert c.ask(path="/file/changing", headers=[("If-None-Match", fresh)]).status == 200
        # The same size, and the time put back.
        path.write_bytes(b"other")
        os.utime(path, (DATE, DATE))
        reply = c.ask(path="/file/changing", headers=[("If-None-Match", settled)])
        assert reply.status == 200 and reply.body == b"other"
        replaced = folder / "replaced"
        replaced.write_bytes(b"third")
        replaced.rename(path)
        reply = c.ask(path="/file/changing", headers=[("If-Match", settled)])
        assert reply.status == 412


def read_after_cut(way, folder, name):
    """The reply of several ranges of a file that has become shorter while it was sent. None: it was broken off."""
    path = folder / name
    with open(path, "wb") as made:
        made.truncate(64 << 20)
    ranges = ("Range", f"bytes=0-{30 << 20},{32 << 20}-{60 << 20}")
    try:
        if way.version == "2":
            stream = way.connection.open("GET", f"/file/{name}", ("range", ranges[1]))
            way.connection.until(lambda: way.connection.reply_of(stream).received > 0)
            os.truncate(path, 1 << 20)
            reply = way.connection.reply(stream)
            return None if reply.reset else reply
        way.connection.send(client.request("GET", f"/file/{name}", headers=[ranges]), "GET")
        way.connection.fill()
        os.truncate(path, 1 << 20)
        return way.connection.reply()
    except (client.ProtocolError, OSError):
        return None
    finally:
        path.unlink()


@pytest.mark.parametrize("name", ["plain 1.1", "plain 2", "lean 1.1", "lean 2", "openssl 1.1"])
def test_a_file_that_shrinks(servers, folder, name):
    """Within a part: the reply does not look whole, and the next connection is served."""
    made = Way(servers, name)
    assert read_after_cut(made, folder, "shrinking") is None
    made.connection.close()
    assert Way(servers, name).ask("/file/small", ("Range", "bytes=0-0")).status == 206


@pytest.mark.parametrize("version", ["1.1", "2"])
def test_no_copies(folder, tmp_path, version):
    """Over plain connections ranges of a large file, also several, are sent by sendfile, all but their heads."""
    server = Servers(folder)
    trace = tmp_path / "trace"
    try:
        made = Way(server, f"plain {version}")
        with traced(made.server, "-e", "trace=sendfile,pread64,preadv2,read", "-o", str(trace)):
            one = made.ask("/file/big", ("Range", "bytes=100000-299999"))
            parts = parts_of(made.ask("/file/big", ("Range", "bytes=150000-,0-99999")), BIG)
    finally:
        server.stop()
    data = (folder / "big").read_bytes()
    assert one.body == data[100000:] and parts == [(150000, BIG - 1, data[150000:]), (0, 99999, data[:100000])]
    calls = re.findall(r"(\w+)\(.*\) += (\d+)\n", trace.read_text())
    assert sum(int(count) for name, count in calls if name == "sendfile") == 450000
    assert sum(int(count) for name, count in calls if name.startswith("pread")) < 100  # looks at what is in memory


def test_curl_goes_on(servers, folder, tmp_path):
    """A download that was cut, over each version."""
    data = (folder / "big").read_bytes()
    for option, kind in (("--http1.1", "plain"), ("--http2-prior-knowledge", "plain"), ("--http2", "lean")):
        if "http2" in option:
            skip_without_h2()
        into = tmp_path / "into"
        into.write_bytes(data[:123456])
        subprocess.run(["curl", "-ksSf", option, "-C", "-", "-o", into, f"{servers.of(kind).url}/file/big"], check=True)
        assert into.read_bytes() == data
