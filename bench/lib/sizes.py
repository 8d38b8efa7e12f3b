"""Sizes on disk: of a program, and of the shared libraries that have to be there besides.

SPDX-License-Identifier: MIT
"""

import functools
import os
import re
import subprocess
import tempfile

EVERYWHERE = ("libc6", "libgcc-s1")  # Debian packages that are on every system: the C library, and the one library it depends on
LIBRARY = re.compile(r"\.so(\.[0-9.]+)?$")
NAME_SERVICE = "libnss_"  # modules that the C library loads because the system's nsswitch.conf names them


def _stripped_bytes(path):
    """The size of a program without its debugging information, so that those that were built with it are not larger."""
    with tempfile.TemporaryDirectory() as folder:
        target = os.path.join(folder, "stripped")
        done = subprocess.run(["strip", "-o", target, path], capture_output=True, check=False)
        return os.path.getsize(target if done.returncode == 0 else path)


def bytes_beneath(path):
    """The size of a file, debugging information left out, or of all files in a folder."""
    if os.path.isfile(path):
        return _stripped_bytes(path)
    total = 0
    for top, _, names_here in os.walk(path):
        for name in names_here:
            file = os.path.join(top, name)
            if not os.path.islink(file):
                total += os.path.getsize(file)
    return total


def libraries_in(maps):
    """The paths of the shared libraries that a text of /proc/PID/maps names, the name service's modules left out."""
    found = {line.split(maxsplit=5)[-1] for line in maps.splitlines()}
    return {path for path in found if path.startswith("/") and LIBRARY.search(path) and not os.path.basename(path).startswith(NAME_SERVICE)}


def mapped_libraries(pids):
    """The paths of the shared libraries that any of some processes has mapped."""
    found = set()
    for pid in pids:
        try:
            with open(f"/proc/{pid}/maps", encoding="utf-8", errors="surrogateescape") as maps:
                found |= libraries_in(maps.read())
        except OSError:
            pass  # it has ended meanwhile
    return found


@functools.cache
def packaged(packages):
    """The files of some Debian packages, links followed."""
    done = subprocess.run(["dpkg-query", "-L", *packages], capture_output=True, text=True, check=True)
    return frozenset(os.path.realpath(path) for path in done.stdout.splitlines() if os.path.isfile(path))


def libraries_bytes(libraries, named, everywhere):
    """The size of shared libraries, each file once: without those that are, or lie in, what is named, and those that are everywhere."""
    named = [os.path.realpath(path) for path in named]
    found = {}
    for path in map(os.path.realpath, libraries):
        if path not in everywhere and not any(path == other or path.startswith(other + os.sep) for other in named):
            found[_identity(path)] = os.path.getsize(path)
    for path in named:
        found.pop(_identity(path), None)
    return sum(found.values())


def _identity(path):
    state = os.stat(path)
    return state.st_dev, state.st_ino
