"""Every table plans its measurements for every peer, and shows whatever came of them.

SPDX-License-Identifier: MIT
"""

import argparse
import contextlib
import importlib
import os
import socket
import threading
import time

import pytest
from lib import build, load, output, peer, runner, turn_tables
from lib.book import Book
from lib.table import Scenario, Turn, Visit, rate_text
from lib.tree import Memory, Tree

TABLES = sorted(name[:-3] for name in os.listdir(os.path.join(build.ROOT, "bench", "tables")) if name.endswith(".py"))
PEERS = [peer.Peer(name, "/samples") for name in peer.names()]
FIGURES = """rate requests seconds timeouts cpu_us cpu_share bytes_rate p50_us p99_us p999_us max_us kept busy foreign private proportional resident
    peak processes each kernel_each private_before private_early private_late requests_early requests_all start_s size shipped reached
    instructions commitment private_0 private_1000 private_4000 private_10000 cpu_gb_s a_cpu_second left private_left""".split()


def options(**more):
    return argparse.Namespace(
        **{"quick": False, "seconds": 2, "rounds": 2, "rate": 1000, "connections_most": 10000, "leak_seconds": 600, "leak_requests": 10_000_000, "turns": 4, **more}
    )


def planned(name, table, each):
    """The scenarios of a peer, as a run would measure them."""
    visits = table.visits(each, options()) if hasattr(table, "visits") and each.is_in(name) else []
    turns = table.turns(options()) if hasattr(table, "turns") else []
    return [scenario for visit in visits for scenario in visit.scenarios] + [turn for turn in turns if each.is_in(name) and turn.is_for(each)]


@pytest.mark.parametrize("name", TABLES)
def test_plan_names_every_scenario_once(name):
    table = importlib.import_module(f"tables.{name}")
    for each in PEERS:
        names = [scenario.name for scenario in planned(name, table, each)]
        assert len(names) == len(set(names))
        assert all(scenario.seconds > 0 for scenario in planned(name, table, each))


def test_plan_counts_starts_and_warm_ups_that_are_made():
    spring = peer.Peer("spring", "/samples")
    spring.turn_seconds = 2.0
    whole = Visit([Scenario("whole", 10, None)], program="large")
    small = Visit([Scenario("small", 10, None)], program="json")
    table = argparse.Namespace(visits=lambda _peer, _options: [whole, small, Visit([Scenario("cold", 10, None)], warm=False)])
    plan = runner.Runner({"some": table, "other": argparse.Namespace()}, [spring], options())
    once = 3 * (10 + 2.0 + runner.SPARE_SECONDS) + spring.warm_up
    assert plan.table_seconds() == {"some": 2 * once, "other": 0}
    assert plan.total_seconds() == 2 * once


class Idle:
    """A peer that does nothing, and its running instance."""

    name, turn_seconds, warm_up, unavailable, start_seconds, pid = "idle", 0.0, 0, None, 0.0, 0

    def __init__(self):
        self.process = argparse.Namespace(poll=lambda: None)

    def has(self, _program):
        """It has no program that could warm it up."""
        return False

    def is_in(self, _table):
        """It is in every one."""
        return True

    def speaks(self, protocol):
        """It speaks what the tests of turns name."""
        return protocol == "some"

    @contextlib.contextmanager
    def start(self, _visit):
        """Itself."""
        yield self


def test_what_took_long_in_the_first_round_is_not_repeated(capsys):
    def scenario(name, seconds):
        return Scenario(name, 5, lambda _instance: time.sleep(seconds.pop(0)) or {"rate": 1.0})

    def fail(_instance):
        raise RuntimeError("it ended")

    long, short = Visit([scenario("long", [0.3])]), Visit([scenario("short", [0, 0.3, 0])])
    table = argparse.Namespace(visits=lambda _peer, _options: [long, short, Visit([Scenario("failing", 5, fail)])])
    plan = runner.Runner({"some": table}, [Idle()], options(rounds=3, repeat_below=0.2))
    plan.run()
    assert [record["round"] for record in plan.book.of("some", "long")] == [0]
    assert [record["round"] for record in plan.book.of("some", "short")] == [0, 1, 2]  # only the first round decides
    assert [record["round"] for record in plan.book.of("some", "failing")] == [0]
    assert plan.book.cell("some", "long", "idle", "rate", rate_text) == "1.0"
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 5
    # Long and failing take no more time, and short as long as it took: all of it planned would be 21 seconds more.
    assert "0:00 left] table some, round 2 of 3" in lines[3] and "round 3 of 3" in lines[4]


class Turning(Idle):
    """A peer that takes turns with another."""

    def __init__(self, name):
        super().__init__()
        self.name = name


def test_peers_take_turns_forth_and_back_and_one_that_fails_is_left_out():
    order = []

    def prepare(instance):
        return f"prepared {instance.name}"

    def measure(instance, prepared):
        assert prepared == f"prepared {instance.name}"
        order.append(instance.name)
        if instance.name == "b" and len(order) > 4:
            raise RuntimeError("it ended")
        return {"rate": 1.0}

    turns = [Turn("slice", "some", 1, measure, prepare), Turn("none", "other", 1, measure, prepare)]
    table = argparse.Namespace(turns=lambda _options: turns)
    plan = runner.Runner({"some": table}, [Turning("a"), Turning("b")], options(turns=4))
    plan.run()
    assert "".join(order) == "abba" + "ab" + "a"
    assert [record["round"] for record in plan.book.of("some", "slice", "a")] == [0, 1, 2, 3]
    assert plan.book.error("some", "slice", "b") == "it ended"
    assert plan.book.of("some", "none") == []


