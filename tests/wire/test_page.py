"""The ledger's page in a real browser: its figures follow the server's, in any window, in light and dark, by keyboard.

SPDX-License-Identifier: MIT
"""

import json
import re
import subprocess
import time

import conftest
import pytest
from browser import Browser

pytestmark = pytest.mark.skipif(bool(conftest.SANITIZE), reason="the page is the same in every build")


@pytest.fixture(scope="module")
def shared():
    with Browser() as browser:
        yield browser


@pytest.fixture
def browser(shared):
    shared.errors.clear()
    shared.requests.clear()
    shared.resize(1180, 900)
    shared.prefer(prefers_color_scheme="light")
    return shared


@pytest.fixture
def server(start_tour):
    return start_tour("--memory-limit", "24M")


def open_page(browser, server):
    browser.open(server.url + "/_weir")
    browser.wait("document.querySelector('#status').dataset.state === 'live'")
    browser.wait("document.querySelector('#f-rate').textContent !== '\u2013'")


def text(browser, selector):
    return browser.evaluate(f"document.querySelector({json.dumps(selector)}).textContent")


def ledger(server):
    return json.loads(bytes(server.ask(path="/_weir/ledger.json").body))


def drawn(browser, name):
    """How many pixels of a canvas are not empty, and how many colours there are."""
    return browser.evaluate(f"""(() => {{
        const c = document.getElementById("{name}");
        const data = c.getContext("2d").getImageData(0, 0, c.width, c.height).data;
        const colours = new Set(); let pixels = 0;
        for (let i = 0; i < data.length; i += 4) if (data[i + 3] > 200) {{ pixels++; colours.add(data[i] << 16 | data[i + 1] << 8 | data[i + 2]); }}
        return [pixels, colours.size, c.width * c.height];
    }})()""")


def number(words):
    """'1.5 k', '24 MiB' as a number."""
    value, _, unit = words.replace("\u00a0", " ").replace(",", "").partition(" ")
    return float(value) * {"": 1, "B": 1, "k": 1e3, "M": 1e6, "KiB": 1024, "MiB": 1 << 20}[unit]


def test_figures_follow_a_load(browser, server):
    open_page(browser, server)
    load = subprocess.Popen(["wrk", "-t1", "-c16", "-d20s", server.url + "/json"], stdout=subprocess.DEVNULL)
    try:
        browser.wait("Number(document.documentElement.dataset.requests) > 2000")
        # Between two readings of the server's own ledger lies what the page shows, once it has been sent a newer one.
        low = ledger(server)
        browser.wait(f"Number(document.documentElement.dataset.requests) > {low['requests']}")
        shown = int(browser.evaluate("document.documentElement.dataset.requests"))
        assert low["requests"] < shown <= ledger(server)["requests"]
        browser.wait("document.querySelector('#f-rate').dataset.shown !== '0'")
        browser.wait("Number(document.querySelector('#l-connections b').textContent) >= 1")
        assert "2xx" in browser.evaluate("document.querySelector('#c-requests').getAttribute('aria-label')")
    finally:
        load.terminate()
        load.wait()
    pixels, colours, size = drawn(browser, "c-memory")
    assert pixels > size / 200 and colours > 8
    assert drawn(browser, "c-requests")[0] > 100
    assert "limit 24 MiB" in text(browser, "#l-memory") or "24 MiB" in text(browser, "#f-limit")
    at_rest = ledger(server)
    reserved = number(browser.evaluate("document.querySelector('#f-reserved').dataset.shown"))
    assert 0.5 < reserved / at_rest["memory"]["reserved"] < 2
    rows = browser.evaluate("[...document.querySelectorAll('#accounts tbody th')].map((cell) => cell.textContent)")
    assert {a["name"] for a in at_rest["memory"]["accounts"] if a["reserved"]} <= set(rows)
    assert "/_weir/events" in text(browser, "#live")
    cells = "document.querySelectorAll('#routes tbody tr:first-child > *')"
    busiest = browser.evaluate(f"[...{cells}].map((cell) => cell.textContent)")
    assert busiest[0] == "GET/json" and number(busiest[1]) > 1000
    assert all(re.match(r"[\d.]+ m?s$", cell) for cell in busiest[2:])
    assert not browser.errors
    assert all(url.startswith(server.url) for url in browser.requests)


