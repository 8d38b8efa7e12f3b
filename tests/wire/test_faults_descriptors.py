"""Descriptors run out, or the kernel refuses a connection in another way: accepting pauses and goes on by itself.

SPDX-License-Identifier: MIT
"""

import json
import os
import re
import resource
import socket
import subprocess
import time

import pytest

from client import request
from conftest import BUILD, SANITIZE
from faults import Held, Others, assert_rests, descriptors, limit, wait_for

pytestmark = pytest.mark.threaded


def crowd_of(server, count):
    return [socket.create_connection(server.address, timeout=60) for _ in range(count)]


def unanswered(connections):
    """Asks on all of these; those that are not answered, each given a moment."""
    waiting = []
    for connection in connections:
        connection.sendall(request())
    for connection in connections:
        connection.settimeout(0.05)
        try:
            assert connection.recv(1000).startswith(b"HTTP/1.1 200")
        except TimeoutError:
            waiting.append(connection)
        connection.settimeout(60)
    return waiting


@pytest.mark.parametrize("settings", [["workers=1"], ["workers=2"], ["workers=2", "shared_listener=1"]])
def test_no_descriptor_for_a_connection(start_probe, settings):
    """EMFILE of accept: those who are in go on, those who are not wait in the backlog and come in when it ends."""
    server = start_probe(*settings)
    held = Held(server)
    with Others(server, new=False):
        old = limit(server, resource.RLIMIT_NOFILE, descriptors(server) + 10)
        crowd = crowd_of(server, 60)
        wait_for(lambda: "no descriptors are left" in server.error_text())
        waiting = unanswered(crowd)
        assert 40 <= len(waiting) < 60
    assert_rests(server)
    with Others(server, new=False):
        limit(server, resource.RLIMIT_NOFILE, old)
        for connection in waiting:
            assert connection.recv(1000).startswith(b"HTTP/1.1 200")
    for connection in crowd:
        connection.close()
    held.check()


def test_closing_makes_room(start_probe):
    """Within EMFILE, each connection that closes lets another in, without waiting for the pause to end."""
    server = start_probe("workers=1")
    held = Held(server)
    old = limit(server, resource.RLIMIT_NOFILE, descriptors(server) + 10)
    crowd = crowd_of(server, 200)
    for connection in crowd:
        connection.sendall(request(headers={"Connection": "close"}))
    for connection in crowd:
        assert connection.recv(1000).startswith(b"HTTP/1.1 200")
        connection.close()
    limit(server, resource.RLIMIT_NOFILE, old)
    held.check()


@pytest.mark.parametrize("route", ["file", "by-hand"])
def test_no_descriptor_for_a_file(start_probe, root, route):
    """A file that cannot be opened for lack of descriptors is answered with 503, and the connection goes on."""
    server = start_probe("workers=1", f"root={root}", "open_files=-1")
    server.ask(path=f"/{route}/hello.txt")
    held = Held(server)
    with server.connect() as connection, Others(server, new=False):
        assert connection.ask(path=f"/{route}/hello.txt").status == 200
        old = limit(server, resource.RLIMIT_NOFILE, descriptors(server))
        for _ in range(50):
            assert connection.ask(path=f"/{route}/hello.txt").status == 503
            assert connection.ask(path="/").status == 200
        limit(server, resource.RLIMIT_NOFILE, old)
        assert connection.ask(path=f"/{route}/hello.txt").body == b"Hello from a file.\n"
    held.check()


def test_too_few_descriptors_to_start():
    """A server that cannot have what it needs says so and ends; with a few more it serves."""
    started = set()
    for count in range(4, 26):
        def few(count=count):
            resource.setrlimit(resource.RLIMIT_NOFILE, (count, count))

        with subprocess.Popen([str(BUILD / "tests/programs/probe"), "workers=4"], preexec_fn=few, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            line = process.stdout.readline()
            if line:
                port = int(re.search(r":(\d+)\n", line).group(1))
                with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
                    if count >= 25:
                        connection.sendall(request())
                        assert connection.recv(1000).startswith(b"HTTP/1.1 200")
                started.add(count)
                process.terminate()
            status, errors = process.wait(60), process.stderr.read()
        assert status == (0 if line else 1), (count, status, errors)
        assert line or re.search(r"cannot (listen|start)", errors) or SANITIZE, (count, errors)
    assert min(started) > 4 and max(started) == 25


@pytest.mark.parametrize("error", ["ENFILE", "ENOBUFS", "ENOMEM", "ECONNABORTED", "EPROTO", "EPERM", "ENETDOWN"])
def test_accept_fails(start_probe, error):
    """What the kernel may say of a connection that it does not hand over. ENFILE cannot be had for real without taking
    descriptors from the whole machine, and some of the others need broken hardware, so strace puts the word in."""
    if SANITIZE:
        pytest.skip("a sanitizer and strace do not go together")
    server = start_probe("workers=1", "watchdog_ms=-1")
    held = Held(server)
    command = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=accept4", "-e",
               f"inject=accept4:error={error}:when=1..40", "-p", str(server.pid)]
    with Others(server, new=False), subprocess.Popen(command) as tracer:
        try:
            wait_for(lambda: re.search(r"TracerPid:\s+[1-9]", open(f"/proc/{server.pid}/status").read()))
            crowd = crowd_of(server, 20)
            for connection in crowd:
                connection.sendall(request())
            for connection in crowd:
                assert connection.recv(1000).startswith(b"HTTP/1.1 200")
                connection.close()
        finally:
            tracer.terminate()
    held.check()


