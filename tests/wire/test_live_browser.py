"""WebSockets, in a straight line and as events, and event streams of a page in Chromium: over HTTP/1.1, by TLS, and over
HTTP/2, where the browser opens sockets by extended CONNECT in the connection that the page came by.

SPDX-License-Identifier: MIT
"""

import contextlib
import functools
import socket
import threading

import conftest
import pytest
from browser import PROGRAM, Browser
from conftest import Server
from tunnels import WITH_HTTP2

pytestmark = [pytest.mark.skipif(not PROGRAM, reason="there is no chromium"),
              pytest.mark.skipif(bool(conftest.SANITIZE), reason="the browser does the same to every build")]

WAYS = {"plain": ("http", 11), "TLS": ("https", 11), "HTTP/2": ("https", 20)}

# An open socket of the page's server, whose messages are taken one after the other.
SCRIPT = """window.connect = (path, protocols) => new Promise((resolve, reject) => {
    const socket = new WebSocket(location.origin.replace('http', 'ws') + path, protocols ?? []), got = [], waiting = [];
    socket.binaryType = 'arraybuffer';
    socket.next = () => new Promise(done => got.length ? done(got.shift()) : waiting.push(done));
    socket.closed = new Promise(done => socket.onclose = e => done([e.code, e.reason, e.wasClean]));
    socket.onmessage = e => waiting.length ? waiting.shift()(e.data) : got.push(e.data);
    socket.onopen = () => resolve(socket);
    socket.onerror = () => reject(new Error('it was not opened'));
});"""

# What becomes of a socket that is not opened, at any server.
REFUSED = """new Promise(resolve => {
    const socket = new WebSocket('%s'), events = [];
    socket.onopen = () => resolve(['open']);
    socket.onerror = () => events.push('error');
    socket.onclose = e => resolve([...events, e.code, e.wasClean]);
})"""


class Line:
    """tests/programs/websocket.c: sockets in a straight line."""

    page, echo, version = "/last", "/echo", "/version"
    protocols, deflated = "/echo?protocols=one+two", "/echo?deflate=1"
    closes, fails = "/close?code=3001&reason=as+told", "/fail"

    @staticmethod
    def start(pair):
        server = Server("tests/programs/websocket", *pair.arguments())
        if "https" not in server.output:
            server._wait(r"listening on (https://\S+)\n", 10)
        return server


class Events:
    """tests/programs/live.c: sockets whose messages are events."""

    page, echo, version = "/sockets", "/socket", "/socket?name=version"
    protocols, deflated = "/socket/protocols", "/socket/deflated"
    closes, fails = "/socket", "/socket"
    expected = r"(http://\S+)\nlistening on https://\S+\n"

    @staticmethod
    def start(_):
        return Server("tests/programs/live", expect=Events.expected)


class Site:
    """A server, seen by one of the ways."""

    def __init__(self, form, way, browser, pair):
        self.scheme, self.version = WAYS[way]
        self.form, self.browser = form, browser
        self.server = form.start(pair)
        self.url = f"{self.scheme}://127.0.0.1:{self.server.port if self.scheme == 'http' else self.server.tls_port}"
        self.socket_url = self.url.replace("http", "ws", 1)

    def open(self):
        self.browser.open(self.url + self.form.page)
        self.browser.evaluate(SCRIPT)


@pytest.fixture(scope="module")
def browsers():
    """A browser for each version of HTTP, once it is asked for."""
    with contextlib.ExitStack() as running:
        @functools.cache
        def browser(version):
            # The feature would keep pages without an origin from whatever is local, before the server is asked.
            flags = ["--ignore-certificate-errors", "--disable-features=LocalNetworkAccessChecks"]
            return running.enter_context(Browser(*flags, *([] if version == 20 else ["--disable-http2"])))

        yield browser


@pytest.fixture(scope="module", params=WAYS)
def sites(request, browsers, pair):
    """A server of each form."""
    version = WAYS[request.param][1]
    if version == 20 and not WITH_HTTP2:
        pytest.skip("a build without HTTP/2")
    sites = [Site(form, request.param, browsers(version), pair) for form in (Line, Events)]
    yield sites
    for site in sites:
        site.server.stop()


