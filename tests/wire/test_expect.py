"""What takes a conversation: 100 Continue, bodies that nobody reads, refusals to a client that goes on sending, trailer fields.

SPDX-License-Identifier: MIT
"""

import shutil
import signal
import socket
import subprocess
import threading
import time

import pytest

from client import Connection, request
from conftest import Server

pytestmark = pytest.mark.threaded
EXPECT = {"Expect": "100-continue"}
EDONE = -5


@pytest.fixture(scope="module")
def server():
    server = Server("tests/programs/conform", "drain_limit=20000", "max_body=1000000")
    yield server
    server.stop()


def head(path, length, version="1.1", **more):
    return request("POST", path, {**EXPECT, "Content-Length": str(length), **more}, version=version)


# ---- 100 Continue


@pytest.mark.parametrize("chunked", [False, True])
def test_sent_at_the_first_read(server, chunked):
    body = b"5\r\nhello\r\n0\r\n\r\n" if chunked else b"hello"
    framing = {"Transfer-Encoding": "chunked"} if chunked else {"Content-Length": "5"}
    with server.connect() as connection:
        for _ in range(2):
            connection.send(request("POST", "/x", {**EXPECT, **framing}), "POST")
            interim = connection.reply()
            assert (interim.status, interim.headers) == (100, [])
            connection.send(body)
            assert connection.reply().text() == "POST /x host=localhost body=hello"


def test_not_sent_when_nobody_reads(server):
    """The client does not know whether to send, so the connection cannot be kept. What it sends all the same is not executed."""
    with server.connect() as connection:
        connection.send(head("/unread", 5), "POST")
        reply = connection.reply()
        assert (reply.status, reply.text(), reply.closes) == (200, "unread", True)
        connection.send(request())
        connection.expect_end()


def test_not_sent_after_a_reply(server):
    with server.connect() as connection:
        connection.send(head("/late", 5), "POST")
        reply = connection.reply()
        assert (reply.status, reply.text(), reply.closes) == (200, "late", True)
        connection.expect_end()
    assert server.ask(path="/late/result").text() == str(EDONE)


def test_not_sent_when_the_head_is_out(server):
    """A handler may still read what a client sends that has not waited for long."""
    with server.connect() as connection:
        connection.send(head("/head-first", 5), "POST")
        while connection.parser.current is None:
            connection.fill()
        assert connection.parser.current.status == 200
        connection.send(b"hello")
        assert connection.reply().text() == "head hello"


@pytest.mark.parametrize("sent", [1, 5])
def test_not_sent_when_the_body_has_come(server, sent):
    with server.connect() as connection:
        connection.send(head("/x", 5) + b"hello"[:sent], "POST")
        if sent < 5:
            connection.expect_open()
            connection.send(b"hello"[sent:])
        assert connection.reply().text() == "POST /x host=localhost body=hello"


def test_not_sent_to_http10(server):
    with server.connect() as connection:
        connection.send(head("/x", 5, version="1.0"), "POST")
        connection.expect_open()
        connection.send(b"hello")
        assert connection.reply().text() == "POST /x host=localhost body=hello"


def test_not_sent_for_an_empty_body(server):
    with server.connect() as connection:
        connection.send(head("/x", 0), "POST")
        assert connection.reply().status == 200


def test_not_sent_before_a_413(server):
    with server.connect() as connection:
        connection.send(head("/x", 1000001), "POST")
        assert connection.reply().status == 413
        connection.expect_end()


@pytest.mark.skipif(not shutil.which("curl"), reason="no curl")
def test_curl_waits_for_it(server):
    for path, proceed in (("x", True), ("unread", False)):
        run = subprocess.run(["curl", "-sv", "--expect100-timeout", "20", "-H", "Expect: 100-continue", "--data-binary", "hello",
                              f"{server.url}/{path}"], capture_output=True, text=True, timeout=60)
        assert run.returncode == 0, run.stderr
        assert ("100 Continue" in run.stderr) == proceed
        assert run.stdout.endswith("body=hello" if proceed else "unread")


# ---- Bodies that nobody reads


@pytest.mark.parametrize("body", [b"x" * 20000, [b"x" * 100] * 100], ids=["length", "chunked"])
def test_unread_body_is_drained(server, body):
    with server.connect() as connection:
        for _ in range(3):
            assert connection.ask("POST", "/unread", body=body).text() == "unread"
        assert connection.ask().status == 200


