"""Tasks in the background, pieces of work at once, deadlines, and clean-up that waits, by tests/programs/tasks.c.

SPDX-License-Identifier: MIT
"""

import json
import re
import signal
import socket
import struct
import subprocess
import time

import pytest

from client import request
from conftest import BUILD, Server

pytestmark = pytest.mark.threaded

ECLOSED, EDONE, ETIMEDOUT, ECANCELED, EFAILED = -3, -5, -7, -12, -23


@pytest.fixture(params=["1", "3"])
def tasks(request):
    server = Server("tests/programs/tasks", request.param)
    yield server
    server.stop()


@pytest.fixture
def one():
    server = Server("tests/programs/tasks", 1)
    yield server
    server.stop()


def until(condition, what):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


class Journal:
    """What the program has noted, gathered until a word is among it."""

    def __init__(self, server):
        self.server = server
        self.words = []

    def read(self):
        self.words += self.server.ask(path="/journal").text().split()
        return self.words

    def wait(self, *words):
        until(lambda: all(word in self.read() for word in words), f"{words} not in {self.words}")


def get(server, path, headers=()):
    return server.ask(path=path, headers=headers)


def ledger(server):
    return json.loads(server.ask(path="/ledger.json").text())


def rows(server):
    return {row["name"]: row for row in ledger(server)["tasks"]["names"]}


def reset(connection):
    connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


# ---- Groups


def test_pieces_run_at_once(tasks):
    """Twenty that sleep are all under way at the same time, and a bound on that is kept."""
    assert get(tasks, "/group?count=20&ms=200").text() == "0 peak 20:" + " 0" * 20
    assert get(tasks, "/group?count=20&ms=10&at_once=4").text() == "0 peak 4:" + " 0" * 20
    assert get(tasks, "/group?count=150&ms=1").text() == "0 peak 64:" + " 0" * 150
    assert get(tasks, "/group?count=0").text() == "0 peak 0:"


def test_first_error_cancels_the_rest(tasks):
    text = get(tasks, "/group?count=5&ms=3600000&bad=2&result=-8").text()
    assert text == f"-8 peak 5: {ECANCELED} {ECANCELED} -8 {ECANCELED} {ECANCELED}"
    text = get(tasks, "/group?count=4&ms=3600000&bad=0&result=-8&at_once=2").text()
    assert text == f"-8 peak 2: -8 {ECANCELED} {ECANCELED} {ECANCELED}"


def test_error_that_cancels_nothing(tasks):
    assert get(tasks, "/group?count=3&ms=50&bad=0&result=-8&keep_on").text() == "-8 peak 3: -8 0 0"


def test_piece_that_fails(tasks):
    text = get(tasks, "/group?count=3&ms=3600000&bad=1&how=f").text()
    assert text == f"{EFAILED} peak 3: {ECANCELED} {EFAILED} {ECANCELED}"
    text = get(tasks, "/group?count=6&ms=1&bad=1&how=f&at_once=1&keep_on").text()
    assert text == f"{EFAILED} peak 1: 0 {EFAILED} 0 0 0 0", "the others run on another fiber"


def test_group_in_a_group(tasks):
    assert get(tasks, "/group?count=2&ms=20&bad=0&how=n").text() == "0 peak 4: 0 0"
    text = get(tasks, "/group?count=2&ms=3600000&bad=0&how=n&result=-9").text()
    assert text == f"-9 peak 4: -9 {ECANCELED}"


def test_time_of_a_group(tasks):
    text = get(tasks, "/group?count=3&ms=3600000&timeout=50").text()
    assert text.startswith(f"{ETIMEDOUT} peak 3:") and not set(text.split(":")[1].split()) - {
        str(ETIMEDOUT), str(ECANCELED)}


def test_waits_of_a_cancelled_piece_end_at_once(tasks):
    journal = Journal(tasks)
    get(tasks, "/group?count=2&ms=3600000&bad=0&how=w&result=0&timeout=50")
    journal.wait(f"again:{ETIMEDOUT}")


def test_client_that_goes_cancels_its_pieces(tasks):
    journal = Journal(tasks)
    with tasks.connect() as connection:
        connection.send(request(path="/group?count=10&ms=3600000"), "GET")
        until(lambda: ledger(tasks)["fibers"]["waiting"] >= 11, "the pieces do not wait")
        reset(connection)
    journal.wait(f"group:{ECLOSED}", "running:0")


