"""Reads what the kernel knows of a process: processor time, memory, and the sockets' share.

All sizes are in bytes and all times in seconds.

SPDX-License-Identifier: MIT
"""

import os
import time

_TICK = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


def _fields(path):
    """A file of `Name: value kB` lines as bytes by name; other lines are left out."""
    found = {}
    with open(path, encoding="ascii", errors="replace") as lines:
        for line in lines:
            parts = line.split()
            if len(parts) == 3 and parts[2] == "kB":
                found[parts[0].rstrip(":")] = int(parts[1]) * 1024
    return found


def cpu_seconds(pid):
    """User and system time that a process has used, all threads."""
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICK


def cpu_seconds_exact(pid):
    """The same by the clock that the kernel keeps for each process: it counts nanoseconds, where /proc counts ticks of 10 ms,
    which are a hundredth of a second's work."""
    return time.clock_gettime(~pid << 3 | 2)  # the clock's number, as clock_getcpuclockid(3) makes it


def cpu_seconds_reaped(pid):
    """The same of the children that have ended and were waited for."""
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[13]) + int(fields[14])) / _TICK


def parents():
    """The parent of every process of the machine, by process id."""
    found = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", encoding="ascii", errors="replace") as stat:
                    found[int(name)] = int(stat.read().rpartition(")")[2].split()[1])
            except OSError:
                pass  # it has ended meanwhile
    return found


def memory(pid):
    """(private, proportional, resident) memory: written and unshared; with its share of what is shared; all it has mapped in."""
    fields = _fields(f"/proc/{pid}/smaps_rollup")
    return fields["Private_Dirty"], fields["Pss"], fields["Rss"]


def private_bytes(pid):
    """Memory that the process has written to and shares with nobody. Unwritten pages of the program and its libraries are
    left out: whether they count as private depends on who else has them mapped, and they can be dropped at any time."""
    return _fields(f"/proc/{pid}/smaps_rollup")["Private_Dirty"]


def anonymous_bytes(pid):
    """Memory that belongs to no file. private_bytes() also counts pages of a program that was just linked and is not on
    the disk yet."""
    return _fields(f"/proc/{pid}/smaps_rollup")["Anonymous"]


def peak_bytes(pid):
    """The most resident memory that the process ever had (VmHWM)."""
    return _fields(f"/proc/{pid}/status")["VmHWM"]


def tcp_kernel_bytes():
    """What the kernel holds for the data of all TCP sockets of the machine (/proc/net/sockstat)."""
    with open("/proc/net/sockstat", encoding="ascii") as lines:
        for line in lines:
            parts = line.split()
            if parts[0] == "TCP:":
                return int(parts[parts.index("mem") + 1]) * _PAGE
    return 0


def machine_busy(cpus):
    """(busy, total) seconds of the given processors since the machine started."""
    busy = total = 0
    with open("/proc/stat", encoding="ascii") as lines:
        for line in lines:
            parts = line.split()
            if parts[0].startswith("cpu") and parts[0][3:].isdigit() and int(parts[0][3:]) in cpus:
                times = [int(value) for value in parts[1:9]]
                total += sum(times)
                busy += sum(times) - times[3] - times[4]  # less idle and waiting for the disk
    return busy / _TICK, total / _TICK


def wait_still(pid, least=0.5, most=3.0, step=0.25):
    """Waits until a process has stopped working and its private memory has stopped changing; returns that memory.

    least and most bound the wait in seconds; a process that never rests gives its last figure.
    """
    began = time.monotonic()
    last = (-1, -1.0)
    while True:
        time.sleep(step)
        now = (private_bytes(pid), cpu_seconds(pid))
        waited = time.monotonic() - began
        if waited >= most or waited >= least and now[0] == last[0] and now[1] - last[1] <= 0.02:
            return now[0]
        last = now


def raise_descriptor_limit():
    """Raises the limit of open descriptors as far as is allowed, for this process and its children. Returns it."""
    import resource  # only Unix has it, and only this function needs it

    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard
