"""HTTP/2 as clients that are not ours speak it: curl, nghttp, h2load, python3-h2, node and Go; the same bodies as over HTTP/1, byte by byte, and HTTP/1 over TLS likewise.

What the library does that a client sees: trailers, 100-continue, deadlines, ends, priorities. Clients that are not on this machine are skipped, and named.

SPDX-License-Identifier: MIT
"""

import json
import os
import random
import re
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time

import pytest

import client
import h2peer as raw
from conftest import BUILD, MIB, SANITIZE, Server, arguments
from h2frames import NO_RFC7540_PRIORITIES
from h2peer import Peer

if "WEIR_HTTP2:BOOL=OFF" in (BUILD / "CMakeCache.txt").read_text():
    pytest.skip("a build without HTTP/2", allow_module_level=True)
WITH_TLS = "WEIR_TLS:BOOL=OFF" not in (BUILD / "CMakeCache.txt").read_text()

VERSIONS = {"h1": ["--http1.1"], "h2c": ["--http2-prior-knowledge"], "h2": ["--http2"]}
MODES = ["h2c", "h2"] if WITH_TLS else ["h2c"]
# HTTP/1.1 over both versions of TLS, by OpenSSL's records and by lean ones.
SECURED = {"tls1.2": ["--tls-max", "1.2"], "tls1.3": ["--tlsv1.3"]} if WITH_TLS else {}
for name, options in list(SECURED.items()):
    VERSIONS[name] = VERSIONS[f"lean {name}"] = ["--http1.1", *options]
    SECURED[f"lean {name}"] = options


def needs(program):
    return pytest.mark.skipif(not shutil.which(program), reason=f"{program} IS NOT THERE: this client of HTTP/2 is not tried")


@pytest.fixture(scope="module")
def both(root):
    """A tour with and without TLS, and one with lean records: where each mode is spoken."""
    secure = {"expect": r"listening on http://\S+\nlistening on (https://\S+)\n"}
    servers = [Server(*arguments(root, *options), **(secure if options else {}))
               for options in ([["--tls-port", 0], ["--tls-port", 0, "--lean-records"]] if WITH_TLS else [[]])]
    server = servers[0]
    plain = re.search(r"listening on (http://\S+)\n", server.output).group(1)
    server.urls = {"h1": plain, "h2c": plain, "h2": server.url}
    server.urls.update((name, servers[name.startswith("lean")].url) for name in SECURED)
    server.known = {}  # replies over HTTP/1, by route
    yield server
    for each in servers:
        each.stop()


def curl(urls, mode, path, *options, seconds=60):
    """Runs curl: (status, fields by name in lower case but for those of a connection or a date, body, version)."""
    command = ["curl", "-sSk", "-m", str(seconds), "--path-as-is", *VERSIONS[mode], "-D", "/dev/stderr", "-w", "%{stderr}version %{http_version}",
               *map(str, options), urls[mode] + path]
    done = subprocess.run(command, capture_output=True, check=False)
    head, _, version = done.stderr.decode().rpartition("version ")
    assert done.returncode == 0, (command, done.stderr)
    lines = [part for part in head.split("\r\n\r\n") if part][-1].split("\r\n")
    fields = sorted(tuple(line.lower().split(": ", 1)) if ": " in line else (line.lower(), "") for line in lines[1:])
    fields = [(name, value) for name, value in fields if name not in ("date", "connection", "transfer-encoding")]
    return int(lines[0].split()[1]), fields, done.stdout, version.strip()


ROUTES = {
    "static": ("/",),
    "file": ("/file/hello.txt",),
    "file in a folder": ("/file/nested/deeper/file.txt",),
    "file with a space": ("/file/with%20space.txt",),
    "empty file": ("/file/empty.txt",),
    "large file": ("/file/large.bin",),
    "missing file": ("/file/missing",),
    "outside": ("/file/../secret.txt",),
    "large by hand": ("/large",),
    "stream": ("/stream",),
    "json": ("/json", "-H", 'X-Request-ID: a "b" \\'),
    "stack": ("/efficient",),
    "csv": ("/csv",),
    "cache": ("/cache/same",),
    "echo": ("/echo", "--data-binary", "some text", "-H", "Content-Type: text/x-own"),
    "echo of nothing": ("/echo", "-X", "POST"),
    "length": ("/length", "--data-binary", "x" * 100000),
    "parameters": ("/users/7/posts/a%22b",),
    "waiting": ("/wait/20",),
    "not found": ("/nowhere",),
    "not allowed": ("/length",),
    "bad parameter": ("/wait/x",),
    "head": ("/", "-I"),
    "head of a file": ("/file/large.bin", "-I"),
    "head of a stream": ("/stream", "-I"),
    "range": ("/file/large.bin", "-r", "100-199"),
    "page": ("/_weir",),
}


