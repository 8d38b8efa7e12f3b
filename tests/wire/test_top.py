"""weir top: what it prints, what it draws on a terminal, and what it says when something is wrong.

SPDX-License-Identifier: MIT
"""

import fcntl
import os
import pathlib
import pty
import re
import select
import shutil
import signal
import socket
import struct
import subprocess
import termios
import threading
import time

import client
import conftest
import pytest

WEIR = str(conftest.BUILD / "weir")
ENVIRONMENT = {**os.environ, "TERM": "xterm-256color"}
ENVIRONMENT.pop("NO_COLOR", None)


def run(*arguments, **more):
    return subprocess.run([WEIR, *map(str, arguments)], capture_output=True, text=True, timeout=60, env=ENVIRONMENT, **more)


class Screen:
    """weir top on a terminal. text() is what its screen shows: the command draws from the top left, line by line."""

    def __init__(self, *arguments, width=100, height=40, environment=None):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execve(WEIR, [WEIR, *map(str, arguments)], {**ENVIRONMENT, **(environment or {})})
        self.output = b""
        self.resize(width, height)

    def resize(self, width, height):
        self.height = height
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))

    def read(self, seconds=0.1):
        while select.select([self.fd], [], [], seconds)[0]:
            try:
                data = os.read(self.fd, 65536)
            except OSError:
                return False
            self.output += data
        return True

    def frame(self):
        """The last frame that is whole, as lines."""
        frames = self.output.split(b"\x1b[H")
        whole = [frame for frame in frames[1:] if b"\x1b[J" in frame]
        return whole[-1].partition(b"\x1b[J")[0].decode().replace("\x1b[K", "").splitlines() if whole else []

    def wait(self, good, seconds=30):
        deadline = time.monotonic() + seconds
        while True:
            self.read()
            if good(self.frame()):
                return self.frame()
            assert time.monotonic() < deadline, self.output[-3000:]

    def end(self):
        """Waits for the end. The exit status."""
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            self.read()
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.read()
                os.close(self.fd)
                return os.waitstatus_to_exitcode(status)
        os.kill(self.pid, signal.SIGKILL)
        raise AssertionError("it does not end")


def plain(lines):
    return [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in lines]


# ---- Plain text


def test_once(tour):
    for _ in range(3):
        tour.ask()
    done = run("top", "--once", tour.url + "/_weir")
    assert done.returncode == 0 and done.stderr == "" and "\x1b" not in done.stdout
    lines = done.stdout.splitlines()
    assert lines[0].startswith(f"weir 0.1.0  {tour.url}/_weir  up ") and lines[0].endswith("workers")
    assert re.search(r"^memory +[\d.]+ MiB reserved, no limit", done.stdout, re.M)
    assert re.search(r"^requests +-/s +[1-9]\d* in all", done.stdout, re.M), "there is no rate yet"
    assert re.search(r"^stacks +[\d.]+ KiB +[\d.]+ KiB", done.stdout, re.M)
    assert "GET /_weir/ledger.json" in done.stdout
    assert re.search(r"^cache +\d", done.stdout, re.M)


@pytest.mark.parametrize("path", ["", "/", "/_weir", "/_weir/", "/_weir/ledger.json"])
def test_url_forms(tour, path):
    assert run("top", "--once", tour.url + path).returncode == 0


def test_count_and_rates(tour):
    stop = threading.Event()

    def load():
        with tour.connect() as one:
            while not stop.is_set():
                one.ask()

    thread = threading.Thread(target=load)
    thread.start()
    done = run("top", "--count", 3, "--interval", 0.3, tour.url)
    stop.set()
    thread.join()
    assert done.returncode == 0
    readings = done.stdout.split("\n\nweir ")
    assert len(readings) == 3
    rates = [re.search(r"^requests +(\S+)/s", reading, re.M).group(1) for reading in readings]
    assert rates[0] == "-" and float(rates[1]) > 10 and float(rates[2]) > 10


def test_reader_that_goes(tour):
    """A pipe that nobody reads any more ends it."""
    process = subprocess.Popen([WEIR, "top", "--interval", "0.1", tour.url], stdout=subprocess.PIPE, env=ENVIRONMENT)
    assert process.stdout.readline()
    process.stdout.close()
    assert process.wait(30) in (0, -signal.SIGPIPE)


# ---- On a terminal


def test_screen(start_tour):
    server = start_tour("--memory-limit", "24M")
    screen = Screen("top", server.url)
    first = screen.wait(lambda frame: any("stacks" in line for line in frame))
    assert first[0].startswith("\x1b[1mweir ") and b"\x1b[?1049h" in screen.output
    assert len(first) <= 39 and "of 24.0 MiB" in plain(first)[1]
    for _ in range(20):
        server.ask()
    screen.wait(lambda frame: any(re.match(r"requests +[\d.]+/s +2\d in all", line) for line in plain(frame)))
    os.write(screen.fd, b"q")
    assert screen.end() == 0
    assert screen.output.rstrip().endswith(b"\x1b[?25h\x1b[?1049l"), "the terminal is as it was"


