"""Uploads that go on after a break, by tus 1.0: each rule of the protocol by hand, over every version and transport,
broken off, against each other, and over the server's end and death. What is on the disk is looked at each time.

SPDX-License-Identifier: MIT
"""

import base64
import contextlib
import datetime
import fcntl
import json
import os
import random
import re
import resource
import socket
import subprocess
import time
import types
from email.utils import parsedate_to_datetime

import pytest

import h2client
import secure
from client import request
from conftest import BUILD, Server
from faults import RESET, wait_for
from h2frames import rst_stream

BODY = random.Random(11).randbytes(300_000)
TUS = {"Tus-Resumable": "1.0.0"}
TYPE = {"Content-Type": "application/offset+octet-stream"}
EXTENSIONS = "creation,creation-with-upload,termination,expiration"


class Uploads:
    """A server, its two folders, and requests as a client of tus makes them."""

    def __init__(self, base, *arguments):
        self.root, self.saved = base / "root", base / "saved"
        self.root.mkdir(exist_ok=True)
        self.saved.mkdir(exist_ok=True)
        self.arguments = arguments
        self.start()

    def start(self):
        expect = r"(?s)listening on (http://\S+)\n" + (r".*https://\S+\n" if "tls" in self.arguments else "")
        self.server = Server("tests/programs/tus", self.root, self.saved, *self.arguments, expect=expect)

    def ask(self, method, path="/files", body=None, **fields):
        headers = {**TUS, **{name.replace("_", "-"): str(value) for name, value in fields.items()}}
        headers = {name: value for name, value in headers.items() if value != "None"}
        reply = self.server.ask(method, path, body=body, headers=headers)
        assert reply.header("Tus-Resumable") == "1.0.0"
        return reply

    def create(self, length, body=None, metadata=None, **fields):
        reply = self.ask("POST", body=body, Upload_Length=length, Upload_Metadata=metadata, **fields, **(TYPE if body is not None else {}))
        assert reply.status == 201, reply.text()
        path = reply.header("Location")
        assert re.fullmatch("/files/[0-9a-f]{32}", path)
        return path

    def patch(self, path, offset, body, **fields):
        return self.ask("PATCH", path, body, Upload_Offset=offset, **{**TYPE, **fields})

    def offset(self, path):
        reply = self.ask("HEAD", path)
        assert (reply.status, reply.header("Cache-Control")) == (200, "no-store")
        return int(reply.header("Upload-Offset"))

    def told(self):
        return int(self.server.ask(path="/told").text())

    def names(self):
        return sorted(os.listdir(self.root))

    def bytes_of(self, path):
        return (self.root / path[7:]).read_bytes()

    def refused(self, cause):
        return json.loads(self.server.ask(path="/ledger").text())["refusals"][cause]


def meta(**pairs):
    return ",".join(f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in pairs.items())


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    uploads = Uploads(tmp_path_factory.mktemp("tus"))
    yield uploads
    uploads.server.stop()


@pytest.fixture
def empty(shared):
    for folder in (shared.root, shared.saved):
        for path in folder.iterdir():
            path.unlink()
    return shared


@pytest.fixture
def start(tmp_path):
    """Starts a server of the test's own."""
    started = []

    def begin(*arguments):
        started.append(Uploads(tmp_path, *arguments))
        return started[-1]

    yield begin
    for uploads in started:
        uploads.server.stop()


# ---- The protocol


def test_options(empty, start):
    """Whatever version the client speaks, or none."""
    path = empty.create(1)
    for fields in ({}, {"Tus_Resumable": "0.2.2"}, {"Tus_Resumable": None}):
        for where in ("/files", "/files/", path):
            reply = empty.ask("OPTIONS", where, **fields)
            told = [reply.header(f"Tus-{name}") for name in ("Version", "Extension", "Max-Size")]
            assert (reply.status, told) == (204, ["1.0.0", EXTENSIONS, str(1 << 30)])
    assert start("max_size=-1").ask("OPTIONS").header("Tus-Max-Size") is None


