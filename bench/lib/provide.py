"""Brings what a peer needs from this machine's package registries, by their ordinary clients, and builds it.

A peer's folder is copied to build/bench/peers/NAME and built there, so that nothing fetched or generated lies beside the
sources. What was built is kept until the folder changes.

SPDX-License-Identifier: MIT
"""

import hashlib
import os
import shutil
import subprocess

from . import build

BUILD_SECONDS = 2400
FOLDER = os.path.join(build.ROOT, "build", "bench", "peers")


class Unavailable(RuntimeError):
    """A peer cannot be had on this machine; the text says why."""


def digest_of(folder, more=()):
    """A digest of a peer's files, its README left out, and of more files."""
    digest = hashlib.sha256()
    for path in more:
        with open(path, "rb") as file:
            digest.update(file.read())
    for top, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            if name != "README.md":
                path = os.path.join(top, name)
                digest.update(os.path.relpath(path, folder).encode())
                with open(path, "rb") as file:
                    digest.update(file.read())
    return digest.hexdigest()


def _log_tail(path):
    with open(path, encoding="utf-8", errors="replace") as file:
        lines = [line.strip() for line in file if line.strip()]
    wrong = [line for line in lines if "error" in line.lower()]
    return (wrong or lines or ["no output"])[0][:300]


def _run(command, folder, log, environment):
    # The build is polite: it may run beside other work.
    command = ["nice", "-n", "15", *command]
    with open(log, "a", encoding="utf-8") as file:
        file.write(f"$ {' '.join(command)}\n")
        file.flush()
        try:
            done = subprocess.run(
                command, cwd=folder, stdin=subprocess.DEVNULL, stdout=file, stderr=file, env=environment, timeout=BUILD_SECONDS, check=False
            )
        except OSError as error:
            raise Unavailable(str(error)) from None
        except subprocess.TimeoutExpired:
            raise Unavailable(f"{command[3]} did not end within {BUILD_SECONDS} s") from None
    if done.returncode != 0:
        raise Unavailable(f"`{' '.join(command[3:])}` failed: {_log_tail(log)}")


def missing_packages(packages):
    """Those of some Debian packages that are not installed."""
    if not packages:
        return []
    known = subprocess.run(
        ["dpkg-query", "-W", "-f=${db:Status-Status} ${Package}\n", *packages], capture_output=True, text=True, check=False
    ).stdout
    installed = {line.split()[1] for line in known.splitlines() if line.startswith("installed ")}
    return [package for package in packages if package not in installed]


def _install(packages, log):
    # RUNLEVEL=1 keeps a package from starting its service. Somebody else may be installing: that is waited for.
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    command = ["apt-get", "-qq", "-o", "DPkg::Lock::Timeout=300", "install", "--yes", "--no-install-recommends", *packages]
    try:
        _run(command, "/", log, environment)
    except Unavailable:
        _run(["apt-get", "-qq", "update"], "/", log, environment)  # the lists may be missing or old
        _run(command, "/", log, environment)


def provide(name, source, need, steps, environment, expand, fetch=True):
    """Makes build/bench/peers/NAME ready. need: the manifest's [need]; steps: commands; expand: fills their @WORDS@.

    With fetch=False nothing is installed or built, and what is not there already is Unavailable.
    """
    target = os.path.join(FOLDER, name)
    stamp, log = os.path.join(target, ".built"), os.path.join(FOLDER, f"{name}.log")
    tools = [tool for tool in need.get("tools", []) if not shutil.which(tool)]
    if tools:
        raise Unavailable(f"{', '.join(tools)} not found")
    os.makedirs(FOLDER, exist_ok=True)
    packages = missing_packages(need.get("apt", []))
    if packages:
        if not fetch:
            raise Unavailable(f"not installed: {', '.join(packages)}")
        _install(packages, log)
    steps = [[expand(word) for word in step] for step in steps]
    digest = digest_of(source, [word for step in steps for word in step if word.startswith(build.ROOT) and os.path.isfile(word) and FOLDER not in word])
    if steps and os.path.exists(stamp):
        with open(stamp, encoding="utf-8") as file:
            if file.read() == digest:
                return
    if steps and not fetch:
        raise Unavailable("not built yet")
    shutil.copytree(source, target, dirs_exist_ok=True)
    if os.path.exists(log):
        os.unlink(log)
    for step in steps:
        _run(step, target, log, {**os.environ, **environment})
    if steps:
        with open(stamp, "w", encoding="utf-8") as file:
            file.write(digest)