def test_ratios_of_turns_are_of_the_same_turn_and_goals_stand_beside_them():
    shown = turn_tables.Shown("s", "", "cpu_us", "us", (turn_tables.Goal("nginx", 0.75),))
    book = Book()
    for number, (mine, theirs) in enumerate([(7, 10), (14, 20), (35, 50), (8, 10)]):
        book.add("tls", "s", "weir", number, {"cpu_us": mine, "rate": 1})
        book.add("tls", "s", "nginx", number, {"cpu_us": theirs, "rate": 1})
    peers = {"weir": {"title": "weir", "kind": "weir"}, "nginx": {"title": "nginx", "kind": "file server"}}
    rows = turn_tables.section(book, peers, "tls", shown).rows
    assert [row[0] for row in rows] == ["weir", "nginx"]
    assert rows[0][2].startswith("0.700 (") and rows[0][3] == "met (<= 0.75)"
    assert rows[1][2].startswith("1.000") and rows[1][3] == ""
    assert turn_tables.Goal("nginx", 0.95, True).verdict(0.9) == "missed (>= 0.95)"


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("name", TABLES)
def test_sections_show_what_was_measured(name, fails):
    table = importlib.import_module(f"tables.{name}")
    book = Book()
    there = [each for each in PEERS if planned(name, table, each)]
    for number in range(2):
        for at, each in enumerate(there):
            for scenario in planned(name, table, each):
                if fails and at % 2:
                    book.add(name, scenario.name, each.name, number, error="it ended")
                else:
                    book.add(name, scenario.name, each.name, number, {figure: 1.0 + at + number for figure in FIGURES}, "client")
    if hasattr(table, "collect"):
        table.collect(book, options(quick=True))
    peers = {each.name: {"title": each.title, "kind": each.kind} for each in PEERS}
    sections = table.sections(book, peers, options())
    assert sections and all(len(row) == len(section.header) for section in sections for row in section.rows)
    text = "\n".join(output.markdown_table(section.header, section.rows) for section in sections)
    assert "weir" in text or name == "instructions"
    assert ("failed" in text) == fails or name in ("instructions", "growth")
    assert all("<svg" in plot.svg for section in sections for plot in section.plots)


@pytest.mark.parametrize("name", TABLES)
def test_a_table_without_records_is_no_fault(name):
    table = importlib.import_module(f"tables.{name}")
    table.sections(Book(), {}, options())


def test_the_articles_claims_stand_beside_what_was_measured():
    table = importlib.import_module("tables.article")
    book = Book()
    book.add("article", "file, 1 client", "express", 0, {"peak": 50e6, "seconds": 1, "cpu_share": 0.5, "cpu_us": 1e5})
    section = table.sections(book, {"express": {"title": "Express"}}, options())[0]
    row = dict(zip(section.header, section.rows[0]))
    assert row["peak"] == "50.00 MB" and section.rows[0][2] == "156.00 MB"
    assert row["time a file"] == "100.0 ms" and section.rows[0][4] == "4.10 s"


def test_growth_without_middleware_is_that_of_one_route():
    table = importlib.import_module("tables.growth")
    names = [scenario.name for scenario in planned("growth", table, peer.Peer("gin", "/samples"))]
    assert "routes 1" in names and "middleware 0" not in names
    book = Book()
    for name, cost in (("routes 1", 2.0), ("routes 100", 3.0), ("middleware 4", 4.0)):
        book.add("growth", name, "gin", 0, {"cpu_us": cost})
    section = table.sections(book, {"gin": {"title": "Gin"}}, options())[-1]
    assert dict(zip(section.header, section.rows[0]))["0 middleware"] == "2.00"


class Closing:
    """A server that closes each connection after some requests, as Tomcat does after 100, and counts what it answers."""

    host = "127.0.0.1"
    after = 10

    def __init__(self):
        self.answered = 0
        self._lock = threading.Lock()
        self._listener = socket.create_server((self.host, 0), backlog=128)
        self.port = self._listener.getsockname()[1]
        self.url = f"http://{self.host}:{self.port}"
        self.tree = Tree(os.getpid())
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection = self._listener.accept()[0]
            except OSError:
                return  # stopped
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        with connection, contextlib.suppress(OSError):
            for number in range(self.after):
                if not connection.recv(65536):
                    return
                with self._lock:
                    self.answered += 1
                more = b"Connection: close\r\n" if number == self.after - 1 else b""
                connection.sendall(b"HTTP/1.1 200 OK\r\n" + more + b"Content-Length: 2\r\n\r\n{}")

    def kill(self):
        """Stops accepting."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


def test_the_leak_test_counts_every_request_also_where_connections_are_closed(monkeypatch):
    table = importlib.import_module("tables.leak")
    server = Closing()
    seen = []
    monkeypatch.setattr(load, "settled", lambda *_bounds: seen.append(server.answered) or Memory(private=len(seen)))
    try:
        found = table._measure(server, options(leak_requests=3000, leak_seconds=60))
    finally:
        server.kill()
    early, late = seen
    assert (found["requests_early"], found["requests_all"]) == (300, 3000)
    assert late - early == 2700
    assert (found["private_early"], found["private_late"]) == (1, 2)


def test_the_leak_test_ends_when_its_time_is_over(monkeypatch):
    table = importlib.import_module("tables.leak")
    server = Closing()
    monkeypatch.setattr(load, "settled", lambda *_bounds: Memory())
    try:
        found = table._measure(server, options(leak_seconds=1))
    finally:
        server.kill()
    assert 0 < found["requests_early"] < found["requests_all"] < options().leak_requests / 10
