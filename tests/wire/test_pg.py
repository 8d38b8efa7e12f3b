"""The adapter of PostgreSQL, by tests/programs/pg.c, with a PostgreSQL of the test's own: queries, transactions, rows,
prepared statements, the pool's bound; requests that end in the middle of a query; and a database that dies.

SPDX-License-Identifier: MIT
"""

import concurrent.futures
import json
import re
import subprocess
import threading
import time
import urllib.parse

import pytest

from client import request
from conftest import SANITIZE
from postgres import Missing, Postgres

pytestmark = pytest.mark.threaded

EINVAL, ECLOSED, ETIMEDOUT, EIO, ECANCELED, EEXIST, EBUSY, ECONDITION, EREACH = (
    -1, -3, -7, -10, -12, -14, -15, -19, -21)


@pytest.fixture(scope="module")
def cluster():
    try:
        made = Postgres()
    except Missing as error:
        pytest.skip(str(error))
    try:
        made.start()
        made.sql("CREATE TABLE things (id serial PRIMARY KEY, name text UNIQUE CHECK (name <> ''))")
        yield made
    finally:
        made.remove()


@pytest.fixture
def database(cluster):
    """Running, and empty."""
    if not cluster.process:
        cluster.start()
    cluster.sql("TRUNCATE things")
    return cluster


@pytest.fixture
def serve(start, database):
    def start_one(conninfo=None, **settings):
        settings = {"cancel_ms": 60000, **settings}  # however busy the machine is
        return start("tests/programs/pg", conninfo or database.by_socket(),
                     *[f"{name}={value}" for name, value in settings.items()])

    return start_one


def query(server, sql, *parameters, **more):
    """(error, sqlstate, text)"""
    fields = {"sql": sql, "count": len(parameters), **more}
    for i, value in enumerate(parameters):
        if value is not None:
            fields[str(i + 1)] = value
    reply = server.ask(path="/query?" + urllib.parse.urlencode(fields))
    assert reply.status == 200, reply.text()
    error, sqlstate, text = reply.text().split(" ", 2)
    return int(error), sqlstate, text


def counts(server):
    return json.loads(server.ask(path="/counts").text())


def pool(server):
    ledger = json.loads(server.ask(path="/ledger").body)
    return next(row for row in ledger["pools"] if row["name"] == "postgres")


