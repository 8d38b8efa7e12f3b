"""Starts a server, waits for its line `listening on http://HOST:PORT`, and makes sure that it is stopped again.

SPDX-License-Identifier: MIT
"""

import os
import re
import select
import signal
import socket
import subprocess
import sys
import time


def stop_on_signals():
    """SIGTERM ends a script as Ctrl-C does, so that the servers and clients it started are stopped in both cases."""

    def interrupt(_number, _frame):
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)


def run_main(main):
    """Runs a script's main function; an interrupted script says so in a word and ends with status 130, a failed one says why."""
    stop_on_signals()
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("\nstopped", file=sys.stderr)
        sys.exit(130)
    except (OSError, RuntimeError, subprocess.SubprocessError) as error:
        sys.exit(f"failed: {error}")


def end_process(process, seconds=12):
    """Asks a process to end, and makes it end when it does not in time. Returns its exit status."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    return process.returncode


def reply_length(reply):
    """The whole length of a reply that is there at least to the end of its head. RuntimeError if it does not say."""
    head, _, _ = reply.partition(b"\r\n\r\n")
    length = re.search(rb"\r\nContent-Length: (\d+)", head, re.IGNORECASE)
    if not head.startswith(b"HTTP/1.1 200 ") or length is None:
        raise RuntimeError(f"not a reply of known length: {head[:300]}")
    return len(head) + 4 + int(length.group(1))


class Server:
    """A server process. Use it as a context manager: leaving the block stops it, whatever happened within."""

    def __init__(self, command, ready_seconds=60, environment=None, quiet=False):
        self.started = time.monotonic()
        errors = subprocess.DEVNULL if quiet else None
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True, env=environment)
        self.pid = self.process.pid
        schemes = ["http", "https"] if "--tls-port" in command else ["http"]
        try:
            self.url, *more = self._wait_ready(schemes, command, ready_seconds)
        except BaseException:
            end_process(self.process, 2)
            raise
        self.host, port = re.fullmatch(r"http://(.+):(\d+)", self.url).groups()
        self.port = self.h2c_port = int(port)
        self.tls_port = int(more[0].rpartition(":")[2]) if more else None

    def _wait_ready(self, schemes, command, seconds):
        """What it says that it listens on, of each scheme."""
        deadline = self.started + seconds
        said = ""
        while time.monotonic() < deadline:
            if not select.select([self.process.stdout], [], [], deadline - time.monotonic())[0]:
                break
            more = os.read(self.process.stdout.fileno(), 4096)
            if not more:
                raise RuntimeError(f"{command[0]} ended before it listened, status {self.process.wait()}")
            said += more.decode(errors="replace")
            found = [re.search(rf"listening on ({scheme}://\S+:\d+)\n", said) for scheme in schemes]
            if all(found):
                return [match.group(1) for match in found]
        raise RuntimeError(f"{command[0]} did not say that it listens within {seconds} s")

    def __enter__(self):
        return self

    def __exit__(self, *_exception):
        self.stop()

    def stop(self):
        """Stops the server; returns its exit status."""
        status = end_process(self.process)
        self.process.stdout.close()
        return status

    def request(self, path="/"):
        """The bytes of a small GET request, as text."""
        return f"GET {path} HTTP/1.1\r\nHost: {self.host}:{self.port}\r\n\r\n"

    def get(self, path="/", head_only=False):
        """One GET on a connection of its own: the reply's bytes as they came, at least to the end of the head."""
        with socket.create_connection((self.host, self.port), timeout=10) as connection:
            connection.sendall(self.request(path).encode())
            reply = b""
            while True:
                more = connection.recv(65536)
                reply += more
                _, blank, _ = reply.partition(b"\r\n\r\n")
                if not more or blank and (head_only or len(reply) >= reply_length(reply)):
                    return reply


def tour_command(path, workers=None, root=None, port=0, more=()):
    """The command line that serves the tour quietly; a port of 0 lets the system choose."""
    command = [path, "--host", "127.0.0.1", "--port", str(port), "--quiet"]
    if workers:
        command += ["--workers", str(workers)]
    if root:
        command += ["--root", root]
    return [*command, *more]


def floor_command(path, workers=None):
    """The command line of the floor, see bench/floor/."""
    return [path, "--port", "0"] + (["--workers", str(workers)] if workers else [])
