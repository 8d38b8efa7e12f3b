"""Request bodies that are saved to files: over every version and transport, broken off, against each other, onto full
disks, with names that lead elsewhere. The folder is looked at each time: nothing but whole files is ever left.

SPDX-License-Identifier: MIT
"""

import base64
import contextlib
import ctypes
import hashlib
import json
import os
import random
import resource
import signal
import socket
import struct
import subprocess
import threading
import time

import pytest

import h2client
import secure
from client import Connection, request
from conftest import BUILD, SANITIZE, Server
from faults import LIBC, RESET, wait_for
from h2frames import rst_stream

NUMBERS = random.Random(7)
BODY = NUMBERS.randbytes(300_000)
SIZES = [0, 1, 8191, 8192, 8193, 65536, 262145, len(BODY)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("uploads")


@pytest.fixture(scope="module")
def server(folder):
    """tests/programs/uploads.c, which has a TLS listener where that is built in."""
    server = Server("tests/programs/uploads", folder)
    yield server
    server.stop()


@pytest.fixture
def empty(folder):
    """The folder, empty before and afterwards but for what the test knows of."""
    for path in folder.iterdir():
        path.unlink()
    return folder


@pytest.fixture(scope="module")
def tour(tmp_path_factory, authority, pair):
    """The tour with https and a folder for uploads."""
    base = tmp_path_factory.mktemp("tour")
    (base / "up").mkdir()
    for name in ("large.bin", "large_dataset.csv"):
        (base / name).write_bytes(b"x")
    server = Server("examples/tour", "--port", 0, "--tls-port", 0, "--cert", pair.certificate, "--key", pair.key, "--root", base,
                    "--upload-dir", base / "up", "--quiet", expect=r"(?s)listening on (http://\S+)\n.*https://")
    server.secure_port = int(server.output.rpartition(":")[2])
    server.folder = base / "up"
    yield server
    server.stop()


def names(folder):
    return sorted(os.listdir(folder))


def put(server, path, body=BODY, headers=()):
    return server.ask("PUT", path, body=body, headers=headers)


def held(server):
    """Descriptors, but for pipes between uploads, which stay for a second."""
    links = (f"/proc/{server.pid}/fd/{fd}" for fd in os.listdir(f"/proc/{server.pid}/fd"))
    count = 0
    for link in links:
        with contextlib.suppress(OSError):
            count += "pipe:" not in os.readlink(link)
    return count


def refusals(server):
    return {name: count for name, count in json.loads(server.ask(path="/ledger").text())["refusals"].items() if count}


def digest(name, body):
    return f"{name}=:{base64.b64encode(hashlib.new(name.replace('-', ''), body).digest()).decode()}:"


# ---- What is saved


@pytest.mark.parametrize("size", SIZES)
def test_by_length(server, empty, size):
    """By a pipe, but for what comes with the head."""
    assert put(server, "/save/it", BODY[:size]).text() == f"{size} 0 0"
    assert (empty / "it").read_bytes() == BODY[:size]
    reply = put(server, "/save/it", BODY[:size][::-1])
    assert (reply.status, reply.text()) == (200, f"{size} 1 0")
    assert (empty / "it").read_bytes() == BODY[:size][::-1]
    assert names(empty) == ["it"]


def test_chunked(server, empty):
    pieces = [BODY[at : at + 7777] for at in range(0, len(BODY), 7777)]
    assert put(server, "/save/it", pieces).text() == f"{len(BODY)} 0 0"
    assert (empty / "it").read_bytes() == BODY


@pytest.mark.parametrize("size", SIZES)
def test_http2(server, empty, size):
    with h2client.Connection(server.address) as connection:
        reply = connection.ask("PUT", "/save/it", body=BODY[:size])
        assert (reply.status, reply.text()) == (201, f"{size} 0 0")
    assert (empty / "it").read_bytes() == BODY[:size]


def test_in_drops(server, empty):
    """Pieces of every size, each on its own; and the next request lies behind the body's last bytes."""
    with server.connect() as connection:
        connection.send(request("PUT", "/save/it", {"Content-Length": str(len(BODY))}), "PUT")
        at = 0
        for size in [1, 2, 100, 5000, 9000, 70000, 1, 1, 40000, 99999]:
            connection.send(BODY[at : at + size])
            at += size
            time.sleep(0.002)
        connection.send(BODY[at:] + request("PUT", "/save/other", body=b"behind") + request("GET", "/"), "PUT", "GET")
        assert [connection.reply().text() for _ in range(3)] == [f"{len(BODY)} 0 0", "6 0 0", "hello"]
    assert (empty / "it").read_bytes() == BODY
    assert (empty / "other").read_bytes() == b"behind"


def test_goes_on(server, empty):
    """What the handler has read before is not saved."""
    for body in (BODY, [BODY[:1], BODY[1:]]):
        assert put(server, "/save/it?peek=1", body).status in (200, 201)
        assert (empty / "it").read_bytes() == BODY[1:]


def test_read_before(server, empty):
    """What weir_body() has read is saved, and its digest looked at."""
    body = BODY[:3000]
    digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
    assert put(server, "/save/it?whole=1", body).status in (200, 201) and (empty / "it").read_bytes() == body
    fields = {"Content-Digest": f"sha-256=:{digest}:"}
    assert put(server, "/save/it?whole=1", body, headers=fields).status == 200 and (empty / "it").read_bytes() == body


def test_part(server, empty):
    """A part does not take the place of the whole."""
    put(server, "/save/it", b"whole")
    assert put(server, "/save/it", b"le", headers={"Content-Range": "bytes 3-4/5"}).status == 400
    assert (empty / "it").read_bytes() == b"whole"


def test_conditions(server, empty):
    """What is replaced is what the client means; else nothing is read, and nothing changed."""
    def save(body, **fields):
        return put(server, "/save/it", body, headers={name.replace("_", "-"): value for name, value in fields.items()}).status

    assert save(b"first", If_Match="*") == 412 and names(empty) == []
    assert save(b"first", If_None_Match="*") in (200, 201)
    assert save(b"second", If_None_Match="*") == 412 and (empty / "it").read_bytes() == b"first"
    os.utime(empty / "it", (1e9, 1e9))
    assert save(b"second", If_Unmodified_Since="Sat, 08 Sep 2001 01:46:39 GMT") == 412
    assert save(b"second", If_Unmodified_Since="Sun, 09 Sep 2001 01:46:40 GMT") == 200
    assert save(b"third", If_Match='"another"') == 412 and (empty / "it").read_bytes() == b"second"
    assert save(b"third", If_Match="*") == 200


def test_condition_of_many_at_once(start, tmp_path):
    """Of all who would replace one state of a file, one does; the others are told, however close they are."""
    server = start("tests/programs/uploads", tmp_path)
    count = 8
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(server.connect()) for _ in range(count)]
        for turn in range(10):
            (tmp_path / "it").write_bytes(b"%d" % turn)
            os.utime(tmp_path / "it", (1e9 + turn, 1e9 + turn))
            condition = {"If-Unmodified-Since": "Sun, 09 Sep 2001 01:47:40 GMT"}
            for i, connection in enumerate(connections):
                body = bytes([i]) * 1000
                connection.send(request("PUT", "/save/it", {**condition, "Content-Length": "1000"}) + body[:-1], "PUT")
            for i, connection in enumerate(connections):
                connection.send(bytes([i]))
            statuses = [connection.reply().status for connection in connections]
            assert sorted(statuses) == [200] + [412] * (count - 1)
            assert (tmp_path / "it").read_bytes() == bytes([statuses.index(200)]) * 1000
    assert names(tmp_path) == ["it"]


