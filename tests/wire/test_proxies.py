"""Clients behind proxies (tests/programs/proxies.c): PROXY prefaces by hand, by curl and by haproxy, before HTTP/1,
HTTP/2, TLS and a listener without HTTP; Forwarded and X-Forwarded-For by hand and by nginx.

SPDX-License-Identifier: MIT
"""

import json
import re
import shutil
import socket
import ssl
import struct
import subprocess

import pytest

from client import open_socket, request
from conftest import BUILD, Server
from faults import wait_for
from serving import serve  # noqa: F401, a fixture

pytestmark = pytest.mark.threaded

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
V1 = b"PROXY TCP4 203.0.113.7 127.0.0.1 4711 80\r\n"
NGINX = shutil.which("nginx") or "/usr/sbin/nginx"
HAPROXY = shutil.which("haproxy") or "/usr/sbin/haproxy"


def v2(source="203.0.113.7", port=4711, values=b"", command=1):
    """A preface of version 2."""
    if command == 0:
        return SIGNATURE + b"\x20\0\0\0"
    family = socket.AF_INET6 if ":" in source else socket.AF_INET
    other = "::1" if ":" in source else "127.0.0.1"
    block = socket.inet_pton(family, source) + socket.inet_pton(family, other) + struct.pack("!HH", port, 80) + values
    return SIGNATURE + struct.pack("!BBH", 0x21, 0x21 if ":" in source else 0x11, len(block)) + block


class Site:
    def __init__(self, *settings):
        self.server = Server("tests/programs/proxies", *settings)
        self.port = int(re.search(r"http://127.0.0.1:(\d+)", self.server.output)[1])
        self.raw = int(re.search(r"raw (\d+)\n", self.server.output)[1])

    def open(self, preface=b"", port=None):
        connection = open_socket(("127.0.0.1", port or self.port))
        connection.sendall(preface)
        return connection

    def who(self, preface=b"", headers=(), path="/who"):
        """What the server says of the client who sends this."""
        with self.open(preface + request(path=path, headers=[*headers, ("Connection", "close")])) as connection:
            return read_who(connection)

    def ledger(self, preface=b"PROXY UNKNOWN\r\n"):
        with self.open(preface + request(path="/_weir/ledger.json", headers=[("Connection", "close")])) as connection:
            return read_json(connection)

    def failed(self, cause):
        return self.ledger()["handshakes"]["failed"][cause]


def read_all(connection):
    data = b""
    while piece := connection.recv(65536):
        data += piece
    return data


def read_json(connection):
    """A reply's JSON, chunked or not: the ledger waits within its reply where the process's memory is counted."""
    head, _, body = read_all(connection).partition(b"\r\n\r\n")
    if b"chunked" in head:
        pieces = []
        while body and not body.startswith(b"0\r\n"):
            size, _, body = body.partition(b"\r\n")
            pieces.append(body[:int(size, 16)])
            body = body[int(size, 16) + 2:]
        body = b"".join(pieces)
    return json.loads(body)


def read_who(connection):
    head, _, body = read_all(connection).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 "), head
    return json.loads(body)


def ends(connection):
    """Whether the server has closed without a word."""
    try:
        return connection.recv(100) == b""
    except ConnectionResetError:
        return True


@pytest.fixture
def begin():
    sites = []

    def begin_one(*settings):
        sites.append(Site(*settings))
        return sites[-1]

    yield begin_one
    for site in sites:
        site.server.stop()


@pytest.fixture
def prefaced(begin):
    return begin("preface=on")


# ---- Prefaces by hand


@pytest.mark.parametrize("preface, client", [
    (V1, "203.0.113.7"), (b"PROXY TCP6 2001:db8::7 ::1 4711 80\r\n", "2001:db8::7"), (v2(), "203.0.113.7"),
    (v2("2001:db8::7"), "2001:db8::7"), (v2(values=b"\x04\x07\x00" + bytes(1792)), "203.0.113.7"),
    (SIGNATURE + b"\x21\x31\x00\xd8" + bytes(216), "unix:")], ids=range(6))
def test_client(prefaced, preface, client):
    found = prefaced.who(preface)
    assert found["client"] == client and found["scheme"] == "http" and found["host"] == "localhost"
    assert found["peer"].startswith("127.0.0.1:") and not found["secure"]


@pytest.mark.parametrize("preface", [b"PROXY UNKNOWN\r\n", v2(command=0), SIGNATURE + b"\x21\0\0\0"])
def test_nobody_told(prefaced, preface):
    assert prefaced.who(preface)["client"] == "127.0.0.1"


def test_scheme_told(prefaced):
    assert prefaced.who(v2(values=b"\x20\0\x05\x01\0\0\0\0"))["scheme"] == "https"


@pytest.mark.parametrize("preface", [V1, v2("2001:db8::7")])
def test_byte_by_byte(prefaced, preface):
    with prefaced.open() as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in preface + request(path="/who", headers=[("Connection", "close")]):
            connection.sendall(bytes([byte]))
        assert read_who(connection)["client"] in ("203.0.113.7", "2001:db8::7")


def test_kept_connection(prefaced):
    """The preface is of the connection: each request has its client."""
    with prefaced.open(V1 + 50 * request(path="/who")) as connection:
        connection.sendall(request(path="/who", headers=[("Connection", "close")]))
        assert read_all(connection).count(b'"client":"203.0.113.7"') == 51


def test_body_behind(prefaced):
    body = b"x" * 100000
    with prefaced.open(v2() + request("POST", "/who", [("Connection", "close")], body)) as connection:
        assert read_who(connection) | {"peer": ""} == {"client": "203.0.113.7", "peer": "", "scheme": "http",
                                                      "host": "localhost", "secure": False, "body": len(body)}


def test_without_http(prefaced):
    with prefaced.open(V1 + b"a line\n", prefaced.raw) as connection:
        connection.shutdown(socket.SHUT_WR)
        assert read_all(connection) == b"203.0.113.7\na line\n"


def test_live_requests(prefaced):
    """A live request is told by its client's address and port."""
    with prefaced.open(V1 + request(path="/peers", headers=[("Connection", "close")])) as connection:
        assert b"203.0.113.7:4711\n" in read_all(connection)


def test_log(begin):
    site = begin("preface=on", "log_level=4")
    assert site.who(V1)["client"] == "203.0.113.7"
    site.server.stop()
    assert "GET /who, from 203.0.113.7:4711: 200" in site.server.error_text()


# ---- Attacks


@pytest.mark.parametrize("data", [
    request(path="/who"), b"PROXY TCP4 203.0.113.7\r\n" + request(path="/who"), b"\x16\x03\x01\x02\x00\x01", b"P" * 107,
    b"PROXY " + b"x" * 200, SIGNATURE + b"\x21\x11\xff\xff" + bytes(100), SIGNATURE + b"\x21\x11\0\x04" + bytes(4),
    V1.replace(b"4711", b"99999"), bytes(1 << 20), b"x" * (1 << 20)], ids=range(10))
def test_no_preface(prefaced, data):
    with prefaced.open() as connection:
        try:
            connection.sendall(data)
        except (ConnectionResetError, BrokenPipeError):
            pass
        assert ends(connection)
    wait_for(lambda: prefaced.failed("preface") == 1)


def test_two_prefaces(prefaced):
    """The second is a request that nobody can read."""
    with prefaced.open(V1 + V1 + request(path="/who")) as connection:
        assert read_all(connection).startswith(b"HTTP/1.1 400 ")


def test_half_a_preface(begin):
    site = begin("preface=on", "header_timeout_ms=300")
    with site.open(V1[:20]) as first, site.open(v2()[:20]) as second, site.open() as third:
        assert ends(first) and ends(second) and ends(third)
    wait_for(lambda: site.failed("timeout") == 3)


def test_gone_before_the_end(prefaced):
    with prefaced.open(V1[:20]) as connection:
        connection.shutdown(socket.SHUT_WR)
        assert ends(connection)
    with prefaced.open() as connection:
        connection.shutdown(socket.SHUT_WR)
        assert ends(connection)
    wait_for(lambda: prefaced.failed("closed") == 2)


def test_networks(begin):
    site = begin("preface=on", "networks=10.0.0.0/8 ::1")
    with site.open(V1 + request(path="/who")) as connection:
        assert ends(connection)
    site = begin("preface=on", "networks=10.0.0.0/8 127.0.0.1")
    assert site.who(V1)["client"] == "203.0.113.7"


def test_unlisted_network_is_counted(begin, tmp_path):
    path = tmp_path / "socket"
    site = begin("preface=on", "networks=unix:", f"unix=unix:{path}")
    with site.open(V1 + request(path="/who")) as connection:
        assert ends(connection)
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(path))
        connection.sendall(V1 + request(path="/_weir/ledger.json", headers=[("Connection", "close")]))
        ledger = read_json(connection)
    assert ledger["handshakes"]["failed"]["proxy_network"] == 1


def test_no_preface_wanted(begin):
    with begin().open(V1 + request(path="/who")) as connection:
        assert read_all(connection).startswith(b"HTTP/1.1 400 ")


# ---- Limits by address


def test_clients_are_counted(begin):
    """Not the proxy, which all connections come from; and a slot goes back with its connection."""
    site = begin("preface=on", "max_connections_per_address=3")
    held = [site.open(V1 + request(path="/who")) for _ in range(3)]
    for connection in held:
        connection.recv(1000)
    others = [site.open(v2(f"203.0.113.{i}") + request(path="/who")) for i in range(10, 30)]
    assert all(connection.recv(1000).startswith(b"HTTP/1.1 200 ") for connection in others)
    with site.open(v2() + request(path="/who")) as connection:
        assert read_all(connection).startswith(b"HTTP/1.1 503 ")
    assert site.failed("address_connections") == 1
    assert site.ledger()["refusals"]["max_connections_per_address"] == 1
    for connection in held + others:
        connection.close()

    def again():
        with site.open(v2() + request(path="/who")) as connection:
            return connection.recv(1000).startswith(b"HTTP/1.1 200 ")

    wait_for(again)


def test_trusted_are_not_counted(begin):
    trust = ("trusted=127.0.0.0/8", "header=Forwarded", "max_connections_per_address=2")
    site = begin(*trust)
    held = [site.open(request(path="/who")) for _ in range(8)]
    assert all(connection.recv(1000).startswith(b"HTTP/1.1 200 ") for connection in held)
    behind = begin("preface=on", "trusted=203.0.113.0/24", *trust[1:])
    held += [behind.open(V1 + request(path="/who")) for _ in range(8)]
    assert all(connection.recv(1000).startswith(b"HTTP/1.1 200 ") for connection in held[8:])
    for connection in held:
        connection.close()


# ---- TLS and HTTP/2 behind a preface


@pytest.fixture(params=["", "lean_records=1"])
def secure(request, begin, pair):
    return begin("preface=on", *pair.arguments(), *filter(None, [request.param]))


@pytest.mark.parametrize("split", [0, 5, len(V1)])
def test_tls(secure, authority, split):
    with secure.open(V1[:split], secure.server.tls_port) as connection:
        connection.sendall(V1[split:])
        with authority.context().wrap_socket(connection, server_hostname="localhost") as tls:
            tls.sendall(request(path="/who", headers=[("Connection", "close")]))
            found = read_who(tls)
    assert found["client"] == "203.0.113.7" and found["scheme"] == "https" and found["secure"]


def test_tls_in_one_packet(secure, authority):
    """A preface and the client's first record together."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = authority.context().wrap_bio(incoming, outgoing, server_hostname="localhost")
    with secure.open(port=secure.server.tls_port) as connection:
        first = v2("2001:db8::7")
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                connection.sendall(first + outgoing.read())
                first = b""
                incoming.write(connection.recv(65536))
        tls.write(request(path="/who", headers=[("Connection", "close")]))
        connection.sendall(outgoing.read())
        data = b""
        while b"}" not in data:
            incoming.write(connection.recv(65536))
            try:
                data += tls.read(65536)
            except ssl.SSLWantReadError:
                pass
    assert b'"client":"2001:db8::7"' in data


def test_tls_without_preface(secure, authority):
    with secure.open(port=secure.server.tls_port) as connection:
        with pytest.raises(OSError):
            authority.context().wrap_socket(connection, server_hostname="localhost")
    wait_for(lambda: secure.failed("preface") == 1)


def test_plain_http_on_tls(secure):
    with secure.open(V1 + request(path="/who"), secure.server.tls_port) as connection:
        assert read_all(connection).startswith(b"HTTP/1.1 400 ")


def curl(url, *options):
    done = subprocess.run(["curl", "-sS", "-m", "30", *options, url], capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_curl(prefaced):
    found = curl(f"http://127.0.0.1:{prefaced.port}/who", "--haproxy-protocol")
    assert found["client"] == "127.0.0.1"


def test_curl_http2(prefaced):
    found = curl(f"http://127.0.0.1:{prefaced.port}/who", "--haproxy-protocol", "--http2-prior-knowledge")
    assert found["client"] == "127.0.0.1" and found["host"] == f"127.0.0.1:{prefaced.port}"


def test_curl_tls(secure):
    found = curl(f"https://127.0.0.1:{secure.server.tls_port}/who", "--haproxy-protocol", "-k", "--http2")
    assert found["client"] == "127.0.0.1" and found["scheme"] == "https"


def test_curl_names_a_client(prefaced):
    if b"--haproxy-clientip" not in subprocess.run(["curl", "--help", "all"], capture_output=True).stdout:
        pytest.skip("this curl is too old to name a client")
    found = curl(f"http://127.0.0.1:{prefaced.port}/who", "--haproxy-clientip", "203.0.113.9")
    assert found["client"] == "203.0.113.9"


def test_weir_serve(serve, tmp_path):
    """The access log of weir serve tells the client of the preface."""
    (tmp_path / "file").write_text("text")
    running = serve("--proxy-protocol", "127.0.0.1", "--log", "common", tmp_path)
    port = int(re.search(r":(\d+)/$", running.url)[1])
    for preface in (V1, v2("2001:db8::7")):
        with open_socket(("127.0.0.1", port)) as connection:
            connection.sendall(preface + request(path="/file", headers=[("Connection", "close")]))
            assert read_all(connection).endswith(b"text")
    lines = running.stop()
    assert lines[0].startswith("203.0.113.7 - - [") and lines[1].startswith("2001:db8::7 - - ["), lines


def test_weir_serve_says_what_is_wrong(tmp_path):
    done = subprocess.run([BUILD / "weir", "serve", "--proxy-protocol", "10.0.0.0/33", tmp_path], capture_output=True,
                          timeout=60)
    assert done.returncode != 0 and b"weir serve: --proxy-protocol: \"10.0.0.0/33\" is not" in done.stderr


# ---- Real proxies


class Proxy:
    """A proxy in the foreground, from the text of its configuration."""

    def __init__(self, command, port):
        self.port = port
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        try:
            wait_for(self._listens)
        except BaseException:
            self.stop()
            raise

    def _listens(self):
        assert self.process.poll() is None, self.process.stderr.read()
        try:
            socket.create_connection(("127.0.0.1", self.port)).close()
        except ConnectionRefusedError:
            return False
        return True

    def stop(self):
        self.process.terminate()
        self.process.communicate(timeout=30)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


HAPROXY_CONFIGURATION = """
global
    nbthread 1
defaults
    timeout connect 20s
    timeout client 60s
    timeout server 60s
frontend all
    mode {mode}
    bind 127.0.0.1:{port}
    default_backend weir
backend weir
    mode {mode}
    {more}
    server weir 127.0.0.1:{to} {options}
"""


@pytest.fixture
def haproxy(tmp_path):
    started = []
    if not shutil.which(HAPROXY):
        pytest.skip("haproxy is not there")

    def start(to, options, mode="tcp", more=""):
        port, path = free_port(), tmp_path / f"{len(started)}.cfg"
        path.write_text(HAPROXY_CONFIGURATION.format(port=port, to=to, options=options, mode=mode, more=more))
        started.append(Proxy([HAPROXY, "-db", "-f", str(path)], port))
        return port

    yield start
    for proxy in started:
        proxy.stop()


def client_of(port, source, path="/who", secure=None):
    """Asks by a socket that is bound to a loopback address of its own. Returns what the server knows, and its port."""
    connection = socket.create_connection(("127.0.0.1", port), 20, source_address=(source, 0))
    if secure:
        connection = secure.wrap_socket(connection, server_hostname="localhost")
    with connection:
        connection.sendall(request(path=path, headers=[("Connection", "close")]))
        return read_who(connection)


@pytest.mark.parametrize("options", ["send-proxy", "send-proxy-v2", "send-proxy-v2 proxy-v2-options crc32c,unique-id"])
def test_haproxy(prefaced, haproxy, options):
    found = client_of(haproxy(prefaced.port, options), "127.1.2.3")
    assert found["client"] == "127.1.2.3" and found["peer"].startswith("127.0.0.1:")


def test_haproxy_checks(prefaced, haproxy):
    """Its health checks are connections of its own."""
    port = haproxy(prefaced.port, "send-proxy-v2 check check-send-proxy inter 100ms")
    done = prefaced.ledger()["handshakes"]["done"]
    wait_for(lambda: prefaced.ledger()["handshakes"]["done"] > done + 10)
    assert client_of(port, "127.1.2.3")["client"] == "127.1.2.3"
    assert prefaced.failed("preface") == 0


@pytest.mark.parametrize("options", ["send-proxy", "send-proxy-v2-ssl"])
def test_haproxy_before_tls(secure, haproxy, authority, options):
    port = haproxy(secure.server.tls_port, options)
    found = client_of(port, "127.1.2.3", secure=authority.context())
    assert found["client"] == "127.1.2.3" and found["secure"]


def test_haproxy_forwards(begin, haproxy):
    site = begin("trusted=127.0.0.1", "header=X-Forwarded-For")
    port = haproxy(site.port, "", "http", "option forwardfor\n    http-request set-header X-Forwarded-Proto https")
    found = client_of(port, "127.1.2.3")
    assert found["client"] == "127.1.2.3" and found["scheme"] == "https" and not found["secure"]


def test_haproxy_both(begin, haproxy):
    """One in front that speaks the PROXY protocol, and behind it one that forwards."""
    site = begin("preface=on", "trusted=127.0.0.1", "header=X-Forwarded-For")
    layer7 = haproxy(site.port, "send-proxy-v2", "http", "option forwardfor")
    assert client_of(layer7, "127.1.2.3")["client"] == "127.1.2.3"


NGINX_CONFIGURATION = """
daemon off; master_process off; pid {folder}/pid; error_log {folder}/log;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path {folder}/1; proxy_temp_path {folder}/2; fastcgi_temp_path {folder}/3;
    uwsgi_temp_path {folder}/4; scgi_temp_path {folder}/5;
    map $remote_addr $forwarded {{
        ~:      'for="[$remote_addr]:$remote_port";proto=$scheme;host="$http_host"';
        default 'for=$remote_addr;proto=$scheme;host="$http_host"';
    }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://127.0.0.1:{to};
            proxy_http_version 1.1;
            proxy_set_header Forwarded "$http_forwarded, $forwarded";
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_set_header X-Forwarded-Proto $scheme;
            proxy_set_header X-Forwarded-Host $http_host;
        }}
    }}
}}
"""


@pytest.fixture
def nginx(tmp_path):
    started = []
    if not shutil.which(NGINX):
        pytest.skip("nginx is not there")

    def start(to):
        port, folder = free_port(), tmp_path / f"nginx{len(started)}"
        folder.mkdir()
        (folder / "conf").write_text(NGINX_CONFIGURATION.format(port=port, to=to, folder=folder))
        started.append(Proxy([NGINX, "-c", str(folder / "conf"), "-e", str(folder / "log")], port))
        return port

    yield start
    for proxy in started:
        proxy.stop()


@pytest.mark.parametrize("header", ["Forwarded", "X-Forwarded-For"])
def test_nginx(begin, nginx, header):
    """Two in a row, and a client that claims to be somebody else."""
    site = begin("trusted=127.0.0.1", f"header={header}")
    first = nginx(site.port)
    second = nginx(first)
    for port in (first, second):
        with socket.create_connection(("127.0.0.1", port), 20, source_address=("127.9.9.9", 0)) as connection:
            connection.sendall(request(path="/who", host="example.org", headers=[
                ("Forwarded", 'for=1.1.1.1;proto=https;host=evil, for="'), ("X-Forwarded-For", "1.1.1.1"),
                ("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "evil"), ("Connection", "close")]))
            found = read_who(connection)
        assert found["client"] == "127.9.9.9" and found["scheme"] == "http"
    assert client_of(first, "127.9.9.9")["host"] == "localhost"


# ---- Fields by hand


def test_nobody_is_trusted(begin):
    """By default no field is read; nor is one of whom is not among the trusted, nor the field that was not named."""
    fields = [("Forwarded", "for=1.1.1.1;proto=https;host=evil"), ("X-Forwarded-For", "1.1.1.1"),
              ("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "evil")]
    for settings in ([], ["trusted=10.0.0.0/8", "header=Forwarded"], ["trusted=unix:", "header=X-Forwarded-For"]):
        found = begin(*settings).who(headers=fields)
        assert found["client"] == "127.0.0.1" and found["scheme"] == "http" and found["host"] == "localhost"
    site = begin("trusted=127.0.0.0/8 unix:", "header=Forwarded")
    assert site.who(headers=fields[1:])["client"] == "127.0.0.1"
    assert site.who(headers=fields)["client"] == "1.1.1.1"


def test_forwarded(begin):
    site = begin("trusted=127.0.0.0/8 10.0.0.0/8", "header=Forwarded")
    found = site.who(headers=[("Forwarded", 'for="[2001:db8::7]:1";proto=https;host="example.org:8443", for=10.0.0.1')])
    assert found["client"] == "2001:db8::7" and found["scheme"] == "https" and found["host"] == "example.org:8443"
    assert not found["secure"]
    assert site.who(headers=[("Forwarded", "for=_hidden, for=10.0.0.1")])["client"] == "_hidden"
    assert site.who(headers=[("Forwarded", "for=1.1.1.1, broken, for=10.0.0.1")])["client"] == "10.0.0.1"
    assert site.who(headers=[("Forwarded", "for=1.1.1.1"), ("Forwarded", "for=10.0.0.1")])["client"] == "1.1.1.1"
    many = ", ".join(["for=10.0.0.2"] * 500)
    assert site.who(headers=[("Forwarded", "for=1.1.1.1, " + many)])["client"] == "10.0.0.2"


def test_unix_proxy(begin, tmp_path):
    path = tmp_path / "socket"
    begin("trusted=unix:", "header=X-Forwarded-For", f"unix=unix:{path}")
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(path))
        connection.sendall(request(path="/who", headers=[("X-Forwarded-For", "1.1.1.1"), ("Connection", "close")]))
        assert read_who(connection)["client"] == "1.1.1.1"


@pytest.mark.parametrize("settings, word", [
    (["trusted=10.0.0.0/33", "header=Forwarded"], "10.0.0.0/33"), (["trusted=10.0.0.0/8"], "forwarded_header"),
    (["header=Forwarded"], "trusted_proxies"), (["trusted=::1", "header=Via"], "Via"),
    (["networks=::1"], "proxy_protocol"), (["preface=on", "networks=localhost"], "localhost")])
def test_wrong_settings(settings, word):
    done = subprocess.run([BUILD / "tests/programs/proxies", *settings], capture_output=True, timeout=60)
    assert done.returncode == 1 and word.encode() in done.stderr
