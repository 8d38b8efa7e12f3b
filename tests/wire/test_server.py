"""The life of a server: start, stop, listeners, settings, and descriptors running out.

SPDX-License-Identifier: MIT
"""

import ctypes
import errno
import json
import os
import resource
import signal
import socket
import stat
import struct
import subprocess
import threading
import time

import pytest

from client import Connection, ProtocolError, request
from conftest import BUILD, SANITIZE, SLOW, Server

pytestmark = pytest.mark.threaded


# ---- Stopping


def test_stop_when_nothing_runs(start_tour):
    assert start_tour().stop() < 2


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stop_signals(start_tour, number):
    server = start_tour()
    server.process.send_signal(number)
    assert server.process.wait(10) == 0


def test_stop_finishes_what_runs(start_probe):
    """A running request is finished and its connection then closed; idle and silent ones are closed at once; a new
    connection is refused."""
    server = start_probe()
    with server.connect() as busy, server.connect() as idle, server.connect() as silent:
        idle.ask()
        busy.send(request(path="/sleep/4000"), "GET")
        time.sleep(0.3)
        server.process.terminate()
        idle.expect_end()
        silent.expect_end()
        refused = False
        while not refused:  # each worker ends its own listener
            try:
                server.ask()
            except (ConnectionRefusedError, ConnectionResetError, ProtocolError):
                refused = True
        assert not busy.parser.replies, "the idle ones waited for it"
        busy.expect_open(0.01)
        reply = busy.reply()
        assert reply.body == b"slept"
        busy.expect_end()
    assert server.process.wait(20) == 0


def test_stop_closes_served_connections_before_new_ones(start):
    """Who has been served is closed at once, and who has just connected has a second: seen in one of some tries, as this process may be held up."""
    for _ in range(8):
        server = start("tests/programs/conform", "workers=1", "stop_timeout_ms=600000")
        with server.connect() as served, server.connect() as fresh:
            assert served.ask().status == 200
            server.process.terminate()
            served.expect_end(30)
            fresh.socket.settimeout(0)
            try:
                fresh.socket.recv(1)
            except BlockingIOError:
                return
    raise AssertionError("both end at one time")


def test_stop_does_not_wait_for_half_a_head(start):
    """It has a second to become whole, and is answered then; else it is refused, long before the stop's own time is over."""
    server = start("tests/programs/conform", "workers=1", "stop_timeout_ms=600000")
    with server.connect() as slow, server.connect() as quick, server.connect() as idle:
        assert idle.ask().status == 200
        for connection in (slow, quick):
            connection.send(request()[:-7], "GET")
        time.sleep(0.3)
        server.process.terminate()
        idle.expect_end(30)  # the worker has heard of the stop
        quick.send(request()[-7:])
        reply = quick.reply()
        assert reply.closes and reply.status in (200, 408)  # where this process was held up for a second
        assert slow.reply().status == 408
        slow.expect_end()
    assert server.process.wait(60) == 0


def test_stop_sends_a_file_to_its_end(start, tmp_path):
    """A final reply needs no handler any more, and is finished all the same."""
    server = start("examples/tour", "--port", 0, "--root", tmp_path, "--quiet")
    with server.connect(timeout=30) as connection:
        connection.send(request(path="/file/large.bin"), "GET")
        connection.fill()
        server.process.terminate()
        time.sleep(0.5)
        assert connection.reply().received == 100 << 20
        connection.expect_end()
    assert server.process.wait(10) == 0


def test_stop_cuts_what_does_not_end(start_probe):
    server = start_probe("stop_timeout_ms=700")
    with server.connect() as sleeping, server.connect() as flooding:
        sleeping.send(request(path="/sleep/60000"), "GET")
        flooding.send(request(path="/flood"), "GET")
        time.sleep(0.3)
        began = time.monotonic()
        server.process.terminate()
        assert server.process.wait(10) == 0
        assert 0.5 < time.monotonic() - began < 5


def test_stop_from_a_handler(start_probe):
    server = start_probe()
    with server.connect() as idle, server.connect() as connection:
        idle.ask()
        assert connection.ask(path="/stop").body == b"stopping"
        connection.expect_end()
        idle.expect_end()
        deadline = time.monotonic() + 20
        with pytest.raises(OSError):
            while time.monotonic() < deadline:  # each worker ends its own listener
                socket.create_connection(server.address, 2).close()