def test_condition_that_ends_while_the_body_comes(server, empty):
    """Somebody else makes the file meanwhile."""
    with server.connect() as connection:
        head = request("PUT", "/save/it", {"Content-Length": str(len(BODY)), "If-None-Match": "*", "Expect": "100-continue"})
        connection.send(head, "PUT")
        assert connection.reply().status == 100
        (empty / "it").write_bytes(b"theirs")
        connection.send(BODY)
        assert connection.reply().status == 412
    assert (empty / "it").read_bytes() == b"theirs" and names(empty) == ["it"]


def test_continue(server, empty):
    """Who waits for it is told to go on when the file can be made, and not before."""
    with server.connect() as connection:
        connection.send(request("PUT", "/save/it", {"Content-Length": str(len(BODY)), "Expect": "100-continue"}), "PUT")
        assert connection.reply().status == 100
        connection.send(BODY)
        assert connection.reply().status == 201
    for path, status in (("missing/it", 404), ("it?exclusive=1", 409)):
        with server.connect() as connection:
            head = {"Content-Length": str(len(BODY)), "Expect": "100-continue"}
            connection.send(request("PUT", f"/save/{path}", head), "PUT")
            reply = connection.reply()
            if path.startswith("it") and reply.status == 100:  # known when the file gets its name
                connection.send(BODY)
                reply = connection.reply()
            assert reply.status == status
    assert names(empty) == ["it"]


