"""WebSockets with the client `ws` of Node.js: in a straight line and as events, plain and by TLS, with permessage-deflate
and without. ws_client.js has the client's side.

SPDX-License-Identifier: MIT
"""

import json
import os
import pathlib
import shutil
import subprocess

import pytest

from conftest import Server
from tunnels import Site

NODE = shutil.which("node")
SCRIPT = pathlib.Path(__file__).with_name("ws_client.js")
ENVIRONMENT = {**os.environ, "NODE_PATH": "/usr/share/nodejs"}  # of Debian's packages, for a node of any origin


def has_ws():
    return NODE and subprocess.run([NODE, "-e", "require('ws')"], env=ENVIRONMENT, capture_output=True).returncode == 0


pytestmark = pytest.mark.skipif(not has_ws(), reason="there is no node with ws")


class Line:
    """tests/programs/websocket.c: sockets in a straight line."""

    echo, protocols, pinged = "/echo", "/echo?protocols=one+two", "/echo?ping_ms=50&pong_timeout_ms=3600000"
    closes, close = "/close?code=3001&reason=as+told", (3001, "as told")
    fails, text_alone = "/fail", "/echo?kinds=1"
    denied = ("/deny", 401)
    bye = '-3 4001 "bye" ""'

    def __init__(self, secure, pair, authority):
        self.site = Site("tls" if secure else "plain", pair, authority, program="websocket")
        self.server, self.port = self.site.server, self.site.address[1]
        self.trusted = {"ca": authority.pair.certificate.read_text()}

    def told(self):
        return self.server.ask(path="/last").text()

    @staticmethod
    def deflated(**settings):
        return "/echo?" + "&".join(f"{name}={value}" for name, value in {"deflate": 1, **settings}.items())


class Events:
    """tests/programs/live.c: sockets whose messages are events."""

    echo, protocols, pinged = "/socket", "/socket/protocols", "/socket/pinged"
    closes, close = "/socket", (3001, "as told")
    fails = "/socket"
    denied = ("/socket?name=nobody", 403)
    bye = "somebody 4001 bye"

    def __init__(self, secure, *_):
        self.server = Server("tests/programs/live", expect=r"(http://\S+)\nlistening on https://\S+\n")
        self.port = self.server.tls_port if secure else self.server.port
        self.trusted = {"rejectUnauthorized": False}  # it signs its certificate itself

    def told(self):
        return self.server.ask(path="/sockets").text()

    @staticmethod
    def deflated(**_):
        return "/socket/deflated"


