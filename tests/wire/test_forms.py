"""Forms by curl, by a browser and by hand: parts as they were sent, whatever they are called; limits; and what is no form.

SPDX-License-Identifier: MIT
"""

import json
import re
import shutil
import subprocess
import urllib.parse

import pytest

import client
import h2client
import secure
from browser import PROGRAM, Browser
from conftest import BUILD, MIB, SANITIZE, Server

CURL = shutil.which("curl")
BOUNDARY = "----boundary'()+_,-./:=?0"
MULTIPART = {"Content-Type": f'multipart/form-data; boundary="{BOUNDARY}"'}
URLENCODED = {"Content-Type": "application/x-www-form-urlencoded"}
HTTP2 = "WEIR_HTTP2:BOOL=OFF" not in (BUILD / "CMakeCache.txt").read_text()
LARGE = (16 if SANITIZE else 100) * MIB


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("saved")


@pytest.fixture(scope="module")
def server(folder):
    server = Server("tests/programs/forms", folder)
    yield server
    server.stop()


def part(name, content=b"", filename=None, kind=None, *lines):
    """A part as browsers write it."""
    disposition = f'Content-Disposition: form-data; name="{name}"'
    if filename is not None:
        disposition += f'; filename="{filename}"'
    head = [disposition, *([f"Content-Type: {kind}"] if kind else []), *lines]
    return "".join(f"{line}\r\n" for line in head).encode() + b"\r\n" + content


def form(*parts, boundary=BOUNDARY):
    boundary = boundary.encode()
    return b"".join(b"--" + boundary + b"\r\n" + each + b"\r\n" for each in parts) + b"--" + boundary + b"--\r\n"


def checksum(data):
    total = 0
    for byte in data:
        total = (total * 31 + byte) & 0xFFFFFFFF
    return total


def told(reply):
    """The lines of /parts and /fields."""
    assert reply.status == 200, reply.text()
    return [json.loads(line) for line in reply.text().splitlines()]


def post(server, path, body, headers=MULTIPART):
    return server.ask("POST", path, headers=headers, body=body)


def refusals(server):
    return server.ask(path="/ledger").text() and json.loads(server.ask(path="/ledger").text())["refusals"]


def expect_refusal(server, status, cause, ask):
    before = refusals(server)
    reply = ask()
    assert reply.status == status, reply
    assert reply.text().startswith(f"{status} ") and reply.closes
    after = refusals(server)
    assert {name for name in after if after[name] != before[name]} == ({cause} if cause else set())


# ---- Parts

CONTENT = bytes(range(256)) * 50 + b"\r\n--" + BOUNDARY[:-1].encode() + b"\r\r\n-\r\n"


@pytest.mark.threaded
@pytest.mark.parametrize("how", ["slice", "read", "begun", "skip", "text"])
@pytest.mark.parametrize("chunked", [False, True])
def test_parts(server, how, chunked):
    content = b"a text\r\n" * 40 if how == "text" else CONTENT
    body = form(part("title", b"A title"), part("empty"), part("file", content, "dir/a.bin", "application/x-own", "X-Own: of \t its own "), part("last", b"x"))
    if chunked:
        body = [body[at:at + 701] for at in range(0, len(body), 701)]
    found = told(post(server, f"/parts?how={how}", body))
    assert [(p["name"], p["filename"], p["safe"], p["type"], p["own"]) for p in found] == [
        ("title", None, "", None, None), ("empty", None, "", None, None),
        ("file", "dir/a.bin", "a.bin", "application/x-own", "of \t its own"), ("last", None, "", None, None)]
    assert [name for name, _ in found[2]["headers"]] == ["Content-Disposition", "Content-Type", "X-Own"]
    if how in ("slice", "read"):
        assert [(p["size"], p["sum"]) for p in found] == [(len(data), checksum(data)) for data in (b"A title", b"", content, b"x")]
    elif how == "text":
        assert [p["text"] for p in found][::3] == ["A title", "x"]


@pytest.mark.parametrize("version", ["plain", "chunked", *(["h2"] if HTTP2 else [])])
def test_a_byte_at_a_time(server, version):
    body = form(part("a", b"\r\n-\r\n--x", "b.txt"), part("c", b"d"))
    if version == "h2":
        with h2client.Connection(server.address) as connection:
            stream = connection.open("POST", "/parts", *((name.lower(), value) for name, value in MULTIPART.items()), end=False)
            for at in range(len(body)):
                connection.send_body(stream, body[at:at + 1], end=at == len(body) - 1)
            found = told(connection.reply(stream))
    else:
        with server.connect() as connection:
            data = client.request("POST", "/parts", headers=MULTIPART, body=body if version == "plain" else [body[at:at + 1] for at in range(len(body))])
            for at in range(len(data)):
                connection.send(data[at:at + 1], *(["POST"] if at == 0 else []))
            found = told(connection.reply())
    assert [(p["name"], p["safe"], p["size"]) for p in found] == [("a", "b.txt", 8), ("c", "", 1)]


