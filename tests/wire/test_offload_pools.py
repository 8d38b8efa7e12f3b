"""Offload pools, by tests/programs/pooled.c: threads with data of their own, bounds, and what the ledger says of them.

SPDX-License-Identifier: MIT
"""

import json
import re
import subprocess

import pytest

from client import request
from conftest import BUILD
from faults import wait_for

pytestmark = pytest.mark.threaded

EINVAL, EBUSY = -1, -15
RESULT = 7  # of a job


@pytest.fixture
def start_pooled(start):
    return lambda *settings: start("tests/programs/pooled", *settings)


def use(server, path="/use"):
    """(result, number of the thread's record, jobs of the thread so far)."""
    result, number, jobs, own = (int(word) for word in server.ask(path=path).text().split())
    assert own == (result == RESULT)
    return result, number, jobs


def pool(server, name="records"):
    """A pool's row of the ledger."""
    (row,) = [row for row in json.loads(server.ask(path="/ledger").body)["offload_pools"] if row["name"] == name]
    return row


def counts(server):
    return [int(word) for word in server.ask(path="/counts").text().split()]


class Holders:
    """Clients whose jobs hold a thread, or wait for one, until let_go()."""

    def __init__(self, server):
        self.server = server
        self.connections = []

    def add(self):
        connection = self.server.connect(timeout=60)
        connection.send(request(path="/hold"), "GET")
        self.connections.append(connection)
        return connection

    def let_go(self):
        """What each is told, in the order in which they came."""
        assert self.server.ask(path="/open").text() == "open"
        told = []
        for connection in self.connections:
            told.append([int(word) for word in connection.reply().text().split()])
            connection.close()
        return told


def test_one_thread_keeps_its_data(start_pooled):
    server = start_pooled()
    assert counts(server) == [0, 0] and pool(server)["threads"] == 0, "nobody has asked yet"
    assert [use(server) for _ in range(5)] == [(RESULT, 0, jobs) for jobs in range(1, 6)]
    assert counts(server) == [1, 0]
    assert wait_for(lambda: (row := pool(server))["busy"] == 0 and row) == {
        "name": "records", "threads": 1, "busy": 0, "queued": 0, "jobs": 5, "refused": 0}


def test_a_pool_without_functions(start_pooled):
    server = start_pooled()
    assert server.ask(path="/bare").text() == f"1 {EINVAL} {EINVAL}"
    assert pool(server, "bare")["jobs"] == 1


def test_threads_are_added_while_all_are_busy(start_pooled):
    server = start_pooled("threads=3", "more_workers=1")
    holders = Holders(server)
    for busy in (1, 2, 3):
        holders.add()
        wait_for(lambda: pool(server)["busy"] == busy)  # noqa: B023 - at once
    for queued in (1, 2):
        holders.add()
        wait_for(lambda: pool(server)["queued"] == queued)  # noqa: B023
    assert pool(server)["threads"] == 3 and counts(server) == [3, 0]
    told = holders.let_go()
    assert all(one[0] == RESULT for one in told)
    assert sorted(one[1] for one in told[:3]) == [0, 1, 2], "each has the record of its thread"
    assert pool(server)["jobs"] == 5


def test_too_many_wait(start_pooled):
    """Who comes when max_queued jobs wait is told so at once, and others when there is room again."""
    server = start_pooled("max_queued=2")
    holders = Holders(server)
    holders.add()
    wait_for(lambda: pool(server)["busy"] == 1 and pool(server)["queued"] == 0)
    for queued in (1, 2):
        holders.add()
        wait_for(lambda: pool(server)["queued"] == queued)  # noqa: B023
    assert use(server) == (EBUSY, -1, 0) and pool(server)["refused"] == 1
    assert [one[0] for one in holders.let_go()] == [RESULT] * 3
    assert use(server) == (RESULT, 0, 4) and pool(server)["jobs"] == 4


def test_threads_from_the_start_on(start_pooled):
    server = start_pooled("threads=4", "at_start=1")
    wait_for(lambda: counts(server) == [4, 0])
    assert pool(server)["threads"] == 4 and pool(server)["jobs"] == 0
    assert pool(server, "bare")["threads"] == 0


def test_an_idle_thread_ends_where_that_is_asked_for(start_pooled):
    """Its data goes with it, and the next job has new data."""
    server = start_pooled("idle_s=1")
    assert use(server) == (RESULT, 0, 1)
    wait_for(lambda: counts(server) == [1, 1])
    wait_for(lambda: pool(server)["threads"] == 0)
    assert use(server) == (RESULT, 1, 1)


def test_the_end(start_pooled):
    """Each thread stops its data itself, after its last job, and those that wait have been answered."""
    server = start_pooled("threads=2")
    holders = Holders(server)
    holders.add(), holders.add()
    wait_for(lambda: pool(server)["busy"] == 2)
    holders.let_go()
    server.stop()
    said = server.error_text()
    # A thread that has just begun counts as busy: the other may have been quicker, and had both.
    stopped = dict(re.findall(r"^stopped (\d+) after (\d+) jobs$", said, re.M))
    assert sorted(stopped) == ["0", "1"] and sum(map(int, stopped.values())) == 2, said
    assert "started 2, stopped 2\n" in said


def test_metrics(start_pooled):
    server = start_pooled("name=a \"b\" \\")
    assert use(server)[0] == RESULT
    text = server.ask(path="/metrics").text()
    label = 'pool="a \\"b\\" \\\\"'
    assert f"weir_offload_pool_jobs_total{{{label}}} 1\n" in text and f"weir_offload_pool_threads{{{label}}} 1\n" in text
    assert 'weir_offload_pool_jobs_total{pool="bare"} 0\n' in text
    assert "# TYPE weir_offload_pool_jobs_refused_total counter\n" in text


@pytest.mark.parametrize("setting, told", [
    ("name=bare", 'offload pool "bare": a pool of that name is there already'),
    ("name=", 'offload pool "": a name has 1 to 31 bytes, all of them printable ASCII'),
    ("threads=257", 'offload pool "records": threads: 257 is not within 1 and 256'),
    ("max_queued=-1", 'offload pool "records": max_queued: -1 is not within 1 and 1000000'),
    ("idle_s=86401", 'offload pool "records": idle_s: 86401 is not within 1 and 86400'),
])
def test_a_wrong_pool_is_an_error_of_the_start(setting, told):
    done = subprocess.run([BUILD / "tests/programs/pooled", setting], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and told in done.stderr, done.stderr
