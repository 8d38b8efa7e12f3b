"""A peer: a folder of bench/peers with a manifest, and a running instance of it.

What a manifest may say is described in docs/benchmarks.md. In its commands and templates @PORT@, @TLS_PORT@, @H2C_PORT@, @CERT@,
@KEY@, @ROOT@ (the sample files), @BUILD@ (where the peer was built), @RUN@ (a folder of this run), @UPLOADS@ (another, for what
is uploaded), @CPUS@ and @TOP@ (this repository) are filled in.

SPDX-License-Identifier: MIT
"""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import tomllib

from . import build, certificate, provide, sizes, uploads
from .server import end_process
from .tree import Tree

FOLDER = os.path.join(build.ROOT, "bench", "peers")
READY_SECONDS = 120
LISTENING_SECONDS = 10
TRIES = 3


def names():
    """All peers that the repository has."""
    return sorted(name for name in os.listdir(FOLDER) if os.path.exists(os.path.join(FOLDER, name, "manifest.toml")))


def free_ports(count):
    """Ports that nobody has at this moment."""
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]


class Peer:
    """One system that is measured."""

    def __init__(self, name, root):
        self.name = name
        self.folder = os.path.join(FOLDER, name)
        self.root = root
        self.unavailable = None  # why it cannot be measured
        self.wrong = {}  # program, or protocol: why its reply is not right
        self.notes = []
        self.turn_seconds = 0.0  # what a start and a stop of it took
        with open(os.path.join(self.folder, "manifest.toml"), "rb") as file:
            self.manifest = tomllib.load(file)
        self.title = self.manifest["title"]
        self.kind = self.manifest["kind"]
        self.version = None

    @property
    def programs(self):
        """The programs it has and whose replies are right."""
        return [name for name in self.manifest["programs"] if name not in self.wrong]

    @property
    def warm_up(self):
        """Seconds of load before a measurement counts."""
        return self.manifest["run"].get("warm_up", 1)

    def has(self, program):
        """Whether it can be measured with a program."""
        return self.unavailable is None and program in self.programs

    def speaks(self, protocol):
        """Whether it can be measured over a protocol of lib/secure.py."""
        return self.unavailable is None and protocol in self.manifest.get("secure", {}).get("protocols", ()) and protocol not in self.wrong

    def is_in(self, table):
        """Whether it is measured in a table: its manifest may name the only ones."""
        return table in self.manifest.get("tables", (table,))

    def has_part(self, part):
        """Whether it can be measured in what a section of its manifest is there for."""
        return self.unavailable is None and part in self.manifest

    def section(self, part):
        """What starts it: [run], with a section over it of what is measured, such as [secure] where that is TLS and HTTP/2."""
        part = part or ("secure" if "tables" in self.manifest else None)
        return {**self.manifest["run"], **self.manifest.get(part, {})}

    def expand(self, text, ports=(0, 0, 0), run=""):
        """Fills in the words of a command or a template. ports: the plain one, that of TLS, and that of HTTP/2 without it."""
        if "@CERT@" in text or "@KEY@" in text:
            cert, key = certificate.pair()
            text = text.replace("@CERT@", cert).replace("@KEY@", key)
        words = {
            "PORT": str(ports[0]),
            "TLS_PORT": str(ports[1]),
            "H2C_PORT": str(ports[2]),
            "ROOT": self.root,
            "BUILD": os.path.join(provide.FOLDER, self.name),
            "RUN": run,
            "UPLOADS": uploads.folder_of(run),
            "CPUS": str(len(os.sched_getaffinity(0))),
            "TOP": build.ROOT,
            "TOUR": os.environ.get("WEIR_BENCH_TOUR", build.TOUR),
        }
        return re.sub(r"@([A-Z][A-Z0-9_]*)@", lambda found: words[found.group(1)], text)

    def environment(self, section, ports=(0, 0, 0), run=""):
        """The variables that a section of its manifest sets."""
        return {name: self.expand(value, ports, run) for name, value in section.get("environment", {}).items()}

    def prepare(self, fetch=True):
        """Installs and builds it. Sets `unavailable` when that cannot be done."""
        steps = self.manifest.get("build", {}).get("steps", [])
        try:
            provide.provide(
                self.name, self.folder, self.manifest.get("need", {}), steps, self.environment(self.manifest.get("build", {})), self.expand, fetch
            )
            self.version = self._find_version()
        except provide.Unavailable as error:
            self.unavailable = str(error)

    def _find_version(self):
        """What its [[version]] entries say, one after the other."""
        found = []
        for entry in self.manifest.get("version", []):
            if "text" in entry:
                found.append(entry["text"])
                continue
            command = [self.expand(word) for word in entry["command"]]
            try:
                done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=build.ROOT)
            except (OSError, subprocess.TimeoutExpired) as error:
                raise provide.Unavailable(f"its version cannot be found: {error}") from None
            match = re.search(entry["pattern"], done.stdout + done.stderr)
            if not match:
                raise provide.Unavailable(f"its version cannot be found in the output of {command[0]}")
            found.append(f"{entry.get('of', '')} {match.group(1)}".strip())
        return ", ".join(found)

    def size(self):
        """Bytes of what has to be there for it to run, debugging information left out, as its manifest names it; or None."""
        paths = self._size_paths()
        return sum(sizes.bytes_beneath(path) for path in paths) if paths else None

    def libraries_size(self, pids):
        """Bytes of the shared libraries that its processes have mapped, beyond what its manifest names and every system has."""
        return sizes.libraries_bytes(sizes.mapped_libraries(pids), self._size_paths(), sizes.packaged(sizes.EVERYWHERE))

    def _size_paths(self):
        return [self.expand(path) for path in self.manifest.get("size", {}).get("paths", [])]

    def start(self, visit=None):
        """A running Instance. RuntimeError when it does not come up. visit: the table.Visit that it is started for."""
        for attempt in range(TRIES):
            try:
                return Instance(self, visit)
            except OSError as error:  # the port was taken meanwhile, perhaps
                if attempt == TRIES - 1:
                    raise RuntimeError(str(error)) from None
        raise AssertionError("not reached")


