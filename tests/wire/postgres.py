"""A PostgreSQL of the tests' own: a cluster in a temporary folder, without fsync, on a Unix socket and a port.

PostgreSQL does not run as root: then it runs as its own user, by setpriv.
SPDX-License-Identifier: MIT
"""

import contextlib
import glob
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time

BINARIES = sorted(glob.glob("/usr/lib/postgresql/*/bin"), key=lambda path: int(path.split("/")[4]))


class Missing(RuntimeError):
    """There is no PostgreSQL that could be started; the text says why."""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Postgres:
    """A cluster. start(), stop(), kill(); sql() runs a statement by psql."""

    def __init__(self):
        if not BINARIES:
            raise Missing("PostgreSQL is not installed")
        self.folder = tempfile.mkdtemp(prefix="pg-")
        self.data = os.path.join(self.folder, "data")
        self.port = free_port()
        self.as_user = []
        if os.getuid() == 0:
            try:
                user = pwd.getpwnam("postgres")
            except KeyError:
                raise Missing("root cannot run PostgreSQL, and there is no user postgres") from None
            self.as_user = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
            os.chown(self.folder, user.pw_uid, user.pw_gid)
        self.process = None
        self._run("initdb", "-D", self.data, "-U", "tester", "-A", "trust", "--no-sync", "-E", "UTF8", "--no-locale")

    def _run(self, program, *arguments):
        done = subprocess.run([*self.as_user, os.path.join(BINARIES[-1], program), *arguments], cwd=self.folder,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120)
        assert done.returncode == 0, done.stdout
        return done.stdout

    def start(self, *settings):
        assert self.process is None
        options = ["fsync=off", "listen_addresses=127.0.0.1", f"port={self.port}", "log_connections=on",
                   "max_connections=60", f"unix_socket_directories={self.folder}", "shared_buffers=16MB",
                   "log_line_prefix=%p ", *settings]
        self.log = open(os.path.join(self.folder, "log"), "ab")
        self.process = subprocess.Popen(
            [*self.as_user, os.path.join(BINARIES[-1], "postgres"), "-D", self.data,
             *(word for option in options for word in ("-c", option))], cwd=self.folder,
            stdout=self.log, stderr=self.log, start_new_session=True)
        deadline = time.monotonic() + 60
        while True:
            try:
                self.sql("SELECT 1")
                return self
            except AssertionError as error:
                assert time.monotonic() < deadline and self.process.poll() is None, f"{error}\n{self.log_text()}"
                time.sleep(0.05)

    def _end(self, number, seconds=30):
        self.process.send_signal(number)
        self.process.wait(seconds)
        self.process = None
        self.log.close()

    def stop(self):
        """Breaks connections off, and ends."""
        if self.process:
            self._end(signal.SIGINT)

    def _processes(self):
        """All that there are: each works in the cluster's folder."""
        found = []
        for path in glob.glob("/proc/[0-9]*/cwd"):
            with contextlib.suppress(OSError):
                if os.readlink(path) == self.data:
                    found.append(int(path.split("/")[2]))
        return found

    def _tell(self, pids, number):
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def kill(self):
        """The end of all its processes at once, as of its machine."""
        if not self.process:
            return
        self._tell([self.process.pid], signal.SIGSTOP)  # it begins none, and sees none end
        deadline = time.monotonic() + 30
        while pids := self._processes():
            self._tell([pid for pid in pids if pid != self.process.pid] or pids, signal.SIGKILL)
            assert time.monotonic() < deadline, pids
            time.sleep(0.005)
        self._end(signal.SIGKILL)

    def freeze(self, frozen=True):
        """Stops all its processes, or has them go on."""
        for _ in range(3):  # one may be beginning
            self._tell(self._processes(), signal.SIGSTOP if frozen else signal.SIGCONT)
            time.sleep(0.01)

    def remove(self):
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def sql(self, text):
        """What psql prints, unaligned, without titles."""
        return self._run("psql", "-h", self.folder, "-p", str(self.port), "-U", "tester", "-d", "postgres", "-XAtqc",
                         text).strip()

    def log_text(self):
        with open(os.path.join(self.folder, "log"), encoding="utf-8", errors="replace") as file:
            return file.read()

    def by_socket(self):
        return f"host={self.folder} port={self.port} user=tester dbname=postgres"

    def by_address(self):
        return f"host=127.0.0.1 port={self.port} user=tester dbname=postgres"

    def by_name(self):
        return f"host=localhost port={self.port} user=tester dbname=postgres"

    def active(self):
        """Queries of weir's connections that run."""
        return int(self.sql("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'weir' AND state = 'active'"))

    def connections(self):
        return int(self.sql("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'weir'"))
