"""Chromium over HTTP/2: a page, several downloads at once, an upload, and what a page that is left breaks off.

SPDX-License-Identifier: MIT
"""

import json

import conftest
import pytest
from browser import Browser
from conftest import Server, arguments

pytestmark = pytest.mark.skipif(bool(conftest.SANITIZE), reason="the browser does the same to every build")

LARGE = 1 << 20


@pytest.fixture(scope="module", params=["OpenSSL's records", "lean records"])
def opened(request, root):
    """A server of https, and a browser that has opened its page of figures."""
    import secure
    secure.skip_without_tls()
    more = ["--lean-records"] if request.param == "lean records" else []
    server = Server(*arguments(root, "--tls-port", 0, *more), expect=r"listening on http://\S+\nlistening on (https://\S+)\n")
    try:
        with Browser() as browser:
            browser.call("Security.setIgnoreCertificateErrors", ignore=True)
            browser.call("Network.disable")  # which tells of every body
            browser.open(server.where + "/_weir")
            browser.wait("document.querySelector('#status').dataset.state === 'live'")
            yield server, browser
    finally:
        server.stop()


def protocols(browser):
    return browser.evaluate("""[...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')]
        .map(e => e.nextHopProtocol).filter(p => p)""")


def test_a_page_comes_by_one_connection_of_http2(opened):
    server, browser = opened
    assert set(protocols(browser)) == {"h2"}
    assert not browser.errors


def test_downloads_at_once(opened):
    _, browser = opened
    sizes = browser.evaluate("""Promise.all([...Array(20).keys()].map(async i =>
        (await (await fetch(`/file/large.bin?${i}`)).arrayBuffer()).byteLength)
        .concat([...Array(40).keys()].map(async i => (await (await fetch(`/json?${i}`)).json()).status)))""")
    assert sizes == [LARGE] * 20 + ["ok"] * 40


def test_uploads_at_once(opened):
    _, browser = opened
    lengths = browser.evaluate("""Promise.all([1, 65535, 65536, 3000000, 20000000].map(async n =>
        Number(await (await fetch('/length', {method: 'POST', body: new Uint8Array(n)})).text())))""")
    assert lengths == [1, 65535, 65536, 3000000, 20000000]


def test_what_is_sent_comes_back(opened):
    _, browser = opened
    assert browser.evaluate("""(async () => {
        const sent = new Uint8Array(1000000).map((_, i) => i * 7 + (i >> 8));
        const back = new Uint8Array(await (await fetch('/echo', {method: 'POST', body: sent})).arrayBuffer());
        return back.length === sent.length && back.every((b, i) => b === sent[i]);
    })()""")


def test_downloads_that_are_broken_off_leave_nothing(opened):
    _, browser = opened
    browser.evaluate("""Promise.all([...Array(10).keys()].map(async i => {
        const control = new AbortController();
        const reader = (await fetch('/stream', {signal: control.signal})).body.getReader();
        await reader.read();
        control.abort();
    }))""")
    browser.wait("fetch('/_weir/ledger.json').then(r => r.json()).then(l => l.streams <= 2)")
    assert json.loads(browser.evaluate("fetch('/json').then(r => r.text())"))["status"] == "ok"
