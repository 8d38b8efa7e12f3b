"""malloc is not called while serving: an interposed allocator counts the calls of the tour between two moments.

SPDX-License-Identifier: MIT
"""

import os
import signal
import ssl
import time

import pytest

import h2client
import secure
from client import Crowd, request
from conftest import BUILD, SANITIZE

pytestmark = pytest.mark.skipif(bool(SANITIZE), reason="a sanitizer has an allocator of its own")

CLIENTS = 100
PROGRAMS = {
    "static reply": request(),
    "file": request(path="/file/hello.txt"),
    "large file by one call": request(path="/file/large.bin"),
    "stream": request(path="/stream"),
    "large file by hand": request(path="/large"),
    "JSON": request(path="/json", headers={"X-Request-ID": "42"}),
    "stack reply": request(path="/efficient"),
    "CSV": request(path="/csv"),
    "cache hit": request(path="/cache/apple"),
    "echo": request("POST", "/echo", body=b"x" * 20000),
    "chunked echo": request("POST", "/echo", body=[b"x" * 3000] * 5),
    "parameters": request(path="/users/7/posts/first"),
    "missing file": request(path="/file/missing"),
    "not found": request(path="/nowhere"),
    "bad request": b"GET / HTTP/1.1\r\n\r\n",
    "method not allowed": request("DELETE"),
    "HEAD": request("HEAD", "/file/hello.txt"),
    "OPTIONS": request("OPTIONS"),
    "length": request("POST", "/length", body=b"x" * 50000),
    "many headers": request(headers={f"X-{i}": "v" * 20 for i in range(60)}),
    "decoded path": request(path="/users/7/posts/%41%2e%42?a=%41&b=2"),
    "head too long": request(headers={"X-Long": "x" * 9000}),
    "HTTP/1.0": request(path="/json", version="1.0"),
    **(COMPRESSED := {coding: request(path="/text/300", headers={"Accept-Encoding": coding}) for coding in ("gzip", "br", "zstd")}),
}
PIPELINED = ("static reply", "file", "JSON", "stack reply", "cache hit", "echo", "parameters", "not found", "HEAD", "OPTIONS",
             "length", "missing file", "method not allowed")
PROGRAMS["pipelined"] = b"".join(PROGRAMS[name] for name in PIPELINED)
ABORTED = {"stream": 100000, "large file by one call": 100000, "CSV": 100000, "large file by hand": 100000}


@pytest.fixture
def start_counted(start_tour, tmp_path):
    """Starts a tour under the counting allocator: it and a function that reads the counts."""
    path = tmp_path / "counts"

    def start(*more, **options):
        server = start_tour("--workers", 1, *more, **options, environment={
            "LD_PRELOAD": str(BUILD / "tests/tools/lib_malloc_count.so"), "WEIR_MALLOC_COUNT_FILE": str(path)})
        return server, lambda: counts(server, path)

    return start


@pytest.fixture
def counted(start_counted):
    return start_counted()


def counts(server, path):
    lines = path.read_text().count("\n") if path.exists() else 0
    os.kill(server.pid, signal.SIGUSR2)
    deadline = time.monotonic() + 5
    while not path.exists() or path.read_text().count("\n") == lines:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    pairs = [pair.split("=") for pair in path.read_text().splitlines()[-1].split()]
    return {name: int(number) for name, number in pairs}


def methods_of(program):
    names = PIPELINED if program == "pipelined" else [program]
    return [PROGRAMS[name].split(b" ")[0].decode() for name in names]


def serve(server, program, clients, prefix=None):
    """One round: everyone asks at once and reads the replies, or the beginning of one, and leaves."""
    methods = methods_of(program)
    with Crowd(server.address, clients, sink=lambda: lambda reply, piece: None) as crowd:
        crowd.send(PROGRAMS[program], *methods)
        if prefix:
            crowd.wait(lambda member: member.parser.current is not None and member.parser.current.received >= prefix)
        else:
            crowd.wait(lambda member: len(member.parser.replies) == len(methods))