@pytest.fixture(params=[0, 1], ids=["line", "events"])
def site(request, sites):
    sites[request.param].open()
    return sites[request.param]


@pytest.fixture
def run(site):
    """Runs a script in the page, of which `socket` is one that was opened."""
    def run(path, script, protocols="[]"):
        return site.browser.evaluate(f"connect('{path}', {protocols}).then(async socket => {{ {script} }})")

    return run


def test_version(site, run):
    """What the server's program says of the request."""
    assert run(site.form.version, "return socket.next()") == f"HTTP {site.version}"
    pages = site.browser.evaluate("performance.getEntriesByType('navigation').map(e => e.nextHopProtocol)")
    assert pages == ["h2" if site.version == 20 else "http/1.1"]


MESSAGES = """
    const same = (a, b) => a.byteLength === b.byteLength && new Uint8Array(a).every((byte, i) => byte === b[i]);
    for (const size of [0, 1, 125, 126, 65535, 65536, 300000]) {
        const text = 'zwölf κόσμε 日本 '.repeat(size).slice(0, size), bytes = new Uint8Array(size).map((_, i) => i * 7);
        socket.send(text);
        if (await socket.next() !== text)
            return `text of ${size}`;
        for (const data of [bytes, bytes.buffer, new Blob([bytes])]) {
            socket.send(data);
            if (!same(await socket.next(), bytes))
                return `bytes of ${size}`;
        }
    }
    return [socket.extensions, socket.protocol];
"""


def test_messages(site, run):
    """A server that does not compress does not agree on the browser's offer."""
    assert run(site.form.echo, MESSAGES) == ["", ""]


def test_messages_that_are_compressed(site, run):
    extensions, _ = run(site.form.deflated, MESSAGES)
    assert extensions == "permessage-deflate; server_no_context_takeover; client_no_context_takeover"


def test_subprotocol(site, run):
    assert run(site.form.protocols, "return socket.protocol", "['zero', 'two', 'one']") == "two"
    assert run(site.form.protocols, "return socket.protocol") == ""


def test_many_messages(site, run):
    """More than all buffers hold: bufferedAmount is what has not gone yet, and comes down to nothing."""
    assert run(site.form.echo, """
        const texts = [...Array(400).keys()].map(i => `${i} ` + 'x'.repeat(i % 20 ? i : 50000)), back = [];
        texts.forEach(text => socket.send(text));
        const most = socket.bufferedAmount;
        for (const text of texts)
            if (await socket.next() !== text)
                return 'another text';
        return [most >= texts.join('').length, socket.bufferedAmount];
    """) == [True, 0]


def test_closes(site, run):
    """By the page, by the server with a reason, and by a handler that fails."""
    assert run(site.form.echo, "socket.close(4001, 'bye'); return socket.closed") == [4001, "", True]
    assert run(site.form.closes, "socket.send('close'); return socket.closed") == [3001, "as told", True]
    assert run(site.form.fails, "socket.send('fail'); return socket.closed") == [1011, "", True]


def refusal(browser, url):
    """What the page and its console are told of a socket that is not opened."""
    browser.errors.clear()
    assert browser.evaluate(REFUSED % url) == ["error", 1006, False]
    return " ".join(error.get("text", "") for error in browser.errors)


def test_refused(site, sites):
    """What is not there, and pages of a foreign origin: one of another port, and one that has none."""
    browser, echo = site.browser, site.socket_url + site.form.echo
    assert browser.evaluate(REFUSED % echo) == ["open"]
    assert refusal(browser, site.socket_url + "/nowhere").endswith(" 404")
    sites[site is sites[0]].open()
    assert refusal(browser, echo).endswith(" 403")
    browser.call("Page.navigate", url="about:blank")
    browser.wait("location.protocol === 'about:' && origin === 'null' && document.readyState === 'complete'")
    assert refusal(browser, echo).endswith(" 403")


# ---- event streams

