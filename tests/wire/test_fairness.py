"""A handler that writes for ever to a client that reads as fast as it can does not own its worker: other clients of the
same worker are served, and how quickly is printed.

SPDX-License-Identifier: MIT
"""

import subprocess
import time

from client import request
from conftest import BUILD, SANITIZE


def measure(server, count):
    """Seconds of each of some requests, one at a time on one connection."""
    times = []
    with server.connect() as connection:
        for _ in range(count):
            began = time.monotonic()
            assert connection.ask().body == b"Hello, World!"
            times.append(time.monotonic() - began)
            time.sleep(0.001)
    return sorted(times)


def report(what, times):
    print(f"\n{what}: median {times[len(times) // 2] * 1000:.2f} ms, "
          f"99th percentile {times[len(times) * 99 // 100] * 1000:.2f} ms, most {times[-1] * 1000:.2f} ms")


def flood(server, readers):
    command = [str(BUILD / "tests/tools/slow_reader"), "--port", str(server.port), "--request",
               request(path="/flood").decode(), "--connections", str(readers), "--seconds", "60"]
    client = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert client.stdout.readline() == "ready\n"
    time.sleep(0.3)
    return client


def test_others_are_served(start_probe):
    count = 300 if SANITIZE else 2000
    server = start_probe("workers=1")
    report("alone", measure(server, count))
    for readers in (1, 8):
        client = flood(server, readers)
        try:
            times = measure(server, count)
        finally:
            client.terminate()
        totals = client.communicate()[0]
        report(f"beside {readers} fast readers of an endless stream", times)
        print(totals, end="")
        assert f"open={readers}" in totals, totals
        received = int(totals.split("bytes=")[1].split()[0])
        assert received > 1000000, "the stream stood still"
        assert len(times) == count  # every one of the others was served; how fast is printed


def test_a_gone_client_ends_the_loop(start_probe):
    """The processor rests once the reader has gone."""
    server = start_probe("workers=1")
    client = flood(server, 4)
    client.kill()
    client.communicate()
    time.sleep(1)
    before = server.cpu()
    time.sleep(1)
    assert server.cpu() - before < 0.1
    assert server.ask().status == 200
