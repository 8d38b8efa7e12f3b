"""The ledger's figures follow what clients do, exactly, and both of its forms say the same.

SPDX-License-Identifier: MIT
"""

import contextlib
import json
import pathlib
import re
import shutil
import socket
import struct
import subprocess
import threading
import time
import urllib.request

import client
import conftest
import pytest

CACHE = 'a "b" \\ \n � end'  # of tests/programs/watched.c; its byte that is no UTF-8 has been replaced
MIB = 1 << 20


@pytest.fixture
def watched(start):
    return start("tests/programs/watched")


def read(server):
    reply = server.ask(path="/ledger.json")
    assert reply.status == 200 and reply.header("Content-Type") == "application/json"
    return json.loads(bytes(reply.body))


def wait_for(read_it, good, seconds=30):
    """Reads until good(figure) holds, and returns the figure."""
    deadline = time.monotonic() + seconds
    while not good(figure := read_it()):
        assert time.monotonic() < deadline, figure
        time.sleep(0.05)
    return figure


def reset_at_close(connection):
    """A close that ends a handler which waits; an orderly one would be only half of the connection's end."""
    connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def difference(after, before):
    return {name: after[name] - before[name] for name in after if after[name] != before[name]}


def account(ledger, name):
    return next(a for a in ledger["memory"]["accounts"] if a["name"] == name)


@pytest.mark.threaded
def test_replies_by_class(watched):
    """Each reply is counted once, in its class; a reading counts itself when it has ended, so it is in the next one."""
    before = read(watched)
    for path, times in (("/", 5), ("/status/204", 1), ("/status/302", 2), ("/status/404", 3), ("/nowhere", 1), ("/status/503", 4)):
        for _ in range(times):
            watched.ask(path=path)
    with watched.connect() as refused:
        refused.send(b"GET / HTTP/1.1\r\nBad Header: 1\r\n\r\n", "GET")
        assert refused.reply().status == 400
    after = wait_for(lambda: read(watched), lambda l: l["requests"] - before["requests"] >= 18)
    readings = after["requests"] - before["requests"] - 17
    assert difference(after["responses"], before["responses"]) == {"2xx": 6 + readings, "3xx": 2, "4xx": 5, "5xx": 4}
    assert sum(count for name, count in after["responses"].items() if name != "1xx") == after["requests"]
    assert difference(after["refusals"], before["refusals"]) == {"malformed": 1}


def test_interim_reply(watched):
    before = read(watched)
    with watched.connect() as one:
        one.send(b"POST /length HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n", "POST")
        assert one.reply().status == 100
        one.send(b"abc")
        assert one.reply().body == b"3"
    assert difference(read(watched)["responses"], before["responses"])["1xx"] == 1


def test_unanswered(watched):
    """A client that goes before there is a reply is a request without an answer."""
    with watched.connect() as one:
        one.send(client.request(path="/sleep/60000"), "GET")
        wait_for(lambda: read(watched)["fibers"]["waiting"], lambda waiting: waiting >= 1)
        reset_at_close(one)
    wait_for(lambda: read(watched)["responses"]["none"], lambda none: none == 1)


def test_bytes(watched):
    before = read(watched)["bytes"]
    request = client.request("POST", "/length", body=b"x" * 100000)
    with watched.connect() as one:
        one.send(request, "POST")
        assert one.reply().body == b"100000"
        after = read(watched)["bytes"]
    assert len(request) <= after["in"] - before["in"] < len(request) + 500
    assert 1000 < after["out"] - before["out"] < 10000  # the two ledgers and the reply


@pytest.mark.threaded
def test_connections_by_state(watched):
    """Some connections in each state, and then none."""
    states = {"idle": 3, "head": 2, "active": 5, "draining": 4, "lingering": 2}
    with contextlib.ExitStack() as stack:

        def connect(count, **more):
            return [stack.enter_context(watched.connect(**more)) for _ in range(count)]

        for one in connect(3):
            assert one.ask().status == 200
        for one in connect(2):
            one.send(b"GET / HTTP/1.1\r\nHost: half")
        for one in connect(2):
            one.send(client.request(path="/sleep/60000"), "GET")
            reset_at_close(one)
        for one in connect(2, receive_buffer=4096):
            one.send(client.request(path="/flood"), "GET")
        for one in connect(4, receive_buffer=4096):
            one.send(client.request(path="/large"), "GET")

        def linger():
            for one in connect(2):
                one.send(b"nonsense\r\n\r\n", "GET")
                one.reply()
            return {name: read(watched)["connections"][name] for name in states}

        # A refused client is waited for for 2 seconds; the ledger's own reader is the fifth that is active.
        wait_for(linger, lambda found: {**found, "lingering": min(2, found["lingering"])} == states)
        total = read(watched)["connections"]
        assert total["open"] == sum(total[name] for name in states) and total["waiting"] == 0
    left = {"idle": 0, "head": 0, "active": 1, "draining": 0, "lingering": 0}
    wait_for(lambda: {name: read(watched)["connections"][name] for name in states}, lambda found: found == left)


