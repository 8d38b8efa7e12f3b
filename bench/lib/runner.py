"""Carries out what the tables want: rounds over all peers, so that what changes on the machine meets all of them alike.

SPDX-License-Identifier: MIT
"""

import contextlib
import hashlib
import os
import random
import subprocess
import tempfile
import time

from . import build, documents, load, pairs, programs, secure
from .book import Book
from .progress import Progress
from .programs import PROGRAMS, WrongReply
from .table import Visit

OF_SIZE = {"1k.bin": 1 << 10, "100k.bin": 100 << 10}  # files of the table of files
SPARE_SECONDS = 0.5  # what a start is planned with beyond what the peer took to start and to stop when it was checked


def make_samples(root):
    """Makes the files that peers serve: the large ones by a short run of the tour, a small one from the repository, two of a size, and records."""
    os.makedirs(root, exist_ok=True)
    small = os.path.join(build.ROOT, "examples", "samples", "hello.txt")
    with open(small, "rb") as source, open(os.path.join(root, "hello.txt"), "wb") as target:
        target.write(source.read())
    for name, size in OF_SIZE.items():
        with open(os.path.join(root, name), "wb") as target:
            target.write(random.Random(size).randbytes(size))
    documents.write(root)
    if all(os.path.exists(os.path.join(root, name)) for name in ("large.bin", "large_dataset.csv")):
        return
    from .server import Server, tour_command

    with Server(tour_command(os.environ.get("WEIR_BENCH_TOUR", build.TOUR), 1, root)):
        pass  # it says that it listens once they are there


def check(peer, samples, quick=False):
    """Starts a peer and looks at a reply of each program; sets peer.wrong and peer.notes, or peer.unavailable."""
    expects = peer.manifest.get("expect", {})
    try:
        with peer.start() as instance:
            peer.turn_seconds = instance.start_seconds
            for name in peer.manifest["programs"]:
                if quick and not PROGRAMS[name].small:
                    continue
                try:
                    programs.check(instance.port, PROGRAMS[name], samples, expects.get(name))
                except WrongReply as error:
                    peer.wrong[name] = str(error)
            if "file" in peer.manifest["programs"] and peer.kind != "floor":
                try:
                    programs.check_missing(instance.port, peer.kind != "file server")
                except WrongReply as error:
                    peer.notes.append(str(error))
                if programs.leaves_folder(instance.port):
                    peer.notes.append("hands out files from outside of its folder")
            ending = time.monotonic()
        peer.turn_seconds += time.monotonic() - ending
    except (OSError, RuntimeError) as error:
        peer.unavailable = str(error)


def check_secure(peer, samples, quick=False):
    """The same over TLS and HTTP/2; sets peer.wrong of a protocol whose replies are not right."""
    try:
        with peer.start(Visit([], part="secure")) as instance, tempfile.TemporaryDirectory() as folder:
            for name in peer.manifest["secure"]["protocols"]:
                try:
                    _check_protocol(secure.PROTOCOLS[name], instance, samples, folder, quick)
                except RuntimeError as error:
                    peer.wrong[name] = str(error)
    except (OSError, RuntimeError) as error:
        peer.wrong.update({name: str(error) for name in peer.manifest["secure"]["protocols"]})


