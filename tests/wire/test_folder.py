"""A mounted folder: index, redirect, fallback, what is hidden, links, headers by pattern, encoded variants, and the listing. What must never be
reached is in test_folder_escape.py.

SPDX-License-Identifier: MIT
"""

import base64
import ctypes
import gzip
import hashlib
import html
import os
import pathlib
import re
import shutil
import struct
import tempfile
import urllib.parse

import pytest

import client
from browser import PROGRAM, Browser
from conftest import SANITIZE
from faults import wait_for

ODD = [b'"quoted" & \'so\'', b"<script>alert(1)", b"new\nline", b"bad \xff\xfe utf-8", b"100%", b"50%25 off", b"q?a=b#c", b"a:b",
       b"javascript:alert(1)", b"back\\slash", b" blanks ", b"semi;colon", "naïve €".encode(), b"\xe2\x80\xaegpj.exe", b"&amp;", b"...", b"~", b"tab\there",
       b"x" * 255, b"<" * 255, b"\xff" * 255]
MANY = 100_000


@pytest.fixture(scope="module")
def folder():
    """In memory where there is such a file system, so that no disk is measured."""
    base = pathlib.Path(tempfile.mkdtemp(prefix="weir-folder-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None))
    root = base / "root"
    for name in ["nested/deeper", "withindex", "assets/js", ".hidden", "empty"]:
        (root / name).mkdir(parents=True)
    (base / "secret.txt").write_text("SECRET")
    for name, text in {"hello.txt": "Hello\n", "nested/a.html": "<p>a", "nested/deeper/b.bin": "b", "withindex/index.html": "<h1>index</h1>",
                       "assets/js/app.js": "let a = 1\n" * 100, ".secret": "hidden", ".hidden/x.txt": "x", "noend": "?", "up.zzunknown": "z"}.items():
        (root / name).write_text(text)
    (root / "inward").symlink_to("nested/a.html")
    (root / "indir").symlink_to("nested")
    (root / "outward").symlink_to("../secret.txt")
    (root / "absolute").symlink_to(base / "secret.txt")
    (root / "outdir").symlink_to("..")
    (root / "dangling").symlink_to("nowhere")
    os.mkfifo(root / "pipe")
    odd = os.fsencode(root / "odd")
    os.mkdir(odd)
    for i, name in enumerate(ODD):
        with open(os.path.join(odd, name), "wb") as file:
            file.write(b"odd %d" % i)
    yield root
    shutil.rmtree(base)


@pytest.fixture
def server(start, folder):
    return start("tests/programs/folders", folder)


def rows(reply):
    """The entries of a listing, as (href, text, size, time)."""
    assert reply.status == 200 and reply.header("Content-Type") == "text/html; charset=utf-8"
    found = re.findall(r"<tr><td><a href='([^']*)'>([^<]*)</a><td>([^<]*)(?:<td>([^<\n]*))?", reply.text())
    return [(href, html.unescape(text), size, time) for href, text, size, time in found]


def names(reply):
    return [urllib.parse.unquote_to_bytes(href.partition("?")[0]) for href, *_ in rows(reply) if not href.startswith("../")]


def test_files(server):
    for prefix in ["/files", "/list", "/all", "/app", "/variants", "/of/me"]:
        reply = server.ask(path=f"{prefix}/hello.txt")
        assert (reply.status, reply.body) == (200, b"Hello\n"), prefix
        assert reply.header("Content-Type") == "text/plain; charset=utf-8"
        assert reply.header("X-Content-Type-Options") == "nosniff"
        head = server.ask("HEAD", f"{prefix}/hello.txt")
        assert [line for line in head.headers if line[0] != "Date"] == [line for line in reply.headers if line[0] != "Date"]
        assert server.ask(path=f"{prefix}/nested/deeper/b.bin").body == b"b"
        for method in ["POST", "PUT", "DELETE", "PROPFIND"]:
            refused = server.ask(method, f"{prefix}/hello.txt")
            assert refused.status == 405 and {"GET", "HEAD"} <= set(refused.header("Allow").split(", "))


def test_missing(server):
    for path in ["nope", "hello.txt/", "hello.txt/x", "nested/nope/x", "empty/", "", "pipe", "dangling", "x" * 255, "x" * 256, "x/" * 200, "nested%2Fa.html",
                 "nested//a.html", "/hello.txt", "//hello.txt", "%2Fhello.txt", "hello.txt%00", "hello.txt%00.html"]:
        reply = server.ask(path=f"/files/{path}")
        assert reply.status == (400 if "%00" in path else 404), path
    assert server.ask(path="/files/" + "x/" * 3000).status in (404, 414)


def test_redirect(server):
    for path, location in {"/files": "files/", "/list": "list/", "/files/nested": "nested/", "/files/nested?a=b&c=%20d": "nested/?a=b&c=%20d",
                           "/files/nested?": "nested/?", "/files?x": "files/?x", "/of/a%2Fb%3Ac": "a%2Fb%3Ac/", "/list/odd/%2e%2e/nested": "nested/",
                           "/files/indir": "indir/"}.items():
        reply = server.ask(path=path)
        assert (reply.status, reply.header("Location")) == (301, location), path
        assert urllib.parse.urljoin("http://host" + path, location).startswith("http://host/")


def test_redirect_stays_here(server):
    """Whatever stands before a folder's name: the same host."""
    for path in ["//evil.example/nested", "//nested", "///nested", "/\\evil/nested", "/%5cevil/nested", "//evil.example/%2e%2e/nested", "/%2f%2fevil/nested",
                 "//evil.example/../nested", "/.//nested", "/evil.example//../nested", "http://evil.example/nested"]:
        with server.connect() as connection:
            reply = connection.ask("GET", path, host="site.test")
        location = reply.header("Location")
        assert reply.status in (301, 400, 404), path
        if location:
            where = urllib.parse.urlsplit(urllib.parse.urljoin("http://site.test" + path if path[0] == "/" else path, location))
            assert not location.startswith(("/", "\\")) and ":" not in location.partition("?")[0], path
            assert where.hostname in ("site.test", "evil.example" if path.startswith(("http:", "//evil")) else None), path


def test_index(server):
    for path in ["/files/withindex/", "/list/withindex/", "/app/withindex/"]:
        reply = server.ask(path=path)
        assert (reply.status, reply.body, reply.header("Content-Type")) == (200, b"<h1>index</h1>", "text/html; charset=utf-8")


def test_hidden(server):
    for path in [".secret", ".hidden/x.txt", ".hidden/", ".hidden", "%2esecret", ".nothing", "..."]:
        for prefix in ["files", "list", "app"]:
            assert server.ask(path=f"/{prefix}/{path}").status == 404, path
    assert server.ask(path="/all/.secret").body == b"hidden"
    assert server.ask(path="/all/.hidden/x.txt").body == b"x"
    assert b".secret" in names(server.ask(path="/all/")) and b".hidden/" in names(server.ask(path="/all/"))
    assert not [name for name in names(server.ask(path="/list/")) if name.startswith(b".")]


def test_links(server):
    assert server.ask(path="/files/inward").body == b"<p>a" and server.ask(path="/files/indir/a.html").body == b"<p>a"
    for path in ["outward", "absolute", "outdir/", "outdir/secret.txt", "outdir", "indir/../outward"]:
        assert server.ask(path=f"/files/{path}").status in (403, 404), path
    for path in ["inward", "indir", "indir/", "indir/a.html", "outward", "absolute", "outdir/"]:
        assert server.ask(path=f"/all/{path}").status == 404, path
    listed, strict = names(server.ask(path="/list/")), names(server.ask(path="/all/"))
    assert b"inward" in listed and b"indir/" in listed
    for name in [b"outward", b"absolute", b"outdir/", b"outdir", b"dangling", b"pipe"]:
        assert name not in listed and name not in strict
    assert b"inward" not in strict


def without_openat2():
    """Has the process's openat2() fail as on a kernel, or under a filter, that does not know it."""
    libc, openat2, enosys = ctypes.CDLL(None, use_errno=True), 437, 38
    rules = struct.pack("HBBI" * 4, 0x20, 0, 0, 0, 0x15, 0, 1, openat2, 0x06, 0, 0, 0x00050000 | enosys, 0x06, 0, 0, 0x7FFF0000)
    memory = ctypes.create_string_buffer(rules)
    program = struct.pack("HxxxxxxP", 4, ctypes.addressof(memory))
    assert libc.prctl(38, 1, 0, 0, 0) == 0  # PR_SET_NO_NEW_PRIVS
    assert libc.prctl(22, 2, program, 0, 0) == 0, ctypes.get_errno()  # PR_SET_SECCOMP, a filter


def test_old_kernel(start, folder):
    """Names are walked one at a time: files, folders and listings are there, and no link is followed."""
    server = start("tests/programs/folders", folder, before=without_openat2)
    assert server.ask(path="/files/nested/a.html").body == b"<p>a" and server.ask(path="/files/withindex/").body == b"<h1>index</h1>"
    assert server.ask(path="/files/nested").header("Location") == "nested/"
    assert {b"nested/", b"hello.txt"} <= set(names(server.ask(path="/list/"))) and names(server.ask(path="/list/nested/deeper/")) == [b"b.bin"]
    for path in ["inward", "indir/", "indir/a.html", "outward", "absolute", "outdir/", "outdir/secret.txt", "hello.txt/", "pipe"]:
        assert server.ask(path=f"/list/{path}").status in (403, 404), path
    assert not {b"inward", b"indir/", b"outward", b"outdir/"} & set(names(server.ask(path="/list/")))


def test_fallback(server):
    for path in ["users/7", "users/7/", "empty/", "nested/", ""]:
        reply = server.ask(path=f"/app/{path}")
        assert (reply.status, reply.body) == (200, b"<h1>index</h1>"), path
        assert reply.header("Vary") is None
    asks = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
    missing = server.ask(path="/app/users/john.doe")
    assert (missing.status, missing.header("Vary")) == (404, "Accept")
    assert server.ask(path="/app/app.0123.js", headers={"Accept": "*/*"}).status == 404
    reply = server.ask(path="/app/users/john.doe", headers=asks)
    assert (reply.status, reply.body, reply.header("Vary")) == (200, b"<h1>index</h1>", "Accept")
    assert server.ask(path="/app/.env", headers=asks).status == 404
    assert server.ask("POST", "/app/users/7").status == 405


def test_headers(server):
    def of(path, name):
        return server.ask(path=f"/app/{path}").header(name)

    assert of("hello.txt", "Cache-Control") == "no-cache"
    assert of("assets/js/app.js", "Cache-Control") == "public, max-age=31536000, immutable"
    assert of("nested/deeper/b.bin", "Content-Type") == "application/x-program"
    assert of("nested/a.html", "X-Where") == "nested" and of("nested/deeper/b.bin", "X-Where") is None
    assert of("nested", "X-Where") is None and of("nope.x", "Cache-Control") is None
    assert of("users/7", "Cache-Control") == "no-cache"  # of the page that is sent


def test_headers_of_middleware(server):
    """An error's page has what middleware has set, though a header of the mount would have taken its place."""
    def of(path, **fields):
        reply = server.ask(path=f"/own/{path}", headers={name.replace("_", "-"): value for name, value in fields.items()})
        where = [value for name, value in reply.headers if name == "X-Where"]
        return reply.status, reply.header("Cache-Control"), where, reply.header("Content-Type")

    both = ["middleware", "twice"]
    assert of("hello.txt")[:3] == (200, "no-cache", both)
    assert of("nested/a.html")[:3] == (200, "no-cache", ["nested"])
    assert of("nope.x")[:3] == (404, "private", both)
    assert of("nested/nope")[:3] == (404, "private", both)
    page = "text/plain; charset=utf-8"
    assert of("hello.txt", If_Match='"other"') == (412, "private", both, page)
    assert of("nested/a.html", If_Match='"other"') == (412, "private", both, page)
    assert of("nested/deeper/b.bin", If_Match='"other"') == (412, "private", both, page)
    assert of("nested/deeper/none.bin") == (404, "private", both, page)


def test_types(server):
    for name, kind in {"a.html": "text/html; charset=utf-8", "a.js": "text/javascript; charset=utf-8", "a.tar": "application/x-tar",
                       "a.zzunknown": "application/octet-stream"}.items():
        assert server.ask(path=f"/type/{name}").text() == kind
    assert server.ask(path="/files/noend").header("Content-Type") == "application/octet-stream"
    assert server.ask(path="/files/up.zzunknown").header("Content-Type") == "application/octet-stream"


@pytest.fixture
def variants(folder):
    """app.js in every coding, each with bytes of its own; of one.css an old gzip alone."""
    base = folder / "assets" / "js"
    plain = (base / "app.js").read_bytes()
    made = {"br": b"BROTLI" * 9, "zstd": b"ZSTD" * 9, "gzip": gzip.compress(plain)}
    for coding, end in {"br": "br", "zstd": "zst", "gzip": "gz"}.items():
        (base / f"app.js.{end}").write_bytes(made[coding])
    (base / "one.css").write_text("a{}")
    (base / "one.css.gz").write_bytes(gzip.compress(b"a{} of yore"))
    os.utime(base / "one.css.gz", (1, 1))
    yield {**made, "identity": plain}
    for name in ["app.js.br", "app.js.zst", "app.js.gz", "one.css", "one.css.gz"]:
        (base / name).unlink()


def test_variants(server, variants):
    def ask(accepts, path="/variants/assets/js/app.js", **more):
        return server.ask(path=path, headers={**({} if accepts is None else {"Accept-Encoding": accepts}), **more})

    for accepts, coding in {None: "identity", "gzip": "gzip", "br": "br", "zstd, gzip": "zstd", "gzip, deflate, br, zstd": "br", "gzip;q=1, br;q=0.5": "gzip",
                            "br;q=0, *": "zstd", "identity, gzip;q=0.5": "identity", "deflate": "identity", "": "identity", "*;q=0.1": "br",
                            "br;q=0.001": "br"}.items():
        reply = ask(accepts)
        assert reply.status == 200 and bytes(reply.body) == variants[coding], accepts
        assert reply.header("Content-Encoding") == (None if coding == "identity" else coding)
        assert reply.header("Vary") == "Accept-Encoding" and reply.header("Content-Type") == "text/javascript; charset=utf-8"
        assert reply.header("X-Content-Type-Options") == "nosniff"
        assert reply.header("Accept-Ranges") == ("bytes" if coding == "identity" else None)  # ranges are of the file as it is
    assert ask("gzip", path="/variants/assets/js/one.css").body == b"a{}", "an older variant is of another file"
    assert ask("gzip", path="/files/assets/js/app.js").header("Content-Encoding") is None
    assert ask("br", path="/variants/assets/js/nope.js").status == 404
    tags = {accepts: ask(accepts).header("ETag") for accepts in ["gzip", "br", "zstd", None]}
    assert None not in tags.values() and len(set(tags.values())) == 4
    for accepts, tag in tags.items():
        same = ask(accepts, **{"If-None-Match": tag})
        assert (same.status, same.header("ETag"), same.header("Vary")) == (304, tag, "Accept-Encoding")
        others = [other for other in tags.values() if other != tag]
        assert ask(accepts, **{"If-None-Match": ", ".join(others)}).status == 200
    part = ask("br", Range="bytes=0-3")  # a range is of the file as it is, and a tag of another form asks for all of it
    assert (part.status, bytes(part.body), part.header("Content-Encoding")) == (206, variants["identity"][:4], None)
    assert part.header("Vary") == "Accept-Encoding" and part.header("ETag") == tags[None]
    whole = ask("br", Range="bytes=0-3", **{"If-Range": tags["br"]})
    assert (whole.status, bytes(whole.body)) == (200, variants["identity"])


def test_conditions(server):
    """A mounted file is answered as one that is sent by hand is, its headers by pattern included."""
    first = server.ask(path="/app/hello.txt")
    same = server.ask(path="/app/hello.txt", headers={"If-None-Match": first.header("ETag")})
    assert (same.status, same.body, same.header("Cache-Control")) == (304, b"", "no-cache")
    assert server.ask(path="/files/hello.txt", headers={"If-Match": '"other"'}).status == 412
    part = server.ask(path="/files/hello.txt", headers={"Range": "bytes=1-2"})
    assert (part.status, part.body, part.header("Content-Range")) == (206, b"el", "bytes 1-2/6")
    assert server.ask(path="/files/hello.txt", headers={"Range": "bytes=9-"}).status == 416
    script = "/app/assets/js/app.js"
    for field, status in ({"If-Match": '"other"'}, 412), ({"Range": "bytes=99999-"}, 416):
        page = server.ask(path=script, headers=field)
        assert page.status == status and page.header("Cache-Control") is None  # which would be kept for the file
    assert server.ask(path=script).header("Cache-Control")


@pytest.mark.threaded
def test_listing_escapes(server, folder):
    """Every name is shown as text, is a link that leads to that very file, and nothing of a name becomes a tag."""
    reply = server.ask(path="/list/odd/")
    page = reply.text()
    listed = rows(reply)
    assert len(listed) == len(ODD) - 1 + 1  # "..." is hidden, and there is the folder above
    assert "<script" not in page and "\n" not in "".join(text for _, text, *_ in listed)
    assert set(re.findall(r"<(/?\w+)", page)) == {"html", "meta", "title", "/title", "style", "/style", "main", "/main", "h1", "/h1", "a", "/a", "table", "/table",
                                                "thead", "tr", "th", "tbody", "td", "p", "wbr"}
    for href, *_ in listed[1:]:
        name = urllib.parse.unquote_to_bytes(href)
        where = urllib.parse.urlsplit(urllib.parse.urljoin(server.url + "/list/odd/", href))
        assert (where.netloc, where.query, where.fragment) == (server.url[7:], "", "")
        assert server.ask(path=where.path).body == b"odd %d" % ODD.index(name), name
    assert sorted(names(reply)) == sorted(name for name in ODD if name != b"...")


def test_listing(server, folder):
    reply = server.ask(path="/list/")
    style = re.search(r"<style>(.*?)</style>", reply.text()).group(1)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = reply.header("Content-Security-Policy")
    assert policy.startswith(f"default-src 'none'; style-src 'sha256-{digest}';"), f"STYLE_HASH has to be sha256-{digest}"
    assert reply.header("Cache-Control") == "no-cache"
    head = server.ask("HEAD", "/list/")
    assert head.status == 200 and head.header("Content-Length") is None and head.header("Content-Security-Policy") == policy
    assert "<p>0 folders, 0 files" in server.ask(path="/list/empty/").text()
    assert server.ask(path="/files/nested/").status == 404  # not unless it is asked for
    assert ">nested/<" in server.ask(path="/list/").text()
    deep = server.ask(path="/list/nested/deeper/?sort=size")
    assert re.search(r"<h1><a href='../../\?sort=size'>list</a>/<wbr><a href='../\?sort=size'>nested</a>/<wbr>deeper/</h1>", deep.text())

    top, deep = (server.ask(path=path, host="site.test").text() for path in ["/", "/nested/deeper/"])
    assert "<title>/</title>" in top and "<h1>/</h1>" in top
    assert "<h1><a href='../../'>/</a><wbr><a href='../'>nested</a>/<wbr>deeper/</h1>" in deep and "<title>deeper</title>" in deep


def test_order(server, folder):
    place = folder / "order"
    place.mkdir()
    sizes = {"file10": 3, "file9": 2, "File1": 5_000_000, "b": 1024, "a": 999, "c": 1023, "file010": 1}
    for i, (name, size) in enumerate(sizes.items()):
        with open(place / name, "wb") as file:
            file.truncate(size)
        os.utime(place / name, (1_000_000_000 + i, 1_000_000_000 + i))
    (place / "zfolder").mkdir()
    try:
        def order(query):
            return [name.decode() for name in names(server.ask(path=f"/list/order/{query}"))]

        by_name = ["zfolder/", "a", "b", "c", "File1", "file9", "file010", "file10"]
        assert order("") == order("?sort=name") == order("?sort=what&order=asc") == by_name
        assert order("?sort=name&order=desc") == ["zfolder/"] + by_name[:0:-1]
        by_size = sorted(sizes, key=sizes.get)
        assert order("?sort=size") == ["zfolder/"] + by_size and order("?sort=size&order=desc") == ["zfolder/"] + by_size[::-1]
        assert order("?sort=time") == ["zfolder/"] + list(sizes) and order("?sort=time&order=desc") == ["zfolder/"] + list(sizes)[::-1]
        shown = {text: (size, time) for _, text, size, time in rows(server.ask(path="/list/order/"))}
        assert shown["a"] == ("999 B", "2001-09-09 01:46") and shown["b"][0] == "1.0 KiB" and shown["c"][0] == "0.9 KiB" and shown["File1"][0] == "4.7 MiB"
    finally:
        shutil.rmtree(place)


@pytest.fixture
def crowded(folder):
    place = folder / "crowded"
    place.mkdir()
    fd = os.open(place, os.O_PATH)
    os.close(os.open("0", os.O_CREAT, dir_fd=fd))
    for i in range(1, MANY):
        os.link("0", str(i), src_dir_fd=fd, dst_dir_fd=fd)
    os.close(fd)
    yield place
    shutil.rmtree(place)


def test_crowded(server, crowded):
    """A folder of 100,000 entries: all of them, each once, in the memory of a small one, by a client that is slow as well."""
    def ask():
        with client.Connection(server.address, timeout=60, receive_buffer=65536) as connection:
            return connection.ask("GET", "/list/crowded/")

    for _ in range(3):  # what is made once is there
        server.ask(path="/list/")
    with server.connect() as connection:
        connection.send(client.request(path="/list/crowded/"), "GET")
        while connection.parser.current is None or connection.parser.current.received < 100_000:
            assert connection.fill()
    ask()
    before, peak = server.private(), server.peak()
    reply = ask()
    assert reply.framing == "chunked"
    found = names(reply)
    assert len(found) == MANY and len(set(found)) == MANY
    assert re.search(r"<p>More than \d{4,} entries: not sorted", reply.text()) and reply.text().count("<th scope=col>") == 3
    assert f"<p>0 folders, {MANY} files" in reply.text()
    if not SANITIZE:  # which have memory of their own
        assert server.peak() - peak < 512 * 1024, server.peak() - peak
        assert server.private() - before < 128 * 1024, server.private() - before


def test_little_memory(start, folder):
    """With the least memory that a request can have."""
    server = start("tests/programs/folders", folder, "request_memory=4096")
    assert len(names(server.ask(path="/list/odd/"))) == len(ODD) - 1
    for i in range(7000):
        (folder / "empty" / f"{i:0200d}").touch()
    try:
        assert len(set(names(server.ask(path="/list/empty/")))) == 7000
    finally:
        shutil.rmtree(folder / "empty")
        (folder / "empty").mkdir()


@pytest.mark.threaded
def test_memory_of_others(server, folder):
    """So many slow clients hold what there is to sort in that one more gets its folder unsorted, and sorted again when they have gone."""
    place = folder / "wide"
    place.mkdir()
    for i in range(2000):
        (place / f"{i:0100d}").touch()
    try:
        assert [int(name) for name in names(server.ask(path="/list/wide/"))] == list(range(2000))
        slow = [client.Connection(server.address, receive_buffer=4096) for _ in range(16)]
        for connection in slow:
            connection.send(client.request(path="/list/wide/"), "GET")
        for connection in slow:
            assert connection.fill()  # it is being written: what it is written from is there
        reply = server.ask(path="/list/wide/")
        assert "Not sorted, for want of memory just now" in reply.text() and len(set(names(reply))) == 2000
        for connection in slow:
            connection.close()
        wait_for(lambda: "aria-sort=ascending>" in server.ask(path="/list/wide/").text())
    finally:
        shutil.rmtree(place)


@pytest.mark.skipif(not PROGRAM, reason="no browser")
def test_in_a_browser(server, folder):
    """The page is as wide as the screen, its style is allowed by its own policy, and its links work without a script."""
    with Browser() as browser:
        for width in (360, 1280):
            browser.resize(width, 740)
            browser.open(server.url + "/list/odd/")
            assert browser.evaluate("document.documentElement.scrollWidth") <= width
            assert browser.evaluate("getComputedStyle(document.querySelector('table')).borderCollapse") == "collapse"
        assert browser.evaluate("document.querySelectorAll('tbody tr').length") == len(ODD)
        assert browser.evaluate("document.querySelectorAll('script, img').length") == 0
        browser.evaluate("document.querySelector('th:nth-child(2) a').click()")
        browser.wait("location.search === '?sort=size&order=desc' && document.readyState === 'complete'")
        assert browser.evaluate("document.querySelector('[aria-sort]').innerText").startswith("Size")
        browser.evaluate("document.querySelector('h1 a').click()")
        browser.wait("location.pathname === '/list/' && document.readyState === 'complete'")
        browser.evaluate("[...document.querySelectorAll('td a')].find((a) => a.textContent === 'nested/').click()")
        browser.wait("location.pathname + location.search === '/list/nested/?sort=size&order=desc'")
        browser.prefer(prefers_color_scheme="dark")
        assert browser.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(20, 23, 26)"
        assert not browser.errors
        assert all(url.startswith(server.url) for url in browser.requests), browser.requests
