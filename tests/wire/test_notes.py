"""The service of examples/notes with a PostgreSQL and a Redis of the test's own: notes, the cache, titles, what becomes
of it when either is away, several processes at once, and the script that starts all of it.

SPDX-License-Identifier: MIT
"""

import concurrent.futures
import json
import os
import pathlib
import re
import signal
import subprocess
import tempfile
import threading
import time

import pytest

import client
import services
from conftest import BUILD, REPORT
from client import request
from postgres import Postgres
from redis import Redis

FOLDER = pathlib.Path(__file__).parents[2] / "examples" / "notes"
PROGRAM = BUILD / "examples" / "notes" / "notes"
LISTENS = re.compile(r"listening on (?:http://)?127\.0\.0\.1:(\d+)")


def until(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


class Notes:
    """The service, by the command that starts it."""

    def __init__(self, *command, **environment):
        self.errors = tempfile.NamedTemporaryFile()
        self.process = subprocess.Popen(
            [str(word) for word in command], stderr=self.errors,
            env={**os.environ, "NOTES_PORT": "0", "NOTES_LINK_HOSTS": "127.0.0.1", **environment})
        until(lambda: LISTENS.search(self.log()) or self.process.poll() is not None)
        assert LISTENS.search(self.log()), self.log()
        self.address = ("127.0.0.1", int(LISTENS.search(self.log()).group(1)))

    def log(self):
        return pathlib.Path(self.errors.name).read_text(errors="replace")

    def ask(self, method="GET", path="/", **more):
        return client.ask(self.address, method, path, **more)

    def create(self, text, link=None):
        """The path of a new note."""
        reply = self.ask("POST", "/notes", body=json.dumps({"text": text, "link": link}).encode())
        assert reply.status == 201, reply
        return reply.header("Location")

    def read(self, path):
        reply = self.ask(path=path)
        assert reply.status == 200, reply
        return json.loads(reply.text())

    def ready(self):
        return self.ask(path="/readyz").status

    def stop(self, expected=0):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(60) == expected, self.log()
        assert not REPORT.search(self.log()), self.log()


@pytest.fixture(scope="module")
def postgres():
    server = Postgres()
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture
def redis():
    with Redis() as server:
        yield server


@pytest.fixture
def start(postgres, redis):
    """Starts the service on an empty database, with further settings."""
    postgres.sql("DROP TABLE IF EXISTS notes, migrations")
    started = []

    def start_one(**environment):
        started.append(Notes(PROGRAM, NOTES_DATABASE=postgres.by_socket(), NOTES_REDIS=redis.target, **environment))
        return started[-1]

    yield start_one
    for each in started:
        each.stop()


def test_create_read_list_change_remove(start):
    notes = start()
    path = notes.create("buy milk")
    note = notes.read(path)
    assert note["text"] == "buy milk" and note["version"] == 1 and note["link"] is None
    reply = notes.ask("PUT", path, headers={"If-Match": '"1"'}, body=b'{"text":"buy bread"}')
    assert reply.status == 200 and reply.header("ETag") == '"2"'
    assert notes.ask("PUT", path, headers={"If-Match": '"1"'}, body=b'{"text":"late"}').status == 412
    assert notes.read(path)["text"] == "buy bread"
    for i in range(12):
        notes.create(f"note {i}")
    page = notes.ask(path="/notes?limit=10")
    following = re.match(r"<(.*)>; rel=\"next\"\Z", page.header("Link")).group(1)
    rest = json.loads(notes.ask(path=following).text())
    assert len(json.loads(page.text())["notes"]) == 10 and [n["text"] for n in rest["notes"]][-1] == "note 11"
    assert rest["more"] is False
    assert notes.ask("DELETE", path).status == 204
    assert notes.ask(path=path).status == 404


def test_the_cache(start, redis):
    notes = start()
    path = notes.create("read often")
    replies = [notes.ask(path=path) for _ in range(3)]
    assert [reply.header("X-Cache") for reply in replies] == ["miss", "hit", "hit"]
    assert len({reply.text() for reply in replies}) == 1
    figures = notes.read("/cachez")
    assert (figures["hits"], figures["misses"], figures["failures"]) == (2, 1, 0)
    reply = notes.ask(path=path, headers={"If-None-Match": replies[0].header("ETag")})
    assert reply.status == 304 and not reply.body
    notes.ask("PUT", path, body=b'{"text":"changed"}')
    assert notes.read(path)["text"] == "changed"
    notes.ask("DELETE", path)
    assert notes.ask(path=path).status == 404


def page(title):
    body = f"<html><head><title>{title}</title></head></html>".encode()

    def serve(connection):
        while b"\r\n\r\n" not in connection.recv(65536):
            pass
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %d\r\n"
                           b"Connection: close\r\n\r\n" % len(body) + body)

    return services.Service(serve)