def wait_for(condition, why="", seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, why
        time.sleep(0.02)


# ---- Queries


@pytest.mark.parametrize("how", ["by_socket", "by_address", "by_name"])
def test_queries(serve, database, how):
    server = serve(getattr(database, how)())
    assert query(server, "SELECT 1, 'two', NULL") == (0, "-", "1|two|~")
    assert query(server, "SELECT $1::int + $2::int", "40", "2") == (0, "-", "42")
    assert query(server, "SELECT $1::text IS NULL, $2::text", None, "'; DROP") == (0, "-", "t|'; DROP")
    assert query(server, "SELECT i FROM generate_series(1, 3) i") == (0, "-", "1\n2\n3")
    assert query(server, "") == (0, "-", "")
    assert query(server, "INSERT INTO things (name) VALUES ($1)", "a") == (0, "-", "")
    assert query(server, "SELECT name FROM things") == (0, "-", "a")
    assert pool(server)["opened"] == 1


def test_errors(serve):
    server = serve()
    assert query(server, "SELEKT 1")[:2] == (EINVAL, "42601")
    assert query(server, "SELECT $1::int", "x")[:2] == (EINVAL, "22P02")
    assert query(server, "SELECT 1; SELECT 2")[:2] == (EINVAL, "42601")
    insert = "INSERT INTO things (name) VALUES ($1)"
    assert query(server, insert, "a")[0] == 0
    error, sqlstate, text = query(server, insert, "a")
    assert (error, sqlstate) == (EEXIST, "23505") and text.startswith("duplicate key")
    assert query(server, insert, "")[:2] == (ECONDITION, "23514")
    assert query(server, "SET statement_timeout = 1; ")[0] == 0
    assert query(server, "SELECT pg_sleep(10)")[:2] == (ETIMEDOUT, "57014")
    assert query(server, "SET statement_timeout = 0; ")[0] == 0
    assert query(server, "DO $$ BEGIN RAISE NOTICE 'said'; END $$")[0] == 0
    assert "said" not in server.error_text()
    now = pool(server)
    assert now["opened"] == 1 and now["broken"] == 0 and counts(server)["failed"] == 6


def test_copy_is_refused(serve):
    server = serve()
    assert query(server, "COPY things TO STDOUT")[0] == EINVAL
    assert query(server, "COPY things FROM STDIN")[0] == EINVAL
    assert query(server, "SELECT 3") == (0, "-", "3")
    wait_for(lambda: counts(server)["dropped"] == 2)


def test_a_wrong_conninfo(start, tmp_path):
    with pytest.raises(AssertionError, match='invalid connection option "nonsense"'):
        start("tests/programs/pg", "nonsense=1")
    with pytest.raises(AssertionError, match="query_ms is negative"):
        start("tests/programs/pg", "", "query_ms=-1")
    server = start("tests/programs/pg", f"host={tmp_path} dbname=x", "backoff_min_ms=60000", "backoff_max_ms=60000")
    for _ in range(3):  # the second and third one are told what the first one was
        error, _, text = query(server, "SELECT 1")
        assert error == EREACH and "No such file or directory" in text
    assert pool(server)["failed"] == 1


def test_no_such_database(serve, database):
    error, _, text = query(serve(database.by_socket() + " dbname=nowhere"), "SELECT 1")
    assert error == EREACH and 'database "nowhere" does not exist' in text


def test_a_password(serve, database):
    database.sql("CREATE ROLE guarded LOGIN PASSWORD 'secret'")
    hba = f"{database.data}/pg_hba.conf"
    with open(hba) as file:
        before = file.read()
    try:
        with open(hba, "w") as file:
            file.write("host all guarded 127.0.0.1/32 scram-sha-256\n" + before)
        database.sql("SELECT pg_reload_conf()")
        asked = f"host=127.0.0.1 port={database.port} dbname=postgres user=guarded password="
        assert query(serve(asked + "secret"), "SELECT 5") == (0, "-", "5")
        error, _, text = query(serve(asked + "wrong"), "SELECT 5")
        assert error == EREACH and "password authentication failed" in text
    finally:
        with open(hba, "w") as file:
            file.write(before)
        database.sql("SELECT pg_reload_conf()")


# ---- Transactions


@pytest.mark.parametrize("how, status, rows", [("commit", 200, 1), ("put", 200, 0), ("fail", 500, 0), ("forget", 200, 0),
                                               ("wrong", 200, 0)])
def test_transactions(serve, database, how, status, rows):
    server = serve(max=1)
    for turn in range(3):
        reply = server.ask(path=f"/transaction?how={how}")
        if turn == 0 or not rows:
            assert reply.status == status
        if how == "wrong":
            assert reply.text().startswith(str(EIO))
        assert query(server, "SELECT count(*) FROM things") == (0, "-", str(rows))
    now = pool(server)
    assert now["opened"] == 1 and now["broken"] == 0
    assert counts(server)["healed"] == (2 if how == "commit" else 0 if how == "wrong" else 3)


def test_a_handler_that_is_ended_in_a_transaction(serve, database):
    server = serve(max=1, handler_timeout_ms=200)
    assert server.ask(path="/transaction?how=abandon").status == 503
    assert query(server, "SELECT count(*) FROM things") == (0, "-", "0")
    assert pool(server)["opened"] == 1


# ---- Rows


def test_many_rows(serve, database):
    """A hundred thousand rows, and then twenty times as many, in the same memory."""
    server = serve(max=1)
    assert server.ask(path="/rows?n=1000").text().endswith("end 0 1000\n")
    first = 100000 if not SANITIZE else 10000
    text = server.ask(path=f"/rows?n={first}").text()
    lines = text.split("\n")
    assert lines[-2] == f"end 0 {first}" and [line.split()[0] for line in lines[:-2]] == [
        str(i + 1) for i in range(first)]
    before = server.private()
    with server.connect(timeout=120) as client:
        client.send(request(path=f"/rows?n={first * 10}"), "GET")
        assert client.reply().text().endswith(f"end 0 {first * 10}\n")
    if not SANITIZE:
        assert server.private() <= before + 64 * 1024
    assert pool(server)["opened"] == 1


@pytest.mark.parametrize("how", ["", "&how=put"])
def test_rows_that_are_left(serve, database, how):
    """The rest is not read: the query is cancelled, and the connection is used again."""
    server = serve(max=1)
    for i in range(5):
        assert server.ask(path=f"/rows?n=100000000&leave={i}{how}").text().endswith(f"end 0 {i}\n")
        assert query(server, "SELECT $1::int", str(i)) == (0, "-", str(i))
    now = counts(server)
    assert now["cancelled"] >= 4 and now["healed"] == 5 and now["dropped"] == 0
    assert pool(server)["opened"] == 1 and database.active() == 0


def test_a_client_that_goes_while_rows_come(serve, database):
    server = serve(max=1)
    with server.connect() as client:
        client.send(request(path="/rows?n=100000000"), "GET")
        client.fill()
    wait_for(lambda: counts(server)["healed"] == 1)
    assert query(server, "SELECT 2") == (0, "-", "2")
    assert pool(server)["opened"] == 1 and database.active() == 0


# ---- Prepared statements


def test_prepared(serve, database):
    server = serve(max=1, statements=3)
    for i in range(10):
        assert query(server, "SELECT $1::int + 1", str(i)) == (0, "-", str(i + 1))
    assert counts(server)["prepared"] == 1
    for _ in range(3):
        for i in range(6):
            assert query(server, f"SELECT $1::int + {i}", "1") == (0, "-", str(1 + i))
    names = "SELECT count(*) FROM pg_prepared_statements"
    assert int(query(server, names)[2]) <= 3
    assert query(server, "DISCARD ALL") == (0, "-", "")
    assert query(server, "SELECT $1::int + 5", "1") == (0, "-", "6")
    assert counts(server)["failed"] == 1  # and it was run again


def test_a_table_that_changes(serve, database):
    server = serve(max=1)
    for _ in range(3):
        assert query(server, "SELECT * FROM things") == (0, "-", "")
    database.sql("ALTER TABLE things ADD COLUMN more int")
    try:
        assert query(server, "SELECT * FROM things") == (0, "-", "")
    finally:
        database.sql("ALTER TABLE things DROP COLUMN more")


def test_none_prepared(serve):
    server = serve(max=1, statements=-1)
    assert [query(server, "SELECT 1")[2] for _ in range(5)] == ["1"] * 5
    assert counts(server)["prepared"] == 0


# ---- The pool


def numbers_of(server, clients, each):
    """Each query gets its own number, or an error. Returns how many got each."""
    def run(client):
        seen = {"good": 0, "error": 0}
        for i in range(each):
            number = client * each + i
            reply = server.ask(path=f"/number?n={number}")
            assert reply.status in (200, 503, 504), reply.status
            if reply.status == 200:
                assert reply.text() == str(number)
            seen["good" if reply.status == 200 else "error"] += 1
        return seen
    with concurrent.futures.ThreadPoolExecutor(clients) as crowd:
        found = list(crowd.map(run, range(clients)))
    return sum(each["good"] for each in found), sum(each["error"] for each in found)


@pytest.mark.parametrize("settings, most", [({"max": 4}, 4), ({"max": 2, "workers": 3}, 6),
                                            ({"max": 3, "workers": 3, "shared": 1}, 3)])
def test_the_bound(serve, database, settings, most):
    server = serve(wait_ms=60000, **settings)
    assert numbers_of(server, 100, 5) == (500, 0)
    now = pool(server)
    assert now["opened"] == now["open"] <= most and now["waiting"] == now["failed"] == 0
    assert database.connections() <= most


def test_idle_ones_are_closed(serve, database):
    server = serve(idle_ms=100)
    assert query(server, "SELECT 1")[0] == 0
    wait_for(lambda: database.connections() == 0 and pool(server)["open"] == 0)


@pytest.mark.parametrize("check_idle_ms", [1, 600000])
def test_an_idle_one_that_was_ended(serve, database, check_idle_ms):
    """Found out before a query is sent on it, by the pool's check or without."""
    server = serve(check_idle_ms=check_idle_ms)
    assert query(server, "SELECT 1")[0] == 0
    time.sleep(0.06)  # what has been used just now is not looked at
    database.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'weir'")
    wait_for(lambda: database.connections() == 0)
    assert query(server, "SELECT 2") == (0, "-", "2")
    assert pool(server)["opened"] == 2


def test_a_query_costs_no_control(serve, tmp_path):
    """After the first ones: no epoll_ctl(), no eventfd, and three calls to the kernel in all."""
    if SANITIZE:
        pytest.skip("a sanitizer and strace do not go together")
    server = serve(max=1)
    server.ask(path="/numbers?times=10")
    trace = tmp_path / "trace"
    tracer = subprocess.Popen(["strace", "-f", "-qq", "-o", trace, "-p", str(server.pid)], stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: tracer.poll() is not None or re.search(
            r"TracerPid:\s+[1-9]", open(f"/proc/{server.pid}/status").read()), "strace does not begin")
        if tracer.poll() is not None:
            pytest.skip("strace cannot be used here")
        with server.connect(timeout=60) as client:
            assert client.ask(path="/numbers?times=10").text() == "10"
            wait_for(lambda: trace.read_text().count("sendto(") >= 10)
            before = trace.read_text()
            assert client.ask(path="/numbers?times=500").text() == "500"
            wait_for(lambda: trace.read_text().count("sendto(") >= 510)
            text = trace.read_text()[len(before):]
        assert text.count("epoll_ctl") == 0 and "eventfd" not in text
        calls = re.findall(r"^\d+ +(\w+)\(", text, re.M)
        assert len(calls) <= 500 * 3 + 100, {name: calls.count(name) for name in set(calls)}
    finally:
        tracer.terminate()
        tracer.wait()


# ---- Requests that end in the middle


def test_a_client_that_leaves(serve, database):
    """Its query ends in the database, and the connection is used again."""
    server = serve(max=1)
    for turn in range(3):
        with server.connect() as client:
            client.send(request(path="/query?sql=SELECT+pg_sleep(600)"), "GET")
            wait_for(lambda: database.active() == 1)
        wait_for(lambda: database.active() == 0, "the query goes on")
        assert query(server, "SELECT $1::int", str(turn)) == (0, "-", str(turn))
        now = counts(server)
        assert now["cancelled"] == now["healed"] == turn + 1 and now["dropped"] == 0
    assert pool(server)["opened"] == 1


def test_a_crowd_that_leaves(serve, database):
    server = serve(max=8, workers=2, wait_ms=60000)
    clients = [server.connect() for _ in range(40)]
    for client in clients:
        client.send(request(path="/query?sql=SELECT+pg_sleep(600)"), "GET")
    wait_for(lambda: database.active() >= 8)
    for client in clients:
        client.close()
    wait_for(lambda: database.active() == 0 and pool(server)["waiting"] == 0)
    assert numbers_of(server, 16, 20) == (320, 0)
    assert counts(server)["dropped"] == 0


def test_a_deadline(serve, database):
    server = serve(max=1)
    for turn in range(3):
        assert query(server, "SELECT pg_sleep(600)", deadline=1)[0] == ETIMEDOUT
        assert query(server, "SELECT $1::int", str(turn)) == (0, "-", str(turn))
    assert database.active() == 0 and pool(server)["opened"] == 1 and counts(server)["healed"] == 3


def test_a_querys_own_time(serve, database):
    """The request goes on, with the same connection."""
    server = serve(max=1, query_ms=200)
    assert server.ask(path="/after").text() == f"{ETIMEDOUT} 0 7"
    assert database.active() == 0 and pool(server)["opened"] == 1


def test_a_handler_that_is_ended(serve, database):
    server = serve(max=1, handler_timeout_ms=200)
    assert server.ask(path="/query?sql=SELECT+pg_sleep(600)").status == 503
    assert query(server, "SELECT 4") == (0, "-", "4")
    assert database.active() == 0 and pool(server)["opened"] == 1


@pytest.mark.parametrize("stop", ["", "&stop=1"])
def test_a_stop(serve, database, stop):
    server = serve(stop_timeout_ms=500)
    with server.connect() as client:
        client.send(request(path=f"/query?sql=SELECT+pg_sleep(600){stop}"), "GET")
        wait_for(lambda: database.active() == 1)
        server.stop(60)
    wait_for(lambda: database.active() == 0)
    assert database.connections() == 0


# ---- A database that dies


def test_frozen(serve, database):
    """It says nothing any more, to nobody: requests end at their deadline, also those that would have a connection
    healed, and all is well when it goes on."""
    server = serve(max=2, cancel_ms=300, connect_ms=500, backoff_max_ms=200)
    assert query(server, "SELECT 1")[0] == 0
    database.freeze()
    try:
        assert query(server, "SELECT 2", deadline=1)[0] == ETIMEDOUT
        for _ in range(4):
            assert query(server, "SELECT 2", deadline=1)[0] in (ETIMEDOUT, EREACH)
        wait_for(lambda: counts(server)["dropped"] >= 1)
    finally:
        database.freeze(False)
    wait_for(lambda: query(server, "SELECT 3") == (0, "-", "3"))
    wait_for(lambda: database.active() == 0)


@pytest.mark.parametrize("how", ["by_socket", "by_address"])
def test_killed_and_started_again(serve, database, how):
    """Under load: nobody hangs, nobody gets what another one asked for, and the database is not stormed."""
    made = "connection authorized: user=tester database=postgres application_name=weir"
    earlier = database.log_text().count(made)
    server = serve(getattr(database, how)(), max=4, workers=2, backoff_min_ms=50, backoff_max_ms=400)
    assert numbers_of(server, 8, 10) == (80, 0)
    ended = threading.Event()

    def load(client):
        good = failed = 0
        longest = 0.0
        number = client * 1000000
        while not ended.is_set():
            number += 1
            began = time.monotonic()
            reply = server.ask(path=f"/number?n={number}")
            longest = max(longest, time.monotonic() - began)
            assert reply.status in (200, 503, 504), reply.status
            if reply.status == 200:
                assert reply.text() == str(number)
                good += 1
            else:
                failed += 1
        return good, failed, longest

    with concurrent.futures.ThreadPoolExecutor(12) as crowd:
        running = [crowd.submit(load, client) for client in range(12)]
        try:
            for _ in range(3):
                before, began = pool(server), time.monotonic()
                database.kill()
                wait_for(lambda: pool(server)["failed"] > before["failed"])
                down = time.monotonic() - began
                database.start()
                wait_for(lambda: pool(server)["opened"] > before["opened"])
                wait_for(lambda: numbers_of(server, 4, 4) == (16, 0), "it does not heal")
                attempts = pool(server)["failed"] - before["failed"]
                took = time.monotonic() - began
                # Of each worker: one for each connection at the moment, and one for each pause, of 25 ms at least and
                # then of 200 ms at least.
                assert attempts <= 2 * (4 + 4 + took / 0.2), (attempts, down, took)
        finally:
            ended.set()
        done = [each.result() for each in running]
    assert all(good > 0 for good, _, _ in done)
    assert database.log_text().count(made) - earlier <= pool(server)["opened"] + pool(server)["failed"]
    assert database.connections() <= 8