@needs("curl")
@pytest.mark.parametrize("mode", [*MODES, *SECURED])
@pytest.mark.parametrize("route", ROUTES)
def test_as_over_http1(both, mode, route):
    """Status, fields and body."""
    path, *options = ROUTES[route]
    if route == "cache":
        for each in ("h1", mode):
            curl(both.urls, each, path)
    if route not in both.known:
        both.known[route] = curl(both.urls, "h1", path, *options)
    one = both.known[route]
    two = curl(both.urls, mode, path, *options)
    assert (one[3], two[3]) == ("1.1", "1.1" if mode in SECURED else "2")
    if route == "json":
        one, two = ([*reply[:2], re.sub(rb'"timestamp":\d+', b"", reply[2])] for reply in (one, two))
    if route == "page":
        assert one[0] == two[0]
        return
    known = [field for field in one[1] if field[0] == "content-length"]
    fields = [[field for field in reply[1] if field[0] != "content-length" or known] for reply in (one, two)]
    assert (one[0], fields[0]) == (two[0], fields[1])
    assert "-I" in options or one[2] == two[2]  # of a HEAD curl shows the head in the body's place


@needs("curl")
@pytest.mark.parametrize("mode", [*MODES, *SECURED])
def test_cache_miss_and_hit(both, mode):
    name = mode.replace(" ", "-")
    for expected in ("miss", "hit", "hit"):
        status, fields, body, _ = curl(both.urls, mode, f"/cache/once-{name}")
        assert (status, dict(fields)["x-cache"], body) == (200, expected, b'{"key":"once-%s","computed":true}' % name.encode())


@needs("curl")
@pytest.mark.parametrize("mode", [*MODES, *SECURED])
@pytest.mark.parametrize("known", [True, False])
def test_large_echo(both, mode, known, tmp_path):
    """Uploaded and downloaded at once, with a length and without."""
    body = random.Random(5).randbytes(20 * MIB)
    (tmp_path / "body").write_bytes(body)
    options = ["--data-binary", f"@{tmp_path}/body"] if known else ["-X", "POST", "-T", "-"]
    command = ["curl", "-sSk", "-m", "60", *VERSIONS[mode], *options, both.urls[mode] + "/echo"]
    with open(tmp_path / "body", "rb") as stdin:
        done = subprocess.run(command, stdin=None if known else stdin, capture_output=True, check=True)
    assert done.stdout == body


@needs("curl")
@pytest.mark.parametrize("mode", [mode for mode in MODES if mode == "h2"])
def test_many_at_once_by_curl(both, mode, root, tmp_path):
    """On one connection. Without TLS curl 7.88 fails by itself, with nginx as well."""
    names = [f"-o{tmp_path}/{i}" for i in range(50)]
    urls = [both.urls[mode] + ("/file/large.bin" if i % 2 else "/csv") for i in range(50)]
    wanted = [argument for pair in zip(names, urls) for argument in pair]
    done = subprocess.run(["curl", "-sSk", "-m", "60", *VERSIONS[mode], "-Z", "--parallel-max", "50", "-w", "%{num_connects}\n", *wanted],
                          capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) <= {"0", "1"}
    expected = [(root / "large_dataset.csv").read_bytes().upper(), (root / "large.bin").read_bytes()]
    for i in range(50):
        assert (tmp_path / str(i)).read_bytes() == expected[i % 2]


