"""Tells which worker of a server has which connection, and chooses connections so that all workers have as many.

The kernel spreads connections over listeners by a hash: of 64 one of two workers often gets 40, and the rate is then that
of the busier one. Each worker has an epoll of its own, and /proc/PID/fdinfo shows what is registered there: its listener and
its connections. That needs nothing of the server.

SPDX-License-Identifier: MIT
"""

import os
import re
import time

_ESTABLISHED, _LISTENING = "01", "0A"


def parse_epoll(text):
    """The inodes of what is registered, of the text of an epoll's /proc/PID/fdinfo/FD."""
    return {int(inode, 16) for inode in re.findall(r"^tfd:.*\bino:([0-9a-f]+)\b", text, re.MULTILINE)}


def parse_tcp(text, port):
    """The sockets of a local port, of the text of /proc/net/tcp: (inodes of the listening ones, inode of the connected ones
    by their peer's port)."""
    listening, connected = set(), {}
    for line in text.splitlines()[1:]:
        fields = line.split()
        if int(fields[1].rpartition(":")[2], 16) != port:
            continue
        if fields[3] == _LISTENING:
            listening.add(int(fields[9]))
        elif fields[3] == _ESTABLISHED:
            connected[int(fields[2].rpartition(":")[2], 16)] = int(fields[9])
    return listening, connected


def place(epolls, listening, connected):
    """(number of workers, worker by peer's port). epolls: the inodes that are registered in each; one that has a listener
    is a worker's. Connections that no worker has registered yet are left out."""
    workers = [inodes for inodes in epolls if inodes & listening]
    placed = {port: worker for worker, inodes in enumerate(workers) for port, inode in connected.items() if inode in inodes}
    return len(workers), placed


def choose(workers, placed, wanted):
    """As many peers' ports as are wanted, those of a worker together, so that no worker has two more than another. None if
    they are not there."""
    if workers == 0:
        return None
    chosen = []
    for worker in range(workers):
        quota = wanted // workers + (worker < wanted % workers)
        mine = [port for port, owner in placed.items() if owner == worker][:quota]
        if len(mine) < quota:
            return None
        chosen += mine
    return chosen


def count(workers, placed, ports):
    """How many of these ports each worker has, as "32 + 32"; "unknown" if no worker is known."""
    return " + ".join(str(sum(placed.get(port) == worker for port in ports)) for worker in range(workers)) or "unknown"


def _read(path):
    with open(path, encoding="ascii") as file:
        return file.read()


def _epolls(pid):
    """What is registered in each epoll of a process."""
    found = []
    for fd in sorted(os.listdir(f"/proc/{pid}/fd"), key=int):
        try:
            if os.readlink(f"/proc/{pid}/fd/{fd}") == "anon_inode:[eventpoll]":
                found.append(parse_epoll(_read(f"/proc/{pid}/fdinfo/{fd}")))
        except FileNotFoundError:
            pass  # closed meanwhile
    return found


def look(pid, port, ports, seconds=5):
    """place() of a server now, as soon as all these peers' ports are with a worker, or as it is after some seconds."""
    deadline = time.monotonic() + seconds
    while True:
        workers, placed = place(_epolls(pid), *parse_tcp(_read(f"/proc/{pid}/net/tcp"), port))
        if all(port in placed for port in ports) or time.monotonic() > deadline:
            return workers, placed
        time.sleep(0.02)