def test_the_title_of_a_link(start):
    notes = start()
    with page("Größe &amp; more") as site:
        path = notes.create("look", f"http://127.0.0.1:{site.port}/")
        notes.read(path)  # it may be in the cache without its title
        until(lambda: notes.read(path)["title"])
        assert notes.read(path)["title"] == "Größe &amp; more" and site.count == 1


def test_links_that_are_not_followed(start):
    notes = start(NOTES_LINK_HOSTS="127.0.0.1")
    with page("secret") as secret, page("open") as site:
        refused = [notes.create("look", f"http://{host}:{secret.port}/") for host in
                   ("localhost", "127.1", "127.0.0.1@localhost", "2130706433", "[::1]")]
        path = notes.create("look", f"http://127.0.0.1:{site.port}/")
        until(lambda: notes.read(path)["title"] == "open")
        assert all(notes.read(path)["title"] is None for path in refused) and secret.count == 0


def test_notes_expire(start):
    notes = start(NOTES_KEEP_S="1", NOTES_SWEEP_MS="100")
    notes.create("short-lived")
    until(lambda: not json.loads(notes.ask(path="/notes").text())["notes"])


def test_several_start_at_once(postgres, redis, start):
    with concurrent.futures.ThreadPoolExecutor(3) as crowd:
        all_of_them = list(crowd.map(lambda _: start(), range(3)))
    assert postgres.sql("SELECT count(*) FROM migrations") == "3"
    path = all_of_them[0].create("shared")
    assert [each.ask(path=path).header("X-Cache") for each in all_of_them] == ["miss", "hit", "hit"]


@pytest.mark.parametrize("which", ["database", "cache"])
def test_what_is_away_comes_again(start, postgres, redis, which):
    """Nothing hangs meanwhile, and all is well afterwards. Without the cache notes can still be read."""
    notes = start()
    path = notes.create("here")
    away, back = (postgres.kill, postgres.start) if which == "database" else (redis.kill, redis.start)
    ended = threading.Event()
    seen = set()

    def load():
        with client.Connection(notes.address, timeout=60) as connection:
            while not ended.is_set():
                for target in ("/notes", path):
                    reply = connection.ask(path=target)
                    seen.add(reply.status)
                    if reply.closes:
                        return load()

    with concurrent.futures.ThreadPoolExecutor(8) as crowd:
        loads = [crowd.submit(load) for _ in range(8)]
        try:
            until(lambda: notes.ready() == 200)
            away()
            until(lambda: notes.ready() == 503)
            assert notes.ask(path="/healthz").status == 200
            if which == "cache":
                assert notes.read(path)["text"] == "here"
            back()
            until(lambda: notes.ready() == 200)
        finally:
            ended.set()
        for each in loads:
            each.result(60)
    assert seen <= ({200, 503, 504} if which == "database" else {200})
    assert notes.read(path)["text"] == "here"
    assert "handler failed with 500" not in notes.log()


def test_a_database_that_does_not_answer(start, postgres):
    notes = start()
    notes.create("here")
    postgres.freeze()
    try:
        assert notes.ask(path="/notes", headers={"Request-Timeout": "300"}).status == 504
        assert notes.ready() == 503
    finally:
        postgres.freeze(False)
    until(lambda: notes.ready() == 200)
    assert notes.ask(path="/notes").status == 200


def test_not_ready_while_it_stops(start, postgres):
    notes = start()
    notes.create("here")
    with client.Connection(notes.address) as probe, client.Connection(notes.address) as slow:
        half = request(path="/readyz")
        probe.send(half[:10], "GET")
        postgres.freeze()
        try:
            slow.send(request(path="/notes"), "GET")
            time.sleep(0.2)
            notes.process.send_signal(signal.SIGTERM)
            until(lambda: "stop" in notes.log())
            probe.socket.sendall(half[10:])
            reply = probe.reply()
            assert reply.status == 503 and json.loads(reply.text())["stopping"] is True
        finally:
            postgres.freeze(False)
        assert slow.reply().status in (200, 504)


def test_the_tests_in_process(postgres):
    postgres.sql("DROP TABLE IF EXISTS notes, migrations")
    for environment in ({}, {"NOTES_TEST_DATABASE": postgres.by_socket()}):
        done = subprocess.run([PROGRAM.with_name("notes-test")], env={**os.environ, **environment}, timeout=300,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert done.returncode == 0 and "good" in done.stdout, done.stdout


def test_the_script_that_starts_all(postgres, redis):  # which say that both are installed
    before = set(pathlib.Path("/tmp").glob("notes.*"))
    notes = Notes(FOLDER / "run", PROGRAM)
    made = set(pathlib.Path("/tmp").glob("notes.*")) - before
    until(lambda: notes.ready() == 200)
    path = notes.create("all of it")
    notes.read(path)
    assert notes.ask(path=path).header("X-Cache") == "hit"
    notes.stop(expected=143)
    assert not any(folder.exists() for folder in made)