@needs("nghttp")
@pytest.mark.parametrize("mode", MODES)
def test_nghttp(both, mode, root):
    run = lambda *more: subprocess.run(["nghttp", "-t", "30", *more], capture_output=True, check=True).stdout  # noqa: E731
    large = (root / "large.bin").read_bytes()
    assert run(both.urls[mode] + "/file/large.bin") == large
    assert run("-m", "10", both.urls[mode] + "/efficient").count(b"A reply to /efficient") == 10
    assert run("-d", str(root / "large.bin"), both.urls[mode] + "/echo") == large
    assert run("-w", "10", "-W", "12", both.urls[mode] + "/file/large.bin") == large  # windows of 1 KiB and 4 KiB
    text = run("-nv", "--trailer", "x-end: 1", "-d", str(root / "hello.txt"), both.urls[mode] + "/echo").decode()
    assert "recv (stream_id=13) :status: 200" in text or ":status: 200" in text


@needs("h2load")
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("shape", [("-c1", "-m1"), ("-c10", "-m10"), ("-c10", "-m100"), ("-c50", "-m2"), ("-c2", "-m50", "-w10", "-W11")],
                         ids=lambda shape: " ".join(shape))
def test_h2load(both, mode, shape):
    count = 500 if SANITIZE else 2000
    urls = [both.urls[mode] + path for path in ("/", "/json", "/file/hello.txt", "/cache/x", "/wait/1")]
    done = subprocess.run(["h2load", "-t1", f"-n{count}", *shape, *urls], capture_output=True, text=True, check=True)
    assert f"{count} done, {count} succeeded, 0 failed, 0 errored, 0 timeout" in done.stdout, done.stdout


# ---- python3-h2

h2 = pytest.importorskip("h2.connection", reason="python3-h2 IS NOT THERE")
import h2.config  # noqa: E402
import h2.events  # noqa: E402
import h2.settings  # noqa: E402


class Library:
    """A client by python3-h2, which checks what it receives against RFC 9113."""

    def __init__(self, url):
        host, port = re.fullmatch(r"https?://(.+):(\d+)", url).groups()
        self.socket = socket.create_connection((host, int(port)), 30)
        if url.startswith("https"):
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            context.set_alpn_protocols(["h2"])
            self.socket = context.wrap_socket(self.socket, server_hostname="localhost")
            assert self.socket.selected_alpn_protocol() == "h2"
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True, header_encoding="utf-8"))
        self.h2.initiate_connection()
        self.events = []
        self.flush()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def flush(self):
        self.socket.sendall(self.h2.data_to_send())

    def head(self, method, path, *fields, end=True):
        id = self.h2.get_next_available_stream_id()
        self.h2.send_headers(id, [(":method", method), (":scheme", "http"), (":path", path), (":authority", "localhost"), *fields], end_stream=end)
        self.flush()
        return id

    def receive(self):
        data = self.socket.recv(65536)
        assert data, "the connection ended"
        got = self.h2.receive_data(data)
        for event in got:
            if isinstance(event, h2.events.DataReceived) and event.flow_controlled_length:
                self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        self.flush()
        self.events += got
        return got

    def exchange(self, id, body=b"", trailers=None):
        """Sends a body while the reply is read. (status, body, trailers)."""
        sent, reply, status, behind, ended = 0, bytearray(), None, None, False
        while not ended:
            room = min(self.h2.local_flow_control_window(id), self.h2.max_outbound_frame_size)
            while body is not None and (room > 0 or sent == len(body)):
                piece = body[sent : sent + room]
                sent += len(piece)
                last = sent == len(body)
                if piece or not trailers:
                    self.h2.send_data(id, piece, end_stream=last and not trailers)
                if last and trailers:
                    self.h2.send_headers(id, trailers, end_stream=True)
                self.flush()
                if last:
                    body = None
                room = min(self.h2.local_flow_control_window(id), self.h2.max_outbound_frame_size)
            for event in self.receive():
                if getattr(event, "stream_id", None) != id:
                    continue
                if isinstance(event, h2.events.ResponseReceived):
                    status = int(dict(event.headers)[":status"])
                elif isinstance(event, h2.events.DataReceived):
                    reply += event.data
                elif isinstance(event, h2.events.TrailersReceived):
                    behind = event.headers
                elif isinstance(event, h2.events.StreamReset):
                    raise client.ProtocolError(f"reset with {event.error_code}")
                ended |= isinstance(event, h2.events.StreamEnded)
        return status, bytes(reply), behind


@pytest.mark.parametrize("mode", MODES)
def test_full_duplex(both, mode):
    body = random.Random(6).randbytes(2 * MIB)
    with Library(both.urls[mode]) as library:
        for _ in range(2):
            status, reply, trailers = library.exchange(library.head("POST", "/echo", end=False), body)
            assert status == 200 and reply == body and trailers is None