def test_chunked_body_whose_end_has_not_come(server):
    """Nobody knows how long it will be: the reply says that the connection ends, and it does."""
    with server.connect() as connection:
        connection.send(request("POST", "/unread", {"Transfer-Encoding": "chunked"}) + b"5\r\nhello\r\n", "POST")
        reply = connection.reply()
        assert reply.text() == "unread" and reply.closes
        connection.socket.sendall(b"0\r\n\r\n" + request())
        connection.expect_end()


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("half_closed", [False, True])
def test_longer_unread_body_lingers(server, chunked, half_closed):
    """The client reads only when it has sent everything."""
    body = [b"x" * 1000] * 300 if chunked else b"x" * 300000
    with server.connect() as connection:
        connection.send(request("POST", "/unread", body=body) + request(), "POST")
        if half_closed:
            connection.socket.shutdown(socket.SHUT_WR)
        reply = connection.reply()
        assert reply.text() == "unread" and reply.closes
        connection.expect_end()


# ---- Refusals to a client that goes on sending


@pytest.mark.parametrize("data", [b"GET / HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 20000,
                                  b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
                                  b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n"],
                         ids=["400", "431", "chunk", "413"])
def test_refusal_is_read_by_a_client_that_sends(server, data):
    with server.connect() as connection:
        connection.parser.methods.append("GET")
        sender = threading.Thread(target=connection.socket.sendall, args=(data + b"x" * 10000000,))
        sender.start()
        reply = connection.reply()
        assert reply.status in (400, 413, 431) and reply.closes
        connection.expect_end()
        sender.join()


@pytest.mark.parametrize("status, data", [
    (400, b"HEAD / HTTP/1.1\r\nX\r\n\r\n"), (400, b"\r\nHEAD / HTTP/1.1\r\n\r\n"), (400, b"HEAD index HTTP/1.1\r\nHost: a\r\n\r\n"),
    (414, b"HEAD /" + b"a" * 9000), (417, b"HEAD / HTTP/1.1\r\nHost: a\r\nExpect: miracle\r\n\r\n"),
    (431, b"HEAD / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 9000), (431, b"HEAD / HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 101 + b"\r\n"),
    (501, b"HEAD / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"), (505, b"HEAD / HTTP/2.0\r\nHost: a\r\n\r\n")],
    ids=["field", "Host", "target", "414", "417", "431", "431 many", "501", "505"])
def test_refused_head_gets_no_content(server, status, data):
    with server.connect() as connection:
        connection.send(data, "HEAD")
        reply = connection.reply()
        assert reply.status == status and reply.closes
        connection.expect_end()


@pytest.mark.parametrize("data, said", [
    (b"G@T / HTTP/1.1\r\n\r\n", "400 [] [] [] [] [] [] 0 0 malformed method"), (b"\r\n\rX", "400 [] [] [] [] [] [] 0 0 bare CR"),
    (b"GET /a?b HTTP/1.1\r\n\r\n", "400 [] [] [] [] [] [] 0 0 no Host"), (b"GET /" + b"a" * 9000, "414 [] [] [] [] [] [] 0 0 the request line is too long"),
    (b"GET a?b HTTP/1.1\r\nHost: h\r\n\r\n", "400 [GET] [a?b] [] [] [] [h] 1 1 malformed request target")],
    ids=["method", "empty line", "Host", "414", "target"])
def test_error_hook_of_a_refused_head(start, data, said):
    """What is not known is an empty string, which is nobody's memory to write to."""
    server = start("tests/programs/conform", "hook=1")
    with server.connect() as connection:
        connection.send(data, "GET")
        assert connection.reply().text() == said
        connection.expect_end()


@pytest.mark.parametrize("hook", [0, 1])
def test_handlers_answer_to_a_refused_body(start, hook):
    """What it says by weir_fail() is sent, also where the error hook writes the page piece by piece."""
    server = start("tests/programs/conform", f"hook={hook}")
    with server.connect() as connection:
        connection.send(request("POST", "/fail-after-error", {"Transfer-Encoding": "chunked"}) + b"ZZ\r\n", "POST")
        reply = connection.reply()
        assert reply.status == 422 and "my own words" in reply.text() and reply.closes
        connection.expect_end()


@pytest.mark.parametrize("rest", [0, 100, 100000])
def test_refusal_is_read_by_a_half_closed_client(server, rest):
    """All of it, and the end, have come before the refusal is sent or soon after."""
    for _ in range(20):
        with server.connect() as connection:
            connection.send(b"GET / HTTP/1.1\r\n\r\n" + b"x" * rest, "GET")
            connection.socket.shutdown(socket.SHUT_WR)
            assert connection.reply().status == 400
            connection.expect_end()


@pytest.mark.skipif(not shutil.which("curl"), reason="no curl")
def test_curl_reads_the_refusal(server):
    """curl as a plain connection: what it sends is not of its making, how it reads is."""
    host, port = server.address
    run = subprocess.run(["curl", "-s", "-N", f"telnet://{host}:{port}"], input=b"GET / HTTP/1.1\nHost: a\n\n" + b"x" * 50000,
                         capture_output=True, timeout=60)
    assert run.stdout.startswith(b"HTTP/1.1 400 Bad Request\r\n")


# ---- Heads that fill most of the buffer, and bodies behind them


@pytest.mark.parametrize("path, status, text", [
    ("/x", 200, "POST /x host=localhost body=hello"), ("/late-static", 200, "static"), ("/unread", 200, "unread"), ("/late", 200, "late"),
    ("/read-and-fail", 400, None), ("/print-nothing", 500, None)])
@pytest.mark.parametrize("behind", [0, 1, 3])
@pytest.mark.parametrize("padding", [100, 4000, 6200, 7600])
def test_reply_is_the_handlers(server, padding, behind, path, status, text):
    """A reply's head is its handler's, also while replies before it are unsent and the body is received in the buffer that they share."""
    large = 400000
    head = request("POST", path, {"Content-Length": 5, "X": "a" * padding})
    with server.connect(receive_buffer=4096) as connection:
        connection.send(request(path=f"/announce/{large}/{large}/static") * behind + head, *["GET"] * behind, "POST")
        time.sleep(0.1)  # so that the body comes by itself
        connection.socket.sendall(b"hello")
        for _ in range(behind):
            assert connection.reply().received == large
        reply = connection.reply()
        assert reply.status == status and (text is None or reply.text() == text)
        assert connection.ask(path="/y").text() == "GET /y host=localhost body="


@pytest.mark.parametrize("size", [1024, 8192])
def test_a_copied_reply_before_its_body_is_read(size):
    """Whatever of head and body fits the buffer: each reply is whole, and none is taken for another's body."""
    server = Server("tests/programs/conform", f"http_buffer_size={size}")
    for padding in (size * 10 // 16, size * 13 // 16):
        for length in range(size // 2, size + size // 4, max(1, size // 40)):
            with server.connect() as connection:
                connection.send(request("POST", f"/late-copy/{length}", {"Content-Length": 60, "X": "a" * padding}), "POST")
                time.sleep(0.005)  # so that the body comes by itself, most times
                connection.send(b"b" * 60 + request(path="/y"), "GET")
                assert bytes(connection.reply().body) == b"y" * length
                assert connection.reply().text() == "GET /y host=localhost body="
    server.stop()


@pytest.mark.parametrize("pieces", [2, 200])
@pytest.mark.parametrize("path", ["/stream-unread/20000", "/stream-unread/5"])
def test_unread_chunks_behind_a_head_that_is_out(server, path, pieces):
    """It has not said close: the rest of the body is waited for and dropped, and the connection goes on."""
    with server.connect() as connection:
        connection.send(request("POST", path, {"Transfer-Encoding": "chunked"}) + b"5\r\nhello\r\n" * pieces, "POST")
        time.sleep(0.1)
        connection.send(b"0\r\n\r\n" + request(path="/y"), "GET")
        reply = connection.reply()
        assert reply.received == int(path.split("/")[2]) and not reply.closes
        assert connection.reply().text() == "GET /y host=localhost body="


@pytest.mark.parametrize("body", [b"hello", [b"he", b"llo"]])
def test_response_middleware_reads_an_unread_body(server, body):
    with server.connect() as connection:
        assert connection.ask("POST", "/told/unread", body=body).header("X-Body") == "0 5"
        assert connection.ask(path="/y").status == 200


@pytest.mark.parametrize("data", [b"Content-Length: 10\r\n\r\nabc", b"Transfer-Encoding: chunked\r\n\r\nZZ\r\n",
                                  b"Content-Length: 5\r\nExpect: 100-continue\r\n\r\n"], ids=["half", "malformed", "expect"])
def test_reading_for_ever_leaves_the_worker_to_others(start, data):
    server = start("tests/programs/conform", "workers=1")
    with server.connect() as connection:
        connection.send(b"POST /read-for-ever HTTP/1.1\r\nHost: a\r\n" + data, "POST")
        connection.socket.shutdown(socket.SHUT_WR)
        assert server.ask(path="/y").status == 200


# ---- A process that stood still


@pytest.mark.parametrize("first, rest, said", [
    (b"GET /x HTTP/1.1\r\nHo", b"st: a\r\n\r\n", "GET /x host=a body="),
    (b"GET /x HTTP/1.1\r\nHo", b"st: a\r\nX: " + b"a" * 5000 + b"\r\n\r\n", "GET /x host=a body="),
    (b"", b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n", "GET /x host=a body="),
    (b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello", b"world", "POST /x host=a body=helloworld")],
    ids=["head", "long head", "idle", "body"])
def test_what_came_while_the_server_was_stopped_is_heard(start, first, rest, said):
    """Its times are over when it goes on, and what it waited for is there."""
    server = start("tests/programs/conform", "workers=1", "header_timeout_ms=400", "body_timeout_ms=400", "idle_timeout_ms=400")
    with server.connect() as connection:
        assert connection.ask(path="/y").status == 200
        connection.send(first, said.split()[0])
        time.sleep(0.1)
        server.process.send_signal(signal.SIGSTOP)
        connection.socket.sendall(rest)
        time.sleep(0.8)
        server.process.send_signal(signal.SIGCONT)
        assert connection.reply().text() == said


def test_a_head_that_goes_on_dripping_is_refused(start):
    """The look behind the time is one look."""
    server = start("tests/programs/conform", "workers=1", "header_timeout_ms=300")
    with server.connect() as connection:
        connection.parser.methods.append("GET")
        try:
            for byte in b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 3000:
                connection.socket.sendall(bytes([byte]))
                time.sleep(0.001)
        except (BrokenPipeError, ConnectionResetError):
            pass
        assert connection.reply().status == 408


# ---- Trailer fields and Host


def test_trailer_after_the_body(server):
    with server.connect() as connection:
        for size in (1, 3000):
            chunk = b"%x\r\n%s\r\n" % (size, b"x" * size)
            data = request("POST", "/trailer", {"Transfer-Encoding": "chunked"}) + chunk + b"0\r\nOther: 1\r\nX-Sum: 42\r\n\r\n"
            for cut in (len(data), len(data) - 30, len(data) - 20, len(data) - 1):
                connection.send(data[:cut], "POST")
                if cut < len(data):
                    connection.expect_open(0.05)
                    connection.send(data[cut:])
                assert connection.reply().text() == f"none 0 {size} 42 none"


@pytest.mark.parametrize("size", [1024, 2048, 8192])
def test_trailer_with_little_room(size):
    """The head leaves little of the buffer: what fits is told right, what does not is 431, and nothing is overwritten."""
    server = Server("tests/programs/conform", f"http_buffer_size={size}")
    seen = set()
    for padding in range(0, size - 120, max(1, size // 16)):
        for trailer in (10, 100, size // 4, size // 2, size):
            with server.connect() as connection:
                data = request("POST", "/x", {"Transfer-Encoding": "chunked", "X": "a" * padding}) + b"1\r\nb\r\n0\r\n"
                connection.send(data, "POST")
                connection.send(b"A: " + b"v" * trailer + b"\r\n")
                connection.send(b"B: 2\r\n\r\n")
                reply = connection.reply()
                seen.add(reply.status)
                assert reply.status in (200, 431)
                if reply.status == 200:
                    assert reply.text() == f"POST /x host=localhost body=b A={'v' * trailer} B=2"
                    assert connection.ask().status == 200
    assert 200 in seen
    server.stop()


def test_host_is_replaced(server):
    with server.connect() as connection:
        assert connection.ask(path="http://b:81/host?q", host="a").text() == "b:81 b:81 b:81 http://b:81/host?q"
        assert connection.ask(path="/host", host="a").text() == "a a a /host"