@pytest.mark.parametrize("how", ["slice", "read", "begun", "text"])
def test_urlencoded(server, how):
    values = {"a": "1", "text": "two words & more = 100% ü\r\n" * 40, "": "nameless", "empty": ""}
    found = told(post(server, f"/parts?how={how}", urllib.parse.urlencode(values).encode(), URLENCODED))
    assert [p["name"] for p in found] == list(values) and all(p["filename"] is None and p["headers"] == [] for p in found)
    if how == "text":
        assert [p["text"] for p in found] == list(values.values())
    elif how != "begun":
        assert [(p["size"], p["sum"]) for p in found] == [(len(v.encode()), checksum(v.encode())) for v in values.values()]


def test_forms_without_parts(server):
    assert told(post(server, "/parts", form())) == []
    assert told(post(server, "/parts", b"", URLENCODED)) == []
    assert told(post(server, "/parts", b"&&", URLENCODED)) == []
    assert told(post(server, "/parts", None, {})) == []
    assert told(server.ask("GET", "/fields")) == []


def test_connections_go_on(server):
    """Behind a form that was read, and behind one whose rest nobody wanted."""
    with server.connect() as connection:
        for _ in range(3):
            assert len(told(connection.ask("POST", "/parts", headers=MULTIPART, body=form(part("a"), part("b")) + b"an epilogue"))) == 2
        assert connection.ask("POST", "/calls", headers=MULTIPART, body=form(part("a", b"12345"), part("b"))).status == 200


# ---- What is no form, or a broken one

PART = part("a", b"x")
DELIMITER = f"--{BOUNDARY}\r\n".encode()
NOT_FORMS = {
    "json": (415, "form_type", {"Content-Type": "application/json"}, b"{}"),
    "no type": (415, "form_type", {}, b"a=b"),
    "mixed": (415, "form_type", {"Content-Type": "multipart/mixed; boundary=a"}, b"--a--"),
    "coded": (415, "form_type", {**URLENCODED, "Content-Encoding": "gzip"}, b"a=b"),
    "two types": (400, "form", [*URLENCODED.items(), *MULTIPART.items()], b"a=b"),
    "no boundary": (400, "form", {"Content-Type": "multipart/form-data"}, form()),
    "long boundary": (400, "form", {"Content-Type": f"multipart/form-data; boundary={'b' * 71}"}, form()),
    "wrong boundary": (400, "form", {"Content-Type": "multipart/form-data; boundary=other"}, form(PART)),
    "empty": (400, "form", MULTIPART, b""),
    "broken off": (400, "form", MULTIPART, form(PART)[:-4]),
    "broken off in a part": (400, "form", MULTIPART, DELIMITER + PART),
    "broken off in a header": (400, "form", MULTIPART, DELIMITER + PART[:20]),
    "nameless": (400, "form", MULTIPART, form(b"Content-Disposition: form-data\r\n\r\nx")),
    "no disposition": (400, "form", MULTIPART, form(b"Content-Type: text/plain\r\n\r\nx")),
    "no header": (400, "form", MULTIPART, form(b"\r\nx")),
    "two dispositions": (400, "form", MULTIPART, form(b'Content-Disposition: form-data; name="a"\r\n' + PART)),
    "two types of a part": (400, "form", MULTIPART, form(part("a", b"", "b", "text/plain", "content-type: text/html"))),
    "attachment": (400, "form", MULTIPART, form(b'Content-Disposition: attachment; name="a"\r\n\r\nx')),
    "folded": (400, "form", MULTIPART, form(b'Content-Disposition: form-data;\r\n name="a"\r\n\r\nx')),
    "nul in a header": (400, "form", MULTIPART, form(part("a\0b"))),
    "line feeds": (400, "form", MULTIPART, form(PART).replace(b"\r\n", b"\n")),
    "behind the end": (400, "form", MULTIPART, form(PART)[:-2] + b"x"),
}


@pytest.mark.parametrize("name", NOT_FORMS)
def test_not_forms(server, name):
    status, cause, headers, body = NOT_FORMS[name]
    expect_refusal(server, status, cause, lambda: post(server, "/parts", body, headers))
    # the same where nobody looks at results, and where the form is read by the first call for a field
    expect_refusal(server, status, cause, lambda: post(server, "/careless", [body] if body else [], headers))
    expect_refusal(server, status, cause, lambda: post(server, "/values", [body] if body else [], headers))