def test_trailers_both_ways(probe):
    with Library(probe.url) as library:
        for size in (0, 1, 100000):
            id = library.head("POST", "/echo-trailers", ("trailer", "x-sum"), end=False)
            status, reply, trailers = library.exchange(id, b"t" * size, [("x-sum", "7"), ("x-second", "two words")])
            assert status == 200 and reply == b"t" * size
            assert trailers == [("x-sum", "7"), ("x-second", "two words"), ("x-own", "own")]


def test_cookies_are_joined(probe):
    with Library(probe.url) as library:
        status, body, _ = library.exchange(library.head("GET", "/field/cookie", ("cookie", "a=1"), ("x-other", "x"), ("cookie", "b=2"), ("cookie", "c=3")), None)
        assert (status, body) == (200, b"20 a=1; b=2; c=3")


def data_in_order(probe, *priorities):
    """Asks for 10 MiB by each priority, opens the windows of all when their heads are there, and returns whose DATA came, frame by frame."""
    with Library(probe.url) as library:
        library.h2.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: 0})
        ids = [library.head("GET", "/large-static", ("priority", priority)) for priority in priorities]
        while sum(isinstance(event, h2.events.ResponseReceived) for event in library.events) < len(ids):
            library.receive()
        library.h2.increment_flow_control_window(100 * MIB)
        library.h2.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: 20 * MIB})
        library.flush()
        while sum(isinstance(event, h2.events.StreamEnded) for event in library.events) < len(ids):
            library.receive()
        return [ids.index(event.stream_id) for event in library.events if isinstance(event, h2.events.DataReceived) and event.data]


def test_whole_replies_one_after_the_other(probe):
    order = data_in_order(probe, "u=3", "u=3", "u=1", "u=3, i=?0")
    assert order == sorted(order, key=[2, 0, 1, 3].index)


def test_incremental_replies_in_turn(probe):
    order = data_in_order(probe, "i", "u=3, i", "i=?1")
    assert all(set(order[i : i + 3]) == {0, 1, 2} for i in range(1500))


def test_both_kinds_of_replies(probe):
    """A frame of the whole ones, of which the first is ended first, and a frame of the incremental ones, which take turns."""
    order = data_in_order(probe, "u=3", "u=3, i", "u=3", "u=3, i")
    first = order[: 2 * order.count(0) - 1]
    assert all((a in (0, 2)) != (b in (0, 2)) for a, b in zip(first, first[1:]))
    assert 2 not in first
    shared = [id for id in first if id != 0]
    assert all(a != b for a, b in zip(shared, shared[1:]))


# ---- node and Go

NODE = """
const http2 = require('http2'), crypto = require('crypto');
const session = http2.connect(process.argv[2], {rejectUnauthorized: false});
const ask = (fields, body) => new Promise((good, bad) => {
    const stream = session.request(fields), parts = [];
    let status;
    stream.on('response', head => status = head[':status']);
    stream.on('data', part => parts.push(part));
    stream.on('end', () => good([status, Buffer.concat(parts)]));
    stream.on('error', bad);
    if (body) stream.end(body); else stream.end();
});
(async () => {
    const body = crypto.randomBytes(3000000);
    const [status, back] = await ask({':path': '/echo', ':method': 'POST'}, body);
    if (status !== 200 || !back.equals(body)) throw new Error('echo');
    const many = await Promise.all([...Array(100).keys()].map(i => ask({':path': '/wait/' + i})));
    many.forEach(([status, text], i) => { if (status !== 200 || text.toString() !== '' + i) throw new Error('wait ' + i); });
    const [found, hello] = await ask({':path': '/'});
    if (found !== 200 || hello.toString() !== 'Hello, World!') throw new Error('hello');
    await new Promise(done => session.ping(done));
    session.close(() => console.log('good'));
})().catch(error => { console.log(error); process.exit(1); });
"""


@needs("node")
@pytest.mark.parametrize("mode", MODES)
def test_node(both, mode, tmp_path):
    (tmp_path / "client.js").write_text(NODE)
    done = subprocess.run(["node", tmp_path / "client.js", both.urls[mode]], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == "good\n", done.stdout + done.stderr


GO = """
package main

import (
	"bytes"
	"crypto/rand"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"
)

func main() {
	url := os.Args[1]
	protocols := new(http.Protocols)
	protocols.SetHTTP2(true)
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: protocols, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	c := &http.Client{Transport: transport}
	ask := func(method, path string, body []byte, trailer bool) (*http.Response, []byte) {
		r, err := http.NewRequest(method, url+path, bytes.NewReader(body))
		if err != nil { panic(err) }
		got, err := c.Do(r)
		if err != nil { panic(err) }
		defer got.Body.Close()
		data, err := io.ReadAll(got.Body)
		if err != nil { panic(err) }
		if got.ProtoMajor != 2 || got.StatusCode != 200 { panic(fmt.Sprint(got.Proto, got.Status)) }
		return got, data
	}
	body := make([]byte, 3000000)
	rand.Read(body)
	if _, back := ask("POST", "/echo", body, false); !bytes.Equal(back, body) { panic("echo") }
	var all sync.WaitGroup
	for i := 0; i < 100; i++ {
		all.Add(1)
		go func(i int) {
			defer all.Done()
			if _, text := ask("GET", fmt.Sprintf("/wait/%d", i), nil, false); string(text) != fmt.Sprint(i) { panic("wait") }
		}(i)
	}
	all.Wait()
	if _, text := ask("GET", "/", nil, false); string(text) != "Hello, World!" { panic("hello") }
	fmt.Println("good")
}
"""


@pytest.fixture(scope="module")
def go_client(tmp_path_factory):
    go = shutil.which("go") or "/usr/local/go/bin/go"
    if not os.access(go, os.X_OK):
        pytest.skip("go IS NOT THERE: this client of HTTP/2 is not tried")
    folder = tmp_path_factory.mktemp("go")
    (folder / "main.go").write_text(GO)
    (folder / "go.mod").write_text("module client\n\ngo 1.24\n")
    environment = {**os.environ, "GOFLAGS": "-mod=mod", "GOPROXY": "off", "GOTOOLCHAIN": "local", "CGO_ENABLED": "0", **({} if "HOME" in os.environ else {"GOCACHE": str(folder / "cache")})}
    done = subprocess.run([go, "build", "-p", "2", "-o", "client", "."], cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode and re.search(r"requires go|undefined: http.Protocols|SetUnencryptedHTTP2", done.stderr):
        pytest.skip("go IS TOO OLD to speak HTTP/2 without TLS")
    assert done.returncode == 0, done.stderr
    return folder / "client"


@pytest.mark.parametrize("mode", MODES)
def test_go(both, mode, go_client):
    done = subprocess.run([go_client, both.urls[mode]], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == "good\n", done.stdout + done.stderr


# ---- Ends, deadlines, order


def test_continue(probe):
    """100 comes once the handler reads; where it answers without reading, there is none."""
    with Peer(probe) as peer:
        peer.send(raw.headers(1, "/read-all", "POST", {"expect": "100-continue", "content-length": "5"}, end=False))
        peer.until(lambda: peer.streams[1].interim == [100])
        peer.send(raw.data(1, b"12345", end=True))
        assert peer.reply(1).text() == "5"
        peer.send(raw.headers(3, "/ignore-body", "POST", {"expect": "100-continue", "content-length": "5"}, end=False))
        assert peer.reply(3).text() == "ignored" and peer.streams[3].interim == []
        peer.send(raw.headers(5, "/read-all", "POST", {"expect": "something", "content-length": "5"}, end=False))
        assert peer.reply(5).status == 417


def test_a_reply_that_breaks_off(probe):
    """weir_fail() behind the head, and a body shorter than announced: the stream is reset, others are not."""
    with Peer(probe) as peer:
        peer.send(raw.headers(1, "/sleep/300"), raw.headers(3, "/fail-late"), raw.headers(5, "/short"), raw.headers(7, "/fail/418"))
        assert peer.reply(3).reset == raw.INTERNAL_ERROR and peer.streams[3].text() == "some"
        assert peer.reply(5).reset == raw.INTERNAL_ERROR or peer.streams[5].status == 500
        assert peer.reply(7).status == 418
        assert peer.reply(1).text() == "slept" and not peer.goaways


def test_handler_timeout(start_probe):
    """503 where the head is not out; who takes no notice ends as over HTTP/1; the connection goes on."""
    server = start_probe("handler_timeout_ms=300")
    with Peer(server) as peer:
        peer.send(raw.headers(1, "/sleep/60000"), raw.headers(3, "/live/60000"))
        assert peer.reply(1).status == 503
        assert peer.reply(3).text() == server.ask(path="/live/60000").text()
        assert peer.ask(5).text() == "Hello, World!" and not peer.goaways


def test_too_long_a_body_is_about_its_stream(start_probe):
    server = start_probe("max_body=1000")
    with Peer(server) as peer:
        peer.send(raw.headers(1, "/read-all", "POST", end=False), raw.data(1, bytes(1001), end=True))
        assert peer.reply(1).status == 413
        assert peer.ask(3).text() == "Hello, World!" and not peer.goaways


def test_graceful_stop(start_probe):
    """Two GOAWAYs: what the client had sent before it knew is served, and what runs ends as if nothing was."""
    server = start_probe()
    with Peer(server) as peer:
        peer.send(raw.headers(1, "/sleep/2500"), raw.ping())
        peer.until(lambda: peer.pongs)
        server.process.send_signal(signal.SIGTERM)
        peer.until(lambda: peer.goaways == [(2**31 - 1, raw.NO_ERROR)])
        assert peer.ask(3).text() == "Hello, World!"
        peer.until(lambda: len(peer.goaways) == 2)
        assert peer.goaways[1] == (3, raw.NO_ERROR)
        assert peer.reply(1).text() == "slept"
        peer.rest()
        assert not peer.broken
    server.process.wait(30)
    server.check_end()


def test_requests_of_a_connection(start_probe):
    """max_requests_per_connection: GOAWAY with the last one, which is answered."""
    server = start_probe("max_requests_per_connection=3")
    with Peer(server) as peer:
        assert peer.ask(1).status == 200 and not peer.goaways
        peer.send(raw.headers(3, "/sleep/200"), raw.headers(5, "/sleep/200"), raw.headers(7, "/"))
        assert peer.reply(3).text() == peer.reply(5).text() == "slept"
        peer.rest()
        assert peer.goaways == [(5, raw.NO_ERROR)] and peer.streams[7].status is None and not peer.broken


def order(peer, streams):
    """The streams in the order in which the last byte of each came."""
    return sorted(streams, key=lambda id: len(peer.order) - 1 - peer.order[::-1].index(id))


@pytest.mark.parametrize("how", ["field", "update"])
def test_urgency(probe, how):
    """Windows that are shut open at once: the more urgent come first, each whole before the next."""
    urgencies = {1: 7, 3: 0, 5: 5, 7: 1, 9: 3}
    with Peer(probe, {raw.INITIAL_WINDOW: 0}, windows=False) as peer:
        for id, urgency in urgencies.items():
            peer.send(raw.headers(id, "/pieces/10/4000", fields={"priority": f"u={urgency}"} if how == "field" else ()))
            if how == "update":
                peer.send(raw.frame(raw.PRIORITY_UPDATE, 0, 0, id.to_bytes(4, "big") + b"u=%d" % urgency))
        peer.send(raw.ping())
        peer.until(lambda: peer.pongs and all(peer.streams[id].status for id in urgencies))
        peer.send(raw.window_update(0, 10 * MIB), raw.settings({raw.INITIAL_WINDOW: MIB}))
        for id in urgencies:
            assert len(peer.reply(id).body) == 40000
        assert order(peer, urgencies) == sorted(urgencies, key=urgencies.get)


def test_in_turn_within_an_urgency(probe):
    with Peer(probe, {raw.INITIAL_WINDOW: 0}, windows=False) as peer:
        ids = [1, 3, 5, 7]
        peer.send(*(raw.headers(id, "/large-static") for id in ids), raw.ping())
        peer.until(lambda: peer.pongs and all(peer.streams[id].status for id in ids))
        peer.send(raw.window_update(0, 100 * MIB), raw.settings({raw.INITIAL_WINDOW: 20 * MIB}))
        for id in ids:
            assert len(peer.reply(id).body) == 10 * MIB
        first = peer.order[: len(peer.order) // 2]
        assert all(len(first) // 8 < first.count(id) < len(first) // 2 for id in ids), [first.count(id) for id in ids]


def test_a_client_that_knows_priorities(probe):
    """It says so by a setting, and that a reply is of use only when it is whole by saying nothing."""
    with Peer(probe, {raw.INITIAL_WINDOW: 0, NO_RFC7540_PRIORITIES: 1}, windows=False) as peer:
        ids = [1, 3, 5]
        peer.send(*(raw.headers(id, "/large-static") for id in ids), raw.ping())
        peer.until(lambda: peer.pongs and all(peer.streams[id].status for id in ids))
        peer.send(raw.window_update(0, 100 * MIB), raw.settings({raw.INITIAL_WINDOW: 20 * MIB}))
        for id in ids:
            assert len(peer.reply(id).body) == 10 * MIB
        assert peer.order == sorted(peer.order)


def test_a_shut_window_holds_up_nobody(probe):
    with Peer(probe, {raw.INITIAL_WINDOW: 0}, windows=False) as peer:
        for id in (1, 3):
            peer.send(raw.headers(id, "/pieces/10/4000", fields={"priority": "u=3"}))
        peer.send(raw.window_update(0, MIB), raw.window_update(3, MIB))
        assert len(peer.reply(3).body) == 40000
        assert not peer.streams[1].body
        peer.send(raw.window_update(1, MIB))
        assert len(peer.reply(1).body) == 40000


def test_incremental_by_update(probe):
    with Peer(probe, {raw.INITIAL_WINDOW: 0}, windows=False) as peer:
        ids = [1, 3]
        peer.send(*(raw.headers(id, "/large-static", fields={"priority": "u=3"}) for id in ids), raw.ping())
        peer.until(lambda: peer.pongs and all(peer.streams[id].status for id in ids))
        peer.send(*(raw.frame(raw.PRIORITY_UPDATE, 0, 0, id.to_bytes(4, "big") + b"i") for id in ids))
        peer.send(raw.window_update(0, 100 * MIB), raw.settings({raw.INITIAL_WINDOW: 20 * MIB}))
        for id in ids:
            peer.reply(id)
        assert all(peer.order[i] != peer.order[i + 1] for i in range(1000))


# ---- Middleware and filters

FILTERED = ["text", "json", "reply", "reply-large", "printf", "static", "static-large", "value", "value-large", "file", "file-large", "missing", "error",
            "redirect", "204", "304", "stream", "stream-large", "print-large", "flushed", "announced", "fail"]
CHAINS = ["", "upper", "hex", "hex,+upper", "upper,+hex", "hex,+hex"]


@pytest.fixture(scope="module")
def filters(tmp_path_factory):
    folder = tmp_path_factory.mktemp("filters")
    (folder / "small.txt").write_bytes(b"Hello from a file.\n")
    (folder / "large.bin").write_bytes(random.Random(7).randbytes(MIB))
    (folder / "huge.bin").write_bytes(b"")
    server = Server("tests/programs/filters", folder)
    yield server
    server.stop()


@pytest.mark.parametrize("how", FILTERED)
def test_filters(filters, how):
    """Whatever middleware adds and wherever, and whatever comes out, is as over HTTP/1."""
    with Peer(filters) as peer, filters.connect() as connection:
        id = 1
        for chain in CHAINS:
            for way in ("request", "around", "response", "handler"):
                path = f"/reply/{how}?{way}={chain}" if chain else f"/reply/{how}"
                one, two = connection.ask(path=path), peer.ask(id, path)
                assert (one.status, bytes(one.body)) == (two.status, bytes(two.body)) and two.reset is None, path
                own = sorted((name.lower(), value) for name, value in one.headers if name not in ("Date", "Connection", "Transfer-Encoding", "Content-Length"))
                assert own == sorted((name, value) for name, value in two.headers if name not in ("date", "content-length")), path
                id += 2


@pytest.mark.parametrize("chain", ["upper", "hex"])
def test_filtered_replies_that_break_off(filters, chain):
    """The stream is reset; others go on."""
    with Peer(filters) as peer:
        for id, how in ((1, "short"), (3, "fail-late")):
            peer.send(raw.headers(id, f"/reply/{how}?request={chain}"))
            assert peer.reply(id).reset == raw.INTERNAL_ERROR or peer.streams[id].status >= 400
        assert peer.ask(5, "/reply/text").text() == "some text" and not peer.goaways