@pytest.mark.parametrize("settings", [["workers=1"], ["workers=2"]])
def test_listening_socket_is_shut_down(start_probe, settings):
    """An inherited socket is not ours alone: whoever shares it may shut it down.
    The server rests and serves its others, and takes up this one when it listens again."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        server = start_probe("port=-1", f"fd={listener.fileno()}", *settings, pass_fds=(listener.fileno(),))
        held = Held(server)
        with Others(server):
            with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
                connection.sendall(request())
                assert connection.recv(1000).startswith(b"HTTP/1.1 200")
            listener.shutdown(socket.SHUT_RDWR)
            with pytest.raises(ConnectionError):
                socket.create_connection(("127.0.0.1", port), timeout=60)
        assert_rests(server)
        listener.listen(10)
        with socket.create_connection(listener.getsockname(), timeout=60) as connection:
            connection.sendall(request())
            assert connection.recv(1000).startswith(b"HTTP/1.1 200")
        held.check()


def test_signals_do_not_break_calls(start_probe):
    """A process that is stopped and continued, as a debugger or a container's freezer does, loses nothing."""
    server = start_probe("workers=2")
    held = Held(server)
    with Others(server):
        for _ in range(20):
            os.kill(server.pid, 19)
            time.sleep(0.02)
            os.kill(server.pid, 18)
            time.sleep(0.02)
    assert server.process.poll() is None
    held.check()


def test_nobody_reads_standard_error(start_probe):
    """Lines for which there is no room are dropped: a worker that waited for whoever collects them would serve nobody."""
    to_read, to_write = os.pipe()
    os.set_blocking(to_write, False)
    with pytest.raises(BlockingIOError):
        while True:
            os.write(to_write, b"x" * 65536)
    os.set_blocking(to_write, True)  # the server's own: it shares the description
    try:
        server = start_probe("workers=1", "log_level=4", before=lambda: os.dup2(to_write, 2))
        for _ in range(20):
            with server.connect() as connection:
                connection.send(b"GET / HTTP/1.1\n\n", "GET")  # refused, and logged
                assert connection.reply().status == 400
        assert server.ask().status == 200
        os.set_blocking(to_read, False)
        with pytest.raises(BlockingIOError):
            while True:
                assert b"refused" not in os.read(to_read, 65536)
        with server.connect() as connection:
            connection.send(b"GET / HTTP/1.1\n\n", "GET")
            assert connection.reply().status == 400
        assert b"refused (malformed" in os.read(to_read, 65536)  # written before the reply
        server.stop()
    finally:
        os.close(to_write)
        os.close(to_read)


def test_nobody_reads_the_terminal(start_probe):
    """The same where standard error is a terminal that has been stopped: it has room until it is in the middle of a line."""
    keyboard, screen = os.openpty()
    try:
        server = start_probe("workers=1", "log_level=4", before=lambda: os.dup2(screen, 2))
        for _ in range(1000):  # each a line of more than 60 bytes, where there is room for 64 KiB
            with server.connect() as connection:
                connection.send(b"GET / HTTP/1.1\n\n", "GET")
                assert connection.reply().status == 400
        assert server.ask().status == 200
        assert b"refused (malformed" in os.read(keyboard, 65536)
        server.stop()
    finally:
        os.close(keyboard)
        os.close(screen)


PIPELINED = 8


def test_pipelined_files_hold_one_descriptor(start_tour, root):
    """Clients that ask for many files at once and take none: each connection has one of them open, the one that is being sent."""
    count = 50 if SANITIZE else 300
    server = start_tour("--workers", 1, before=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (1024, 1024)))
    before = descriptors(server)
    asked = request(path="/file/large.bin")
    crowd = []
    for _ in range(count):
        connection = server.connect(timeout=60, receive_buffer=4096)
        connection.send(asked * PIPELINED, *["GET"] * PIPELINED)
        crowd.append(connection)
    with server.connect(timeout=60) as other:
        wait_for(lambda: json.loads(other.ask(path="/_weir/ledger.json").text())["connections"]["draining"] == count)
        assert descriptors(server) <= before + 2 * count + 2
        assert server.ask(path="/file/hello.txt").text() == "Hello from a file.\n"
    expected = (root / "large.bin").read_bytes()
    for connection in crowd[:3]:
        for _ in range(PIPELINED):
            assert connection.reply().body == expected
    for connection in crowd:
        connection.close()