@pytest.mark.skipif(not HTTP2, reason="a build without HTTP/2")
def test_refused_streams(server):
    """Over HTTP/2 the connection goes on."""
    with h2client.Connection(server.address) as connection:
        fields = [(name.lower(), value) for name, value in MULTIPART.items()]
        for _ in range(3):
            assert connection.ask("POST", "/values", *fields, body=form(PART)[:-4]).status == 400
            assert connection.ask("POST", "/values", body=b"{}").status == 415
            assert connection.ask("POST", "/values", *fields, body=form(part("a", b"1"))).text() == '["1",null,null]'
        assert not connection.goaways


def test_a_client_that_goes(server):
    """Within a part: nobody gets a reply, and the server goes on."""
    for how in ("slice", "text"):
        with server.connect() as connection:
            connection.send(client.request("POST", f"/parts?how={how}", headers={**MULTIPART, "Content-Length": 1000}) + DELIMITER + PART, "POST")
    assert told(post(server, "/parts", form(PART)))[0]["name"] == "a"


def test_a_body_that_stalls(server):
    with server.connect() as connection:
        connection.send(client.request("POST", "/fields", headers={**MULTIPART, "Content-Length": 1000}) + DELIMITER + PART, "POST")
        assert connection.reply().status == 408


# ---- Limits

LIMITS = {
    "parts": ("max_parts=2", "form_parts", form(part("a"), part("b")), form(part("a"), part("b"), part("c"))),
    "header": ("max_header=64", "form_header", form(part("a" * 21)), form(part("a" * 22))),
    "part": ("max_part=1000", "form_part", form(part("a", b"x" * 1000), part("b", b"x" * 1000)), form(part("a"), part("b", b"x" * 1001))),
    "size": (f"max_size={len(form(part('a')))}", "form_size", form(part("a")), form(part("a", b"x"))),
}
URLENCODED_LIMITS = {
    "parts": ("max_parts=2", "form_parts", b"a&&b&", b"a&b&c"),
    "header": ("max_header=64", "form_header", b"a" * 64 + b"=x", b"a" * 65 + b"=x"),
    "part": ("max_part=1000", "form_part", b"a=" + b"%41" * 1000, b"a=" + b"%41" * 1001),
    "size": ("max_size=9", "form_size", b"a=1234567", b"a=12345678"),
}


@pytest.mark.parametrize("headers,limits", [(MULTIPART, LIMITS), (URLENCODED, URLENCODED_LIMITS)], ids=["multipart", "urlencoded"])
@pytest.mark.parametrize("name", LIMITS)
@pytest.mark.parametrize("how", ["slice", "skip"])
def test_limits(server, headers, limits, name, how):
    query, cause, good, bad = limits[name]
    path = f"/parts?how={how}&{query}"
    assert post(server, path, good, headers).status == 200
    assert post(server, path, [good], headers).status == 200
    expect_refusal(server, 413, cause, lambda: post(server, path, bad, headers))
    expect_refusal(server, 413, cause, lambda: post(server, path, [bad], headers))


def test_default_limits(server):
    many = b"&".join(b"a" for _ in range(1000))
    assert post(server, "/parts?how=count", many, URLENCODED).text() == "1000"
    expect_refusal(server, 413, "form_parts", lambda: post(server, "/parts?how=count", many + b"&b", URLENCODED))
    assert post(server, "/parts?how=count&max_parts=-1", many + b"&b", URLENCODED).text() == "1001"
    head = len(part("", b"", "", "text/plain"))
    assert post(server, "/parts?how=skip", form(part("n", b"", "f" * (2047 - head), "text/plain"))).status == 200
    expect_refusal(server, 413, "form_header", lambda: post(server, "/parts", form(part("n", b"", "f" * (2048 - head), "text/plain"))))


def test_an_announced_size(server):
    """Is refused before anything of the body is asked for."""
    with server.connect() as connection:
        connection.send(client.request("POST", "/parts?max_size=100", headers={**MULTIPART, "Content-Length": 101, "Expect": "100-continue"}), "POST")
        reply = connection.reply()
        assert reply.status == 413 and reply.closes


# ---- Whole forms

