"""Waiting, and the end of a reply, by tests/programs/waits.c: sleeps, descriptors, threads, yields and clients that go.

SPDX-License-Identifier: MIT
"""

import re
import shutil
import socket
import statistics
import struct
import time

import pytest

from client import Crowd, ProtocolError, open_socket, request
from conftest import SANITIZE, Server
from faults import traced

pytestmark = pytest.mark.threaded

ECLOSED, ETIMEDOUT, ECANCELED, EBUSY = -3, -7, -12, -15


@pytest.fixture(scope="module")
def waits(tmp_path_factory):
    folder = tmp_path_factory.mktemp("waits")
    (folder / "large.bin").write_bytes(bytes(range(256)) * 4000)
    server = Server("tests/programs/waits", folder)
    yield server
    server.stop()


def journal_of(server):
    """Reads what handlers have noted since the last time; wait: for as long as that is nothing."""
    server.ask(path="/journal")

    def read(wait=False):
        deadline = time.monotonic() + 10
        while True:
            text = server.ask(path="/journal").text()
            if text or not wait:
                return text
            assert time.monotonic() < deadline, "nothing was noted"
            time.sleep(0.01)

    return read


@pytest.fixture
def journal(waits):
    return journal_of(waits)


def reset(connection):
    """Ends a connection by a reset."""
    connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


# ---- The end of a reply


@pytest.mark.parametrize("method, kind, size", [
    ("GET", "reply", 5), ("GET", "stream", 20000), ("GET", "static", 1 << 22), ("GET", "file", 1024000),
    ("HEAD", "reply", 0), ("GET", "nothing", 0)])
def test_on_sent(waits, journal, method, kind, size):
    """Told once, with the bytes of body that were sent."""
    with waits.connect() as connection:
        reply = connection.ask(method, f"/sent/{kind}")
        assert reply.received == size
        assert journal(wait=True) == f"sent:0:{size}" and journal() == ""


def test_on_sent_after_a_fail(waits, journal):
    """The page is what is sent."""
    size = len(waits.ask(path="/sent/fail").body)
    assert size > 0 and journal(wait=True) == f"sent:0:{size}"


def test_on_sent_when_the_client_goes(waits, journal):
    with waits.connect() as connection:
        connection.send(request(path="/sent/static"), "GET")
        connection.socket.recv(1000)
        reset(connection)
    error, size = re.fullmatch(r"sent:(-\d+):(\d+)", journal(wait=True)).groups()
    assert int(error) == ECLOSED and int(size) < 1 << 22


# ---- Waiting


def test_sleep(waits, journal):
    began = time.monotonic()
    assert waits.ask(path="/sleep/150").text() == "sleep:0"
    assert 0.15 <= time.monotonic() - began < 5
    assert waits.ask(path="/sleep/0").text() == "sleep:0"


@pytest.mark.parametrize("path, noted", [("/sleep/60000", "sleep"), ("/await/0", "await"), ("/await/60000", "await")])
def test_wait_ends_when_the_client_goes(waits, journal, path, noted):
    with waits.connect() as connection:
        connection.send(request(path=path), "GET")
        time.sleep(0.1)
        assert journal() == ""
        reset(connection)
    began = time.monotonic()
    assert journal(wait=True) == f"{noted}:{ECLOSED}" and time.monotonic() - began < 3


def test_a_client_that_had_gone_is_told_once(waits, journal):
    """By the next wait, at once; after that a handler that does not care sleeps as long as it wants, and does not spin."""
    with waits.connect() as connection:
        connection.send(request(path="/sleep-carelessly/1500"), "GET")
        assert journal(wait=True) == "begun"
        reset(connection)
    noted = []
    while len(noted) < 2:
        noted += journal(wait=True).split()
    assert noted == [f"{ECLOSED}:short", f"{ECLOSED}:whole"]


# ---- A client that ends its side


@pytest.mark.parametrize("path", ["/sleep/60000", "/await/0", "/await/60000"])
def test_wait_ends_when_the_client_ends_its_side(waits, journal, path):
    """A FIN counts as gone for waits, and the client that still reads gets its reply."""
    with waits.connect() as connection:
        connection.send(request(path=path), "GET")
        connection.expect_open(0.1)
        connection.socket.shutdown(socket.SHUT_WR)
        assert connection.reply().text() == f"{path.split('/')[1]}:{ECLOSED}"
        connection.expect_end()
        assert journal() != ""


def test_a_client_that_had_ended_its_side_is_told_once(waits, journal):
    with waits.connect() as connection:
        connection.send(request(path="/sleep-thrice/300"), "GET")
        connection.socket.shutdown(socket.SHUT_WR)
        assert connection.reply().text() == f"told:{ECLOSED}:0:0"
        connection.expect_end()
    journal(wait=True)


