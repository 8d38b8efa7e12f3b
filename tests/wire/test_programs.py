"""Every program of the tour, and each example by itself: status, headers and every byte of the body, with our own
strict client and with curl.

SPDX-License-Identifier: MIT
"""

import json
import re
import socket
import subprocess
import threading
import time

import pytest

from client import Compare, Connection, ProtocolError, ask, request
from conftest import BUILD, MIB

pytestmark = pytest.mark.threaded

STREAM_CHUNKS = 1000000


def stream_body(chunks=STREAM_CHUNKS):
    return b"".join(b"Chunk %d\n" % i for i in range(chunks))


def upper(data):
    """What the CSV program makes: ASCII letters only, bytes beyond stay."""
    return data.upper()


def curl(server, path, *options):
    """Runs curl and returns (status, headers by lower-case name, body)."""
    command = ["curl", "-sS", "--path-as-is", "-D", "/dev/stderr", "-m", "60", *options, server.url + path]
    done = subprocess.run(command, capture_output=True, check=True)
    heads = [head for head in done.stderr.decode().split("\r\n\r\n") if head]
    lines = heads[-1].split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines[1:])
    return int(lines[0].split()[1]), {name.lower(): value for name, value in headers.items()}, done.stdout


# ---- Static reply


def test_static_reply(tour):
    reply = tour.ask()
    assert (reply.status, reply.reason, reply.framing) == (200, "OK", "length")
    assert reply.header("Content-Type") == "text/plain"
    assert reply.header("Content-Length") == "13"
    assert reply.body == b"Hello, World!"
    assert not reply.closes


def test_static_reply_by_curl(tour):
    status, headers, body = curl(tour, "/")
    assert (status, body) == (200, b"Hello, World!")
    assert headers["content-type"] == "text/plain" and headers["content-length"] == "13"


def test_head(tour):
    with tour.connect() as connection:
        for path in ("/", "/file/hello.txt", "/json", "/efficient", "/cache/head"):
            head = connection.ask("HEAD", path)
            get = connection.ask("GET", path)
            assert head.status == get.status == 200
            assert head.body == b"" and get.body != b""
            for name in ("Content-Length", "Content-Type"):
                assert head.header(name) == get.header(name), (path, name)


@pytest.mark.parametrize("path", ["/stream", "/csv", "/large"])
def test_head_of_streams(tour, path):
    """The head of a stream, and at once: the loop that would make its body does not run to its end."""
    began = time.monotonic()
    with tour.connect() as connection:
        reply = connection.ask("HEAD", path)
        assert reply.status == 200 and reply.body == b""
        if reply.closes:
            connection.expect_end()
        else:
            assert connection.ask("GET", "/").body == b"Hello, World!"
    assert time.monotonic() - began < 1


# ---- Files by route


@pytest.mark.parametrize("path, name", [
    ("hello.txt", "hello.txt"),
    ("nested/deeper/file.txt", "nested/deeper/file.txt"),
    ("empty.txt", "empty.txt"),
    ("large.bin", "large.bin"),
    ("with%20space.txt", "with space.txt"),
    ("pl+us.txt", "pl+us.txt"),
    ("na%C3%AFve.txt", "naïve.txt"),
    ("nested/../hello.txt", "hello.txt"),
    ("./nested/./deeper/file.txt", "nested/deeper/file.txt"),
    ("inward", "nested/deeper/file.txt"),
])
def test_file(tour, root, path, name):
    expected = (root / name).read_bytes()
    reply = tour.ask(path=f"/file/{path}")
    assert reply.status == 200 and reply.framing == "length"
    assert reply.header("Content-Type") == "application/octet-stream"
    assert reply.header("Last-Modified")
    assert reply.body == expected
    status, headers, body = curl(tour, f"/file/{path}")
    assert status == 200 and body == expected
    assert headers["content-length"] == str(len(expected))


@pytest.mark.parametrize("path", ["missing", "nested", "nested/", "", "hello.txt/", "hello.txt/more", "x" * 300,
                                  "a/" * 100 + "b"])
def test_file_missing(tour, path):
    reply = tour.ask(path=f"/file/{path}")
    assert reply.status == 404
    assert reply.body == b"File not found"
    assert curl(tour, f"/file/{path}")[::2] == (404, b"File not found")


