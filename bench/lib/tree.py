"""Watches a server with all the processes it has started: memory and processor time of the whole tree.

SPDX-License-Identifier: MIT
"""

import threading
import time
from dataclasses import dataclass

from . import proc

STEP = 0.25  # seconds between two looks
STILL = 0.02  # seconds of processor time between two looks that count as none
GUARD = 6 << 30  # a server that takes more memory than this is ended, before the machine suffers


class Overgrown(RuntimeError):
    """A server was ended because it took too much memory."""


@dataclass
class Memory:
    """Bytes of a whole tree at one time."""

    private: int = 0  # written, and shared with nobody
    proportional: int = 0  # resident, what processes share counted once
    resident: int = 0  # resident, what processes share counted for each
    processes: int = 0


class Tree:
    """A process and its descendants. Those that have ended are left out of memory; their time stays with their parents."""

    def __init__(self, pid):
        self.pid = pid

    def pids(self):
        """The processes of the tree that are alive now; the first is the one that was started."""
        parents = proc.parents()
        found = [self.pid] if self.pid in parents else []
        for pid in found:  # grows meanwhile
            found += [child for child, parent in parents.items() if parent == pid]
        return found

    def cpu_seconds(self):
        """Processor time of the tree, including children that have ended."""
        return self._sum(lambda pid: proc.cpu_seconds(pid) + proc.cpu_seconds_reaped(pid))

    def cpu_seconds_exact(self):
        """Processor time of the processes that are alive, by the clocks that count nanoseconds."""
        return self._sum(proc.cpu_seconds_exact)

    def memory(self):
        """What the tree has now."""
        total = Memory()
        for pid in self.pids():
            try:
                private, proportional, resident = proc.memory(pid)
            except (OSError, KeyError):
                continue  # it has ended meanwhile
            total.private += private
            total.proportional += proportional
            total.resident += resident
            total.processes += 1
        return total

    def settle(self, least=0.5, most=3.0, step=STEP):
        """Waits until all of it has stopped working and its memory has stopped changing; returns that memory.

        least and most bound the wait in seconds; a tree that never rests gives its last figures.
        """
        began = time.monotonic()
        last, used = None, 0.0
        while True:
            time.sleep(step)
            memory, cpu = self.memory(), self.cpu_seconds()
            waited = time.monotonic() - began
            still = last is not None and memory.private == last.private and cpu - used <= STILL
            if waited >= most or waited >= least and still:
                return memory
            last, used = memory, cpu

    def peak_bytes(self):
        """The most resident memory that any single process ever had, summed over the tree: exact for one process, and an
        upper bound for several, which share pages and need not have had their peaks at the same time."""
        return self._sum(proc.peak_bytes)

    def _sum(self, of):
        total = 0
        for pid in self.pids():
            try:
                total += of(pid)
            except (OSError, KeyError):
                pass  # it has ended meanwhile
        return total


class Sampler:
    """Looks at a tree's memory until the block is left; keeps the largest figures. Ends a server that takes too much: the
    block then ends with Overgrown, whatever its clients made of it."""

    def __init__(self, tree, end, guard=GUARD, step=STEP):
        self.tree = tree
        self.most = Memory()
        self.overgrown = False
        self._end, self._guard, self._step = end, guard, step
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def _look(self):
        while not self._over.is_set():
            began = time.monotonic()
            now = self.tree.memory()
            for name in ("private", "proportional", "resident", "processes"):
                setattr(self.most, name, max(getattr(self.most, name), getattr(now, name)))
            if now.proportional > self._guard:
                self.overgrown = True
                self._end()
                return
            # A look at a large process takes long: it may not become the load that is measured.
            self._over.wait(max(self._step, 10 * (time.monotonic() - began)))

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_exception):
        self._over.set()
        self._thread.join()
        if self.overgrown:
            raise Overgrown(f"ended by the benchmark: it took more than {self._guard >> 30} GiB of memory") from None