def settle(server):
    time.sleep(0.15)
    server.ask()


def growth(counted, program, prefix):
    """What a few rounds of a program take from the heap and from the system, after as many to warm up with more clients."""
    server, read = counted
    for _ in range(3):
        serve(server, program, CLIENTS, prefix)
        settle(server)
    before = read()
    for _ in range(3):
        serve(server, program, CLIENTS // 2, prefix)
        settle(server)
    after = read()
    return {name: after[name] - before[name] for name in after if after[name] != before[name]}


def check(counted, program, prefix):
    """Nothing. Where the machine is so slow that the worker gave memory back between rounds, as it does each second, it maps it again: not each time."""
    for _ in range(3):
        grown = growth(counted, program, prefix)
        if set(grown) != {"mmap"}:
            break
    assert not grown


@pytest.mark.parametrize("coding", COMPRESSED)
def test_no_malloc_when_compressing(counted, coding):
    """Contexts are large and go back soon: how many are mapped again depends on the machine's pace."""
    assert set(growth(counted, coding, None)) <= {"mmap"}


@pytest.mark.parametrize("program", [name for name in PROGRAMS if name != "stream" and name not in COMPRESSED])
def test_no_malloc(counted, program):
    check(counted, program, None)


@pytest.mark.parametrize("program", ABORTED)
def test_no_malloc_when_clients_leave(counted, program):
    """Everyone leaves in the middle of the reply."""
    check(counted, program, ABORTED[program])


def test_no_malloc_when_the_cache_evicts(counted):
    """Misses and evictions too: the cache's memory is a pool's."""
    server, read = counted

    def fill(count, name):
        with server.connect() as connection:
            for i in range(count):
                assert connection.ask(path=f"/cache/{name}-{i}").header("X-Cache") == "MISS"

    fill(3000, "warm")
    before = read()
    fill(3000, "next")
    after = read()
    assert after == before


# ---- Over HTTP/2, and behind a handshake of TLS whose records are lean

# No stream: what the kernel does not take at once of a sealed record gets a block of its length.
KEPT = ["/", "/json", "/efficient", "/cache/apple", "/users/7/posts/first", "/file/hello.txt", "/missing"]


def has(option):
    return f"{option}:BOOL=OFF" not in (BUILD / "CMakeCache.txt").read_text()


@pytest.mark.parametrize("version", ["h2c", "https", "h2"])
def test_no_malloc_on_a_connection_that_is_kept(start_counted, version):
    if version != "https" and not has("WEIR_HTTP2") or version != "h2c" and not has("WEIR_TLS"):
        pytest.skip("a build without it")
    more = [] if version == "h2c" else ["--tls-port", 0, "--lean-records"]
    server, read = start_counted(*more, **({} if version == "h2c" else
                                           {"expect": r"listening on http://\S+\nlistening on (https://\S+)\n"}))
    context = None
    if version != "h2c":
        context = ssl._create_unverified_context()
        context.set_alpn_protocols(["h2" if version == "h2" else "http/1.1"])
    connections = 4
    if version == "https":
        made = [secure.Connection(server, context) for _ in range(connections)]
    else:
        made = [h2client.Connection(server.address, context=context) for _ in range(connections)]

    def rounds():
        for _ in range(5):
            for each in made:
                for path in KEPT:
                    assert each.ask(path=path).status in (200, 404)
                assert each.ask("POST", "/length", body=b"x" * 50000).text() == "50000"
                assert each.ask("POST", "/echo", body=b"x" * 30000).received == 30000

    for _ in range(3):  # where the worker gives memory back meanwhile, it maps it again
        rounds()
        before = read()
        rounds()
        after = read()
        grown = {name: after[name] - before[name] for name in after if after[name] != before[name]}
        if set(grown) <= {"mmap"}:
            break
    assert set(grown) <= {"mmap"}, grown
    for each in made:
        each.close()
