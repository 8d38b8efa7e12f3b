"""TLS on the wire: versions, names, protocols, resumption, clients' certificates, what is refused and how.

SPDX-License-Identifier: MIT
"""

import json
import re
import socket
import ssl
import subprocess
import time

import client
import pytest
import secure
from secure import TLS12, TLS13

CURL = ["curl", "-sS", "--max-time", "60"]


def ledger(connection):
    return json.loads(connection.ask(path="/_weir/ledger.json").text())


@pytest.fixture(scope="module", params=["openssl", "lean"])
def server(request, pair, root):
    """One server of each mode for what leaves no trace in it."""
    from conftest import MODES, Server
    one = Server("tests/programs/secure", *pair.arguments(), f"root={root}", *MODES[request.param])
    yield one
    one.stop()


@pytest.mark.parametrize("version", [TLS12, TLS13], ids=["1.2", "1.3"])
def test_versions(server, authority, version):
    with secure.Connection(server, authority.context(low=version, high=version)) as c:
        told = c.info()
        assert told["version"] == c.socket.version() == {TLS12: "TLSv1.2", TLS13: "TLSv1.3"}[version]
        assert told["server_name"] == "localhost" and told["error"] == 0
        assert not told["resumed"] and not told["verified"] and told["subject"] == ""
        for _ in range(3):
            assert c.ask().text() == "Hello, World!"


@pytest.mark.parametrize("suite", ["ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384",
                                   "ECDHE-ECDSA-CHACHA20-POLY1305"])
def test_suites_of_tls12(server, authority, suite):
    with secure.Connection(server, authority.context(high=TLS12, ciphers=suite)) as c:
        assert c.socket.cipher()[0] == suite
        assert c.ask(path="/bytes/100000").received == 100000


@pytest.mark.parametrize("suite", ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"])
def test_suites_of_tls13(server, suite, pair, tmp_path):
    done = subprocess.run([*CURL, "-k", "--tls13-ciphers", suite, server.url + "/info"], capture_output=True, check=True)
    assert json.loads(done.stdout)["cipher"] == suite


def test_old_versions_and_weak_suites_are_refused(server):
    for arguments in (["-tls1"], ["-tls1_1"], ["-tls1_2", "-cipher", "AES128-SHA:@SECLEVEL=0"],
                      ["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0"]):
        done = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{server.port}", *arguments,
                               *(["-cipher", "ALL:@SECLEVEL=0"] if len(arguments) == 1 else [])],
                              stdin=subprocess.DEVNULL, capture_output=True, check=False)
        assert done.returncode != 0 or b"Cipher is (NONE)" in done.stdout, (arguments, done.stdout)


def test_protocols_by_alpn(server, authority):
    with secure.Connection(server, authority.context(alpn=["http/1.1"])) as c:
        assert c.socket.selected_alpn_protocol() == "http/1.1" and c.info()["protocol"] == "http/1.1"
    with secure.Connection(server, authority.context()) as c:
        assert c.socket.selected_alpn_protocol() is None and c.info()["protocol"] == ""
    with pytest.raises(ssl.SSLError, match="no application protocol"):
        secure.Connection(server, authority.context(alpn=["spdy/3"]))


def test_strict_transport(server, authority):
    """A group's Strict-Transport-Security, on its replies and error pages alone (RFC 6797)."""
    field = "max-age=31536000; includeSubDomains"
    with secure.Connection(server, authority.context()) as c:
        assert c.ask(path="/strict").header("Strict-Transport-Security") == field
        refused = c.ask("PUT", "/strict")
        assert (refused.status, refused.header("Strict-Transport-Security")) == (405, field)
        assert c.ask().header("Strict-Transport-Security") is None


def test_keep_alive_pipelining_and_bodies(server, authority):
    with secure.Connection(server, authority.context()) as c:
        c.send(b"".join(client.request(path=f"/bytes/{n}") for n in range(1, 40)), *["GET"] * 39)
        for n in range(1, 40):
            assert c.reply().received == n
        data = bytes(range(256)) * 4096
        assert bytes(c.ask("POST", "/echo", body=data).body) == data
        assert c.ask("POST", "/length", body=[data[:1000], data[:70000], data[:1]]).text() == "71001"


def test_tiny_records_of_the_client(server, authority):
    """A request whose bytes come in a record each, and many records in one packet."""
    with secure.Connection(server, authority.context()) as c:
        c.parser.methods.extend(["GET"] * 2)
        for byte in client.request() + client.request(path="/info"):
            c.socket.send(bytes([byte]))
        assert c.reply().text() == "Hello, World!" and c.reply().status == 200


