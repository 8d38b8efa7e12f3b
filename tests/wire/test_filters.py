"""Reply filters: what a body becomes on its way out, for every kind of reply, and what becomes of the filters.

The server's filters are "upper" (as many bytes come out), "hex" (twice as many, held back until a flush or the end, "|"
behind a flush and "!" at the end), "text" (hex for texts only), "broken-N" and "fails-N".

SPDX-License-Identifier: MIT
"""

import json
import re
import subprocess
import time

import pytest

from client import ProtocolError, request
from conftest import MIB, SANITIZE, Server

LARGE = bytes(b"abcdefghijklmnopqrstuvwxyz\n"[i % 27] for i in range(300000))
HUGE = 16 * MIB if SANITIZE else 64 * MIB
STREAM = b"".join(b"line %d\n" % i for i in range(100))
PRINT_LARGE = b"".join(b"line %d\n" % i for i in range(20000))

# The replies, with what they are without filters, and whether their length is known when the filters begin.
KINDS = {
    "text": (200, b"some text", True),
    "json": (200, b'{"a":1}', True),
    "reply": (200, LARGE[:3000], True),
    "reply-large": (200, LARGE, True),
    "printf": (200, LARGE[:6000], True),
    "static": (200, b"static", True),
    "static-large": (200, LARGE, True),
    "value": (200, LARGE[:5], True),
    "value-large": (200, LARGE, True),
    "file": (200, b"Hello from a file.\n", True),
    "file-large": (200, None, True),
    "missing": (404, b"404 Not Found\nnot found\n", True),
    "error": (409, b"409 Conflict\na message\n", True),
    "fail": (409, b"409 Conflict\nfailed\n", True),
    "redirect": (302, b"", True),
    "nothing": (200, b"", True),
    "stream": (200, STREAM, True),
    "stream-large": (200, LARGE, False),
    "print-large": (200, PRINT_LARGE, False),
    "announced": (200, LARGE[:40000], True),
}
WAYS = ("request", "around", "response", "handler")
# Chains, outermost first, and what they make of a body.
CHAINS = {
    "upper": lambda body: body.upper(),
    "hex": lambda body: body.hex().encode() + b"!",
    "hex, upper": lambda body: body.upper().hex().encode() + b"!",
    "upper, hex": lambda body: body.hex().upper().encode() + b"!",
    "hex, hex": lambda body: (body.hex().encode() + b"!").hex().encode() + b"!",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("filters")
    (folder / "small.txt").write_bytes(KINDS["file"][1])
    (folder / "large.bin").write_bytes(bytes(i * 7 % 251 for i in range(MIB)))
    with open(folder / "huge.bin", "wb") as file:
        for _ in range(HUGE // MIB):
            file.write(LARGE[:1] * MIB)
    return folder


@pytest.fixture(scope="module")
def server(folder):
    server = Server("tests/programs/filters", folder)
    yield server
    server.stop()


@pytest.fixture
def start_filters(start, folder):
    return lambda *settings: start("tests/programs/filters", folder, *settings)


def counts(server):
    return json.loads(server.ask(path="/counts").body)


def since(server, before, sent):
    """What has been counted since: every filter that was added has been released, and none of them twice, once `sent`
    more replies are out."""
    deadline = time.monotonic() + 60
    while True:
        now = counts(server)
        if now["sent"] - before["sent"] >= sent and now["added"] == now["released"]:
            break
        assert time.monotonic() < deadline, (before, now)
        time.sleep(0.02)
    assert now["twice"] == 0
    assert now["sent"] - before["sent"] == sent == now["deferred"] - before["deferred"]
    return {name: now[name] if name in ("sent_bytes", "sent_error", "add_error", "write_error") else now[name] - before[name]
            for name in now}


def body_of(folder, kind):
    return (folder / "large.bin").read_bytes() if kind == "file-large" else KINDS[kind][1]


def fields(chain, when="request", **more):
    return {"X-Filters": chain, "X-When": when, **more}


@pytest.mark.parametrize("when", WAYS)
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_reply(server, folder, kind, when):
    status, _, known = KINDS[kind]
    body = body_of(folder, kind)
    for chain, filtered in CHAINS.items():
        keeps = chain == "upper"
        for version in ("1.1", "1.0"):
            before = counts(server)
            reply = server.ask(path=f"/reply/{kind}", version=version, headers=fields(chain, when))
            assert reply.status == status and reply.body == filtered(body)
            first = reply.all("X-Begin")[0].split()
            assert first == [chain.split(", ")[-1], str(status), str(len(body) if known else -1)]
            assert reply.header("X-Response") == "seen"
            if keeps and known:
                assert reply.header("Content-Length") == str(len(body))
            elif len(reply.body) > 8192:
                assert reply.framing == ("chunked" if version == "1.1" else "close")
            elif len(reply.body) < 4096:
                assert reply.framing == "length"
            found = since(server, before, 1)
            assert found["added"] == len(chain.split(", "))
            assert found["sent_bytes"] == len(reply.body) and found["sent_error"] == 0


@pytest.mark.parametrize("when", WAYS)
@pytest.mark.parametrize("kind", KINDS)
def test_head_requests(server, folder, kind, when):
    """The head as it would be for GET as far as it is known: no data goes through a filter."""
    status, _, known = KINDS[kind]
    body = body_of(folder, kind)
    for chain in CHAINS:
        before = counts(server)
        with server.connect() as connection:
            reply = connection.ask("HEAD", f"/reply/{kind}", headers=fields(chain, when))
            assert reply.status == status
            assert reply.all("X-Begin")[0].split()[2] == str(len(body) if known else -1)
            assert reply.header("Content-Length") == (str(len(body)) if chain == "upper" and known else None)
            assert connection.ask(path="/reply/text").text() == "some text"
        found = since(server, before, 2)
        assert found["begun"] == len(chain.split(", "))
        assert found["sent_error"] == 0


@pytest.mark.parametrize("when", WAYS)
@pytest.mark.parametrize("status", [204, 304])
def test_replies_without_a_body(server, status, when):
    for chain in CHAINS:
        before = counts(server)
        with server.connect() as connection:
            for _ in range(3):
                reply = connection.ask(path=f"/reply/{status}", headers=fields(chain, when))
                assert reply.status == status and reply.header("Content-Length") is None
        assert since(server, before, 3)["begun"] == 0


@pytest.mark.parametrize("when", WAYS)
@pytest.mark.parametrize("kind", ["file", "file-large"])
def test_ranges_of_a_file(server, folder, kind, when):
    """They are of the file as it is: no filter is asked."""
    body = body_of(folder, kind)
    before = counts(server)
    for chain in CHAINS:
        reply = server.ask(path=f"/reply/{kind}", headers={**fields(chain, when), "Range": "bytes=2-5"})
        assert reply.status == 206 and reply.body == body[2:6]
        reply = server.ask(path=f"/reply/{kind}", headers={**fields(chain, when), "Range": f"bytes=0-0,{len(body) - 1}-"})
        assert reply.status == 206 and reply.body.count(body[:1]) and len(reply.body) == int(reply.header("Content-Length"))
    assert since(server, before, 2 * len(CHAINS))["begun"] == 0


@pytest.mark.parametrize("when", WAYS)
@pytest.mark.parametrize("kind, passes", [("text", False), ("json", True), ("file-large", False)])
def test_a_filter_that_passes(server, folder, kind, passes, when):
    """It decides by the type; and a file that all pass goes out with its length, by sendfile."""
    reply = server.ask(path=f"/reply/{kind}", headers=fields("text", when))
    body = body_of(folder, kind)
    assert reply.body == (body if passes else CHAINS["hex"](body))
    assert (reply.header("X-Begin") is None) == passes
    reply = server.ask(path=f"/reply/{kind}", headers=fields("text, upper", when))
    assert reply.body == CHAINS["upper" if passes else "hex, upper"](body)
    if passes:
        assert reply.header("Content-Length") == str(len(body))


@pytest.mark.parametrize("when", WAYS)
def test_flush_is_seen_by_the_client(server, when):
    """What was written before a flush is there, decoded up to its mark, before the reply ends; so it is before a wait."""
    with server.connect() as connection:
        reply = connection.ask(path="/reply/flushed", headers=fields("hex", when, **{"X-Marks": "1"}))
        assert reply.body == b"first".hex().encode() + b"|" + b"second".hex().encode() + b"!"
    before = counts(server)
    with server.connect() as connection:
        connection.send(request(path="/reply/wait", headers=fields("hex, upper", when, **{"X-Marks": "1"})), "GET")
        expected = b"BEFORE".hex().encode() + b"|"
        while connection.parser.current is None or len(connection.parser.current.body) < len(expected):
            assert connection.fill()
        assert connection.parser.current.body == expected
    assert since(server, before, 1)["added"] == 2  # the client's end has ended the wait


@pytest.mark.parametrize("when", WAYS)
@pytest.mark.parametrize("kind, error", [("short", 0), ("long", -6)])
def test_an_announced_length_is_held_against_what_is_written(server, kind, error, when):
    for chain in CHAINS:
        before = counts(server)
        with server.connect() as connection:
            with pytest.raises((ProtocolError, ConnectionResetError)):
                connection.ask(path=f"/reply/{kind}", headers=fields(chain, when))
                connection.ask()
        found = since(server, before, 1)
        assert found["sent_error"] < 0
        assert error == 0 or found["write_error"] == error


@pytest.mark.parametrize("when", WAYS)
def test_more_than_was_announced_is_left_out(server, when):
    for chain, filtered in CHAINS.items():
        with server.connect() as connection:
            for _ in range(2):
                assert connection.ask(path="/reply/over", headers=fields(chain, when)).body == filtered(LARGE[:40000])
                assert counts(server)["write_error"] == -6


@pytest.mark.parametrize("when", WAYS)
def test_a_reply_that_fails_late_is_broken_off(server, when):
    for chain in CHAINS:
        before = counts(server)
        with server.connect() as connection:
            with pytest.raises((ProtocolError, ConnectionResetError)):
                connection.ask(path="/reply/fail-late", headers=fields(chain, when))
                connection.ask()
        assert since(server, before, 1)["sent_error"] < 0


@pytest.mark.parametrize("kind", ["text", "reply-large", "static-large", "file-large", "stream", "stream-large", "flushed"])
@pytest.mark.parametrize("step", [0, 1, 9])
def test_a_filter_that_fails(server, kind, step):
    """Before the head is out it is an error of the reply, whose page goes out without filters; else the reply is broken
    off. The next request is served."""
    before = counts(server)
    whole = step == 0 or kind in ("text", "stream")
    for chain in (f"hex, broken-{step}", f"broken-{step}, hex"):
        with server.connect() as connection:
            try:
                reply = connection.ask(path=f"/reply/{kind}", headers=fields(chain))
                assert reply.status in (500, 503) and reply.text().startswith(str(reply.status))
            except (ProtocolError, ConnectionResetError):
                assert not whole
    assert since(server, before, 2)["added"] == 4
    assert server.ask(path="/reply/text").text() == "some text"


@pytest.mark.parametrize("kind", ["text", "reply-large", "static-large", "file-large", "stream", "stream-large", "flushed"])
@pytest.mark.parametrize("step", [0, 1, 9])
def test_a_filter_that_ends_the_handler(server, kind, step):
    """The page that it asks for goes out without filters while the head is not out; else the reply is broken off."""
    before = counts(server)
    whole = step == 0 or kind in ("text", "stream")
    for chain in (f"hex, fails-{step}", f"fails-{step}, hex"):
        with server.connect() as connection:
            try:
                reply = connection.ask(path=f"/reply/{kind}", headers=fields(chain))
                assert reply.status == 409 and "failed in a filter" in reply.text()
            except (ProtocolError, ConnectionResetError):
                assert not whole
    assert since(server, before, 2)["added"] == 4
    assert server.ask(path="/reply/text").text() == "some text"


def test_a_filter_that_is_added_too_late(server):
    reply = server.ask(path="/reply/late", headers=fields("hex", "late"))
    assert reply.text() == "head out"
    assert counts(server)["add_error"] == -4


def test_added_by_several(server):
    """By middleware before and behind the handler, and by the handler: what was added last gets the body first."""
    reply = server.ask(path="/reply/text", headers=fields("hex", "request handler response"))
    body = b"some text"
    for _ in range(3):
        body = CHAINS["hex"](body)
    assert reply.body == body
    reply = server.ask(path="/reply/stream-large", headers=fields("hex", "around response"))
    assert reply.body == CHAINS["hex, hex"](LARGE)


@pytest.mark.threaded
def test_pipelined(server, folder):
    """Filters are one reply's: those before and behind it have others, or none."""
    kinds = [kind for kind in KINDS if kind != "nothing"] * 2
    chains = [*CHAINS, None]
    with server.connect() as connection:
        data, expected = b"", []
        for i, kind in enumerate(kinds):
            chain = chains[i % len(chains)]
            data += request(path=f"/reply/{kind}", headers=fields(chain, WAYS[i % 4]) if chain else {})
            body = body_of(folder, kind)
            expected.append(CHAINS[chain](body) if chain else body)
        connection.send(data, *["GET"] * len(kinds))
        for body in expected:
            assert connection.reply().body == body


@pytest.mark.parametrize("when", ("request", "around", "response"))
@pytest.mark.parametrize("size", [0, 10, 5000, 200000])
def test_bodies_of_requests(server, size, when):
    """A filtered echo; a final reply before the body is read; one whose body nobody reads."""
    body = LARGE[:size]
    for chain, filtered in CHAINS.items():
        for sent in (body, [body[i:i + 3000] for i in range(0, size, 3000)]):
            with server.connect() as connection:
                reply = connection.ask("POST", "/reply/echo", headers=fields(chain, when), body=sent)
                assert reply.body == filtered(body)
                reply = connection.ask("POST", "/reply/echo?final=1", headers=fields(chain, when), body=sent)
                assert reply.body == filtered(LARGE[:3000])
                reply = connection.ask("POST", "/reply/echo?unread=1", headers=fields(chain, when), body=sent)
                assert reply.body == filtered(b"not read")
    now = counts(server)
    assert now["added"] == now["released"] and now["twice"] == 0


@pytest.mark.parametrize("when", ("request", "around", "response"))
def test_a_final_reply_makes_room_for_the_body(server, when):
    """The head fills the buffer so far that both directions share the other one: the reply has to be out, through its
    filters, before the body is received."""
    for chain, filtered in CHAINS.items():
        with server.connect() as connection:
            for size in (0, 20000):
                reply = connection.ask("POST", "/reply/echo?final=1", body=LARGE[:size],
                                       headers=fields(chain, when, **{"X-Fill": "x" * 6500}))
                assert reply.body == filtered(LARGE[:3000])
    now = counts(server)
    assert now["added"] == now["released"] and now["twice"] == 0


@pytest.mark.threaded
@pytest.mark.parametrize("kind", ["endless", "file-huge", "static-large", "stream-large", "print-large"])
def test_a_client_that_goes_in_the_middle(server, kind):
    before = counts(server)
    rounds = 5
    for i in range(rounds):
        with server.connect(receive_buffer=4096) as connection:
            connection.send(request(path=f"/reply/{kind}", headers=fields("hex, upper", WAYS[i % 3])), "GET")
            while connection.parser.current is None or connection.parser.current.received < 10000 * i:
                connection.fill()
    since(server, before, rounds)


def test_a_client_that_is_too_slow(start_filters):
    """It takes nothing: the reply is cut, and its filters are let go of."""
    server = start_filters("write_timeout_ms=500")
    before = counts(server)
    connections = [server.connect(receive_buffer=4096) for _ in range(4)]
    for connection, kind in zip(connections, ("endless", "file-huge", "endless", "file-huge")):
        connection.send(request(path=f"/reply/{kind}", headers=fields("hex, upper")), "GET")
    assert since(server, before, 4)["sent_error"] < 0
    for connection in connections:
        connection.close()


def test_a_handler_over_its_time(start_filters):
    server = start_filters("handler_timeout_ms=300")
    before = counts(server)
    with server.connect(receive_buffer=4096) as connection:
        connection.send(request(path="/reply/endless", headers=fields("hex, upper")), "GET")
        since(server, before, 1)


@pytest.mark.threaded
def test_a_stop_in_the_middle(start_filters):
    """Connections are cut while their filters hold bytes back: the end is orderly, with nothing left behind."""
    server = start_filters()
    connections = [server.connect(receive_buffer=4096) for _ in range(6)]
    for connection, kind in zip(connections, ("endless", "file-huge", "wait") * 2):
        connection.send(request(path=f"/reply/{kind}", headers=fields("hex, upper")), "GET")
        while connection.parser.current is None:
            connection.fill()
    assert server.stop() >= 0
    for connection in connections:
        connection.close()


@pytest.mark.parametrize("settings", [("request_memory=4096",), ("request_memory=4096", "http_buffer_size=65536"),
                                      ("http_buffer_size=1024",), ("memory_limit=8388608",)])
def test_other_sizes(start_filters, folder, settings):
    """Little request memory beside large buffers, and the other way round."""
    server = start_filters(*settings)
    for kind, (status, _, _) in KINDS.items():
        for chain, filtered in CHAINS.items():
            reply = server.ask(path=f"/reply/{kind}", headers=fields(chain))
            if kind == "printf" and reply.status == 500:
                continue  # a text longer than what request_memory has left
            assert reply.status == status and reply.body == filtered(body_of(folder, kind)), (kind, chain)


def test_a_slow_client_gets_all_of_a_large_file_in_little_memory(start_filters, folder):
    """Each piece of a file waits until there is room for what becomes of it."""
    server = start_filters()
    path = "/reply/file-huge"
    for _ in range(3):  # what is made once
        with server.connect() as connection:
            connection.send(request(path=path, headers=fields("hex")), "GET")
            while connection.parser.current is None or connection.parser.current.received < MIB:
                connection.fill()
    server.ask(path="/counts")
    before, most = server.private(), 0
    received = 0

    def sink(reply, data):
        nonlocal received
        received += len(data)

    with server.connect(sink=sink, receive_buffer=8192) as connection:
        connection.send(request(path=path, headers=fields("hex")), "GET")
        looks = 0
        while not connection.parser.replies:
            assert connection.fill()
            if received > looks * (HUGE // 4):
                looks += 1
                time.sleep(0.05)  # it stops reading for a while
                most = max(most, server.private())
    assert received == 2 * HUGE + 1 and looks >= 8
    assert most - before <= (4 * MIB if SANITIZE else 128 * 1024), (before, most)


def test_curl(server, tmp_path, folder):
    """A client not written by us takes them the same way."""
    for kind in ("text", "stream-large", "file-large", "announced", "error"):
        for chain, filtered in CHAINS.items():
            for arguments in ([], ["--http1.0"], ["--head"]):
                out = tmp_path / "out"
                command = ["curl", "-s", "-S", "-o", out, "-D", tmp_path / "head", "-w", "%{http_code} %{size_download}",
                           "-H", f"X-Filters: {chain}", *arguments, f"{server.url}/reply/{kind}"]
                done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
                assert done.returncode == 0, done.stderr
                status, size = done.stdout.split()
                assert int(status) == KINDS[kind][0]
                head = (tmp_path / "head").read_text()
                lengths = re.findall(r"(?im)^content-length: (\d+)", head)
                if arguments == ["--head"]:
                    assert chain == "upper" or not lengths
                    continue
                body = filtered(body_of(folder, kind))
                assert out.read_bytes() == body and int(size) == len(body)
                assert lengths in ([], [str(len(body))])