def read_within(server, seconds=30):
    """The ledger of a server that may have no memory for another request that waits."""
    deadline = time.monotonic() + seconds
    while (reply := server.ask(path="/ledger.json")).status == 503:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert reply.status == 200
    return json.loads(bytes(reply.body))


@pytest.mark.skipif(not shutil.which("nghttp"), reason="needs nghttp")
@pytest.mark.parametrize("limit, streams", [(0, 60), (3000000, 3)])
def test_connections_with_many_requests(start, limit, streams):
    """One of HTTP/2 is one connection, however many of its requests are alive, or wait for memory or for their client."""
    server = start("tests/programs/watched", "workers=1", f"memory_limit={limit}")
    urls = [f"{server.where}/sleep/60000?{i}" for i in range(20)] + [f"{server.where}/large"]
    clients = [subprocess.Popen(["nghttp", "-n", "-w", "10", *urls], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
               for _ in range(3)]

    def state(found):
        return {name: count for name, count in found["connections"].items() if name not in ("accepted", "open") and count}

    with server.connect() as idle:
        assert idle.ask(path="/none").status == 404
        busy = {"idle": 1, "active": 4}  # the reader of the ledger is one
        wait_for(lambda: read_within(server), lambda found: found["streams"] >= streams and state(found) == busy)
        if not limit:
            assert metrics(server)["weir_streams", None] >= streams
    for one in clients:
        one.kill()
        one.wait()
    wait_for(lambda: read_within(server), lambda found: found["streams"] == 0 and state(found) == {"active": 1})


def test_connections_that_wait_for_memory(start):
    """Under a bound some requests wait for memory, and are counted as that and as nothing else."""
    server = start("tests/programs/watched", "workers=1", "memory_limit=3000000")
    with contextlib.ExitStack() as stack:
        for path in ["/sleep/1"] * 2 + ["/sleep/60000"] * 60:
            one = stack.enter_context(server.connect())
            one.send(client.request(path=path), "GET")
            reset_at_close(one)
        found = wait_for(lambda: read(server)["connections"], lambda found: found["waiting"] > 5)
        assert found["active"] > 5 and found["head"] == 0
        assert found["open"] == sum(found[name] for name in ("idle", "head", "waiting", "active", "draining", "lingering", "handshake"))
        assert metrics(server)["weir_connections", "waiting"] > 0
    wait_for(lambda: read(server)["connections"]["waiting"], lambda waiting: waiting == 0)


def slower_than(ledger, seconds):
    """Handlers in the classes whose lower bound is at least this."""
    times = ledger["handlers"]["times"]
    return sum(t["count"] for t, faster in zip(times[1:], times) if faster["most"] >= seconds)


def test_handler_times(watched):
    for _ in range(20):
        watched.ask()
    before = read(watched)
    for ms in (30, 30, 600):
        watched.ask(path=f"/sleep/{ms}")
    after = read(watched)
    assert slower_than(after, 0.025) - slower_than(before, 0.025) >= 3
    assert slower_than(after, 0.5) - slower_than(before, 0.5) >= 1
    assert after["handlers"]["seconds"] - before["handlers"]["seconds"] >= 0.66
    assert sum(t["count"] for t in after["handlers"]["times"]) == after["requests"]
    assert after["handlers"]["times"][-1]["most"] is None


def test_handler_that_keeps_its_worker(start):
    """It never leaves its turn, and is measured all the same once the watchdog has found it."""
    server = start("tests/programs/watched", "watchdog_ms=20")
    server.ask(path="/spin/700")
    assert slower_than(read(server), 0.5) == 1


@pytest.mark.threaded
def test_cache(watched):
    """Hits, misses, waits and evictions of a cache, under its own name."""
    crowd = client.Crowd(watched.address, 4)
    with crowd:
        crowd.send(client.request(path="/cached/a"), "GET")
        assert {bytes(reply.body) for reply in crowd.replies()} == {b"value"}
    for key in ("a", "b", "c"):
        watched.ask(path=f"/cached/{key}")
    (cache,) = read(watched)["caches"]
    assert cache["name"] == CACHE
    assert cache["misses"] == 3 and cache["evictions"] == 1 and cache["entries"] == 2
    assert cache["hits"] + cache["waits"] == 4 and cache["bytes"] > 0


def test_offload(watched):
    read(watched)  # whose sample is taken by such a job
    before = read(watched)["offload"]["jobs"]
    for _ in range(3):
        watched.ask(path="/offload")
    found = read(watched)["offload"]
    assert 3 <= found["jobs"] - before <= 5 and found["threads"] >= 1 and found["queued"] == 0


def test_memory(start):
    server = start("tests/programs/watched", f"memory_limit={64 * MIB}")
    ledger = read(server)
    memory = ledger["memory"]
    assert memory["limit"] == 64 * MIB
    assert memory["in_use"] == sum(a["in_use"] for a in memory["accounts"]) > 0
    assert memory["reserved"] == sum(a["reserved"] for a in memory["accounts"]) >= memory["in_use"]
    assert ledger["version"] and ledger["workers"] == 2 and 0 <= ledger["uptime_seconds"] < 60
    for _ in range(3):
        server.ask(path="/ledger.json")
        server.ask(path="/metrics")
    assert account(read(server), "request arenas")["peak"] == 0, "it is written as it goes"


@pytest.mark.skipif(bool(conftest.SANITIZE), reason="a sanitizer's memory is not the program's")
def test_process_memory(start):
    """What the ledger does not know is seen, and what it knows is not taken for unknown."""
    server = start("tests/programs/watched", "workers=1")
    sample = lambda: wait_for(lambda: read(server)["process"], lambda p: p["age_seconds"] < 0.5)  # noqa: E731
    before = sample()
    assert 0 < before["remainder"] < before["private"] < before["resident"]
    assert abs(before["private"] - server.private()) < MIB // 2
    with contextlib.ExitStack() as stack:
        for _ in range(200):
            one = stack.enter_context(server.connect())
            one.send(client.request(path="/sleep/60000"), "GET")
            reset_at_close(one)
        wait_for(lambda: read(server)["fibers"]["waiting"], lambda waiting: waiting >= 200)
        time.sleep(1.1)
        during = sample()
    assert during["private"] - before["private"] > MIB, "200 handlers that wait take more than that"
    assert abs(during["remainder"] - before["remainder"]) < MIB // 4
    server.ask(path="/hoard/8")
    time.sleep(1.1)
    after = sample()
    # The reading itself is allocated, and counted whole, whatever of it has been written to.
    assert 8 * MIB - 65536 <= after["remainder"] - during["remainder"] < 9 * MIB


# ---- Prometheus

SAMPLE = re.compile(r'([a-z_]+)(?:\{([a-z]+)="((?:[^"\\\n]|\\[\\"n])*)"(?:,quantile="([0-9.]+)")?\})? (\S+)')


def metrics(server):
    """The samples of /metrics by (name, label's value)."""
    reply = server.ask(path="/metrics")
    assert reply.header("Content-Type") == "text/plain; version=0.0.4; charset=utf-8"
    found = {}
    for line in reply.text().splitlines():
        if line.startswith("#"):
            continue
        name, _, label, quantile, value = SAMPLE.fullmatch(line).groups()
        label = label and re.sub(r"\\(.)", lambda m: "\n" if m[1] == "n" else m[1], label)
        label = (label, quantile) if quantile else label
        assert (name, label) not in found
        found[name, label] = float(value)
    return found


@pytest.mark.threaded
def test_times_by_route(watched):
    """Each route has its own: what waits in one does not become the median of all."""
    with watched.connect() as connection:
        for _ in range(40):
            connection.ask()
        for ms in [30] * 5 + [300]:
            connection.ask(path=f"/sleep/{ms}")
        for path in ("/missing", "/sleep/x", "/status/404"):
            connection.ask(path=path)
        connection.send(b"GET / HTTP/1.1\r\n\r\n", "GET")
        assert connection.reply().status == 400
    ledger = read(watched)
    routes = {(r["method"], r["pattern"]): r for r in ledger["routes"]}
    assert [r["requests"] for r in ledger["routes"]] == sorted((r["requests"] for r in ledger["routes"]), reverse=True)
    assert routes["GET", "/"]["requests"] == 40 and routes["GET", "/"]["p50_ms"] <= 2.5
    slept = routes["GET", "/sleep/{ms:[0-9]+}"]
    assert slept["requests"] == 6 and 50 <= slept["p50_ms"] < 500 <= slept["p99_ms"]
    assert routes["GET", "/status/{status:[0-9]+}"]["requests"] == 1
    assert ("POST", "/length") not in routes  # has had none
    assert ledger["requests"] == 40 + 6 + 3 + 1  # what has no route counts among all
    assert sum(t["count"] for t in ledger["handlers"]["times"]) == ledger["requests"]
    found = metrics(watched)
    assert found["weir_route_duration_seconds_count", "GET /sleep/{ms:[0-9]+}"] == 6
    assert found["weir_route_duration_seconds", ("GET /sleep/{ms:[0-9]+}", "0.99")] == slept["p99_ms"] / 1000
    assert found["weir_route_duration_seconds", ("GET /", "0.5")] == routes["GET", "/"]["p50_ms"] / 1000


def test_metrics_say_the_same(watched):
    for path in ("/", "/status/404", "/cached/a", "/sleep/30"):
        watched.ask(path=path)
    ledger, found = read(watched), metrics(watched)
    assert found["weir_requests_total", None] == ledger["requests"] + 1
    assert found["weir_responses_total", "4xx"] == ledger["responses"]["4xx"] == 1
    assert found["weir_refusals_total", "max_headers"] == ledger["refusals"]["max_headers"] == 0
    assert found["weir_cache_misses_total", CACHE] == 1
    assert found["weir_connections", "active"] >= 1
    for a in ledger["memory"]["accounts"]:
        assert found["weir_account_reserved_bytes", a["name"]] >= 0
    assert found["weir_account_in_use_bytes", "routes"] == account(ledger, "routes")["in_use"]
    assert ("weir_memory_limit_bytes", None) not in found
    buckets = [value for (name, _), value in found.items() if name == "weir_handler_duration_seconds_bucket"]
    assert buckets == sorted(buckets) and buckets[-1] == found["weir_handler_duration_seconds_count", None]
    assert ("weir_handler_duration_seconds_bucket", "0.001") in found
    assert found["weir_handler_duration_seconds_sum", None] >= 0.03


def test_promtool(start):
    server = start("tests/programs/watched", f"memory_limit={64 * MIB}")
    server.ask(path="/cached/a")
    text = bytes(server.ask(path="/metrics").body)
    checked = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, timeout=60)
    assert checked.returncode == 0 and not checked.stderr, checked.stderr.decode()