def test_version(empty):
    path = empty.create(1)
    for version in (None, "1.0.1", "0.2.2", ""):
        for method, where in (("POST", "/files"), ("HEAD", path), ("PATCH", path), ("DELETE", path), ("HEAD", "/files/" + "0" * 32)):
            reply = empty.ask(method, where, Tus_Resumable=version or "2", Upload_Length=1)
            assert (reply.status, reply.header("Tus-Version")) == (412, "1.0.0")
    assert empty.offset(path) == 0


def test_whole(empty):
    """Made, sent in pieces, told to the program, saved under another name, and still known afterwards."""
    told = empty.told()
    path = empty.create(len(BODY), metadata=meta(name="it", empty="", filename="../../etc/passwd"))
    at = 0
    for size in (1, 65536, 100_000, 0, len(BODY) - 165_537):
        reply = empty.patch(path, at, BODY[at : at + size])
        at += size
        assert (reply.status, reply.header("Upload-Offset")) == (204, str(at))
        assert (reply.header("Upload-Expires") is None) == (at == len(BODY))
        assert empty.offset(path) == at
    assert reply.header("X-Told") == f"{path[7:]} {len(BODY)} it"
    assert (empty.saved / "it").read_bytes() == BODY
    assert empty.names() == [path[7:] + ".done"]
    assert empty.patch(path, at, b"").status == 204
    assert empty.patch(path, at, b"x").status == 413
    assert empty.told() == told + 1
    head = empty.ask("HEAD", path)
    assert [head.header(f"Upload-{name}") for name in ("Length", "Offset", "Metadata")] == [
        str(len(BODY)), str(len(BODY)), meta(name="it", empty="", filename="../../etc/passwd")]
    assert empty.ask("DELETE", path).status == 204
    assert empty.ask("HEAD", path).status == 404 and empty.names() == []
    assert (empty.saved / "it").read_bytes() == BODY


def test_with_creation(empty):
    path = empty.create(len(BODY), BODY[:100_000], meta(name="first"))
    assert empty.offset(path) == 100_000 and empty.bytes_of(path) == BODY[:100_000]
    reply = empty.ask("POST", body=BODY, Upload_Length=len(BODY), Upload_Metadata=meta(name="second"), **TYPE)
    assert (reply.status, reply.header("Upload-Offset")) == (201, str(len(BODY)))
    assert (empty.saved / "second").read_bytes() == BODY
    reply = empty.ask("POST", "/files/", Upload_Length=0, Upload_Metadata=meta(name="none"))
    assert reply.status == 201 and (empty.saved / "none").read_bytes() == b""
    before = empty.names()
    assert empty.ask("POST", body=b"x", Upload_Length=1).status == 415
    assert empty.ask("POST", body=b"xy", Upload_Length=1, **TYPE).status == 413
    assert empty.names() == before


@pytest.mark.parametrize("fields, status", [
    ({}, 400), ({"Upload_Length": -1}, 400), ({"Upload_Length": "-0"}, 400), ({"Upload_Length": "1x"}, 400), ({"Upload_Length": ""}, 400),
    ({"Upload_Length": "9223372036854775808"}, 413), ({"Upload_Length": "18446744073709551617"}, 413), ({"Upload_Length": (1 << 30) + 1}, 413),
    ({"Upload_Defer_Length": 1}, 400), ({"Upload_Length": 1, "Upload_Concat": "partial"}, 400),
    *(({"Upload_Length": 1, "Upload_Metadata": text}, 400) for text in (
        "a YQ=", "a !!!!", ",", "a YQ==,", "a YQ==,a YQ==", "\xe9 YQ==", "a YQ== YQ==", "a ====", ",".join(f"k{i}" for i in range(65)))),
    ({"Upload_Length": 1, "Upload_Metadata": "a " + "YWFh" * 1100}, 431),
])
def test_creation_refused(empty, fields, status):
    assert empty.ask("POST", **fields).status == status
    assert empty.names() == []


def test_creation_edges(empty):
    for metadata in ("a", "a ", "a YQ==, b", ",".join(f"k{i}" for i in range(64)), "a " + "YWFh" * 1023, ""):
        path = empty.create(1 << 30, metadata=metadata)
        assert (empty.ask("HEAD", path).header("Upload-Metadata") or "") == metadata.strip()


