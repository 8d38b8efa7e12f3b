"""The line of weir serve that shows transfers on a terminal: a screen that is played from what the command writes.

SPDX-License-Identifier: MIT
"""

import fcntl
import os
import pty
import re
import select
import signal
import socket
import struct
import subprocess
import termios
import threading
import time

import conftest
import pytest

WEIR = str(conftest.BUILD / "weir")
ENVIRONMENT = {**{name: value for name, value in os.environ.items() if name != "WEIR_AUTH"}, "TERM": "xterm"}
SIZE = 40 << 20  # more than the sockets of both sides hold
UPLOAD = 12 << 20
SECONDS = 60
FIGURES = r": (\d+)%, \S+ [KM]iB of \S+ MiB, \S+ \w+/s"


class Screen:
    """Plays what a program writes to a terminal: lines, and what rewrites them. Nothing else may come."""

    def __init__(self, width):
        self.width, self.lines, self.column, self.seen, self.raw = width, [""], 0, [], ""

    def feed(self, data):
        text = data.decode("ascii")
        self.raw += text
        for piece in re.findall(r"\x1b\[K|\r|\n|[ -~]+|.", text, re.S):
            if piece == "\x1b[K":
                self.lines[-1] = self.lines[-1][:self.column]
                self.seen.append(self.lines[-1])
            elif piece == "\r":
                self.column = 0
            elif piece == "\n":
                self.lines.append("")
            else:
                assert piece.isprintable(), f"{piece!r} reached the terminal"
                line = self.lines[-1]
                self.lines[-1] = line[:self.column].ljust(self.column) + piece + line[self.column + len(piece):]
                self.column += len(piece)


class Terminal:
    """weir serve on a terminal. log: where standard output goes when that is not the terminal, too."""

    def __init__(self, *arguments, width=80, term="xterm", log=None, url=None):
        self.at, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
        self.screen = Screen(width)
        self.process = subprocess.Popen([WEIR, "serve", "--port", "0", *map(str, arguments)], stdin=subprocess.DEVNULL,
                                        stdout=log or theirs, stderr=theirs, env={**ENVIRONMENT, "TERM": term})
        os.close(theirs)
        self.stopping = False
        self.url = url or self.wait(r"(https?://\S+/)\n").group(1)

    def read(self, seconds=0.1):
        """False: nobody has the terminal open any more."""
        if not select.select([self.at], [], [], seconds)[0]:
            return True
        try:
            data = os.read(self.at, 65536)
        except OSError:
            return False
        self.screen.feed(data.replace(b"\r\n", b"\n\r"))  # as the terminal makes of a newline
        return bool(data)

    def wait(self, pattern, of=lambda screen: "\n".join(screen.lines)):
        deadline = time.monotonic() + SECONDS
        while not (found := re.search(pattern, of(self.screen))):
            assert time.monotonic() < deadline and self.read(), f"{pattern}: {self.screen.raw!r}"
        return found

    def wait_line(self, pattern):
        """Waits until the line at the bottom is that."""
        return self.wait(pattern + r"\Z", lambda screen: screen.lines[-1])

    def stop(self):
        if not self.stopping:
            self.process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + SECONDS
        while self.read() and time.monotonic() < deadline:
            pass
        os.close(self.at)
        assert self.process.wait(SECONDS) == 0
        assert not conftest.REPORT.search(self.screen.raw)
        assert self.screen.lines[-1] == "", "the line is gone at the end"


@pytest.fixture
def site(tmp_path):
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "small.txt").write_text("small\n")
    for name in "big.bin", "big \x1b[2Jscreen.bin":
        with open(folder / name, "wb") as file:
            file.truncate(SIZE)
    (tmp_path / "up").mkdir()
    return folder


@pytest.fixture
def terminal():
    running = []

    def start(*arguments, **more):
        running.append(Terminal(*arguments, **more))
        return running[-1]

    yield start
    for one in running:
        one.stop()


@pytest.fixture
def curl():
    """Starts clients that are slow, and ends them."""
    running = []

    def start(*arguments, rate="1M"):
        running.append(subprocess.Popen(["curl", "-sk", "-o", "/dev/null", "--limit-rate", rate, *map(str, arguments)]))
        return running[-1]

    yield start
    for one in running:
        one.kill()
        one.wait()


def get(url):
    assert subprocess.run(["curl", "-sk", "-o", "/dev/null", url], timeout=SECONDS).returncode == 0


@pytest.mark.threaded
def test_download(terminal, curl, site):
    """A download has a line that goes on, the log's lines are above it, and it goes with the download."""
    t = terminal(site)
    client = curl(t.url + "big%20%1b%5B2Jscreen.bin")
    first = t.wait_line(r"\Asending big %1B\[2Jscreen\.bin" + FIGURES)
    assert int(first.group(1)) < 100
    get(t.url + "small.txt")
    t.wait(r'(?m)^127\.0\.0\.1 - - \[[^]]+\] "GET /small\.txt HTTP/1\.1" 200 6$')
    t.wait_line(rf"\A(?!{re.escape(first.group(0))})sending big %1B\[2Jscreen\.bin" + FIGURES)
    client.kill()
    t.wait(r'(?m)"GET /big\S* HTTP/1\.1" 200 \d+$')
    t.wait_line(r"\A")
    log = [line for line in t.screen.lines if " - - [" in line]
    assert len(log) == 2 and all(re.match(r'127\.0\.0\.1 - - \[[^]]+\] "GET \S+ HTTP/1\.1" 200 \d+$', line) for line in log)
    assert not any("sending" in line for line in t.screen.lines)


