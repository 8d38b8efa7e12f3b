"""The measurements that tables are made of. Each loads a running instance and returns its figures and the command.

SPDX-License-Identifier: MIT
"""

import os
import re
import shlex
import socket

from . import build, h2load, steady, wrk
from .sockets import server_socket_memory
from .watch import Watch, run

DOWNLOAD_SECONDS = 300  # a download may take so long before it counts as failed


class Result(dict):
    """Figures of one measurement, and the command of the client that made them."""

    def __init__(self, command, watch, **figures):
        super().__init__(watch.figures())
        self.update(figures)
        if figures.get("requests"):
            self["cpu_us"] = self["server_cpu_s"] / figures["requests"] * 1e6
        self.command = show(command)


def show(command):
    """A command as a person would type it in the repository."""
    words = [os.path.relpath(word, build.ROOT) if word.startswith(build.ROOT + os.sep) else word for word in command]
    return shlex.join(words)


def _watch(instance):
    return Watch(instance.tree, instance.kill)


def closed(instance, program, connections, seconds, script=None, headers=(), threads=None):
    """wrk: as many requests as replies allow. {"rate", "requests", "seconds", "timeouts", ...}"""
    lines = [*program.request_headers, *headers]
    command = wrk.command(instance.url + program.path, connections, seconds, script, threads, lines)
    with _watch(instance) as watch:
        output = run(command, seconds + 60)
    requests, taken, timeouts = wrk.parse(output)
    return Result(command, watch, requests=requests, seconds=taken, rate=requests / taken, timeouts=timeouts)


def second(instance, program, connections, seconds):
    """h2load: as many requests as replies allow, by another client than wrk. {"rate", "requests", "seconds", ...}"""
    url = instance.url + program.path

    def line(requests):
        return h2load.command(url, connections, requests, program.request_headers)

    pace = h2load.find_pace(connections, lambda requests: h2load.parse(run(line(requests), seconds + 60)))
    command = line(max(connections, round(pace * seconds)))
    with _watch(instance) as watch:
        output = run(command, seconds + 60)
    requests, taken = h2load.parse(output)
    return Result(command, watch, requests=requests, seconds=taken, rate=requests / taken)


def exact(instance, program, connections, requests, seconds):
    """bench/steady.c without a rate: so many requests, or as many as the seconds allow; "requests" tells how many were answered."""
    command = steady.command(
        instance.port, program.path, connections, requests=requests, seconds=round(seconds, 3), headers=program.request_headers
    )
    with _watch(instance) as watch:
        output = run(command, seconds + 60)
    found = steady.parse(output, late_allowed=False)
    return Result(command, watch, requests=found["done"], seconds=found["seconds"], rate=found["done"] / found["seconds"])


def fixed(instance, program, connections, rate, seconds):
    """bench/steady.c: requests at a fixed rate, timed from when each was due. {"p50_us", "p99_us", "p999_us", ...}"""
    command = steady.command(
        instance.port, program.path, connections, rate, seconds, warm_up=min(1, seconds / 4), headers=program.request_headers
    )
    with _watch(instance) as watch:
        output = run(command, seconds + 60)
    found = steady.parse(output)
    # A server that cannot keep the rate has no latency at it: the queue only grows.
    kept = found["unanswered"] == 0 and found["seconds"] < seconds + 1
    figures = {name: found[name] for name in ("p50_us", "p90_us", "p99_us", "p999_us", "max_us", "unanswered")}
    return Result(command, watch, requests=found["done"], kept=int(kept), rate=found["done"] / max(found["seconds"], 1e-9), **figures)


def download(instance, program, connections, requests, timeout=DOWNLOAD_SECONDS):
    """bench/steady.c without a rate: whole replies, so many in all. {"bytes_rate", "each_s", "cpu_share", ...}"""
    command = steady.command(instance.port, program.path, connections, requests=requests, headers=program.request_headers)
    with _watch(instance) as watch:
        output = run(command, timeout)
    found = steady.parse(output, late_allowed=False)
    return Result(
        command,
        watch,
        requests=found["done"],
        seconds=found["seconds"],
        bytes=found["bytes"],
        bytes_rate=found["bytes"] / found["seconds"],
        p50_us=found["p50_us"],
        max_us=found["max_us"],
        cpu_share=watch.server_cpu / watch.wall,
    )


def whole_reply_length(instance, program):
    """The length of a reply with its head, as a client that knows it in advance has to be told."""
    with socket.create_connection((instance.host, instance.port), timeout=30) as connection:
        connection.sendall(request(instance, program).encode())
        reply = b""
        while not ends_reply(reply):
            more = connection.recv(65536)
            if not more:
                raise OSError("the connection ended within a reply")
            reply += more
    return len(reply)


def ends_reply(reply):
    """Whether these bytes are a whole reply: by its length, or by its last chunk."""
    head, blank, body = reply.partition(b"\r\n\r\n")
    length = re.search(rb"\r\ncontent-length:\s*(\d+)", head, re.IGNORECASE)
    if not blank:
        return False
    return len(body) >= int(length.group(1)) if length else body.endswith(b"0\r\n\r\n")


def is_answered(instance, program):
    """One request on a connection of its own; whether it got a reply of status 200."""
    return instance.is_ready(program.path)


def request(instance, program):
    """The bytes of a request, as text."""
    lines = "".join(f"{line}\r\n" for line in program.request_headers)
    return f"GET {program.path} HTTP/1.1\r\nHost: {instance.host}:{instance.port}\r\n{lines}\r\n"


def warm(instance, program, seconds):
    """Lets a server reach its pace. What it answers was checked before."""
    if seconds > 0 and program.small:
        run(wrk.command(instance.url + program.path, 32, max(1, round(seconds)), headers=program.request_headers), seconds + 60)


def settled(instance, least=0.5, most=3.0):
    """The tree's memory once it has stopped working."""
    return instance.tree.settle(least, most)


def kernel_bytes(instance):
    """(sockets, bytes) that the kernel holds for the server's connections; (0, 0) when it does not tell."""
    return server_socket_memory(instance.port) or (0, 0)
