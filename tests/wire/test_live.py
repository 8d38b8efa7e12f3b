"""Clients that stay: event streams, of topics and by hand, over HTTP/1.1, TLS and HTTP/2: tests/programs/live.c.

SPDX-License-Identifier: MIT
"""

import json
import socket
import subprocess
import threading
import time

import pytest

from client import request
from conftest import Server
from faults import wait_for

pytestmark = pytest.mark.threaded

VERSIONS = {"h1": ["--http1.1"], "h1.0": ["--http1.0"], "h2c": ["--http2-prior-knowledge"],
            "tls": ["--http1.1", "-k"], "h2": ["--http2", "-k"]}


@pytest.fixture
def server():
    server = Server("tests/programs/live", expect=r"(http://\S+)\nlistening on https://\S+\n")
    yield server
    server.stop()


def curl(server, path, *arguments):
    return subprocess.run(["curl", "-sS", "-m", "30", *arguments, server.url + path], capture_output=True, check=True).stdout.decode()


class Listener:
    """curl that reads an event stream; events are what has come, a dict for each."""

    def __init__(self, server, path, version="h1", *arguments):
        base = f"https://127.0.0.1:{server.tls_port}" if version in ("tls", "h2") else server.url
        self.process = subprocess.Popen(["curl", "-sSN", *VERSIONS[version], *arguments, base + path],
                                        stdout=subprocess.PIPE)
        self.events, self.comments, self.more = [], [], threading.Condition()
        self.ended = False
        self.thread = threading.Thread(target=self._read)
        self.thread.start()

    def _read(self):
        event = {}
        for line in self.process.stdout:
            line = line.decode().rstrip("\n")
            with self.more:
                if line == "":
                    if event:
                        self.events.append(event)
                    event = {}
                elif line.startswith(":"):
                    self.comments.append(line)
                else:
                    name, value = line.split(": ", 1)
                    event[name] = event[name] + "\n" + value if name in event else value
                self.more.notify_all()
        with self.more:
            self.ended = True
            self.more.notify_all()

    def until(self, condition, seconds=30):
        with self.more:
            assert self.more.wait_for(lambda: condition(self), seconds), (len(self.events), self.events[-3:], self.comments)

    def close(self):
        self.process.kill()
        self.process.wait()
        self.thread.join()


def until_subscribers(server, topic, count, seconds=30):
    end = time.monotonic() + seconds
    while (now := int(curl(server, f"/subscribers/{topic}"))) != count:
        assert time.monotonic() < end, f"{now} subscribers of {topic}"
        time.sleep(0.02)


def streams(server):
    """Event streams that are open, as the ledger has it."""
    return json.loads(curl(server, "/ledger"))["sockets"]["event_streams"]


@pytest.mark.parametrize("version", VERSIONS)
def test_messages_come_as_events_without_a_handler(server, version):
    listener = Listener(server, "/events/hall", version)
    listener.until(lambda l: l.comments)
    for i in range(5):
        curl(server, f"/publish/hall?text=message%20{i}%0Aand%20a%20line&event=said")
    listener.until(lambda l: len(l.events) == 5)
    assert [e["data"] for e in listener.events] == [f"message {i}\nand a line" for i in range(5)]
    assert {e["event"] for e in listener.events} == {"said"}
    ids = [int(e["id"]) for e in listener.events]
    assert ids == sorted(ids)
    assert streams(server) == 1
    listener.close()
    until_subscribers(server, "hall", 0)
    wait_for(lambda: streams(server) == 0)


@pytest.mark.parametrize("version", ["h1", "h2c"])
def test_many_messages_at_once_are_in_order(server, version):
    listeners = [Listener(server, "/events/hall", version) for _ in range(8)]
    for listener in listeners:
        listener.until(lambda l: l.comments)
    curl(server, "/publish/hall?times=2000")
    for listener in listeners:
        listener.until(lambda l: l.events and l.events[-1]["data"] == "1999")
        numbers = [int(e["data"]) for e in listener.events]
        assert numbers == sorted(set(numbers))
        listener.close()


def test_what_came_meanwhile_comes_first(server):
    for i in range(3):
        curl(server, f"/publish/hall?text=old%20{i}")
    listener = Listener(server, "/events/hall?last=2")
    listener.until(lambda l: len(l.events) == 2)
    assert [e["data"] for e in listener.events] == ["old 1", "old 2"]
    listener.close()
    seen = listener.events[0]["id"]
    again = Listener(server, "/events/hall", "h1", "-H", f"Last-Event-ID: {seen}")
    again.until(lambda l: len(l.events) == 1)
    assert again.events[0]["data"] == "old 2"
    curl(server, "/publish/hall?text=new")
    again.until(lambda l: len(l.events) == 2)
    again.close()


def test_a_pattern_and_a_second_topic(server):
    listener = Listener(server, "/events/room/%2B?also=hall")
    listener.until(lambda l: l.comments)
    for topic in ["room/1", "hall", "room/2", "room/1/deep"]:
        curl(server, f"/publish/{topic}?text={topic}")
    listener.until(lambda l: len(l.events) == 3)
    assert [e["data"] for e in listener.events] == ["room/1", "hall", "room/2"]
    listener.close()
    until_subscribers(server, "hall", 0)


def stalled(server, path):
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.connect(server.address)
    connection.sendall(request(path=path))
    head = b""
    while b": subscribed" not in head:
        head += connection.recv(1024)
    return connection


def test_one_that_takes_nothing_misses_messages_and_holds_up_nobody(server):
    slow = stalled(server, "/events/small")
    quick = Listener(server, "/events/small")
    quick.until(lambda l: l.comments)
    text = "x" * 3000
    for i in range(100):
        curl(server, f"/publish/small?text={text}{i}")
    quick.until(lambda l: len(l.events) == 100)
    data = b""
    while b"x99\n" not in data:
        piece = slow.recv(65536)
        assert piece
        data += piece
    assert 8 <= data.count(b"data: ") < 100
    slow.close()
    quick.close()


def test_one_that_takes_nothing_is_disconnected_where_the_topic_says_so(server):
    slow = stalled(server, "/events/strict")
    text = "x" * 3000
    for i in range(100):
        curl(server, f"/publish/strict?text={text}{i}")
    slow.settimeout(30)
    data = b""
    try:
        while piece := slow.recv(65536):
            data += piece
    except ConnectionResetError:
        pass
    assert b"x0\n" in data and b"x99\n" not in data
    slow.close()
    until_subscribers(server, "strict", 0)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_stop_ends_streams_in_order(server, version):
    listener = Listener(server, "/events/hall", version)
    listener.until(lambda l: l.comments)
    server.stop()
    listener.until(lambda l: l.ended)
    assert listener.process.wait() == 0
    listener.thread.join()


def test_events_by_hand(server):
    text = curl(server, "/counted", "-H", "Last-Event-ID: 17")
    assert text.startswith("event: seen\nretry: 50\ndata: 17\n\nid: 0\ndata: one\ndata: two\ndata: three\ndata: \n\nid: 1\n")
    assert "text/event-stream" in curl(server, "/counted", "-o", "/dev/null", "-w", "%{content_type}")


def test_what_is_no_topic_is_told(server):
    assert curl(server, "/events/nowhere", "-o", "/dev/null", "-w", "%{http_code}") == "400"
    assert curl(server, "/events/hall", "-I", "-o", "/dev/null", "-w", "%{http_code}") == "200"