def test_patch_refused(empty):
    path = empty.create(10, b"12345")
    for offset, fields, status in ((4, {}, 409), (6, {}, 409), (0, {}, 409), ("x", {}, 400), ("-5", {}, 400), (None, {}, 400),
                                   ("9223372036854775808", {}, 400), (5, {"Content-Type": "text/plain"}, 415), (5, {"Content-Type": "None"}, 415)):
        reply = empty.patch(path, offset, b"6", **fields)
        assert (reply.status, empty.bytes_of(path)) == (status, b"12345"), (offset, fields)
        assert reply.header("Upload-Offset") == ("5" if status == 409 else None)
    before = empty.refused("max_body")
    assert empty.patch(path, 5, b"678901").status == 413 and empty.bytes_of(path) == b"12345"
    assert empty.refused("max_body") == before + 1
    chunked = empty.server.ask("PATCH", path, body=[b"678", b"901"], headers={**TUS, **TYPE, "Upload-Offset": "5"})
    assert chunked.status == 413 and len(empty.bytes_of(path)) <= 10
    assert empty.bytes_of(path) == b"1234567890"[: len(empty.bytes_of(path))]


def test_override(empty):
    """X-HTTP-Method-Override: the method of the request itself does not count."""
    path = empty.create(10)
    assert empty.ask("POST", path, b"12345", Upload_Offset=0, X_HTTP_Method_Override="PATCH", **TYPE).status == 204
    assert empty.ask("POST", path, X_HTTP_Method_Override="HEAD").header("Upload-Offset") == "5"
    assert empty.ask("POST", path).status == 405
    for method in ("POST", "HEAD", "PATCH", "DELETE", "OPTIONS"):
        assert empty.ask(method, path, X_HTTP_Method_Override="HEAD").header("Upload-Offset") == "5"
        for wrong in ("GET", "head", "DELETE ,HEAD", ""):
            assert empty.ask(method, path, X_HTTP_Method_Override=wrong).status == 405
        fields = [*TUS.items(), *(("X-HTTP-Method-Override", name) for name in ("DELETE", "HEAD"))]
        assert empty.server.ask(method, path, headers=fields).status == 405
    assert empty.ask("DELETE", path, b"6", Upload_Offset=5, X_HTTP_Method_Override="PATCH", **TYPE).status == 204
    assert empty.offset(path) == 6
    assert empty.ask("PATCH", path, X_HTTP_Method_Override="DELETE").status == 204
    assert empty.names() == []
    assert empty.ask("OPTIONS", X_HTTP_Method_Override="POST", Upload_Length=1).status == 201


def test_replies_to_others(empty):
    """What each reply says is said also where no handler of tus runs, or its reply is replaced."""
    path = empty.create(10)
    for method, where, status in (("GET", path, 405), ("PUT", "/files", 405), ("GET", "/files/a/b", 404), ("GET", path + "%2f", 405)):
        reply = empty.server.ask(method, where)
        assert (reply.status, reply.header("Tus-Resumable")) == (status, "1.0.0"), where
    assert empty.server.ask(path="/none").header("Tus-Resumable") is None
    reply = empty.ask("HEAD", "/files/" + "0" * 32)
    assert (reply.status, reply.header("Cache-Control")) == (404, "no-store")
    with empty.server.connect() as connection:  # refused while the handler runs
        connection.send(request("PATCH", path, {**TUS, **TYPE, "Upload-Offset": "0", "Transfer-Encoding": "chunked"}) + b"zz\r\n", "PATCH")
        reply = connection.reply()
        assert (reply.status, reply.header("Tus-Resumable")) == (400, "1.0.0")


def test_ids(empty):
    """Ids are the server's alone; whatever else a name says leads nowhere."""
    path = empty.create(1)
    names = empty.names()
    (empty.saved / "victim").write_bytes(b"")
    (empty.root / ("a" * 32)).symlink_to(empty.saved / "victim")
    (empty.root / ("a" * 32 + ".info")).write_text("weir-tus 1 5\n\n")
    (empty.root / ("b" * 32)).mkdir()
    os.mkfifo(empty.root / ("c" * 32))
    for name in ("..", "%2e%2e", "..%2fsaved%2fvictim", path[7:] + ".info", path[7:-1], path[7:] + "0", path[7:].upper() + "%00", "%2e",
                 "x" * 32, "0" * 32, "A" * 32, "a" * 32, "b" * 32, "c" * 32, "d" * 5000):
        for method in ("HEAD", "PATCH", "DELETE"):
            reply = empty.server.ask(method, f"/files/{name}", headers={**TUS, **TYPE, "Upload-Offset": "0"}, body=b"x" if method == "PATCH" else None)
            assert reply.status in (400, 403, 404, 405, 414, 500), (name, method)
    assert (empty.saved / "victim").read_bytes() == b""
    (empty.root / ("b" * 32)).rmdir()
    assert set(names) <= set(empty.names())


