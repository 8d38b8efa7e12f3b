"""Builds what is measured: the release tour by CMake, and the small C programs of bench/ by the compiler alone.

The programs of bench/ need nothing of weir but, some of them, its headers and one or two files; building them here
keeps a measuring script working on a tree of which only the tour has been built.

SPDX-License-Identifier: MIT
"""

import os
import shutil
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TOUR = os.path.join(ROOT, "build", "release", "examples", "tour")


def without_root(text):
    """A text in which paths within the repository are relative to it."""
    return text.replace(ROOT + os.sep, "")


def add_options(parser):
    """Adds the options by which a script finds the tour."""
    parser.add_argument("--tour", metavar="PATH", help="measure this program; nothing is built (default: the release build's)")
    parser.add_argument("--no-build", action="store_true", help="measure what is in build/release as it is")


def _run(command, environment=None):
    result = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if result.returncode != 0:
        sys.exit(f"{' '.join(command)} failed:\n{result.stdout[-8000:]}")


def tour(args):
    """The path of the tour that args (see add_options) ask for, built if need be. It will find its samples from anywhere."""
    os.environ.setdefault("WEIR_SAMPLES", os.path.join(ROOT, "examples", "samples"))
    if args.tour:
        return os.path.abspath(args.tour)
    if not args.no_build:
        _run([os.path.join("script", "build"), "release", "tour"])
    if not os.path.exists(TOUR):
        sys.exit(f"{TOUR} is missing: build it, or name the program by --tour")
    return TOUR


def target(args, name):
    """Builds one more program of the release build, unless args (see add_options) ask for nothing to be built."""
    if not args.no_build and not args.tour:
        _run([os.path.join("script", "build"), "release", name])


def probe():
    """The path of tests/programs/probe of the release build, brought up to date: a server that takes any setting."""
    environment = dict(os.environ, WEIR_TESTS="ON")
    _run([os.path.join("script", "build"), "release", "probe"], environment)
    return os.path.join(ROOT, "build", "release", "tests", "programs", "probe")


def program(source, *more, flags=(), libraries=(), headers=()):
    """Compiles bench/SOURCE (and more sources, relative to the root) into build/bench/ and returns the program's path."""
    sources = [os.path.join(ROOT, "bench", source)] + [os.path.join(ROOT, path) for path in more]
    name = os.path.splitext(os.path.basename(source))[0]
    target = os.path.join(ROOT, "build", "bench", name)
    if os.path.exists(target) and all(os.path.getmtime(path) < os.path.getmtime(target) for path in [*sources, *headers]):
        return target
    os.makedirs(os.path.dirname(target), exist_ok=True)
    compiler = os.environ.get("CC", "cc")
    # Made beside and moved: a process may be running the one before.
    fresh = f"{target}.{os.getpid()}"
    _run([compiler, "-std=gnu11", "-O2", "-pthread", *flags, "-o", fresh, *sources, *libraries])
    os.replace(fresh, target)
    return target


def _with_parts(kind, name, libraries=()):
    """bench/KIND/NAME.c as a program, with all of bench/KIND/client."""
    folder = os.path.join("bench", kind, "client")
    parts = sorted(os.listdir(os.path.join(ROOT, folder)))
    return program(
        os.path.join(kind, f"{name}.c"),
        *(os.path.join(folder, part) for part in parts if part.endswith(".c")),
        libraries=libraries,
        headers=[os.path.join(ROOT, folder, part) for part in parts if part.endswith(".h")],
    )


def secure(name):
    """The path of bench/secure/NAME.c as a program: a client of TLS and HTTP/2."""
    return _with_parts("secure", name, ("-lssl", "-lcrypto"))


def live(name):
    """The path of bench/live/NAME.c as a program: a client of WebSocket and event streams."""
    return _with_parts("live", name)


def compiler_of(path):
    """The compiler that made a program, as its .comment section tells; "unknown" if it does not."""
    if not shutil.which("readelf"):
        return "unknown"
    text = subprocess.run(["readelf", "-p", ".comment", path], capture_output=True, text=True, check=False).stdout
    names = [line.split("]", 1)[1].strip() for line in text.splitlines() if "]" in line]
    return names[-1] if names else "unknown"


def need(*tools):
    """Ends the script with a clear message when a tool is missing."""
    missing = [tool for tool in tools if not shutil.which(tool)]
    if missing:
        sys.exit(f"missing: {', '.join(missing)} (script/bootstrap installs them)")
