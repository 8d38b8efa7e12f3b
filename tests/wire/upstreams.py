"""Servers behind weir-curl: nginx with a few files, and ones that do what each test says, well or badly.

SPDX-License-Identifier: MIT
"""

import contextlib
import os
import random
import shutil
import socket
import subprocess
import threading

import pytest

from faults import wait_for
from services import Service

NGINX = shutil.which("nginx") or "/usr/sbin/nginx"
BIG = 100 << 20
CONFIGURATION = """
daemon off; master_process off; pid {folder}/pid; error_log {folder}/log;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_max_body_size 0;
    client_body_temp_path {folder}/1; proxy_temp_path {folder}/2; fastcgi_temp_path {folder}/3;
    uwsgi_temp_path {folder}/4; scgi_temp_path {folder}/5;
    server {{
        listen 127.0.0.1:{port};
        root {folder}/root;
        location = /connection {{ add_header X-Answer $connection:$connection_requests; return 200 here; }}
        location = /moved {{ return 302 /small; }}
        location = /round {{ return 302 /round; }}
        location = /empty {{ return 204; }}
    }}
}}
"""


@contextlib.contextmanager
def nginx_in(folder):
    """nginx, whose URL it gives: /small, /big, /connection (X-Answer: connection:requests), /moved, /round, /empty."""
    if not os.access(NGINX, os.X_OK):
        pytest.skip("no nginx")
    (folder / "root").mkdir()
    (folder / "root" / "small").write_bytes(b"small file\n")
    with open(folder / "root" / "big", "wb") as big:
        block = random.Random(5).randbytes(1 << 20)
        for _ in range(BIG >> 20):
            big.write(block)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (folder / "configuration").write_text(CONFIGURATION.format(folder=folder, port=port))
    nginx = subprocess.Popen([NGINX, "-c", folder / "configuration", "-p", folder], stderr=subprocess.DEVNULL)

    def listens():
        with socket.socket() as probe:
            return nginx.poll() is not None or probe.connect_ex(("127.0.0.1", port)) == 0

    try:
        wait_for(listens)
        assert nginx.poll() is None, (folder / "log").read_text()
        yield f"http://127.0.0.1:{port}"
    finally:
        nginx.terminate()
        nginx.wait()


class Request:
    """A request as an upstream has received it."""

    def __init__(self, head, body):
        lines = head.decode("latin-1").split("\r\n")
        self.line = lines[0]
        self.method, self.target, _ = lines[0].split(" ")
        self.fields = [tuple(line.split(": ", 1)) if ": " in line else (line.rstrip(":"), "") for line in lines[1:] if line]
        self.body = body

    def all(self, name):
        return [value for key, value in self.fields if key.lower() == name.lower()]

    def names(self):
        return {name.lower() for name, _ in self.fields}


def read_head(connection):
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = connection.recv(1)
        if not byte:
            return None
        head += byte
    return head[:-4]


def read_exactly(connection, count):
    data = b""
    while len(data) < count:
        piece = connection.recv(min(65536, count - len(data)))
        if not piece:
            raise OSError("ended")
        data += piece
    return data


def read_request(connection):
    head = read_head(connection)
    if head is None:
        return None
    request = Request(head, b"")
    if request.all("Transfer-Encoding") == ["chunked"]:
        while True:
            size = b""
            while not size.endswith(b"\r\n"):
                size += read_exactly(connection, 1)
            request.body += read_exactly(connection, int(size, 16))
            read_exactly(connection, 2)
            if int(size, 16) == 0:
                break
    elif request.all("Content-Length"):
        request.body = read_exactly(connection, int(request.all("Content-Length")[0]))
    return request


class Upstream(Service):
    """Calls answer(connection, request) for each request, whose bytes it returns or sends by itself (None); False ends
    the connection. requests: all that have come. A block."""

    def __init__(self, answer, **more):
        self.answer = answer
        self.requests = []
        self.gone = threading.Event()  # a connection has ended in the middle of an answer
        super().__init__(self._serve, **more)
        self.url = f"http://127.0.0.1:{self.port}"

    def _serve(self, connection):
        while (request := read_request(connection)) is not None:
            self.requests.append(request)
            try:
                answer = self.answer(connection, request)
            except OSError:
                self.gone.set()
                return
            if answer is False:
                return
            if answer:
                connection.sendall(answer)


def reply(body=b"", status="200 OK", fields=(), length=True):
    lines = [f"HTTP/1.1 {status}", *fields, *([f"Content-Length: {len(body)}"] if length else [])]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def echo(_, request):
    return reply(request.body, fields=[f"X-Answer: {request.method} {request.target}"])