@pytest.mark.parametrize("path", [
    "../secret.txt", "../../etc/passwd", "../../../../../../../../etc/passwd", "%2e%2e/secret.txt", "%2E%2E/secret.txt",
    ".%2e/secret.txt", "%2e./secret.txt", "..%2fsecret.txt", "%2e%2e%2fsecret.txt", "..%5csecret.txt",
    "nested/../../secret.txt", "nested/%2e%2e/%2e%2e/secret.txt", "nested/..%2f..%2fsecret.txt", "/etc/passwd",
    "//etc/passwd", "%2fetc%2fpasswd", "%2fetc/passwd", "outward", "absolute", "outdir/secret.txt",
    "outdir/root/../secret.txt", "nested/../outdir/secret.txt", "....//secret.txt", "..;/secret.txt",
    "%252e%252e/secret.txt", "%c0%ae%c0%ae/secret.txt", "../root/../secret.txt", "hello.txt/../../secret.txt",
    "proc/self/environ",
    "../../../../proc/self/maps", "hello.txt%00", "..%00/secret.txt",
])
def test_file_outside(tour, path):
    """Nothing outside the root comes out, whatever the path; ordinary clients' normalising is switched off."""
    for reply in (tour.ask(path=f"/file/{path}"), tour.ask(path=f"/{path}"), tour.ask(path=f"/file{path}")):
        assert reply.status in (400, 403, 404), reply
        assert b"SECRET" not in reply.body and b"root:" not in reply.body
    assert curl(tour, f"/file/{path}")[0] in (400, 403, 404)


# ---- Endless stream


def test_stream(tour):
    """All of it: more than a thousand sleeps of a millisecond, and every byte right."""
    expected = stream_body()
    began = time.monotonic()
    with tour.connect(sink=Compare(expected)) as connection:
        reply = connection.ask("GET", "/stream")
        assert reply.status == 200 and reply.framing == "chunked"
        assert reply.header("Content-Type") == "text/plain"
        assert reply.received == len(expected)
        assert not reply.closes
    assert time.monotonic() - began >= 1


def test_stream_http10(tour):
    """HTTP/1.0 has no chunks: the stream ends with the connection."""
    expected = stream_body()
    with tour.connect(sink=Compare(expected)) as connection:
        reply = connection.ask("GET", "/stream", version="1.0")
        assert reply.framing == "close" and reply.received == len(expected)


def test_stream_head_comes_first(tour):
    """The head and the first chunks are there long before the end."""
    with tour.connect() as connection:
        began = time.monotonic()
        connection.send(request(path="/stream"), "GET")
        connection.fill()
        assert time.monotonic() - began < 0.5


def test_stream_by_curl(tour):
    command = ["curl", "-sSN", "-m", "120", f"{tour.url}/stream"]
    assert subprocess.run(command, capture_output=True, check=True).stdout == stream_body()


# ---- Large file by hand


def test_large(tour, root):
    expected = (root / "large.bin").read_bytes()
    with tour.connect(sink=Compare(expected)) as connection:
        reply = connection.ask("GET", "/large")
        assert reply.status == 200 and reply.framing == "length" and reply.received == len(expected) == MIB
        assert reply.header("Content-Type") == "application/octet-stream"
        assert reply.closes
        connection.expect_end()
    assert curl(tour, "/large")[2] == expected


def test_large_missing(start, tmp_path):
    """The tour makes the large samples where there are none, so they are taken away after the start."""
    (tmp_path / "large.bin").write_bytes(b"small")
    (tmp_path / "large_dataset.csv").write_bytes(b"a,b\n")
    server = start("examples/tour", "--port", 0, "--root", tmp_path, "--quiet")
    assert server.ask(path="/large").body == b"small"
    assert server.ask(path="/csv").body == b"A,B\n"
    (tmp_path / "large.bin").unlink()
    (tmp_path / "large_dataset.csv").unlink()
    for path in ("/large", "/csv"):
        reply = server.ask(path=path)
        assert (reply.status, reply.body) == (404, b"File not found")


# ---- JSON


