"""What a browser does with weir serve: a video that seeks, downloads that go on after a break, a form with files, and a
service worker between the two.

SPDX-License-Identifier: MIT
"""

import base64
import contextlib
import hashlib
import json
import os
import random
import re
import socket
import struct
import threading
import time

import conftest
import pytest
from browser import PROGRAM, Browser
from serving import Serve

pytestmark = [pytest.mark.skipif(not PROGRAM, reason="there is no chromium"),
              pytest.mark.skipif(bool(conftest.SANITIZE), reason="the browser does the same to every build")]

LARGE = 3 << 20
WAYS = {"HTTP/1.1": ("http/1.1", [], []),
        "TLS": ("http/1.1", ["--self-signed"], ["--disable-http2"]),
        "HTTP/2": ("h2", ["--self-signed"], [])}


class Site:
    """A folder, the weir serve that serves it, and a browser that has opened its front page."""

    def __init__(self, folder, way):
        self.protocol, self.options, flags = WAYS[way]
        self.root, self.up = folder / "site", folder / "up"
        self.root.mkdir()
        self.up.mkdir()
        (self.root / "index.html").write_text("<!doctype html><title>front</title><link rel=icon href='data:,'>\n")
        (self.root / "large.bin").write_bytes(random.Random(1).randbytes(LARGE))
        self.server = self.start()
        self.browser = Browser("--ignore-certificate-errors", "--autoplay-policy=no-user-gesture-required", *flags)

    def start(self, port=0):
        return Serve("--log", "json", "--upload", self.up, *self.options, self.root, port=("--port", str(port)))

    def open(self, path=""):
        self.browser.responses.clear()
        self.browser.errors.clear()
        self.browser.open(self.server.url + path)

    def stop(self):
        self.browser.close()
        return [json.loads(line) for line in self.server.stop()]


@pytest.fixture(scope="module", params=WAYS)
def site(request, tmp_path_factory):
    if request.param != "HTTP/1.1":
        conftest.secure.skip_without_tls()
    one = Site(tmp_path_factory.mktemp("browser"), request.param)
    try:
        yield one
    finally:
        log = one.stop()
    assert {line["version"] for line in log if line["method"]} <= {"2.0" if one.protocol == "h2" else "1.1"}


# ---- A video


def element(name, *parts):
    """An element of EBML (RFC 8794) with a length of eight bytes."""
    data = b"".join(parts)
    return bytes.fromhex(name) + struct.pack(">Q", 1 << 56 | len(data)) + data


def number(name, value):
    return element(name, struct.pack(">Q", value))


def webm(frames, seconds, padding):
    """A WebM (RFC 9559) of VP8 with an index: each frame, which is a key frame, is a cluster in which it is repeated for
    so long, twice a second, with so much padding behind it."""
    info = element("1549A966", number("2AD7B1", 1000000), element("4489", struct.pack(">d", len(frames) * seconds * 1000)),
                   element("4D80", b"weir"), element("5741", b"weir"))
    video = element("E0", number("B0", 64), number("BA", 48))
    track = element("AE", number("D7", 1), number("73C5", 1), number("9C", 0), number("83", 1),
                    number("23E383", 500000000), element("86", b"V_VP8"), video)
    tracks = element("1654AE6B", track)
    times = [i * seconds * 1000 for i in range(len(frames))]
    blocks = [[element("A3", struct.pack(">BhB", 0x81, when, 0x80), frame) for when in range(0, seconds * 1000, 500)]
              for frame in frames]
    clusters = [element("1F43B675", number("E7", when), *those, element("EC", bytes(padding)))
                for when, those in zip(times, blocks)]

    def cues(at):
        points = []
        for when, cluster in zip(times, clusters):
            points.append(element("BB", number("B3", when), element("B7", number("F7", 1), number("F1", at))))
            at += len(cluster)
        return element("1C53BB6B", *points)

    at = len(info) + len(tracks) + len(cues(0))
    head = element("1A45DFA3", number("4286", 1), number("42F7", 1), number("42F2", 4), number("42F3", 8),
                   element("4282", b"webm"), number("4287", 2), number("4285", 2))
    return head + element("18538067", info, tracks, cues(at), *clusters)


def vp8_frame(webp):
    """The key frame that a lossy WebP is made of (RFC 9649 section 2.5)."""
    assert webp[:4] == b"RIFF" and webp[8:12] == b"WEBP"
    at = 12
    while webp[at:at + 4] != b"VP8 ":
        at += 8 + (struct.unpack("<I", webp[at + 4:at + 8])[0] + 1) // 2 * 2
    return webp[at + 8:at + 8 + struct.unpack("<I", webp[at + 4:at + 8])[0]]