# Listens to a stream: what it has got is [name, data, id] of each event.
LISTEN = """new Promise(resolve => {
    window.source = new EventSource('%s');
    window.got = [];
    for (const name of ['message', 'seen', 'said'])
        source.addEventListener(name, e => got.push([name, e.data, e.lastEventId]));
    source.onopen = () => resolve(true);
})"""


class Relay:
    """Stands before a server, and can break off all connections; new ones then wait until it goes on."""

    def __init__(self, port):
        self.port, self.goes_on, self.sockets = port, threading.Event(), []
        self.goes_on.set()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.own_port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self.accept)
        self.thread.start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                self.goes_on.wait()
                server = socket.create_connection(("127.0.0.1", self.port))
                self.sockets += [client, server]
                for pair in ((client, server), (server, client)):
                    threading.Thread(target=self.pass_on, args=pair, daemon=True).start()

    @staticmethod
    def pass_on(origin, to):
        with contextlib.suppress(OSError):
            while data := origin.recv(65536):
                to.sendall(data)
            to.shutdown(socket.SHUT_WR)

    def cut(self):
        self.goes_on.clear()
        for one in self.sockets:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        self.sockets.clear()

    def close(self):
        self.cut()
        self.goes_on.set()
        self.listener.shutdown(socket.SHUT_RDWR)  # which ends accept()
        self.listener.close()
        self.thread.join()


def publish(server, *texts):
    for text in texts:
        assert server.ask(path=f"/publish/hall?text={text}&event=said").text() == "0"


def expect(browser, *texts):
    """Exactly these have come, in their order, each with an id that is larger than the one before."""
    browser.wait(f"got.length >= {len(texts)}")
    got = browser.evaluate("got")
    assert [event[:2] for event in got] == [["said", text] for text in texts]
    ids = [int(event[2]) for event in got]
    assert ids == sorted(set(ids))


def test_events(sites):
    """By their names, of several lines, with ids; the handler ends, and the browser comes back with the last of them."""
    browser = sites[1].browser
    sites[1].open()
    browser.evaluate(LISTEN % "/counted")
    browser.wait("got.length >= 8")
    messages = [["message", "one\ntwo\nthree\n", str(i)] for i in range(3)]
    got = browser.evaluate("source.close(), got.slice(0, 8)")
    assert got == [["seen", "nothing", ""], *messages, ["seen", "2", "2"], *messages]


def test_connection_that_breaks(sites):
    """The browser connects again by itself, and gets what the topic's history has behind the last event."""
    browser, server = sites[1].browser, sites[1].server
    relay = Relay(server.port if sites[1].scheme == "http" else server.tls_port)
    try:
        browser.open(f"{sites[1].scheme}://127.0.0.1:{relay.own_port}/sockets")
        browser.evaluate(LISTEN % "/events/hall?retry=20")
        publish(server, "a", "b", "c")
        expect(browser, "a", "b", "c")
        relay.cut()
        browser.wait("source.readyState === EventSource.CONNECTING")
        publish(server, "d", "e", "f")
        relay.goes_on.set()
        expect(browser, "a", "b", "c", "d", "e", "f")
        publish(server, "g")
        expect(browser, "a", "b", "c", "d", "e", "f", "g")
        browser.evaluate("source.close()")
    finally:
        relay.close()


def test_server_that_is_restarted(sites):
    """Its history is a new one, whose ids go on growing."""
    browser, first = sites[1].browser, Events.start(None)
    second = None
    try:
        port = first.port if sites[1].scheme == "http" else first.tls_port
        browser.open(f"{sites[1].scheme}://127.0.0.1:{port}/sockets")
        browser.evaluate(LISTEN % "/events/hall?retry=20")
        publish(first, "a", "b")
        expect(browser, "a", "b")
        first.stop()
        browser.wait("source.readyState === EventSource.CONNECTING")
        second = Server("tests/programs/live", 2, first.port, first.tls_port, expect=Events.expected)
        publish(second, "c", "d")
        expect(browser, "a", "b", "c", "d")
        publish(second, "e")
        expect(browser, "a", "b", "c", "d", "e")
        browser.evaluate("source.close()")
    finally:
        for server in filter(None, (first, second)):
            server.stop()
