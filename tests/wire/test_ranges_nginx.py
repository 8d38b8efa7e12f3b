"""Conditions and ranges beside nginx: the same file, the same fields, and every difference one that the page
docs/conformance.md explains. Sleeps for 3.1 seconds, until the file has settled.

SPDX-License-Identifier: MIT
"""

import itertools
import os
import pathlib
import random
import re
import shutil
import subprocess
import time

import pytest

import client
from conftest import Server
from faults import wait_for

SIZE = 20_000
DATE = 784111777
SAME, BEFORE, AFTER = (f"Sun, 06 Nov 1994 08:49:{second} GMT" for second in (37, 36, 38))
NGINX = shutil.which("nginx") or "/usr/sbin/nginx"
PAGE = pathlib.Path(__file__).parents[2] / "docs" / "conformance.md"

CONFIGURATION = """
daemon off; master_process off; pid {folder}/pid; error_log {folder}/log;
events {{ worker_connections 64; }}
http {{
    access_log off; default_type application/octet-stream; if_modified_since before; keepalive_requests 100000;
    client_body_temp_path {folder}/1; proxy_temp_path {folder}/2; fastcgi_temp_path {folder}/3;
    uwsgi_temp_path {folder}/4; scgi_temp_path {folder}/5;
    server {{ listen unix:{folder}/socket; location /file/ {{ alias {root}/; }} }}
}}
"""

# {tag}: the server's own.
TAGS = ["{tag}", "W/{tag}", '"x"', '"x", {tag}', '"x", W/{tag}', "*", "x", "{tag},", ""]
DATES = [SAME, BEFORE, AFTER, "Sun Nov  6 08:49:37 1994", "Sunday, 06-Nov-94 08:49:37 GMT", "yesterday", ""]
RANGES = ["0-0", "0-99", "100-", "-100", "-1", "0-", f"0-{SIZE - 1}", f"0-{SIZE}", f"{SIZE - 1}-", f"{SIZE - 1}-{SIZE}",
          f"-{SIZE}", f"-{SIZE + 1}", "-0", f"{SIZE}-", f"{SIZE}-{SIZE + 1}", "99999999999999999999-",
          "0-99999999999999999999", "2-1", "a-b", "", "-", "1", "1-2x", "--1", "0-0,-1", "0-9,500-509", "500-509,0-9",
          "0-0,1000-1000,2000-2000", "0-9,10-19", "0-9,5-14", "0-0,50-50", "0-99,0-99,0-99", "0-,0-", "0-9,50000-",
          "50000-,60000-", "0-9, 500-509", "0-9 ,500-509,", "0-9,2-1", "0-9,x", "0-9999,9000-19999", "0-15000,5000-"]
UNITS = ["bytes=", "BYTES=", "lines=", "bytes ", ""]


def requests():
    """Of each field all values, and of several together a fixed choice: method and fields."""
    for method in ("GET", "HEAD"):
        for name, values in (("If-Match", TAGS), ("If-None-Match", TAGS), ("If-Modified-Since", DATES),
                             ("If-Unmodified-Since", DATES), ("Range", [f"bytes={each}" for each in RANGES]),
                             ("Range", [f"{unit}0-9" for unit in UNITS])):
            for value in values:
                yield method, {name: value}
    for value in TAGS + DATES:
        yield "GET", {"Range": "bytes=0-9", "If-Range": value}
    choose = random.Random(20)
    for names in itertools.islice(itertools.cycle(
            [each for count in (2, 3, 4) for each in itertools.combinations(
                ["If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since", "Range", "If-Range"], count)]), 500):
        fields = {}
        for name in names:
            values = ([f"bytes={each}" for each in RANGES] if name == "Range" else TAGS + DATES if name == "If-Range"
                      else TAGS if name.endswith("Match") else DATES)
            fields[name] = choose.choice(values)
        yield choose.choice(["GET", "GET", "HEAD"]), fields


def pieces(reply, data):
    """The bytes that a reply has sent of the file, as ranges, which have to be those bytes; None: it is a page."""
    if reply.status not in (200, 206):
        return None
    if reply.status == 200:
        assert reply.framing == "none" or reply.body == data
        return "all"
    found = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+)", reply.header("Content-Range") or "")
    if found:
        first, last, size = map(int, found.groups())
        assert size == SIZE and (reply.framing == "none" or reply.body == data[first : last + 1])
        return [(first, last)]
    boundary = re.fullmatch("multipart/byteranges; boundary=(.+)", reply.header("Content-Type")).group(1).encode()
    if reply.framing == "none":
        return "parts"
    parts = (b"\r\n" + bytes(reply.body)).replace(b"\r\n\r\n--" + boundary, b"\r\n--" + boundary, 1)
    parts = parts.split(b"\r\n--" + boundary)
    assert parts[0] == b"" and parts[-1] == b"--\r\n"
    ranges = []
    for part in parts[1:-1]:
        head, _, body = part.partition(b"\r\n\r\n")
        first, last, size = map(int, re.search(rb"\r\nContent-Range: bytes (\d+)-(\d+)/(\d+)\Z", head).groups())
        assert size == SIZE and body == data[first : last + 1]
        ranges.append((first, last))
    return ranges