def test_handler_that_is_ended_ends_its_pieces(tasks):
    """The pieces are over before the handler is left: what they point to lies on its stack."""
    assert get(tasks, "/ended/group?count=10&ms=3600000").status == 503
    Journal(tasks).wait(f"group:{ECANCELED}", "running:0")


def test_context_of_a_piece(tasks):
    assert get(tasks, "/look").text() == f"0 7 [][][/look][unknown] 0 {EDONE} {EDONE} -4"


def test_group_with_little_memory():
    """Where there is no room for many, fewer run at a time, and all run."""
    server = Server("tests/programs/tasks", 1, 2 << 20)
    text = get(server, "/group?count=60&ms=5").text()
    found = re.fullmatch(r"0 peak (\d+):((?: 0){60})", text)
    assert found and 1 <= int(found[1]) < 60, text
    server.stop()


# ---- Deadlines


def test_deadline_ends_waits(tasks):
    late = f"{ETIMEDOUT} {ETIMEDOUT} {ETIMEDOUT} 0"
    assert get(tasks, "/deadline?ms=50").text() == f"-1: {late}"
    assert re.fullmatch(r"-1: 0 0 -?\d+ \d+", get(tasks, "/deadline?ms=600000&sleep=10").text())
    assert get(tasks, "/timed/deadline", headers={"Timeout-Ms": "40"}).text().endswith(late)
    assert get(tasks, "/timed/deadline?ms=30").text().endswith(late)


def test_deadline_by_a_header_is_bounded(tasks):
    for said, least in (("600000", 50000), ("soon", 50000), ("-5", 50000), ("30000", 20000)):
        left = int(get(tasks, "/timed/deadline?sleep=1", headers={"Timeout-Ms": said}).text().split(":")[0])
        assert least < left <= 60000, said
    assert get(tasks, "/timed/deadline?sleep=1", headers={"Timeout-Ms": "0"}).text().startswith("0: ")
    assert get(tasks, "/timed/deadline?sleep=1&none").text().endswith("-1")


def test_late_handler_without_a_reply(tasks):
    before = ledger(tasks)["refusals"].get("deadline", 0)
    assert get(tasks, "/deadline?ms=20&silent").status == 504
    assert ledger(tasks)["refusals"]["deadline"] == before + 1


def test_deadline_within_a_body(tasks):
    with tasks.connect() as connection:
        connection.send(b"POST /read?ms=50 HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello", "POST")
        assert connection.reply().text() == f"read:{ETIMEDOUT}"


def test_deadline_within_a_write(tasks):
    with tasks.connect() as connection:
        connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.send(request(path="/write?ms=100"), "GET")
        Journal(tasks).wait(f"write:{ETIMEDOUT}")


# ---- Clean-up


def test_clean_up_waits_behind_the_reply(tasks):
    """The reply is there while the clean-up waits."""
    journal = Journal(tasks)
    get(tasks, "/gate")
    assert get(tasks, "/clean-up?how=return&forever").text() == "done"
    journal.wait("first:0")
    assert "cleaned:0" not in journal.words
    get(tasks, "/gate?open")
    journal.wait("cleaned:0", "plain:0")
    assert journal.words == ["begun:0", "cleaning:1", "first:0", "cleaned:0", "plain:0"] or journal.words[-1] == "plain:0"


@pytest.mark.parametrize("how, status", [("fail", 503), ("late", 200)])
def test_clean_up_of_a_handler_that_has_ended(tasks, how, status):
    journal = Journal(tasks)
    assert get(tasks, f"/clean-up?how={how}").status == status
    journal.wait("first:0", "cleaned:0", "plain:0")


def test_clean_up_of_a_handler_that_was_ended(tasks):
    journal = Journal(tasks)
    get(tasks, "/gate")
    assert get(tasks, "/ended/clean-up?how=wait").status == 503
    journal.wait("first:0", "cleaned:0", "plain:0")