COLOURS = [(200, 0, 0), (0, 200, 0), (0, 0, 200), (200, 200, 0)]
FRAME_SECONDS = 10
FRAMES = 24


def make_video(browser):
    """A video of 24 MB, whose frames have the four colours in turn. The browser paints and codes them."""
    images = browser.evaluate("""(colours => {
        const canvas = Object.assign(document.createElement('canvas'), {width: 64, height: 48});
        const paint = canvas.getContext('2d');
        return colours.map(c => {
            paint.fillStyle = `rgb(${c})`;
            paint.fillRect(0, 0, 64, 48);
            return canvas.toDataURL('image/webp', 0.8);
        });
    })(%s)""" % json.dumps(COLOURS))
    frames = [vp8_frame(base64.b64decode(image.partition(",")[2])) for image in images]
    return webm([frames[i % 4] for i in range(FRAMES)], FRAME_SECONDS, 1 << 20)


WATCH = """<!doctype html><title>video</title><link rel=icon href='data:,'>
<video id=video src='%s' preload=metadata muted width=64 height=48></video>
<script>
function seek(seconds) {
    return new Promise((resolve, reject) => {
        video.onerror = () => reject(video.error.message);
        video.onseeked = () => resolve(video.currentTime);
        video.currentTime = seconds;
    });
}
function isShown(red, green, blue) {
    const paint = Object.assign(document.createElement('canvas'), {width: 64, height: 48}).getContext('2d');
    paint.drawImage(video, 0, 0);
    const [r, g, b] = paint.getImageData(32, 24, 1, 1).data;
    return Math.abs(r - red) + Math.abs(g - green) + Math.abs(b - blue) < 40;
}
</script>
"""


def ranges_of(browser, name):
    """Where the parts began that were answered with 206."""
    begins = []
    for response in browser.responses:
        headers = {key.lower(): value for key, value in response["headers"].items()}
        if response["url"].endswith(name) and response["status"] == 206:
            begins.append(int(re.match(r"bytes (\d+)-", headers["content-range"]).group(1)))
    return begins


def check_seeking(browser):
    """Seeks forth and back, and looks at what is shown."""
    assert browser.wait("video.readyState >= 1 && video.duration") == FRAMES * FRAME_SECONDS
    for frame in (17, 3, 22, 8):
        assert browser.evaluate(f"seek({frame * FRAME_SECONDS + 1})") == frame * FRAME_SECONDS + 1
        browser.wait(f"isShown(...{list(COLOURS[frame % 4])})")
    browser.evaluate("video.src = ''")  # no more of it is read


def test_video_seeks(site):
    site.open()
    (site.root / "video.webm").write_bytes(make_video(site.browser))
    (site.root / "watch.html").write_text(WATCH % "video.webm")
    site.open("watch.html")
    check_seeking(site.browser)
    deadline = time.monotonic() + 60
    while max(begins := ranges_of(site.browser, "/video.webm"), default=0) < 16 << 20:
        assert time.monotonic() < deadline, begins
        site.browser.evaluate("1")  # which reads what the browser has told
    assert begins[0] == 0
    assert {response["protocol"] for response in site.browser.responses} == {site.protocol}


# ---- A service worker

WORKER = """
let whole;
self.addEventListener('install', () => self.skipWaiting());
self.addEventListener('activate', event => event.waitUntil(self.clients.claim()));
function mark(response, by, body) {
    const headers = new Headers(response.headers);
    headers.set('X-By', by);
    return new Response(body || response.body, {status: response.status, statusText: response.statusText, headers});
}
async function forward(request) {
    return mark(await fetch(request), 'forwarded');
}
async function answer(request) {
    whole = whole || await (await fetch('large.bin')).arrayBuffer();
    const [, first, last] = /bytes=(\\d+)-(\\d+)/.exec(request.headers.get('Range')).map(Number);
    return new Response(whole.slice(first, last + 1), {status: 206, headers: {
        'X-By': 'answered', 'Content-Range': `bytes ${first}-${last}/${whole.byteLength}`}});
}
self.addEventListener('fetch', event => {
    const url = new URL(event.request.url);
    if (url.searchParams.has('answered'))
        event.respondWith(answer(event.request));
    else if (url.pathname.endsWith('.bin') || url.pathname.endsWith('.webm'))
        event.respondWith(forward(event.request));
});
"""

