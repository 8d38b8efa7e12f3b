"""Pools of connections, by tests/programs/connections.c, whose connections only pretend: the bound, who gets one, what is
broken, pauses, checks, idle ones, handlers that end with one, the ledger, and the stop, after which all are closed.

SPDX-License-Identifier: MIT
"""

import concurrent.futures
import json
import os
import signal
import time

import pytest

from client import request

pytestmark = pytest.mark.threaded

EIO, ECLOSED, ETIMEDOUT, ECANCELED, EBUSY = -10, -3, -7, -12, -15


@pytest.fixture
def pooled(start):
    def start_one(**settings):
        settings = {"workers": 1, "max": 2, **settings}
        return start("tests/programs/connections", *[f"{name}={value}" for name, value in settings.items()])

    return start_one


def get(server, query="", prefix=""):
    """The number of the connection that was used, or the error."""
    return int(server.ask(path=f"{prefix}/get{query}").text().split()[0])


def show(server):
    return json.loads(server.ask(path="/show").text())


def put(server, name, value):
    assert server.ask(path=f"/set/{name}?to={value}").text() == "set"


def until(server, seconds=20, **figures):
    """Waits until the figures are so."""
    deadline = time.monotonic() + seconds
    while True:
        now = show(server)
        if all(now[name] == value for name, value in figures.items()):
            return now
        assert time.monotonic() < deadline, now
        time.sleep(0.01)


def crowd_of(server, count, *paths):
    """Asks at once: the replies' texts, in order."""
    with concurrent.futures.ThreadPoolExecutor(count) as crowd:
        return list(crowd.map(lambda path: server.ask(path=path).text(), paths))


@pytest.mark.parametrize("settings, most", [({"workers": 4, "shared": 1, "max": 3}, 3), ({"workers": 1, "max": 3}, 3),
                                            ({"workers": 2, "max": 2}, 4)])
def test_the_bound(pooled, settings, most):
    server = pooled(wait_ms=-1, **settings)
    replies = crowd_of(server, 24, *["/get?ms=5"] * 200)
    assert all(int(reply.split()[0]) >= 0 for reply in replies)
    now = show(server)
    assert now["most_at_once"] <= most and now["opened"] == now["made"] <= most
    assert now["faults"] == now["waiting"] == 0 and now["idle"] == now["open"]


def test_the_one_used_last_is_used_again(pooled):
    server = pooled()
    assert [get(server) for _ in range(5)] == [0] * 5
    assert [get(server, "?how=deferred") for _ in range(3)] == [0] * 3
    assert get(server, "?how=twice") == 0


def test_first_come_first_served(pooled):
    server = pooled(max=1)
    put(server, "hold", 1)
    clients = [server.connect() for _ in range(6)]
    for i, waiter in enumerate(clients):
        waiter.send(request(path="/get?hold=1"), "GET")
        until(server, waiting=max(i, 0), open=1, idle=0)
    put(server, "hold", 0)
    assert [waiter.reply().text() for waiter in clients] == [f"0 {i + 1}" for i in range(6)]
    for waiter in clients:
        waiter.close()


@pytest.mark.parametrize("how, status", [("broken", 200), ("keep", 200), ("fail", 500)])
def test_a_broken_one_is_closed_and_never_answers_again(pooled, how, status):
    server = pooled()
    assert server.ask(path=f"/get?how={how}").status == status
    until(server, closed=1, broken=1, open=0, closed_without=0)
    assert get(server) == 1


def test_a_task_that_forgets_one(pooled):
    server = pooled()
    assert server.ask(path="/spawn").text() == "0"
    until(server, closed=1, broken=1, open=0)


def test_a_place_that_becomes_free_goes_to_who_waits(pooled):
    """Also where the connection was broken: who waits opens another one."""
    server = pooled(max=1)
    put(server, "hold", 1)
    with server.connect() as holder, server.connect() as waiter:
        holder.send(request(path="/get?hold=1&how=broken"), "GET")
        until(server, open=1)
        waiter.send(request(path="/get"), "GET")
        until(server, waiting=1)
        put(server, "hold", 0)
        assert holder.reply().text() == "0 1" and waiter.reply().text() == "1 2"