def test_a_reset_behind_the_end_is_told_as_well(waits, journal):
    with waits.connect() as connection:
        connection.send(request(path="/sleep-thrice/2000"), "GET")
        connection.socket.shutdown(socket.SHUT_WR)
        connection.expect_open(0.3)
        reset(connection)
    assert journal(wait=True) == f"told:{ECLOSED}:{ECLOSED}:{ECLOSED}"


def test_each_request_of_a_client_that_ends_its_side_is_told(waits, journal):
    with waits.connect() as connection:
        connection.send(request(path="/sleep/60000") * 3, *["GET"] * 3)
        connection.socket.shutdown(socket.SHUT_WR)
        assert [connection.reply().text() for _ in range(3)] == [f"sleep:{ECLOSED}"] * 3
        connection.expect_end()
    journal(wait=True)


def test_half_close_setting(start, tmp_path):
    """A client that ends its side is there until it is reset."""
    server = start("tests/programs/waits", tmp_path, "half_close")
    journal = journal_of(server)
    with server.connect() as connection:
        connection.send(request(path="/sleep-thrice/200"), "GET")
        connection.socket.shutdown(socket.SHUT_WR)
        assert connection.reply().text() == "told:0:0:0"
        connection.expect_end()
    assert journal(wait=True) == "told:0:0:0"
    with server.connect() as connection:
        connection.send(request(path="/sleep/60000"), "GET")
        connection.socket.shutdown(socket.SHUT_WR)
        connection.expect_open(0.2)
        reset(connection)
    assert journal(wait=True) == f"sleep:{ECLOSED}"


# ---- A server that stops


@pytest.mark.parametrize("path", ["/until-stop/{}?on", "/streams/until-stop/{}"])
@pytest.mark.parametrize("how", ["sleep", "await", "body"])
def test_the_beginning_of_a_stop_ends_waits(start, tmp_path, how, path):
    """Where the handler asks for it, or its group; it is told once, and its reply is whole."""
    server = start("tests/programs/waits", tmp_path)
    with server.connect() as connection:
        connection.send(request("POST", path.format(how), headers={"Content-Length": 5}), "POST")
        connection.expect_open(0.2)
        server.process.terminate()
        assert connection.reply().text() == f"0 {ECANCELED} 1 again:0"
        connection.expect_end()
    server.process.wait(20)
    server.check_end()


@pytest.mark.parametrize("path", ["/until-stop/await", "/streams/others/until-stop/await"])
def test_a_stop_leaves_other_waits_alone(start, tmp_path, path):
    server = start("tests/programs/waits", tmp_path)
    with server.connect() as connection:
        connection.send(request(path=path), "GET")
        connection.expect_open(0.1)
        server.process.terminate()
        with pytest.raises((ProtocolError, ConnectionResetError)):  # cut after stop_timeout_ms
            connection.reply()
    server.process.wait(20)
    server.check_end()


def test_a_stop_is_told_once_however_often_it_is_asked_for(start, tmp_path):
    server = start("tests/programs/waits", tmp_path)
    with server.connect() as connection:
        connection.send(request(path="/rearm-stop"), "GET")
        connection.expect_open(0.2)
        server.process.terminate()
        assert connection.reply().text() == "told:1"
    server.process.wait(20)
    server.check_end()


def test_many_streams_end_with_a_stop(start, tmp_path):
    """Each to its last chunk: none is cut by the stop's deadline."""
    server = start("tests/programs/waits", tmp_path)
    with Crowd(server.address, 50 if SANITIZE else 500) as crowd:
        crowd.send(request(path="/stream-until-stop"), "GET")
        crowd.wait(lambda member: member.parser.current and member.parser.current.received)
        server.process.terminate()
        for reply in crowd.replies():
            assert reply.text().endswith("data: tick\n\ndata: end\n\n")
    server.process.wait(20)
    server.check_end()


# ---- Waits of others


def test_two_that_await_one_descriptor(waits, journal):
    with waits.connect() as first, waits.connect() as second:
        first.send(request(path="/await/0"), "GET")
        first.expect_open(0.1)
        assert second.ask(path="/await/0").text() == f"await:{EBUSY}"
        waits.ask(path="/poke")
        assert first.reply().text() == "await:1"
    journal()


@pytest.mark.skipif(not shutil.which("strace"), reason="no strace")
def test_a_client_that_cannot_be_watched_is_told_of(start, tmp_path):
    """A handler whose output blocks, where the system has no memory to watch for room, does not wait for write_timeout_ms."""
    server = start("tests/programs/waits", tmp_path)
    control, connection = server.connect(), server.connect(receive_buffer=4096)
    for one in (control, connection):
        assert one.ask(path="/journal").status == 200  # from here on it is watched, but for room
    noted, deadline = "", time.monotonic() + 20
    with traced(server, "-o", "/dev/null", "-e", "trace=epoll_ctl", "-e", "inject=epoll_ctl:error=ENOMEM:when=1"):
        connection.send(request(path="/write-until-error"), "GET")
        while not noted and time.monotonic() < deadline:
            noted = control.ask(path="/journal").text()
            time.sleep(0.05)
    assert noted == f"write:{ECLOSED}"
    control.close()
    connection.close()