CURL = {
    "http1": ["--http1.1"],
    "chunked": ["--http1.1", "-H", "Transfer-Encoding: chunked"],
    "h2c": ["--http2-prior-knowledge"],
    "tls": ["--http1.1", "tls"],
    "h2": ["tls"],
}


@pytest.mark.parametrize("way", CURL)
def test_curl(tour, authority, tmp_path, way):
    """PUT /upload/{name} of the tour by `curl -T`, which asks for 100 Continue: 201, and 204 for the second."""
    (tmp_path / "file").write_bytes(BODY * 10)
    options, url = CURL[way], tour.url
    if "tls" in options:
        options = [option for option in options if option != "tls"] + ["--cacert", str(authority.pair.certificate)]
        url = f"https://localhost:{tour.secure_port}"
    for status in ("201", "204"):
        got = subprocess.run(["curl", "-sS", "--max-time", "60", "-o", os.devnull, "-w", "%{http_code}", *options, "-T", tmp_path / "file",
                              f"{url}/upload/{way}.bin"], capture_output=True, text=True, check=True)
        assert got.stdout == status
    assert (tour.folder / f"{way}.bin").read_bytes() == BODY * 10
    assert not [name for name in names(tour.folder) if name.startswith(".")]


def test_nowhere(start_tour):
    """A tour without a folder for uploads."""
    assert put(start_tour(), "/upload/it").status == 404


def test_options(server, empty):
    """Folders are made, files get their bits, nothing is replaced: as the options say, and not else."""
    assert put(server, "/save/a/b/it").status == 404
    assert names(empty) == []
    assert put(server, "/save/a/b/it?folders=1&sync=1").status == 201
    assert (empty / "a" / "b" / "it").read_bytes() == BODY
    for path in ((empty / "a" / "b" / "it").unlink, (empty / "a" / "b").rmdir, (empty / "a").rmdir):
        path()
    assert put(server, f"/save/it?mode={0o640}&sync=1").status == 201
    assert (empty / "it").stat().st_mode & 0o777 == 0o640 & ~umask()
    assert put(server, "/save/it?exclusive=1", b"other").status == 409
    assert put(server, "/save/it/below", b"other").status == 404
    (empty / "folder").mkdir()
    assert put(server, "/save/folder", b"other").status == 409
    assert put(server, "/save/", b"other").status == 404
    assert put(server, "/save/folder/", b"other").status == 500  # a mistake of the program's: a path with no name
    (empty / "folder").rmdir()
    assert (empty / "it").read_bytes() == BODY
    assert names(empty) == ["it"]


def umask():
    now = os.umask(0)
    os.umask(now)
    return now


# ---- What is not


def test_limit(server, empty):
    """An announced length beyond the limit is refused before the client is told to send; a body of unknown length when
    it gets there."""
    assert put(server, "/save/it?limit=300000").status == 201
    (empty / "it").unlink()
    with server.connect() as connection:
        connection.send(request("PUT", "/save/it?limit=299999", {"Content-Length": "300000", "Expect": "100-continue"}), "PUT")
        assert connection.reply().status == 413
    with h2client.Connection(server.address) as connection:
        assert connection.ask("PUT", "/save/it?limit=299999", body=BODY).status == 413
    assert put(server, "/save/it?limit=1000", [BODY[:600], BODY[:401]]).status == 413
    assert names(empty) == []


