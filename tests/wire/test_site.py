"""What programs register and call, by tests/programs/site.c: what a handler is told of a request and what it can say in
a reply, routes, groups and hosts, middleware, hooks, and what is left of a request: nothing.

SPDX-License-Identifier: MIT
"""

import json
import os
import re

import pytest

from client import request
from conftest import Server

pytestmark = pytest.mark.threaded

EINVAL, ETOOBIG, ENOENT, EACCES = -1, -6, -8, -9
PROGRAM = "tests/programs/site"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Files, and what must not be sent as one."""
    base = tmp_path_factory.mktemp("site")
    (base / "secret.txt").write_text("SECRET")
    root = base / "root"
    (root / "folder").mkdir(parents=True)
    (root / "large.bin").write_bytes(bytes(range(256)) * 4000)
    (root / "small.txt").write_text("small")
    (root / "outward").symlink_to("../secret.txt")
    (root / "absolute").symlink_to(base / "secret.txt")
    os.mkfifo(root / "fifo")
    return root


@pytest.fixture(scope="module")
def site(folder):
    server = Server(PROGRAM, folder)
    yield server
    server.stop()


@pytest.fixture(scope="module")
def own_not_found(folder):
    """With a handler for what no route matches, and s1 as response middleware of all."""
    server = Server(PROGRAM, folder, "not-found")
    yield server
    server.stop()


@pytest.fixture
def journal(site):
    """Reads what handlers and their clean-up have noted since the last time."""
    site.ask(path="/journal")
    return lambda: site.ask(path="/journal").text()


def tell(server, path, method="GET", **more):
    """What a handler was told."""
    return json.loads(server.ask(method, path, **more).text())


# ---- The request


def test_request_line(site):
    """Raw and decoded forms; an encoded slash is no separator."""
    told = tell(site, "/x/../tell/a%2Fb%20%c3%a9/./x?a=1", "PROPFIND")
    assert told["method"] == "PROPFIND"
    assert told["target"] == "/x/../tell/a%2Fb%20%c3%a9/./x?a=1"
    assert told["path"] == "/tell/a%2Fb é/x"
    assert told["query_string"] == "a=1" and told["pattern"] == "/tell/{a}/{b}" and told["data"] is None
    assert told["params"] == [["a", "a/b é"], ["b", "x"]]
    assert told["version"] == 11 and told["length"] == 0 and told["host"] == "localhost"


def test_method_is_case_sensitive(site):
    assert tell(site, "/tell/a/b", "get")["method"] == "get"
    assert site.ask("get", "/data").status == 405


def test_version_and_length(site):
    assert tell(site, "/tell/a/b", version="1.0")["version"] == 10
    assert tell(site, "/tell/a/b", "POST", body=b"12345")["length"] == 5
    assert tell(site, "/tell/a/b", "POST", body=[b"12345"])["length"] == -1


def test_addresses(site):
    with site.connect() as connection:
        told = json.loads(connection.ask(path="/tell/a/b", host="other.test:81").text())
        assert told["peer"] == "127.0.0.1:%d" % connection.socket.getsockname()[1]
        assert told["local"] == "127.0.0.1:%d" % site.port
        assert told["host"] == "other.test:81"


def test_absolute_form(site):
    """The target's authority is the host that is asked for."""
    told = tell(site, "http://absolute.test:8080/tell/a/b?c=d", host="absolute.test:8080")
    assert told["host"] == "absolute.test:8080" and told["path"] == "/tell/a/b" and told["query"] == [["c", "d"]]


def test_query(site):
    assert tell(site, "/tell/a/b?a=1&b=x+y%2Bz%26&a=2&c&d=&=e&a=%e4")["query"] == [
        ["a", "1"], ["b", "x y+z&"], ["a", "2"], ["c", ""], ["d", ""], ["", "e"], ["a", "\ufffd"]]
    told = tell(site, "/look/na%6De?name=first&other=1&n%61me=second+&name=")
    assert told["query"] == "first" and told["queries"] == ["first", "second ", ""]
    assert tell(site, "/look/name")["query"] is None
    assert tell(site, "/look/name?name")["query"] == ""


def test_rest_parameter(site):
    assert tell(site, "/rest/a/b/c%2Fd/e")["params"] == [["a", "a"], ["rest", "b/c/d/e"]]


def test_headers(site):
    """Items in order of arrival with their names as sent; by name in any case."""
    sent = [("X-One", "1"), ("x-ONE", "two words"), ("X-Two", ""), ("X-One", "a, b")]
    assert tell(site, "/tell/a/b", headers=sent)["headers"] == [["Host", "localhost"], *map(list, sent)]
    told = tell(site, "/look/X-oNe", headers=sent)
    assert told["header"] == "1" and told["lines"] == ["1", "two words", "a, b"]
    assert told["count"] == 3 and told["all"] == 5 and told["missing_param"] is None
    told = tell(site, "/look/X-Three", headers=sent)
    assert told["header"] is None and told["lines"] == [] and told["count"] == 0


def test_number_of_headers(site):
    """A hundred, the one for the host included."""
    sent = [(f"X-{i}", str(i)) for i in range(99)]
    told = tell(site, "/tell/a/b", headers=sent)
    assert told["headers"] == [["Host", "localhost"], *map(list, sent)]
    with site.connect() as connection:
        reply = connection.ask(path="/tell/a/b", headers=[*sent, ("X-99", "99")])
        assert reply.status == 431 and reply.closes
        peer = "127.0.0.1:%d" % connection.socket.getsockname()[1]
        assert re.fullmatch(rf"hook 431 '.+' '' '' {peer}", reply.text())


def test_cookies(site):
    sent = {"Cookie": 'a=1; b="quoted"; a=2; empty=; with=a=b'}
    assert tell(site, "/tell/a/b", headers=sent)["cookies"] == [
        ["a", "1"], ["b", "quoted"], ["a", "2"], ["empty", ""], ["with", "a=b"]]
    assert tell(site, "/look/a", headers=sent)["cookie"] == "1"
    assert tell(site, "/look/A", headers=sent)["cookie"] is None


def test_whole_body(site):
    for body in (b"", b"12345", b"x" * 10000):
        reply = site.ask("POST", "/body/10000", body=body)
        assert reply.status == 200 and reply.body == body
    assert site.ask("POST", "/body/10000", body=[b"a\0b", b"c" * 5000]).body == b"a\0b" + b"c" * 5000


def test_body_limit(site):
    """Known to be too long from its length, or only when it has come; the connection goes on."""
    with site.connect() as connection:
        assert connection.ask("POST", "/body/4", body=b"1234").body == b"1234"
        assert connection.ask("POST", "/body/4", body=b"12345").text() == f"error {ETOOBIG} {ETOOBIG}"
        assert connection.ask("POST", "/body/4", body=[b"123", b"45"]).text() == f"error {ETOOBIG} {ETOOBIG}"
        assert connection.ask("POST", "/body/4", body=[b"12", b"34"]).body == b"1234"
    assert site.ask("POST", "/body/0", body=b"x" * 250000).text() == f"error {ETOOBIG} {ETOOBIG}"


@pytest.mark.parametrize("body", [b"12345", [b"123", b"45"], [b"12345"], b"x" * 10000, [b"x" * 5000] * 10])
def test_body_too_long(site, body):
    """The natural reply; the hook has memory to make it from."""
    with site.connect() as connection:
        reply = connection.ask("POST", "/upload/4", body=body)
        assert reply.status == 413 and reply.text().startswith("hook 413 'too long' 'POST' '/upload/4'")
        assert reply.header("X-Hooked") == "yes" and reply.header("X-Route").startswith("[/upload/")
        assert connection.ask("POST", "/upload/4", body=b"1234").text() == "1234"


@pytest.mark.parametrize("chunked", [False, True])
def test_read_and_read_slice(site, journal, chunked):
    """In turns, over several buffers: no byte is lost or comes twice."""
    body = b"".join(b"%05d," % i for i in range(9000))
    pieces = [body[:3], body[3:20], body[20:21], body[21:30000], body[30000:]]
    assert site.ask("POST", "/mixed", body=pieces if chunked else body).body == body
    assert journal() == "end"


def test_data(site):
    """Attributes of two types apart, zeroed at their first use and in each request anew; server's and worker's data."""
    with site.connect() as connection:
        for _ in range(3):
            assert connection.ask(path="/data").text() == "serve 1 1 1 7000000000 Ada apart 1"


