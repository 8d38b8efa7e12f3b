"""What is between fibers, by tests/programs/between.c: handlers of four workers, and a thread of the program, that wait
for each other; clients that go, a server that stops, and handlers that are ended meanwhile.

SPDX-License-Identifier: MIT
"""

import concurrent.futures
import signal
import time

import pytest

from client import request
from conftest import Server

pytestmark = pytest.mark.threaded

ECLOSED, ETIMEDOUT, EIO, EDEADLK, ECANCELED = -3, -7, -10, -11, -12
WAYS = ["mutex", "cond", "semaphore", "group", "send", "receive"]


@pytest.fixture(scope="module")
def between():
    server = Server("tests/programs/between")
    yield server
    server.stop()


def ask(server, path):
    return server.ask(path=path).text()


def wait_for(server, count, seconds=20):
    """Until so many handlers wait, or are about to."""
    deadline = time.monotonic() + seconds
    while ask(server, "/waiting") != str(count):
        assert time.monotonic() < deadline, ask(server, "/waiting")
        time.sleep(0.005)


def bar(server, how):
    """There is something to wait for."""
    if how in ("mutex", "group"):
        assert ask(server, f"/take/{how}") == "0"


def lift(server, how):
    """Gives what a wait that has ended otherwise was for, where others would wait for it as well."""
    if how in ("mutex", "group"):
        assert ask(server, f"/give/{how}") == "0"


@pytest.mark.parametrize("how", WAYS)
def test_a_wait_ends_by_what_it_is_for(between, how):
    bar(between, how)
    with between.connect() as waiter:
        waiter.send(request(path=f"/wait/{how}"), "GET")
        wait_for(between, 1)
        assert ask(between, f"/give/{how}") == "0"
        assert waiter.reply().text() == "0"


@pytest.mark.parametrize("how", WAYS)
def test_a_wait_ends_by_its_time(between, how):
    bar(between, how)
    assert ask(between, f"/wait/{how}?ms=20") == str(ETIMEDOUT)
    lift(between, how)


@pytest.mark.parametrize("how", WAYS)
def test_a_client_that_goes_takes_nothing_along(between, how):
    """What is given afterwards goes to the next."""
    bar(between, how)
    with between.connect() as gone:
        gone.send(request(path=f"/wait/{how}"), "GET")
        wait_for(between, 1)
    wait_for(between, 0)
    with between.connect() as waiter:
        waiter.send(request(path=f"/wait/{how}"), "GET")
        wait_for(between, 1)
        assert ask(between, f"/give/{how}") == "0"
        assert waiter.reply().text() == "0"


@pytest.mark.parametrize("how", WAYS)
def test_a_handler_over_its_time_leaves_the_queue(between, how):
    bar(between, how)
    assert between.ask(path=f"/hasty/wait/{how}").status == 503
    wait_for(between, 0)
    with between.connect() as waiter:
        waiter.send(request(path=f"/wait/{how}"), "GET")
        wait_for(between, 1)
        assert ask(between, f"/give/{how}") == "0"
        assert waiter.reply().text() == "0"


def test_the_begin_of_a_stop_ends_waits(start):
    server = start("tests/programs/between")
    for how in ("mutex", "group"):
        bar(server, how)
    waiters = [server.connect() for _ in WAYS]
    for waiter, how in zip(waiters, WAYS):
        waiter.send(request(path=f"/wait/{how}?stop"), "GET")
    wait_for(server, len(WAYS))
    server.process.send_signal(signal.SIGTERM)
    for waiter in waiters:
        assert waiter.reply().text() == str(ECANCELED)
        waiter.close()
    assert server.process.wait(30) == 0


def test_the_end_of_a_stop_cuts_waits(start):
    """The server ends in order, whoever still waits."""
    server = start("tests/programs/between")
    for how in ("mutex", "group"):
        bar(server, how)
    waiters = [server.connect() for _ in WAYS for _ in range(3)]
    for i, waiter in enumerate(waiters):
        waiter.send(request(path=f"/wait/{WAYS[i % len(WAYS)]}"), "GET")
    wait_for(server, len(waiters))
    server.stop()
    for waiter in waiters:
        waiter.close()


def test_a_handler_that_is_ended_unlocks_by_a_deferred_call(between):
    assert between.ask(path="/fail").status == 500
    assert ask(between, "/wait/mutex?ms=10000") == "0"


def test_locking_twice(between):
    assert ask(between, "/twice") == f"0 {EDEADLK} 0"


def test_a_thread_of_the_program_answers(between):
    with concurrent.futures.ThreadPoolExecutor(8) as crowd:
        squares = list(crowd.map(lambda n: int(ask(between, f"/ask?n={n}")), range(60)))
    assert squares == [n * n for n in range(60)]


def test_once(between):
    """The first call is left by weir_fail(), the second by the end of the handler's time, the third fails, and the
    fourth is kept. Nobody waits for a call that is gone."""
    told = []
    with concurrent.futures.ThreadPoolExecutor(3) as crowd:
        for _ in range(20):
            assert ask(between, "/forget") == "0"
            replies = list(crowd.map(lambda _: between.ask(path="/hasty/once"), range(3)))
            told += [reply.text().split()[0] if reply.status == 200 else str(reply.status) for reply in replies]
            if told[-3:] == ["0"] * 3:
                break
    assert told[-3:] == ["0"] * 3
    assert told.count("503") >= 2 and str(EIO) in told
    assert set(told) <= {"0", "503", str(EIO), str(ECANCELED)}
    assert ask(between, "/hasty/once") == "0 4"
    assert ask(between, "/forget") == "0"
