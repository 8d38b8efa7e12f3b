"""What a group of routes is answerable for, by tests/programs/groups.c: paths below it that no route matches, methods that
none serves, and settings of its own.

SPDX-License-Identifier: MIT
"""

import json

import pytest

from client import request
from conftest import SANITIZE, Server

pytestmark = pytest.mark.threaded

PROGRAM = "tests/programs/groups"
KEY = {"X-Key": "sesame"}
LONG_TENANT = "/tenant/" + "a" * 5000 + "/missing"
LONG_REST = "/outer/inner/" + "b/" * 1000 + "b" * 5000
LONG_NUMBER = "/guarded/here/" + "1" * 5000


@pytest.fixture(scope="module")
def groups():
    server = Server(PROGRAM)
    yield server
    server.stop()


# ---- What no route matches


@pytest.mark.parametrize("method, path, host, status, marks", [
    ("GET", "/outer/here", None, 200, "root outer"),
    ("GET", "/outer/missing", None, 404, "root outer"),
    ("GET", "/outer/", None, 404, "root outer"),
    ("GET", "/outer", None, 404, "root outer"),
    ("PUT", "/outer/here", None, 405, "root outer"),
    ("OPTIONS", "/outer/here", None, 204, "root outer"),
    ("GET", "/outer/inner/here", None, 200, "around root outer inner 200"),
    ("GET", "/outer/inner", None, 404, "around root outer inner 404"),
    ("GET", "/outer/inner/a/b/c", None, 404, "around root outer inner 404"),
    ("PUT", "/outer/inner/here", None, 405, "around root outer inner 405"),
    ("OPTIONS", "/outer/inner/here", None, 204, "around root outer inner 204"),
    # a prefix is whole segments, after dots and escapes have been resolved
    ("GET", "/outer/innermost", None, 404, "root outer"),
    ("GET", "/outermost", None, 404, "root"),
    ("GET", "/outer/../missing", None, 404, "root"),
    ("GET", "/x/../%6futer/missing", None, 404, "root outer"),
    ("GET", "/outer%2Fmissing", None, 404, "root"),
    ("GET", "/missing", None, 404, "root"),
    ("GET", "/outer/%00", None, 400, "root"),
    ("OPTIONS", "*", None, 204, "root"),
    # without a prefix or a host of its own a group is answerable for its routes' methods only
    ("GET", "/outer/bundled", None, 200, "root outer bundle"),
    ("PUT", "/outer/bundled", None, 405, "root outer bundle"),
    ("GET", "/missing", "a.host.test", 404, "root host"),
    ("GET", "/below/here", "a.host.test", 200, "root host below"),
    ("GET", "/below/missing", "a.host.test:80", 404, "root host below"),
    ("PUT", "/below/here", "a.host.test", 405, "root host below"),
    ("GET", "/below/missing", "host.test", 404, "root"),
    ("PUT", "/outer/here", "a.host.test", 405, "root outer"),
    # the prefix's parameters are there, and those of the route whose method is missing
    ("GET", "/tenant/acme/item/7", None, 200, "root acme tenant id"),
    ("GET", "/tenant/acme/missing/7", None, 404, "root acme tenant"),
    ("GET", "/tenant/acme", None, 404, "root acme tenant"),
    ("PUT", "/tenant/acme/item/7", None, 405, "root acme tenant id"),
    ("GET", "/tenant/7/missing", None, 404, "root"),
    ("GET", LONG_TENANT, None, 400, "root"),
    ("GET", LONG_REST, None, 404, "around root outer inner 404"),
], ids=lambda value: str(value)[:40])
def test_no_route(groups, method, path, host, status, marks):
    """Response middleware runs once, when the status is known, for the page as for a handler's reply."""
    with groups.connect() as connection:
        for _ in range(2):
            reply = connection.ask(method, path, host=host) if host else connection.ask(method, path)
            assert (reply.status, reply.header("X-Marks")) == (status, marks)


@pytest.mark.parametrize("method, path, status", [
    ("GET", "/guarded/here", 200), ("GET", "/guarded/missing", 404), ("GET", "/guarded", 200), ("GET", "/guarded/", 404),
    ("POST", "/guarded/here", 405), ("OPTIONS", "/guarded/here", 204), ("GET", "/guarded/here/7", 405),
    ("POST", "/guarded/here/7", 200), ("POST", "/guarded/here/x", 404), ("GET", LONG_NUMBER, 400),
    ("GET", "/slow/missing", 404), ("GET", "/same/closed", 200), ("PUT", "/same/closed", 405),
    ("GET", "/same/missing", 404), ("GET", "/members", 200), ("PUT", "/members", 405)],
    ids=lambda value: str(value)[:40])