def test_a_second_signal_ends_at_once(start_tour):
    server = start_tour()
    with server.connect() as connection:
        connection.send(request(path="/stream"), "GET")
        connection.fill()
        server.process.terminate()
        time.sleep(0.3)
        server.process.terminate()
        assert server.process.wait(3) == -signal.SIGTERM


def test_stop_under_load(start_probe):
    """Whatever has been accepted is answered whole or not at all; no reply is cut, none is reset within."""
    server = start_probe()
    wrong, counted = [], []
    stopping = threading.Event()

    def load():
        answered = 0
        try:
            while True:
                with server.connect() as connection:
                    for _ in range(20):
                        assert connection.ask().body == b"Hello, World!"
                        answered += 1
        except (ConnectionRefusedError, ConnectionResetError, BrokenPipeError):
            if not stopping.is_set():
                wrong.append("refused before the stop")
        except ProtocolError as error:
            # An idle connection may be closed just when the next request is written.
            if not stopping.is_set() or "ended without a reply" not in str(error):
                wrong.append(error)
        counted.append(answered)

    threads = [threading.Thread(target=load) for _ in range(8)]
    for thread in threads:
        thread.start()
    time.sleep(1)
    stopping.set()
    assert server.stop() < 8
    for thread in threads:
        thread.join()
    assert not wrong and min(counted) > 0


# ---- Listening


def test_second_server_on_the_same_port(start_tour, root):
    server = start_tour("--workers", 2)
    done = subprocess.run([str(BUILD / "examples/tour"), "--port", str(server.port), "--root", str(root), "--quiet"],
                          capture_output=True, text=True, timeout=20)
    assert done.returncode == 1 and done.stdout == ""
    assert str(server.port) in done.stderr and "in use" in done.stderr.lower(), done.stderr
    assert server.ask().status == 200


def test_port_can_be_taken_again_at_once(start_tour, root):
    server = start_tour()
    with server.connect() as connection:
        connection.ask()
        server.stop()
    again = Server("examples/tour", "--port", server.port, "--root", root, "--quiet")
    assert again.ask().status == 200
    again.stop()


def test_unix_socket(start, root, tmp_path):
    path = tmp_path / "weir.sock"
    for _ in range(2):  # the second takes over the old file
        server = start("examples/tour", "--host", f"unix:{path}", "--root", root, "--quiet")
        assert server.where == f"unix:{path}"
        with server.connect() as connection:
            for _ in range(3):
                assert connection.ask().body == b"Hello, World!"
            assert connection.ask(path="/file/large.bin").body == (root / "large.bin").read_bytes()
        command = ["curl", "-sS", "--unix-socket", str(path), "http://localhost/"]
        done = subprocess.run(command, capture_output=True, check=True)
        assert done.stdout == b"Hello, World!"
        server.kill()  # so that its socket file stays behind
    assert path.exists()


def test_ipv6(start_tour):
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("no IPv6 here")
    server = start_tour("--host", "::1")
    assert server.where == f"http://[::1]:{server.port}"
    assert server.ask().body == b"Hello, World!"


def test_several_listeners(start_probe, tmp_path):
    """A Unix socket and an inherited descriptor beside the port; each worker serves each."""
    inherited = socket.create_server(("127.0.0.1", 0))
    os.set_inheritable(inherited.fileno(), True)
    path = str(tmp_path / "second.sock")
    server = start_probe(f"listen=unix:{path}", f"fd={inherited.fileno()}", "workers=2", pass_fds=(inherited.fileno(),))
    third = inherited.getsockname()
    inherited.close()
    for address in (server.address, path, third):
        for _ in range(20):
            with Connection(address) as connection:
                assert connection.ask().body == b"Hello, World!"
    server.stop()
    with pytest.raises(OSError):
        Connection(third)


@pytest.mark.parametrize("shared", [1, -1])
def test_workers(start_probe, shared):
    """All workers serve, in both modes of listening."""
    server = start_probe("workers=3", f"shared_listener={shared}")
    threads = [entry for entry in os.listdir(f"/proc/{server.pid}/task")]
    assert len(threads) >= 3
    connections = [server.connect() for _ in range(60)]
    workers = [connection.ask(path="/worker").text() for connection in connections]
    assert set(workers) <= {"0", "1", "2"}
    if shared == -1:
        assert set(workers) == {"0", "1", "2"}
    for connection in connections:
        connection.close()


