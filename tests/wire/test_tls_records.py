"""Records after the handshake, by hand: what a peer may send, what it may not, keys that change, nonces that never come
twice. In both modes, and with what OpenSSL does in another way left to it.

SPDX-License-Identifier: MIT
"""

import itertools
import socket
import struct
import time

import pytest
import secure
from hand import ALERT, CLOSE_NOTIFY, DATA, HANDSHAKE, KEY_UPDATE, KEY_UPDATE_ASK, Hand
from secure import TLS12, TLS13

UNEXPECTED, BAD_MAC, OVERFLOW, ILLEGAL, DECODE, VERSION = 10, 20, 22, 47, 50, 70

SUITES = {
    "1.3-aes128": (TLS13, "TLS_AES_128_GCM_SHA256"), "1.3-aes256": (TLS13, "TLS_AES_256_GCM_SHA384"),
    "1.3-chacha": (TLS13, "TLS_CHACHA20_POLY1305_SHA256"), "1.2-aes128": (TLS12, "ECDHE-ECDSA-AES128-GCM-SHA256"),
    "1.2-aes256": (TLS12, "ECDHE-ECDSA-AES256-GCM-SHA384"), "1.2-chacha": (TLS12, "ECDHE-ECDSA-CHACHA20-POLY1305"),
}
ONE_OF_EACH = ["1.3-aes256", "1.2-aes128"]


@pytest.fixture(scope="module", params=["lean", "openssl"])
def servers(request, pair, root):
    """Starts servers of one mode, each with one suite of TLS 1.3."""
    from conftest import MODES, Server
    started = {}

    def one(suite):
        if suite not in started:
            started[suite] = Server("tests/programs/secure", *pair.arguments(), f"root={root}", "workers=1",
                                    "idle_timeout_ms=20000", f"ciphersuites={suite}", *MODES[request.param])
        return started[suite]

    one.mode = request.param
    yield one
    for server in started.values():
        server.stop()


@pytest.fixture
def connect(servers, authority):
    opened = []

    def one(suite, **more):
        version, name = SUITES[suite]
        server = servers(name if version == TLS13 else "TLS_AES_256_GCM_SHA384")
        ciphers = name if version == TLS12 else None
        opened.append(Hand(server.address, authority.context(low=version, high=version, ciphers=ciphers), **more))
        return opened[-1]

    one.mode = servers.mode
    yield one
    for hand in opened:
        hand.close()


every_suite = pytest.mark.parametrize("suite", SUITES)
each_version = pytest.mark.parametrize("suite", ONE_OF_EACH)


@every_suite
def test_requests(connect, suite):
    hand = connect(suite)
    for _ in range(5):
        assert hand.ask() == b"Hello, World!"


@every_suite
def test_long_reply_and_upload(connect, suite):
    hand = connect(suite)
    piece = bytes(ord("a") + i % 26 for i in range(4096))
    assert hand.ask("/bytes/300000") == (piece * 74)[:300000]
    data = bytes(range(256)) * 1024
    hand.send(DATA, hand.request("/echo", b"Content-Length: %d\r\n" % len(data), "POST"))
    for at in range(0, len(data), 10000):
        hand.send(DATA, data[at:at + 10000])
    assert hand.reply() == data


@every_suite
def test_close_notify_is_answered(connect, suite):
    hand = connect(suite)
    assert hand.ask() == b"Hello, World!"
    hand.send(ALERT, CLOSE_NOTIFY)
    assert hand.receive() == (ALERT, CLOSE_NOTIFY)
    assert hand.receive() is None


@each_version
def test_every_cut(connect, suite):
    """A record in pieces of every size, and several in one piece."""
    hand = connect(suite)
    for piece in (1, 2, 3, 4, 5, 6, 20, 21, 50):
        data = hand.out.seal(DATA, hand.request()) + hand.out.seal(DATA, hand.request("/info"))
        for at in range(0, len(data), piece):
            hand.socket.sendall(data[at:at + piece])
            if piece < 6:
                time.sleep(0.0005)
        assert hand.reply() == b"Hello, World!"
        assert b"TLSv1" in hand.reply()


