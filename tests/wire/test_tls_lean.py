"""Lean records as a mode: who is taken over and who is not, what a connection costs, other clients than Python's.

SPDX-License-Identifier: MIT
"""

import json
import socket
import subprocess
import time

import pytest
import secure
from conftest import MANY, SANITIZE
from hand import Hand
from secure import TLS12, TLS13

LEAN = ("lean_records=1", "workers=1", "idle_timeout_ms=60000")


def ledger(server, context):
    with secure.Connection(server, context) as c:
        return json.loads(c.ask(path="/_weir/ledger.json").text())


def account(figures, name):
    (found,) = [one for one in figures["memory"]["accounts"] if one["name"] == name]
    return found


def test_taken_over(start_secure, authority):
    server = start_secure(*LEAN)
    context = authority.context()
    with secure.Connection(server, context) as c:
        c.ask(path="/bytes/1000")
        tls = ledger(server, context)["tls"]
        assert tls["sessions"] == {"openssl": 0, "lean": 2}
        assert tls["bytes_in"]["openssl"] == tls["bytes_out"]["openssl"] == 0 < tls["bytes_out"]["lean"]
        assert tls["lean_fallbacks"] == 0 and tls["lean_self_tests_failed"] == 0
        assert not any(tls["lean_reasons"].values())


def test_other_suites_stay_with_openssl(start_secure, authority):
    server = start_secure(*LEAN, "ciphers=ECDHE-ECDSA-AES128-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384")
    with secure.Connection(server, authority.context(high=TLS12, ciphers="ECDHE-ECDSA-AES128-SHA256")) as c:
        assert c.ask().text() == "Hello, World!"
        assert c.info()["cipher"] == "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256"
        tls = ledger(server, authority.context())["tls"]
        assert tls["sessions"] == {"openssl": 1, "lean": 1}
        assert tls["lean_fallbacks"] == tls["lean_reasons"]["other_suite"] == sum(tls["lean_reasons"].values()) == 1


@pytest.mark.parametrize("key", ["p256", "rsa", "p384", "ed25519"])
@pytest.mark.parametrize("version", [TLS12, TLS13], ids=["1.2", "1.3"])
def test_info_by_key(start_secure, authority, key, version):
    """What is told is what OpenSSL would have told."""
    pair = authority.issue("localhost", key=key)
    context = authority.context(low=version, high=version, alpn=["http/1.1"])
    told = []
    for settings in (LEAN, LEAN[1:]):
        server = start_secure(*settings, own=pair)
        with secure.Connection(server, context) as c:
            told.append(c.info())
            assert c.ask().text() == "Hello, World!"
    assert told[0] == told[1]


@pytest.mark.parametrize("length", [1, 20, 60])
def test_client_certificates(start_secure, authority, length):
    """Long subjects, which make long tickets as well."""
    subject = "/O=" + "x" * 60 + "/CN=" + "y" * length
    alice = authority.issue("alice.example", subject=subject)
    server = start_secure(*LEAN, "client_certificates=2", f"client_ca={authority.pair.certificate}")
    for version in (TLS12, TLS13):
        session = None
        for _ in range(3):
            context = authority.context(low=version, high=version, pair=alice) if session is None else context
            with secure.Connection(server, context, session=session) as c:
                told = c.info()
                assert told["verified"] and told["subject"] == f"CN={'y' * length},O={'x' * 60}", told
                assert told["resumed"] == (session is not None)
                session = c.socket.session
    tls = ledger(server, authority.context(pair=alice))["tls"]
    assert tls["lean_fallbacks"] == 0


def test_without_tickets(start_secure, authority):
    """Nothing is sealed under the last key before the hand-over: the sequence begins at 0."""
    server = start_secure(*LEAN, "tickets=-1")
    for version in (TLS12, TLS13):
        for _ in range(3):
            with Hand(server.address, authority.context(low=version, high=version)) as hand:
                assert hand.ask() == b"Hello, World!" and hand.tickets == 0
    assert ledger(server, authority.context())["tls"]["lean_fallbacks"] == 0