def test_digest(server, empty):
    """A Content-Digest is checked (RFC 9530), also where the body could have gone by a pipe."""
    before = refusals(server).get("content_digest", 0)
    for name in ("sha-256", "sha-512"):
        good = {"Content-Digest": digest(name, BODY)}
        assert put(server, "/save/good", headers=good).text().endswith(" 1")
        assert put(server, "/save/good", [BODY[:5], BODY[5:]], good).text().endswith(" 1")
        assert put(server, "/save/good?digest=1", headers=good).status == 200
        for body in (BODY[:-1] + bytes([BODY[-1] ^ 1]), b"", BODY * 2):
            with server.connect() as connection:
                reply = connection.ask("PUT", "/save/bad", body=body, headers=good)
                assert reply.status == 400 and "peer broke" in reply.text()
                assert connection.ask(path="/").status == 200  # the connection goes on
    both = digest("sha-512", BODY) + ", " + digest("sha-256", b"other")
    assert put(server, "/save/good", headers={"Content-Digest": both}).status == 200
    lines = [("Content-Digest", digest("sha-256", BODY)), ("Content-Digest", digest("sha-512", b""))]
    assert put(server, "/save/bad", headers=lines).status == 400
    for wrong in ("sha-256", "sha-256=:YWJj:", 'sha-512="x"', "sha-256=:" + "!" * 44 + ":"):
        assert put(server, "/save/bad", headers={"Content-Digest": wrong}).status == 400
    assert put(server, "/save/bad?digest=1").status == 400
    assert put(server, "/save/bad?digest=1", headers={"Content-Digest": "md5=:YWJj:"}).status == 400
    assert put(server, "/save/good", headers={"Content-Digest": "md5=:YWJj:"}).text().endswith(" 0")
    with h2client.Connection(server.address) as connection:
        assert connection.ask("PUT", "/save/bad", ("content-digest", digest("sha-256", b"")), body=BODY).status == 400
    assert names(empty) == ["good"]
    assert refusals(server)["content_digest"] - before == 6 + 1 + 4 + 2 + 1


TRAVERSAL = ["../it", "..%2fit", "%2e%2e/it", "%2e%2e%2fit", "a/../../it", "a%2f..%2f..%2fit", "%2fetc%2fit", "/etc/it", "//it", "out/it",
             "out%2fit", "absolute/it", "in/../../it", "./../it", "..", "%2e%2e", ".", "in/..", "out", "in/", "..%2f..%2f..%2fit", "..\\it",
             "%5c..%5cit", "...", "..;/it", "it%00.txt", "%c0%ae%c0%ae/it", "a" * 256]


def test_names(start, tmp_path):
    """Whatever a name says, nothing is made or changed outside of the root, with folders made on the way or not."""
    root = tmp_path / "root"
    (root / "in").mkdir(parents=True)
    (root / "out").symlink_to("..")
    (root / "absolute").symlink_to(tmp_path)
    (root / "victim").symlink_to(tmp_path / "victim")
    (tmp_path / "victim").write_text("as it was")
    server = start("tests/programs/uploads", root)
    for name in TRAVERSAL:
        for query in ("", "?folders=1"):
            path = f"/save/{name}{query}"
            reply = server.ask("PUT", path, body=b"x")
            assert reply.status in (201, 200, 400, 403, 404, 405, 409, 500), name
            assert names(tmp_path) == ["root", "victim"], name
    assert put(server, "/save/victim").status == 200  # the link is replaced, not followed
    assert (tmp_path / "victim").read_text() == "as it was"
    assert (root / "victim").read_bytes() == BODY and not (root / "victim").is_symlink()


# ---- Broken off


def broken_http1(server, path, how, chunked=False):
    with server.connect() as connection:
        head = {"Transfer-Encoding": "chunked"} if chunked else {"Content-Length": "1000000"}
        connection.send(request("PUT", path, head), "PUT")
        connection.send((b"493e0\r\n" if chunked else b"") + BODY)
        if how == "reset":
            connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        elif how == "half":
            connection.socket.shutdown(socket.SHUT_WR)
            assert connection.reply().status == 400


def broken_http2(server, path, how):
    with h2client.Connection(server.address) as connection:
        stream = connection.open("PUT", path, end=False)
        connection.send_body(stream, BODY, end=False)
        if how == "reset":
            connection.send(rst_stream(stream))
            connection.roundtrip()


