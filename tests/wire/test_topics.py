"""Topics for handlers, by tests/programs/topics.c: long polls, streams, publishing from anywhere, slow handlers, members,
and two servers that carry each other's topics.

SPDX-License-Identifier: MIT
"""

import json
import re
import socket
import subprocess
import time

import pytest

from client import Connection, request
from conftest import SANITIZE, Server

pytestmark = pytest.mark.threaded

ECLOSED, ETOOBIG, ETIMEDOUT, EACCES, EINVAL, ECANCELED = -3, -6, -7, -9, -1, -12


@pytest.fixture(scope="module")
def topics():
    server = Server("tests/programs/topics")
    found = re.search(r"bridged ([0-9.]+):(\d+)", server.output)
    server.other = (found.group(1), int(found.group(2)))
    yield server
    server.stop()


def text(server, path):
    return server.ask(path=path).text()


def wait_for(condition):
    """Waits until condition() is true."""
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def await_subscribers(server, topic, count):
    wait_for(lambda: int(text(server, f"/subscribers/{topic}")) == count)


def publish(server, topic, words="hello", more=""):
    assert text(server, f"/publish/{topic}?text={words}{more}") == "0"


def figures(server):
    return json.loads(text(server, "/ledger"))["topics"]


class Stream:
    """A handler that streams what it is given, a line each."""

    def __init__(self, address, path):
        self.socket = socket.create_connection(address, 30)
        self.socket.sendall(request(path=path, version="1.0"))
        self.file = self.socket.makefile("rb")
        while self.file.readline().strip():
            pass
        assert self.line() == "subscribed"

    def line(self):
        return self.file.readline().decode().rstrip("\n")

    def lines(self, count):
        return [self.line() for _ in range(count)]

    def close(self):
        self.file.close()
        self.socket.close()


# ---- Long polling


@pytest.mark.parametrize("by", ["", "&by=offload", "&by=thread"])
def test_poll_gets_what_is_published(topics, by):
    with topics.connect() as connection:
        connection.send(request(path="/poll/room/1"), "GET")
        await_subscribers(topics, "room/1", 1)
        publish(topics, "room/1", "good+news", "&event=news" + by)
        number, topic, event, words = connection.reply().text().split(" ", 3)
        assert (topic, event, words) == ("room/1", "news", "good news") and int(number) > 0
    await_subscribers(topics, "room/1", 0)


