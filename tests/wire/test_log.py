"""What the log says of requests: who was refused, failed or was cut, and at the level DEBUG each one.

SPDX-License-Identifier: MIT
"""

import re
import signal
import socket
import struct
import time

import pytest

from client import Connection, ask, request

pytestmark = pytest.mark.threaded

PEER = r"from 127\.0\.0\.1:\d+"


def wait_for(server, pattern, count=1):
    """Waits until so many lines match, which is what the whole line has to do."""
    deadline = time.monotonic() + 30
    while True:
        lines = [line for line in server.error_text().splitlines() if re.fullmatch(rf"\S+ {pattern}", line)]
        if len(lines) >= count:
            return lines
        assert time.monotonic() < deadline, f"{pattern!r} is not in the log: {server.error_text()}"
        time.sleep(0.02)


def test_each_request(start_probe):
    server = start_probe("log_level=4", "workers=1")
    with server.connect() as one:
        assert one.ask(path="/?a=1&b").status == 200
        assert one.ask("HEAD", "/").status == 200
        assert one.ask(path="/none").status == 404
        assert one.ask("POST", "/echo", body=b"x" * 1000).status == 200
        assert one.ask(path="/old", version="1.0").status == 404
    wait_for(server, rf"debug: GET /old HTTP/1\.0, {PEER}: 404, \d+ bytes, \d+ ms")
    wait_for(server, rf"debug: GET /\?a=1&b, {PEER}: 200, 13 bytes, \d+ ms")
    wait_for(server, rf"debug: HEAD /, {PEER}: 200, 0 bytes, \d+ ms")
    wait_for(server, rf"debug: GET /none, {PEER}: 404, \d+ bytes, \d+ ms")
    wait_for(server, rf"debug: POST /echo, {PEER}: 200, 1000 bytes, \d+ ms")
    wait_for(server, r"debug: connection \d+ opened: 127\.0\.0\.1:\d+")
    wait_for(server, r"debug: connection \d+ closed: 127\.0\.0\.1:\d+")


def test_a_request_whose_client_goes_is_told_with_what_it_took(start_probe):
    """The line comes when the sending has ended, not when the handler has."""
    server = start_probe("log_level=4", "workers=1", "write_timeout_ms=60000")
    with server.connect(receive_buffer=4096) as one:
        one.send(request(path="/large-static"), "GET")
        one.socket.recv(1000)
        assert "/large" not in server.error_text()
        one.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    line, = wait_for(server, rf"debug: GET /large-static, {PEER}: 200, \d+ bytes, \d+ ms: .+")
    assert 1000 <= int(re.search(r"(\d+) bytes", line).group(1)) < 8 * 1024 * 1024


def test_each_request_of_a_pipeline_and_a_refused_head(start_probe):
    server = start_probe("log_level=4", "workers=1")
    with server.connect() as one:
        one.send(b"GET /?n=1 HTTP/1.1\r\nHost: a\r\n\r\nGET /?n=2 HTTP/1.1\r\nHost: a\r\n\r\nGET", "GET", "GET", "GET")
        one.send(b" / HTTP/1.1\r\nHost : a\r\n\r\n")
        assert [one.reply().status for _ in range(3)] == [200, 200, 400]
    wait_for(server, rf"debug: GET /\?n=1, {PEER}: 200, 13 bytes, \d+ ms")
    wait_for(server, rf"debug: GET /\?n=2, {PEER}: 200, 13 bytes, \d+ ms")
    wait_for(server, rf"debug: a refused head, {PEER}: 400, \d+ bytes, \d+ ms")


def test_nothing_of_them_by_default(start_probe):
    server = start_probe()
    assert server.ask().status == 200
    server.stop()
    assert server.error_text() == ""


def test_what_clients_send_is_shortened_and_escaped(start_probe):
    server = start_probe("log_level=4", "workers=1")
    with server.connect() as one:
        assert one.ask(path="/" + "a" * 3000).status == 404
        one.send(b"GET /\\x0a?\x9b31m\xc2\x9b31m\\ HTTP/1.1\r\nHost: a\r\n\r\n", "GET")
        one.reply()
    for bytes_sent in (b"G\x1bT / HTTP/1.1\r\n\r\n", b"GET /\x7f\x01 HTTP/1.1\r\n\r\n", b"\x00" * 100):
        with server.connect() as one:
            one.send(bytes_sent, "GET")
            assert one.reply().status >= 400
    wait_for(server, rf"debug: GET /a{{99}}\.\.\., {PEER}: 404, \d+ bytes, \d+ ms")
    wait_for(server, rf"info: refused \(malformed, 400\): .*, {PEER}", 3)
    server.stop()
    server.errors.seek(0)
    assert re.fullmatch(rb"[\n\x20-\x7e]*", server.errors.read())


def test_refused_with_its_request(start_probe):
    server = start_probe("log_level=3", "max_body=10")
    with server.connect() as one:
        assert one.ask("POST", "/read-all", body=b"x" * 11).status == 413
    wait_for(server, rf"info: refused \(max_body, 413\): the body is too long: POST /read-all, {PEER}")


def test_failed_handlers(start_probe):
    """By the pattern of their route: what a client puts into the path is not in it. A client's fault is no warning."""
    server = start_probe("log_level=2")
    with pytest.raises(Exception):
        ask(server.address, path="/short")
    assert server.ask(path="/fail/503").status == 503
    assert server.ask(path="/fail/404").status == 404
    wait_for(server, rf"warning: GET /fail/\{{status:\[0-9\]\+\}}, {PEER}: its handler failed with 503: .*")
    wait_for(server, rf"warning: GET /short, {PEER}: its handler .*")
    server.stop()
    assert len(server.error_text().splitlines()) == 2, server.error_text()


def test_denials_are_told(start_probe):
    """What a handler refuses is no warning, and is told with its request where that is asked for."""
    server = start_probe("log_level=3")
    assert server.ask(path="/fail/404").status == 404
    wait_for(server, rf"info: GET /fail/\{{status:\[0-9\]\+\}}, {PEER}: its handler failed with 404: .*")


def test_cut_by_a_limit(start_probe):
    server = start_probe("handler_timeout_ms=300")
    assert server.ask(path="/sleep/60000").status == 503
    wait_for(server, r"warning: refused \(handler_timeout_ms, 503\): the handler took too long: "
                     rf"GET /sleep/\{{ms:\[0-9\]\+\}}, {PEER}")


def test_cut_by_the_stop(start_probe):
    server = start_probe("stop_timeout_ms=300")
    with server.connect() as one:
        one.send(request(path="/sleep/60000"), "GET")
        time.sleep(0.2)
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(20) == 0
    wait_for(server, rf"warning: GET /sleep/\{{ms:\[0-9\]\+\}}, {PEER}: cut: the server stops, and "
                     "stop_timeout_ms are over")


def test_many_failures_are_counted(start_probe):
    """Each is listed or counted, and most are not listed if they came within a few seconds."""
    server = start_probe("workers=1")
    began = time.monotonic()
    with Connection(server.address) as one:
        for _ in range(500):
            assert one.ask(path="/fail/500").status == 500
        took = time.monotonic() - began
        time.sleep(1.2)
        assert one.ask(path="/fail/500").status == 500  # the others of the last second are told by the next
    wait_for(server, r"warning: \d+ more requests failed or were cut")
    listed = len(wait_for(server, rf"warning: GET /fail/.*, {PEER}: its handler failed with 500: .*"))
    counted = sum(int(n) for n in re.findall(r"(\d+) more requests", server.error_text()))
    assert listed + counted == 501
    assert listed <= 20 * (int(took) + 3)