@pytest.mark.parametrize("way", ["HTTP/1.1", "HTTP/2"])
def test_upload(terminal, curl, site, tmp_path, way):
    if way == "HTTP/2":
        conftest.secure.skip_without_tls()
    more = ["--self-signed", "--log", "off"] if way == "HTTP/2" else []
    t = terminal(*more, "--upload", tmp_path / "up", site)
    with open(site / "new.bin", "wb") as file:
        file.truncate(UPLOAD)
    client = curl("-T", site / "new.bin", t.url + "upload/a/", rate="4M")
    found = t.wait_line(r"\Areceiving new\.bin" + FIGURES)
    assert int(found.group(1)) < 100
    assert client.wait(SECONDS) == 0
    t.wait_line(r"\A")
    assert os.path.getsize(tmp_path / "up" / "a" / "new.bin") == UPLOAD
    assert any('"PUT /upload/a/new.bin HTTP/1.1" 201' in line for line in t.screen.lines) == (way == "HTTP/1.1")


def test_several(terminal, curl, site, tmp_path):
    conftest.secure.skip_without_tls()
    t = terminal("--self-signed", "--upload", tmp_path / "up", site)
    curl(t.url + "big.bin")
    curl("--http1.1", t.url + "big.bin?")
    curl("-T", site / "big.bin", t.url + "upload/new.bin")
    t.wait_line(r"\Asending 2, receiving 1: \d+%, \S+ MiB of 120 MiB, \S+ \w+/s")


def test_of_unknown_length(terminal, curl, site, tmp_path):
    t = terminal("--upload", tmp_path / "up", site)
    reading, writing = os.pipe()

    def write():
        try:
            os.write(writing, bytes(SIZE))
        except BrokenPipeError:
            pass
        os.close(writing)

    client = subprocess.Popen(["curl", "-s", "--limit-rate", "1M", "-T", "-", t.url + "upload/new.bin"], stdin=reading,
                              stdout=subprocess.DEVNULL)
    os.close(reading)
    thread = threading.Thread(target=write)
    thread.start()
    try:
        t.wait_line(r"\Areceiving new\.bin: \S+ \w+, \S+ \w+/s")
    finally:
        client.kill()
        client.wait()
        thread.join()


def test_width(terminal, curl, site):
    """The line is never as wide as the terminal, whatever is told, and follows its width."""
    long = "n" * 200 + ".bin"
    (site / "big.bin").rename(site / long)
    t = terminal(site, width=70)
    curl(t.url + long)
    found = t.wait_line(r"\Asending n+\.\.\.n+\.bin" + FIGURES)
    assert len(found.group(0)) == 69
    fcntl.ioctl(t.at, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 30, 0, 0))
    t.wait_line(r"\Asending 1: \d+%")
    fcntl.ioctl(t.at, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 10, 0, 0))
    t.wait_line(r"\A")


def test_no_line(terminal, curl, site):
    """Nothing of the kind where the terminal cannot rewrite a line, or nothing is to be said."""
    dumb = terminal(site, term="dumb")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    quiet = terminal("--port", port, "--quiet", "--log", "common", site, url=f"http://127.0.0.1:{port}/")
    clients = [curl("-r", "0-16000000", "--retry", "20", "--retry-connrefused", t.url + "big.bin", rate="4M")
               for t in (dumb, quiet)]
    assert [one.wait(SECONDS) for one in clients] == [0, 0]
    for t in dumb, quiet:
        t.wait(r'"GET /big\.bin HTTP/1\.1" 206 ')
        assert "\x1b" not in t.screen.raw and "sending" not in t.screen.raw


def test_log_elsewhere(terminal, curl, site, tmp_path):
    """The line is on standard error; the log in a file is a log."""
    with open(tmp_path / "log", "wb") as log:
        t = terminal(site, log=log)
    curl(t.url + "big.bin")
    t.wait_line(r"\Asending big\.bin" + FIGURES)
    get(t.url + "small.txt")
    deadline = time.monotonic() + SECONDS
    while not (text := (tmp_path / "log").read_text()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert re.fullmatch(r'127\.0\.0\.1 - - \[[^]]+\] "GET /small\.txt HTTP/1\.1" 200 6\n', text)


def test_interrupt(terminal, curl, site):
    """What the command says itself is above the line, too, which shows what the end waits for."""
    t = terminal(site)
    client = curl(t.url + "big.bin")
    t.wait_line(r"\Asending big\.bin" + FIGURES)
    t.process.send_signal(signal.SIGINT)
    t.stopping = True
    t.wait(r"\n\nStopping; Ctrl-C once more cuts what still runs\n")
    t.wait_line(r"\Asending big\.bin" + FIGURES)
    client.kill()
