"""What the wire tests share: servers that are started and stopped around a test, and a folder of small samples.

A server has to stop in order at SIGTERM and leave no report of a sanitizer behind; every test checks that by using one.

SPDX-License-Identifier: MIT
"""

import os
import pathlib
import random
import re
import resource
import select
import signal
import subprocess
import sys
import tempfile
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import client  # noqa: E402
import secure  # noqa: E402

BUILD = pathlib.Path(os.environ.get("WEIR_BUILD", pathlib.Path(__file__).parents[2] / "build" / "release"))
SANITIZE = os.environ.get("WEIR_SANITIZE", "")
MANY = 50 if SANITIZE else 1000  # connections at once
SLOW = os.environ.get("WEIR_SLOW") == "1"  # waits as long as a person would
REPORT = re.compile(r"Sanitizer|runtime error:|Assertion")
MIB = 1 << 20
OLD = 1700000000  # seconds: when the files of the tests' folder were written, as they say

# A thousand connections and a thousand in the server.
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

# clients not written by us and this process's own threads share the machine with the server: no proxy between them
for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
    os.environ.pop(name, None)


class Server:
    """A program of the build that prints `listening on ...`. stop() ends it and checks how it ended."""

    def __init__(self, program, *arguments, environment=None, before=None, pass_fds=(), expect=r"listening on (\S+)\n"):
        self.command = [str(BUILD / program), *map(str, arguments)]
        self.errors = tempfile.TemporaryFile()
        self.output = ""
        self.process = subprocess.Popen(
            self.command, stdout=subprocess.PIPE, stderr=self.errors, preexec_fn=before, pass_fds=pass_fds,
            env={**os.environ, **(environment or {})})
        self.pid = self.process.pid
        try:
            self.where = self._wait(expect, 60)
        except BaseException:
            self.kill()
            raise
        self.address = None
        if self.where.startswith("unix:"):
            self.address = self.where[5:]
        elif self.where.startswith("http://"):
            host, port = re.fullmatch(r"http://(.+):(\d+)", self.where).groups()
            self.port = int(port)
            host = host.strip("[]")
            self.address = ({"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host), self.port)
            self.url = f"http://{f'[{host}]' if ':' in host else host}:{port}"
        elif self.where.startswith("https://"):
            host, port = re.fullmatch(r"https://(.+):(\d+)", self.where).groups()
            self.port = int(port)
            self.address = (host, self.port)
            self.url = self.where

    @property
    def tls_port(self):
        """Of the listener with TLS, where it says that it has one."""
        return int(re.search(r"listening on https://\S+:(\d+)", self.output).group(1))

    def _wait(self, expect, seconds):
        deadline = time.monotonic() + seconds
        while True:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.process.stdout], [], [], left)[0]:
                raise AssertionError(f"{self.command} does not listen: {self.output}\n{self.error_text()}")
            data = os.read(self.process.stdout.fileno(), 65536).decode()
            if not data:
                status = self.process.wait()
                raise AssertionError(f"{self.command} ended with {status}: {self.output}\n{self.error_text()}")
            self.output += data
            found = re.search(expect, self.output)
            if found:
                return found.group(1)

    def error_text(self):
        self.errors.seek(0)
        return self.errors.read().decode(errors="replace")

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def stop(self, seconds=30):
        """Asks for a stop and expects an orderly end. Returns the seconds it took."""
        if self.process.returncode is not None:
            return 0
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{self.command} does not stop: {self.error_text()}") from None
        took = time.monotonic() - began
        self.check_end()
        return took

    def check_end(self):
        text = self.error_text()
        assert not REPORT.search(text), text
        assert self.process.returncode == 0, f"{self.command} ended with {self.process.returncode}: {text}"

    def connect(self, **more):
        return client.Connection(self.address, **more)

    def ask(self, method="GET", path="/", **more):
        return client.ask(self.address, method, path, **more)

    def private(self):
        """Bytes of memory that this process has written to and shares with nobody. Unwritten pages of its program and
        libraries are left out: they become its own when the last other process that has them mapped ends."""
        text = pathlib.Path(f"/proc/{self.pid}/smaps_rollup").read_text()
        return int(re.search(r"^Private_Dirty: +(\d+) kB", text, re.MULTILINE).group(1)) * 1024

    def peak(self):
        """The most resident memory so far (VmHWM) in bytes."""
        text = pathlib.Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+) kB", text).group(1)) * 1024

    def cpu(self):
        """Seconds of processor time so far."""
        fields = pathlib.Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.fixture(scope="session")
