"""Many connections at once, held by processes of bench/connect.c.

One process may have fewer descriptors than are wanted, and one address has fewer ports, so each process takes a share
and an address of 127.0.0.0/8 of its own.

SPDX-License-Identifier: MIT
"""

import select
import subprocess
import time

from . import build
from .server import end_process

PER_PROCESS = 9000


class Clients:
    """Connections that are open until the block is left. options go to bench/connect.c."""

    def __init__(self, server, count, send="", reply=0, lockstep=False, rcvbuf=0, trickle=0, first_address=2, ready_seconds=120):
        program = build.program("connect.c")
        self.processes = []
        self.addresses = 0
        try:
            while count > 0:
                share = min(count, PER_PROCESS)
                command = [program, "--host", server.host, "--port", str(server.port), "--connections", str(share)]
                command += ["--from", f"127.0.0.{first_address + self.addresses}", "--send", send]
                command += ["--reply", str(reply), "--lockstep", str(int(lockstep)), "--rcvbuf", str(rcvbuf), "--trickle", str(trickle)]
                self.processes.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
                self.addresses += 1
                count -= share
            self._wait_ready(time.monotonic() + ready_seconds)
        except BaseException:
            self.close()
            raise

    def _wait_ready(self, deadline):
        for process in self.processes:
            if not select.select([process.stdout], [], [], max(0, deadline - time.monotonic()))[0]:
                raise RuntimeError("clients did not get ready in time")
            if process.stdout.readline() != "ready\n":
                raise RuntimeError(f"a client failed, status {process.wait()}")

    def close(self):
        """Closes all connections."""
        for process in self.processes:
            process.stdin.close()
        for process in self.processes:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                end_process(process, 2)
            process.stdout.close()

    def __enter__(self):
        return self

    def __exit__(self, *_exception):
        self.close()