def test_fields(server):
    body = form(part("a", b"1"), part("file", b"x" * 100000, "f.bin"), part("b", "ü".encode()), part("a", b"2"), part("none", b"", ""))
    assert told(post(server, "/fields", body)) == [["a", "1"], ["b", "ü"], ["a", "2"]]
    assert post(server, "/values", body).text() == '["1","2","ü"]'
    assert told(post(server, "/fields", b"a=1&b=%C3%BC&a=2", URLENCODED)) == [["a", "1"], ["b", "ü"], ["a", "2"]]
    assert post(server, "/values", b"b=+&c", URLENCODED).text() == '[null,null," "]'
    assert post(server, "/body", [b"b=+&", b"c"], URLENCODED).text() == '[null,null," "]'
    assert post(server, "/body", b"", URLENCODED).text() == "[null,null,null]"
    assert post(server, "/body", body[:600], MULTIPART).status == 400


def test_fields_beyond_memory(server):
    text = b"x" * 1000
    for chunked in (False, True):
        for headers, body in ((URLENCODED, b"&".join(b"a=" + text for _ in range(20))), (MULTIPART, form(*[part("a", text)] * 20)),
                              (URLENCODED, b"a=" + text * 20), (URLENCODED, b"&".join([b"a"] * 900))):
            expect_refusal(server, 413, "form_size", lambda: post(server, "/fields", [body] if chunked else body, headers))
            assert len(told(post(server, "/large/fields", [body] if chunked else body, headers))) in (1, 20, 900)
    expect_refusal(server, 400, "form", lambda: post(server, "/fields", form(part("a", b"x\0y"))))


def test_fields_that_were_asked_for(server):
    """After weir_form_read() nothing ends the handler; what it makes of an error is not sent, unless it is an error's reply."""
    assert post(server, "/asked", b"a=1", URLENCODED).text() == 'success success ["1",null,null]'
    expect_refusal(server, 400, "form", lambda: post(server, "/asked", form(PART)[:-4]))
    reply = post(server, "/asked?own=1", form(PART)[:-4])
    assert reply.status == 422 and reply.text().endswith("of its own\n")


def test_calls(server):
    expected = ("is 1 options -1 options -1 begin 0 begin -15 before -1 -1 save -1 item 0 null -1 -1 next 1 whole -15 1 read 0 "
                "behind 0 0 name a over 0 1 0")
    assert post(server, "/calls", form(part("a", b"x" * 100), part("b"))).text() == expected
    assert post(server, "/calls", b"a=12345&b", URLENCODED).text() == expected


# ---- Files

def test_saved_files(server, folder):
    body = form(part("a", CONTENT, "../../one.bin"), part("b", b"", "two.txt"), part("c", b"x", "."), part("d", b"y", ".three"))
    assert post(server, "/save", body).text() == "one.bin\ntwo.txt\nthree\n"
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == {"one.bin": CONTENT, "two.txt": b"", "three": b"y"}
    # a part that breaks off, or is too long, leaves what was there
    expect_refusal(server, 400, "form", lambda: post(server, "/save", DELIMITER + part("a", b"new" * 10000, "one.bin")))
    expect_refusal(server, 413, "form_part", lambda: post(server, "/save?limit=10", form(part("a", b"new" * 10000, "one.bin"))))
    expect_refusal(server, 413, "form_part", lambda: post(server, "/save?limit=10", form(part("a", b"new" * 10000, "new.bin"))))
    assert post(server, "/save?limit=3", form(part("a", b"new", "three"))).text() == "three\n"
    with server.connect() as connection:
        connection.send(client.request("POST", "/save", headers={**MULTIPART, "Content-Length": 100000}) + DELIMITER + part("a", b"new" * 9000, "one.bin"), "POST")
    assert told(post(server, "/parts", form())) == []
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == {"one.bin": CONTENT, "two.txt": b"", "three": b"new"}


def test_files_that_cannot_be_saved(server, folder):
    """Are no fault of the form: the page is that of the file's error, and the connection goes on."""
    body = form(part("a", b"x" * 100, "there"))
    with server.connect() as connection:
        assert connection.ask("POST", "/save", headers=MULTIPART, body=body).text() == "there\n"
        for query, status in (("exclusive=1", 409), ("folder=missing/", 404), ("folder=../", 403)):
            reply = connection.ask("POST", f"/save?{query}", headers=MULTIPART, body=body)
            assert reply.status == status and not reply.closes, (query, reply)
    assert not (folder.parent / "there").exists()


# ---- Clients

NAMES = {'a"b.txt': 'a"b.txt', "naïve €.txt": "naïve €.txt", "a;b=c.txt": "a;b=c.txt", "100% x.txt": "100% x.txt"}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    made = tmp_path_factory.mktemp("files")
    for name in NAMES:
        (made / name).write_bytes(name.encode() * 10)
    (made / "large.bin").write_bytes(CONTENT * 100)
    return made


