"""Compressed forms of small files are kept and follow the disk; and entity tags of files' contents.

Forms and digests are kept only of files that have not changed for two seconds, so the module begins by waiting for its
files to settle.

SPDX-License-Identifier: MIT
"""

import hashlib
import json
import os
import pathlib
import socket
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import client
import h2client
import pytest

from conftest import Server
from test_compression import CODINGS, LARGE, coding_of, decoded, vary_of, wait_until

SETTLED = 3.1  # seconds
TEXT = [("X-Set", "Content-Type: text/plain")]
SIZES = {"small.txt": 2000, "middle.txt": 10000, "large.txt": 200000}
OTHER = LARGE[1000:]


def write(path, data, times=None):
    path.write_bytes(data)
    if times:
        os.utime(path, ns=times)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("forms")
    for name, size in SIZES.items():
        write(folder / name, LARGE[:size])
        write(folder / f"next-{name}", OTHER[:size])
        write(folder / f"versions-{name}", LARGE[:size])
    for number in range(60):
        write(folder / f"many-{number}.txt", f"file {number}\n".encode() + os.urandom(4000).hex().encode())
    for name in ("one", "two"):
        write(folder / f"{name}.txt", LARGE[:100000])
    write(folder / "cold.txt", LARGE[:50000] * 100)
    for name in ("tag-small.txt", "tag-next.txt", "tag-put.txt"):
        write(folder / name, LARGE[:3000])
    for name, size in (("most.txt", 64 << 20), ("beyond.txt", (64 << 20) + 1)):
        write(folder / name, b"")
        os.truncate(folder / name, size)
    time.sleep(SETTLED)
    return folder


@pytest.fixture(scope="module")
def server(folder):
    server = Server("tests/programs/compressed", folder, expect=r"(?s)listening on (http://\S+)\n.*https")
    yield server
    server.stop()


@pytest.fixture
def start_compressed(start, folder):
    return lambda *settings: start("tests/programs/compressed", folder, *settings)


def ask(server, name, accept="gzip", method="GET", headers=(), group="on", kind="file", **more):
    fields = [("Accept-Encoding", accept)] if accept else []
    return server.ask(method, f"/{group}/{kind}?name={name}", headers=fields + TEXT + list(headers), **more)


def row(server, name="compressed files"):
    caches = json.loads(bytes(server.ask(path="/ledger").body))["caches"]
    return next(cache for cache in caches if cache["name"] == name)


def shown(reply):
    """What a head says of its body."""
    names = ("Content-Type", "Content-Encoding", "ETag", "Vary", "Last-Modified", "Accept-Ranges", "Content-Length")
    return {name: reply.header(name) for name in names}


def fill(server, name, **more):
    """Has the form of a file kept; the first reply that compressed it, and the first from the cache."""
    first = ask(server, name, **more)
    before = row(server)["hits"]
    second = ask(server, name, **more)
    assert row(server)["hits"] == before + 1
    return first, second


