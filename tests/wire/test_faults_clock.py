"""Clocks that jump: the time of day is only for Date and the log, and what waits is counted on the other clock.

SPDX-License-Identifier: MIT
"""

import email.utils
import os
import re
import signal
import time

import pytest

from client import request
from conftest import BUILD, SANITIZE
from faults import LIBC, Held, Others, assert_rests, ledger, wait_for

CLONE_NEWTIME = 0x80
HOUR = 3600
DAY = 24 * HOUR
YEAR = 365 * DAY


class Clocks:
    """The clocks of a process that lib_clock.c moves."""

    def __init__(self, path):
        self.path = path
        self.set()
        self.environment = {"WEIR_CLOCK_FILE": str(path), "LD_PRELOAD": str(BUILD / "tests/tools/lib_clock.so")}

    def set(self, realtime=0, monotonic=0):
        """Seconds by which each of them is off from now on."""
        text = f"{realtime * 10**9} {monotonic * 10**9}".ljust(64)
        fd = os.open(self.path, os.O_WRONLY | os.O_CREAT)
        os.pwrite(fd, text.encode(), 0)
        os.close(fd)


@pytest.fixture
def clocks(tmp_path):
    if SANITIZE:
        pytest.skip("a sanitizer has to be preloaded first")
    return Clocks(tmp_path / "clocks")


def raw(server, path):
    """A reply's bytes, read without the strict client, which holds that Date is now."""
    with server.connect(timeout=60) as connection:
        connection.socket.sendall(request(path=path, headers={"Connection": "close"}))
        data = b""
        while piece := connection.socket.recv(65536):
            data += piece
    assert data.startswith(b"HTTP/1.1 200 OK\r\n")
    return data


def date_of(server):
    """The Date of a reply, in seconds."""
    found = re.search(rb"\r\nDate: ([^\r]+)\r\n", raw(server, "/")).group(1).decode()
    return email.utils.parsedate_to_datetime(found).timestamp()


@pytest.mark.parametrize("jump", [HOUR, -HOUR, 100 * YEAR, -int(time.time()) + 1])
def test_time_of_day_jumps(start_probe, clocks, jump):
    """Date follows within a second, and nothing that waits is early, late or awake."""
    server = start_probe("workers=1", environment=clocks.environment)
    assert abs(date_of(server) - time.time()) <= 2
    held = Held(server)
    with server.connect(timeout=60) as sleeper, server.connect(timeout=60) as idle:
        idle.ask()
        sleeper.send(request(path="/sleep/3000"), "GET")
        began = time.monotonic()
        wait_for(lambda: ledger(server)["fibers"] == 1, seconds=20)
        clocks.set(realtime=jump)
        assert_rests(server, 1.5)
        wait_for(lambda: abs(date_of(server) - time.time() - jump) <= 2)
        assert not idle_closed(idle)
        while piece := sleeper.socket.recv(65536):
            if piece.endswith(b"slept"):
                break
        assert time.monotonic() - began >= 3
        clocks.set()
        wait_for(lambda: abs(date_of(server) - time.time()) <= 2)
    held.check()


def idle_closed(connection):
    """Whether the server has closed a connection on which nothing is said."""
    connection.socket.setblocking(False)
    try:
        return connection.socket.recv(1) == b""
    except BlockingIOError:
        return False
    finally:
        connection.socket.settimeout(60)


def block(server):
    """Keeps a worker in a handler that does not yield for half a second."""
    raw(server, "/block/500")


def told(server):
    return server.error_text().count("has not come back")


def test_watchdog_names_who_has_waited(start_probe):
    """It is the handler that goes on after a wait, and not the one that was served meanwhile."""
    server = start_probe("workers=1")
    with server.connect(timeout=60) as connection:
        connection.send(request(path="/sleep-and-block/500"), "GET")
        for _ in range(10):
            assert server.ask().status == 200
        assert connection.reply().status == 200
    wait_for(lambda: told(server) == 1)
    assert "a handler of /sleep-and-block/" in server.error_text()


