"""Lines of bodies and of files: one reader, over every version and transport, whatever the pieces are that a body comes
in. What is told for a body is what is told for a file with the same bytes, and what Python makes of them.

SPDX-License-Identifier: MIT
"""

import random
import re
import subprocess
import time

import pytest

import h2client
import secure
from client import request
from conftest import BUILD, Server

NUMBERS = random.Random(5)
LONGEST = 4095  # of the buffer that is asked for


def some_lines(count, longest=LONGEST - 2):
    """Lines of many lengths, most of them short, with both ends, empty ones, and bytes of all kinds."""
    lines = []
    for _ in range(count):
        length = NUMBERS.choice([0, 1, 7, 40, 80, 200, NUMBERS.randrange(longest)])
        lines.append(NUMBERS.randbytes(length).replace(b"\n", b".") + NUMBERS.choice([b"\n", b"\n", b"\r\n"]))
    return b"".join(lines)


TEXTS = {
    "none": b"",
    "one": b"a line\n",
    "bare": b"no end",
    "ends": b"\n\r\n\n\nx\n\r\r\n",
    "many": some_lines(500) + b"the last one has no end",
    "longest": b"a" * (LONGEST - 1) + b"\n" + b"b" * LONGEST,
    "short": b"".join(b"%d\n" % i for i in range(20_000)),
}


def told(text):
    """What the server tells of a text of which all lines fit."""
    lines = re.findall(rb"[^\n]*\n|[^\n]+", text)
    return b"".join(b"%d:%s" % (len(line), line) for line in lines) + b"=0=0 "


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lines")
    for name, text in TEXTS.items():
        (folder / name).write_bytes(text)
    (folder / "too-long").write_bytes(b"first\n" + b"x" * LONGEST + b"\nthird\n")
    return folder


@pytest.fixture(scope="module")
def server(folder):
    """tests/programs/lines.c, with https where that is built in."""
    tls = "WEIR_TLS:BOOL=OFF" not in (BUILD / "CMakeCache.txt").read_text()
    expect = r"(?s)listening on (http://\S+)\n" + (r".*https://\S+\n" if tls else "")
    server = Server("tests/programs/lines", folder, *(["tls"] if tls else []), expect=expect)
    yield server
    server.stop()


def check(body, text):
    """Compares without a diff of megabytes; returns how many lines were not copied."""
    head, _, whole = body.rpartition(b" ")
    assert head + b" " == told(text), (len(body), len(told(text)))
    return int(whole)


@pytest.mark.parametrize("name", TEXTS)
def test_file(server, name):
    check(server.ask(path=f"/file/{name}").body, TEXTS[name])


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("slice", [0, 1])
def test_body(server, name, slice):
    """By length, chunked in pieces of several sizes, and over HTTP/2."""
    text, path = TEXTS[name], f"/body?slice={slice}"
    lines = text.count(b"\n")
    whole = check(server.ask("POST", path, body=text).body, text)
    assert whole == 0 if slice == 0 else whole > 0.9 * lines if name == "short" else whole <= lines
    for size in (5000, 997, 1) if len(text) < 20_000 else (5000, 997):
        check(server.ask("POST", path, body=[text[at : at + size] for at in range(0, len(text), size)]).body, text)
    if "WEIR_HTTP2:BOOL=OFF" not in (BUILD / "CMakeCache.txt").read_text():
        with h2client.Connection(server.address) as connection:
            check(connection.ask("POST", path, body=text).body, text)


@pytest.mark.parametrize("way", [["--http1.1"], ["--http1.1", "-H", "Transfer-Encoding: chunked"], ["--http2-prior-knowledge"],
                                 ["--http1.1", "tls"], ["--http2", "tls"]], ids=" ".join)
def test_curl(server, folder, way):
    """Clients of others, over TLS as well."""
    options, url = [option for option in way if option != "tls"], server.url
    if "tls" in way:
        secure.skip_without_tls()
        options.append("-k")
        url = re.search(r"https://\S+", server.output).group()
    if "2" in way[0] and "WEIR_HTTP2:BOOL=OFF" in (BUILD / "CMakeCache.txt").read_text():
        pytest.skip("a build without HTTP/2")
    for slice in (0, 1):
        got = subprocess.run(["curl", "-sS", "--max-time", "60", *options, "--data-binary", f"@{folder / 'many'}", f"{url}/body?slice={slice}"],
                             capture_output=True, check=True).stdout
        check(got, TEXTS["many"])


def test_in_drops(server):
    """Lines that are cut anywhere, and replies to lines whose rest has not come yet."""
    text = b"first\r\nsecond\nthe third\n\nlast"
    with server.connect() as connection:
        connection.send(request("POST", "/body?slice=1", {"Content-Length": str(len(text))}), "POST")
        for at in range(len(text)):
            connection.send(text[at : at + 1])
            time.sleep(0.001)
        check(connection.reply().body, text)


@pytest.mark.parametrize("slice", [0, 1])
def test_too_long(server, slice):
    """A line beyond the bound is an error, and the last one: what follows is no line."""
    path = f"/body?slice={slice}&size=10"
    for chunks in (1, 3, 50):
        for text, got in ((b"123456789", b"9:123456789=0=0"), (b"12345678\n1234567890\nnext\n", b"9:12345678\n=-6=-6"), (b"123456789\n", b"=-6=-6")):
            for body in (text, [text[at : at + chunks] for at in range(0, len(text), chunks)]):
                assert server.ask("POST", path, body=body).body.rpartition(b" ")[0] == got
    assert server.ask("POST", "/body", body=b"x" * 500_000).body == b"=-6=-6 0"
    assert server.ask(path="/file/too-long").body == b"6:first\n=-6=-6 0"  # of a file nothing is consumed
    with server.connect() as connection:  # a connection goes on
        assert connection.ask("POST", path, body=b"1234567890123\n").body == b"=-6=-6 0"
        assert connection.ask("POST", path, body=b"123\n").status == 200


def test_broken_off(server):
    """What a body that breaks off has of a line is none; max_body, and chunks that are malformed, are 413 and 400."""
    with server.connect() as connection:
        connection.send(request("POST", "/body", {"Content-Length": "100"}) + b"one\ntwo", "POST")
        connection.socket.shutdown(2)
    for _ in range(2):
        assert server.ask("POST", "/body?size=10", body=b"fine\n").body.startswith(b"5:fine\n=0")
    text = b"".join(b"%07d\n" % i for i in range(140_000))
    with server.connect() as connection:
        connection.send(request("POST", "/mixed", {"Transfer-Encoding": "chunked"}) + b"9\r\nfirst\nabc\r\nzz\r\n", "POST")
        assert connection.reply().status == 400
    assert server.ask("POST", "/body", body=text).status == 413


def test_mixed(server):
    """Each way of reading goes on where the one before has stopped."""
    for text in (b"first line\nabcdef\nthe rest\nof it", b"first line\nab\ncd\nrest"):
        expected = re.match(rb"([^\n]*\n)(.{3})([^\n]*\n)(.*)", text, re.S).groups()
        expected = b"".join(b"%d:%s" % (len(part), part) for part in expected[:3]) + expected[3]
        assert server.ask("POST", "/mixed", body=text).body == expected


def test_tour(tour):
    """POST /csv: what GET /csv makes of the file."""
    text = some_lines(300)
    assert tour.ask("POST", "/csv", body=text).body == text.upper()
    assert tour.ask("POST", "/csv", body=b"x" * 10_000).status == 413
