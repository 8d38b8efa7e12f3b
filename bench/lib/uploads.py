"""Bodies that become files: where to, a client that sends them, and what that costs the server.

SPDX-License-Identifier: MIT
"""

import functools
import json
import os
import shutil

from . import build
from .load import Result
from .turns import Slice, watched
from .watch import LoadError, Watch, run

MEMORY = "/dev/shm"
ROOM = 10 << 30  # what has to be free there for uploads to go there
SECONDS_MOST = 600
PATTERN = bytes(range(251))  # of which bench/put.c makes bodies


@functools.cache
def base():
    """Where folders for uploads are made: in memory, so that the disk is not measured, if there is room."""
    free = shutil.disk_usage(MEMORY).free if os.path.isdir(MEMORY) else 0
    return MEMORY if free >= ROOM and _free_memory() >= ROOM else os.path.join(build.ROOT, "build", "bench")


def _free_memory():
    with open("/proc/meminfo", encoding="ascii") as lines:
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))


def folder_of(run_folder):
    """The folder for what is uploaded in a run, whose own folder has a name that nobody else's has."""
    return os.path.join(base(), os.path.basename(run_folder)) if run_folder else ""


def command(instance, connections, size):
    """The command line that sends so many bodies of so many bytes at once."""
    path = instance.peer.manifest["uploads"]["path"]
    words = [("--port", instance.port), ("--path", path), ("--connections", connections), ("--size", size)]
    return [build.program("put.c"), *(str(word) for pair in words for word in pair)]


def _saved(instance):
    """(size, path) of each file that was uploaded."""
    found = [os.path.join(top, name) for top, _, names in os.walk(instance.uploads) for name in names]
    return [(os.path.getsize(path), path) for path in found]


def clear(instance):
    """Removes what was uploaded."""
    for _, path in _saved(instance):
        os.unlink(path)


def _check(instance, output, connections, size):
    found = json.loads(output.strip().splitlines()[-1])
    sizes = [each for each, _ in _saved(instance)]
    if found["done"] != connections or found["wrong"] or sizes != [size] * connections:
        raise LoadError(f"of {connections} bodies of {size:,} bytes {len(sizes)} files became, {sizes.count(size)} of them as long")
    return found


def check_bytes(instance, size):
    """Sends one body, and raises LoadError unless the file is that."""
    try:
        run(command(instance, 1, size), SECONDS_MOST)
        for _, path in _saved(instance):
            with open(path, "rb") as file:
                if file.read() != (PATTERN * (size // len(PATTERN) + 1))[:size]:
                    raise LoadError("a file that was uploaded is not what was sent")
    finally:
        clear(instance)


def send_slice(instance, connections, size):
    """A slice: so many bodies at once, processor time for 10^9 bytes."""
    line = command(instance, connections, size)
    try:
        output, figures = watched(instance, line, SECONDS_MOST)
        found = _check(instance, output, connections, size)
    finally:
        clear(instance)
    return Slice(line, **figures, bytes=found["bytes"], bytes_rate=found["bytes"] / found["seconds"], cpu_gb_s=figures["server_cpu_s"] / found["bytes"] * 1e9)


def send(instance, connections, size):
    """The same with memory: {"peak", "each", ...}, each being what every body took at the most."""
    line = command(instance, connections, size)
    before = instance.tree.settle(1.0, 4.0)
    try:
        with Watch(instance.tree, instance.kill) as watch:
            output = run(line, SECONDS_MOST)
        found = _check(instance, output, connections, size)
    finally:
        clear(instance)
    grown = (watch.memory.private - before.private) / connections
    rate = found["bytes"] / found["seconds"]
    return Result(line, watch, bytes=found["bytes"], bytes_rate=rate, private_before=before.private, each=grown, cpu_gb_s=watch.server_cpu / found["bytes"] * 1e9)
