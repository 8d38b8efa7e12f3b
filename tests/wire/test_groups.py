"""What a group of routes is answerable for, by tests/programs/groups.c: paths below it that no route matches, methods
that none serves, and settings of its own; and what its handlers ask about a request.

SPDX-License-Identifier: MIT
"""

import json
import re
import subprocess

import pytest

from client import ProtocolError, request
from conftest import BUILD, MIB, SANITIZE, Server
from faults import wait_for

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
    ("GET", LONG_TENANT, None, 414, "root"),
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
    ("POST", "/guarded/here/7", 200), ("POST", "/guarded/here/x", 404), ("GET", LONG_NUMBER, 414),
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


# ---- Numbers


@pytest.mark.parametrize("path, number, told", [
    ("/numbers/7?q=8", "9", "0 7 0 8 0 9 -1"),
    ("/numbers/-7", None, "0 -7 0 77 0 77 -1"),
    ("/numbers/%37?q=%31%32&q=x", " 12 ", "0 7 0 12 0 12 -1"),
    ("/numbers/101?q=0", "-1", "-6 77 -6 77 -6 77 -1"),
    ("/numbers/7x?q=+8", "9 9", "-1 77 -1 77 -1 77 -1"),
    ("/numbers/%20?q=", "", "-1 77 -1 77 -1 77 -1"),
    ("/numbers/0?q=99999999999999999999", "9223372036854775807", "0 0 -6 77 0 9223372036854775807 -1")])
def test_numbers(groups, path, number, told):
    """Checked whole numbers of parameters, query and headers; what is not there leaves the default."""
    assert groups.ask(path=path, headers={"X-Number": number} if number is not None else {}).text() == told


@pytest.mark.parametrize("body", [None, b"body", [b"bo", b"dy"]])
def test_null_is_an_error(groups, body):
    """Whatever asks about the request survives NULL."""
    with groups.connect() as connection:
        for _ in range(2):
            reply = connection.ask("POST", "/nothing?=1&a=2", headers={"X-A": "1", "Cookie": "=1; a=2"}, body=body)
            assert reply.text() == f"0 null {3 + (body is not None)}"