def test_clean_up_when_the_client_has_gone(tasks):
    journal = Journal(tasks)
    get(tasks, "/gate")
    with tasks.connect() as connection:
        connection.send(request(path="/clean-up?how=wait"), "GET")
        journal.wait("begun:0")
        reset(connection)
    get(tasks, "/gate?open")
    journal.wait("first:0", "cleaned:0", "plain:0")


def test_clean_up_when_the_client_goes_meanwhile(one):
    journal = Journal(one)
    get(one, "/gate")
    with one.connect() as connection:
        connection.send(request(path="/clean-up?how=return&forever"), "GET")
        assert connection.reply().text() == "done"
        journal.wait("first:0")
        reset(connection)
    for _ in range(20):
        time.sleep(0.01)
        journal.read()
    get(one, "/gate?open")
    journal.wait("cleaned:0", "plain:0")
    assert not [word for word in journal.words if word.startswith("ended")]


def test_clean_up_has_an_end(tasks):
    journal = Journal(tasks)
    get(tasks, "/gate")
    assert get(tasks, "/clean-up?how=return&forever&ms=100").text() == "done"
    journal.wait("first:0", f"ended:{ETIMEDOUT}", "cleaned:0")


def test_fail_in_a_clean_up_ends_the_process():
    server = subprocess.Popen([BUILD / "tests/programs/tasks"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    port = int(server.stdout.readline().decode().rsplit(":", 1)[1])
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(b"GET /fail-late HTTP/1.1\r\nHost: a\r\n\r\n")
        _, said = server.communicate(timeout=60)
    assert server.returncode == -signal.SIGABRT and b"within a clean-up" in said


# ---- Tasks in the background


def test_task_before_the_start(tasks):
    Journal(tasks).wait("ran:77")
    until(lambda: rows(tasks)["before the start"]["runs"] == 1, "not counted")


def test_task_of_a_handler(tasks):
    journal = Journal(tasks)
    for i in range(5):
        assert get(tasks, f"/spawn/brief?number={i}&release").text() == "0"
    journal.wait(*(f"ran:{i}" for i in range(5)), *(f"released:{i}" for i in range(5)))
    row = rows(tasks)["brief"]
    assert row == {"name": "brief", "tasks": 0, "runs": 5, "failed": 0, "missed": 0}
    assert get(tasks, "/spawn/brief?worker=1").text() == "0"
    assert 'weir_task_runs_total{task="brief"}' in get(tasks, "/metrics").text()


def test_task_that_fails(tasks):
    journal = Journal(tasks)
    get(tasks, "/spawn/failing?release&number=4")
    journal.wait("plain:0", "released:4")
    assert rows(tasks)["failing"]["failed"] == 1


def test_task_with_a_deadline(tasks):
    journal = Journal(tasks)
    get(tasks, "/spawn/late?timeout=30&release&number=5")
    journal.wait(f"late:{ETIMEDOUT}", "released:5")


def test_ticks(tasks):
    """What is repeated stops when it says so, and what came too late is counted."""
    Journal(tasks).wait("released:0")
    assert get(tasks, "/ticks").text() == "10"
    row = rows(tasks)["ticks"]
    assert row["runs"] == 10 and row["tasks"] == 0 and row["failed"] == 0 and row["missed"] >= 5


def test_tasks_are_bounded(one):
    Journal(one).wait("released:0")  # the ticks are over
    said = [int(get(one, "/spawn/until-stop").text()) for _ in range(25)]
    assert said == [0] * 20 + [-15] * 5
    assert ledger(one)["tasks"]["refused"] == 5


def test_stop_tells_tasks_and_waits_for_them(tasks):
    get(tasks, "/spawn/until-stop")
    Journal(tasks).wait("waiting:0")
    tasks.process.send_signal(signal.SIGTERM)
    out, _ = tasks.process.communicate(timeout=60)
    assert out.decode() == f"told {ECANCELED} stopping 1 again 0\n"
    tasks.check_end()


def test_stop_cuts_what_does_not_end(tasks):
    get(tasks, "/spawn/stubborn")
    until(lambda: rows(tasks)["stubborn"]["tasks"] == 1 and ledger(tasks)["fibers"]["waiting"] >= 1, "not begun")
    tasks.process.send_signal(signal.SIGTERM)
    out, _ = tasks.process.communicate(timeout=60)
    assert out.decode() == "cut, cleaning 0\n"
    tasks.check_end()