def test_damaged(empty):
    """A record that somebody has cut, or a file that is too long."""
    path = empty.create(5, metadata=meta(name="it"))
    record = empty.root / (path[7:] + ".info")
    whole = record.read_bytes()
    for text in (b"", whole[:-1], b"weir-tus 1 -5\n\n", b"weir-tus 1 99999999999999999999\n\n", b"other 1 5\n\n", whole + b"\0\n", b"weir-tus 1 5\n"):
        record.write_bytes(text)
        assert empty.ask("HEAD", path).status == 500, text
    record.write_bytes(whole)
    (empty.root / path[7:]).write_bytes(b"123456")
    assert empty.ask("HEAD", path).status == 500
    (empty.root / path[7:]).write_bytes(b"12345")
    assert empty.offset(path) == 5 and (empty.saved / "it").read_bytes() == b"12345"


# ---- The program's part


def test_told_again(start):
    """What the program has not done well it is told again, by whoever asks."""
    uploads = start()
    path = uploads.create(5, metadata=meta(name="it", error=""))
    reply = uploads.patch(path, 0, b"12345")
    assert reply.status == 507 and reply.header("Upload-Offset") is None
    assert uploads.offset(path) == 5 and uploads.told() == 2
    assert (uploads.saved / "it").read_bytes() == b"12345"
    assert uploads.offset(path) == 5 and uploads.told() == 2
    other = uploads.create(5, metadata=meta(name="it"))
    assert uploads.patch(other, 0, b"other").status == 409  # the name is taken
    assert uploads.ask("HEAD", other).status == 423
    assert (uploads.saved / "it").read_bytes() == b"12345" and uploads.bytes_of(other) == b"other"
    (uploads.saved / "it").unlink()
    assert uploads.offset(other) == 5 and (uploads.saved / "it").read_bytes() == b"other"


def test_told_again_after_failing(start):
    uploads = start()
    path = uploads.create(5, metadata=meta(name="it", fail=""))
    assert uploads.patch(path, 0, b"12345").status == 500  # the page of weir_fail() says what tus wants of each reply
    wait_for(lambda: uploads.patch(path, 5, b"").status == 204)
    assert (uploads.saved / "it").read_bytes() == b"12345" and uploads.told() == 2


def test_while_told(empty):
    """The upload is not over before the program says so."""
    path = empty.create(5, metadata=meta(name="it", slow=""))
    with empty.server.connect() as connection:
        connection.send(request("PATCH", path, {**TUS, **TYPE, "Upload-Offset": "0"}, body=b"12345"), "PATCH")
        with contextlib.suppress(FileNotFoundError):  # as late
            wait_for(lambda: (empty.root / path[7:]).stat().st_size == 5)
        statuses = {empty.ask("HEAD", path).status, empty.patch(path, 5, b"").status, empty.ask("HEAD", path).status}
        assert statuses == {423} or connection.reply().status == 204  # a machine that was busy for all that time
    wait_for(lambda: empty.ask("HEAD", path).status == 200)
    assert (empty.saved / "it").read_bytes() == b"12345"


def test_removed_while_told(empty):
    """DELETE between the file's getting its new name and the program's saying so: not now, and what was saved stays."""
    (empty.saved / "hold").touch()
    path = empty.create(5, metadata=meta(name="it", hold=""))
    with empty.server.connect() as connection:
        connection.send(request("PATCH", path, {**TUS, **TYPE, "Upload-Offset": "0"}, body=b"12345"), "PATCH")
        wait_for((empty.saved / "it").exists)
        assert empty.names() == [path[7:] + ".info"]
        assert empty.ask("DELETE", path).status == 423
        assert empty.patch(path, 5, b"").status == 423
        assert empty.offset(path) == 5  # what has been saved counts as over
        for _ in range(2):
            age(empty, path, 100_000_000)
            empty.create(5)  # looks for what has expired
            assert empty.ask("DELETE", path).status in (404, 423)
        (empty.saved / "hold").unlink()
        assert connection.reply().status == 204
    assert (empty.saved / "it").read_bytes() == b"12345"
    assert path[7:] + ".done" in empty.names() and empty.offset(path) == 5
    assert empty.ask("DELETE", path).status == 204 and (empty.saved / "it").read_bytes() == b"12345"