@pytest.mark.parametrize("how", ["sleep", "await"])
def test_a_handler_that_does_not_care_leaves_the_worker_to_others(waits, journal, how):
    """It waits again and again, whatever it is told, long after its client has gone."""
    with waits.connect() as connection:
        connection.send(request(path=f"/carelessly/{how}"), "GET")
        connection.expect_open(0.1)
        reset(connection)
    for _ in range(20):
        assert waits.ask(path="/sleep/10").text() == "sleep:0"
    assert "ended" not in journal()
    waits.ask(path="/raise")
    assert journal(wait=True) == "ended"


def test_await_fd(waits):
    """Ready at once, when it gets ready, or not in time; the same descriptor again and again."""
    with waits.connect() as connection:
        for limit in (0, 30000):
            connection.send(request(path=f"/await/{limit}"), "GET")
            connection.expect_open(0.1)
            assert waits.ask(path="/poke").text() == "1"
            assert connection.reply().text() == "await:1"
        began = time.monotonic()
        assert connection.ask(path="/await/150").text() == f"await:{ETIMEDOUT}"
        assert 0.15 <= time.monotonic() - began < 5
        assert connection.ask(path="/await/0?write").text() == "await:2"
        waits.ask(path="/poke")
        assert connection.ask(path="/await/0").text() == "await:1"


def test_await_fd_of_a_client_that_takes_nothing(waits, journal):
    """That it is cut for that is no timeout of a wait without a limit. Of replies of many sizes, some fill the kernel's buffers and wait no more."""
    crowd = [open_socket(waits.address, receive_buffer=4096) for _ in range(8, 160, 2)]
    for pieces, client in zip(range(8, 160, 2), crowd):
        client.sendall(request(path=f"/await-behind/{pieces}"))
    noted = journal(wait=True).split()
    for client in crowd:
        client.close()
    while more := journal():
        noted += more.split()
        time.sleep(0.5)
    assert set(noted) == {f"behind:{ECLOSED}"}


def test_offload(waits):
    """Results as they are, negative ones too; on another thread."""
    with waits.connect() as connection:
        for value in (0, 1, -7, 700000000):
            assert connection.ask(path=f"/offload/{value}").text() == f"{value * 3} 1"
        connection.send(b"".join(request(path=f"/offload/{i}") for i in range(40)), *["GET"] * 40)
        assert [connection.reply().text() for _ in range(40)] == [f"{i * 3} 1" for i in range(40)]


def test_yield(waits):
    """A handler that only yields lets its worker serve others."""
    with waits.connect() as connection:
        connection.send(request(path="/yield"), "GET")
        time.sleep(0.1)
        assert waits.ask(path="/raise").text() == "raising"
        assert connection.reply().text() == "raised"


# ---- What was written before a wait

PIECES, ROUNDS, KERNEL_WAITS = 12000, 9, 0.15  # left to itself, the kernel keeps a packet that is not full for 200 ms


@pytest.mark.parametrize("length", ["", "?length"])
@pytest.mark.parametrize("how", ["body", "sleep", "await", "offload", "yield"])
def test_what_was_written_leaves_before_a_wait(waits, how, length):
    """The kernel is told that more is to come while a handler writes, and told otherwise before the handler waits."""
    release = {"body": None, "await": "/poke"}.get(how, "/raise")
    times = []
    with waits.connect() as connection, waits.connect() as other:
        method, headers = ("POST", [("Content-Length", ROUNDS - 1)]) if how == "body" else ("GET", [])
        connection.send(request(method, f"/write/{how}/{ROUNDS}{length}", headers), method)
        for number in range(1, ROUNDS):
            began = time.monotonic()
            while connection.parser.current is None or connection.parser.current.received < PIECES * number:
                assert connection.fill(), "it has ended"
            times.append(time.monotonic() - began)
            if release:
                other.ask(path=release)
            else:
                connection.socket.sendall(b"!")
        connection.reply()
    assert statistics.median(times) < KERNEL_WAITS


@pytest.mark.parametrize("length", ["", "?length"])
def test_what_was_written_leaves_at_the_end(waits, length):
    """A reply whose last piece was sent from where it lay is whole at once, and the connection goes on."""
    times = []
    with waits.connect() as connection:
        for _ in range(9):
            began = time.monotonic()
            assert len(connection.ask(path=f"/write/end/1{length}").body) == PIECES
            times.append(time.monotonic() - began)
    assert statistics.median(times) < KERNEL_WAITS