@each_version
def test_largest_records(connect, suite):
    hand = connect(suite)
    data = bytes(range(256)) * 64
    hand.send(DATA, hand.request("/echo", b"Content-Length: 65536\r\n", "POST"))
    for _ in range(4):
        sealed = hand.out.seal(DATA, data)
        for at in range(0, len(sealed), 5000):
            hand.socket.sendall(sealed[at:at + 5000])
            time.sleep(0.002)
    assert hand.reply() == data * 4


@each_version
def test_too_long(connect, suite):
    hand = connect(suite)
    hand.send(DATA, b"x" * 16385)
    assert hand.refused() == OVERFLOW


@each_version
def test_header_is_enough_to_refuse(connect, suite):
    """What cannot be a record is refused before the rest of it has come."""
    if connect.mode == "openssl":
        pytest.skip("OpenSSL has its own order of checks")
    most = 16384 + 256 if suite.startswith("1.3") else 16384 + 24
    for header, alert in ((struct.pack(">BHH", DATA, 0x0303, most + 2000), OVERFLOW),
                          (b"\x17\x03\x01\x00\x50", VERSION), (b"GET / HTTP/1.1\r\n", None)):
        hand = connect(suite)
        assert hand.ask() == b"Hello, World!"
        hand.socket.sendall(header)
        found = hand.refused()
        assert found is not None and alert in (None, found), (header, found)


@every_suite
def test_any_change_is_seen(connect, suite):
    for at in (5, 12, 14, -1, -16, -17):
        hand = connect(suite)
        sealed = bytearray(hand.out.seal(DATA, hand.request()))
        sealed[at] ^= 1
        hand.socket.sendall(sealed)
        assert hand.refused() == BAD_MAC


@each_version
def test_replayed_and_left_out(connect, suite):
    for by in (-1, 1):
        hand = connect(suite)
        assert hand.ask() == b"Hello, World!"
        hand.out.sequence += by
        hand.send(DATA, hand.request())
        assert hand.refused() == BAD_MAC


@each_version
def test_empty_records(connect, suite):
    hand = connect(suite)
    for _ in range(32):
        hand.send(DATA, b"")
    assert hand.ask() == b"Hello, World!"
    hand.send(ALERT, b"")
    assert hand.refused() is not None


def test_too_many_empty_records(connect):
    if connect.mode == "openssl":
        pytest.skip("OpenSSL draws its line after 32 in the same way, but counts other records as well")
    hand = connect("1.3-aes256")
    for _ in range(33):
        hand.send(DATA, b"")
    assert hand.refused() == UNEXPECTED


def test_padding(connect):
    hand = connect("1.3-aes128")
    for padding in (1, 100, 5000, 16000):
        hand.send(DATA, hand.request(), padding)
        assert hand.reply() == b"Hello, World!"
    hand.send(0, b"", 50)  # padding and nothing else
    assert hand.refused() == UNEXPECTED


@pytest.mark.parametrize("suite", ["1.3-aes128", "1.3-aes256", "1.3-chacha"])
def test_key_updates(connect, suite):
    hand = connect(suite)
    for ask in (False, True, False, True, True):
        assert hand.ask() == b"Hello, World!"
        hand.send(HANDSHAKE, KEY_UPDATE_ASK if ask else KEY_UPDATE)
        hand.out.update()
        assert hand.ask("/bytes/50000")[:3] == b"abc"
        assert hand.others == ([(HANDSHAKE, KEY_UPDATE)] if ask else [])


def test_key_update_in_pieces(connect):
    hand = connect("1.3-aes256")
    for byte in KEY_UPDATE_ASK:
        hand.send(HANDSHAKE, bytes([byte]))
    hand.out.update()
    assert hand.ask() == b"Hello, World!" and hand.others == [(HANDSHAKE, KEY_UPDATE)]