def test_not_saved(empty):
    """What the program leaves stays until it expires."""
    path = empty.create(5, b"12345")
    assert empty.names() == [path[7:], path[7:] + ".done"] and empty.offset(path) == 5
    assert empty.ask("DELETE", path).status == 204 and empty.names() == []


def test_names_of_clients(empty):
    """A program that takes a name of the client's as it is still writes nothing outside."""
    for name, status in (("../it", 403), ("/etc/it", 403), ("a/it", 404), ("", 404)):
        path = empty.create(1, metadata=meta(name=name))
        assert empty.patch(path, 0, b"x").status == status, name
        assert empty.bytes_of(path) == b"x"
    assert os.listdir(empty.saved) == []


def test_crash_behind_saving(empty):
    """The process died when the file had its new name, and before that was noted."""
    path = empty.create(5, b"1234", meta(name="it"))
    (empty.root / path[7:]).unlink()
    told = empty.told()
    assert empty.offset(path) == 5 and empty.patch(path, 5, b"").status == 204 and empty.told() == told


# ---- Broken off, and at once


@pytest.mark.parametrize("how", ["close", "reset", "half"])
def test_broken(empty, how):
    path = empty.create(len(BODY), metadata=meta(name="it"))
    with empty.server.connect() as connection:
        connection.send(request("PATCH", path, {**TUS, **TYPE, "Upload-Offset": "0", "Content-Length": str(len(BODY))}) + BODY[:123_456])
        wait_for(lambda: empty.offset(path) == 123_456)
        assert empty.patch(path, 123_456, b"x").status == 423
        assert empty.ask("DELETE", path).status == 423
        if how == "reset":
            connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        elif how == "half":
            connection.socket.shutdown(socket.SHUT_WR)
            connection.socket.recv(1)
    wait_for(lambda: empty.patch(path, 123_456, b"").status == 204)
    assert empty.patch(path, 123_456, BODY[123_456:]).status == 204
    assert (empty.saved / "it").read_bytes() == BODY


def test_stalled(start):
    """A client that stops sending keeps what it has sent, and others out no longer than body_timeout_ms."""
    uploads = start("body_timeout_ms=200")
    path = uploads.create(10)
    with uploads.server.connect() as connection:
        connection.send(request("PATCH", path, {**TUS, **TYPE, "Upload-Offset": "0", "Content-Length": "10"}) + b"123", "PATCH")
        reply = connection.reply()
        assert (reply.status, reply.header("Tus-Resumable")) == (408, "1.0.0")
    wait_for(lambda: uploads.patch(path, 3, b"4567890").status == 204)


def test_continue(empty):
    """Who asks is told to go on when the offset is right."""
    path = empty.create(5)
    head = {**TUS, **TYPE, "Content-Length": "5", "Expect": "100-continue"}
    with empty.server.connect() as connection:
        connection.send(request("PATCH", path, {**head, "Upload-Offset": "1"}), "PATCH")
        assert connection.reply().status == 409
    with empty.server.connect() as connection:
        connection.send(request("PATCH", path, {**head, "Upload-Offset": "0"}), "PATCH")
        assert connection.reply().status == 100
        connection.send(b"12345")
        assert connection.reply().status == 204


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_restart(start, end):
    """Uploads outlive the server, also one that is killed in the middle of a body."""
    uploads = start("sync=1")
    path = uploads.create(len(BODY), metadata=meta(name="it"))
    with uploads.server.connect() as connection:
        connection.send(request("PATCH", path, {**TUS, **TYPE, "Upload-Offset": "0", "Content-Length": str(len(BODY))}) + BODY[:200_000])
        wait_for(lambda: uploads.offset(path) == 200_000)
        if end == "kill":
            uploads.server.kill()
    if end == "stop":
        uploads.server.stop()
    uploads.start()
    assert uploads.offset(path) == 200_000
    assert uploads.patch(path, 200_000, BODY[200_000:]).status == 204
    assert (uploads.saved / "it").read_bytes() == BODY