def test_broken_off(start, tmp_path):
    """Whoever goes in the middle leaves nothing: no file, no descriptor, no pipe with bytes in it for the next one."""
    server = start("tests/programs/uploads", tmp_path)
    put(server, "/save/it")
    before = held(server)
    for how in ("close", "reset", "half"):
        broken_http1(server, "/save/new", how)
        broken_http1(server, "/save/it", how)
        broken_http1(server, "/save/new", how, chunked=True)
    h2_ways = ("close", "reset")
    for how in h2_ways:
        with contextlib.suppress(h2client.ProtocolError):
            broken_http2(server, "/save/new", how)
    assert put(server, "/save/other", BODY[::-1]).status == 201
    assert names(tmp_path) == ["it", "other"]
    assert (tmp_path / "it").read_bytes() == BODY
    assert (tmp_path / "other").read_bytes() == BODY[::-1]
    wait_for(lambda: held(server) <= before, lambda: f"{held(server)} descriptors, {before} before")


def begin(server, path, sent=100_000):
    """A connection with an upload under way, of which so many bytes are there."""
    connection = server.connect()
    connection.send(request("PUT", path, {"Content-Length": str(len(BODY))}) + BODY[:sent], "PUT")
    return connection


def under_way(server, count):
    """Waits until so many files are being written."""
    def look():
        links = [f"/proc/{server.pid}/fd/{fd}" for fd in os.listdir(f"/proc/{server.pid}/fd")]
        sizes = []
        for link in links:
            with contextlib.suppress(OSError):
                if "(deleted)" in os.readlink(link):
                    sizes.append(os.stat(link).st_size)
        return sum(size > 0 for size in sizes) == count
    wait_for(look, "the files are not being written")


def test_killed(start, tmp_path):
    """A process that dies leaves nothing of what was not whole."""
    server = start("tests/programs/uploads", tmp_path)
    connections = [begin(server, f"/save/it-{i}") for i in range(3)]
    under_way(server, 3)
    server.process.send_signal(signal.SIGKILL)
    server.process.wait()
    assert names(tmp_path) == []
    for connection in connections:
        connection.close()


def test_stopped(start, tmp_path):
    """A stop waits for uploads, as long as it waits for anything, and cuts them then."""
    server = start("tests/programs/uploads", tmp_path, "stop_timeout_ms=300")
    first, second = begin(server, "/save/whole"), begin(server, "/save/half")
    under_way(server, 2)
    server.process.send_signal(signal.SIGTERM)
    first.send(BODY[100_000:])
    assert first.reply().status == 201
    server.process.wait(30)
    server.check_end()
    assert names(tmp_path) == ["whole"]
    first.close()
    second.close()


def test_timed_out(start, tmp_path):
    """A body that stops coming, and a handler that is over its time: 408 and 503, and nothing is left."""
    for setting, status in (("body_timeout_ms=150", 408), ("handler_timeout_ms=150", 503)):
        server = start("tests/programs/uploads", tmp_path, setting)
        before = held(server)
        with begin(server, "/save/it") as connection:
            assert connection.reply().status == status
        wait_for(lambda: held(server) <= before, "a descriptor is left")
    assert names(tmp_path) == []


def test_folders_go_with_what_is_broken_off(start, tmp_path):
    """Folders that an upload has made are gone when it is, unless others have put something there."""
    server = start("tests/programs/uploads", tmp_path)
    (tmp_path / "there").mkdir()
    for path in ("a/b/c/it", "there/b//it", "it/a/it"):
        with begin(server, f"/save/{path}?folders=1"):
            under_way(server, 1)
            assert (tmp_path / path).parent.is_dir()
        wait_for(lambda: names(tmp_path) == ["there"] and names(tmp_path / "there") == [])
    assert put(server, "/save/a/b/it?folders=1&limit=10").status == 413 and names(tmp_path) == ["there"]
    assert hand(server, "a/b/it", "+10d", "&folders=1") == "0 0 0" and names(tmp_path) == ["there"]
    with begin(server, "/save/a/b/it?folders=1"):
        under_way(server, 1)
        assert put(server, "/save/a/other?folders=1").status == 201
    wait_for(lambda: names(tmp_path / "a") == ["other"])


