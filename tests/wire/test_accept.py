"""New connections: many at once, some for a worker that is busy, and those that come while the server stops; and their first requests, which are looked for
before the poller watches the connection.

SPDX-License-Identifier: MIT
"""

import json
import re
import signal
import socket
import struct
import time

import pytest

from client import Connection, Crowd, ProtocolError, request
from conftest import MANY
from faults import traced

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


# ---- The first request


def reset(connection):
    connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def wait_alone(server):
    """Until the ledger knows of no connection but the one that asks."""
    deadline = time.monotonic() + 10
    while (now := ledger(server))["connections"] > 1:
        assert time.monotonic() < deadline, now["connections"]
        time.sleep(0.02)


@pytest.mark.parametrize("early", [0, 1, len(request()) - 1, len(request())])
def test_what_comes_after_the_first_look(server, early):
    """A part of the request is there when the connection is accepted, the rest comes later; then another request, and the end."""
    blocker = hold_up(server, 300)
    with server.connect() as connection:
        connection.send(request()[:early], "GET")
        blocker.reply()
        time.sleep(0.1)
        connection.send(request()[early:])
        assert connection.reply().status == 200
        connection.expect_open()
        assert connection.ask().status == 200
        connection.socket.shutdown(socket.SHUT_WR)
        connection.expect_end()
    blocker.close()
    wait_alone(server)


@pytest.mark.parametrize("data", [b"", request()[:20], request(), request(path="/large-static"), request(path="/sleep/100")])
def test_gone_at_once(server, data):
    """Resets and ends before and after the first look leave nothing."""
    blocker = hold_up(server, 200)
    for late in (False, True):
        for end in (reset, Connection.close, lambda one: one.socket.shutdown(socket.SHUT_WR)):
            ended = [server.connect() for _ in range(10)]
            for one in ended:
                one.socket.sendall(data)
            if late:
                time.sleep(0.05)
            for one in ended:
                end(one)
            for one in ended:
                if one.socket.fileno() >= 0 and data.endswith(b"\r\n\r\n"):
                    one.parser.methods.append("GET")
                    assert one.reply().status == 200
                    one.expect_end()
                one.close()
    assert blocker.reply().status == 200
    blocker.close()
    wait_alone(server)


def test_a_first_reply_that_blocks(server):
    """The output of a first request waits for its client before any event was needed."""
    blocker = hold_up(server, 200)
    readers = [server.connect() for _ in range(5)]
    for path, reader in zip(["/large-static", "/large-write"] * 5, readers):
        reader.send(request(path=path), "GET")
    time.sleep(0.5)
    for reader in readers:
        reply = reader.reply()
        assert reply.status == 200 and reply.received > 1 << 20
        assert reader.ask().status == 200
        reader.close()
    blocker.reply()
    blocker.close()


@pytest.mark.parametrize("end,told", [(None, b"0"), ("half", b"1")])
def test_a_first_handler_that_asks_without_waiting(start_probe, end, told):
    server = start_probe("workers=1")
    blocker = hold_up(server, 300)
    with server.connect() as connection:
        connection.send(request(path="/closed-now"), "GET")
        if end:
            connection.socket.shutdown(socket.SHUT_WR)
        assert connection.reply().body == told
    blocker.close()


def test_a_first_handler_that_waits(server):
    """It hears that its client has gone, though the connection was not watched when it began."""
    before = json.loads(server.ask(path="/counts").body)
    blocker = hold_up(server, 300)
    waiting = [server.connect() for _ in range(10)]
    for one in waiting:
        one.send(request(path="/live/20000"), "GET")
    blocker.reply()
    time.sleep(0.2)
    for one in waiting:
        reset(one)
    deadline = time.monotonic() + 10
    while json.loads(server.ask(path="/counts").body)["ended"] - before["ended"] < 10:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    blocker.close()
    wait_alone(server)


def test_the_idle_and_the_stop(server):
    """Connections that have said nothing end with the server."""
    quiet = [server.connect() for _ in range(20)]
    time.sleep(0.2)
    assert server.stop() < 3
    for one in quiet:
        one.expect_end()
        one.close()


def test_those_that_never_wait_are_not_watched(start_probe, tmp_path):
    """A request that is there, and ends its connection, needs no event; and few calls ask for a connection in vain."""
    server, calls = start_probe("workers=1"), tmp_path / "calls"
    with traced(server, "-o", calls, "-e", "trace=epoll_ctl,accept4"):
        blocker = hold_up(server, 500)
        with Crowd(server.address, 40) as crowd:
            crowd.send(request(headers={"Connection": "close"}), "GET")
            crowd.wait(lambda member: member.parser.ended)
        assert blocker.reply().status == 200
        blocker.close()
    text = calls.read_text()
    assert text.count("EPOLL_CTL_ADD") <= 1, text  # the blocker's
    assert text.count("accept4(") >= 41 and text.count("EAGAIN") <= 3, text


def test_no_memory_to_watch(start_probe):
    """A connection that cannot be watched is cut or answered, accepting pauses, and all is well when there is memory again."""
    server = start_probe("workers=1")
    kept = server.connect()
    assert kept.ask().status == 200
    with traced(server, "-o", "/dev/null", "-e", "trace=epoll_ctl", "-e", "inject=epoll_ctl:error=ENOMEM:when=1..20"):
        for data in [b"", request(), request(path="/sleep/50"), request(path="/large-static"), request()[:9]] * 3:
            try:  # connecting as well: the cut may come before the client knows that it is connected
                with server.connect(timeout=20 if data.endswith(b"\r\n\r\n") else 0.3) as one:
                    one.parser.methods.append("GET")
                    one.send(data)
                    assert one.reply().status in (200, 503)
            except (OSError, ProtocolError):
                pass
        assert kept.ask().status == 200
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            with server.connect() as one:
                assert one.ask().status == 200 and one.ask().status == 200
                break
        except (OSError, ProtocolError):
            time.sleep(0.1)
    else:
        raise AssertionError("it does not accept again")
    kept.close()
    wait_alone(server)