@pytest.mark.parametrize("sent, expected", [
    (None, "unknown"), ("42", "42"), ("", ""), ('a"b\\c', 'a"b\\c'), ("tab\there", "tab\there"),
    ("</script>", "</script>"),
    ("na\u00c3\u00afve", "naïve"), ("\u00ff\u00fe", "\ufffd\ufffd"), ("x" * 2000, "x" * 2000),
])
def test_json(tour, sent, expected):
    """The id comes back as a JSON string of the same text, whatever is in it. Headers are bytes: Latin-1 here."""
    headers = {} if sent is None else {"X-Request-ID": sent}
    reply = tour.ask(path="/json", headers=headers)
    assert reply.status == 200 and reply.header("Content-Type") == "application/json"
    found = json.loads(reply.body)
    assert found["request_id"] == expected
    assert list(found) == ["request_id", "timestamp", "status"] and found["status"] == "ok"
    assert abs(found["timestamp"] - time.time()) <= 2


def test_json_exact(tour):
    reply = tour.ask(path="/json", headers={"x-request-id": "7"})
    assert re.fullmatch(rb'\{"request_id":"7","timestamp":[0-9]+,"status":"ok"\}', reply.body)
    _, headers, body = curl(tour, "/json", "-H", "X-Request-ID: curl")
    assert re.fullmatch(rb'\{"request_id":"curl","timestamp":[0-9]+,"status":"ok"\}', body)
    assert headers["content-type"] == "application/json"


def test_json_too_long(tour):
    """An id whose escaped form does not fit the request's memory is refused, not cut."""
    reply = tour.ask(path="/json", headers={"X-Request-ID": '"' * 7500})
    assert reply.status == 431 or json.loads(reply.body)["request_id"] == '"' * 7500


# ---- Stack reply


def test_efficient(tour):
    expected = b"A reply to /efficient, made in 1024 bytes of stack.\n"
    reply = tour.ask(path="/efficient")
    assert reply.header("Content-Type") == "text/plain"
    assert reply.body == expected and reply.framing == "length"
    assert curl(tour, "/efficient")[2] == expected


# ---- Streaming CSV


def test_csv(tour, root):
    expected = upper((root / "large_dataset.csv").read_bytes())
    with tour.connect(sink=Compare(expected)) as connection:
        reply = connection.ask("GET", "/csv")
        assert reply.status == 200 and reply.framing == "chunked"
        assert reply.header("Content-Type") == "text/csv"
        assert reply.received == len(expected)
    assert curl(tour, "/csv")[2] == expected


@pytest.mark.parametrize("line, whole", [(8191, True), (8190, True), (8192, False), (100000, False)])
def test_csv_long_line(start, tmp_path, line, whole):
    """A line of 8,191 bytes with its newline is the longest; a longer one breaks the reply off visibly."""
    (tmp_path / "large.bin").write_bytes(b"")
    data = b"a,b\n" + b"x" * (line - 1) + b"\n" + b"c,d\n"
    (tmp_path / "large_dataset.csv").write_bytes(data)
    server = start("examples/tour", "--port", 0, "--root", tmp_path, "--quiet")
    if whole:
        assert server.ask(path="/csv").body == data.upper()
        return
    try:
        reply = server.ask(path="/csv")
    except (ProtocolError, ConnectionResetError):
        return
    assert reply.status == 500


# ---- Bounded cache


def test_cache(tour):
    with tour.connect() as connection:
        for key, text in (("apple", "apple"), ("a%20b", "a b"), ("%22%5C", '"\\'), ("na%C3%AFve", "naïve"),
                          ("a%2Fb", "a/b")):
            replies = [connection.ask(path=f"/cache/{key}") for _ in range(3)]
            assert [reply.header("X-Cache") for reply in replies] == ["MISS", "HIT", "HIT"]
            for reply in replies:
                assert reply.status == 200 and reply.header("Content-Type") == "application/json"
                assert json.loads(reply.body) == {"key": text, "computed": True}
        assert connection.ask(path="/cache/apple").body == b'{"key":"apple","computed":true}'
        assert connection.ask(path="/cache/").status == 404
    assert curl(tour, "/cache/apple")[2] == b'{"key":"apple","computed":true}'