def test_workers_option(start_tour):
    few = start_tour("--workers", 1)
    many = start_tour("--workers", 4)
    difference = len(os.listdir(f"/proc/{many.pid}/task")) - len(os.listdir(f"/proc/{few.pid}/task"))
    assert difference == 3


def test_offload_does_not_hold_up(start_probe):
    """A worker serves others while a function of one handler sleeps on a thread."""
    server = start_probe("workers=1")
    with server.connect() as waiting, server.connect() as other:
        began = time.monotonic()
        waiting.send(request(path="/offload/700"), "GET")
        for _ in range(50):
            assert other.ask().status == 200
        assert time.monotonic() - began < 0.6
        assert waiting.reply().body == b"7"
        assert time.monotonic() - began >= 0.7


# ---- Settings


def test_wrong_settings_are_all_named():
    wrong = {"workers": -5, "http_buffer_size": 7, "ws_buffer_size": 1, "stack_size": 3, "request_memory": 9,
             "max_headers": 5000, "pipeline_depth": -7, "header_timeout_ms": -9, "backlog": -2, "log_level": 77,
             "tcp_nodelay": 9}
    command = [str(BUILD / "tests/programs/probe"), *(f"{name}={value}" for name, value in wrong.items())]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    assert done.returncode == 1 and done.stdout == ""
    missing = [name for name in wrong if name not in done.stderr]
    assert not missing, f"{missing} are not named in:\n{done.stderr}"


def refused(*settings, **more):
    """What a probe that does not start says."""
    command = [str(BUILD / "tests/programs/probe"), *settings]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, **more)
    assert done.returncode == 1 and done.stdout == ""
    return done.stderr


def test_wrong_settings_say_what_is_allowed():
    text = refused("tcp_nodelay=9", "shared_listener=2", "port=70000", "so_linger=70000", "workers=-1")
    for line in ("setting tcp_nodelay: 9 is neither WEIR_ON nor WEIR_OFF",
                 "setting shared_listener: 2 is neither WEIR_ON nor WEIR_OFF",
                 "setting port: 70000 is not within 1 and 65535, nor WEIR_ANY",
                 "setting so_linger: 70000 is not within 1 and 65535, nor WEIR_OFF"):
        assert line in text, text
    assert text.count("setting workers: -1 is not within 1 and 1024\n") == 2, text  # in the log, and in the errors


def test_a_small_memory_limit_is_the_only_reason():
    """Its bound is not what routes fail of: they would all be named, and the reason last or not at all."""
    text = refused("memory_limit=20000")
    assert text.count("setting memory_limit: 20000 is less than what ") == 2 and len(text.splitlines()) == 3, text


def test_why_an_address_cannot_be_had(tmp_path):
    """In words that say what to do, or else the system's."""
    (tmp_path / "file").touch()
    inherited = os.open(tmp_path / "file", os.O_RDONLY)
    for settings, words in (
            (("host=192.0.2.1",), "192.0.2.1:0: the address is not one of this machine"),
            (("host=192.0.2.1", "port=8080"), "192.0.2.1:8080: the address is not one of this machine"),
            ((f"host=unix:{tmp_path}/file",), "there is a file, and it is no socket"),
            ((f"host=unix:{tmp_path}/none/socket",), os.strerror(errno.ENOENT)),
            ((f"fd={inherited}",), "the inherited descriptor: " + os.strerror(errno.ENOTSOCK))):
        text = refused(*settings, pass_fds=(inherited,))
        assert words in text, text
    os.close(inherited)


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user")
def test_a_privileged_port():
    def become_nobody():
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)

    try:
        subprocess.run(["/bin/test", "-x", BUILD / "tests/programs/probe"], check=True, preexec_fn=become_nobody)
    except (subprocess.CalledProcessError, OSError):
        pytest.skip("the program cannot be reached by everybody")
    with open("/proc/sys/net/ipv4/ip_unprivileged_port_start") as least:
        if int(least.read()) < 2:
            pytest.skip("no port is privileged here")
    assert "ports below 1024 are for privileged processes" in refused("port=1", preexec_fn=become_nobody)