def head_of(connection):
    """What has come of a connection's replies, without waiting."""
    try:
        return connection.socket.recv(65536, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return b""


# ---- Kept forms


@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("name", SIZES)
def test_a_form_is_kept(server, name, coding):
    first, kept = fill(server, name, accept=coding)
    identity = ask(server, name, None)
    assert coding_of(first) == coding_of(kept) == coding and kept.framing == "length"
    assert decoded(kept.body, coding) == identity.body == LARGE[:SIZES[name]]
    assert kept.header("ETag") == first.header("ETag") == "W/" + identity.header("ETag")
    assert vary_of(kept) == ["Accept-Encoding"] and kept.header("Accept-Ranges") is None
    assert identity.header("Accept-Ranges") == "bytes"
    assert kept.header("Last-Modified") == identity.header("Last-Modified")
    assert int(kept.header("Content-Length")) == len(kept.body)
    head = ask(server, name, coding, "HEAD")
    assert shown(head) == shown(kept)
    with server.connect() as one:  # several on one connection: nothing is left behind a body
        for _ in range(3):
            assert one.ask(path=f"/on/file?name={name}", headers=[("Accept-Encoding", coding)] + TEXT).body == kept.body
        one.send(client.request(path=f"/on/file?name={name}", headers=[("Accept-Encoding", coding)] + TEXT) * 5, *["GET"] * 5)
        for _ in range(5):
            assert one.reply().body == kept.body


@pytest.mark.parametrize("name", SIZES)
def test_versions_of_http(server, name):
    path = f"/on/file?name=versions-{name}"
    for turn in range(3):
        hits = row(server)["hits"]
        with h2client.Connection(server.address) as two:
            fields = [("accept-encoding", "gzip"), ("x-set", "Content-Type: text/plain")]
            got, head = (two.ask(method, path, *fields) for method in ("GET", "HEAD"))
        assert decoded(got.body, "gzip") == LARGE[:SIZES[name]] and len(head.body) == 0
        old = server.ask("GET", path, headers=[("Accept-Encoding", "gzip")] + TEXT, version="1.0")
        assert decoded(old.body, "gzip") == LARGE[:SIZES[name]]
        out = []
        for version in ("--http1.1", "--http2"):
            out.append(subprocess.run(["curl", "-sSk", version, "--compressed", "-H", "Accept-Encoding: gzip", "-H", "X-Set: Content-Type: text/plain",
                                       f"https://127.0.0.1:{server.tls_port}{path}"], stdout=subprocess.PIPE, check=True).stdout)
        assert out == [LARGE[:SIZES[name]]] * 2
        if turn:
            assert row(server)["hits"] == hits + 5
            assert got.header("content-length") == head.header("content-length") == old.header("Content-Length") == str(len(got.body))


def test_conditions_and_ranges(server):
    """A 304 is of the tag that the client names; a range is of the file as it is, and so is If-Range."""
    _, kept = fill(server, "middle.txt")
    tag = kept.header("ETag")
    for asked in (tag, tag[2:], f'"x", {tag}'):
        reply = ask(server, "middle.txt", headers=[("If-None-Match", asked)])
        assert reply.status == 304 and reply.body == b"" and vary_of(reply) == ["Accept-Encoding"]
        assert reply.header("ETag") == (tag[2:] if asked == tag[2:] else tag)
    for method in ("GET", "HEAD"):
        assert ask(server, "middle.txt", method=method, headers=[("If-None-Match", '"other"')]).status == 200
        assert ask(server, "middle.txt", method=method, headers=[("If-Match", tag)]).status == 412  # a weak one matches nothing
        assert ask(server, "middle.txt", method=method, headers=[("If-Match", tag[2:])]).status == 200
    part = ask(server, "middle.txt", headers=[("Range", "bytes=100-199")])
    assert part.status == 206 and coding_of(part) == "identity" and part.body == LARGE[100:200]
    part = ask(server, "middle.txt", headers=[("Range", "bytes=100-199"), ("If-Range", tag[2:])])
    assert part.status == 206 and part.body == LARGE[100:200]
    whole = ask(server, "middle.txt", headers=[("Range", "bytes=100-199"), ("If-Range", tag)])
    assert whole.status == 200 and whole.body == kept.body
    assert ask(server, "middle.txt", headers=[("Range", "bytes=99999-")]).status == 416


def test_levels_and_settings_have_forms_of_their_own(server):
    bodies = {group: fill(server, "large.txt", group=group)[1].body for group in ("low", "high")}
    assert len(bodies["low"]) > len(bodies["high"])
    for group, body in bodies.items():
        assert ask(server, "large.txt", group=group).body == body
    assert ask(server, "large.txt", group="high", headers=[("X-Set", "Content-Language: de")]).body == bodies["high"]


def test_what_is_not_sent_from_the_cache(server):
    """What would not be compressed, or is no file's: whatever is kept."""
    fill(server, "middle.txt")
    before = row(server)
    for headers in ([("X-Set", "Cache-Control: no-transform")], [("X-Set", "Content-Encoding: identity")], [("X-Status", "206")],
                    [("X-Set", "Content-Digest: sha-256=:x:")]):
        reply = ask(server, "middle.txt", headers=headers)
        assert reply.body == LARGE[:10000], headers
    assert ask(server, "middle.txt", "identity").body == ask(server, "middle.txt", "gzip;q=0").body == LARGE[:10000]
    assert coding_of(server.ask("GET", "/on/file?name=middle.txt", headers=[("Accept-Encoding", "gzip")])) == "identity"  # its type
    assert ask(server, "none.txt").status == 404
    assert row(server) == before


@pytest.mark.parametrize("name", SIZES)
def test_follows_the_disk(server, folder, name):
    """A file that is replaced, by a name or in place with its time put back, is seen by the next request."""
    path = folder / f"next-{name}"
    _, kept = fill(server, path.name)
    times = (path.stat().st_atime_ns, path.stat().st_mtime_ns)
    tags = {kept.header("ETag")}
    for number, change in enumerate(("in place", "by name", "longer", "in place")):
        data = f"{change} {number} ".encode() + LARGE[:SIZES[name]]
        if change != "longer":
            data = data[:SIZES[name]]
        if change == "by name":
            write(folder / "aside", data, times)
            os.replace(folder / "aside", path)
        else:
            write(path, data, times)
        entries = row(server)["entries"]
        for _ in range(2):
            reply = ask(server, path.name)
            assert decoded(reply.body, "gzip") == data
            tags.add(reply.header("ETag"))
        assert row(server)["entries"] == entries  # it has not settled
    assert len(tags) == 5
    os.unlink(path)
    assert ask(server, path.name).status == 404
    write(path, OTHER[:SIZES[name]])
    assert decoded(ask(server, path.name).body, "gzip") == OTHER[:SIZES[name]]


def test_the_bound(start_compressed):
    """What has been kept stays within its bound, and what was not asked for lately gives way."""
    server = start_compressed("kept_compressed_memory=131072")
    bodies = {}
    for turn in range(2):
        for number in range(60):
            name = f"many-{number}.txt"
            reply = ask(server, name)
            assert decoded(reply.body, "gzip").startswith(f"file {number}\n".encode())
            bodies.setdefault(name, decoded(reply.body, "gzip"))
            assert decoded(reply.body, "gzip") == bodies[name]
            assert row(server)["bytes"] <= 131072
    found = row(server)
    assert found["evictions"] > 0 and 0 < found["entries"] < 60
    fill(server, "many-1.txt")


def test_workers_share_forms(start_compressed):
    """Whichever worker makes a form, and however many ask at once; within a bound that is too small for all."""
    server = start_compressed("workers=4", "kept_compressed_memory=131072")
    names = [f"many-{number}.txt" for number in range(30)] + list(SIZES)
    expected = {name: ask(server, name, None).body for name in names}

    def one(number):
        name, coding = names[number % len(names)], CODINGS[number % 2]
        path = "/tags/file" if number % 5 == 0 else "/on/file"
        reply = server.ask("GET", f"{path}?name={name}", headers=[("Accept-Encoding", coding)] + TEXT)
        return reply.status == 200 and decoded(reply.body, coding) == expected[name]

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(one, range(600)))
    assert row(server)["bytes"] <= 131072
    fill(server, "many-1.txt")  # and forms are still found