def test_cost_of_idle_connections(start_secure, authority):
    server = start_secure(*LEAN)
    context = authority.context()
    before = ledger(server, context)
    crowd = [secure.Connection(server, context) for _ in range(MANY // 5)]
    for c in crowd:
        assert c.ask().text() == "Hello, World!"
    now = ledger(server, context)
    grown = sum(account(now, name)["in_use"] - account(before, name)["in_use"]
                for name in ("connections", "tls lean records", "tls sessions", "tls unsent", "tls handshakes"))
    assert grown / len(crowd) <= 385  # 329, 48 for the host's name, and what the ledger's own connection differs by
    for c in crowd:
        c.close()


def test_begun_records_cost_what_has_come(start_secure, authority):
    """A header that announces the longest record costs a small block, not the record's length."""
    server = start_secure(*LEAN)
    context = authority.context()
    hands = [Hand(server.address, context) for _ in range(20)]
    before = account(ledger(server, context), "tls lean records")["in_use"]
    for hand in hands:
        hand.socket.sendall(hand.out.seal(23, b"x" * 16384)[:100])
    deadline = time.monotonic() + 20
    while account(ledger(server, context), "tls lean records")["in_use"] < before + 20 * 512:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert account(ledger(server, context), "tls lean records")["in_use"] <= before + 20 * 600
    for hand in hands:
        hand.close()


def s_client(server, *arguments, say=()):
    """Runs openssl s_client, and types what `say` names: pauses where it is a number. What it has printed."""
    process = subprocess.Popen(["openssl", "s_client", "-connect", f"127.0.0.1:{server.port}", "-servername",
                                "localhost", *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT)
    for text in say:
        if isinstance(text, float):
            time.sleep(text)
        else:
            process.stdin.write(text)
            process.stdin.flush()
    process.stdin.close()
    printed = process.stdout.read()
    process.wait()
    return printed


ASK = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
PAUSE = 1.0 if SANITIZE else 0.3


def test_s_client_updates_keys(start_secure, mode):
    server = start_secure("workers=1", *mode)
    printed = s_client(server, "-tls1_3", say=(PAUSE, ASK, PAUSE, b"K\n", PAUSE, ASK, PAUSE, b"k\n", PAUSE, ASK, PAUSE,
                                               b"Q\n"))
    assert printed.count(b"Hello, World!") == 3 and printed.count(b"KEYUPDATE") == 2


def test_s_client_renegotiates_in_vain(start_secure, mode):
    server = start_secure("workers=1", *mode)
    printed = s_client(server, "-tls1_2", say=(PAUSE, ASK, PAUSE, b"R\n", PAUSE))
    assert printed.count(b"Hello, World!") == 1 and b"no renegotiation" in printed


def test_s_client_reconnects(start_secure, mode):
    server = start_secure("workers=1", *mode)
    printed = s_client(server, "-tls1_2", "-reconnect", say=(PAUSE, ASK, PAUSE, b"Q\n"))
    assert printed.count(b"Reused, TLSv1.2") == 5 and b"Hello, World!" in printed


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
@pytest.mark.parametrize("length", [512, 4096])
def test_small_fragments(start_secure, mode, version, length):
    server = start_secure("workers=1", *mode)
    printed = s_client(server, version, "-maxfraglen", str(length), "-quiet", "-ign_eof",
                       say=(b"GET /bytes/20000 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",))
    assert printed.count(b"abcdefghijklmnopqrstuvwxyz") > 700 and b"alert" not in printed


@pytest.mark.parametrize("priority", ["NORMAL:-VERS-ALL:+VERS-TLS1.3", "NORMAL:-VERS-ALL:+VERS-TLS1.2",
                                      "NORMAL:-CIPHER-ALL:+CHACHA20-POLY1305", "NORMAL:-CIPHER-ALL:+AES-128-GCM",
                                      "NORMAL:-CIPHER-ALL:+AES-128-CCM"])
def test_gnutls(start_secure, mode, priority):
    server = start_secure("workers=1", "ciphersuites=TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:"
                          "TLS_AES_128_GCM_SHA256:TLS_AES_128_CCM_SHA256", *mode)
    for more in ([], ["--resume"]):
        done = subprocess.run(["gnutls-cli", "--insecure", "--priority", priority, *more, "-p", str(server.port),
                               "127.0.0.1"], input=ASK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"),
                              capture_output=True, timeout=60, check=False)
        assert b"Hello, World!" in done.stdout, (done.stdout, done.stderr)


def test_stop_with_connections(start_secure, authority):
    """A stop says close_notify to who is idle."""
    server = start_secure(*LEAN)
    hands = [Hand(server.address, authority.context(low=version, high=version)) for version in (TLS12, TLS13)]
    for hand in hands:
        assert hand.ask() == b"Hello, World!"
    server.stop()
    for hand in hands:
        assert hand.receive() == (21, b"\x01\x00") and hand.receive() is None
        hand.close()


def test_reset_in_the_middle(start_secure, authority):
    """Clients that go without a word, with output waiting and records begun, leave nothing behind."""
    server = start_secure(*LEAN)
    context = authority.context()
    for _ in range(10):
        hand = Hand(server.address, context)
        hand.send(23, hand.request("/bytes/5000000"))
        hand.receive()
        hand.socket.sendall(hand.out.seal(23, b"x" * 9000)[:5000])
        hand.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        hand.close()
    deadline = time.monotonic() + 20
    while True:
        figures = ledger(server, context)
        if figures["tls"]["sessions"]["lean"] == 1 and account(figures, "tls unsent")["in_use"] == 0:
            break
        assert time.monotonic() < deadline, figures["tls"]
        time.sleep(0.02)
    assert account(figures, "tls lean records")["in_use"] <= 300
