"""A redis-server that tests start themselves, on a free port or a Unix socket, and a client of its protocol.

SPDX-License-Identifier: MIT
"""

import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import pytest

SERVER = shutil.which("redis-server")


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class Redis:
    """A server with its folder. A block. kill() and start() as often as a test likes: the port stays."""

    def __init__(self, *settings):
        if not SERVER:
            pytest.skip("there is no redis-server")
        self.folder = tempfile.TemporaryDirectory(prefix="weir-redis-")
        self.path = pathlib.Path(self.folder.name)
        self.settings = settings
        self.password = dict(zip(settings, settings[1:])).get("--requirepass")
        self.port = None
        self.process = None
        self.start()

    def start(self):
        """Another process may take a free port meanwhile: then the first start tries another one."""
        chosen = self.port
        for _ in range(5):
            self.port = chosen or free_port()
            with (self.path / "log").open("ab") as log:
                self.process = subprocess.Popen(
                    [SERVER, "--bind", "127.0.0.1", "--port", str(self.port), "--dir", str(self.path), "--save", "",
                     "--appendonly", "no", "--unixsocket", str(self.path / "socket"), *self.settings],
                    stdin=subprocess.DEVNULL, stdout=log, stderr=log)
            if self._answers():
                return
        raise AssertionError((self.path / "log").read_text())

    def _answers(self):
        deadline = time.monotonic() + 30
        while self.process.poll() is None:
            try:
                with self.client() as client:
                    if client.ask("PING") == b"PONG":
                        return True
            except OSError:
                pass
            assert time.monotonic() < deadline, (self.path / "log").read_text()
            time.sleep(0.02)
        return False

    @property
    def target(self):
        return f"tcp://127.0.0.1:{self.port}"

    @property
    def socket(self):
        return f"unix:{self.path / 'socket'}"

    def client(self):
        return Client(self.port, self.password)

    def ask(self, *command):
        with self.client() as client:
            return client.ask(*command)

    def signal(self, number):
        self.process.send_signal(number)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.signal(signal.SIGCONT)
            self.kill()
        self.folder.cleanup()


class Refused(Exception):
    """An error reply."""


class Client:
    """A connection that speaks RESP. A block."""

    def __init__(self, port, password=None):
        self.socket = socket.create_connection(("127.0.0.1", port), 20)
        self.lines = self.socket.makefile("rb")
        if password:
            self.ask("AUTH", password)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.lines.close()
        self.socket.close()

    def send(self, *command):
        words = [word if isinstance(word, bytes) else str(word).encode() for word in command]
        self.socket.sendall(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words))

    def ask(self, *command):
        self.send(*command)
        return self.reply()

    def reply(self):
        line = self.lines.readline()
        if not line.endswith(b"\r\n"):
            raise OSError("the server has ended the connection")
        kind, rest = line[:1], line[1:-2]
        if kind == b"-":
            raise Refused(rest.decode())
        if kind == b"+":
            return rest
        count = int(rest)
        if kind == b":":
            return count
        if kind == b"$":
            return None if count < 0 else self.lines.read(count + 2)[:-2]
        return None if count < 0 else [self.reply() for _ in range(count)]