def test_usual_size(start_tour):
    """At 80x24 the running requests and the busiest routes are there, whatever accounts there are."""
    server = start_tour("--memory-limit", "24M")
    for path in ["/", "/", "/json"]:
        assert server.ask(path=path).status == 200
    waiting = [server.connect() for _ in range(6)]
    for one in waiting:
        one.send(b"GET /wait/600000 HTTP/1.1\r\nHost: a\r\n\r\n")
    screen = Screen("top", "--interval", 0.3, server.url, width=80, height=24)
    running = re.compile(r"GET /wait/\{ms\} .* waiting .* 127\.0\.0\.1:\d+$")
    frame = plain(screen.wait(lambda frame: sum(bool(running.match(line)) for line in plain(frame)) >= 4))
    assert len(frame) == 23 and all(len(line) <= 80 for line in frame)
    assert any(re.match(r"connections +\d+ open: [5-7] active", line) for line in frame)
    assert any(re.match(r"memory +[\d.]+ MiB of 24\.0 MiB reserved", line) for line in frame)
    assert sum(bool(re.match(r"stacks ", line)) for line in frame) == 1
    at = frame.index("ROUTE                  REQUESTS MEDIAN <=  99 % <=")
    assert any(re.match(r"GET / +2 +[\d.]+ m?s +[\d.]+ m?s$", line) for line in frame[at + 1:at + 5])
    screen.resize(40, 10)
    small = plain(screen.wait(lambda frame: 0 < len(frame) <= 9))
    assert all(len(line) <= 40 for line in small)
    assert any(re.match(r"GET /wait/\{m +[\d.]+ m?s +waiting$", line) for line in small)
    os.write(screen.fd, b"q")
    assert screen.end() == 0
    for one in waiting:
        one.close()


def test_resize(start_tour):
    """It follows the window at once: nothing is longer or wider than that."""
    server = start_tour()
    screen = Screen("top", "--interval", 3600, server.url, width=100, height=40)
    assert any(len(line) > 75 for line in plain(screen.wait(lambda frame: len(frame) > 15)))
    screen.resize(44, 10)
    small = screen.wait(lambda frame: 0 < len(frame) <= 9)
    assert all(len(line) <= 44 for line in plain(small)) and len(small) == 9
    screen.resize(120, 50)
    assert any(len(line) > 75 for line in plain(screen.wait(lambda frame: len(frame) > 20)))
    os.write(screen.fd, b"\x1b[A")  # an arrow key is no Escape
    time.sleep(0.3)
    assert os.waitpid(screen.pid, os.WNOHANG) == (0, 0)
    os.write(screen.fd, b"\x1b")
    assert screen.end() == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals(tour, number):
    screen = Screen("top", tour.url)
    screen.wait(lambda frame: len(frame) > 10)
    os.kill(screen.pid, number)
    assert screen.end() == 0
    assert screen.output.rstrip().endswith(b"\x1b[?25h\x1b[?1049l")


def test_no_colour(tour):
    screen = Screen("top", tour.url, environment={"NO_COLOR": "1"})
    screen.wait(lambda frame: len(frame) > 10)
    os.write(screen.fd, b"q")
    assert screen.end() == 0 and not re.search(rb"\x1b\[\d*m", screen.output)


def test_dumb_terminal(tour):
    screen = Screen("top", "--count", 1, tour.url, environment={"TERM": "dumb"})
    assert screen.end() == 0 and b"\x1b" not in screen.output and b"ACCOUNT" in screen.output


def test_server_that_goes_and_comes(start_tour):
    first = start_tour()
    screen = Screen("top", "--interval", 0.2, first.url)
    screen.wait(lambda frame: len(frame) > 10)
    first.stop()
    screen.wait(lambda frame: any("refused; trying again" in line for line in frame))
    start_tour("--port", first.port)
    screen.wait(lambda frame: frame and not any("trying again" in line for line in frame))
    os.write(screen.fd, b"q")
    assert screen.end() == 0


# ---- What is wrong


@pytest.mark.parametrize("arguments", [
    [], ["nothing"], ["--nothing"], ["top"], ["top", "--nothing", "http://a"], ["top", "http://a", "http://b"], ["top", "--count"],
    ["top", "--count", "0", "http://a"], ["top", "--count", "x", "http://a"], ["top", "--interval", "0", "http://a"],
    ["top", "--interval", "nan", "http://a"], ["top", "--header", "none", "http://a"], ["top", "--header", "A: b\r\nC: d", "http://a"],
    ["top", "https://a"], ["top", "a"], ["top", "http://"], ["top", "http://a:99999"], ["top", "http://a/ b"]])
def test_wrong_use(arguments):
    done = run(*arguments)
    assert done.returncode == 2 and done.stdout == "" and "weir" in done.stderr
    assert len(done.stderr) > 20 and "\r" not in done.stderr.replace("\r\n", "")