def test_folder_that_another_removes(start, tmp_path):
    """An upload into a folder that another one has made, and takes away when it breaks off: it makes the folder anew."""
    server = start("tests/programs/uploads", tmp_path)
    with begin(server, "/save/a/b/first?folders=1"):
        under_way(server, 1)
        second = begin(server, "/save/a/b/second?folders=1")
        under_way(server, 2)
    wait_for(lambda: names(tmp_path) == [])
    second.send(BODY[100_000:])
    assert second.reply().status == 201
    second.close()
    assert (tmp_path / "a/b/second").read_bytes() == BODY


# ---- At once


def test_one_name(start, tmp_path):
    """Many at once for one name: each is whole, the last one stays, and one has made the file."""
    server = start("tests/programs/uploads", tmp_path)
    count = 12
    bodies = [bytes([i]) * len(BODY) for i in range(count)]
    connections = [server.connect() for _ in range(count)]
    for connection, body in zip(connections, bodies):
        connection.send(request("PUT", "/save/it", {"Content-Length": str(len(body))}) + body[:150_000], "PUT")
    under_way(server, count)
    for connection, body in zip(connections, bodies):
        connection.send(body[150_000:])
    replies = [connection.reply() for connection in connections]
    assert sorted(reply.status for reply in replies) == [200] * (count - 1) + [201]
    assert (tmp_path / "it").read_bytes() in bodies
    assert names(tmp_path) == ["it"]
    # And of those that replace nothing one is right.
    for connection, body in zip(connections, bodies):
        connection.send(request("PUT", "/save/only?exclusive=1", body=body), "PUT")
    replies = [connection.reply() for connection in connections]
    assert sorted(reply.status for reply in replies) == [201] + [409] * (count - 1)
    assert (tmp_path / "only").read_bytes() == bodies[[reply.status for reply in replies].index(201)]
    for connection in connections:
        connection.close()


@pytest.mark.skipif(bool(SANITIZE), reason="the sanitizer's own functions hide those that are preloaded")
def test_slow_disk(start, tmp_path):
    """Where writing takes time, other threads do it: by pipes as long as there are some, else from the buffer. Each
    file gets its own bytes, and small requests are served meanwhile."""
    server = start("tests/programs/uploads", tmp_path, environment={"LD_PRELOAD": str(BUILD / "tests/tools/lib_slow_disk.so")})
    count = 8
    bodies = [bytes([i]) * len(BODY) for i in range(count)]
    before = json.loads(server.ask(path="/ledger").text())["offload"]["jobs"]
    connections = [server.connect() for _ in range(count)]
    for connection, body in zip(connections, bodies):
        connection.send(request("PUT", f"/save/it-{body[0]}", body=body), "PUT")
    for _ in range(20):
        assert server.ask().text() == "hello"
    assert [connection.reply().status for connection in connections] == [201] * count
    with h2client.Connection(server.address) as connection:
        assert connection.ask("PUT", "/save/h2", body=BODY).status == 201
    assert (tmp_path / "h2").read_bytes() == BODY
    for body in bodies:
        assert (tmp_path / f"it-{body[0]}").read_bytes() == body
    jobs = json.loads(server.ask(path="/ledger").text())["offload"]["jobs"] - before
    assert jobs > 4 * count, jobs  # making and naming a file is two; the others wrote
    assert len([fd for fd in os.listdir(f"/proc/{server.pid}/fd") if "pipe:" in os.readlink(f"/proc/{server.pid}/fd/{fd}")]) <= 8 + 1
    for connection in connections:
        connection.close()


@pytest.mark.skipif(bool(SANITIZE), reason="the sanitizer's own functions hide those that are preloaded")
def test_slow_disk_holds_no_worker(start, tmp_path):
    """Not even once, nor after a pause: the first write is another thread's, and tells."""
    environment = {"LD_PRELOAD": str(BUILD / "tests/tools/lib_slow_disk.so"), "SLOW_DISK_LOG": str(tmp_path / "log")}
    (tmp_path / "root").mkdir()
    server = start("tests/programs/uploads", tmp_path / "root", environment=environment)
    for _ in range(2):
        for body in (BODY, [BODY]):
            assert put(server, "/save/it", body).status in (200, 201)
        assert hand(server, "other", "+9999c") in ("0 0 0", "0 0 1")
        time.sleep(1.2)  # what is known of the disk is forgotten
    threads = (tmp_path / "log").read_text().split()
    assert len(threads) > 8 and server.ask(path="/thread").text() not in threads