def test_json_string(site):
    for text in ('plain', 'quote " backslash \\ slash /', "\x01\x1f\b\f\n\r\t\x7f", "Straße 😀", ""):
        reply = site.ask("POST", "/json", body=text.encode())
        assert reply.header("Content-Type") == "application/json" and json.loads(reply.text()) == text
    assert json.loads(site.ask("POST", "/json", body=b"a\xffb\xc0\xafc").text()).replace("\ufffd", "") == "abc"


# ---- The reply


def test_reply_headers(site):
    reply = site.ask(path="/headers")
    assert reply.status == 202 and reply.text() == "0 0 1 none 202"
    assert reply.all("X-Replaced") == ["third"] and reply.all("X-Added") == ["1", "2"]
    assert reply.all("X-Removed") == [] and reply.header("Content-Type") == "text/plain"


def test_set_cookie(site):
    reply = site.ask(path="/cookies")
    assert reply.text() == f"0 0 0 {EINVAL}"
    first, second, third = reply.all("Set-Cookie")
    pair, *attributes = first.split("; ")
    assert pair == "all=1" and sorted(attributes) == sorted([
        "Path=/p", "Domain=example.org", "Max-Age=60", "Expires=Sun, 06 Nov 1994 08:49:37 GMT", "Secure", "HttpOnly",
        "SameSite=None", "Partitioned"])
    assert second == "bare=" and third.split("; ")[0] == "gone="
    assert set(third.split("; ")[1:]) == {"Max-Age=0", "SameSite=Strict"}


def test_redirect(site):
    for status in (301, 302, 303, 307, 308):
        reply = site.ask(path=f"/redirect/{status}")
        assert reply.status == status and reply.header("Location") == "/elsewhere?a=b"
    for status in (200, 300, 304, 404):
        reply = site.ask(path=f"/redirect/{status}")
        assert reply.text() == str(EINVAL) and reply.header("Location") is None