# ---- Limits


def test_size_of_files(start):
    """A limit on the size of files (ulimit -f): 507, and what had room is there."""
    uploads = start()
    path = uploads.create(len(BODY), metadata=meta(name="it"))
    resource.prlimit(uploads.server.pid, resource.RLIMIT_FSIZE, (100_000, 400_000))
    assert uploads.patch(path, 0, BODY).status == 507
    assert uploads.offset(path) == 100_000 and uploads.bytes_of(path) == BODY[:100_000]
    resource.prlimit(uploads.server.pid, resource.RLIMIT_FSIZE, (400_000, 400_000))
    assert uploads.patch(path, 100_000, BODY[100_000:]).status == 204


def test_max_size(start):
    uploads = start(f"max_size={len(BODY)}")
    assert uploads.ask("OPTIONS").header("Tus-Max-Size") == str(len(BODY))
    assert uploads.ask("POST", Upload_Length=len(BODY) + 1).status == 413
    path = uploads.create(len(BODY))
    assert uploads.patch(path, 0, BODY).status == 204
    assert uploads.patch(path, 0, BODY + b"x").status == 413  # before it is known what for


def test_max_uploads(start):
    uploads = start("max_uploads=2")
    first, _ = uploads.create(5), uploads.create(5)
    reply = uploads.ask("POST", Upload_Length=5)
    assert reply.status == 503 and reply.header("Retry-After") and uploads.refused("max_uploads") == 1
    assert uploads.ask("DELETE", first).status == 204
    uploads.create(5)


def test_none_expires(start):
    """Where nothing expires, what is over does not count, and is not known for ever."""
    uploads = start("max_uploads=2", "expire_s=-1")
    paths = [uploads.create(5, b"12345", meta(name=f"it-{i}")) for i in range(4)]
    kept = uploads.create(5, b"12345")  # not saved elsewhere: its bytes are not removed
    assert [uploads.offset(path) for path in paths] == [5] * 4
    for path in (*paths[:2], kept):
        age(uploads, path, 90_000)
    uploads.create(5), uploads.create(5)
    assert uploads.ask("POST", Upload_Length=5).status == 503
    assert [uploads.ask("HEAD", path).status for path in (*paths, kept)] == [404, 404, 200, 200, 200]
    assert uploads.bytes_of(kept) == b"12345"


def age(uploads, path, seconds):
    for suffix in ("", ".info", ".done"):
        with contextlib.suppress(FileNotFoundError):
            os.utime(uploads.root / (path[7:] + suffix), (time.time() - seconds,) * 2)


def test_expiry(start):
    """Files are made older, in place of waiting: removed by who asks for them, and a few by each creation."""
    uploads = start("expire_s=1000", "max_uploads=60")
    path = uploads.create(5, b"12")
    expires = parsedate_to_datetime(uploads.ask("HEAD", path).header("Upload-Expires"))
    assert 900 < (expires - datetime.datetime.now(datetime.timezone.utc)).total_seconds() <= 1001
    age(uploads, path, 500)
    assert uploads.patch(path, 2, b"3").status == 204  # begins anew
    age(uploads, path, 1100)
    assert uploads.patch(path, 3, b"4").status == 404 and uploads.names() == []

    busy, old = uploads.create(5, b"12"), [uploads.create(5, b"12") for _ in range(20)] + [uploads.create(2, b"12") for _ in range(20)]
    with (uploads.root / busy[7:]).open("rb") as lock:  # as if somebody wrote, slowly
        fcntl.flock(lock, fcntl.LOCK_EX)
        for each in [busy, *old]:
            age(uploads, each, 1100)
        (uploads.root / "other.info").write_text("")
        os.utime(uploads.root / "other.info", (0, 0))
        (uploads.root / ("e" * 32)).write_text("without a record")
        os.utime(uploads.root / ("e" * 32), (0, 0))
        new = [uploads.create(5)]
        records = sum(name.endswith((".info", ".done")) for name in uploads.names())
        assert records - 3 in (40 - 32, 40 - 31)  # three others are there; what has no record may be one of the 32
        new.append(uploads.create(5))
        assert uploads.names() == sorted(["other.info"] + [each[7:] + end for each in (busy, *new) for end in ("", ".info")])
        assert uploads.offset(busy) == 2
    assert uploads.ask("HEAD", busy).status == 404