# ---- Full disks


@pytest.fixture
def small_disk(tmp_path):
    """A file system of a megabyte."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if LIBC.mount(b"small", str(folder).encode(), b"tmpfs", 0, b"size=1m") != 0:
        pytest.skip(f"mount: {os.strerror(ctypes.get_errno())}")
    yield folder
    LIBC.umount2(str(folder).encode(), 2)


def test_full_disk(start, small_disk):
    server = start("tests/programs/uploads", small_disk)
    large = BODY * 5
    for body in (large, [large]):
        with server.connect() as connection:
            with contextlib.suppress(OSError):
                connection.send(request("PUT", "/save/it?sync=1", body=body), "PUT")
            assert connection.reply().status == 507
    with h2client.Connection(server.address) as connection:
        assert connection.ask("PUT", "/save/it", body=large).status == 507
    assert server.ask(path="/hand/it?steps=%2B2000000c").text() == "0 -17 -17"
    assert put(server, "/save/small").status == 201  # what was written of the others takes no room any more
    assert names(small_disk) == ["small"]


@pytest.mark.parametrize("way", ["pipe", "buffer", "h2", "hand"])
def test_size_of_files(start, tmp_path, way):
    """A limit on the size of files (ulimit -f), of which the kernel would tell by a signal that ends the process."""
    server = start("tests/programs/uploads", tmp_path)
    resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (200_000, 200_000))
    if way == "h2":
        with h2client.Connection(server.address) as connection:
            assert connection.ask("PUT", "/save/it", body=BODY).status == 507
    elif way == "hand":
        assert hand(server, "it", "+300000c") == "0 -17 -17"
    else:
        assert put(server, "/save/it", BODY if way == "pipe" else [BODY]).status == 507
    assert put(server, "/save/small", BODY[:200_000]).status == 201
    assert names(tmp_path) == ["small"]


# ---- By hand


def hand(server, path, steps, more=""):
    return server.ask(path=f"/hand/{path}?steps={steps.replace('+', '%2B')}{more}").text()


def test_by_hand(server, empty):
    alphabet = (b"abcdefghijklmnopqrstuvwxyz" * 158)[:4096]
    assert hand(server, "it", "+10@100+5@5+2c") == "0 0 0 0 0 0 0"
    assert (empty / "it").read_bytes() == alphabet[:5] + b"ab" + alphabet[7:10] + bytes(90) + b"abcde"
    assert hand(server, "it", "+3c") == "0 0 1"  # replaced
    assert (empty / "it").read_bytes() == b"abc"
    assert hand(server, "it", "c", "&exclusive=1") == "0 -14"
    assert hand(server, "none", "+5000s10") == "0 0 0"
    assert hand(server, "none", "+5000d+1@1dc") == "0 0 0 -1 -1 0 -1"
    assert hand(server, "twice", "+1c+1c") == "0 0 0 -1 -1"
    assert hand(server, "none", "@-1+1") == "0 -1 0"
    assert hand(server, "none", "+9+2+1c", "&limit=10") == "0 0 -6 -6 -6"
    assert hand(server, "none", "@10@11+1", "&limit=10") == "0 0 -6 -6"
    assert hand(server, "bits", "c", "&mode=384") == "0 0"
    assert hand(server, "none", "+1", "&mode=2048") == "-1 -1"
    assert hand(server, "no/folder", "+1") == "-8 -1"
    assert server.ask(path="/hand/none?steps=%2B9999f").status == 500
    assert server.ask(path="/large/large?bytes=1000003").text() == "0"
    assert (empty / "large").read_bytes() == bytes(i * 7 % 251 for i in range(1000003))
    assert names(empty) == ["bits", "it", "large", "twice"]


def test_many_at_once(server, empty):
    """Different files by several clients: each has its own bytes."""
    wrong = []

    def save(i):
        body = bytes([i]) * (50_000 + 1000 * i)
        for _ in range(5):
            if put(server, f"/save/file-{i}", body).status not in (200, 201) or (empty / f"file-{i}").read_bytes() != body:
                wrong.append(i)

    threads = [threading.Thread(target=save, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert names(empty) == sorted(f"file-{i}" for i in range(8))