def test_cache_evicts(start_tour):
    """After 5,000 keys, no more than 1,000 can still be there, and what is asked for anew is cached: the bound holds by
    eviction, not by refusing to insert."""
    server = start_tour()
    with server.connect() as connection:
        keys = 5000
        for i in range(keys):
            assert connection.ask(path=f"/cache/key-{i}").header("X-Cache") == "MISS"
        assert connection.ask(path="/cache/fresh").header("X-Cache") == "MISS"
        assert connection.ask(path="/cache/fresh").header("X-Cache") == "HIT"
        # Each miss below evicts something too, so hits are counted from the newest back.
        hits = sum(connection.ask(path=f"/cache/key-{i}").header("X-Cache") == "HIT" for i in reversed(range(keys)))
        assert 0 < hits <= 1000


def test_cache_computes_once(start_tour):
    """Many clients at once that ask for the same new key: one miss."""
    server = start_tour()
    for round_number in range(5):
        found, barrier = [], threading.Barrier(16)

        def one(path=f"/cache/round-{round_number}", results=found, start=barrier):
            with server.connect() as connection:
                start.wait()
                results.append(connection.ask(path=path).header("X-Cache"))

        threads = [threading.Thread(target=one) for _ in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(found) == ["HIT"] * 15 + ["MISS"]


# ---- Further routes


@pytest.mark.parametrize("size", [0, 1, 13, 8191, 8192, 8193, 65536, 3 * MIB])
@pytest.mark.parametrize("chunked", [False, True])
def test_echo(tour, size, chunked):
    data = bytes(i * 7 % 251 for i in range(min(size, MIB))) * max(1, size // MIB)
    body = [data[i : i + 5000] for i in range(0, len(data), 5000)] if chunked else data
    with tour.connect(sink=Compare(data)) as connection:
        connection.parser.methods.append("POST")
        sender = threading.Thread(target=connection.socket.sendall, args=(
            request("POST", "/echo", {"Content-Type": "application/x-test"}, body),))
        sender.start()
        reply = connection.reply()
        sender.join()
        assert reply.status == 200 and reply.received == len(data)
        assert reply.header("Content-Type") == "application/x-test"
        if not chunked:
            assert reply.header("Content-Length") == str(len(data))
        connection.parser.sink = None
        assert connection.ask("GET", "/").body == b"Hello, World!"


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "REPORT", "GET"])
def test_echo_methods(tour, method):
    reply = tour.ask(method, "/echo", body=b"some text")
    assert (reply.status, reply.body) == (200, b"some text")
    assert reply.header("Content-Type") == "application/octet-stream"


def test_echo_by_curl(tour, root):
    expected = (root / "large.bin").read_bytes()
    for options in ([], ["-H", "Transfer-Encoding: chunked"], ["-H", "Expect: 100-continue"], ["-0"]):
        status, headers, body = curl(tour, "/echo", "--data-binary", f"@{root / 'large.bin'}", "-H",
                                     "Content-Type: application/x-large", *options)
        assert status == 200 and body == expected
        assert headers["content-type"] == "application/x-large"


@pytest.mark.parametrize("body, expected", [(b"", b"0"), (b"12345", b"5"), ([], b"0"), ([b"123", b"4567"], b"7"),
                                            ([b"x" * 70000] * 3, b"210000")])
def test_length(tour, body, expected):
    reply = tour.ask("POST", "/length", body=body)
    assert (reply.status, reply.body) == (200, expected)


@pytest.mark.parametrize("path, expected", [
    ("/users/7/posts/first", {"id": "7", "post": "first"}),
    ("/users/0123456789/posts/a%20%22b%22", {"id": "0123456789", "post": 'a "b"'}),
    ("/users/7/posts/a%2Fb", {"id": "7", "post": "a/b"}),
    ("/users/7/posts/x/../y", {"id": "7", "post": "y"}),
])
def test_parameters(tour, path, expected):
    reply = tour.ask(path=path)
    assert reply.status == 200 and reply.header("Content-Type") == "application/json"
    assert json.loads(reply.body) == expected


@pytest.mark.parametrize("path", ["/users/x/posts/first", "/users/7x/posts/first", "/users//posts/first",
                                  "/users/7/posts/", "/users/7/posts", "/nowhere", "/json/",
                                  "//json", "/JSON", "/index.html"])
def test_not_found(tour, path):
    reply = tour.ask(path=path)
    assert reply.status == 404 and reply.framing == "length"
    assert not reply.closes


def allowed(reply):
    return {method.strip() for method in reply.header("Allow").split(",")}