def test_large_files(server, authority, root):
    large = (root / "large.bin").read_bytes()
    with secure.Connection(server, authority.context()) as c:
        for name in ("large.bin", "hello.txt", "empty.txt", "large.bin"):
            got = c.ask(path=f"/file/{name}")
            assert bytes(got.body) == (root / name).read_bytes()
    done = subprocess.run([*CURL, "-k", "--tls-max", "1.2", server.url + "/file/large.bin"], capture_output=True,
                          check=True)
    assert done.stdout == large


def test_large_upload(server, authority, tmp_path):
    data = tmp_path / "data"
    data.write_bytes(b"0123456789abcdef" * (1 << 18))
    for version in ("1.2", "1.3"):
        done = subprocess.run([*CURL, "-k", "--tls-max", version, "--data-binary", f"@{data}", server.url + "/length"],
                              capture_output=True, check=True)
        assert done.stdout == b"%d" % (1 << 22)


def test_slow_reader_gets_all(server, authority):
    """More than sockets hold: what the kernel does not take is kept and sent later."""
    context = authority.context()
    with secure.Connection(server, context) as c:
        c.send(client.request(path="/bytes/20000000"), "GET")
        time.sleep(0.3)
        assert c.reply().received == 20000000
        c.send(client.request(path="/file/large.bin") * 8, *["GET"] * 8)
        time.sleep(0.3)
        for _ in range(8):
            assert c.reply().received == 1 << 20


def test_both_directions_at_once(server, authority):
    data = b"x" * 3000000
    done = subprocess.run([*CURL, "-k", "-H", "Expect:", "--data-binary", "@-", server.url + "/echo"], input=data,
                          capture_output=True, check=True)
    assert done.stdout == data


def test_records_grow_with_the_stream(server, authority):
    """The first records fit a packet; later ones are full."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    side = authority.context().wrap_bio(incoming, outgoing, server_hostname="localhost")
    sizes, pending = [], b""
    with secure.raw_socket(server) as s:
        def pump():
            nonlocal pending
            s.sendall(outgoing.read())
            data = s.recv(65536)
            assert data
            incoming.write(data)
            pending += data
            while len(pending) >= 5 and len(pending) >= 5 + int.from_bytes(pending[3:5], "big"):
                length = int.from_bytes(pending[3:5], "big")
                sizes.append(length)
                pending = pending[5 + length:]

        def until(step):
            while True:
                try:
                    return step()
                except ssl.SSLWantReadError:
                    pump()

        until(side.do_handshake)
        side.write(client.request(path="/file/large.bin"))
        sizes.clear()
        parser = client.ReplyParser()
        parser.methods.append("GET")
        while not parser.replies:
            parser.feed(until(lambda: side.read(65536)))
    body = [size for size in sizes if size > 500]
    assert all(size <= 1432 for size in body[:8]), body[:20]
    assert max(body) > 16384 and sum(size > 16384 for size in body) * 16384 > 500000


def test_close_notify_is_said(server, authority):
    with secure.Connection(server, authority.context()) as c:
        assert c.ask(headers=[("Connection", "close")]).text() == "Hello, World!"
        c.socket.settimeout(10)
        assert c.socket.recv(100) == b""  # raises SSLEOFError where the end is not said


def test_client_says_close_notify(server, authority):
    with secure.Connection(server, authority.context()) as c:
        assert c.ask().status == 200
        raw = c.socket.unwrap()  # waits for the server's own
        raw.close()


def test_resumption(server, authority):
    for version in (TLS12, TLS13):
        context = authority.context(low=version, high=version)
        with secure.Connection(server, context) as c:
            assert not c.info()["resumed"]
            session = c.socket.session
        with secure.Connection(server, context, session=session) as c:
            assert c.socket.session_reused and c.info()["resumed"]
            assert c.info()["server_name"] == "localhost"


def test_slow_hello(server, authority):
    """A client's hello that comes byte by byte, and one in two records' worth of packets."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    side = authority.context().wrap_bio(incoming, outgoing, server_hostname="localhost")
    with secure.raw_socket(server) as s:
        for _ in range(10):
            try:
                side.do_handshake()
                break
            except ssl.SSLWantReadError:
                data = outgoing.read()
                for i in range(len(data)):
                    s.sendall(data[i:i + 1])
                incoming.write(s.recv(65536))
        side.write(client.request())
        s.sendall(outgoing.read())
        parser = client.ReplyParser()
        parser.methods.append("GET")
        while not parser.replies:
            try:
                parser.feed(side.read(65536))
            except ssl.SSLWantReadError:
                incoming.write(s.recv(65536))
        assert parser.replies[0].text() == "Hello, World!"