@pytest.mark.parametrize("message, alerts", [
    (KEY_UPDATE + KEY_UPDATE, {UNEXPECTED}), (KEY_UPDATE + b"\x18", {UNEXPECTED}), (b"\x18\0\0\x01\x02", {ILLEGAL}),
    (b"\x18\0\0\x02\0\0", {DECODE}), (b"\x18\0\0\0", {DECODE}), (b"\x04\0\0\x01\0", {UNEXPECTED}),
    (b"\x01\0\0\x01\0", {UNEXPECTED}), (b"\x14\0\0\x01\0", {UNEXPECTED}), (b"\x05\0\0\0", {UNEXPECTED}),
    (b"", {UNEXPECTED})], ids=lambda value: value.hex() if isinstance(value, bytes) else "")
def test_other_messages_of_tls13(connect, message, alerts):
    hand = connect("1.3-aes256")
    assert hand.ask() == b"Hello, World!"
    hand.send(HANDSHAKE, message)
    found = hand.refused()
    assert found in alerts or (connect.mode == "openssl" and found is not None)


def test_key_updates_are_limited(connect):
    hand = connect("1.3-aes256")
    for _ in range(31):
        hand.send(HANDSHAKE, KEY_UPDATE)
        hand.out.update()
    assert hand.ask() == b"Hello, World!"
    if connect.mode == "openssl":
        return
    try:
        for _ in range(40):
            hand.send(HANDSHAKE, KEY_UPDATE)
            hand.out.update()
    except (BrokenPipeError, ConnectionResetError):
        pass
    assert hand.refused() in (UNEXPECTED, None)


@each_version
def test_interleaved(connect, suite):
    if connect.mode == "openssl" and suite.startswith("1.2"):
        pytest.skip("OpenSSL lets data come between the parts of a hello that it refuses")
    hand = connect(suite)
    hand.send(HANDSHAKE, KEY_UPDATE[:3] if suite.startswith("1.3") else b"\x01\0\0")
    hand.send(DATA, hand.request())
    assert hand.refused() == UNEXPECTED


@each_version
def test_alerts(connect, suite):
    for data, alerts in ((b"\x01", {DECODE, UNEXPECTED}), (b"\x01\0\x01\0", {DECODE, UNEXPECTED}),
                         (b"\x03\0", {ILLEGAL}), (b"", {UNEXPECTED})):
        hand = connect(suite)
        hand.send(ALERT, data)
        assert hand.refused() in alerts | ({None} if connect.mode == "openssl" else set()), data
    hand = connect(suite)
    hand.send(ALERT, b"\x02\x28")
    assert hand.receive() is None
    if connect.mode == "openssl":
        return  # which counts warnings in another way
    hand = connect(suite)
    for _ in range(4):
        hand.send(ALERT, b"\x01\x5a")
    assert hand.ask() == b"Hello, World!"
    hand.send(ALERT, b"\x01\x5a")
    assert hand.refused() == UNEXPECTED


@each_version
def test_types_that_are_none(connect, suite):
    for kind in (0 if suite.startswith("1.2") else 1, 20, 24, 255):
        hand = connect(suite)
        assert hand.ask() == b"Hello, World!"
        hand.send(kind, b"\x01")
        assert hand.refused() == UNEXPECTED


def test_outer_types_of_tls13(connect):
    for outer in (20, 21, 22, 24):
        hand = connect("1.3-aes256")
        assert hand.ask() == b"Hello, World!"
        hand.send(DATA, b"x", outer=outer)
        assert hand.refused() is not None


def test_renegotiation_is_refused(connect):
    """By a warning, three times; what waits is still answered."""
    hand = connect("1.2-aes128")
    hello = b"\x01\0\x01\0" + b"x" * 256
    for at in range(3):
        hand.send(HANDSHAKE, hello)
        assert hand.receive() == (ALERT, b"\x01\x64")
        if connect.mode == "openssl":
            return
        assert hand.ask() == b"Hello, World!"
    hand.send(HANDSHAKE, hello)
    assert hand.refused() == UNEXPECTED


@each_version
def test_early_request(connect, suite, servers, authority):
    """A request right behind the Finished, in the same packet or a record before that is read."""
    for _ in range(5):
        hand = connect(suite)
        hand.send(DATA, hand.request())
        assert hand.reply() == b"Hello, World!"


@each_version
def test_truncation(connect, suite):
    """The end without close_notify is no end: a body that is read to it fails."""
    hand = connect(suite)
    hand.send(DATA, hand.request("/length", b"Transfer-Encoding: chunked\r\n", "POST", b"5\r\nhello\r\n"))
    hand.socket.shutdown(socket.SHUT_WR)
    got = hand.receive()
    assert got is None or got[0] == ALERT or b"200" not in got[1].split(b"\r\n")[0]


@each_version
def test_many_small_records_in_one_packet(connect, suite):
    hand = connect(suite)
    requests = b"".join(hand.out.seal(DATA, hand.request()) for _ in range(200))
    hand.socket.sendall(requests)
    text = b""
    while text.count(b"Hello, World!") < 200:
        kind, data = hand.receive()
        assert kind == DATA
        text += data


@each_version
def test_slow_reader(connect, suite):
    """Output waits; requests behind it are read, and answered in order; no nonce comes twice."""
    hand = connect(suite)
    for _ in range(3):
        hand.send(DATA, hand.request("/bytes/3000000"))
    time.sleep(0.5)
    for _ in range(3):
        assert len(hand.reply()) == 3000000


def test_key_update_while_output_waits(connect):
    hand = connect("1.3-aes256")
    hand.send(DATA, hand.request("/bytes/8000000"))
    time.sleep(0.3)
    hand.send(HANDSHAKE, KEY_UPDATE_ASK)
    hand.out.update()
    hand.send(DATA, hand.request())
    assert len(hand.reply()) == 8000000
    seen = hand.others
    assert hand.reply() == b"Hello, World!"
    assert seen + hand.others == [(HANDSHAKE, KEY_UPDATE)]


def test_resumption_over_and_over(connect, servers, authority):
    """Sequence numbers after a resumed handshake, in which fewer records, or none, follow the client's last word."""
    for suite in ONE_OF_EACH:
        version, name = SUITES[suite]
        server = servers(name if version == TLS13 else "TLS_AES_256_GCM_SHA384")
        context = authority.context(low=version, high=version)
        session = None
        for at in range(4):
            with secure.Connection(server, context, session=session) as c:
                assert c.info()["resumed"] == (at > 0)
                session = c.socket.session
            if at > 0 and version == TLS12:
                with Hand(server.address, context, session=session) as hand:
                    assert hand.side.session_reused
                    assert hand.ask() == b"Hello, World!"
                    assert hand.ask("/bytes/50000")[:3] == b"abc"


@every_suite
def test_nonces(connect, suite):
    """Thousands of records in both directions, of all sizes."""
    hand = connect(suite)
    for length in itertools.chain(range(1, 40), (1000, 16000, 100000)):
        assert len(hand.ask(f"/bytes/{length}")) == length
    assert hand.into.sequence > 40


def test_small_receive_buffer(start_secure, authority, mode):
    """The kernel cannot hold a whole record."""
    server = start_secure("receive_buffer=2304", "workers=1", *mode)
    with Hand(server.address, authority.context()) as hand:
        data = bytes(range(256)) * 64
        hand.send(DATA, hand.request("/echo", b"Content-Length: 65536\r\n", "POST"))
        for _ in range(4):
            hand.send(DATA, data)
        assert hand.reply() == data * 4


@pytest.mark.parametrize("size", [1024, 4096])
def test_small_buffers_of_the_server(start_secure, authority, mode, size):
    """A record is longer than what its reader has room for."""
    server = start_secure(f"http_buffer_size={size}", "workers=1", *mode)
    with Hand(server.address, authority.context()) as hand:
        data = bytes(range(256)) * 64
        for _ in range(3):
            hand.send(DATA, hand.request("/echo", b"Content-Length: 32768\r\n", "POST"))
            hand.send(DATA, data)
            hand.send(DATA, data)
            assert hand.reply() == data * 2
        pipelined = b"".join(hand.request() for _ in range(100))
        hand.send(DATA, pipelined)
        for _ in range(100):
            assert hand.reply() == b"Hello, World!"