def test_waiting_too_long(pooled):
    server = pooled(max=1, wait_ms=50)
    put(server, "hold", 1)
    with server.connect() as holder:
        holder.send(request(path="/get?hold=1"), "GET")
        until(server, open=1)
        assert get(server) == ETIMEDOUT
        assert until(server, waiting=0)["timed_out"] == 1
        put(server, "hold", 0)
        assert holder.reply().text().startswith("0 ")


def test_too_many_wait(pooled):
    server = pooled(max=1, max_waiting=2, wait_ms=-1)
    put(server, "hold", 1)
    clients = [server.connect() for _ in range(3)]
    for i, client in enumerate(clients):
        client.send(request(path="/get?hold=1"), "GET")
        until(server, waiting=i, open=1)
    assert get(server) == EBUSY
    assert show(server)["refused"] == 1
    put(server, "hold", 0)
    for client in clients:
        assert client.reply().text().startswith("0 ")
        client.close()


def test_a_client_that_goes_leaves_the_queue(pooled):
    server = pooled(max=1)
    put(server, "hold", 1)
    with server.connect() as holder:
        holder.send(request(path="/get?hold=1"), "GET")
        until(server, open=1)
        with server.connect() as waiter:
            waiter.send(request(path="/get"), "GET")
            until(server, waiting=1)
        until(server, waiting=0)
        put(server, "hold", 0)
        assert holder.reply().text().startswith("0 ")
    assert get(server) == 0


def test_a_client_that_goes_as_it_is_served(pooled):
    """The connection comes in the moment in which its client goes: it gets it, and its next wait says that the client has
    gone, so that it does not keep the connection for a minute."""
    server = pooled(max=1)
    for _ in range(3):
        with server.connect() as holder, server.connect() as waiter:
            holder.send(request(path="/get?ms=150"), "GET")
            until(server, open=1, idle=0)
            waiter.send(request(path="/get?ms=60000"), "GET")
            until(server, waiting=1)
            os.kill(server.pid, signal.SIGSTOP)
            waiter.close()
            time.sleep(0.3)  # the holder's time is over: both are found in one turn
            os.kill(server.pid, signal.SIGCONT)
            assert int(holder.reply().text().split()[0]) >= 0
        until(server, waiting=0, idle=1)


@pytest.mark.parametrize("shared", [0, 1])
def test_an_outage(pooled, shared):
    """All are told, and the other side is asked once for each pause."""
    server = pooled(max=4, backoff_min_ms=100, backoff_max_ms=100000, shared=shared)
    put(server, "down", 1)
    put(server, "open_ms", 20)
    began = time.monotonic()
    told = crowd_of(server, 16, *["/get"] * 600)
    took = time.monotonic() - began
    assert set(told) == {str(EIO)}
    pauses, least = 0, 0.05  # half of the shortest
    while took > least:
        took, least, pauses = took - least, least * 2, pauses + 1
    now = show(server)
    assert 1 <= now["attempts"] <= 4 + pauses + 1
    assert now["failed"] == now["attempts"] and now["open"] == 0
    put(server, "down", 0)
    deadline = time.monotonic() + 60
    while get(server) < 0:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_waiters_open_when_a_pause_is_over(pooled):
    """One connection is held, others wait, and nobody comes anew: the pause ends all the same."""
    server = pooled(max=2, backoff_min_ms=50, backoff_max_ms=50, wait_ms=60000)
    put(server, "hold", 1)
    with server.connect() as holder, server.connect() as waiter:
        holder.send(request(path="/get?hold=1"), "GET")
        until(server, open=1)
        put(server, "down", 1)
        assert get(server) == EIO
        waiter.send(request(path="/get?ms=0"), "GET")
        put(server, "down", 0)
        assert int(waiter.reply().text().split()[0]) in (1, EIO)
        put(server, "hold", 0)
        assert holder.reply().text().startswith("0 ")