@pytest.mark.parametrize("piece", ["a%2F", "a/", "%61"])
def test_authentication_hides_what_is_there_however_long_the_path(groups, piece):
    """Also where there is no memory for what a long path would be decoded to."""
    paths = ["/guarded/" + piece * ((length - 9) // len(piece)) for length in range(3800, 8100, 61)]
    statuses = [groups.ask(path=path).status for path in paths]
    assert set(statuses) <= {401, 503}  # 503: there is not even room for the path
    assert statuses.count(401) > len(statuses) // 2


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
        for name in ("n", "n" * 600, "%6e" * 900, "n" * 4096):
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


# ---- Bodies larger than request memory

PAGE = 4096
WHOLE = MIB + PAGE  # what a body of 1 MiB takes: with its NUL and what is noted of it, a page more
FIRST = 64 << 10


TEXT = b"".join(b"%07d " % i for i in range(MIB // 8 + 1))


def text(size):
    """Bytes in which no two places look alike."""
    return TEXT[:size]


def bodies(server):
    return accounts(server)["bodies"]


def nothing_is_held(server):
    wait_for(lambda: bodies(server)["reserved"] == 0, lambda: bodies(server))
    found = bodies(server)
    assert found["in_use"] == found["objects"] == 0
    return found


@pytest.mark.parametrize("chunk", [None, 1000, 30000])
@pytest.mark.parametrize("size", [0, 1, 8100, 8191, 8192, 8193, 16384, FIRST - 17, FIRST - 16, 100000, MIB - 1, MIB])
def test_body(groups, size, chunk):
    """Whole, again at the second call, there still for deferred calls, and given back."""
    body = text(size)
    pieces = [body[i:i + chunk] for i in range(0, size, chunk)] if chunk else body
    before = int(groups.ask(path="/deferred").text())
    with groups.connect() as connection:
        for i in range(3):
            reply = connection.ask("POST", "/bodies/echo", body=pieces)
            assert reply.status == 200 and reply.body == body
        assert connection.ask("POST", "/bodies/fail", body=pieces).status == 409
        assert connection.ask(path="/guarded/here").status == 401
    assert int(groups.ask(path="/deferred").text()) == before + 4 * size
    nothing_is_held(groups)


def announce(connection, path, length):
    """A head alone: of a body that is too long nothing is sent."""
    connection.send(request("POST", path, headers={"Content-Length": length}), "POST")


@pytest.mark.parametrize("path, most", [
    ("/bodies/echo", MIB), ("/bodies/echo/70000", 70000), ("/bodies/echo/5", 5), ("/bodies/small/echo", None),
    ("/echo", None)])
def test_body_too_long(groups, path, most):
    """Without body_memory, or with little, what request memory has room for is the limit: less than 16 KiB."""
    for size in ((most, most + 1) if most else (15000, 16384)):
        with groups.connect() as connection:
            if size in (most, 15000):
                assert connection.ask("POST", path, body=text(size)).body == text(size)
                assert connection.ask("POST", path, body=[text(size)]).body == text(size)
                continue
            announce(connection, path, size)
            assert connection.reply().status == 413
        with groups.connect() as connection:
            assert connection.ask("POST", path, body=[text(size)]).status == 413
    nothing_is_held(groups)


def test_body_grows_with_what_has_come(groups):
    """Who announces much and sends little holds little."""
    clients = [groups.connect() for _ in range(20)]
    try:
        for connection in clients:
            announce(connection, "/bodies/echo", MIB)
        groups.ask("POST", "/bodies/echo", body=text(20000))
        assert bodies(groups)["reserved"] == 0
        sent = 0
        for part, each in ((1, FIRST), (FIRST - 17, FIRST), (FIRST - 16, FIRST * 2), (FIRST * 3, FIRST * 4),
                           (MIB // 2, MIB)):
            for connection in clients:
                connection.send(text(MIB)[sent:part])
            sent = part
            wait_for(lambda: bodies(groups)["in_use"] == len(clients) * each, lambda: (part, bodies(groups)))
            assert bodies(groups)["objects"] == len(clients)
        for connection in clients[:10]:
            connection.send(text(MIB)[sent:])
            assert connection.reply().body == text(MIB)
        wait_for(lambda: bodies(groups)["reserved"] == 10 * MIB, lambda: bodies(groups))
    finally:
        for connection in clients:
            connection.close()  # in the middle of their bodies
    nothing_is_held(groups)


def fill(server, count):
    """Clients that have sent all of their bodies but the last byte."""
    clients = []
    for i in range(count):
        clients.append(server.connect(timeout=60))
        announce(clients[-1], "/bodies/echo", MIB)
        clients[-1].send(text(MIB)[:-1])
        wait_for(lambda: bodies(server)["in_use"] == (i + 1) * WHOLE, lambda: bodies(server))
    return clients


@pytest.mark.parametrize("settings, most", [
    ((f"max_body_memory={2 * WHOLE + PAGE}",), 2 * WHOLE + PAGE), (("memory_limit=12582912",), 3 * MIB)])
def test_bodies_together(start, settings, most):
    """At the bound of all bodies a further one is told 503; others are served, and it is when there is room again."""
    server = start(PROGRAM, *settings)
    assert bodies(server)["limit"] == most
    clients = fill(server, 2)
    with server.connect() as connection:
        announce(connection, "/bodies/echo", MIB)
        while bodies(server)["refused"] == 0:
            try:
                connection.send(text(FIRST // 2))
            except ConnectionError:
                break
        assert connection.reply().status == 503
    assert server.ask("POST", "/bodies/echo", body=text(15000)).status == 200
    assert server.ask(path="/alloc/100/late/10").text() == "given"
    wait_for(lambda: bodies(server)["reserved"] == 2 * WHOLE, lambda: bodies(server))
    clients[0].send(text(MIB)[-1:])
    assert clients[0].reply().body == text(MIB)
    assert server.ask("POST", "/bodies/echo", body=text(MIB)).body == text(MIB)
    clients[1].send(text(MIB)[-1:])
    assert clients[1].reply().body == text(MIB)
    for connection in clients:
        connection.close()
    assert nothing_is_held(server)["peak"] <= most


def test_bodies_of_handlers_that_are_ended(groups):
    """At any moment, also while others have their turn: what was read so far is given back."""
    body = bytes(MIB)
    for _ in range(100):
        with groups.connect() as connection:
            try:
                connection.ask("POST", "/bodies/hurried/echo", body=body)
            except (OSError, ProtocolError):
                pass  # it is refused while it sends, or told nothing
    nothing_is_held(groups)


def test_bodies_leave_room_for_others(start):
    """Without a bound of their own they have what memory_limit allows, and requests that do not wait are served."""
    limit = 12 << 20
    server = start(PROGRAM, f"memory_limit={limit}", "max_body_memory=-1")
    clients = []
    while bodies(server)["refused"] == 0:
        clients.append(server.connect(timeout=60))
        announce(clients[-1], "/bodies/echo", MIB)
        try:
            clients[-1].send(text(MIB)[:-1])
        except ConnectionError:
            break
        wait_for(lambda: bodies(server)["in_use"] == len(clients) * WHOLE or bodies(server)["refused"] > 0,
                 lambda: bodies(server))
    assert 4 <= len(clients) <= 11
    memory = json.loads(server.ask(path="/ledger.json").text())["memory"]
    assert memory["reserved"] <= limit
    assert server.ask(path="/alloc/16000").text() == "given"
    for connection in clients:
        connection.close()
    nothing_is_held(server)


def test_bodies_and_the_settings_disagree():
    done = subprocess.run([BUILD / PROGRAM, f"max_body_memory={MIB}"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          timeout=60)
    assert done.returncode == 1
    assert re.search(rf"setting max_body_memory: {MIB} is less than a group's body_memory, {MIB}, takes: {WHOLE}\n",
                     done.stderr.decode())


def test_bodies_leave_nothing_behind(groups):
    """Memory is level over thousands of bodies, by the kernel's count and by the ledger's."""
    def some(count):
        with groups.connect() as connection:
            for i in range(count):
                size = 20000 + i * 7919 % 300000
                body = text(size) if i % 3 else [text(size)]
                assert connection.ask("POST", "/bodies/echo", body=body).status == 200
        nothing_is_held(groups)
        groups.ask(path="/alloc/16384")

    some(100)
    before, ledger = groups.private(), {name: a["reserved"] for name, a in accounts(groups).items()}
    some(200 if SANITIZE else 3000)
    more = {name: a["reserved"] for name, a in accounts(groups).items() if a["reserved"] > ledger.get(name, 0)}
    assert more == {}  # less there may be: pools go on giving back what earlier tests have left
    if not SANITIZE:
        assert groups.private() - before <= 64 << 10