def test_method_not_allowed(tour):
    get = {"GET", "HEAD", "OPTIONS"}
    for method, path, methods in (("POST", "/", get), ("DELETE", "/json", get), ("GET", "/length", {"POST", "OPTIONS"}),
                                  ("BREW", "/cache/a", get)):
        reply = tour.ask(method, path)
        assert reply.status == 405 and allowed(reply) == methods, (method, path, reply)


def test_options(tour):
    reply = tour.ask("OPTIONS", "/")
    assert reply.status in (200, 204) and allowed(reply) == {"GET", "HEAD", "OPTIONS"} and reply.body == b""
    assert tour.ask("OPTIONS", "/nowhere").status == 404
    assert tour.ask("OPTIONS", "*").status in (200, 204)


LONG_PARAMETERS = ["/cache/{}", "/file/{}", "/file/a/{}", "/users/1/posts/{}", "/users/{}/posts/x", "/wait/{}"]


@pytest.mark.parametrize("path", LONG_PARAMETERS)
def test_the_longest_parameter(tour, path):
    """One limit and one answer, whatever the route does with the parameter; the connection goes on."""
    value = 4096 - (2 if path.startswith("/file/a/") else 0)
    with tour.connect() as connection:
        served = connection.ask(path=path.format("1" * value))
        assert served.status == {"/cache/{}": 200, "/file/{}": 404, "/file/a/{}": 404, "/wait/{}": 400}.get(path, 200)
        for digit in ("1", "%31"):
            reply = connection.ask(path=path.format("1" * 3000 + digit * (value + 1 - 3000)))
            assert (reply.status, reply.text()) == (414, "414 URI Too Long\na parameter in the path is longer than 4,096 bytes\n")
            assert not reply.closes
    assert json.loads(tour.ask(path="/_weir/ledger.json").body)["refusals"]["path_parameter"] > 0


# ---- Waiting


def test_wait(tour):
    """It takes the time that it says, and does not hold others up: a short wait that was begun later ends first."""
    with tour.connect() as long, tour.connect() as short:
        began = time.monotonic()
        long.send(request(path="/wait/400"), "GET")
        assert short.ask(path="/wait/0").text() == "0"
        reply = long.reply()
        assert time.monotonic() - began >= 0.4
        assert (reply.status, reply.text(), reply.framing) == (200, "400", "length")
        assert reply.header("Content-Type") == "text/plain"
    with tour.connect() as connection:
        connection.send(b"".join(request(path=f"/wait/{ms}") for ms in (30, 1, 15)), *["GET"] * 3)
        assert [connection.reply().text() for _ in range(3)] == ["30", "1", "15"]


@pytest.mark.parametrize("text", ["x", "-1", "%2B1", "1.5", "1e3", "0x10", "%201", "1%20", "007", "00", "600001", "99999999999999999999", "1_0"])
def test_not_a_number_to_wait(tour, text):
    reply = tour.ask(path=f"/wait/{text}")
    assert reply.status == 400 and "milliseconds" in reply.text()


def test_wait_of_a_client_that_ends_its_side(tour):
    """The wait is over at once, and the reply is its number all the same."""
    with tour.connect() as connection:
        connection.send(request(path="/wait/600000"), "GET")
        connection.socket.shutdown(socket.SHUT_WR)
        assert connection.reply().text() == "600000"
        connection.expect_end()


def test_nothing_to_wait(tour):
    assert tour.ask(path="/wait/").status == 404 and tour.ask(path="/wait").status == 404
    assert tour.ask("POST", "/wait/1").status == 405


# ---- The tour's own behaviour


def test_tour_prints_what_it_serves(start, root):
    server = start("examples/tour", "--port", 0, "--root", root)
    lines = server.output.splitlines()
    assert lines[-1] == f"listening on {server.url}"
    assert lines[0].startswith("memory planned: ")
    for line in lines[1:-1]:
        assert re.search(r"\scurl .*" + re.escape(server.url), line), line
    assert len(lines) >= 11
    quiet = start("examples/tour", "--port", 0, "--root", root, "--quiet")
    assert quiet.output == f"listening on {quiet.url}\n"


