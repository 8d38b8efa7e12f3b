"""What a stop does to listeners: who has connected is served, who comes later is refused and not kept waiting, and the
place is free for the next server while this one still drains.

SPDX-License-Identifier: MIT
"""

import os
import signal
import socket
import threading
import time

import pytest

from client import Connection, ProtocolError, ask, request

pytestmark = pytest.mark.threaded

HALF = b"POST /read-all HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello"
REFUSED = (ConnectionRefusedError, FileNotFoundError)


class Drain:
    """A request that the stop waits for until end() is called."""

    def __init__(self, server, address):
        self.server = server
        self.connection = Connection(address, timeout=60)
        assert self.connection.ask().status == 200  # a worker has it
        self.connection.send(HALF, "POST")
        time.sleep(0.1)

    def stop(self):
        self.server.process.send_signal(signal.SIGTERM)

    def end(self):
        assert not self.connection.parser.replies
        self.connection.send(b"world")
        assert self.connection.reply().status == 200
        self.connection.expect_end()
        self.connection.close()
        assert self.server.process.wait(30) == 0
        self.server.check_end()


def until_refused(address, may_be_reset=False):
    """Connects until nobody listens. Each connection is answered."""
    deadline = time.monotonic() + 30
    while True:
        assert time.monotonic() < deadline, "somebody goes on listening"
        try:
            with Connection(address, timeout=10) as one:
                assert one.ask(headers={"Connection": "close"}).status == 200
        except REFUSED:
            return
        except (ConnectionResetError, ProtocolError):
            assert may_be_reset


def listen_on(kind, tmp_path, start_probe, *settings):
    """A server that drains for a minute on a listener of this kind, and the listener's address."""
    settings = ("workers=2", "stop_timeout_ms=60000", *settings)
    if kind == "unix":
        path = str(tmp_path / "socket")
        return start_probe(*settings, f"listen=unix:{path}"), path
    if kind == "inherited":
        given = socket.create_server(("127.0.0.1", 0))
        os.set_inheritable(given.fileno(), True)
        server = start_probe(*settings, f"fd={given.fileno()}", pass_fds=(given.fileno(),))
        address = given.getsockname()
        given.close()
        return server, address
    server = start_probe(*settings, f"shared_listener={1 if kind == 'shared' else -1}")
    return server, server.address


@pytest.mark.parametrize("kind", ["unix", "shared", "each", "inherited"])
def test_nobody_waits_for_a_server_that_drains(start_probe, tmp_path, kind):
    server, address = listen_on(kind, tmp_path, start_probe)
    drain = Drain(server, address)
    drain.stop()
    until_refused(address, may_be_reset=kind == "inherited")
    drain.end()


@pytest.mark.parametrize("kind", ["unix", "shared", "each"])
def test_stops_under_load(start_probe, tmp_path, kind):
    """Who could connect gets its reply, as long as it asks within a second."""
    for _ in range(3):
        server, address = listen_on(kind, tmp_path, start_probe)
        drain = Drain(server, address)
        answered, wrong = [], []

        def load(address=address, answered=answered, wrong=wrong):
            count = 0
            while True:
                try:
                    connection = Connection(address, timeout=60)
                except REFUSED:
                    break
                try:
                    with connection:
                        assert connection.ask(headers={"Connection": "close"}).body == b"Hello, World!"
                    count += 1
                except Exception as error:
                    wrong.append(error)
                    break
            answered.append(count)

        threads = [threading.Thread(target=load) for _ in range(6)]
        for thread in threads:
            thread.start()
        time.sleep(0.5)
        drain.stop()
        for thread in threads:
            thread.join(60)
        assert not any(thread.is_alive() for thread in threads)
        assert not wrong and min(answered) > 0
        drain.end()


def test_the_path_is_free_while_a_server_drains(start_probe, tmp_path):
    """A new server on the same Unix socket; the old one leaves its file alone."""
    server, path = listen_on("unix", tmp_path, start_probe)
    drain = Drain(server, path)
    drain.stop()
    until_refused(path)
    following, _ = listen_on("unix", tmp_path, start_probe)
    assert ask(path).status == 200
    drain.end()
    assert ask(path).status == 200
    following.stop()
    assert not os.path.exists(path)


def test_a_file_of_another_is_left(start_probe, tmp_path):
    """Somebody has moved the socket's file away and put another in its place."""
    server, path = listen_on("unix", tmp_path, start_probe)
    os.rename(path, path + ".old")
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(path)
        server.stop()
        assert os.path.exists(path)


def test_a_file_of_another_is_not_taken(start_probe, tmp_path):
    """A socket that has no room for another client, and one that is none of streams, are no leftovers."""
    path = str(tmp_path / "socket")
    with socket.socket(socket.AF_UNIX) as full, socket.socket(socket.AF_UNIX) as client:
        full.bind(path)
        full.listen(0)
        client.connect(path)
        with pytest.raises(AssertionError, match="in use"):
            listen_on("unix", tmp_path, start_probe)
    os.unlink(path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
        other.bind(path)
        with pytest.raises(AssertionError, match="in use"):
            listen_on("unix", tmp_path, start_probe)
        assert os.path.exists(path)


def test_an_inherited_socket_goes_on_listening(start_probe):
    """Another process has it as well: clients that connect while the server drains are the next server's."""
    with socket.create_server(("127.0.0.1", 0)) as given:
        os.set_inheritable(given.fileno(), True)
        settings = ("workers=2", "stop_timeout_ms=60000", f"fd={given.fileno()}")
        server = start_probe(*settings, pass_fds=(given.fileno(),))
        drain = Drain(server, given.getsockname())
        drain.stop()
        crowd = []
        deadline = time.monotonic() + 30
        while not crowd or crowd[-1].parser.replies:  # until the old one takes nobody any more
            assert time.monotonic() < deadline
            crowd.append(Connection(given.getsockname()))
            crowd[-1].send(request(), "GET")
            crowd[-1].socket.settimeout(0.5)
            try:
                crowd[-1].fill()
            except TimeoutError:
                break
        following = start_probe(*settings, pass_fds=(given.fileno(),))
        crowd[-1].socket.settimeout(20)
        assert crowd[-1].reply().status == 200
        drain.end()
        following.stop()
        for one in crowd:
            one.close()