def root(tmp_path_factory):
    """A folder to serve: small where the tour would make large files, and with what must not be served beside it."""
    base = tmp_path_factory.mktemp("served")
    (base / "secret.txt").write_text("SECRET beside the root")
    folder = base / "root"
    (folder / "nested" / "deeper").mkdir(parents=True)
    numbers = random.Random(1)
    (folder / "large.bin").write_bytes(numbers.randbytes(MIB))
    lines = "".join(f"{i},name-{i},Straße {i % 7},{'x' * (i % 90)}\n" for i in range(20000))
    (folder / "large_dataset.csv").write_text(lines[:MIB] + "\nlast line without an end")
    (folder / "hello.txt").write_text("Hello from a file.\n")
    (folder / "empty.txt").write_text("")
    (folder / "with space.txt").write_text("a name with a space")
    (folder / "pl+us.txt").write_text("a name with a plus")
    (folder / "naïve.txt").write_text("a name beyond ASCII")
    (folder / "nested" / "deeper" / "file.txt").write_text("three down")
    (folder / "inward").symlink_to("nested/deeper/file.txt")
    (folder / "outward").symlink_to("../secret.txt")
    (folder / "absolute").symlink_to(base / "secret.txt")
    (folder / "outdir").symlink_to("..")
    for path in folder.rglob("*"):
        os.utime(path, (OLD, OLD), follow_symlinks=False)  # else the tags of files would change within a test
    return folder


@pytest.fixture
def start():
    """Starts servers that end with the test: start("examples/tour", "--port", 0)."""
    servers = []

    def start_one(program, *arguments, **more):
        servers.append(Server(program, *arguments, **more))
        return servers[-1]

    yield start_one
    wrong = []
    for server in servers:
        try:
            server.stop()
        except AssertionError as error:
            wrong.append(error)
    if wrong:
        raise wrong[0]


def arguments(root, *more):
    return ["examples/tour", "--port", 0, "--root", root, "--quiet", *more]


@pytest.fixture(scope="session")
def tour(root):
    """The tour on the small samples, one for all tests of a file."""
    server = Server(*arguments(root))
    yield server
    server.stop()


@pytest.fixture
def start_tour(start, root):
    """Starts a tour on the small samples with further arguments."""
    return lambda *more, **options: start(*arguments(root, *more), **options)


@pytest.fixture(scope="session")
def probe():
    """tests/programs/probe.c with its default settings."""
    server = Server("tests/programs/probe")
    yield server
    server.stop()


@pytest.fixture
def start_probe(start):
    """Starts a probe with settings, such as start_probe("workers=1")."""
    return lambda *settings, **options: start("tests/programs/probe", *settings, **options)


@pytest.fixture(scope="session")
def authority(tmp_path_factory):
    """A certificate authority, which secure.Authority.context() trusts."""
    secure.skip_without_tls()
    return secure.Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="session")
def pair(authority):
    """A certificate for localhost and 127.0.0.1."""
    return authority.issue("localhost", "127.0.0.1")


@pytest.fixture
def start_secure(start, pair, root):
    """Starts tests/programs/secure.c with that certificate, and settings such as start_secure("tickets=-1")."""

    def start_one(*settings, own=pair, **options):
        return start("tests/programs/secure", *(own.arguments() if own else []), f"root={root}", *settings, **options)

    return start_one


MODES = {"openssl": [], "lean": ["lean_records=1"]}


@pytest.fixture(params=MODES)
def mode(request):
    """Settings of tests/programs/secure.c: records by OpenSSL, and by weir itself."""
    return MODES[request.param]
