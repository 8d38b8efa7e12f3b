"""New connections: many at once, some for a worker that is busy, and those that come while the server stops.

SPDX-License-Identifier: MIT
"""

import json
import signal
import time

import pytest

from client import Connection, Crowd, request
from conftest import MANY

BURST = min(MANY, 900)  # less than the backlog

PLACES = ["workers=1", "workers=2", "workers=2 shared_listener=1", "workers=1 unix", "workers=2 unix"]


@pytest.fixture(params=PLACES)
def server(request, start_probe, tmp_path):
    listen = [f"listen=unix:{tmp_path}/socket"] if "unix" in request.param else []
    return start_probe(*request.param.replace("unix", "").split(), *listen)


def hold_up(server, ms):
    """Makes a worker busy, so that what is sent next waits in the kernel."""
    blocker = server.connect()
    assert blocker.ask().status == 200
    blocker.send(request(path=f"/block/{ms}"), "GET")
    time.sleep(0.1)
    return blocker


def ledger(server):
    return json.loads(server.ask(path="/ledger").body)


@pytest.mark.parametrize("close", [False, True])
def test_a_burst_at_a_busy_worker(server, close):
    """All are there when the worker looks again; each is answered, and nothing is left."""
    before = ledger(server)
    blocker = hold_up(server, 700)
    with Crowd(server.address, BURST) as crowd:
        crowd.send(request(headers={"Connection": "close"} if close else {}), "GET")
        crowd.wait(lambda member: member.parser.replies)
        assert all(member.reply().status == 200 for member in crowd.members)
        if close:
            crowd.wait(lambda member: member.parser.ended)
    assert blocker.reply().status == 200
    blocker.close()
    deadline = time.monotonic() + 10
    while (now := ledger(server))["connections"] > 1:
        assert time.monotonic() < deadline, now["connections"]
        time.sleep(0.05)
    assert now["accepted"] - before["accepted"] >= BURST + 2


def test_a_burst_of_the_silent(server):
    """They are accepted though they say nothing, and answered when they do."""
    blocker = hold_up(server, 300)
    with Crowd(server.address, BURST) as crowd:
        assert blocker.reply().status == 200
        deadline = time.monotonic() + 20
        while ledger(server)["connections"] < BURST:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        crowd.send(request(), "GET")
        crowd.wait(lambda member: member.parser.replies)
    blocker.close()


def test_a_stop_in_a_burst(server):
    """What has come before the stop is answered, however many of them wait."""
    blocker = hold_up(server, 700)
    with Crowd(server.address, BURST // 2) as crowd:
        crowd.send(request(), "GET")
        server.process.send_signal(signal.SIGTERM)
        crowd.wait(lambda member: member.parser.ended)
        assert all(member.reply().status == 200 for member in crowd.members)
    assert blocker.reply().status == 200
    blocker.close()
    server.process.wait(20)
    server.check_end()


def test_one_socket_for_two_workers(start_probe):
    """While one worker is busy the other takes what comes, one by one and by twos: not so many that it would hand some over."""
    server = start_probe("workers=2", "shared_listener=1")
    blocker = hold_up(server, 1800)
    began = time.monotonic()
    for _ in range(20):
        with Connection(server.address) as one:
            assert one.ask().status == 200
    for _ in range(20):
        with Crowd(server.address, 2) as crowd:
            crowd.send(request(headers={"Connection": "close"}), "GET")
            crowd.wait(lambda member: member.parser.ended)
    assert time.monotonic() - began < 1.6
    assert blocker.reply().status == 200
    blocker.close()