def test_authentication_hides_what_is_there(groups, method, path, status):
    with groups.connect() as connection:
        refused = connection.ask(method, path)
        assert refused.status == 401 and refused.header("Allow") is None
        assert connection.ask(method, path, headers=KEY).status == status
        other = connection.ask("GET", path.rpartition("/")[0] + "/else" if path.count("/") > 1 else "/guarded/else")
        assert refused.status == other.status and refused.body == other.body


def test_what_is_open_stays_open(groups):
    """Of two groups with one prefix, the one with middleware before its handlers answers for what is not there."""
    for path, status in (("/same/open", 200), ("/same/closed", 401), ("/same/missing", 401), ("/nowhere", 404)):
        assert groups.ask(path=path).status == status


# ---- Memory of a group's requests


def accounts(server):
    memory = json.loads(server.ask(path="/ledger.json").text())["memory"]
    return {account["name"]: account for account in memory["accounts"]}


@pytest.mark.parametrize("path, most", [
    ("/alloc", 16 << 10), ("/roomy/alloc", 256 << 10), ("/roomy/tight/alloc", 4 << 10)])
def test_request_memory(groups, path, most):
    """To the byte, of requests that follow each other on one connection."""
    with groups.connect() as connection:
        for _ in range(2):
            for size, given in ((most, "given"), (most + 1, "none"), (100, "given")):
                assert connection.ask(path=f"{path}/{size}").text() == given
            assert connection.ask(path=f"/alloc/{(16 << 10) + 1}").text() == "none"


def test_request_memory_behind_long_parameters(groups):
    """What was decoded before the route was known stays, in a block of the usual size."""
    with groups.connect() as connection:
        for name in ("n", "n" * 600, "%6e" * 900, "n" * 5000):
            reply = connection.ask(path=f"/roomy/named/{name}/alloc/250000")
            assert (reply.status, reply.text()) == (200, "given")
        assert groups.ask(path="/roomy/missing").status == 404
    assert accounts(groups)["request arenas"]["objects"] <= 1  # of the handler that reads the ledger


@pytest.mark.parametrize("path", ["/roomy", ""])
def test_promised_request_memory(start, path):
    """Who is admitted has the memory of the group after a wait, however many there are and whatever waits beside."""
    limit = 12 << 20
    server = start(PROGRAM, f"memory_limit={limit}")
    size = (250 << 10) if path else (16 << 10)
    clients = [server.connect(timeout=120) for _ in range(20 if SANITIZE else 100)]
    for round_ in range(3):
        for i, connection in enumerate(clients):
            target = f"{path if i % 4 else ''}/alloc/{size if i % 4 else 16384}/late/{10 + i % 7}"
            connection.send(request(path=target), "GET")
        for connection in clients:
            reply = connection.reply()
            assert (reply.status, reply.text()) == (200, "given"), round_
        assert server.ask(path=f"{path}/alloc/{size}").text() == "given"
        found = json.loads(server.ask(path="/ledger.json").text())["memory"]
        assert found["reserved"] <= limit and found["limit"] == limit
        assert {a["name"]: a["refused"] for a in found["accounts"] if a["refused"]} == {}
    for connection in clients:
        connection.close()


# ---- A handler's time


@pytest.mark.parametrize("setting", [0, 100, -1])
def test_handler_timeout(start, setting):
    """A group's own holds whether the server has one or none, and without one it has none whatever the server's is."""
    server = start(PROGRAM, f"handler_timeout_ms={setting}")
    with server.connect() as connection:
        assert connection.ask(path="/hasty/here").text() == "hello\n"
        assert connection.ask(path="/hasty/patient/doze/400").text() == "awake"
        assert connection.ask(path="/hasty/doze/60000").status == 503
    with server.connect() as connection:
        assert connection.ask(path="/hasty/missing").status == 404
        assert connection.ask(path="/hasty/patient/doze/400").text() == "awake"
        if setting > 0:
            assert connection.ask(path="/doze/60000").status == 503
        else:
            assert connection.ask(path="/doze/200").text() == "awake"
    assert json.loads(server.ask(path="/ledger.json").text())["refusals"]["handler_timeout_ms"] == 1 + (setting > 0)