@pytest.mark.skipif(bool(conftest.SANITIZE), reason="once is enough")
def test_prometheus_scrapes(watched, tmp_path):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    (tmp_path / "prometheus.yml").write_text(
        f"scrape_configs:\n- job_name: weir\n  scrape_interval: 1s\n  static_configs:\n"
        f"  - targets: ['127.0.0.1:{watched.port}']\n")
    for _ in range(7):
        watched.ask(path="/status/404")
    with open(tmp_path / "log", "wb") as log:
        process = subprocess.Popen(
            ["prometheus", f"--config.file={tmp_path}/prometheus.yml", f"--storage.tsdb.path={tmp_path}/data",
             f"--web.listen-address=127.0.0.1:{port}"], stdout=log, stderr=log)
    try:

        def query():
            url = f'http://127.0.0.1:{port}/api/v1/query?query=weir_responses_total%7Bclass="4xx"%7D'
            try:
                with urllib.request.urlopen(url, timeout=10) as reply:
                    return [float(r["value"][1]) for r in json.load(reply)["data"]["result"]]
            except OSError:
                return []

        assert wait_for(query, bool, 60) == [7.0], pathlib.Path(tmp_path / "log").read_text()
    finally:
        process.terminate()
        process.wait(30)


@pytest.mark.threaded
def test_many_readers(watched):
    """Readers and a load at once: the figures only grow, and the sum of the states is never more than what is open."""
    wrong = []
    stop = threading.Event()

    def load():
        with watched.connect() as one:
            while not stop.is_set():
                one.ask()

    def reader():
        with watched.connect() as one:
            last = 0
            for i in range(50):
                reply = one.ask(path="/metrics" if i % 5 == 0 else "/ledger.json")
                if i % 5 == 0:
                    continue
                ledger = json.loads(bytes(reply.body))
                if ledger["requests"] < last:
                    wrong.append((last, ledger))
                last = ledger["requests"]

    threads = [threading.Thread(target=load) for _ in range(3)] + [threading.Thread(target=reader) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads[3:]:
        thread.join(120)
    stop.set()
    for thread in threads:
        thread.join(30)
    assert not wrong