def _check_protocol(protocol, instance, samples, folder, quick):
    for name in ("hello", "small_file", "file"):
        program = PROGRAMS[name]
        if quick and not program.small:
            continue
        version, media, body = secure.fetch(protocol, instance, program.path, folder)
        if version != ("2" if protocol.h2 else "1.1"):
            raise RuntimeError(f"the reply is of HTTP/{version}")
        if media != program.content_type:
            raise RuntimeError(f"Content-Type of {program.path} is {media}")
        with open(body, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        wanted = samples.digest(name) if not program.small else hashlib.sha256(samples.content("hello.txt") if name == "small_file" else b"Hello, World!").hexdigest()
        if digest != wanted:
            raise RuntimeError(f"the body of {program.path} is not the right one")


class Runner:
    """A run over tables, rounds and peers. What it has measured is in `book`, also when it is broken off."""

    def __init__(self, tables, peers, options):
        self.book = Book()
        self.options = options
        self.peers = [peer for peer in peers if peer.unavailable is None]
        self.plan = [(name, table, self._visits(name, table)) for name, table in tables.items()]
        self.starts = []
        self.over = set()  # visits that are not repeated

    def _visits(self, name, table):
        if not hasattr(table, "visits"):
            return {}
        return {peer.name: table.visits(peer, self.options) for peer in self.peers if peer.is_in(name)}

    def _turns(self, name, table):
        """[(Turn, peers that take part)]."""
        turns = table.turns(self.options) if hasattr(table, "turns") else []
        return [(turn, [peer for peer in self.peers if peer.is_in(name) and turn.is_for(peer)]) for turn in turns]

    def _seconds(self, peer, visit):
        return SPARE_SECONDS + peer.turn_seconds + self._warm_seconds(peer, visit) + sum(scenario.seconds for scenario in visit.scenarios)

    def _warm_seconds(self, peer, visit):
        """Seconds of load before a visit's measurements count: none where replies are too large for it."""
        if not (visit.warm and peer.has(visit.program) and PROGRAMS[visit.program].small):
            return 0
        return min(1, peer.warm_up) if self.options.quick else peer.warm_up

    def _rounds(self, table):
        return min(self.options.rounds, getattr(table, "ROUNDS_MOST", self.options.rounds))

    def table_seconds(self):
        """How long each table takes, about, by its name. What a table collects by itself is not known before."""
        return {
            name: sum(
                self._rounds(table) * self._seconds(peer, visit)
                for peer in self.peers
                for visit in visits.get(peer.name, ())
            )
            + sum(self._turn_seconds(turn, peers) * (self.options.turns + 1) for turn, peers in self._turns(name, table))
            for name, table, visits in self.plan
        }

    def _turn_seconds(self, turn, peers):
        """How long it takes that each has its turn once."""
        return len(peers) * turn.seconds

    def total_seconds(self):
        """How long the whole plan takes, about."""
        return sum(self.table_seconds().values())

    def run(self):
        """Carries out the plan."""
        turns = {name: self._turns(name, table) for name, table, _ in self.plan}
        steps = {
            visit: (self._seconds(peer, visit), self._rounds(table))
            for _, table, visits in self.plan
            for peer in self.peers
            for visit in visits.get(peer.name, ())
        }
        steps.update({turn: (self._turn_seconds(turn, peers), self.options.turns + 1) for all_of in turns.values() for turn, peers in all_of})
        progress = Progress(steps)
        try:
            for name, table, visits in self.plan:
                for turn, peers in turns[name]:
                    self._take_turns(name, turn, peers, progress)
                if hasattr(table, "collect"):
                    progress.say(f"table {name}")
                    table.collect(self.book, self.options)
                for number in range(self._rounds(table) if visits else 0):
                    self._round(name, number, self._rounds(table), visits, progress)
        finally:
            progress.close()

    def _round(self, name, number, rounds, visits, progress):
        # Every second round goes backwards, so that nobody always follows the same neighbour.
        order = self.peers if number % 2 == 0 else self.peers[::-1]
        for peer in order:
            for visit in visits.get(peer.name, ()):
                if visit in self.over:
                    continue
                progress.say(f"table {name}, round {number + 1} of {rounds}: {peer.name}")
                began = time.monotonic()
                measured = self._visit(name, number, peer, visit)
                progress.done(visit, time.monotonic() - began)
                # To repeat replies that take a minute each would take most of a night.
                if number == 0 and measured > self.options.repeat_below or not self._scenarios(name, peer, visit):
                    self.over.add(visit)
                    progress.drop(visit)

    def _take_turns(self, name, turn, peers, progress):
        """Starts all peers, and measures one after the other, forth and back. One that fails is left out from then on."""
        running = {}
        progress.say(f"table {name}, {turn.name}: all are started")
        began = time.monotonic()
        with contextlib.ExitStack() as stack:
            for peer in peers:
                with self._failing(running, name, turn, peer.name):
                    instance = stack.enter_context(peer.start(Visit([], part=turn.part)))
                    running[peer.name] = (instance, turn.prepare(instance))
            progress.done(turn, time.monotonic() - began)
            for number in range(self.options.turns):
                began = time.monotonic()
                progress.say(f"table {name}, {turn.name}: slice {number + 1} of {self.options.turns}")
                for each in pairs.order(list(running), number):
                    with self._failing(running, name, turn, each):
                        instance, prepared = running[each]
                        figures = turn.measure(instance, prepared)
                        self.book.add(name, turn.name, each, number, dict(figures), getattr(figures, "command", None))
                progress.done(turn, time.monotonic() - began)

    @contextlib.contextmanager
    def _failing(self, running, name, turn, peer):
        """A block whose failure is a record, and the end of a peer's turns."""
        try:
            yield
        except (OSError, RuntimeError, ValueError, subprocess.SubprocessError) as error:
            self.book.add(name, turn.name, peer, 0, error=str(error))
            running.pop(peer, None)

    def _scenarios(self, name, peer, visit):
        """What of a visit is still measured: what failed once is not tried again, a report of its failure is enough."""
        return [each for each in visit.scenarios if not self.book.error(name, each.name, peer.name)]

    def _visit(self, name, number, peer, visit):
        """Measures all of a visit once. Returns the seconds that measuring took, without the start and the warming up."""
        scenarios = self._scenarios(name, peer, visit)
        measured = 0.0
        try:
            with peer.start(visit) as instance:
                self.starts.append((peer.name, instance.start_seconds))
                load.warm(instance, PROGRAMS[visit.program], self._warm_seconds(peer, visit))
                began = time.monotonic()
                for scenario in scenarios:
                    self._measure(name, number, peer, scenario, instance)
                measured = time.monotonic() - began
        except (OSError, RuntimeError, subprocess.SubprocessError) as error:
            for scenario in scenarios:
                if number not in [record["round"] for record in self.book.of(name, scenario.name, peer.name)]:
                    self.book.add(name, scenario.name, peer.name, number, error=str(error))
        return measured

    def _measure(self, name, number, peer, scenario, instance):
        try:
            if instance.process.poll() is not None:
                raise RuntimeError(f"it had ended before, with status {instance.process.returncode}")
            figures = scenario.measure(instance)
            if instance.process.poll() is not None:
                raise RuntimeError(f"it ended while it was measured, with status {instance.process.returncode}")
        except (OSError, RuntimeError, ValueError, subprocess.SubprocessError) as error:
            self.book.add(name, scenario.name, peer.name, number, error=str(error))
        else:
            self.book.add(name, scenario.name, peer.name, number, dict(figures), getattr(figures, "command", None))