@pytest.mark.parametrize("first", [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3"
                                   b"\r\n\r\nabc", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"])
def test_plain_http_is_told_so(server, first):
    with secure.raw_socket(server) as s:
        s.sendall(first)
        answer = b""
        while data := s.recv(65536):
            answer += data
        assert answer.startswith(b"HTTP/1.1 400 ") and b"HTTPS" in answer


def test_plain_http_head_in_pieces(server):
    with secure.raw_socket(server) as s:
        for piece in (b"G", b"ET / HTT", b"P/1.1\r\nHo", b"st: x\r\n\r", b"\n"):
            s.sendall(piece)
            time.sleep(0.02)
        assert s.recv(65536).startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("junk", [b"\x00" * 100, b"\x80\x2e\x01\x03\x01" + b"\x00" * 60, b"\x16\x03\x01\xff\xff" + b"x" * 600,
                                  b"\x16\x03\x01\x00\x05hello", b"\x17\x03\x03\x00\x05hello", b"ssh-2.0\r\n",
                                  b"\x16\x03\x01\x00\x00\x16\x03\x01\x00\x00"])
def test_what_is_neither_ends(server, junk):
    with secure.raw_socket(server) as s:
        s.sendall(junk)
        answer = b""
        try:
            while data := s.recv(65536):
                answer += data
        except ConnectionError:
            pass
        assert not answer or answer[0] == 21, answer  # an alert, or nothing
    with secure.raw_socket(server) as s: # and others are served
        s.sendall(b"GET / HTTP/1.0\r\n\r\n")
        assert s.recv(100).startswith(b"HTTP/1.1 400")


def test_broken_records_end_the_connection(server, authority):
    """Bytes that are no record, and a record that nobody has sealed, after the handshake."""
    for junk in (b"GET / HTTP/1.1\r\n\r\n", b"\x17\x03\x03\x00\x30" + b"x" * 48, b"\x14\x03\x03\x00\x01\x01" * 2,
                 b"\x17\x03\x03\x48\x00" + b"x" * 100):
        for version in (TLS12, TLS13):
            with secure.Connection(server, authority.context(high=version)) as c:
                assert c.ask().status == 200
                raw = socket.socket(fileno=c.socket.detach())
                raw.settimeout(10)
                raw.sendall(junk)
                rest = b""
                try:
                    while data := raw.recv(65536):
                        rest += data
                except ConnectionError:
                    pass
                raw.close()
                assert b"HTTP/1.1" not in rest


# ---- Servers with settings of their own


def test_names(start_secure, authority, mode):
    first, exact, wild = (authority.issue("first.test", "localhost"), authority.issue("www.exact.test", "exact.test"),
                          authority.issue("*.wild.test", key="rsa"))
    more = [f"more={pair.certificate},{pair.key}" for pair in (exact, wild)]
    server = start_secure(*more, *mode, own=first)
    context = authority.context()
    expected = {"first.test": first, "localhost": first, "exact.test": exact, "www.exact.test": exact,
                "a.wild.test": wild, "WWW.EXACT.test": exact}
    for name, pair in expected.items():
        with secure.Connection(server, context, name) as c:
            assert c.certificate_serial() == pair.serial(), name
            assert c.info()["server_name"].lower() == name.lower()
    context.check_hostname = False
    for name in ("unknown.test", "a.b.wild.test", "wild.test", None):
        with secure.Connection(server, context, name) as c:
            assert c.certificate_serial() == first.serial(), name


def test_strict_names(start_secure, authority, mode):
    server = start_secure("strict_names=1", *mode)
    context = authority.context()
    with secure.Connection(server, context) as c:
        assert c.ask().status == 200
    context.check_hostname = False
    for name in ("unknown.test", None):
        with pytest.raises(ssl.SSLError, match="(?i)unrecognized.name"):
            secure.Connection(server, context, name)


def test_resumption_with_a_second_certificate(start_secure, authority, mode):
    other = authority.issue("other.test")
    server = start_secure(f"more={other.certificate},{other.key}", *mode)
    context = authority.context()
    with secure.Connection(server, context, "other.test") as c:
        assert c.ask().status == 200
        session = c.socket.session
    with secure.Connection(server, context, "other.test", session=session) as c:
        assert c.info()["resumed"]


@pytest.mark.parametrize("key", ["p384", "rsa", "ed25519"])
def test_kinds_of_keys(start_secure, authority, key, mode):
    server = start_secure(*mode, own=authority.issue("localhost", key=key))
    for version in (TLS12, TLS13):
        with secure.Connection(server, authority.context(low=version, high=version)) as c:
            assert c.ask().text() == "Hello, World!"


def test_chain(start_secure, authority, tmp_path):
    """Intermediate certificates behind the first one are sent."""
    inner = secure.Authority(tmp_path, "inner")
    request = secure.openssl("req", "-new", "-key", inner.pair.key, "-subj", "/CN=inner")
    extensions = tmp_path / "ca"
    extensions.write_text("basicConstraints=critical,CA:TRUE\n")
    inner.pair.certificate.write_bytes(secure.openssl(
        "x509", "-req", "-CA", authority.pair.certificate, "-CAkey", authority.pair.key, "-set_serial", 77, "-extfile",
        extensions, text=request))
    leaf = inner.issue("localhost")
    with leaf.certificate.open("ab") as f:
        f.write(inner.pair.certificate.read_bytes())
    server = start_secure(own=leaf)
    with secure.Connection(server, authority.context()) as c:
        assert c.ask().status == 200


def test_minimum_version(start_secure, authority):
    server = start_secure("min_version=13")
    with pytest.raises(ssl.SSLError):
        secure.Connection(server, authority.context(high=TLS12))
    with secure.Connection(server, authority.context()) as c:
        assert c.info()["version"] == "TLSv1.3"


def test_without_tickets(start_secure, authority, mode):
    server = start_secure("tickets=-1", *mode)
    for version in (TLS12, TLS13):
        context = authority.context(low=version, high=version)
        with secure.Connection(server, context) as c:
            assert c.ask().status == 200
            session = c.socket.session
            assert session is None or not session.has_ticket
        with secure.Connection(server, context, session=session) as c:
            assert not c.info()["resumed"]


def test_tickets_shared_by_a_file(start_secure, authority, tmp_path, mode):
    secret = tmp_path / "secret"
    secret.write_bytes(bytes(range(48)))
    first, second = (start_secure(f"ticket_file={secret}", *mode) for _ in range(2))
    stranger = start_secure(*mode)
    for version in (TLS12, TLS13):
        context = authority.context(low=version, high=version)
        with secure.Connection(first, context) as c:
            assert c.ask().status == 200
            session = c.socket.session
        with secure.Connection(second, context, session=session) as c:
            assert c.info()["resumed"]
        with secure.Connection(stranger, context, session=session) as c:
            assert not c.info()["resumed"]


def test_client_certificates(start_secure, authority, tmp_path, mode):
    alice = authority.issue(subject="/O=Example, Inc./CN=alice")
    mallory = secure.Authority(tmp_path, "stranger").issue(subject="/CN=alice")
    ca = f"client_ca={authority.pair.certificate}"
    asked = start_secure("client_certificates=1", ca, *mode)
    required = start_secure("client_certificates=2", ca, *mode)
    for version in (TLS12, TLS13):
        for server in (asked, required):
            context = authority.context(low=version, high=version, pair=alice)
            session = None
            for resumed in (False, True): # a resumed session knows its client
                with secure.Connection(server, context, session=session) as c:
                    told = c.info()
                    assert told["resumed"] == resumed
                    assert told["verified"] and told["subject"] == r"CN=alice,O=Example\, Inc."
                    session = c.socket.session
            with pytest.raises((ssl.SSLError, client.ProtocolError, ConnectionError)):
                with secure.Connection(server, authority.context(low=version, high=version, pair=mallory)) as c:
                    c.ask()
        with secure.Connection(asked, authority.context(low=version, high=version)) as c:
            assert not c.info()["verified"]
        with pytest.raises((ssl.SSLError, client.ProtocolError, ConnectionError)):
            with secure.Connection(required, authority.context(low=version, high=version)) as c:
                c.ask()


def test_stapled_response(start_secure, authority, pair, mode):
    server = start_secure(f"ocsp_response={authority.staple(pair)}", *mode)
    for version in ("-tls1_2", "-tls1_3"):
        done = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{server.port}", version, "-status",
                               "-CAfile", authority.pair.certificate], stdin=subprocess.DEVNULL, capture_output=True,
                              check=False, timeout=30)
        assert b"OCSP Response Status: successful" in done.stdout and b"Cert Status: good" in done.stdout
    with secure.Connection(server, authority.context()) as c:  # one that does not ask for it
        assert c.ask().status == 200


