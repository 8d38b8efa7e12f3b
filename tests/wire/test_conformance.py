"""Every row of docs/conformance.md over a real socket: whole and byte by byte, with a canary request right behind.

The server (tests/programs/conform.c) says what it has understood and counts what it has executed, so that a request that was executed without being
answered is seen as well. Where the connection is kept the canary has to be answered; where it is closed the canary must not have been executed, and the
client, which goes on sending, has to be able to read the reply and an orderly end.

All of it once more over a transport that gives a byte at a time, takes a few, holds what it has taken and waits in either direction when it need not
(tests/programs/unsteady), and over TLS, by OpenSSL's records and by lean ones: what a client sees does not depend on
that.

SPDX-License-Identifier: MIT
"""

import os
import pathlib
import re
import ssl

import pytest

import secure
from client import request
from conftest import Server

pytestmark = pytest.mark.threaded

DOCUMENT = pathlib.Path(os.environ.get("WEIR_SOURCE", pathlib.Path(__file__).parents[2])) / "docs" / "conformance.md"
CANARY = request(path="/canary", host="canary")
SLOW_BYTES = 400  # of a longer row, these come one by one and the rest at once
GROUP = 16  # rows that are sent at once, few enough that a refused one still lingers when its last byte is sent
ESCAPES = {"r": b"\r", "n": b"\n", "t": b"\t", "0": b"\0", "\\": b"\\"}
PART = re.compile(r"\\x([0-9a-f]{2})|\\(.)|\{(.+?)\*(\d+)\}|(⏎)|([^\\{⏎]+|\{)", re.DOTALL)


def held_by():
    """(file, name) of each test that the page names in a column "held by". A name without a file is of the one before
    it, else of the tests of HTTP/2."""
    held = False
    for line in DOCUMENT.read_text().splitlines():
        if not line.startswith("|"):
            held = False
        elif line.endswith("| held by |"):
            held = True
        elif held:
            file = "test_h2_conformance.py"
            for span in re.findall(r"`([^`]+)`", line.rstrip(" |").rpartition("|")[2]):
                if found := re.fullmatch(r"(?:tests/fuzz/)?(\w+\.(?:c|py))(?:(?:: |::)(.*))?", span):
                    file, span = found.groups()
                yield file, span


def test_names_are_there():
    """Tests that the page says hold a rule exist."""
    texts, names = {}, list(held_by())
    for file, name in names:
        folder = DOCUMENT.parents[1] / "tests" / ("wire" if file.endswith(".py") else "fuzz" if file.startswith("fuzz") else "unit")
        text = texts.setdefault(file, (folder / file).read_text())
        assert name is None or re.search(rf"\b(?:test_)?{re.escape(name)}\b", text), f"{file} has no {name}"
    assert len(names) > 100


def to_bytes(text):
    """What stands for the bytes of a row: see the beginning of the document."""
    data = b""
    for code, escape, piece, times, end, plain in PART.findall(text):
        if code:
            data += bytes([int(code, 16)])
        elif escape:
            data += ESCAPES[escape]
        elif piece:
            data += to_bytes(piece) * int(times)
        else:
            data += b"\r\n" if end else plain.encode("ascii")
    return data


class Row:
    def __init__(self, section, case, sent, answer, executed):
        self.name = f"{section}: {case}"
        self.data = to_bytes(sent)
        statuses, state = re.fullmatch(r"((?:\d{3} )*\d{3}), (kept|closed)", answer).groups()
        self.statuses = [int(status) for status in statuses.split()]
        self.kept = state == "kept"
        self.refused = self.statuses[-1] >= 400
        self.begun = executed == "begun"
        self.executed = [to_bytes(said).decode() for said in re.findall(r"`(.*?)`", executed)]
        assert self.executed or self.begun or executed in ("nothing", ""), executed
        self.methods = [said.split()[0] for said in self.executed]
        self.methods += ["GET"] * (len(self.statuses) - len(self.methods))

    def check(self, connection, count):
        port = connection.socket.getsockname()[1]
        replies = [connection.reply() for _ in self.statuses]
        assert [reply.status for reply in replies] == self.statuses
        said = [reply.text() for reply in replies if reply.status == 200 and reply.framing != "none"]
        assert said == [text for text in self.executed if not text.startswith("HEAD ")]
        if self.kept:
            assert not any(reply.closes for reply in replies)
            canary = connection.reply()
            assert (canary.status, canary.text()) == (200, "GET /canary host=canary body=")
        else:
            assert replies[-1].closes
            try:
                connection.expect_end(20)
            except ConnectionResetError:
                assert not self.refused  # a client that has said close and goes on
        assert count(port) == len(self.executed) + self.begun + self.kept


