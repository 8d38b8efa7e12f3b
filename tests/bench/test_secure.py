"""The clients of TLS and HTTP/2 against servers that nobody of weir wrote, or that follow a script; and what is read from their reports.

SPDX-License-Identifier: MIT
"""

import contextlib
import http.server
import json
import os
import socket
import ssl
import struct
import subprocess
import sys
import threading

import pytest
from lib import build, certificate, h2load, peer, programs, runner, secure, server, turns
from lib.clients import SecureClients
from lib.secure import PROTOCOLS
from lib.table import Visit
from lib.watch import LoadError

REQUEST = "GET / HTTP/1.1\r\nHost: www.example.com\r\n\r\n"
H2LOAD = """starting benchmark...
TLS Protocol: TLSv1.3
Cipher: TLS_AES_256_GCM_SHA384
Server Temp Key: X25519 253 bits
Application protocol: h2
traffic: 2.19MB (2300000) total, 1.35MB (1420000) headers (space savings 0.00%), 253.91KB (260000) data
"""
HANDSHAKES = '{{"handshakes": {}, "resumed": {}, "failed": {}, "seconds": 2.0, "version": "TLSv1.3", "cipher": "{}"}}\n'


class Hello(http.server.BaseHTTPRequestHandler):
    """Says hello, but not to everybody."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        """One reply."""
        self.send_response(200 if self.path == "/" else 503)
        self.send_header("Content-Length", "13")
        self.end_headers()
        self.wfile.write(b"Hello, World!")

    def log_message(self, *_arguments):
        """Nothing."""


class Listening:
    """A port of 127.0.0.1, as a Protocol wants to know it."""

    host = "127.0.0.1"

    def __init__(self, port):
        self.port = self.tls_port = self.h2c_port = port


@pytest.fixture(name="https", scope="module")
def fixture_https():
    """Python's own server over TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate.pair())
    context.set_alpn_protocols(["http/1.1"])
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hello) as found:
        found.handle_error = lambda *_arguments: None  # a client that goes in the middle is no fault
        found.daemon_threads = True
        found.socket = context.wrap_socket(found.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=found.serve_forever, daemon=True).start()
        yield Listening(found.server_address[1])
        found.shutdown()


@contextlib.contextmanager
def accepting(serve):
    """A server of one connection, which `serve` gets."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(20)

        def run():
            with listener.accept()[0] as connection:
                connection.settimeout(20)
                serve(connection)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        yield Listening(listener.getsockname()[1])
        thread.join(20)
        assert not thread.is_alive()


def read(connection, length):
    data = b""
    while len(data) < length:
        more = connection.recv(length - len(data))
        assert more, data
        data += more
    return data


def frame(kind, flags=0, stream=0, payload=b""):
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


def read_frame(connection, kind):
    """The payload of the next frame, which has to be of a kind, and its flags and stream."""
    head = read(connection, 9)
    payload = read(connection, int.from_bytes(head[:3], "big"))
    assert head[3] == kind, (head, payload)
    return payload, head[4], int.from_bytes(head[5:], "big")


def begin(connection, settings=b""):
    """The beginning of a connection. Returns the client's settings."""
    assert read(connection, 24) == b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    told, _, _ = read_frame(connection, 4)
    assert read_frame(connection, 8)[0] == (0x7FFFFFFF - 65535).to_bytes(4, "big")
    connection.sendall(frame(4, 0, 0, settings) + frame(4, 1))
    return {int.from_bytes(told[at : at + 2], "big"): int.from_bytes(told[at + 2 : at + 6], "big") for at in range(0, len(told), 6)}


def reply(connection, stream, block=b"\x88"):
    connection.sendall(frame(1, 4, stream, block) + frame(0, 1, stream, b"Hello, World!"))


def steps(listening, *words):
    line = [build.secure("steps"), "--port", str(listening.port), "--request", REQUEST, *words]
    return subprocess.run(line, capture_output=True, text=True, timeout=30, check=False)


def held(listening, protocol, count=3, **options):
    with SecureClients(listening, PROTOCOLS[protocol], count, ready_seconds=20, **options) as clients:
        pass
    return clients.counts()


def test_connections_are_held_and_counted(https):
    told = held(https, "https", request=REQUEST)
    assert (told["open"], told["good"], told["refused"], told["cut"]) == (3, 3, 0, 0)
    told = held(https, "https", request=REQUEST, requests=4, at_once=3)
    assert (told["open"], told["good"]) == (3, 12)


def test_a_reply_of_another_status_is_no_success(https):
    other = REQUEST.replace(" / ", " /other ")
    with pytest.raises(RuntimeError):
        held(https, "https", request=other)
    told = held(https, "https", request=other, tolerate=1)
    assert (told["good"], told["refused"]) == (0, 3)


def test_another_protocol_than_was_asked_for_is_an_error(https):
    assert steps(https, "--requests", "1", "--tls", "1", "--h2", "1").returncode == 1
    assert steps(https, "--requests", "1", "--tls", "1").returncode == 0


@pytest.mark.parametrize("resume", [False, True])
def test_handshakes_are_full_or_resumed(https, resume):
    line = [build.secure("handshakes"), "--port", str(https.port), "--threads", "2", "--seconds", "0.3", "--resume", str(int(resume))]
    done = subprocess.run(line, capture_output=True, text=True, timeout=30, check=True)
    assert turns.parse_handshakes(done.stdout, resume, 2, 0.1)["requests"] >= 2


@pytest.mark.parametrize("stop", ["half", "hello"])
def test_a_client_hello_is_cut_in_half(stop):
    seen = []

    def serve(connection):
        while more := connection.recv(4096):
            seen.append(more)

    with accepting(serve) as listening:
        assert held(listening, "https", 1, stop=stop)["open"] == 1
    hello = b"".join(seen)
    whole = 5 + int.from_bytes(hello[3:5], "big")
    assert hello[:2] == b"\x16\x03" and hello[5] == 1
    assert len(hello) == (whole if stop == "hello" else whole // 2)


def test_what_a_server_breaks_off_is_told_apart():
    def within(connection):
        read(connection, len(REQUEST))
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nHel")

    def before(connection):
        read(connection, len(REQUEST))

    for serve, name in ((within, "cut"), (before, "closed")):
        with accepting(serve) as listening:
            plain = secure.Protocol("http", "", tls=False, h2=False)
            with SecureClients(listening, plain, 1, ready_seconds=20, request=REQUEST, tolerate=1) as clients:
                pass
        assert {key: value for key, value in clients.counts().items() if value} == {**({"good": 1} if name == "cut" else {}), name: 1}


def test_a_server_that_goes_while_it_is_written_to_is_no_end_of_the_client():
    class Leaving(http.server.BaseHTTPRequestHandler):
        """Ends the connection behind the handshake."""

        def handle(self):
            self.connection.do_handshake()
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate.pair())
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Leaving) as leaving:
        leaving.daemon_threads = True
        leaving.socket = context.wrap_socket(leaving.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=leaving.serve_forever, daemon=True).start()
        told = held(Listening(leaving.server_address[1]), "https", 20, at_once=20, requests=20, request=REQUEST, tolerate=1)
        leaving.shutdown()
    assert told["closed"] + told["unshaken"] == 20


def test_a_client_of_patience_leaves_who_does_not_answer():
    with accepting(lambda connection: connection.recv(4096) and connection.recv(1)) as listening:
        told = held(listening, "https", 1, at_once=1, tolerate=1, patience=0.3)
    assert (told["waiting"], told["open"]) == (1, 0)


def test_the_first_request_fills_the_table_and_later_ones_use_it():
    """The blocks are those of RFC 7541, C.4.1, but for the order of its fields."""
    blocks = []

    def serve(connection):
        assert begin(connection) == {2: 0, 4: 0x7FFFFFFF}
        for number in range(3):
            if number == 1:
                assert read_frame(connection, 4)[1] == 1  # our settings are acknowledged
            payload, flags, stream = read_frame(connection, 1)
            assert (flags, stream) == (5, 2 * number + 1)
            blocks.append(payload.hex())
            reply(connection, stream)

    with accepting(serve) as listening:
        done = steps(listening, "--requests", "3", "--h2", "1")
    assert done.returncode == 0, done.stderr
    assert blocks == ["8286418cf1e3c2e5f23a6ba0ab90f4ff84", "8286be84", "8286be84"]


def test_streams_are_asked_for_at_once_and_may_end_in_any_order():
    def serve(connection):
        begin(connection)
        for _ in range(2):
            streams = []
            while len(streams) < 3:
                head = read(connection, 9)
                read(connection, int.from_bytes(head[:3], "big"))
                streams += [int.from_bytes(head[5:], "big")] if head[3] == 1 else []
            for stream in reversed(streams):
                reply(connection, stream, b"\x3f\xe1\x1f\x88")  # behind a change of the table's size

    with accepting(serve) as listening:
        done = steps(listening, "--requests", "6", "--batch", "3", "--h2", "1")
    assert done.returncode == 0, done.stderr


def test_a_table_of_no_size_is_not_used():
    blocks = []

    def serve(connection):
        begin(connection, b"\0\1\0\0\0\0")
        blocks.append(read_frame(connection, 1)[0].hex())  # sent before it could know
        reply(connection, 1)
        read_frame(connection, 4)
        blocks.append(read_frame(connection, 1)[0].hex())
        connection.sendall(frame(4, 0, 0, b"\0\1\0\0\x10\0"))
        reply(connection, 3)
        read_frame(connection, 4)
        blocks.append(read_frame(connection, 1)[0].hex())
        reply(connection, 5)

    with accepting(serve) as listening:
        done = steps(listening, "--requests", "3", "--h2", "1")
    assert done.returncode == 0, done.stderr
    name = "8cf1e3c2e5f23a6ba0ab90f4ff"
    assert blocks == [f"828641{name}84", f"20828601{name}84", f"3fe11f828641{name}84"]


def test_a_connection_that_is_held_answers_settings_and_ping():
    def serve(connection):
        begin(connection)
        read_frame(connection, 1)
        reply(connection, 1)
        read_frame(connection, 4)
        connection.sendall(frame(4, 0, 0, b"\0\1\0\0\0\0") + frame(6, 0, 0, b"12345678"))
        assert read_frame(connection, 4)[1] == 1
        assert read_frame(connection, 6)[:2] == (b"12345678", 1)
        ponged.set()

    ponged = threading.Event()
    with accepting(serve) as listening, SecureClients(listening, PROTOCOLS["h2c"], 1, ready_seconds=20, request=REQUEST, tolerate=1) as clients:
        assert ponged.wait(20)
    assert clients.counts()["good"] == 1


@pytest.mark.parametrize("end", [frame(3, 0, 1, bytes(4)), frame(1, 5, 1, b"\x48\x03503"), frame(1, 4, 1, b"\x8d") + frame(0, 1, 1, b"")])
def test_a_reset_or_another_status_is_no_success(end):
    def serve(connection):
        begin(connection)
        read_frame(connection, 1)
        connection.sendall(end)
        with contextlib.suppress(ConnectionError):
            connection.recv(4096)

    with accepting(serve) as listening:
        told = held(listening, "h2c", 1, request=REQUEST, tolerate=1)
    assert (told["good"], told["refused"]) == (0, 1)


def test_the_certificate_is_kept_and_of_p_256(tmp_path):
    cert, key = certificate.pair(str(tmp_path))
    with open(cert, "rb") as file:
        made = file.read()
    assert certificate.pair(str(tmp_path)) == (cert, key)
    with open(cert, "rb") as file:
        assert file.read() == made
    text = subprocess.run(["openssl", "x509", "-in", cert, "-noout", "-text"], capture_output=True, text=True, check=True).stdout
    assert "prime256v1" in text and "DNS:localhost" in text


def test_a_server_tells_both_its_ports():
    say = "import time; print('listening on http://127.0.0.1:1', flush=True); print('listening on https://127.0.0.1:2', flush=True); time.sleep(60)"
    with server.Server([sys.executable, "-c", say, "--tls-port", "0"]) as one:
        assert (one.port, one.tls_port, one.h2c_port) == (1, 2, 1)
    with server.Server([sys.executable, "-c", say]) as one:
        assert (one.port, one.tls_port) == (1, None)


def test_who_speaks_h2c_sends_settings(https):
    for answer, wanted in ((frame(4), True), (b"HTTP/1.1 400 Bad Request\r\n\r\n", False), (b"", False)):
        with accepting(lambda connection, answer=answer: connection.recv(4096) and connection.sendall(answer)) as listening:
            assert secure.speaks_h2c("127.0.0.1", listening.port) is wanted


def test_h2load_tells_what_was_agreed_on():
    assert h2load.agreed(H2LOAD) == ("h2", "TLSv1.3", "TLS_AES_256_GCM_SHA384")
    assert h2load.agreed("Application protocol: h2c\n") == ("h2c", None, None)
    assert h2load.body_bytes(H2LOAD) == 260000
    turns.check_agreed(PROTOCOLS["h2"], H2LOAD)
    for wrong in (H2LOAD.replace("AES_256", "AES_128"), H2LOAD.replace("protocol: h2", "protocol: http/1.1")):
        with pytest.raises(LoadError):
            turns.check_agreed(PROTOCOLS["h2"], wrong)


