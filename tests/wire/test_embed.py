"""Servers within a program, by tests/programs/embed.c: what is registered wrongly, several servers in one process, and
listeners of every kind.

SPDX-License-Identifier: MIT
"""

import os
import re
import select
import socket
import subprocess
import time

import pytest

import client
from client import ask
from conftest import BUILD

pytestmark = pytest.mark.threaded

EINVAL, EEXIST, EBUSY = -1, -14, -15
EMBEDDED = "tests/programs/embed"


def test_registration_errors():
    """Each is returned, all are told with their place, and the server does not start."""
    done = subprocess.run([BUILD / EMBEDDED, "wrong"], capture_output=True, text=True, timeout=30)
    assert done.returncode == 0 and done.stderr == ""
    results, start, *errors = done.stdout.splitlines()
    assert [int(result) for result in results.split()] == [0, EEXIST] + [EINVAL] * 10
    assert start == f"start {EINVAL}"
    for expected in (r"port.*70000", r"workers.*-2", r"http_buffer_size.* 5 ", r"max_headers.*5000",
                     r'"/good".*already', r'"relative": byte 0:', r'"/a/\{open": byte 3:', r'"/b/\{x:\(\}": byte \d+:',
                     r'"/c/\{x\}/\{x\}": byte [78]:.*"x"', r'"/d/\{\}": byte [34]:', r'"/e".*handler', r'"/f".*B@D',
                     r"middleware", r'listener.*"nowhere"', r'group "no-slash"'):
        assert len([error for error in errors if re.search(expected, error)]) == 1, (expected, errors)
    assert len(errors) == 15


def read_output(server, expect):
    """Waits until the server has printed that."""
    deadline = time.monotonic() + 20
    while expect not in server.output:
        assert select.select([server.process.stdout], [], [], max(0, deadline - time.monotonic()))[0], server.output
        data = os.read(server.process.stdout.fileno(), 65536).decode()
        assert data, f"ended without {expect!r}: {server.output}"
        server.output += data


@pytest.fixture
def two(start):
    """A server and the address of the second in its process."""
    server = start(EMBEDDED, "two")
    port = re.search(r"second=2 (\d+)\n", server.output).group(1)
    return server, ("127.0.0.1", int(port))


def test_calls_out_of_order(two):
    """Waiting before the start, starting twice, registering late; a port that another server of the process has."""
    results = [int(word) for word in re.match(r"([-\d ]+) second=", two[0].output).group(1).split()]
    assert results == [EINVAL, 0, EINVAL, EINVAL, 0, EBUSY, EINVAL, 2]
    assert two[0].ask(path="/name").text() == "one 0" and two[0].ask(path="/late").status == 404


def test_two_servers(two):
    """Each with its own port, data, routes and ledger."""
    one, second = two
    for _ in range(3):
        assert one.ask(path="/name").text() == "one 0"
    for _ in range(8):
        assert ask(second, path="/name").text() in ("two 0", "two 1")
    with one.connect() as connection:
        for _ in range(4):
            connection.ask(path="/name")
    assert one.ask(path="/ledger").text() in ("7 5", "8 5")  # with or without the request that asks
    assert ask(second, path="/ledger").text() in ("8 9", "9 9")


@pytest.mark.parametrize("by_the_other", [False, True])
def test_stop_one_of_two(two, by_the_other):
    """By its own handler, or by the other's, which runs on another thread; the other goes on."""
    one, second = two
    with one.connect() as kept, client.Connection(second) as idle:
        assert kept.ask(path="/name").text() == "one 0" and idle.ask(path="/name").status == 200
        if by_the_other:
            assert kept.ask(path="/stop?other").text() == "stopping"
        else:
            assert ask(second, path="/stop").text() == "stopping"
        read_output(one, "second ended 0")
        idle.expect_end()
        with pytest.raises(ConnectionRefusedError):
            ask(second)
        assert kept.ask(path="/name").text() == "one 0" and one.ask(path="/name").text() == "one 0"


@pytest.fixture
def listeners(start, tmp_path):
    """A server with five listeners, and its addresses."""
    with socket.socket() as given:
        given.bind(("127.0.0.1", 0))
        given.listen(8)
        path = str(tmp_path / "socket")
        with socket.socket() as free:
            free.bind(("127.0.0.2", 0))
            further = free.getsockname()
        server = start(EMBEDDED, "listeners", f"unix:{path}", given.fileno(), further[1], pass_fds=[given.fileno()])
        return server, path, given.getsockname(), further


def test_several_listeners(listeners):
    """Each is served by both workers from one socket, and a request knows by which it came."""
    server, path, given, further = listeners
    assert server.port != given[1] and os.stat(path).st_mode & 0o777 == 0o600
    with open(f"/proc/{server.pid}/net/tcp6") as table:
        sockets = {os.readlink(f"/proc/{server.pid}/fd/{fd}") for fd in os.listdir(f"/proc/{server.pid}/fd")}
        rows = [line.split() for line in table.readlines()[1:]]
        six = [int(row[1].split(":")[1], 16) for row in rows if row[3] == "0A" and f"socket:[{row[9]}]" in sockets]
    assert len(six) == 1  # one for both workers
    for address, peer, local in (
            (server.address, r"127\.0\.0\.\d:\d+", f"127.0.0.2:{server.port}"),
            (("::1", six[0]), r"\[::1\]:\d+", f"[::1]:{six[0]}"), (path, "unix:", None),
            (given, r"127\.0\.0\.\d:\d+", f"127.0.0.1:{given[1]}"),
            (further, r"127\.0\.0\.\d:\d+", f"127.0.0.2:{further[1]}")):
        ends = ask(address, path="/ends").text().split(" ")
        assert re.fullmatch(peer, ends[0]) and (ends[1] == local or not local and ends[1].startswith("unix:")), ends
        crowd = [client.Connection(address) for _ in range(32)]
        try:
            assert all(one.ask(path="/name").text() in ("listeners 0", "listeners 1") for one in crowd)
        finally:
            for one in crowd:
                one.close()


def test_listeners_end(listeners):
    """The socket's file is removed; the inherited descriptor is closed by the server (the program checks that)."""
    server, path, given, _ = listeners
    server.stop()
    assert not os.path.exists(path)
    with pytest.raises(ConnectionRefusedError):
        ask(given)
