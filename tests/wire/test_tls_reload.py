"""Certificates that are replaced while the server runs: no connection is lost, a broken pair changes nothing.

SPDX-License-Identifier: MIT
"""

import json
import os
import select
import shutil
import signal
import threading
import time

import client
import pytest
import secure


@pytest.fixture
def own(authority, tmp_path):
    """A pair in a folder of its own, to be replaced."""
    made = secure.Pair(tmp_path / "own.pem", tmp_path / "own.key")
    other = authority.issue("localhost")
    shutil.copy(other.certificate, made.certificate)
    shutil.copy(other.key, made.key)
    return made


def serial_now(server, context):
    with secure.Connection(server, context) as c:
        return c.certificate_serial()


def tls_figures(server, context):
    with secure.Connection(server, context) as c:
        return json.loads(c.ask(path="/_weir/ledger.json").text())["tls"]


def wait_for(look, what, seconds=20):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = look()
        if found == what:
            return
        time.sleep(0.05)
    pytest.fail(f"{found} is not {what}")


def reloads_said(server):
    """How often the server has said that it has loaded its files anew."""
    while select.select([server.process.stdout], [], [], 0.02)[0]:
        server.output += os.read(server.process.stdout.fileno(), 65536).decode()
    return server.output.count("reloaded\n")


@pytest.mark.threaded
def test_reload_on_demand(start_secure, authority, own, mode):
    server = start_secure("watch_files=-1", *mode, own=own)
    context = authority.context()
    first = own.serial()
    with secure.Connection(server, context) as kept:
        assert kept.certificate_serial() == first
        next_pair = authority.issue("localhost")
        own.replace(next_pair)
        assert serial_now(server, context) == first
        server.process.send_signal(signal.SIGHUP)
        wait_for(lambda: serial_now(server, context), next_pair.serial())
        assert kept.ask().text() == "Hello, World!"
    assert tls_figures(server, context)["reloads"] == 1


@pytest.mark.threaded
def test_files_are_watched(start_secure, authority, own, mode):
    server = start_secure(*mode, own=own)
    context = authority.context()
    for _ in range(3):
        next_pair = authority.issue("localhost")
        own.replace(next_pair)
        wait_for(lambda: serial_now(server, context), next_pair.serial())
    assert tls_figures(server, context)["reloads"] >= 3


def test_broken_pair_keeps_the_old_one(start_secure, authority, own):
    server = start_secure("watch_files=-1", "log_level=1", own=own)
    context = authority.context()
    first = own.serial()
    good_key = own.key.read_bytes()
    other = authority.issue("localhost")
    failures = 0
    for certificate, key, said in ((other.certificate.read_bytes(), good_key, "does not belong"),
                                   (b"", good_key, "no certificate"),
                                   (other.certificate.read_bytes(), b"junk", "no private key"),
                                   (other.certificate.read_bytes()[:300], other.key.read_bytes(), "no certificate"),
                                   (None, good_key, "not found")):
        if certificate is None:
            own.certificate.unlink()
        else:
            own.certificate.write_bytes(certificate)
        own.key.write_bytes(key)
        failures += 1
        server.process.send_signal(signal.SIGHUP)
        wait_for(lambda: tls_figures(server, context)["reloads_failed"], failures)
        assert serial_now(server, context) == first
        text = server.error_text().splitlines()[-1]
        assert said in text, text
    own.replace(other)
    server.process.send_signal(signal.SIGHUP)
    wait_for(lambda: serial_now(server, context), other.serial())


def test_names_change_with_the_certificate(start_secure, authority, own):
    server = start_secure("strict_names=1", "watch_files=-1", own=own)
    context = authority.context()
    own.replace(authority.issue("moved.test"))
    server.process.send_signal(signal.SIGHUP)
    wait_for(lambda: tls_figures_by(server, context, "moved.test"), 1)


def tls_figures_by(server, context, name):
    try:
        with secure.Connection(server, context, name) as c:
            return json.loads(c.ask(path="/_weir/ledger.json").text())["tls"]["reloads"]
    except OSError:
        return None


def test_sessions_resume_across_a_reload(start_secure, authority, own, mode):
    server = start_secure("watch_files=-1", *mode, own=own)
    context = authority.context()
    with secure.Connection(server, context) as c:
        assert c.ask().status == 200
        session = c.socket.session
    own.replace(authority.issue("localhost"))
    server.process.send_signal(signal.SIGHUP)
    wait_for(lambda: tls_figures(server, context)["reloads"], 1)
    with secure.Connection(server, context, session=session) as c:
        assert c.info()["resumed"]


@pytest.mark.threaded
def test_reload_under_load(start_secure, authority, own, mode):
    """Twenty replacements while four clients ask without a pause, each request on a connection of its own or on one that
    is kept: none fails."""
    server = start_secure("watch_files=-1", *mode, own=own)
    context = authority.context()
    over = threading.Event()
    wrong, counts = [], [0] * 4

    def ask_on(i):
        try:
            while not over.is_set():
                with secure.Connection(server, context) as c:
                    for _ in range(1 + i % 2 * 20):
                        assert c.ask(path="/bytes/3000").received == 3000
                        counts[i] += 1
        except (OSError, AssertionError, client.ProtocolError) as error:
            wrong.append(error)

    threads = [threading.Thread(target=ask_on, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    pairs = [authority.issue("localhost") for _ in range(4)]
    for i in range(20):
        own.replace(pairs[i % 4])
        server.process.send_signal(signal.SIGHUP)
        wait_for(lambda: reloads_said(server), i + 1)
    over.set()
    for thread in threads:
        thread.join()
    assert not wrong, wrong
    assert min(counts) > 0