@pytest.mark.parametrize("place", ["stack", "arena"])
@pytest.mark.parametrize("size", [0, 1, 2000, 7000, 8192, 100000])
def test_reply_sizes(site, journal, place, size):
    """The buffer is overwritten as soon as the call has returned. HEAD says the same without the body."""
    expected = bytes(ord("a") + (i + i // 1000) % 26 for i in range(size))
    with site.connect() as connection:
        for _ in range(2):
            reply = connection.ask(path=f"/{place}/{size}")
            assert reply.body == expected and reply.framing == "length"
            head = connection.ask("HEAD", f"/{place}/{size}")
            assert head.header("Content-Length") == str(size) and head.status == 200
            assert head.header("Content-Type") == "text/plain"
    assert journal() == ""


def test_reply_pipelined(site):
    sizes = (1, 100000, 2000, 7000, 7000, 1, 100000)
    with site.connect() as connection:
        connection.send(b"".join(request(path=f"/stack/{size}") for size in sizes), *["GET"] * len(sizes))
        for size in sizes:
            reply = connection.reply()
            assert len(reply.body) == size and b"!" not in reply.body


@pytest.mark.parametrize("width", [1, 300, 9000, 60000])
def test_reply_printf(site, width):
    reply = site.ask(path=f"/printf/{width}")
    assert reply.body == b"<" + b"5".rjust(width, b"0") + b">" and reply.framing == "length"


@pytest.mark.parametrize("path, error, status", [
    ("missing", ENOENT, 404), ("folder", ENOENT, 404), ("", ENOENT, 404), ("outward", EACCES, 403),
    ("absolute", EACCES, 403), ("../secret.txt", EACCES, 403), ("folder/../../secret.txt", EACCES, 403),
    ("fifo", None, None), ("small.txt/x", ENOENT, 404)])
def test_send_file_errors(site, path, error, status):
    """Told to the handler, which may reply; if it does not, the page that fits. Nothing hangs on a pipe."""
    with site.connect() as connection:
        kept = connection.ask(path=f"/file?path={path}&keep")
        left = connection.ask(path=f"/file?path={path}")
        assert kept.status == 200 and left.header("X-Hooked") == "yes"
        if error is None:
            assert (int(kept.text()), left.status) in ((ENOENT, 404), (EACCES, 403))
        else:
            assert int(kept.text()) == error and left.status == status
        assert left.text().startswith(f"hook {left.status} ") and "SECRET" not in left.text()
        assert connection.ask(path="/file?path=small.txt").text() == "small"


# ---- Routes


def test_groups(site):
    assert site.ask(path="/api/item").text() == "item /api/item"
    told = tell(site, "/api/2/item/7")
    assert told["params"] == [["version", "2"], ["id", "7"]] and told["pattern"] == "/api/{version}/item/{id}"
    assert told["data"] == "versioned"
    assert site.ask("PUT", "/api/2/item/7").text() == "put /api/{version}/item/{id}"
    assert site.ask("ANYTHING", "/api/2/any").text() == "none /api/{version}/any"
    for path in ("/item", "/api", "/api/", "/api/item/", "/API/item", "/api//item/7"):
        assert site.ask(path=path).status == 404, path


def test_route_data(site):
    """weir_get() and its kin take a pointer, and may do without."""
    with site.connect() as connection:
        for method, path, data in [
                ("GET", "/with", "got"), ("POST", "/with", "shared"), ("PUT", "/with", "shared"), ("PATCH", "/with", "none"),
                ("DELETE", "/with", "none"), ("LOCK", "/with/any", "any"), ("REPORT", "/with", "report"),
                ("PURGE", "/with", "none"), ("GET", "/with/function", "none")]:
            assert connection.ask(method, path).text() == f"{data} {path}"


@pytest.mark.parametrize("host, data", [
    ("exact.test", "exact"), ("EXACT.test:8080", "exact"), ("exact.test.", None), ("sub.exact.test", "none"),
    ("a.wild.test", "wild"), ("A.Wild.Test:1", "wild"), ("wild.test", "none"), ("xwild.test", "none"),
    ("other.test", "none")])
def test_hosts(site, host, data):
    answer = site.ask(path="/where", host=host).text()
    assert answer == f"{data} /where" or (data is None and answer in ("exact /where", "none /where"))


def test_host_of_a_nested_group(site):
    assert site.ask(path="/below/where", host="exact.test:1").text() == "below /below/where"
    assert site.ask(path="/below/where", host="other.test").status == 404


def allowed(reply):
    return {method.strip() for method in reply.header("Allow").split(",")}


def test_methods(site):
    reply = site.ask("DELETE", "/api/2/item/7")
    assert reply.status == 405 and allowed(reply) == {"GET", "HEAD", "PUT", "OPTIONS"}
    assert reply.text().startswith("hook 405 ")
    reply = site.ask("OPTIONS", "/api/2/item/7")
    assert reply.status in (200, 204) and allowed(reply) == {"GET", "HEAD", "PUT", "OPTIONS"} and not reply.body
    reply = site.ask("OPTIONS", "*")
    assert reply.status in (200, 204) and allowed(reply) >= {"GET", "HEAD", "PUT", "POST", "OPTIONS"}
    assert site.ask("OPTIONS", "/tell/a/b").status == 200  # any method: its own handler's
    assert site.ask("OPTIONS", "/nowhere").status == 404
    assert site.ask("POST", "/json/").status == 404


def test_head_by_gets_handler(site):
    reply = site.ask("HEAD", "/tell/a/b")
    assert reply.status == 200 and reply.framing == "none" and reply.header("Content-Type") == "application/json"
    assert site.ask("HEAD", "/json").status == 405


def test_not_found_handler(own_not_found):
    """It replies in place of the error page, as a 404; response middleware of all runs for it."""
    with own_not_found.connect() as connection:
        reply = connection.ask(path="/no%20where")
        assert reply.status == 404 and reply.text() == "nothing at /no where"
        assert reply.header("X-Trace") == "s1" and reply.header("X-Hooked") is None
        assert connection.ask("PUT", "/data").status == 405
        assert connection.ask(path="/data").status == 200


def test_listing(site):
    """Every route, by pattern."""
    lines = [line.split(" ") for line in site.ask(path="/routes").text().splitlines()]
    patterns = [pattern for _, pattern, _ in lines]
    assert patterns == sorted(patterns) and len(lines) == 39
    for line in (["GET", "/api/{version}/item/{id}", "-"], ["PUT", "/api/{version}/item/{id}", "-"],
                 ["*", "/api/{version}/any", "-"], ["GET", "/where", "exact.test"], ["GET", "/where", "*.wild.test"],
                 ["GET", "/where", "-"], ["GET", "/below/where", "exact.test"], ["GET", "/mw/inner/x", "-"]):
        assert lines.count(line) == 1, line


# ---- Middleware

INNER = "r1 r2 r3 a1 a2 a3 handler /a3 /a2 /a1 s1 s2 s3"


def test_middleware_order(site):
    """Outer groups first, each kind in order of registration; weir_next() goes on once only."""
    with site.connect() as connection:
        for _ in range(2):
            reply = connection.ask(path="/mw/inner/x")
            assert reply.text() == "handler" and reply.header("X-Trace") == INNER
            assert connection.ask(path="/mw/x").header("X-Trace") == "r1 r2 a1 a2 handler /a2 /a1 s1 s2"
            assert connection.ask(path="/data").header("X-Trace") is None
        assert connection.ask("HEAD", "/mw/inner/x").header("X-Trace") == INNER


def test_response_middleware_of_a_stream(site):
    """When the head is first sent, and not again."""
    reply = site.ask(path="/mw/inner/stream")
    assert reply.header("X-Trace") == "r1 r2 r3 a1 a2 a3 handler s1 s2 s3"
    assert reply.text() == "one two -4" and reply.header("X-Late") is None


BEFORE = {  # a step that ends the request, and the trace then
    "r1": "r1 s1 s2 s3", "r2": "r1 r2 s1 s2 s3", "r3": "r1 r2 r3 s1 s2 s3",
    "a1": "r1 r2 r3 a1 /a1 s1 s2 s3", "a2": "r1 r2 r3 a1 a2 /a2 /a1 s1 s2 s3",
    "a3": "r1 r2 r3 a1 a2 a3 /a3 /a2 /a1 s1 s2 s3",
}


@pytest.mark.parametrize("step", BEFORE)
def test_middleware_ends_the_request(site, step):
    """By a final reply or weir_end(): what comes after, except response middleware, is skipped. The next is not."""
    with site.connect() as connection:
        reply = connection.ask(path="/mw/inner/x", headers={"X-Do": f"{step}-reply"})
        assert reply.status == 200 and reply.text() == f"by {step}" and reply.header("X-Trace") == BEFORE[step]
        reply = connection.ask(path="/mw/inner/x", headers={"X-Do": f"{step}-end"})
        assert reply.status == 200 and reply.text() == "" and reply.header("X-Trace") == BEFORE[step]
        reply = connection.ask(path="/mw/inner/x", headers={"X-Do": f"{step}-error"})
        assert reply.status == 409 and reply.text().startswith("hook 409 'refused'")
        assert reply.header("X-Trace") == BEFORE[step]
        assert connection.ask(path="/mw/inner/x").header("X-Trace") == INNER


def test_response_middleware_makes_the_reply(site):
    """When nothing was replied; else it is too late for that."""
    with site.connect() as connection:
        for step in ("s1", "s2", "s3"):
            reply = connection.ask(path="/mw/inner/x", headers={"X-Do": f"{step}-reply", "X-Silent": "1"})
            assert reply.text() == f"by {step}" and reply.header("X-Trace") == INNER
            assert connection.ask(path="/mw/inner/x", headers={"X-Do": f"{step}-reply"}).text() == "handler"
        assert connection.ask(path="/mw/inner/x", headers={"X-Silent": "1"}).text() == ""


@pytest.mark.parametrize("step, trace", [
    ("r2", "r1 r2 s1 s2 s3"), ("a2", "r1 r2 r3 a1 a2 s1 s2 s3"), ("handler", "r1 r2 r3 a1 a2 a3 handler s1 s2 s3"),
    ("/a2", "r1 r2 r3 a1 a2 a3 handler /a3 /a2 s1 s2 s3")])
def test_fail_in_the_chain(site, step, trace):
    """The hook makes the page, response middleware runs once, and what was set before is gone."""
    with site.connect() as connection:
        reply = connection.ask(path="/mw/inner/x", headers={"X-Do": f"{step}-fail"})
        assert reply.status == 503 and reply.text().startswith(f"hook 503 'failed in {step}' 'GET' '/mw/inner/x'")
        assert reply.header("X-Trace") == trace
        assert connection.ask(path="/mw/inner/x").header("X-Trace") == INNER


def test_fail_in_response_middleware(site):
    with site.connect() as connection:
        for step in ("s1", "s3"):
            for more in ({}, {"X-Silent": "1"}):
                reply = connection.ask(path="/mw/inner/x", headers={"X-Do": f"{step}-fail", **more})
                assert reply.status == 503 and reply.text().startswith(f"hook 503 'failed in {step}'")
                assert "handler" not in reply.text()
            assert connection.ask(path="/mw/inner/x").header("X-Trace") == INNER


# ---- The error hook

ERRORS = {404: ("GET", "/nowhere"), 405: ("DELETE", "/where"), 500: ("GET", "/dirty/fail"), 400: ("GET", "/a%00b")}


@pytest.mark.parametrize("status", ERRORS)
def test_error_hook(site, status):
    method, path = ERRORS[status]
    with site.connect() as connection:
        reply = connection.ask(method, path)
        assert reply.status == status and re.match(rf"hook {status} '.+' '{method}' '", reply.text())
        assert (reply.header("Allow") is not None) == (status == 405)
        silent = connection.ask(method, path, headers={"X-Hook": "silent"})
        assert silent.status == status and silent.body and not silent.text().startswith("hook")
        assert silent.header("X-Hooked") == "yes"
        failed = connection.ask(method, path, headers={"X-Hook": "fail"})
        assert failed.status == 502 and failed.body and not failed.text().startswith("hook")
        assert connection.ask(path="/data").status == 200
        assert connection.ask("HEAD", "/nowhere").status == 404


def test_error_hook_without_a_head(site):
    """The hook knows status, message and peer of what could not be parsed; nothing of the request before, nor its route's
    data."""
    for data, status in ((b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400), (b"\x16\x03\x01\r\n\r\n", 400),
                         (b"GET / HTTP/1.1\r\nX: " + b"a" * 9000 + b"\r\n\r\n", 431),
                         (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n\r\n", 414)):
        with site.connect() as connection:
            assert connection.ask(path="/tell/a/b?a=b", headers={"X-Hook": "silent"}).status == 200
            assert connection.ask(path="/with").status == 200
            connection.send(data, "GET")
            reply = connection.reply()
            assert reply.header("X-Route") == "[] 0 0"
            peer = "127.0.0.1:%d" % connection.socket.getsockname()[1]
            assert reply.status == status and re.fullmatch(rf"hook {status} '.+' '' '' {peer}", reply.text())


def test_no_route(site, own_not_found):
    """What no route serves has no pattern or data, and nothing of an earlier request's."""
    for server in (site, own_not_found):
        for method, path in (("GET", "/nowhere"), ("DELETE", "/api/2/item/7"), ("GET", "/a%00b"), ("OPTIONS", "*")):
            with server.connect() as connection:
                for _ in range(3):
                    assert tell(server, "/api/2/item/7")["pattern"] != ""
                    assert connection.ask(path="/api/2/item/7").status == 200
                    reply = connection.ask(method, path)
                    # the parameters are those of the routes for other methods
                    assert reply.header("X-Route") in ("[] 2 0" if method == "DELETE" else "[] 0 0", None), path
                    assert server is site or reply.header("X-Route")


# ---- The end of a request


@pytest.mark.parametrize("end, noted", [
    ("reply", "returned second first"), ("write", "returned second first"), ("end", "returned second first"),
    ("fail", "second first"), ("nothing", "returned second first")])
def test_nothing_left_behind(site, journal, end, noted):
    """Deferred calls run last first, however it ends; the connection's next request finds nothing of it."""
    with site.connect() as connection:
        reply = connection.ask(path=f"/dirty/{end}?a=1")
        if end == "fail":
            assert reply.status == 500 and reply.header("X-Dirty") is None and reply.all("Set-Cookie") == []
        else:
            assert reply.status == 201 and reply.header("X-Dirty") == "1" and reply.all("Set-Cookie") == ["dirty=1"]
        clean = connection.ask(path="/clean")
        assert clean.text() == f"200 0 0 0 [{noted}]" and clean.status == 200
        assert {name for name, _ in clean.headers} == {"Date", "Content-Length"}
        pair = request(path=f"/dirty/{end}?a=1") + request(path="/clean")
        connection.send(pair * 3, *["GET"] * 6)
        for _ in range(3):
            assert connection.reply().status == (500 if end == "fail" else 201)
            clean = connection.reply()
            assert clean.text() == f"200 0 0 0 [{noted}]" and clean.status == 200
            assert {name for name, _ in clean.headers} == {"Date", "Content-Length"}