SHOWN = """(async () => {
    const r = await fetch('%s', {headers: {Range: 'bytes=%d-%d'}});
    return [r.status, r.headers.get('X-By'), r.headers.get('Content-Range'),
            [...new Uint8Array(await r.arrayBuffer())]];
})()"""


def test_service_worker(site):
    """A worker forwards ranges to the server, or answers them itself from what it has fetched whole."""
    data = (site.root / "large.bin").read_bytes()
    (site.root / "worker").mkdir()
    (site.root / "worker" / "sw.js").write_text(WORKER)
    (site.root / "worker" / "large.bin").symlink_to("../large.bin")
    (site.root / "worker" / "index.html").write_text("<!doctype html><title>worker</title><link rel=icon href='data:,'>")
    site.open("worker/")
    site.browser.evaluate("navigator.serviceWorker.register('sw.js').then(() => true)")
    site.browser.wait("!!navigator.serviceWorker.controller")
    for path, by, first, last in [("large.bin", "forwarded", 1000, 1099), ("large.bin?answered", "answered", 2000, 2099),
                                  ("large.bin", "forwarded", LARGE - 10, LARGE - 1)]:
        assert site.browser.evaluate(SHOWN % (path, first, last)) == [
            206, by, f"bytes {first}-{last}/{LARGE}", list(data[first:last + 1])]
    status, by, _, _ = site.browser.evaluate(SHOWN % ("large.bin", LARGE, LARGE + 9))
    assert (status, by) == (416, "forwarded")


def test_video_seeks_through_a_worker(site):
    if not (site.root / "worker").exists() or not (site.root / "video.webm").exists():
        pytest.skip("goes on from the tests before it")
    (site.root / "worker" / "video.webm").symlink_to("../video.webm")
    (site.root / "worker" / "watch.html").write_text(WATCH % "video.webm")
    site.open("worker/watch.html")
    assert site.browser.evaluate("!!navigator.serviceWorker.controller")
    check_seeking(site.browser)
    headers = [response["headers"] for response in site.browser.responses if response["url"].endswith("/video.webm")]
    assert headers and all(any(name.lower() == "x-by" for name in one) for one in headers)


# ---- A form with files


def test_form(site, tmp_path):
    """The page for uploads, filled in and sent by the browser."""
    files = {"plain.txt": b"some text\n", "Über uns 100%.bin": random.Random(2).randbytes(LARGE), "empty": b"",
             'with "quotes".txt': b"q"}
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    site.open("upload/")
    assert site.browser.evaluate("document.title") == "Upload"
    site.browser.choose_files("input[type=file]", *(tmp_path / name for name in files))
    site.browser.evaluate("document.querySelector('button').click()")
    site.browser.wait("document.body && document.body.innerText.includes('4 files saved')")
    saved = {path.name: path.read_bytes() for path in site.up.iterdir() if path.name != "recorded.webm"}
    assert saved == files
    assert not [one for one in site.browser.errors if not one.get("url", "").endswith("/favicon.ico")]


def test_upload_by_fetch(site):
    """What a page records goes up, and comes back the same."""
    site.open()
    size, status = site.browser.evaluate("""(async () => {
        const canvas = document.createElement('canvas'), paint = canvas.getContext('2d');
        const recorder = new MediaRecorder(canvas.captureStream(30), {mimeType: 'video/webm;codecs=vp8'}), parts = [];
        recorder.ondataavailable = event => parts.push(event.data);
        const ended = new Promise(resolve => recorder.onstop = resolve);
        const painter = setInterval(() => paint.fillRect(0, 0, Math.random() * 300, 100), 20);
        recorder.start();
        await new Promise(resolve => setTimeout(resolve, 500));
        recorder.stop();
        clearInterval(painter);
        await ended;
        const video = new Blob(parts, {type: 'video/webm'});
        return [video.size, (await fetch('upload/recorded.webm', {method: 'PUT', body: video})).status];
    })()""")
    assert status == 201 and size > 0
    data = (site.up / "recorded.webm").read_bytes()
    assert len(data) == size and data[:4] == bytes.fromhex("1A45DFA3")


# ---- Downloads that go on

RESUME = """(async () => {
    const [first, etag, got] = window.part;
    const r = await fetch('large.bin', {headers: {Range: `bytes=${got.length}-`, 'If-Range': etag}, cache: 'no-store'});
    const rest = new Uint8Array(await r.arrayBuffer()), begin = r.status === 206 ? got.length : 0;
    const whole = new Uint8Array(begin + rest.length);
    whole.set(got.subarray(0, begin));
    whole.set(rest, begin);
    const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', whole));
    return [r.status, r.headers.get('Content-Range'), got.length,
            [...digest].map(b => b.toString(16).padStart(2, '0')).join('')];
})()"""

