"""weir serve for tests that use it: started on a free port, asked by curl, ended in order.

SPDX-License-Identifier: MIT
"""

import os
import re
import select
import signal
import subprocess
import time

import conftest
import pytest

WEIR = str(conftest.BUILD / "weir")
ENVIRONMENT = {name: value for name, value in os.environ.items() if name not in ("WEIR_AUTH", "TZ")}


class Serve:
    """weir serve on a port that the system has chosen. Standard output is the access log."""

    def __init__(self, *arguments, environment=None, port=("--port", "0"), cwd=None, stdout=subprocess.PIPE):
        self.process = subprocess.Popen([WEIR, "serve", *port, *map(str, arguments)], stdout=stdout,
                                        stderr=subprocess.PIPE, env={**ENVIRONMENT, **(environment or {})}, cwd=cwd)
        self.said = ""
        self.url = None
        deadline = time.monotonic() + 60
        while "Ctrl-C stops it\n" not in self.said:
            left = deadline - time.monotonic()
            assert left > 0 and select.select([self.process.stderr], [], [], left)[0], self.said
            data = os.read(self.process.stderr.fileno(), 65536).decode()
            if not data:
                break
            self.said += data
        links = re.findall(r"^  (https?://\S+/)$", self.said, re.M)
        self.url = links[0] if links else None

    def curl(self, path="", *arguments):
        """(status, headers by lower-case name, body as bytes) of the last reply."""
        done = subprocess.run(["curl", "-sS", "-i", "-m", "20", *map(str, arguments), self.url + path],
                              capture_output=True, timeout=30)
        assert done.returncode == 0, done.stderr
        head, _, body = done.stdout.partition(b"\r\n\r\n")
        while head.startswith(b"HTTP/1.1 100"):
            head, _, body = body.partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        headers = {}
        for line in lines[1:]:
            name, _, value = line.partition(": ")
            headers[name.lower()] = ", ".join(filter(None, [headers.get(name.lower()), value]))
        return int(lines[0].split()[1]), headers, body

    def stop(self, number=signal.SIGTERM):
        """Ends it in order. Returns the lines of the access log."""
        if self.process.returncode is None:
            self.process.send_signal(number)
        out, err = self.process.communicate(timeout=30)
        self.said += err.decode()
        assert self.process.returncode == 0, self.said
        assert not conftest.REPORT.search(self.said), self.said
        return out.decode().splitlines() if out else []


@pytest.fixture
def serve():
    running = []

    def start(*arguments, **more):
        running.append(Serve(*arguments, **more))
        return running[-1]

    yield start
    for one in running:
        one.stop()
