"""Describes the machine and the tools, so that a report says where its figures come from.

SPDX-License-Identifier: MIT
"""

import os
import platform
import re
import subprocess


def _first_line(command, pattern):
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    except OSError:
        return "not found"
    found = re.search(pattern, done.stdout + done.stderr)
    return found.group(1) if found else "unknown"


def _from_file(path, pattern):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            found = re.search(pattern, file.read(), re.MULTILINE)
    except OSError:
        return "unknown"
    return found.group(1).strip() if found else "unknown"


def describe():
    """What a reader has to know of the machine, as {name: text}."""
    memory = _from_file("/proc/meminfo", r"^MemTotal:\s+(\d+)")
    return {
        "processor": _from_file("/proc/cpuinfo", r"^model name\s*:\s*(.*)$"),
        "processors": str(len(os.sched_getaffinity(0))),
        "virtual machine": "yes" if "hypervisor" in _from_file("/proc/cpuinfo", r"^flags\s*:(.*)$") else "no",
        "memory": f"{int(memory) / (1 << 20):.1f} GiB" if memory.isdigit() else memory,
        "kernel": platform.release(),
        "system": _from_file("/etc/os-release", r'^PRETTY_NAME="?([^"\n]*)'),
        "wrk": _first_line(["wrk", "-v"], r"wrk (\S+)"),
        "h2load": _first_line(["h2load", "--version"], r"nghttp2/(\S+)"),
        "cc": _first_line(["cc", "--version"], r"^(.*)"),
    }