def test_what_listens_is_logged(start_probe, tmp_path):
    """One line for each listener, with what it was bound to."""
    path = tmp_path / "socket"
    server = start_probe("workers=2", "log_level=3", f"listen=unix:{path}")
    text = server.error_text()
    assert f"info: listening on 127.0.0.1:{server.port}: 2 workers with a socket each, process {server.pid}\n" in text
    assert f"info: listening on unix:{path}: 2 workers with one socket, process {server.pid}\n" in text, text
    assert text.count("listening on") == 2


def test_host_setting(start_probe):
    """0.0.0.0 is reached by any address of the machine, 127.0.0.1 only by itself."""
    everywhere = start_probe("host=0.0.0.0")
    here = start_probe("host=127.0.0.1")
    assert Connection(("127.0.0.2", everywhere.port)).ask().status == 200
    with pytest.raises(ConnectionRefusedError):
        Connection(("127.0.0.2", here.port))


@pytest.mark.parametrize("size", [1024, 8192, 16384])
def test_http_buffer_size_setting(start_probe, size):
    """The head has to fit."""
    server = start_probe(f"http_buffer_size={size}")
    empty = len(request(headers={"X": ""}))
    with server.connect() as connection:
        assert connection.ask(headers={"X": "a" * (size - empty - 64)}).status == 200
        assert connection.ask(headers={"X": "a" * (size - empty + 1)}).status == 431


def borrow(server, connection):
    """A duplicate of the server's socket of a connection, to read its options (pidfd_open and pidfd_getfd)."""
    libc = ctypes.CDLL(None, use_errno=True)
    process = libc.syscall(434, server.pid, 0)
    for name in os.listdir(f"/proc/{server.pid}/fd"):
        fd = libc.syscall(438, process, int(name), 0)
        if fd < 0 and ctypes.get_errno() in (errno.EPERM, errno.ENOSYS):
            pytest.skip("the server's descriptors cannot be borrowed here")
        if fd < 0 or not stat.S_ISSOCK(os.fstat(fd).st_mode):
            os.close(fd) if fd >= 0 else None
            continue
        found = socket.socket(fileno=fd)
        try:
            if found.getpeername() == connection.socket.getsockname():
                os.close(process)
                return found
        except OSError:
            pass
        found.close()
    raise AssertionError("the server has no such connection")


TCP_NOTSENT_LOWAT = 25


@pytest.mark.parametrize("setting, level, name, expected", [
    ("tcp_nodelay=0", socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
    ("tcp_nodelay=1", socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
    ("tcp_nodelay=-1", socket.IPPROTO_TCP, socket.TCP_NODELAY, 0),
    ("so_linger=-1", socket.SOL_SOCKET, socket.SO_LINGER, (0, 0)),
    ("so_linger=3", socket.SOL_SOCKET, socket.SO_LINGER, (1, 3)),
    ("notsent_lowat=0", socket.IPPROTO_TCP, TCP_NOTSENT_LOWAT, 1024),
    ("notsent_lowat=-1", socket.IPPROTO_TCP, TCP_NOTSENT_LOWAT, 0),
    ("send_buffer=50000", socket.SOL_SOCKET, socket.SO_SNDBUF, 100000),
    ("receive_buffer=60000", socket.SOL_SOCKET, socket.SO_RCVBUF, 120000),
])
def test_socket_settings(start_probe, setting, level, name, expected):
    """Each is what the server's own socket says. The kernel doubles buffer sizes for its bookkeeping."""
    server = start_probe(setting)
    with server.connect() as connection:
        connection.ask()
        borrowed = borrow(server, connection)
        if name == socket.SO_LINGER:
            found = struct.unpack("ii", borrowed.getsockopt(level, name, 8))
        else:
            found = borrowed.getsockopt(level, name)
        borrowed.close()
        assert found == expected


@pytest.mark.parametrize("setting, receive_buffer, most", [(0, None, 30720), (16384, None, 10240), (4096, None, 2048),
                                                           (0, 1024, 18000), (16384, 1024, 9000)])
def test_notsent_lowat_when_output_blocks(start_probe, setting, receive_buffer, most):
    """The final value is set when a client first takes less than there is, and is less for one with a tiny window."""
    server = start_probe("workers=1", f"notsent_lowat={setting}")
    with server.connect(receive_buffer=receive_buffer) as connection:
        connection.ask()  # it has been accepted
        borrowed = borrow(server, connection)
        connection.send(request(path="/large-static"), "GET")
        deadline = time.monotonic() + 10
        while (found := borrowed.getsockopt(socket.IPPROTO_TCP, TCP_NOTSENT_LOWAT)) == 1024:
            assert time.monotonic() < deadline, "its value stays the first one"
            time.sleep(0.01)
        borrowed.close()
        assert found == most if receive_buffer is None else most // 2 < found <= most


def test_max_connections_setting(start_probe):
    """One more than the limit waits or is refused, and finds room when the others have gone."""
    server = start_probe("max_connections=5", "workers=1")
    connections = [server.connect() for _ in range(5)]
    assert all(connection.ask().status == 200 for connection in connections)
    with server.connect(timeout=1) as sixth:
        try:
            assert sixth.ask().status == 503
        except (TimeoutError, ProtocolError, ConnectionResetError):
            pass
    for connection in connections:
        connection.close()
    time.sleep(0.2)
    assert server.ask().status == 200


def test_so_linger_setting(start_probe):
    """Off: a close with nothing unread ends in order, so the client reads all and then the end."""
    server = start_probe("so_linger=-1")
    with server.connect() as connection:
        assert connection.ask(headers={"Connection": "close"}).status == 200
        connection.expect_end()


def test_ledger_counts(start_probe):
    server = start_probe("workers=1")
    with server.connect() as connection:
        before = json.loads(connection.ask(path="/ledger").body)
        for _ in range(10):
            connection.ask()
        with server.connect() as other:
            other.ask()
            after = json.loads(connection.ask(path="/ledger").body)
    assert after["requests"] - before["requests"] == 12
    assert after["connections"] - before["connections"] == 1
    assert after["accepted"] - before["accepted"] == 1
    assert after["reserved"] == sum(account["reserved"] for account in after["accounts"].values())


# ---- Running out


def limit_descriptors():
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))


@pytest.mark.skipif("thread" in SANITIZE, reason="needs descriptors of its own")
def test_no_descriptors_left(start_probe):
    """Accepting pauses without spinning, what is connected is served, and it goes on when descriptors are free."""
    server = start_probe("workers=1", before=limit_descriptors)
    connections = []
    for _ in range(100):
        connections.append(server.connect(timeout=1))
    served, waiting = [], []
    for connection in connections:
        connection.send(request(), "GET")
    time.sleep(0.5)
    for connection in connections:
        connection.socket.settimeout(0.01)
        try:
            assert connection.reply().status == 200
            served.append(connection)
            connection.socket.settimeout(5)
        except (TimeoutError, ConnectionResetError, ProtocolError):
            waiting.append(connection)
    assert served and waiting
    before = server.cpu()
    time.sleep(5 if SLOW else 2)
    assert server.cpu() - before < 0.3, "it spins"
    for connection in served[:10]:
        assert connection.ask().status == 200
    for connection in served:
        connection.close()
    deadline = time.monotonic() + 10
    answered = 0
    while answered == 0 and time.monotonic() < deadline:
        for connection in waiting:
            try:
                answered += connection.reply().status == 200
            except (TimeoutError, ConnectionResetError, ProtocolError):
                pass
    assert answered
    for connection in waiting:
        connection.close()
    time.sleep(0.5)
    assert server.ask().status == 200


def test_stack_overflow_is_told(start_probe):
    """A handler that uses up its stack ends the process with a message that names the setting."""
    if SANITIZE:
        pytest.skip("the sanitizer reports it in its own way")
    server = start_probe()
    assert server.ask(path="/overflow/3").status == 200
    with pytest.raises((ProtocolError, ConnectionResetError)):
        server.ask(path="/overflow/100000")
    assert server.process.wait(10) == -signal.SIGSEGV
    text = server.error_text()
    assert "stack" in text and "stack_size" in text, text


@pytest.mark.parametrize("size", [4096, 8192])
def test_ws_buffer_size_setting(start_probe, size):
    """Message buffers are made before the start, of the size that is set; the ledger shows their account."""
    server = start_probe(f"ws_buffer_size={size}", "http_buffers=32", "workers=1")
    account = json.loads(server.ask(path="/ledger").body)["accounts"]["websocket buffers"]
    assert 32 * size <= account["reserved"] <= 64 * size + 65536, account