def curl(url, files, *more):
    arguments = [CURL, "-sSk", *more, "-F", "title=hello world", "-F", "text=<" + str(files / "100% x.txt"), "-F", f"large=@{files / 'large.bin'};type=x/y"]
    for name in NAMES:
        quoted = str(files / name).replace("\\", "\\\\").replace('"', '\\"')
        arguments += ["-F", f'files=@"{quoted}"']
    return json.loads(subprocess.run([*arguments, url], check=True, capture_output=True, timeout=60).stdout)


@pytest.mark.skipif(not CURL, reason="no curl")
@pytest.mark.parametrize("how", [["--http1.1"], ["--http1.1", "--form-escape"], ["--http1.1", "-H", "Transfer-Encoding: chunked"], ["tls", "--http1.1"],
                                 *([["tls", "--http2"], ["--http2-prior-knowledge"]] if HTTP2 else [])], ids=" ".join)
def test_curl(start_tour, files, how):
    if how[0] == "tls":
        secure.skip_without_tls()
        url = start_tour("--tls-port", 0, expect=r"listening on (https://\S+)\n").url
    else:
        url = start_tour().url
    found = curl(url + "/form", files, *how[how[0] == "tls":])
    assert [(p["name"], p["filename"], p["type"], p["size"]) for p in found] == [
        ("title", None, None, 11), ("text", None, None, 100), ("large", "large.bin", "x/y", len(CONTENT) * 100),
        *(("files", expected, "text/plain", len(name.encode()) * 10) for name, expected in NAMES.items())]


@pytest.mark.skipif(not PROGRAM, reason="no Chromium")
def test_browser(start_tour, files):
    """The tour's page, filled in, with files whose names are odd; and the same form urlencoded."""
    server = start_tour()
    with Browser() as browser:
        browser.open(server.url + "/form")
        assert browser.evaluate("[...document.querySelectorAll('input, textarea')].every(field => field.labels.length === 1)")
        browser.evaluate("document.querySelector('[name=title]').value = 'hello'; document.querySelector('[name=text]').value = 'a\\nb'")
        node = browser.call("DOM.querySelector", nodeId=browser.call("DOM.getDocument")["root"]["nodeId"], selector="[type=file]")["nodeId"]
        browser.call("DOM.setFileInputFiles", nodeId=node, files=[str(files / name) for name in NAMES])
        browser.evaluate("document.querySelector('button').click()")
        browser.wait("document.contentType === 'application/json'")
        found = json.loads(browser.evaluate("document.body.textContent"))
        assert [(p["name"], p["filename"], p["size"]) for p in found] == [
            ("title", None, 5), ("text", None, 4), *(("files", name, len(name.encode()) * 10) for name in NAMES)]
        browser.open(server.url + "/form")
        browser.evaluate("document.forms[0].enctype = 'application/x-www-form-urlencoded'; document.querySelector('button').click()")
        browser.wait("document.contentType === 'application/json'")
        found = json.loads(browser.evaluate("document.body.textContent"))
        assert [(p["name"], p["size"]) for p in found] == [("title", 0), ("text", 0), ("files", 0)]
        assert not [error for error in browser.errors if not error.get("url", "").endswith("/favicon.ico")]


# ---- Memory

def test_a_large_part(start_tour):
    """Is read as it comes: the server's memory stays what a small form has taken."""
    server = start_tour()
    found = server.ask("POST", "/form", headers=MULTIPART, body=form(part("a", b"x" * MIB, "small.bin")))
    before = server.private()
    head, tail = DELIMITER + part("a", b"", "large.bin"), form()
    piece = CONTENT * (MIB // len(CONTENT))
    count = LARGE // len(piece)
    with server.connect() as connection:
        connection.send(client.request("POST", "/form", headers={**MULTIPART, "Content-Length": len(head) + count * len(piece) + len(b"\r\n" + tail)}) + head, "POST")
        for i in range(count):
            connection.send(piece)
            if i == count // 2:
                during = server.private()
        connection.send(b"\r\n" + tail)
        found = json.loads(connection.reply().text())
    assert found == [{"name": "a", "filename": "large.bin", "type": None, "size": count * len(piece)}]
    if not SANITIZE:
        assert during - before < 64 * 1024 and server.private() - before < 64 * 1024, (before, during, server.private())


def test_nothing_for_those_without(server):
    """The figures of the ledger are known before any form is."""
    assert {name for name in refusals(server) if re.match("form", name)} == {"form", "form_type", "form_parts", "form_header", "form_part", "form_size"}
