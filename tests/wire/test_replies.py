"""Replies that handlers get wrong: whatever they announce, write or put into a header, the bytes on the connection stay replies.

SPDX-License-Identifier: MIT
"""

import json
import signal
import socket
import urllib.parse

import pytest

from client import ProtocolError, request
from conftest import SANITIZE, Server
from faults import RESET, wait_for

pytestmark = pytest.mark.threaded
EDEADLK = -11
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


@pytest.mark.parametrize("name", ["Content-Length", "content-length", "Transfer-Encoding", "Connection", "Date", "", "a b", "a:",
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


# ---- A Content-Type from two sides, by tests/programs/replies.c


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("replies")
    (folder / "small.txt").write_text("small")
    (folder / "large.bin").write_bytes(bytes(range(256)) * 400)
    return folder


@pytest.fixture(scope="module")
def replies(folder):
    server = Server("tests/programs/replies", folder)
    yield server
    server.stop()


TYPED = ("text", "json", "reply", "printf", "static", "value", "file", "large", "missing", "error", "fail", "stream")


@pytest.mark.parametrize("how", TYPED)
def test_content_type_of_middleware(replies, how):
    """There is one, and it is what was said last."""
    with replies.connect() as connection:
        before = connection.ask(path=f"/typed/{how}")
        for task in ("set", "add", "set", "remove", "refused"):
            reply = connection.ask(path=f"/typed/{how}", headers={"X-Type": task})
            assert reply.status == before.status and reply.body == before.body
            expected = {"remove": None, "refused": before.header("Content-Type")}.get(task, "text/middleware")
            assert reply.header("X-Now") == (expected or "none")
            assert reply.header("X-Result") == ("-1" if task == "refused" else "0")
            assert reply.all("Content-Type") == ([expected] if expected else [])
            head = connection.ask("HEAD", f"/typed/{how}", headers={"X-Type": task})
            assert head.all("Content-Type") == reply.all("Content-Type")


# ---- Error pages

BELONGS = {"WWW-Authenticate": None, "Proxy-Authenticate": None, "Allow": None, "Retry-After": None, "Location": None, "Content-Range": 416,
           "Upgrade": 426, "Accept": 415}


@pytest.mark.parametrize("status", [400, 401, 405, 407, 415, 416, 426, 429, 500, 503])
def test_fields_of_an_error_survive_weir_fail(replies, status):
    """What belongs to the status stays; what belongs to the reply that was about to be made goes with it."""
    for method in ("GET", "HEAD"):
        reply = replies.ask(method, f"/fail/{status}?message=for+people")
        assert reply.status == status
        for name, only in BELONGS.items():
            assert bool(reply.all(name)) == (only in (None, status)), name
        assert reply.all("WWW-Authenticate") == ['Basic realm="a"', "Bearer"]
        for name in ("ETag", "Content-Encoding", "X-Other"):
            assert reply.header(name) is None
        assert reply.header("Content-Type") == "text/plain; charset=utf-8"


@pytest.mark.parametrize("way", ["fail", "error"])
@pytest.mark.parametrize("message, shown", [
    ("", ""), ("for people", "for people\n"), ("Straße 100 %", "Straße 100 %\n"), ("a\r\nb", "a  b\n"), ("a\tb\x1b[31m\x7f", "a b [31m \n"),
    ("<b>&", "<b>&\n"), ("x" * 512, "x" * 512 + "\n"), ("x" * 513, "x" * 512 + "\n"), ("x" * 511 + "ß", "x" * 511 + "\n"),
    ("x" * 3000, "x" * 512 + "\n")], ids=range(10))
def test_an_error_page_shows_its_message(replies, way, message, shown):
    """One line without control characters, cut between two characters."""
    reply = replies.ask(path=f"/{way}/409?message={urllib.parse.quote(message)}")
    assert (reply.status, reply.text()) == (409, "409 Conflict\n" + shown)
    assert reply.header("Content-Type") == "text/plain; charset=utf-8"


def test_error_pages_of_the_library_say_why(replies):
    assert replies.ask(path="/nowhere").text() == "404 Not Found\nno such page\n"
    reply = replies.ask("PUT", "/fail/400")
    assert reply.status == 405 and sorted(reply.header("Allow").split(", ")) == ["GET", "HEAD", "OPTIONS"]


# ---- Strings that are NULL, as weir_sprintf() gives when the request's memory is used up

NULL_REPLIES = ("reply", "text", "json", "static", "printf", "value", "redirect", "file", "root", "write", "print")


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("how", NULL_REPLIES)
def test_a_reply_of_null(replies, how, method):
    """An error page, never an empty 200; of want of memory it says so."""
    with replies.connect() as connection:
        for query, status, text in (("", 500, "invalid argument"), ("?used=1", 503, "memory")):
            reply = connection.ask(method, f"/null/{how}{query}")
            assert reply.status == status
            assert method == "HEAD" or (reply.text().count("\n") == 2 and text in reply.text())
        if how not in ("write", "print"):
            assert connection.ask("GET", f"/null/{how}?used=1&keep=1").text() == "kept"
    assert "NULL" in replies.error_text()


def test_calls_with_null(replies):
    with replies.connect() as connection:
        for query, error in (("", -1), ("?used=1", -2)):
            reply = connection.ask(path="/null-calls" + query)
            *results, quoted = reply.text().split()
            assert list(map(int, results)) == [error] * 5 + [-1, -1, 0, error, -1, -1, -1, -1, 0, 0, 0, 0] and quoted == "null"
            assert reply.header("X-Null") is None
        for path in ("/null-fail", "/null-message"):
            assert connection.ask(path=path).text() == "418 \n"
        assert connection.ask(path="/null/status").status == 500  # no error's status


# ---- Streams that cannot be written to their end


def broken_replies(server):
    return json.loads(server.ask(path="/ledger").text())["refusals"]["broken_reply"]


@pytest.mark.parametrize("on", [False, True])
@pytest.mark.parametrize("how, status", [("long", 500), ("used", 500), ("null", 500), ("format", 500)])
def test_a_stream_that_fails_before_its_head(replies, how, status, on):
    """What was written makes way for the page."""
    before = broken_replies(replies)
    with replies.connect() as connection:
        for when in ("first", "behind", *(["announced"] if how not in ("long", "used") else [])):
            for method in ("GET", "HEAD"):
                reply = connection.ask(method, f"/broken/{when}/{how}?used=1{'&on=1' if on else ''}")
                assert reply.status == status and reply.header("Content-Type") == "text/plain; charset=utf-8"
                assert method == "HEAD" or reply.text().startswith(f"{status} ")
        assert connection.ask(path="/typed/text").text() == "text"
    assert broken_replies(replies) == before


@pytest.mark.parametrize("version", ["1.0", "1.1"])
@pytest.mark.parametrize("on", [False, True])
@pytest.mark.parametrize("how", ["long", "used", "null", "format"])
@pytest.mark.parametrize("when", ["flushed", "yielded"])
def test_a_stream_that_fails_behind_its_head(replies, when, how, on, version):
    """It must not look whole: no last chunk, no end in order."""
    before = broken_replies(replies)
    with replies.connect() as connection:
        with pytest.raises((ProtocolError, ConnectionResetError)):
            connection.ask(path=f"/broken/{when}/{how}?used=1{'&on=1' if on else ''}", version=version)
    assert broken_replies(replies) == before + 1
    assert f"/broken/{{when}}/{{how}}: a reply was broken off" in replies.error_text()
    assert replies.ask("HEAD", f"/broken/{when}/{how}").status in (200, 500)


def test_a_stream_is_whole_where_it_can_be(replies):
    """Memory that was used up is no harm to what needs none."""
    reply = replies.ask(path="/null-calls?used=1")
    assert reply.status == 200 and reply.framing == "length"


# ---- Handlers that are refused while they run


@pytest.fixture(scope="module")
def hurried(folder):
    server = Server("tests/programs/replies", folder, "handler_timeout_ms=50", "max_body=1000")
    yield server
    server.stop()


@pytest.mark.parametrize("cause", ["time", "body"])
@pytest.mark.parametrize("first, then, expected", [
    ("nothing", "nothing", None), ("nothing", "ok", None), ("nothing", "status", 409), ("nothing", "error", 409), ("nothing", "fail", 409),
    ("nothing", "wait", None),
    ("status", "nothing", None), ("status", "wait", None), ("status", "status", 409), ("status", "error", 409), ("status", "fail", 409),
    ("status", "ok", 422), ("status", "text", 422), ("final", "nothing", 422), ("final", "wait", 422)])
def test_a_refused_handler(hurried, cause, first, then, expected):
    """The page of what refused it, unless it said something to that."""
    more = {"body": [b"x" * 600] * 2} if cause == "body" else {}
    reply = hurried.ask("POST", f"/refused/{first}/{then}", **more)
    status, page = (503, "503 Service Unavailable\nthe handler took too long\n") if cause == "time" else \
        (413, "413 Content Too Large\nthe body is too long\n")
    if expected:
        assert reply.status == expected
    else:
        assert (reply.status, reply.text()) == (status, page)
        assert reply.all("Retry-After") == (["1"] if cause == "time" else [])
    assert reply.closes


@pytest.mark.parametrize("first", ["nothing", "status"])
def test_a_handler_that_gets_no_memory_to_wait(start, folder, first):
    """It has set a status before it waits; there is one stack, which others need."""
    server = start("tests/programs/replies", folder, "max_stacks=1", "memory_wait_ms=50", "handler_timeout_ms=2000")
    reply = server.ask(path=f"/refused/{first}/nothing")
    assert reply.status == 503 and reply.text().startswith("503 Service Unavailable\n")


# ---- Circles of requests over several caches


def test_circles_over_caches(start, folder):
    """Whoever would close one is told; those who wait for it go on. Over two workers as on one."""
    server = start("tests/programs/replies", folder, "workers=2")
    for turn in range(20):
        for size in (1, 2, 3):
            connections = [server.connect() for _ in range(size)]
            for place, connection in enumerate(connections):
                connection.send(request(path=f"/circle/{size}/{turn * 3 + size - 1}/{place}"), "GET")
            results = sorted(int(connection.reply().text()) for connection in connections)
            assert results == [EDEADLK] + [0] * (size - 1)
            for connection in connections:
                connection.close()


# ---- A context where it must not be used


@pytest.mark.skipif(not SANITIZE, reason="debug and sanitizer builds look for it")
@pytest.mark.parametrize("how, call", [("offload", "weir_param"), ("other", "weir_set_status")])
def test_a_context_outside_of_its_fiber(folder, how, call):
    """In an offloaded function, or in another request's handler: the process ends and says why."""
    server = Server("tests/programs/replies", folder)
    try:
        with server.connect() as first, server.connect() as second:
            first.send(request(path="/misuse/keep"), "GET")
            assert server.ask(path="/typed/text").text() == "text"
            second.send(request(path=f"/misuse/{how}"), "GET")
            assert server.process.wait(30) == -signal.SIGABRT
        assert f"weir: {call}() was used outside of its handler's fiber" in server.error_text()
    finally:
        server.kill()


def test_error_page_of_a_client_that_went(replies):
    """weir_reply_error() returns why it could not make its page."""
    with replies.connect() as connection:
        connection.send(request(path="/going"), "GET")
        wait_for(lambda: replies.ask(path="/gone").text() == "1")
        connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    wait_for(lambda: replies.ask(path="/gone").text() != "1")
    assert replies.ask(path="/gone").text() == "-3"
