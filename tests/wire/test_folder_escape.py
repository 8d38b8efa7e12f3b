"""What lies outside of a mounted folder stays there: more than 10,000 generated requests, while folders and links change places, watched from
outside by what the kernel says of the files that must not be opened.

SPDX-License-Identifier: MIT
"""

import ctypes
import itertools
import os
import pathlib
import random
import shutil
import signal
import struct
import tempfile

import pytest

import client

ATTEMPTS = 10_500
RACES = 50  # for each target of a race
CANARY = b"CANARY-beyond-the-root"
IN_ACCESS, IN_OPEN, IN_NONBLOCK = 0x1, 0x20, 0o4000
RENAME_EXCHANGE = 2
libc = ctypes.CDLL(None, use_errno=True)


class Watch:
    """Tells which files were opened or read, by inotify."""

    def __init__(self, *paths):
        self.fd = libc.inotify_init1(IN_NONBLOCK)
        assert self.fd >= 0
        self.paths = {}
        for path in paths:
            number = libc.inotify_add_watch(self.fd, os.fsencode(path), IN_OPEN | IN_ACCESS)
            assert number >= 0, path
            self.paths[number] = path

    def seen(self):
        found = []
        while True:
            try:
                data = os.read(self.fd, 65536)
            except BlockingIOError:
                return found
            at = 0
            while at < len(data):
                number, _, _, size = struct.unpack_from("iIII", data, at)
                found.append((self.paths[number], data[at + 16 : at + 16 + size].rstrip(b"\0")))
                at += 16 + size


