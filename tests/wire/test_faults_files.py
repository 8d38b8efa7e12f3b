"""Files that fail, shrink, grow or do not answer while they are sent: that reply is broken off, and nothing else is.

SPDX-License-Identifier: MIT
"""

import errno
import os
import threading

import pytest

from client import ProtocolError, request
from conftest import MIB
from failing_files import FailingFiles
from faults import Held, Others, assert_rests, reset, stall, wait_for

pytestmark = pytest.mark.threaded

ROUTES = ["file", "by-hand"]
SIZE = 8 * MIB
CUT = (ProtocolError, ConnectionResetError)


def pattern(offset, size):
    """Bytes that tell their place."""
    first = offset // 8
    words = b"".join(i.to_bytes(8, "big") for i in range(first, (offset + size) // 8 + 1))
    return words[offset - first * 8:][:size]


PATTERN = pattern(0, SIZE)


def read_on(connection):
    """Reads to the end of the connection; the reply as far as it came, and whether it was whole."""
    try:
        return connection.reply(), True
    except CUT:
        return connection.parser.current, False


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "changing.bin"
    path.write_bytes(PATTERN)
    return path


@pytest.fixture
def server(start_probe, tmp_path):
    return start_probe("workers=1", f"root={tmp_path}")


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("left", [0, 5 * MIB + 77])
def test_file_shrinks(server, file, route, left):
    """The reply cannot be completed: what came is right, and the client is told by a reset that there is no more."""
    held = Held(server)
    with Others(server):
        with stall(server, f"/{route}/changing.bin") as connection:
            os.truncate(file, left)
            reply, whole = read_on(connection)
            assert not whole and reply.status == 200 and reply.header("Content-Length") == str(SIZE)
            assert reply.received < SIZE and reply.body == PATTERN[:reply.received]
        os.truncate(file, 0)
        assert server.ask(path=f"/{route}/changing.bin").body == b""
    assert_rests(server)
    held.check()


def test_file_shrinks_for_many(server, file):
    """Each of them holds the file open; all let go of it."""
    held = Held(server)
    with Others(server):
        crowd = [stall(server, f"/{ROUTES[i % 2]}/changing.bin") for i in range(40)]
        os.truncate(file, MIB)
        for i, connection in enumerate(crowd):
            if i % 4 < 2:
                assert not read_on(connection)[1]
            connection.close()
    held.check()


@pytest.mark.parametrize("route", ROUTES)
def test_file_grows(server, file, route):
    """What was announced is sent, and no more."""
    held = Held(server)
    with stall(server, f"/{route}/changing.bin") as connection:
        with open(file, "ab") as more:
            more.write(b"more" * 1000)
        reply, whole = read_on(connection)
        assert whole and reply.body == PATTERN
        assert connection.ask().status == 200
    held.check()


@pytest.mark.parametrize("route", ROUTES)
def test_file_is_replaced(server, file, route):
    """What was opened is sent, also when its name has gone or is another file's."""
    held = Held(server)
    with stall(server, f"/{route}/changing.bin") as connection:
        file.unlink()
        file.write_bytes(b"another")
        reply, whole = read_on(connection)
        assert whole and reply.body == PATTERN
        assert connection.ask(path=f"/{route}/changing.bin").body == b"another"
    held.check()


# ---- Files of a file system that fails


def failing(offset, size):
    """Good for a while, then as of a disk that cannot be read there."""
    if offset + size > 3 * MIB:
        raise OSError(errno.EIO, "asked for")
    return pattern(offset, size)


def failing_at_once(offset, size):
    raise OSError(errno.EIO, "asked for")


class Stuck:
    """A file that does not answer until it is let go, as of a server that has gone."""

    def __init__(self):
        self.go = threading.Event()
        self.waiting = 0

    def __call__(self, offset, size):
        self.waiting += 1
        self.go.wait()
        return pattern(offset, size)


@pytest.fixture
def stuck(tmp_path):
    """Mounts at tmp_path/failing the files broken, hopeless and stuck; gives the last one's state."""
    if not os.path.exists("/dev/fuse") or os.geteuid() != 0:
        pytest.skip("mounting a file system that fails needs /dev/fuse and root")
    state = Stuck()
    folder = tmp_path / "failing"
    folder.mkdir()
    with FailingFiles(folder, {"broken": failing, "hopeless": failing_at_once, "stuck": state}, SIZE):
        try:
            yield state
        finally:
            state.go.set()


@pytest.mark.parametrize("route", ROUTES)
def test_file_cannot_be_read(server, stuck, route):
    """EIO in the middle: what came before is right, the connection is reset, and the log says so."""
    held = Held(server)
    with Others(server):
        for _ in range(5):
            with server.connect(timeout=60) as connection:
                connection.send(request(path=f"/{route}/failing/broken"), "GET")
                reply, whole = read_on(connection)
                assert not whole and reply.status == 200
                assert MIB < reply.received <= 3 * MIB and reply.body == PATTERN[:reply.received]
    assert_rests(server)
    held.check()
    if route == "file":
        assert "input or output failed" in server.error_text()


@pytest.mark.parametrize("route", ROUTES)
def test_file_cannot_be_read_at_all(server, stuck, route):
    held = Held(server)
    with Others(server), server.connect(timeout=60) as connection:
        connection.send(request(path=f"/{route}/failing/hopeless"), "GET")
        reply, whole = read_on(connection)
        if route == "by-hand":
            assert whole and reply.status == 500
        else:
            assert not whole and (reply is None or reply.received == 0)
    held.check()


@pytest.mark.parametrize("route", ROUTES)
def test_file_does_not_answer(server, stuck, route):
    """Nobody else waits for it; when it answers at last, the reply is whole."""
    held = Held(server)
    with server.connect(timeout=60) as connection:
        connection.send(request(path=f"/{route}/failing/stuck"), "GET")
        wait_for(lambda: stuck.waiting)
        with Others(server):
            pass
        assert_rests(server)
        stuck.go.set()
        reply, whole = read_on(connection)
        assert whole and reply.body == PATTERN
    held.check(30)


@pytest.mark.parametrize("route", ROUTES)
def test_file_does_not_answer_and_clients_leave(server, stuck, route):
    """Their connections are let go of as soon as the kernel lets go of the file."""
    held = Held(server)
    crowd = [server.connect(timeout=60) for _ in range(8)]
    for connection in crowd:
        connection.send(request(path=f"/{route}/failing/stuck"), "GET")
    wait_for(lambda: stuck.waiting)
    with Others(server):
        for connection in crowd:
            reset(connection)
    stuck.go.set()
    held.check()


# ---- Files of the kernel's own, which say what they like of their sizes


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("name", ["mtu", "speed"])
def test_file_of_the_system(start_probe, route, name):
    """All of them claim to be 4096 bytes long; `mtu` ends after a few, and `speed` of the loopback device cannot be read."""
    server = start_probe("workers=1", "root=/sys/class/net/lo")
    held = Held(server)
    with Others(server), server.connect(timeout=60) as connection:
        connection.send(request(path=f"/{route}/{name}"), "GET")
        reply, whole = read_on(connection)
        assert not whole or reply.status == 500
    held.check()
