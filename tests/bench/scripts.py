"""Scripts that a test starts, and the processes that they start: none may be left.

SPDX-License-Identifier: MIT
"""

import contextlib
import os
import subprocess
import uuid

from lib import build

MARK = "WEIR_BENCH_TEST"


@contextlib.contextmanager
def starting(name, *fixed):
    """Gives a function that starts script/name with the tour of this build, `fixed` and what it is given. Afterwards no
    process of any of them may be left."""
    mark = uuid.uuid4().hex
    started = []

    def start(*words):
        tour = os.path.join(os.environ.get("WEIR_BUILD", os.path.join(build.ROOT, "build", "release")), "examples", "tour")
        command = [os.path.join(build.ROOT, "script", name), "--tour", tour, *fixed, *words]
        env = {**os.environ, MARK: mark, "PYTHONUNBUFFERED": "1"}
        started.append(subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
        return started[-1]

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()
    assert processes_with(mark) == []


def processes_with(mark):
    """Command lines of the processes that were started with this mark in their environment."""
    found = []
    for name in os.listdir("/proc"):
        try:
            with open(f"/proc/{name}/environ", "rb") as file:
                if f"{MARK}={mark}".encode() in file.read().split(b"\0"):
                    with open(f"/proc/{name}/cmdline", "rb") as line:
                        found.append(line.read().replace(b"\0", b" ").decode())
        except OSError:
            pass  # no process, or ended meanwhile
    return found
