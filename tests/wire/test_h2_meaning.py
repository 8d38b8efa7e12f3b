"""The rows of docs/conformance.md that mean something in HTTP/2, sent by it: what the handler is told and what the client
gets is the same. What is about framing, or about the syntax of HTTP/1, is left out: there is nothing to translate.

Where HTTP/1 answers 400, HTTP/2 does so too, or resets the stream as malformed (RFC 9113 section 8.1.1).

SPDX-License-Identifier: MIT
"""

import re

import pytest

import h2client as h2
from conftest import BUILD, Server
from test_conformance import ROWS

pytestmark = pytest.mark.threaded

if "WEIR_HTTP2:BOOL=OFF" in (BUILD / "CMakeCache.txt").read_text():
    pytest.skip("a build without HTTP/2", allow_module_level=True)

LEFT_OUT = {b"connection", b"keep-alive", b"proxy-connection", b"upgrade", b"te", b"transfer-encoding"}
FRAME_MOST = 16384  # header blocks of several frames are bounded otherwise
LEAST = 120  # rows that can be translated; fewer: the translation is broken


class Untranslatable(Exception):
    pass


def chunked(data):
    """Body, trailer fields and the rest of a chunked message."""
    body = b""
    while True:
        found = re.match(rb"([0-9A-Fa-f]+)(?:;[^\r\n]*)?\r\n", data)
        if not found:
            raise Untranslatable
        size, data = int(found.group(1), 16), data[found.end() :]
        if size == 0:
            break
        if data[size : size + 2] != b"\r\n":
            raise Untranslatable
        body, data = body + data[:size], data[size + 2 :]
    if data.startswith(b"\r\n"):
        return body, [], data[2:]
    trailer, end, data = data.partition(b"\r\n\r\n")
    if not end:
        raise Untranslatable
    return body, fields_of(trailer), data


def fields_of(text):
    fields = []
    for line in text.split(b"\r\n"):
        name, colon, value = line.partition(b":")
        if not colon or b"\r" in line or b"\n" in line or line[:1] in b" \t":
            raise Untranslatable
        fields.append((name.lower(), value.strip(b" \t")))
    return fields


def translate(data):
    """The requests that a row sends, as (pseudo-headers and fields, body, trailer fields)."""
    requests = []
    while data:
        if data.startswith(b"\r\n\r\n"):
            raise Untranslatable
        head, end, data = data.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        line, _, rest = head.partition(b"\r\n")
        found = re.fullmatch(rb"([^ \r\n]+) ([^ \r\n]+) HTTP/1\.[12]", line)
        if not end or not found:
            raise Untranslatable
        if found.group(1) == b"CONNECT" or b"://" in found.group(2):
            raise Untranslatable
        fields = fields_of(rest) if rest else []
        named = dict(fields)
        body, trailers = b"", []
        if b"transfer-encoding" in named:
            codings = [value for name, value in fields if name == b"transfer-encoding"]
            if len(codings) != 1 or codings[0].lower() != b"chunked" or b"content-length" in named:
                raise Untranslatable
            body, trailers, data = chunked(data)
        elif named.get(b"content-length", b"").isdigit():
            length = int(named[b"content-length"])
            if length > len(data):
                raise Untranslatable
            body, data = data[:length], data[length:]
        fields = [field for field in fields if field[0] not in LEFT_OUT]
        pseudo = [(b":method", found.group(1)), (b":scheme", b"http"), (b":path", found.group(2))]
        requests.append((pseudo + fields, body, trailers))
        if len(h2.block(*pseudo, *fields)) > FRAME_MOST:
            raise Untranslatable
    if not requests:
        raise Untranslatable
    return requests


def translated():
    for row in ROWS:
        try:
            requests = translate(row.data)
        except Untranslatable:
            continue
        if not row.begun and len(requests) == len(row.statuses):
            yield row, requests


TRANSLATED = list(translated())


@pytest.fixture(scope="module", params=["plain", "unsteady=1"])
def server(request):
    transport = [] if request.param == "plain" else [request.param]
    server = Server("tests/programs/conform", "max_body=100000", *transport)
    yield server
    server.stop()


def test_rows_are_translated():
    assert len(TRANSLATED) >= LEAST


@pytest.mark.parametrize("row, requests", TRANSLATED, ids=[row.name for row, _ in TRANSLATED])
def test_meaning(server, row, requests):
    said = iter(row.executed)
    with h2.Connection(server.address) as connection:
        for status, (fields, body, trailers) in zip(row.statuses, requests):
            stream = connection.next_stream
            connection.next_stream += 2
            connection.methods[stream] = method = fields[0][1].decode("latin-1")
            connection.send(h2.headers(stream, fields, end=not body and not trailers))
            if body:
                connection.send_body(stream, body, end=not trailers)
            if trailers and not connection.reply_of(stream).over:
                connection.send(h2.headers(stream, trailers))
            reply = connection.reply(stream)
            if status == 400 and reply.status is None:
                assert reply.reset == "PROTOCOL_ERROR"
                continue
            assert reply.status == status
            if status == 200 and method != "HEAD":
                assert reply.text().lower() == next(said).lower()
        connection.roundtrip()
        assert not connection.goaways