def test_forms_give_way(start_compressed):
    """Where memory is short for requests, the forms make room. Of four routes, since none is given all of it."""
    server = start_compressed("memory_limit=25165824")
    for number in range(60):
        ask(server, f"many-{number}.txt")
    before = row(server)
    assert before["entries"] == 60
    crowd = [server.connect() for _ in range(400)]
    for number, one in enumerate(crowd):
        one.send(client.request(path=("/on/hang", "/low/hang", "/high/hang", "/all/hang")[number % 4]), "GET")
    wait_until(lambda: all(head_of(one) for one in crowd))
    for one in crowd:
        one.close()
    wait_until(lambda: server.ask(path="/ledger").status == 200)
    after = row(server)
    assert after["evictions"] >= before["evictions"] + 60 and after["entries"] == 0 and after["bytes"] < before["bytes"]
    fill(server, "many-1.txt")


@pytest.mark.parametrize("setting", ["kept_compressed_memory=-1", "memory_limit=0"])
def test_off(start_compressed, setting):
    server = start_compressed(setting)
    caches = json.loads(bytes(server.ask(path="/ledger").body))["caches"]
    assert ("compressed files" in [cache["name"] for cache in caches]) == (setting == "memory_limit=0")
    for _ in range(2):
        assert decoded(ask(server, "middle.txt").body, "gzip") == LARGE[:10000]


def test_a_client_that_leaves(start_compressed):
    """One reply makes the form; others meanwhile compress for themselves; and when its client goes, the next one makes
    it."""
    server = start_compressed("http_buffer_size=4096")
    with server.connect(receive_buffer=4096) as slow:
        slow.send(client.request(path="/on/file?name=large.txt", headers=[("Accept-Encoding", "gzip")] + TEXT) * 40, *["GET"] * 40)
        slow.fill()
        for _ in range(3):
            assert decoded(ask(server, "large.txt").body, "gzip") == LARGE[:200000]
    ledger = lambda: json.loads(bytes(server.ask(path="/ledger").body))
    wait_until(lambda: all(a["objects"] == 0 for a in ledger()["memory"]["accounts"] if a["name"] == "compression"))
    ask(server, "large.txt")
    fill(server, "large.txt")


# ---- Tags of contents


def tag_of(data):
    return f'"{hashlib.sha256(data).hexdigest()[:32]}"'