def test_a_handler_that_is_ended_while_it_opens(pooled):
    server = pooled(max=1, backoff_min_ms=1, backoff_max_ms=1)
    put(server, "fails_in_open", 1)
    assert server.ask(path="/get").status == 500
    put(server, "fails_in_open", 0)
    assert until(server, failed=1, open=0)
    deadline = time.monotonic() + 20
    while get(server) != 0:
        assert time.monotonic() < deadline
    put(server, "open_ms", 60000)
    assert get(server, "?how=broken") == 0
    until(server, closed=1)
    assert server.ask(path="/hasty/get").status == 503
    until(server, failed=2, open=0)


def test_a_deadline_tells_nothing_of_the_other_side(pooled):
    """The next one opens at once, without a pause."""
    server = pooled(backoff_min_ms=1000000, backoff_max_ms=1000000)
    put(server, "open_ms", 60000)
    assert get(server, prefix="/late") == ETIMEDOUT
    put(server, "open_ms", 0)
    assert get(server) == 0


def test_a_handler_that_is_ended_while_it_has_one(pooled):
    server = pooled()
    assert server.ask(path="/hasty/get?how=abandoned").status == 503
    until(server, closed=1, broken=1, open=0)


def test_checks(pooled):
    server = pooled(check_idle_ms=1, max=3)
    put(server, "hold", 1)
    clients = [server.connect() for _ in range(3)]
    for i, client in enumerate(clients):
        client.send(request(path="/get?hold=1"), "GET")
        until(server, open=i + 1)
    put(server, "hold", 0)
    assert sorted(int(client.reply().text().split()[0]) for client in clients) == [0, 1, 2]
    for client in clients:
        client.close()
    assert server.ask(path="/kill").text() == "killed"
    time.sleep(0.01)  # they have been idle for longer than that
    assert get(server) == 3
    now = show(server)
    assert now["checks_failed"] == 1 and now["closed"] == 1 and now["open"] == 3
    assert now["broken"] == 0 and now["closed_without"] == 0


def test_idle_ones_are_closed_by_themselves(pooled):
    server = pooled(idle_ms=50, max=3, workers=2)
    crowd_of(server, 6, *["/get?ms=20"] * 12)
    now = until(server, open=0, idle=0)
    assert now["closed"] == now["made"] > 0 and now["closed_without"] == 0 and now["broken"] == 0


def test_the_ledger(pooled):
    server = pooled(max=1)
    assert get(server, "?how=broken") == 0
    until(server, closed=1)
    assert get(server) == 1
    row = {"name": "fakes", "open": 1, "idle": 1, "waiting": 0, "opened": 2, "failed": 0, "broken": 1, "timed_out": 0,
           "refused": 0, "checks_failed": 0}
    assert json.loads(server.ask(path="/ledger.json").text())["pools"] == [row]
    metrics = server.ask(path="/metrics").text()
    assert 'weir_pool_connections{pool="fakes"} 1\n' in metrics
    assert 'weir_pool_opened_total{pool="fakes"} 2\n' in metrics


@pytest.mark.parametrize("settings", [{"workers": 3, "shared": 1}, {"workers": 3}, {"workers": 1}])
def test_the_stop_closes_all(pooled, settings):
    """The program looks whether it did; requests that are under way still get one."""
    server = pooled(max=3, **settings)
    crowd_of(server, 6, *["/get?ms=20"] * 12)
    until(server, waiting=0)
    with server.connect() as waiter:
        waiter.send(request(path="/get?stop"), "GET")
        deadline = time.monotonic() + 20
        while (now := show(server))["open"] == now["idle"]:  # the waiter may have one of its own
            assert time.monotonic() < deadline
        server.process.send_signal(signal.SIGTERM)
        assert int(waiter.reply().text().split()[0]) >= 0
    server.stop()


def test_a_stop_that_cuts_who_has_one_and_who_waits(pooled):
    server = pooled(max=1, stop_timeout_ms=200)
    with server.connect() as holder, server.connect() as waiter:
        holder.send(request(path="/get?how=abandoned"), "GET")
        until(server, open=1)
        waiter.send(request(path="/get"), "GET")
        until(server, waiting=1)
        server.stop()