@pytest.mark.parametrize("option, text", [
    ("max_size=-2", "max_size is a number of bytes"), ("expire_s=-2", "expire_s is a number of seconds"), ("max_uploads=-1", "max_uploads is up to"),
    ("max_uploads=10001", "max_uploads is up to"), ("mode=512", "mode is up to"), ("mode=292", "let the owner write"), ("sync=2", "sync is"), (None, "is no folder")])
def test_wrong_options(tmp_path, option, text):
    root = tmp_path if option else tmp_path / "missing"
    done = subprocess.run([BUILD / "tests/programs/tus", root, tmp_path, *([option] if option else [])], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1 and 'tus at "/files": ' in done.stderr and text in done.stderr


# ---- Versions and transports


def over(start, tls):
    """A server, and where it is reached with a context for that, or None. Its TLS listener alone is uploads.secure."""
    if not tls:
        uploads = start()
        return uploads, None, uploads.server.address
    secure.skip_without_tls()
    uploads = start("tls")
    port = int(re.search(r"https://127.0.0.1:(\d+)", uploads.server.output).group(1))
    uploads.secure = types.SimpleNamespace(address=("127.0.0.1", port))
    return uploads, secure.blind_context(), uploads.secure.address


def skip_without_h2():
    if "WEIR_HTTP2:BOOL=OFF" in (BUILD / "CMakeCache.txt").read_text():
        pytest.skip("a build without HTTP/2")


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_http2(start, tls):
    """A stream that is reset, and its upload gone on with by another one of its connection."""
    skip_without_h2()
    uploads, context, address = over(start, tls)
    if context:
        context.set_alpn_protocols(["h2"])
    with h2client.Connection(address, context=context) as connection:
        fields = [("tus-resumable", "1.0.0"), ("content-type", TYPE["Content-Type"])]
        path = connection.ask("POST", "/files", fields[0], ("upload-length", str(len(BODY))), ("upload-metadata", meta(name="it"))).header("location")
        stream = connection.open("PATCH", path, *fields, ("upload-offset", "0"), end=False)
        connection.send_body(stream, BODY[:100_000], end=False)
        wait_for(lambda: uploads.offset(path) == 100_000)
        connection.send(rst_stream(stream, 8))
        wait_for(lambda: connection.ask("PATCH", path, *fields, ("upload-offset", "100000"), body=b"").status == 204)
        assert connection.ask("PATCH", path, *fields, ("upload-offset", "100000"), body=BODY[100_000:]).status == 204
    assert (uploads.saved / "it").read_bytes() == BODY


def test_tls(start):
    """Begun, cut without a word, and ended by https."""
    uploads, context, _ = over(start, True)
    path = uploads.create(len(BODY), metadata=meta(name="it"))
    with secure.Connection(uploads.secure, context) as connection:
        connection.send(request("PATCH", path, {**TUS, **TYPE, "Upload-Offset": "0", "Content-Length": str(len(BODY))}) + BODY[:100_000])
        wait_for(lambda: uploads.offset(path) == 100_000)
    wait_for(lambda: uploads.patch(path, 100_000, b"").status == 204)
    with secure.Connection(uploads.secure, context) as connection:
        assert connection.ask("PATCH", path, body=BODY[100_000:], headers={**TUS, **TYPE, "Upload-Offset": "100000"}).status == 204
    assert (uploads.saved / "it").read_bytes() == BODY


def test_chunked(empty):
    path = empty.create(len(BODY), metadata=meta(name="it"))
    pieces = [BODY[at : at + 7777] for at in range(0, len(BODY), 7777)]
    assert empty.server.ask("PATCH", path, body=pieces, headers={**TUS, **TYPE, "Upload-Offset": "0"}).status == 204
    assert (empty.saved / "it").read_bytes() == BODY
