"""The programs that peers have, and how a reply of each is known to be right.

A reply is judged by its status, the headers that matter to a client, its framing (Python's own HTTP client follows it) and
every byte of its body. What a peer does otherwise, and may, stands in its manifest under [expect.PROGRAM].

SPDX-License-Identifier: MIT
"""

import hashlib
import http.client
import json
import os
import time
from dataclasses import dataclass, field

ID = "7c9e6679-7425-40de"


class WrongReply(RuntimeError):
    """A reply that is not what the program should send."""


@dataclass(frozen=True)
class Program:
    """One program: where it is, and what its reply has to be."""

    name: str
    article: str  # its number among the article's programs
    path: str
    about: str
    content_type: str
    small: bool = True  # its replies are small: requests a second make sense
    headers: dict = field(default_factory=dict)

    @property
    def request_headers(self):
        """The request's headers as lines for a client's command."""
        return [f"{name}: {value}" for name, value in self.headers.items()]


PROGRAMS = {
    program.name: program
    for program in (
        Program("hello", "P8", "/", "a string literal", "text/plain"),
        Program("file", "P1", "/file/large.bin", "100 MB file by route", "application/octet-stream", small=False),
        Program("small_file", "P1", "/file/hello.txt", "small file by route", "application/octet-stream"),
        Program("stream", "P2", "/stream", "1,000,000 chunks and 1,000 pauses of 1 ms", "text/plain", small=False),
        Program("large", "P4", "/large", "100 MB file by an 8 KB read and send loop", "application/octet-stream", small=False),
        Program("json", "P5", "/json", "small JSON", "application/json", headers={"X-Request-ID": ID}),
        Program("efficient", "P7", "/efficient", "reply from a 1 KB stack buffer", "text/plain"),
        Program("csv", "P9", "/csv", "CSV of 30 MB, each line in upper case", "text/csv", small=False),
        Program("cache", "P10", "/cache/apple", "cache hit", "application/json"),
        Program("row", "none", "/row/17", "a row of PostgreSQL by its key", "application/json"),
    )
}


class Samples:
    """The files that peers serve, and digests of the replies that are made from them."""

    def __init__(self, root):
        self.root = root
        self._digests = {}

    def _made(self, name, make):
        if name not in self._digests:
            digest = hashlib.sha256()
            for piece in make():
                digest.update(piece)
            self._digests[name] = digest.hexdigest()
        return self._digests[name]

    def _pieces(self, name, change=lambda piece: piece):
        with open(os.path.join(self.root, name), "rb") as file:
            while piece := file.read(1 << 20):
                yield change(piece)

    def size(self, name):
        """Bytes of a sample file."""
        return os.path.getsize(os.path.join(self.root, name))

    def digest(self, program):
        """The digest of a large program's whole body."""
        if program == "csv":
            return self._made("csv", lambda: self._pieces("large_dataset.csv", bytes.upper))
        if program == "stream":
            return self._made("stream", lambda: (b"Chunk %d\n" % i for i in range(1_000_000)))
        return self._made("large.bin", lambda: self._pieces("large.bin"))

    def content(self, name):
        """A small sample file's bytes."""
        with open(os.path.join(self.root, name), "rb") as file:
            return file.read()


def _expect(name, found, wanted):
    if found != wanted:
        raise WrongReply(f"{name} is {found!r}, not {wanted!r}")


def _media_type(reply):
    return (reply.getheader("Content-Type") or "").partition(";")[0].strip().lower()


def _check_json(body, wanted):
    try:
        found = json.loads(body)
    except ValueError:
        raise WrongReply(f"the body is no JSON: {body[:100]!r}") from None
    if "timestamp" in wanted:
        stamp = found.get("timestamp")
        if not isinstance(stamp, int) or abs(stamp - time.time()) > 5:
            raise WrongReply(f"the timestamp {stamp!r} is not the time in seconds")
        wanted["timestamp"] = stamp
    _expect("the body", found, wanted)


def _check_small(program, body, samples):
    if program.name == "hello":
        _expect("the body", body, b"Hello, World!")
    elif program.name == "small_file":
        _expect("the body", body, samples.content("hello.txt"))
    elif program.name == "efficient":
        _expect("the body", body, b"A reply to /efficient, made in 1024 bytes of stack.\n")
    elif program.name == "json":
        _check_json(body, {"request_id": ID, "timestamp": 0, "status": "ok"})
    elif program.name == "cache":
        _check_json(body, {"key": "apple", "computed": True})
    elif program.name == "row":
        _check_json(body, {"id": 17, "name": "thing 17"})


def fetch(port, path, headers=None, timeout=120):
    """One GET on a connection of its own: (reply, digest, length, first bytes), read to its end. WrongReply if it breaks off."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request("GET", path, headers=headers or {})
        reply = connection.getresponse()
        digest, length, first = hashlib.sha256(), 0, b""
        while piece := reply.read(1 << 18):
            digest.update(piece)
            length += len(piece)
            first = (first + piece)[:65536] if len(first) < 65536 else first
        return reply, digest.hexdigest(), length, first
    except (http.client.HTTPException, OSError) as error:
        raise WrongReply(f"{type(error).__name__}: {error}") from None
    finally:
        connection.close()


def check(port, program, samples, expect=None):
    """Asks for one reply and raises WrongReply unless it is right. expect: the manifest's [expect.PROGRAM]."""
    expect = expect or {}
    reply, digest, length, body = fetch(port, program.path, program.headers)
    _expect("the status", reply.status, 200)
    _expect("Content-Type", _media_type(reply), expect.get("content_type", program.content_type))
    announced = reply.getheader("Content-Length")
    if announced is not None:
        _expect("the body's length", length, int(announced))
    if program.small:
        _check_small(program, body, samples)
    elif digest != samples.digest(program.name):
        raise WrongReply(f"the body of {length:,} bytes is not the right one")
    if program.name == "file" and announced is None:
        raise WrongReply("the file is sent without its length")
    if program.name == "cache":  # asked for the second time at least by now: each process of a peer has a cache of its own
        hits = sum(fetch(port, program.path)[0].getheader("X-Cache") == "HIT" for _ in range(20))
        if hits < 10:
            raise WrongReply(f"only {hits} of 20 answers say X-Cache: HIT")


def check_missing(port, text_matters):
    """A file that is not there: 404, and the article's text unless the server is one that is only configured."""
    reply, _, _, body = fetch(port, "/file/no-such-file")
    _expect("the status of a missing file", reply.status, 404)
    if text_matters:
        _expect("the body of a missing file", body, b"File not found")


def leaves_folder(port):
    """Whether the server hands out files from outside of its folder. Asked by hand: clients would tidy the path."""
    for path in ("/file/" + "../" * 12 + "etc/passwd", "/file/" + "..%2f" * 12 + "etc/passwd", "/file//etc/passwd"):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        try:
            connection.putrequest("GET", path)
            connection.endheaders()
            if b"root:" in connection.getresponse().read(4096):
                return True
        except (http.client.HTTPException, OSError):
            pass  # refused in its own way
        finally:
            connection.close()
    return False
