"""Every request for memory of the tour is refused once, from its start over requests of every kind to its end: what comes
of it is a clear error or a refused request, never a crash, a wait without end or a leak.

A preloaded library counts the requests for memory and refuses the Nth, or several in a row from there; N grows until a run
has no refusal left.

SPDX-License-Identifier: MIT
"""

import re
import select
import signal
import socket
import subprocess

import pytest

from client import ProtocolError, ReplyParser, request
from conftest import BUILD, SANITIZE

pytestmark = pytest.mark.skipif(bool(SANITIZE), reason="a sanitizer has an allocator of its own")

MANY_HEADERS = {f"X-{i}": "v" * 20 for i in range(60)}
REFUSED = (500, 503)


class Run:
    """One run of the tour in which `row` requests for memory are refused, from the Nth on."""

    def __init__(self, n, row, root, report):
        report.unlink(missing_ok=True)
        self.n = n
        self.report = report
        self.refused = 0
        self.process = subprocess.Popen(
            [str(BUILD / "examples/tour"), "--port", "0", "--root", str(root), "--quiet", "--workers", "1"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={"LD_PRELOAD": str(BUILD / "tests/tools/lib_malloc_fail.so"), "WEIR_FAIL_AT": str(n),
                 "WEIR_FAIL_COUNT": str(row), "WEIR_FAIL_FILE": str(report)})
        line = self.process.stdout.readline()
        found = re.fullmatch(r"listening on http://(.+):(\d+)\n", line)
        self.address = (found.group(1), int(found.group(2))) if found else None

    def open(self):
        s = socket.socket()
        s.settimeout(20)
        s.connect(self.address)
        return s

    def ask(self, data, methods, statuses):
        """Sends requests; each is answered as it should be, or refused, or the connection ends."""
        parser = ReplyParser(lambda reply, piece: None)
        parser.methods.extend(methods)
        with self.open() as s:
            try:
                s.sendall(data)
                while parser.methods:
                    piece = s.recv(262144)
                    if not piece:
                        break
                    parser.feed(piece)
            except ConnectionError:
                pass
        for reply, status in zip(parser.replies, statuses):
            assert reply.status == status or reply.status in REFUSED, f"{self.n}: {reply}"
            self.refused += reply.status != status
        self.refused += len(parser.methods) > 0

    def begin(self, data, count):
        """Connections that have sent something and do not read."""
        open_ones = [self.open() for _ in range(count)]
        for s in open_ones:
            s.sendall(data)
        return open_ones

    def serve(self):
        for data, methods, statuses in SCRIPT:
            self.ask(data, methods, statuses)
        waiting = self.begin(request(path="/stream"), 20)
        for length in (40, 300, 1500, 5000):
            waiting += self.begin((b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * length)[:length], 2)
        for s in waiting[:20]:
            select.select([s], [], [], 20)
        for s in waiting:
            s.close()
        # Whatever was refused before: now it serves.
        before = self.refused
        self.ask(request(), ["GET"], [200])
        assert self.refused == before, f"{self.n}: it does not recover"

    def end(self):
        """Stops it; what the library has to say."""
        if self.address:
            self.process.send_signal(signal.SIGTERM)
        try:
            _, errors = self.process.communicate(timeout=60)
        finally:
            self.process.kill()
        status = self.process.returncode
        if self.address:
            assert status == 0, f"{self.n}: ended with {status}: {errors}"
        else:
            assert status == 1 and re.search("memory|thread", errors), f"{self.n}: {status} without a word: {errors}"
        pairs = dict(pair.split("=") for pair in self.report.read_text().split())
        return int(pairs["failed"]), int(pairs["live"]), errors


def piece(*data, methods, statuses):
    return b"".join(data), methods, statuses


SCRIPT = [
    piece(request(), methods=["GET"], statuses=[200]),
    piece(request(path="/file/hello.txt"), methods=["GET"], statuses=[200]),
    piece(request(path="/files/hello.txt"), request(path="/files/nested/", headers={"Accept-Encoding": "br"}), request(path="/files/missing"),
          methods=["GET"] * 3, statuses=[200, 200, 404]),
    piece(request(path="/file/missing"), methods=["GET"], statuses=[404]),
    piece(request(path="/large"), methods=["GET"], statuses=[200]),
    piece(request(path="/json", headers={"X-Request-ID": "42"}), methods=["GET"], statuses=[200]),
    piece(request(path="/efficient"), methods=["GET"], statuses=[200]),
    piece(request(path="/csv"), methods=["GET"], statuses=[200]),
    piece(request(path="/cache/apple"), request(path="/cache/apple"), methods=["GET"] * 2, statuses=[200] * 2),
    piece(request(path="/cache/" + "k" * 3000), methods=["GET"], statuses=[200]),
    piece(request("POST", "/echo", body=b"x" * 20000), methods=["POST"], statuses=[200]),
    piece(request("POST", "/echo", headers=MANY_HEADERS, body=[b"x" * 3000] * 5), methods=["POST"], statuses=[200]),
    piece(request("POST", "/length", body=b"x" * 50000), methods=["POST"], statuses=[200]),
    piece(request(path="/users/7/posts/first"), methods=["GET"], statuses=[200]),
    piece(request(path="/_weir/ledger.json"), request(path="/_weir/metrics"), methods=["GET"] * 2, statuses=[200] * 2),
    piece(request(path="/nowhere"), methods=["GET"], statuses=[404]),
    piece(b"GET / HTTP/1.1\r\n\r\n", methods=["GET"], statuses=[400]),
    piece(request(path="/json"), request(path="/efficient"), request(path="/file/hello.txt"), request("HEAD"),
          request("OPTIONS"), request("DELETE"), methods=["GET", "GET", "GET", "HEAD", "OPTIONS", "DELETE"],
          statuses=[200, 200, 200, 200, 204, 405]),
]


@pytest.mark.parametrize("row", [1, 2, 10])
def test_every_request_for_memory(root, tmp_path, row):
    report = tmp_path / "report"
    run = Run(0, row, root, report)
    run.serve()
    assert run.refused == 0
    failed, live, errors = run.end()
    assert failed == 0 and live == 0 and errors == ""
    n, starts, refusals = 0, 0, 0
    while True:
        n += 1
        run = Run(n, row, root, report)
        if run.address:
            run.serve()
        failed, left, errors = run.end()
        assert left <= live, f"{n}: {left - live} blocks are lost"
        starts += run.address is not None
        refusals += run.refused
        if not failed:
            break
    print(f"\n{n - 1} requests for memory were refused: {n - 1 - starts + 1} ended the start, "
          f"{refusals} refused a request")
    assert n > 50 and refusals > 0