@pytest.mark.parametrize("size", [1024, 3000])
def test_receive_buffer_smaller_than_a_record(start_secure, authority, size, mode):
    """The kernel never has a whole record: what it has is read as it comes."""
    server = start_secure(f"receive_buffer={size}", *mode)
    names = [f"protocol-{i}-{'x' * 200}" for i in range(20)]  # a hello of more than 4 KB
    with secure.Connection(server, authority.context(alpn=[*names, "http/1.1"]), timeout=60) as c:
        assert c.ask("POST", "/length", body=b"x" * 300000).text() == "300000"


def test_buffers_smaller_than_a_record(start_secure, authority, mode):
    """What is in a record and not in the buffer yet is given by the next read, though the socket is silent."""
    server = start_secure("http_buffer_size=1024", *mode)
    with secure.Connection(server, authority.context()) as c:
        for size in (1, 1000, 1024, 5000, 16384, 100000):
            assert bytes(c.ask("POST", "/echo", body=b"y" * size).body) == b"y" * size
        c.send(client.request() * 100, *["GET"] * 100)  # in one record
        for _ in range(100):
            assert c.reply().text() == "Hello, World!"


def test_redirect_of_plain_http(start_secure):
    server = start_secure("redirect_plain=1")
    with client.Connection(server.address) as c:
        c.send(client.request(path="/a/b?c=d", host="example.test:8443"), "GET")
        reply = c.reply()
        assert reply.status == 308 and reply.header("Location") == "https://example.test:8443/a/b?c=d"
        c.expect_end()
    for head in (b"GET / HTTP/1.0\r\n\r\n", b"GET http://x/ HTTP/1.1\r\nHost: x\r\n\r\n", b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n",
                 b"GET / HTTP/1.1\r\nHost:\r\n\r\n", b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n"):
        with secure.raw_socket(server) as s:
            s.sendall(head)
            assert s.recv(65536).startswith(b"HTTP/1.1 400 "), head


def test_handshake_timeout(start_secure, authority):
    server = start_secure("handshake_timeout_ms=300")
    for first in (b"", b"\x16\x03\x01\x02\x00\x01", b"GET / HT"):
        with secure.raw_socket(server) as s:
            s.sendall(first)
            assert s.recv(100) == b""
    with secure.Connection(server, authority.context()) as c:
        time.sleep(0.5)
        assert c.ask().status == 200


def test_handshakes_wait_for_a_slot(start_secure, authority):
    """One slot a worker: who is first keeps it until it is through or has been silent for too long."""
    server = start_secure("max_handshakes=1", "workers=1")
    context = authority.context()
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    side = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
    with secure.raw_socket(server) as s:
        with pytest.raises(ssl.SSLWantReadError):
            side.do_handshake()
        s.sendall(outgoing.read())
        assert s.recv(1)  # the handshake is under way, and stays so
        with secure.Connection(server, context, timeout=30) as c:
            figures = ledger(c)["tls"]
            assert figures["waited"] >= 1 and figures["handshakes_now"] == 0


def test_truncated_body(start_secure, authority, mode):
    """A body whose end is a FIN and no close_notify is not taken for whole."""
    server = start_secure("workers=1", *mode)
    context = authority.context()
    for orderly in (True, False):
        with secure.Connection(server, context) as c:
            c.send(b"POST /length HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n" + b"x" * 50, "POST")
            if orderly:
                with pytest.raises((ssl.SSLError, TimeoutError, OSError)):
                    c.socket.settimeout(0.2)
                    c.socket.unwrap()
            else:
                socket.socket(fileno=c.socket.detach()).close()
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with secure.Connection(server, context) as c:
            figures = ledger(c)["tls"]
        if figures["truncated"] == 1:
            return
        time.sleep(0.05)
    pytest.fail(f"{figures}")


def test_ledger(start_secure, authority, mode):
    server = start_secure("workers=1", *mode)
    context = authority.context()
    with secure.Connection(server, context) as c:
        assert c.ask(path="/bytes/10000").received == 10000
        session = c.socket.session
    with secure.raw_socket(server) as s:
        s.sendall(b"\x00\x00")
        assert s.recv(1) == b""
    with pytest.raises(ssl.SSLError):
        secure.Connection(server, authority.context(alpn=["none"]))
    with secure.Connection(server, context, session=session) as c:
        figures = ledger(c)
        tls = figures["tls"]
        assert tls["handshakes"] == 2 and tls["resumptions"] == 1 and tls["handshakes_now"] == 0
        failed = figures["handshakes"]["failed"]
        assert failed["protocol"] == 1 and failed["alpn"] == 1
        by_mode = "lean" if mode else "openssl"
        assert tls["sessions"][by_mode] == 1
        assert tls["bytes_out"][by_mode] > 10000 and tls["bytes_in"][by_mode] > 50
        rows = {row["name"]: row for row in figures["memory"]["accounts"]}
        assert rows["tls handshakes"]["in_use"] == 0
        assert (rows["tls sessions"]["in_use"] > 0) == (by_mode == "openssl")
        metrics = c.ask(path="/_weir/metrics").text()
        assert "weir_tls_handshakes_total 2\n" in metrics
        assert re.search(r'^weir_tls_sessions\{mode="%s"\} 1$' % by_mode, metrics, re.MULTILINE)


# ---- What is wrong with settings


def errors_of(*settings):
    from conftest import BUILD
    done = subprocess.run([BUILD / "tests/programs/secure", *settings], capture_output=True, check=False, timeout=60)
    assert done.returncode == 1, done
    return done.stderr.decode()


def test_wrong_settings_are_told_all_at_once(authority, pair, tmp_path):
    text = errors_of(f"certificate={tmp_path}/missing.pem", f"key={pair.key}", "min_version=11", "tickets=7", "ciphers=NONE",
                     "ciphersuites=x", "groups=curve", "client_certificates=2", "handshake_timeout_ms=-5")
    for name in ("min_version", "tickets", "client_ca", "handshake_timeout_ms"):
        assert name in text, text
    text = errors_of(f"certificate={tmp_path}/missing.pem", f"key={pair.key}", "ciphers=NONE", "ciphersuites=x",
                     "groups=curve", f"ticket_file={tmp_path}/none", f"client_ca={pair.key}", "client_certificates=1")
    for name in ("missing.pem", "ciphers", "ciphersuites", "groups", "ticket_file", "client_ca"):
        assert name in text, (name, text)


def test_pairs_that_cannot_be_used(authority, pair, tmp_path):
    other = authority.issue("localhost")
    broken = tmp_path / "broken.pem"
    broken.write_text(pair.certificate.read_text()[:200])
    locked = tmp_path / "locked.key"
    locked.write_bytes(secure.openssl("pkey", "-in", pair.key, "-aes256", "-passout", "pass:secret"))
    short = tmp_path / "short"
    short.write_text("too short")
    for settings, said in (
            (["certificate=" + str(pair.certificate), f"key={other.key}"], "does not belong"),
            ([f"certificate={broken}", f"key={pair.key}"], "broken.pem"),
            ([f"certificate={pair.certificate}", f"key={locked}"], "passphrase"),
            ([f"certificate={pair.key}", f"key={pair.key}"], "no certificate"),
            ([f"certificate={pair.certificate}", f"key={pair.certificate}"], "no private key"),
            ([f"certificate={tmp_path}", f"key={pair.key}"], "not a file"),
            ([f"certificate={pair.certificate}"], "key 1"),
            ([], "certificate 1"),
            ([*pair.arguments(), f"ticket_file={short}"], "less than 32 bytes"),
            ([*pair.arguments(), f"ocsp_response={short}"], "OCSP"),
            ([*pair.arguments(), "self_signed=localhost"], "self_signed"),
            (["self_signed= ,"], "self_signed")):
        assert said in errors_of(*settings), settings


def test_expired_certificate_is_a_warning(start_secure, authority):
    server = start_secure(own=authority.issue("localhost", days=-1))
    assert "has expired" in server.error_text()
    with pytest.raises(ssl.SSLError, match="expired"):
        secure.Connection(server, authority.context())


def test_self_signed(start_secure):
    server = start_secure("self_signed=localhost, 127.0.0.1 ::1", own=None)
    pem = ssl.get_server_certificate(server.address)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=pem)
    for name in ("localhost", "127.0.0.1"):
        with secure.Connection(server, context, name) as c:
            assert c.ask().status == 200


def test_pem_as_text(start_secure, authority, pair):
    server = start_secure(f"certificate_pem={pair.certificate.read_text()}", f"key_pem={pair.key.read_text()}", own=None)
    with secure.Connection(server, authority.context()) as c:
        assert c.ask().status == 200