@pytest.fixture
def place():
    base = pathlib.Path(tempfile.mkdtemp(prefix="weir-escape-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None))
    root = base / "root"
    for name in ["nested/deeper", "swap", ".hidden"]:
        (root / name).mkdir(parents=True)
    for name in ["canary", "root-beside", "root.gz"]:
        (base / name).mkdir()
        (base / name / "secret.txt").write_bytes(CANARY)
        (base / name / "index.html").write_bytes(CANARY)
    (base / "secret.txt").write_bytes(CANARY)
    for name in ["hello.txt", "nested/a.txt", "swap/secret.txt", "withindex.html"]:
        (root / name).write_text("INSIDE")
    (root / "swapped").symlink_to("../canary")
    (root / "filelink").symlink_to("../secret.txt")
    (root / "hello.txt.gz").symlink_to("../secret.txt")
    (root / "absolute").symlink_to(base / "canary")
    (root / "up").symlink_to("..")
    (root / "nested" / "up").symlink_to("../..")
    (root / "nested" / "round").symlink_to("../nested/../../canary")
    (root / "proc").symlink_to("/proc/self/cwd")
    yield base
    shutil.rmtree(base)


def corpus(base):
    """Targets that lead out, or would by a mistake of the reader."""
    up = ["..", "%2e%2e", ".%2e", "%2E.", "..%2f..", "%2e%2e%2f", "..%5c", "..\\", "%5c..", "%252e%252e", "%c0%ae%c0%ae", "..;", "..;/", "...", "..%00", "%2e%2e%00",
          ".", "%2e", "up", "nested/up", "nested/..", "swap/..", "swapped", "absolute", "proc", "..%c0%af", "%e0%80%ae.", "..%20", "%09..", "..%ff"]
    between = ["/", "//", "/./", "%2f", "%2F", "%5c", "\\", "/%2e/", "///", "/nested/../", "%252f"]
    goal = ["secret.txt", "canary/secret.txt", "canary/", "canary", "root-beside/secret.txt", "root-beside/", "root.gz/secret.txt", "etc/passwd", "swap/secret.txt",
            "swapped/secret.txt", "swapped/", "swap/", "filelink", "hello.txt", "absolute/secret.txt", "up/secret.txt", "nested/round/secret.txt",
            "proc/../secret.txt", ".hidden/../../secret.txt", str(base / "secret.txt"), str(base)[1:] + "/secret.txt",
            str(base / "canary").replace("/", "%2f"), "swapped/index.html"]
    end = ["", "", "", "/", "%00", "%00.html", ";x", ".gz", "/.", "/..", "%20", ".", "?a=/../..", "%2f", "//"]
    prefix = ["/files", "/list", "/all", "/app", "/variants", "/of/me", "/of/%2e%2e", "/of/..%2f..", ""]
    choose = random.Random(7)
    seen = set()
    for first, name in itertools.product(prefix, ["swap/secret.txt", "swapped/secret.txt", "swap/", "filelink", "up/secret.txt"]):
        for _ in range(RACES):
            yield f"{first}/{name}"
    while len(seen) < ATTEMPTS:
        plain = choose.random() < 0.5  # every step exists: what is refused is where it leads
        steps = ["up", "nested/up", "nested/..", "swap/..", "swapped", "absolute", "nested/round", ".", "%2e%2e", "nested"] if plain else up
        joins = ["/", "/", "/./"] if plain else between
        way = "".join(choose.choice(steps) + choose.choice(joins) for _ in range(choose.randrange(4 if plain else 7)))
        target = choose.choice(prefix) + choose.choice(joins) + way + choose.choice(goal) + ("" if plain else choose.choice(end))
        if target.startswith("/") and target not in seen:
            seen.add(target)
            yield target


def ask_all(address, targets, found):
    """Asks for all targets, several on the way at a time; found(target, reply) for each."""
    at = 0
    while at < len(targets):
        batch = targets[at : at + 64]
        data = b"".join(client.request("GET", target, headers={"Accept": "text/html", "Accept-Encoding": "gzip"}, host="site.test") for target in batch)
        with client.Connection(address, timeout=60) as connection:
            connection.send(data, *["GET"] * len(batch))
            for target in batch:
                reply = connection.reply()
                found(target, reply)
                at += 1
                if reply.closes:
                    break


def test_nothing_escapes(start, place):
    server = start("tests/programs/folders", place / "root")
    outside = [place / name for name in ["secret.txt", "canary", "canary/secret.txt", "canary/index.html", "root-beside", "root-beside/secret.txt", "root.gz",
                                         "root.gz/secret.txt"]]
    watch, counts = Watch(*outside), {}
    one, other = (os.fsencode(place / "root" / name) for name in ["swap", "swapped"])

    def found(target, reply):
        assert CANARY not in reply.body and b"root:x:0:" not in reply.body, target
        assert reply.status in (200, 301, 400, 403, 404, 414, 503), (target, reply.status)  # 503: renamed too often
        if reply.status == 301:
            assert not reply.header("Location").startswith(("/", "\\")), target
        counts[reply.status] = counts.get(reply.status, 0) + 1
        if "swap/secret" in target:
            counts[bytes(reply.body)[:6]] = counts.get(bytes(reply.body)[:6], 0) + 1

    targets = list(corpus(place))
    renamer = os.fork()
    if renamer == 0:  # the folder and the link that leads out change places all the time
        while libc.renameat2(-100, one, -100, other, RENAME_EXCHANGE) == 0:
            pass
        os._exit(1)
    try:
        ask_all(server.address, targets, found)
        assert os.waitpid(renamer, os.WNOHANG) == (0, 0)
    finally:
        os.kill(renamer, signal.SIGKILL)
        os.waitpid(renamer, 0)
    assert sum(count for status, count in counts.items() if isinstance(status, int)) == len(targets) > 10_000
    assert watch.seen() == [], "opened beyond the root"
    assert counts[200] > 100 and counts[404] > 1000 and counts[403] > 100, counts
    assert counts[b"INSIDE"] > 0  # and what may be served is
    assert (place / "canary" / "secret.txt").read_bytes() == CANARY
    assert watch.seen(), "the watch does not work"