@pytest.mark.parametrize("arguments", [
    ["--port", "x"], ["--port", ""], ["--port", "70000"], ["--port", "-1"], ["--port", "80x"], ["--port", "0x50"],
    ["--port"],
    ["--workers", "0"], ["--workers", "two"], ["--memory-limit", "8X"], ["--memory-limit", "8MB"],
    ["--memory-limit", "99999999999999999G"], ["--root", "/nowhere"], ["--unknown"], ["extra"],
])
def test_tour_refuses_wrong_arguments(arguments):
    done = subprocess.run([str(BUILD / "examples/tour"), *arguments], capture_output=True, text=True, timeout=20)
    assert done.returncode == 2 and done.stdout == "" and done.stderr


def test_tour_help():
    done = subprocess.run([str(BUILD / "examples/tour"), "--help"], capture_output=True, text=True, timeout=20)
    assert done.returncode == 0 and done.stderr == "" and done.stdout.startswith("usage: tour")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def stream_ok(address):
    with Connection(address, sink=Compare(stream_body())) as connection:
        assert connection.ask(path="/stream").received == len(stream_body())


def settings_ok(address):
    assert re.fullmatch(r"127\.0\.0\.1:\d+ serves 127\.0\.0\.1:\d+\n", ask(address).text())
    assert ask(address, headers={"X-Long": "0" * 8192}).status == 431


def pools_ok(address):
    with Connection(address) as connection:
        first = connection.ask().text()
        assert first.startswith("account ")
        for _ in range(200):
            last = connection.ask().text()
        # The watchdog's thread is started when the workers serve already.
        reserved = [[line.split()[-2] for line in text.splitlines()[1:] if not line.strip().startswith("threads")]
                    for text in (first, last)]
        assert reserved[0] == reserved[1], first + last


def cache_ok(address):
    with Connection(address) as connection:
        assert [connection.ask(path="/cache/k").header("X-Cache") for _ in range(2)] == ["MISS", "HIT"]


def bytes_ok(sent, expected):
    """A client without HTTP sends that, and gets this."""

    def check(address):
        with socket.create_connection(address, 20) as connection:
            connection.sendall(sent)
            connection.shutdown(socket.SHUT_WR)
            got = b""
            while piece := connection.recv(1000):
                got += piece
        assert re.fullmatch(expected, got, re.DOTALL), got

    return check


def body_ok(path, body):
    def check(address):
        assert ask(address, path=path).body == body

    return check


EXAMPLES = {
    "file_by_route": body_ok("/file/nested/deep.txt", b"A file two levels down.\n"),
    "endless_stream": stream_ok,
    "settings": settings_ok,
    "large_file": body_ok("/large", b"large"),
    "json_clients": lambda address: json.loads(ask(address, path="/json").body),
    "pools": pools_ok,
    "stack_reply": body_ok("/efficient", b"A reply to /efficient, made in 1024 bytes of stack.\n"),
    "static_reply": body_ok("/", b"Hello, World!"),
    "csv": body_ok("/csv", b"ID,NAME\n1,ADA\n"),
    "cache": cache_ok,
    "tcp_echo": bytes_ok(b"to and fro", rb"to and fro"),
    "tcp_lines": bytes_ok(b"add 2 3\r\nwait 5\nnonsense\nquit\ntime\n",
                          rb"hello;.*quit\n5\ndone\nwhat is \"nonsense\"\?\nbye\n"),
    "upgrade_echo": bytes_ok(b"GET /echo HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\nto and fro",
                             rb"HTTP/1.1 101 Switching Protocols\r\n.*\r\n\r\nto and fro"),
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_example(name, tmp_path):
    """Each example by itself: it serves on the port that it is given and stops in order."""
    (tmp_path / "large.bin").write_text("large")
    (tmp_path / "large_dataset.csv").write_text("id,name\n1,Ada\n")
    (tmp_path / "nested").mkdir()
    (tmp_path / "nested" / "deep.txt").write_text("A file two levels down.\n")
    port = free_port()
    process = subprocess.Popen([str(BUILD / "examples" / name), str(port), str(tmp_path)], stderr=subprocess.PIPE,
                               text=True)
    try:
        deadline = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except ConnectionRefusedError:
                assert process.poll() is None and time.monotonic() < deadline
                time.sleep(0.02)
        EXAMPLES[name](("127.0.0.1", port))
        if name == "large_file":
            body_ok("/large-in-one-call", b"large")(("127.0.0.1", port))
        process.terminate()
        assert process.wait(20) == 0
        assert "Sanitizer" not in process.stderr.read()
    finally:
        process.kill()
        process.wait()