@pytest.mark.parametrize("version", ["1.1", "2"])
def test_tags_are_of_contents(server, version):
    def tag(path, *fields):
        if version == "2":
            with h2client.Connection(server.address) as two:
                return two.ask("GET", path, *fields).header("etag")
        return server.ask("GET", path, headers=list(fields)).header("ETag")

    for name, data in (("one.txt", LARGE[:100000]), ("two.txt", LARGE[:100000]), ("middle.txt", LARGE[:10000]), ("most.txt", bytes(64 << 20))):
        for _ in range(2):
            assert tag(f"/site/{name}") == tag(f"/tags/file?name={name}") == tag_of(data)
        assert tag(f"/tags/state/{name}") != tag_of(data) and tag(f"/plain/file?name={name}") == tag(f"/tags/state/{name}")
    for _ in range(2):
        assert tag("/tags/file?name=middle.txt", ("accept-encoding", "gzip"), ("x-set", "Content-Type: text/plain")) == "W/" + tag_of(LARGE[:10000])
    assert len(tag("/site/beyond.txt")) == 18 and tag("/site/beyond.txt") == tag("/plain/file?name=beyond.txt")


def test_conditions_by_content(server):
    tag = tag_of(LARGE[:100000])
    for name in ("one.txt", "two.txt"):
        assert ask(server, name, None, headers=[("If-None-Match", tag)], group="tags").status == 304
        encoded = ask(server, name, headers=[("If-None-Match", "W/" + tag)], group="tags")
        assert encoded.status == 304 and encoded.header("ETag") == "W/" + tag
        assert ask(server, name, None, "HEAD", headers=[("If-Match", tag)], group="tags").header("ETag") == tag
        assert ask(server, name, None, headers=[("If-Match", '"other"')], group="tags").status == 412
        part = ask(server, name, None, headers=[("Range", "bytes=5-9"), ("If-Range", tag)], group="tags")
        assert part.status == 206 and part.body == LARGE[5:10] and part.header("ETag") == tag
        assert ask(server, name, None, headers=[("Range", "bytes=5-9"), ("If-Range", '"other"')], group="tags").status == 200


def test_a_content_is_read_once(server):
    """Of many that ask for a version at once one reads it, and the others wait for that."""
    before = row(server, "file digests")
    with ThreadPoolExecutor(12) as pool:
        replies = list(pool.map(lambda _: server.ask("HEAD", "/site/cold.txt"), range(24)))
    assert {reply.header("ETag") for reply in replies} == {tag_of(LARGE[:50000] * 100)}
    after = row(server, "file digests")
    assert after["misses"] == before["misses"] + 1 and after["entries"] == before["entries"] + 1


def test_tags_follow_the_disk(server, folder):
    path = folder / "tag-next.txt"
    old = path.read_bytes()
    ask_tag = lambda: server.ask("HEAD", f"/site/{path.name}").header("ETag")
    assert ask_tag() == tag_of(old)
    times = (path.stat().st_atime_ns, path.stat().st_mtime_ns)
    write(path, OTHER[:3000], times)
    assert ask_tag().startswith('W/"') and ask_tag().endswith('-new"')  # until it has settled
    wait_until(lambda: not ask_tag().startswith("W/"))
    assert ask_tag() == tag_of(OTHER[:3000])
    write(folder / "aside", old)
    os.replace(folder / "aside", path)
    wait_until(lambda: not ask_tag().startswith("W/"))
    assert ask_tag() == tag_of(old)  # as the copy before had


def test_an_upload_is_compared_by_content(server, folder):
    path = "/tags/saved/tag-put.txt"
    tag = tag_of(LARGE[:3000])
    assert server.ask("PUT", path, headers=[("If-Match", '"other"')], body=b"new").status == 412
    assert server.ask("PUT", path, headers=[("If-None-Match", tag)], body=b"new").status == 412
    assert server.ask("PUT", path, headers=[("If-Match", tag)], body=b"new").status == 204
    assert (folder / "tag-put.txt").read_bytes() == b"new"


def test_clients_that_leave_while_a_content_is_read(start_compressed, folder):
    """Descriptors come back, and the next request gets its tag."""
    server = start_compressed()
    fds = lambda: len(list(pathlib.Path(f"/proc/{server.pid}/fd").iterdir()))
    server.ask("GET", "/ledger")
    server.ask("HEAD", "/site/cold.txt")
    before = fds()
    crowd = [server.connect() for _ in range(8)]
    for one in crowd:
        one.send(client.request(path="/site/most.txt"), "GET")
    for one in crowd:
        one.close()
    assert server.ask("HEAD", "/site/most.txt").header("ETag") == tag_of(bytes(64 << 20))
    wait_until(lambda: fds() <= before)