@pytest.mark.parametrize("width", [320, 375, 768, 1180, 1920])
def test_widths(browser, server, width):
    """Nothing makes the page wider than its window, and nothing is cut off within it."""
    browser.resize(width, 700)
    open_page(browser, server)
    assert browser.evaluate("document.documentElement.scrollWidth") <= width
    wide = browser.evaluate("""[...document.querySelectorAll('main *, header *')].filter((e) => !e.closest('thead')
        && (e.getBoundingClientRect().right > innerWidth + 1 || e.getBoundingClientRect().left < -1)).map((e) => e.outerHTML.slice(0, 80))""")
    assert wide == []
    assert browser.evaluate("document.querySelector('#c-memory').getBoundingClientRect().width") > min(width, 1180) * 0.7
    assert not browser.errors


def test_light_and_dark(browser, server):
    open_page(browser, server)
    paper = "getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)[0]"
    ink = "getComputedStyle(document.body).color.match(/\\d+/g).map(Number)[0]"
    assert browser.evaluate(paper) > 200 > 100 > browser.evaluate(ink)
    browser.prefer(prefers_color_scheme="dark")
    assert browser.evaluate(paper) < 60 < 180 < browser.evaluate(ink)
    assert not browser.errors


def test_keyboard(browser, server):
    """Every control can be reached and used by keys; a chart tells the past, and Escape returns to now."""
    open_page(browser, server)
    browser.wait("document.querySelector('#c-memory').getAttribute('aria-label')")
    time.sleep(3)
    reached = []
    for _ in range(20):
        browser.press("Tab", 9)
        reached.append(browser.evaluate("document.activeElement.id || document.activeElement.textContent"))
    assert {"1 min", "5 min", "15 min", "pause", "Reserved", "In use", "c-memory", "c-times", "ledger.json"} <= set(reached)
    browser.evaluate("document.querySelector('#c-memory').focus()")
    assert ", now:" in browser.evaluate("document.activeElement.getAttribute('aria-label')")
    browser.press("ArrowLeft", 37)
    assert " ago:" in browser.evaluate("document.activeElement.getAttribute('aria-label')")
    browser.press("Escape", 27)
    assert ", now:" in browser.evaluate("document.activeElement.getAttribute('aria-label')")
    browser.press("p", 80, "p")
    assert browser.evaluate("document.querySelector('#pause').getAttribute('aria-pressed')") == "true"
    before = browser.evaluate("document.documentElement.dataset.requests")
    for _ in range(5):
        server.ask()
    time.sleep(2.5)
    assert browser.evaluate("document.documentElement.dataset.requests") == before, "it is paused"
    browser.press("p", 80, "p")
    browser.wait(f"Number(document.documentElement.dataset.requests) >= {before} + 5")
    assert not browser.errors


def test_names(browser, server):
    """Every control and every picture has a name for those who do not see it."""
    open_page(browser, server)
    browser.wait("[...document.querySelectorAll('canvas')].every((c) => c.getAttribute('aria-label'))")
    assert browser.evaluate("[...document.querySelectorAll('button, a')].every((e) => e.textContent.trim())")
    assert browser.evaluate("[...document.querySelectorAll('section')].every((e) => e.ariaLabel || document.getElementById(e.getAttribute('aria-labelledby')))")
    assert browser.evaluate("document.documentElement.lang") == "en"
    browser.prefer(prefers_reduced_motion="reduce")
    assert browser.evaluate("getComputedStyle(document.querySelector('#status i')).animationName") == "none"


def test_another_server(browser, start_tour):
    """The page says when the server has gone, and goes on by itself when there is one again."""
    first = start_tour()
    open_page(browser, first)
    first.stop()
    browser.wait("document.querySelector('#status').dataset.state === 'lost'")
    second = start_tour("--port", first.port)
    browser.wait("document.querySelector('#status').dataset.state === 'live'", 90)
    assert int(browser.evaluate("document.documentElement.dataset.requests")) <= ledger(second)["requests"]