def summary(reply, data):
    """What has to be the same: the status, which bytes, and which fields there are."""
    names = sorted(name.lower() for name, _ in reply.headers)
    told = [name for name in names if name in ("etag", "last-modified", "accept-ranges", "content-range")]
    no_range = reply.header("Content-Range") if reply.status == 416 else None
    return reply.status, pieces(reply, data), no_range, told, reply.header("Last-Modified")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    if not os.access(NGINX, os.X_OK):
        pytest.skip("no nginx")
    made = tmp_path_factory.mktemp("nginx")
    (made / "root").mkdir()
    path = made / "root" / "data"
    path.write_bytes(random.Random(3).randbytes(SIZE))
    os.utime(path, (DATE, DATE))
    time.sleep(3.1)
    return made


@pytest.fixture(scope="module")
def both(folder):
    """A connection to each."""
    (folder / "configuration").write_text(CONFIGURATION.format(folder=folder, root=folder / "root"))
    server = Server("tests/programs/ranges", folder / "root")
    nginx = subprocess.Popen([NGINX, "-c", folder / "configuration", "-p", folder])
    try:
        wait_for(lambda: (folder / "socket").exists() or nginx.poll() is not None)
        assert nginx.poll() is None, (folder / "log").read_text()
        with server.connect() as ours:
            yield ours.ask, lambda *request, **more: client.ask(str(folder / "socket"), *request, **more)
    finally:
        nginx.terminate()
        nginx.wait()
        server.stop()


# ---- Differences: each has its row on the page


def has_none(value):
    """Whether a Range is none by its grammar, to the letter."""
    spec = r"(\d+-\d*|-\d+)"
    if not re.fullmatch(rf"bytes=[ \t,]*{spec}([ \t]*,[ \t,]*{spec})*[ \t,]*", value, re.IGNORECASE):
        return True
    return any(int(last) < int(first) for first, last in re.findall(r"(\d+)-(\d+)", value))


def specs(value):
    return [each.strip() for each in value.partition("=")[2].split(",")]


def covers(ours, theirs):
    """Whether as many parts or fewer hold every byte of the others."""
    return len(ours) < len(theirs) and all(any(a <= first and last <= b for a, b in ours) for first, last in theirs)


def without_accept(told):
    return told[:3] + ([name for name in told[3] if name != "accept-ranges"],) + told[4:]


RULES = {
    "`Accept-Ranges` in a 206": lambda method, fields, ours, theirs:
        ours[0] == theirs[0] == 206 and without_accept(ours) == theirs,
    "`Range` to HEAD": lambda method, fields, ours, theirs:
        method == "HEAD" and "Range" in fields and ours[0] == 200 and theirs[0] in (206, 416),
    "a `Range` that is none": lambda method, fields, ours, theirs:
        ours[0] == 200 and theirs[0] in (206, 416) and has_none(fields.get("Range", "bytes=0-")),
    "an empty member at the end": lambda method, fields, ours, theirs:
        ours[0] == 206 and theirs[0] == 416 and specs(fields.get("Range", ""))[-1] == "",
    "a number that no file reaches": lambda method, fields, ours, theirs:
        ours[0] == 206 and theirs[0] == 416 and re.search(r"\d{19}", fields.get("Range", "")) is not None,
    "ranges that overlap or nearly touch": lambda method, fields, ours, theirs:
        ours[0] == theirs[0] == 206 and covers(ours[1], theirs[1]),
    "ranges that are longer than the file together": lambda method, fields, ours, theirs:
        ours[:2] == (206, [(0, SIZE - 1)]) and theirs[0] == 200 and len(specs(fields.get("Range", ""))) > 1,
    "`If-Unmodified-Since` that is no date": lambda method, fields, ours, theirs:
        ours[0] != 412 and theirs[0] == 412 and fields.get("If-Unmodified-Since") in ("yesterday", ""),
    "`If-Unmodified-Since` beside `If-Match`": lambda method, fields, ours, theirs:
        ours[0] != 412 and theirs[0] == 412 and {"If-Unmodified-Since", "If-Match"} <= set(fields),
    "`If-Modified-Since` beside `If-None-Match`": lambda method, fields, ours, theirs:
        ours[0] == 304 and theirs[0] != 304 and {"If-Modified-Since", "If-None-Match"} <= set(fields),
}


def rows_of_the_page():
    section = PAGE.read_text(encoding="utf-8").partition("### Beside nginx\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| ([^|]+) \|", section, re.MULTILINE)
    return set(rows[1:])


def test_the_page():
    assert rows_of_the_page() == set(RULES)


def test_each_difference_is_explained(both, folder):
    data = (folder / "root" / "data").read_bytes()
    tags = [ask(path="/file/data").header("ETag") for ask in both]
    asked, unexplained, used = 0, [], set()
    for method, fields in requests():
        asked += 1
        ours, theirs = (summary(ask(method, "/file/data", headers=[
            (name, value.replace("{tag}", tag)) for name, value in fields.items()]), data) for ask, tag in zip(both, tags))
        if ours == theirs:
            continue
        reasons = {name for name, holds in RULES.items() if holds(method, fields, ours, theirs)}
        used |= reasons
        if not reasons:
            unexplained.append((method, fields, ours, theirs))
    assert asked >= 500 and not unexplained
    assert used == set(RULES)