def read_rows():
    section, frame, rows, ids = "", "…", [], set()
    for line in DOCUMENT.read_text().splitlines():
        if line.startswith("#"):
            section, frame = line.lstrip("# "), "…"
        elif found := re.match(r"Sent: `(.*)`", line):
            frame = found.group(1)
        elif line.startswith("| ") and line.count(" | ") >= 4 and "`" in line and not line.startswith("| case"):
            case, _, sent, answer, executed = [part.strip() for part in line.strip("| ").split(" | ")][:5]
            row = Row(section, case, frame.replace("…", sent.strip("`")), answer, executed)
            assert row.name not in ids, row.name
            ids.add(row.name)
            rows.append(row)
    return rows


ROWS = read_rows()


@pytest.fixture(scope="module", params=["plain", "unsteady=1", "tls=1", "tls=lean"])
def server(request):
    transport = [] if request.param == "plain" else [request.param]
    if request.param.startswith("tls"):
        secure.skip_without_tls()
        server = Server("tests/programs/conform", "max_body=100000", *transport,
                        expect=r"listening on (https://\S+)\n")
        server.connect = lambda: secure.Connection(server, secure.blind_context())
    else:
        server = Server("tests/programs/conform", "max_body=100000", *transport)
    yield server
    server.stop()


@pytest.fixture(scope="module")
def count(server):
    """How many requests have been executed on the connection from a port; it begins anew with each answer."""
    with server.connect() as control:
        yield lambda port: int(control.ask(path=f"/executed/{port}").text())


def test_the_table_is_read():
    assert len(ROWS) > 200


@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_whole(server, count, row):
    with server.connect() as connection:
        connection.send(row.data + CANARY, *row.methods, *["GET"] * row.kept)
        row.check(connection, count)


@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_canary_later(server, count, row):
    """The canary is sent when the last reply has been read: to a connection that lingers it is nothing, too."""
    with server.connect() as connection:
        connection.send(row.data, *row.methods)
        while len(connection.parser.replies) < len(row.statuses):
            assert connection.fill()
        if row.kept or row.refused:
            connection.send(CANARY, *["GET"] * row.kept)
        row.check(connection, count)


def send_on(connection, data):
    """Sends, unless the connection has been closed: whether it may have been is for the row to say."""
    try:
        connection.socket.sendall(data)
    except (BrokenPipeError, ConnectionResetError, ssl.SSLError):
        pass


@pytest.mark.parametrize("first", range(0, len(ROWS), GROUP))
def test_byte_by_byte(server, count, first):
    """Some rows at once, a byte of each in turn: the server sees nearly every cut."""
    rows = ROWS[first : first + GROUP]
    connections = [server.connect() for _ in rows]
    for connection, row in zip(connections, rows):
        connection.parser.methods.extend([*row.methods, *["GET"] * row.kept])
    streams = [row.data[:SLOW_BYTES] for row in rows]
    for at in range(max(len(stream) for stream in streams)):
        for connection, stream in zip(connections, streams):
            if at < len(stream):
                send_on(connection, stream[at : at + 1])
    wrong = []
    for connection, row in zip(connections, rows):
        try:
            send_on(connection, row.data[SLOW_BYTES:] + CANARY)
            row.check(connection, count)
        except (AssertionError, OSError) as error:
            wrong.append(f"{row.name}: {error!r}")
        connection.close()
    assert not wrong, "\n".join(wrong)


def test_named_tests_exist():
    """What the document says is held by a test is."""
    folder = pathlib.Path(__file__).parent
    for file, name in re.findall(r"`(test_\w+\.py)::(\w+)`", DOCUMENT.read_text()):
        assert f"def {name}(" in (folder / file).read_text(), (file, name)