class Instance:
    """A peer that runs. Use it as a context manager: leaving the block stops it with all its processes."""

    host = "127.0.0.1"

    def __init__(self, peer, visit=None):
        self.peer = peer
        run = peer.section(visit and visit.part)
        ports = free_ports(3)
        self.port, self.tls_port = ports[:2]
        self.h2c_port = ports[2] if run.get("h2c_port") else self.port
        self.run = tempfile.mkdtemp(prefix="weir-bench-")
        self.uploads = uploads.folder_of(self.run)
        if run.get("uploads"):
            os.makedirs(self.uploads)
        self._log = open(os.path.join(self.run, "log"), "w+b")
        for name in run.get("templates", []):
            with open(os.path.join(peer.folder, name), encoding="utf-8") as source:
                text = peer.expand(source.read(), ports, self.run)
            with open(os.path.join(self.run, name), "w", encoding="utf-8") as target:
                target.write(text)
        words = [*(visit and visit.command or run["command"]), *(visit.options if visit else ())]
        self.command = [peer.expand(word, ports, self.run) for word in words]
        environment = {**os.environ, **peer.environment(run, ports, self.run), **(visit.environment if visit else {})}
        folder = peer.expand(run.get("folder", "@RUN@"), ports, self.run)
        self.began = time.monotonic()
        self.process = None
        try:
            self.process = subprocess.Popen(
                self.command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log,
                start_new_session=True,
            )
            self.pid = self.process.pid
            self.tree = Tree(self.pid)
            self.start_seconds = self._wait_ready(run.get("ready", "/"))
            if "protocols" in run:
                self._wait_listening(self.tls_port, self.h2c_port)
        except BaseException:
            self.stop()
            raise

    @property
    def url(self):
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    def is_ready(self, path):
        """Whether a request is answered with a status of 200 by now."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
                connection.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\nConnection: close\r\n\r\n".encode())
                return connection.recv(4096).startswith(b"HTTP/1.1 200")
        except OSError:
            return False

    def _wait_ready(self, path):
        """Seconds from its start to its first reply."""
        while not self.is_ready(path):
            waited = time.monotonic() - self.began
            if self.process.poll() is not None:
                raise OSError(f"{self.peer.name} ended with status {self.process.returncode} before it listened: {self.tail()}")
            if waited > READY_SECONDS:
                raise RuntimeError(f"{self.peer.name} gave no good reply within {READY_SECONDS} s: {self.tail()}")
            time.sleep(0.0005 if waited < 0.1 else 0.005)
        return time.monotonic() - self.began

    def _wait_listening(self, *ports):
        """Waits until something accepts connections on more ports: some servers open them one after the other."""
        deadline = time.monotonic() + LISTENING_SECONDS
        for port in ports:
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port), timeout=5).close()
                    break
                except OSError:
                    if time.monotonic() > deadline or self.process.poll() is not None:
                        raise RuntimeError(f"{self.peer.name} does not listen for TLS or HTTP/2: {self.tail()}") from None
                time.sleep(0.01)

    def tail(self):
        """The last that it printed."""
        self._log.seek(0)
        return self._log.read()[-300:].decode(errors="replace").strip()

    def kill(self):
        """Ends it at once."""
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass

    def stop(self):
        """Stops it, asking first, and makes sure that no process of it is left."""
        if self.process is not None:
            end_process(self.process, 5)
            self.kill()  # workers that outlived the one that was asked
        self._log.close()
        shutil.rmtree(self.run, ignore_errors=True)
        shutil.rmtree(self.uploads, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_exception):
        self.stop()