def test_h2load_asks_over_http2_by_one_cipher():
    line = h2load.command("https://127.0.0.1:1/", 1, 500, streams=32, cipher="SUITE")
    assert line == ["h2load", "-t1", "-c1", "-m32", "--tls13-ciphers=SUITE", "--groups=X25519", "-n500", "-N20s", "https://127.0.0.1:1/"]


def test_handshakes_count_only_if_they_were_what_was_asked_for():
    good = HANDSHAKES.format(1000, 0, 0, secure.CIPHER)
    assert turns.parse_handshakes(good, False, 8, 0.5)["a_cpu_second"] == 2000
    assert turns.parse_handshakes(HANDSHAKES.format(1000, 992, 0, secure.CIPHER), True, 8, 0.5)["cpu_us"] == pytest.approx(500)
    wrong = [(good, True), (HANDSHAKES.format(1000, 992, 0, secure.CIPHER), False), (HANDSHAKES.format(0, 0, 0, secure.CIPHER), False)]
    wrong += [(HANDSHAKES.format(1000, 0, 1, secure.CIPHER), False), (HANDSHAKES.format(1000, 0, 0, "TLS_AES_128_GCM_SHA256"), False)]
    for output, resume in wrong:
        with pytest.raises(LoadError):
            turns.parse_handshakes(output, resume, 8, 0.5)


def test_requests_of_the_record_are_all_counted():
    """A name that is recorded but counted no longer would never be compared."""
    with open(os.path.join(build.ROOT, "bench", "instructions.json"), encoding="utf-8") as file:
        recorded = json.load(file)["counts"]
    with open(os.path.join(build.ROOT, "script", "instructions"), encoding="utf-8") as file:
        text = file.read()
    assert all(f'"{name}":' in text for name in recorded)


@pytest.fixture(name="weir", scope="module")
def fixture_weir(tmp_path_factory):
    """The tour of this build, as script/bench starts it to speak TLS and HTTP/2."""
    tour = os.path.join(os.environ.get("WEIR_BUILD", os.path.join(build.ROOT, "build", "release")), "examples", "tour")
    if not secure.tour_serves(tour):
        pytest.skip("this tour was built without TLS")
    root = tmp_path_factory.mktemp("samples")
    with server.Server(server.tour_command(tour, 1, str(root))) as one:
        if not secure.speaks_h2c(one.host, one.port):
            pytest.skip("this tour was built without HTTP/2")
    for name in ("hello.txt", "large.bin", "large_dataset.csv"):
        (root / name).write_text("a sample\n", encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WEIR_BENCH_TOUR", tour)
        yield peer.Peer("weir", str(root))


def test_replies_over_every_protocol_are_looked_at(weir):
    samples = programs.Samples(weir.root)
    runner.check_secure(weir, samples, quick=True)
    assert weir.wrong == {}
    with open(os.path.join(weir.root, "hello.txt"), "w", encoding="utf-8") as file:
        file.write("another\n")
    samples.content = lambda _name: b"a sample\n"
    other = peer.Peer("weir", weir.root)
    runner.check_secure(other, samples, quick=True)
    assert set(other.wrong) == {"https", "h2", "h2c"} and "/file/hello.txt" in other.wrong["h2"]


def test_slices_of_the_tour_tell_what_it_took(weir):
    with weir.start(Visit([], part="secure")) as instance:
        for name, load in (("https", turns.ByWrk), ("h2", turns.ByH2load), ("h2c", turns.ByH2load)):
            more = () if load is turns.ByWrk else (4,)
            made = load(PROTOCOLS[name], "/", 8, *more, 1)
            found = made.measure(instance, made.prepare(instance))
            assert found["cpu_us"] > 0 and found["rate"] > 0 and found["opened_s"] > 0
        assert turns.handshakes(True, 0.3, 2, instance)["a_cpu_second"] > 0
        size = os.path.getsize(os.path.join(weir.root, "hello.txt"))
        assert turns.get_file(PROTOCOLS["h2"], "/file/hello.txt", size, 3, instance)["bytes"] == 3 * size
        with pytest.raises(LoadError):
            turns.get_file(PROTOCOLS["h2"], "/file/hello.txt", size + 1, 3, instance)