@pytest.mark.parametrize("jump", [HOUR, -HOUR])
def test_watchdog_when_the_time_of_day_jumps(start_probe, clocks, jump):
    """It goes on looking, and does not look all the time."""
    server = start_probe("workers=1", environment=clocks.environment)
    block(server)
    wait_for(lambda: told(server) == 1)
    clocks.set(realtime=jump)
    assert_rests(server)
    block(server)
    wait_for(lambda: told(server) == 2, seconds=20)


@pytest.mark.parametrize("jump", [HOUR, 40 * DAY, 3 * YEAR])
def test_other_clock_jumps(start_probe, clocks, jump):
    """As after a machine has been suspended with it running on: what was due is over, what is asked anew takes its time."""
    server = start_probe("workers=1", "idle_timeout_ms=5000", environment=clocks.environment)
    held = Held(server)
    with server.connect(timeout=60) as sleeper, server.connect(timeout=60) as idle:
        idle.ask()
        sleeper.send(request(path="/sleep/5000"), "GET")
        wait_for(lambda: ledger(server)["fibers"] == 1, seconds=20)
        clocks.set(monotonic=jump)
        assert sleeper.reply().body == b"slept"
        idle.expect_end(60)
        with server.connect(timeout=60) as fresh:
            began = time.monotonic()
            assert fresh.ask(path="/sleep/500").body == b"slept"
            assert time.monotonic() - began >= 0.5
        with Others(server):
            pass
    assert_rests(server)
    held.check()


def enter_time_namespace(offset):
    """For a process about to start: its monotonic clocks are off by so many seconds."""
    if LIBC.unshare(CLONE_NEWTIME) != 0:
        raise OSError("unshare")
    with open("/proc/self/timens_offsets", "w", encoding="ascii") as offsets:
        offsets.write(f"monotonic {offset} 0\nboottime {offset} 0\n")
    namespace = os.open("/proc/self/ns/time_for_children", os.O_RDONLY)
    if LIBC.setns(namespace, CLONE_NEWTIME) != 0:
        raise OSError("setns")
    os.close(namespace)


@pytest.mark.parametrize("uptime", [3, 50 * DAY, 10 * YEAR])
def test_clock_that_began_long_ago(start_probe, uptime):
    """A time namespace, as a container that was moved from another machine has: the clock is a moment from its beginning,
    or beyond what 32 bits of milliseconds hold."""
    if os.geteuid() != 0 or not os.path.exists("/proc/self/ns/time"):
        pytest.skip("a time namespace needs root and Linux 5.6")
    offset = uptime - int(time.clock_gettime(time.CLOCK_MONOTONIC))
    server = start_probe("workers=1", "idle_timeout_ms=1000", before=lambda: enter_time_namespace(offset))
    held = Held(server)
    with server.connect(timeout=60) as connection:
        assert connection.ask(path="/sleep/200").body == b"slept"
        connection.expect_end(60)
    assert_rests(server)
    held.check()


def test_process_is_stopped_for_a_while(start_probe):
    """As by a freezer or a debugger: what was due meanwhile is over, and who comes then is served."""
    server = start_probe("workers=2", "idle_timeout_ms=1000")
    held = Held(server)
    with server.connect(timeout=60) as sleeper, server.connect(timeout=60) as idle:
        sleeper.send(request(path="/sleep/1000"), "GET")
        wait_for(lambda: ledger(server)["fibers"] == 1, seconds=20)
        os.kill(server.pid, signal.SIGSTOP)
        time.sleep(2)
        with server.connect(timeout=60) as late:
            late.send(request(), "GET")
            os.kill(server.pid, signal.SIGCONT)
            assert late.reply().status == 200
        assert sleeper.reply().body == b"slept"
        idle.expect_end(60)
    assert_rests(server)
    held.check()