def test_polls_of_many_clients(topics):
    """On both workers, by a name and by patterns: all get the one message."""
    count = 20 if SANITIZE else 200
    paths = ["/poll/room/2", "/poll/room/+", "/poll/room/%23", "/poll/%23"]
    connections = [topics.connect() for _ in range(count)]
    for i, connection in enumerate(connections):
        connection.send(request(path=paths[i % len(paths)]), "GET")
    for topic in ("room/2", "room/+", "room/%23", "%23"):
        await_subscribers(topics, topic, count // len(paths))
    publish(topics, "room/2", "all")
    replies = {connection.reply().text() for connection in connections}
    assert len(replies) == 1 and replies.pop().endswith(" room/2 - all")
    for connection in connections:
        connection.close()
    for topic in ("room/2", "room/+", "room/%23", "%23"):
        await_subscribers(topics, topic, 0)


def test_poll_by_a_client_not_ours(topics):
    """curl, over HTTP/1.1 and HTTP/2 by prior knowledge."""
    for version in ("--http1.1", "--http2-prior-knowledge"):
        curl = subprocess.Popen(["curl", "-s", version, f"{topics.url}/poll/room/3"], stdout=subprocess.PIPE)
        await_subscribers(topics, "room/3", 1)
        publish(topics, "room/3", "curled")
        assert curl.communicate(timeout=30)[0].decode().endswith(" room/3 - curled")
        await_subscribers(topics, "room/3", 0)


def test_poll_times_out(topics):
    assert text(topics, "/poll/room/4?ms=50") == f"error {ETIMEDOUT}"
    assert text(topics, "/poll/room/4?ms=-1") == f"error {ETIMEDOUT}"
    assert figures(topics)["subscribers"] == 0


def test_poll_history(topics):
    """The last ones, and those after an id; and then what comes."""
    for i in range(12):
        publish(topics, "hall", str(i))
    assert text(topics, "/poll/hall?last=10").endswith(" hall - 2")
    first = text(topics, "/poll/hall?last=2")
    assert first.endswith(" hall - 10")
    seen = first.split()[0]
    second = text(topics, f"/poll/hall?after={seen}")
    assert second.endswith(" hall - 11")
    with topics.connect() as connection:
        connection.send(request(path=f"/poll/hall?after={second.split()[0]}"), "GET")
        await_subscribers(topics, "hall", 1)
        publish(topics, "hall", "12")
        assert connection.reply().text().endswith(" hall - 12")
    assert text(topics, "/poll/hall?after=1").endswith(" hall - 3")
    assert text(topics, "/two") == f"0 {EINVAL} 0 {ETIMEDOUT}"


def test_poll_of_what_is_not_allowed(topics):
    assert text(topics, "/poll/cellar") == f"error {EACCES}"
    assert text(topics, "/poll/room//4") == f"error {EINVAL}"
    assert text(topics, "/publish/cellar") == str(EACCES)
    assert text(topics, "/publish/room/+") == str(EINVAL)
    assert text(topics, "/publish/hall?text=%ff") == str(EINVAL)


def test_client_goes(topics):
    """The wait ends, and with it the subscription and its topic."""
    with topics.connect() as connection:
        connection.send(request(path="/poll/room/5"), "GET")
        await_subscribers(topics, "room/5", 1)
    await_subscribers(topics, "room/5", 0)
    wait_for(lambda: figures(topics)["topics"] == 1)


# ---- Streams


def test_stream_is_in_order(topics):
    """Three publishers at once to one topic: each one's messages are in order, and none is missing."""
    count = 100 if SANITIZE else 300
    streams = [Stream(topics.address, f"/stream/room/6?count={3 * count}") for _ in range(4)]
    await_subscribers(topics, "room/6", 4)
    publishers = [topics.connect() for _ in range(3)]
    for by, publisher in zip(("", "&by=offload", "&by=thread"), publishers):
        publisher.send(request(path=f"/publish/room/6?times={count}{by}"), "GET")
    heard = [stream.lines(3 * count) for stream in streams]
    for publisher in publishers:
        assert publisher.reply().text() == "0"
        publisher.close()
    for lines in heard:
        assert sorted(lines) == sorted([str(i) for i in range(1, count + 1)] * 3)
        assert lines == heard[0]
    for stream in streams:
        stream.close()


@pytest.mark.parametrize("how, lines, figure, missed", [
    ("skip", ["7", "8", "9", "10"], "skipped", 7), ("conflate", ["10"], "conflated", 10),
    ("disconnect", [f"error {ETOOBIG}"], "disconnected", 1)])
def test_slow_handler(topics, how, lines, figure, missed):
    """A handler that does not ask for its messages holds no more than the topic's bound, and what it misses is told."""
    before = figures(topics)[figure]
    text(topics, "/hold?on=1")
    try:
        stream = Stream(topics.address, f"/stream/{how}/1?count={len(lines)}")
        publish(topics, f"{how}/1")
        wait_for(lambda: figures(topics)["lagging"] == 1)  # at the first: where it stands decides what it misses
        assert text(topics, f"/publish/{how}/1?times=10") == "0"
        assert figures(topics)["messages"] <= 4 + 10  # hall's history is ten
    finally:
        text(topics, "/hold")
    assert stream.lines(len(lines)) == lines
    stream.close()
    assert figures(topics)[figure] == before + missed
    wait_for(lambda: figures(topics)["subscribers"] == 0)


def test_stop_ends_the_wait(start):
    """With the news of the stop, where the handler has asked for it."""
    server = start("tests/programs/topics", 1)
    stream = Stream(server.address, "/stream/room/7")
    connection = server.connect()
    connection.send(request(path="/poll/room/7"), "GET")  # is cut when the time is over
    await_subscribers(server, "room/7", 2)
    server.stop()
    assert stream.line() == f"error {ECANCELED}"
    stream.close()
    connection.close()


# ---- Members


def test_members(topics):
    presence = Stream(topics.address, "/stream/$presence/room/8?count=4")
    ann, ben = (Connection(topics.address) for _ in range(2))
    ann.send(request(path="/join/room/8?who=ann"), "GET")
    assert json.loads(presence.line()) == {"event": "join", "who": "ann", "members": 1}
    ben.send(request(path="/join/room/8?who=%22ben%22"), "GET")
    assert json.loads(presence.line()) == {"event": "join", "who": '"ben"', "members": 2}
    assert text(topics, "/members/room/8") == '2 ann,"ben",'
    ann.close()
    assert json.loads(presence.line()) == {"event": "leave", "who": "ann", "members": 1}
    ben.close()
    assert json.loads(presence.line()) == {"event": "leave", "who": '"ben"', "members": 0}
    assert text(topics, "/members/room/8") == "0 "
    presence.close()


# ---- Two servers


def test_bridge(topics):
    """What is published to either server arrives once at the subscribers of both, and is carried only where there are
    some."""
    other = Connection(topics.other)
    publish(topics, "room/9", "for+nobody")
    assert text(topics, "/bridges").split()[2:] == other.ask(path="/bridges").text().split()[2:]
    carried = [int(n) for n in text(topics, "/bridges").split()[2:]]
    here = Stream(topics.address, "/stream/room/9?count=3")
    there = Stream(topics.other, "/stream/room/+?count=3")
    assert text(topics, "/bridges").split()[:2] == ["1", "1"]
    publish(topics, "room/9", "one")
    assert other.ask(path="/publish/room/9?text=two").text() == "0"
    publish(topics, "room/9", "three")
    assert here.lines(3) == ["one", "two", "three"]
    assert there.lines(3) == ["one", "two", "three"]
    assert [int(n) for n in text(topics, "/bridges").split()[2:]] == [carried[0] + 2, carried[1] + 1]
    here.close()
    there.close()
    wait_for(lambda: text(topics, "/bridges").split()[:2] == ["0", "0"])
    other.close()


# ---- The ledger


def test_ledger(topics):
    """As JSON and as metrics: what was published, and who has it."""
    before = figures(topics)
    stream = Stream(topics.address, "/stream/room/+?count=2")
    now = figures(topics)
    assert now["patterns"] == 1 and now["subscribers"] == 1 and now["lagging"] == 0
    publish(topics, "room/10")
    publish(topics, "room/11")
    assert stream.lines(2) == ["hello", "hello"]
    stream.close()
    wait_for(lambda: figures(topics)["patterns"] == 0)
    now = figures(topics)
    assert now["published"] == before["published"] + 2 and now["delivered"] == before["delivered"] + 2
    assert now["topics"] == 1  # what was made at run time has gone
    metrics = text(topics, "/metrics")
    assert f"weir_topic_published_total {now['published']}\n" in metrics
    assert "weir_topics 1\n" in metrics
    accounts = {a["name"]: a for a in json.loads(text(topics, "/ledger"))["memory"]["accounts"]}
    assert accounts["topics"]["in_use"] > 0
    assert now["refused"] == before["refused"]
