"""gRPC's calls, unary and streaming, of a client that is not ours (grpcio) against handlers that frame messages by hand (tests/programs/grpc.c).

SPDX-License-Identifier: MIT
"""

import json
import os
import random
import threading
import time

import pytest

from conftest import BUILD, MIB, SANITIZE, Server

os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
grpc = pytest.importorskip("grpc", reason="python3-grpcio is not there")
if "WEIR_HTTP2:BOOL=OFF" in (BUILD / "CMakeCache.txt").read_text():
    pytest.skip("a build without HTTP/2", allow_module_level=True)

LIMITS = [("grpc.max_receive_message_length", 16 * MIB), ("grpc.max_send_message_length", 16 * MIB), ("grpc.enable_http_proxy", 0)]
Code = grpc.StatusCode


class Echo:
    """The methods of the service, for plain bytes."""

    def __init__(self, channel):
        self.unary = channel.unary_unary("/test.Echo/Unary")
        self.both = channel.stream_stream("/test.Echo/Both")
        self.server = channel.unary_stream("/test.Echo/Server")
        self.client = channel.stream_unary("/test.Echo/Client")
        self.fail = channel.unary_unary("/test.Echo/Fail")
        self.fail_stream = channel.unary_stream("/test.Echo/Fail")
        self.sleep = channel.unary_unary("/test.Echo/Sleep")
        self.tell = channel.unary_unary("/test.Echo/Tell")
        self.missing = channel.unary_unary("/test.Echo/Missing")


@pytest.fixture(scope="module", params=["h2c", "h2"])
def echo(request):
    if request.param == "h2c":
        server = Server("tests/programs/grpc")
        channel = grpc.insecure_channel(f"127.0.0.1:{server.port}", LIMITS)
    else:
        pair, authority = request.getfixturevalue("pair"), request.getfixturevalue("authority")
        server = Server("tests/programs/grpc", pair.certificate, pair.key)
        trust = grpc.ssl_channel_credentials(authority.pair.certificate.read_bytes())
        channel = grpc.secure_channel(f"localhost:{server.port}", trust, [*LIMITS, ("grpc.default_authority", "localhost")])
    with channel:
        yield Echo(channel)
    server.stop()


@pytest.mark.parametrize("size", [0, 1, 5, 8187, 8192, 65531, 100000, 3 * MIB, 7 * MIB])
def test_unary(echo, size):
    message = random.Random(size).randbytes(size)
    assert echo.unary(message, timeout=60) == message


def test_both_directions_in_turn(echo):
    """Each message is answered before the next one is sent."""
    waiting, messages = threading.Semaphore(0), [b"%d" % i * (i * 17) for i in range(100)]

    def requests():
        for message in messages:
            yield message
            waiting.acquire()

    for i, reply in enumerate(echo.both(requests(), timeout=60)):
        assert reply == messages[i]
        waiting.release()
    assert i == 99


def test_both_directions_at_once(echo):
    """Far more than windows hold is sent before a reply is read."""
    messages = [random.Random(i).randbytes(50000) for i in range(100)]
    assert list(echo.both(iter(messages), timeout=60)) == messages


def test_server_streams(echo):
    assert list(echo.server(b"5000", timeout=60)) == [b"message %d" % i for i in range(5000)]
    assert list(echo.server(b"0", timeout=60)) == []


def test_client_streams(echo):
    assert echo.client((bytes(i) for i in range(1000)), timeout=60) == b"1000 499500"
    assert echo.client(iter(()), timeout=60) == b"0 0"


def test_fields_and_trailers(echo):
    reply, call = echo.tell.with_call(b"", timeout=7200, metadata=[("x-field", "of the client")])
    given, field = reply.decode().split(" ", 1)
    assert 7000000 < int(given) <= 7300000 and field == "of the client"
    assert ("x-leading", "l") in call.initial_metadata() and ("x-trailing", "t") in call.trailing_metadata()
    assert call.code() == Code.OK
    assert echo.tell(b"") == b"-1 none"


@pytest.mark.parametrize("code", [Code.CANCELLED, Code.NOT_FOUND, Code.RESOURCE_EXHAUSTED, Code.UNAUTHENTICATED])
@pytest.mark.parametrize("partly", [False, True])
def test_errors(echo, code, partly):
    """By trailers, without a message and behind one."""
    with pytest.raises(grpc.RpcError) as raised:
        if partly:
            replies = echo.fail_stream(b"%d+" % code.value[0], timeout=60)
            assert next(replies) == b"part"
            next(replies)
        else:
            echo.fail(b"%d" % code.value[0], timeout=60)
    assert raised.value.code() == code
    assert raised.value.details() == "as was asked for: 100%"


def test_methods_that_are_not_there(echo):
    """A page of HTTP, which gRPC takes for its own codes."""
    with pytest.raises(grpc.RpcError) as raised:
        echo.missing(b"", timeout=60)
    assert raised.value.code() == Code.UNIMPLEMENTED


def test_messages_that_are_too_large(echo):
    with pytest.raises(grpc.RpcError) as raised:
        echo.unary(bytes(9 * MIB), timeout=60)
    assert raised.value.code() == Code.RESOURCE_EXHAUSTED
    assert echo.unary(b"next", timeout=60) == b"next"


def test_deadlines(echo):
    """The client's own, which reaches the server as a field: both give up."""
    for _ in range(3):
        with pytest.raises(grpc.RpcError) as raised:
            echo.sleep(b"60000", timeout=0.2)
        assert raised.value.code() == Code.DEADLINE_EXCEEDED
    assert echo.sleep(b"10", timeout=60) == b"slept"


def test_cancelled(echo):
    for _ in range(5):
        replies = echo.both(iter(lambda: b"again", None), timeout=60)
        assert next(replies) == b"again"
        replies.cancel()
        with pytest.raises(grpc.RpcError) as raised:
            for _ in replies:
                pass
        assert raised.value.code() == Code.CANCELLED
    assert echo.unary(b"next", timeout=60) == b"next"


@pytest.mark.parametrize("rounds", [1, 5])
def test_many_calls_at_once(echo, rounds):
    for _ in range(rounds):
        calls = [echo.unary.future(b"%d" % i * 1000, timeout=60) for i in range(100)]
        calls += [echo.sleep.future(b"50", timeout=60) for _ in range(50)]
        assert [call.result() for call in calls] == [b"%d" % i * 1000 for i in range(100)] + [b"slept"] * 50


def test_memory_stays_level():
    """After many calls of every kind the accounts are as they were."""
    with_server = Server("tests/programs/grpc")

    def look():
        """When the last handler has ended."""
        for _ in range(500):
            found = json.loads(with_server.ask(path="/ledger").text())
            accounts = {account["name"]: account["in_use"] for account in found["memory"]["accounts"]}
            if accounts["stacks"] == 0:
                break
            time.sleep(0.02)
        return accounts

    def calls(echo):
        for i in range(10 if SANITIZE else 50):
            assert echo.unary(b"x" * i * 1000, timeout=60) == b"x" * i * 1000
            assert len(list(echo.both(iter([b"a", b"b" * 20000]), timeout=60))) == 2
            with pytest.raises(grpc.RpcError):
                echo.fail(b"5", timeout=60)

    with grpc.insecure_channel(f"127.0.0.1:{with_server.port}", LIMITS) as channel:
        calls(Echo(channel))
        before = look()
        calls(Echo(channel))
        assert look() == before
    with_server.stop()
