"""What still comes of a request whose reply is out, or whose stream this side has reset: a client need not have known.

SPDX-License-Identifier: MIT
"""

import subprocess

import h2client as h2


def resets_after(connection, stream):
    """The reset of a stream that is answered, if one comes before the answer to a ping."""
    connection.roundtrip()
    return connection.reply_of(stream).reset


def test_short_rest_is_let_come(tour):
    """Longer than the stream's first window, and no longer than drain_limit."""
    with h2.Connection(tour.address) as c:
        for size in (8191, 8192, 8193, 11000, 60000):
            stream = c.open("PUT", "/", (b"content-length", str(size).encode()), body=bytes(size))
            assert int(c.reply(stream).status) == 405
            assert resets_after(c, stream) is None, size
        assert not c.goaways


def test_long_rest_is_reset_once(tour):
    with h2.Connection(tour.address) as c:
        for _ in range(12):
            stream = c.open("PUT", "/", (b"content-length", b"1000000"), end=False)
            c.reply(stream)
            assert resets_after(c, stream) == "NO_ERROR"
            c.reply_of(stream).reset = None
            c.send(h2.data(stream, bytes(100)), h2.window_update(stream, 10), h2.data(stream, b"", end=False))
            c.send(h2.headers(stream, h2.block((b"a-trailer", b"late"))))
            assert resets_after(c, stream) is None
        assert not c.goaways
        assert c.ask(path="/").text() == "Hello, World!"


def test_curl_is_content_with_an_early_reply(tour, tmp_path):
    upload = tmp_path / "upload"
    upload.write_bytes(bytes(11000))
    url = f"http://{tour.address[0]}:{tour.address[1]}/json"
    for _ in range(20):
        done = subprocess.run(
            ["curl", "-sS", "--http2-prior-knowledge", "-T", upload, "-o", "/dev/null", "-w", "%{http_code}", url],
            capture_output=True, text=True, timeout=60, check=False)
        assert (done.returncode, done.stdout) == (0, "405"), done.stderr


def test_close_after_says_goaway(tour):
    with h2.Connection(tour.address) as c:
        stream = c.open(path="/large")
        c.reply(stream, seconds=60)
        assert c.end() is not False and c.goaways[-1][:2] == (stream, 0)