def test_help_and_version():
    for arguments in (["--help"], ["help"], ["top", "--help"]):
        done = run(*arguments)
        assert done.returncode == 0 and done.stdout.startswith("usage: weir") and done.stderr == ""
    assert run("--version").stdout == "weir 0.1.0\n"
    man = (conftest.pathlib.Path(__file__).parents[2] / "docs" / "man" / "weir.1").read_text()
    for option in re.findall(r"--[a-z]+", run("top", "--help").stdout):
        assert option.replace("-", "\\-") in man, f"the manual does not know {option}"


def test_nobody_there():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        done = run("top", "--once", "http://127.0.0.1:{}".format(s.getsockname()[1]))
    assert done.returncode == 1 and "Connection refused" in done.stderr and done.stdout == ""


def test_no_such_host():
    done = run("top", "--once", "http://no-such-host.invalid/")
    assert done.returncode == 1 and "no-such-host.invalid: " in done.stderr


def test_no_ledger(tour):
    done = run("top", "--once", tour.url + "/json")
    assert done.returncode == 1 and "there is no ledger at /json/ledger.json (404)" in done.stderr


def test_authorisation(start):
    server = start("tests/programs/watched", "authorize=1")
    assert "not for everybody (401)" in run("top", "--once", server.url).stderr
    assert run("top", "--once", server.url).returncode == 1
    assert run("top", "--once", "--header", "Authorization: Basic d2VpcjpzZWNyZXQ=", server.url).returncode == 0


def serve_once(answer):
    """A server that gives one connection this answer, and its URL."""
    s = socket.create_server(("127.0.0.1", 0))

    def serve():
        connection, _ = s.accept()
        with connection:
            connection.recv(65536)
            try:
                connection.sendall(answer)
            except OSError:
                pass
        s.close()

    threading.Thread(target=serve, daemon=True).start()
    return "http://127.0.0.1:{}".format(s.getsockname()[1])


LEDGER = b'{"version":"9","uptime_seconds":1,"workers":1,"memory":{"accounts":[{"name":"a\\u001b]0;x\\u0007","reserved":5}]}}'


@pytest.mark.parametrize("answer, words", [
    (b"", "not an HTTP server"),
    (b"SSH-2.0-OpenSSH\r\n\r\n", "not an HTTP server"),
    (b"HTTP/1.1 200 OK\r\n", "not an HTTP server"),
    (b"HTTP/1.1 500 No\r\n\r\n", "there is no ledger"),
    (b"HTTP/1.1 200 OK\r\n\r\nhello", "not a ledger"),
    (b"HTTP/1.1 200 OK\r\n\r\n{}", "not a ledger"),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n" + LEDGER, "not complete"),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"a\":", "not complete"),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", "not complete"),
    (b"HTTP/1.1 200 OK\r\n\r\n" + b"[" * 100000, "not a ledger"),
    (b"HTTP/1.1 200 OK\r\n\r\n" + b" " * (2 << 20), "longer than"),
])
def test_wrong_answers(answer, words):
    done = run("top", "--once", serve_once(answer))
    assert done.returncode == 1 and words in done.stderr and done.stdout == ""


@pytest.mark.parametrize("head", [b"", b"Content-Length: %d\r\n" % len(LEDGER)])
def test_least_answer(head):
    """Whatever is missing is zero, and nothing of the server's is obeyed by the terminal."""
    done = run("top", "--once", serve_once(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n" + LEDGER))
    assert done.returncode == 0 and "weir 9" in done.stdout and "\x1b" not in done.stdout
    assert "a?]0;x?" in done.stdout


def test_chunks():
    pieces = b"".join(b"%x\r\n%s\r\n" % (len(LEDGER[i:i + 7]), LEDGER[i:i + 7]) for i in range(0, len(LEDGER), 7))
    done = run("top", "--once", serve_once(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + pieces + b"0\r\n\r\n"))
    assert done.returncode == 0 and "a?]0;x?" in done.stdout


def test_tours_connections_are_its_own(tour):
    """Reading leaves no connection behind."""
    for _ in range(3):
        assert run("top", "--once", tour.url).returncode == 0
    assert client.ask(tour.address, path="/").status == 200


def test_the_script_builds_it(tmp_path):
    """script/server leaves the tour and the command, as the README uses them."""
    source = pathlib.Path(os.environ.get("WEIR_SOURCE", pathlib.Path(__file__).parents[2]))
    (tmp_path / "script").mkdir()
    (tmp_path / "build/release/examples").mkdir(parents=True)
    shutil.copy(source / "script/server", tmp_path / "script/server")
    stubs = {"script/bootstrap": "", "script/build": 'echo "$@" >"$(dirname "$0")/asked"',
             "build/release/examples/tour": 'echo "tour $*"'}
    for name, text in stubs.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    done = subprocess.run([tmp_path / "script/server", "--quiet"], capture_output=True, text=True, timeout=60)
    assert done.stdout == "tour --quiet\n", done.stderr
    assert (tmp_path / "script/asked").read_text().split() == ["release", "tour", "weir_command"]
