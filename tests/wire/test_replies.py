"""Replies that handlers get wrong: whatever they announce, write or put into a header, the bytes on the connection stay replies.

SPDX-License-Identifier: MIT
"""

import urllib.parse

import pytest

from client import ProtocolError
from conftest import Server

pytestmark = pytest.mark.threaded
WAYS = ("whole", "bytes", "flushed", "print")


@pytest.fixture(scope="module")
def server():
    server = Server("tests/programs/conform")
    yield server
    server.stop()


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("announced, written", [(1, 0), (10, 5), (3000, 2999), (50000, 20000)])
def test_fewer_bytes_than_announced(server, how, announced, written):
    """The client must not take it for whole, nor the next reply for the rest of it."""
    with server.connect() as connection:
        with pytest.raises((ProtocolError, ConnectionResetError)):
            connection.ask(path=f"/announce/{announced}/{written}/{how}")
            connection.ask()
    with server.connect() as connection:
        assert connection.ask("HEAD", f"/announce/{announced}/{written}/{how}").header("Content-Length") == str(announced)
        assert connection.ask().text() == "GET / host=localhost body="


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("announced, written", [(0, 1), (5, 10), (2999, 3000), (20000, 50000)])
def test_more_bytes_than_announced(server, how, announced, written):
    """Those that were announced, where they were written, and then the next reply; or an end, but never a reply that looks whole and is not."""
    for version in ("1.1", "1.0"):
        with server.connect() as connection:
            try:
                reply = connection.ask(path=f"/announce/{announced}/{written}/{how}", version=version,
                                       headers={"Connection": "keep-alive"})
            except (ProtocolError, ConnectionResetError):
                assert how in ("whole", "flushed")  # a write that is refused as a whole
                continue
            assert reply.body == b"x" * announced and reply.header("Content-Length") == str(announced)
            assert connection.ask().text() == "GET / host=localhost body="


def test_final_reply_overrides_the_announced_length(server):
    with server.connect() as connection:
        for announced, written in ((5, 10), (10, 5), (0, 50000), (50000, 0)):
            assert connection.ask(path=f"/announce/{announced}/{written}/reply").body == b"x" * written


TEXTS = ["a\r\nX-Evil: 1", "a\nX-Evil: 1", "a\rX-Evil: 1", "a\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", "\r\n", "\n", "\r", "a\x01b", "a\x7f",
         "a\r\n X-Evil: 1"]


@pytest.mark.parametrize("text", TEXTS)
def test_no_injection(server, text):
    """The client's parser refuses every head that is not exactly one."""
    value = urllib.parse.quote(text)
    with server.connect() as connection:
        for query in (f"name=X&value={value}", f"name={value}&value=x"):
            reply = connection.ask(path=f"/inject?{query}")
            results = [int(result) for result in reply.text().split()]
            if query.startswith("name=X"):
                assert all(result < 0 for result in results[:2] + results[3:])
            else:
                assert all(result < 0 for result in results[:3])
            assert reply.header("X-Evil") is None
        for path in ("type", "location"):
            reply = connection.ask(path=f"/inject/{path}?value={value}")
            assert reply.status == 500 and reply.header("X-Evil") is None
        for path in ("error", "fail"):
            reply = connection.ask(path=f"/inject/{path}?value={value}")
            assert reply.status == 400 and reply.header("X-Evil") is None
        assert connection.ask().text() == "GET / host=localhost body="


@pytest.mark.parametrize("name", ["Content-Length", "content-length", "Transfer-Encoding", "Connection", "Date", "Trailer", "", "a b", "a:",
                                  "(x)", "\u00e4"])
def test_framing_fields_are_the_librarys(server, name):
    with server.connect() as connection:
        reply = connection.ask(path=f"/inject?name={urllib.parse.quote(name)}&value=7")
        assert [int(result) for result in reply.text().split()][:2] == [-1, -1]
        assert connection.ask().status == 200


def test_statuses_that_cannot_be_set(server):
    with server.connect() as connection:
        for value in (-1, 0, 99, 100, 101, 199, 600, 1000, 2147483647):
            reply = connection.ask(path=f"/inject/status?value={value}")
            assert (reply.status, reply.text()) == (200, "-1")


def test_replies_without_content(server):
    with server.connect() as connection:
        for status, framing in ((204, "none"), (205, "length"), (304, "none")):
            for method in ("GET", "HEAD"):
                reply = connection.ask(method, path=f"/inject/status?value={status}")
                assert (reply.status, reply.received) == (status, 0)
                if method == "GET":
                    assert reply.framing == framing
        assert connection.ask("HEAD").received == 0
        assert connection.ask().text() == "GET / host=localhost body="