STRONG = "fetch('large.bin', {method: 'HEAD', cache: 'no-store'}).then(r => r.headers.get('ETag').startsWith('\"'))"

BEGIN = """(async () => {
    const control = new AbortController();
    const r = await fetch('large.bin', {signal: control.signal, cache: 'no-store'});
    const reader = r.body.getReader(), got = new Uint8Array(%d);
    let len = 0;
    while (len < got.length) {
        const {value} = await reader.read();
        const part = value.subarray(0, got.length - len);
        got.set(part, len);
        len += part.length;
    }
    control.abort();
    window.part = [r.status, r.headers.get('ETag'), got];
    return r.status;
})()"""


def test_resumed_by_fetch(site):
    """A download that was broken off goes on where it was, unless the file has changed meanwhile."""
    site.open()
    site.browser.wait(STRONG)
    data = (site.root / "large.bin").read_bytes()
    assert site.browser.evaluate(BEGIN % 1234567) == 200
    status, told, got, digest = site.browser.evaluate(RESUME)
    assert (status, told, got) == (206, f"bytes 1234567-{LARGE - 1}/{LARGE}", 1234567)
    assert digest == hashlib.sha256(data).hexdigest()
    changed = random.Random(3).randbytes(LARGE)
    (site.root / "new").write_bytes(changed)
    os.replace(site.root / "new", site.root / "large.bin")  # which is new, so that no part is sent by its tag
    status, told, _, digest = site.browser.evaluate(RESUME)
    assert (status, told, digest) == (200, None, hashlib.sha256(changed).hexdigest())


def test_resumed_after_a_restart(site):
    """The server that goes on is another one, which has never seen the request."""
    site.open()
    site.browser.wait(STRONG)
    assert site.browser.evaluate(BEGIN % 200000) == 200
    port = re.search(r":(\d+)/", site.server.url).group(1)
    site.server.stop()
    site.server = site.start(port)
    status, told, _, digest = site.browser.evaluate(RESUME)
    assert (status, told) == (206, f"bytes 200000-{LARGE - 1}/{LARGE}")
    assert digest == hashlib.sha256((site.root / "large.bin").read_bytes()).hexdigest()


class Cutter:
    """Stands before a server, and ends the first connection that asks for a file when so many bytes have gone."""

    def __init__(self, port, path, after):
        self.port, self.path, self.after, self.cut = port, path.encode(), after, threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}/"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        asked = b""
        with client, socket.create_connection(("127.0.0.1", self.port)) as server, contextlib.suppress(OSError):
            def pass_on():
                nonlocal asked
                with contextlib.suppress(OSError):
                    while data := client.recv(65536):
                        asked += data
                        server.sendall(data)
                    server.shutdown(socket.SHUT_WR)

            threading.Thread(target=pass_on, daemon=True).start()
            sent = 0
            while data := server.recv(65536):
                client.sendall(data)
                sent += len(data)
                if sent > self.after and self.path in asked and not self.cut.is_set():
                    self.cut.set()
                    client.shutdown(socket.SHUT_RDWR)  # the thread that reads from it would keep it open
                    return

    def close(self):
        self.listener.close()


def test_download_that_is_cut(site, tmp_path):
    """A download of the browser's own, whose connection ends in the middle: it goes on by itself, with a range."""
    if site.protocol != "http/1.1" or site.options:
        pytest.skip("the connection's end is seen as such without TLS alone")
    (site.root / "package.zip").write_bytes(random.Random(4).randbytes(8 << 20))
    cutter = Cutter(int(re.search(r":(\d+)/", site.server.url).group(1)), "/package.zip", 4 << 20)
    try:
        site.browser.call("Page.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
        site.browser.open(cutter.url)
        site.browser.evaluate("""(a => {
            a.href = 'package.zip';
            a.download = '';
            document.body.append(a);
            a.click();
        })(document.createElement('a'))""")
        deadline = time.monotonic() + 60
        while not (tmp_path / "package.zip").exists():
            assert time.monotonic() < deadline, list(tmp_path.iterdir())
            site.browser.evaluate("1")
            time.sleep(0.1)
    finally:
        cutter.close()
    assert cutter.cut.is_set()
    assert (tmp_path / "package.zip").read_bytes() == (site.root / "package.zip").read_bytes()