@pytest.fixture(scope="module")
def node():
    process = subprocess.Popen([NODE, SCRIPT], env=ENVIRONMENT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    yield process
    process.stdin.close()
    assert process.wait(20) == 0


@pytest.fixture(scope="module", params=[(Line, False), (Line, True), (Events, False), (Events, True)],
                ids=["line-plain", "line-tls", "events-plain", "events-tls"])
def site(request, node, pair, authority):
    form, secure = request.param
    site = form(secure, pair, authority)
    site.node, site.url = node, f"{'wss' if secure else 'ws'}://127.0.0.1:{site.port}"
    site.options = {"perMessageDeflate": False, **(site.trusted if secure else {})}
    yield site
    site.server.stop()


def ws(site, scenario, path, protocols=(), own=None, **options):
    asked = {"scenario": scenario, "url": site.url + path, "protocols": protocols, "own": own,
             "options": {**site.options, **options}}
    site.node.stdin.write(json.dumps(asked) + "\n")
    site.node.stdin.flush()
    said = json.loads(site.node.stdout.readline())
    assert "error" not in said, said["error"]
    return said["result"]


def test_messages(site):
    assert ws(site, "echo", site.echo) == {"agreed": "", "protocol": "", "closed": [4001, ""]}
    assert site.told().rstrip().endswith(site.bye)


def test_messages_that_are_compressed(site):
    said = ws(site, "echo", site.deflated(), perMessageDeflate={"threshold": 0})
    assert said["agreed"].startswith("permessage-deflate") and said["closed"] == [4001, ""]


def test_messages_at_once(site):
    assert ws(site, "burst", site.echo)["closed"] == [1000, ""]
    assert ws(site, "burst", site.deflated(), perMessageDeflate={"threshold": 0})["closed"] == [1000, ""]


def test_pings(site):
    assert ws(site, "pinged", site.pinged)["closed"] == [1000, ""]


def test_subprotocols(site):
    assert ws(site, "echo", site.protocols, protocols=["zero", "two", "one"])["protocol"] == "two"
    # ws itself ends a handshake in which none of those is chosen that it has asked for
    assert ws(site, "echo", site.protocols)["protocol"] == ""


def test_closes(site):
    assert ws(site, "closes", site.closes, own={"say": "close"})["closed"] == list(site.close)
    assert ws(site, "closes", site.fails, own={"say": "fail"})["closed"] == [1011, ""]
    assert ws(site, "terminates", site.echo)["closed"] == [1006, ""]


def test_too_large(site):
    """The message that is one byte too large, whole and when it is compressed."""
    for path, options in ((site.echo, {}), (site.deflated(), {"perMessageDeflate": True})):
        said = ws(site, "closes", path, **options, own={"say": "x", "times": (1 << 20) + 1})
        assert said["closed"][0] == 1009 and said["messages"] == 0, said


def test_refusals(site):
    path, status = site.denied
    assert ws(site, "refused", path) == {"status": status}
    assert ws(site, "refused", site.echo, origin="https://evil.test") == {"status": 403}
    assert ws(site, "refused", "/nowhere") == {"status": 404}
    assert ws(site, "refused", site.echo, protocolVersion=8) == {"status": 426}
    own = site.url.replace("ws", "http", 1)
    assert ws(site, "echo", site.echo, origin=own)["closed"] == [4001, ""]


# What the server is asked for, what ws offers, what is agreed on.
NO_TAKEOVER = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
AGREED = [
    ({}, True, NO_TAKEOVER),
    ({}, {"serverMaxWindowBits": 10, "clientMaxWindowBits": 9},
     NO_TAKEOVER + "; server_max_window_bits=10; client_max_window_bits=9"),
    ({"deflate_server_takeover": 1, "deflate_client_takeover": 1}, True, "permessage-deflate"),
    ({"deflate_server_takeover": 1, "deflate_client_takeover": 1}, {"serverNoContextTakeover": True},
     "permessage-deflate; server_no_context_takeover"),
    ({"deflate_server_takeover": 1, "deflate_client_takeover": 1, "deflate_client_bits": 11},
     {"serverMaxWindowBits": 9, "clientNoContextTakeover": True},
     "permessage-deflate; client_no_context_takeover; server_max_window_bits=9; client_max_window_bits=11"),
]


def test_compression(site):
    """Texts are smaller on the wire in both directions, and the second time much more so with takeover."""
    for asked, offered, agreed in AGREED:
        if asked and isinstance(site, Events):
            continue  # which have no takeover
        said = ws(site, "sizes", site.deflated(**asked), perMessageDeflate=offered, own={"lines": 100})
        assert said["agreed"] == agreed
        first, again = said["taken"]
        for direction, name in ((0, "client"), (1, "server")):
            assert first[direction] < 0.6 * said["plain"], said
            takeover = f"{name}_no_context_takeover" not in agreed and "server_max_window_bits=9" not in agreed
            assert (again[direction] < first[direction] / 4) == takeover, said


def test_compression_that_is_off(site):
    said = ws(site, "sizes", site.echo, perMessageDeflate=True, own={"lines": 100})
    assert said["agreed"] == "" and min(said["taken"][0]) > said["plain"]
    said = ws(site, "sizes", site.deflated(), own={"lines": 100})
    assert said["agreed"] == "" and min(said["taken"][0]) > said["plain"]
