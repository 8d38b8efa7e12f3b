"""A handler that keeps a pointer past its request is caught at once, by a report that names the account and the rule.

SPDX-License-Identifier: MIT
"""

import pytest

from client import request
from conftest import SANITIZE

pytestmark = pytest.mark.skipif("address" not in SANITIZE, reason="only AddressSanitizer looks at each access")

RULE = "was used after the request's end: see docs/handlers.md"
LONG = "k" * 200
KEPT = {
    "header": (request(path="/keep/header", headers={"X-Kept": LONG}), "http buffers"),
    "query": (request(path=f"/keep/query?kept={LONG}"), "requests"),  # small request memory lies in the record
    "small memory": (request(path="/keep/alloc/100"), "requests"),
    "large memory": (request(path="/keep/alloc/2000"), "request arenas"),
    "body": (request("POST", "/keep/body", body=b"b" * 100), "http buffers"),
}


@pytest.fixture
def kept(start):
    return start("tests/programs/kept")


def expect_caught(server, account):
    server.process.wait(60)
    text = server.error_text()
    assert server.process.returncode != 0
    assert "AddressSanitizer: use-after-poison" in text, text
    assert f'weir: this is memory of the account "{account}" that has been given back' in text, text
    assert RULE in text, text


def use(connection, *more):
    """The server ends before it replies."""
    connection.socket.sendall(b"".join(more) + request(path="/use"))
    while connection.socket.recv(65536):
        pass


@pytest.mark.parametrize("what", KEPT)
@pytest.mark.parametrize("where", ["the same connection", "another connection", "pipelined"])
def test_kept(kept, what, where):
    data, account = KEPT[what]
    with kept.connect() as first, kept.connect() as second:
        if where == "pipelined":
            use(first, data)
        else:
            first.send(data, data.split(b" ")[0].decode())
            assert first.reply().body == b"kept"
            use(first if where == "the same connection" else second)
    expect_caught(kept, account)


def test_kept_local(kept):
    """The address of a local variable of a handler that has ended, used by one that runs on another stack."""
    with kept.connect() as first, kept.connect() as second:
        first.send(request(path="/use/later"), "GET")
        assert second.ask(path="/keep/local").body == b"kept"
        while first.socket.recv(65536):
            pass
    expect_caught(kept, "stacks")


def test_nothing_kept(kept):
    """What is allowed is not caught: a pointer that is used within its own request, over and over."""
    with kept.connect() as connection:
        for data, _ in KEPT.values():
            for _ in range(20):
                connection.send(data * 3, *[data.split(b" ")[0].decode()] * 3)
                for _ in range(3):
                    assert connection.reply().body == b"kept"
