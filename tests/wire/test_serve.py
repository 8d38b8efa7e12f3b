"""weir serve, seen from outside: each option by what curl gets, and what is said of wrong uses.

SPDX-License-Identifier: MIT
"""

import gzip
import json
import os
import pathlib
import re
import resource
import select
import signal
import socket
import subprocess
import time

import conftest
import pytest
from serving import ENVIRONMENT, WEIR, serve  # noqa: F401


@pytest.fixture
def site(tmp_path):
    folder = tmp_path / "site"
    (folder / "sub").mkdir(parents=True)
    (folder / "index.html").write_text("<h1>front</h1>\n")
    (folder / "app.html").write_text("<h1>app</h1>\n")
    (folder / "text.txt").write_text("line of text\n" * 500)
    (folder / "main-1234abcd.js").write_text("code();\n")
    (folder / "page.css").write_text("p{}" * 10)
    (folder / "page.css.gz").write_bytes(gzip.compress(b"p{}" * 10))
    (folder / ".hidden").write_text("hidden")
    (folder / "link").symlink_to("text.txt")
    (folder / "sub" / "a.txt").write_text("a")
    (tmp_path / "up").mkdir()
    return folder


# ---- What is served


@pytest.mark.threaded
def test_plain(serve, site):
    s = serve(site)
    assert f"Serving {site} at\n" in s.said
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/", s.url)
    status, headers, body = s.curl()
    assert (status, body) == (200, b"<h1>front</h1>\n")
    assert headers["cache-control"] == "no-cache" and headers["content-type"] == "text/html; charset=utf-8"
    assert "access-control-allow-origin" not in headers
    status, headers, body = s.curl("sub/")
    assert status == 200 and b"a.txt" in body
    assert s.curl(".hidden")[0] == 404
    assert s.curl("link")[0] == 200
    assert s.curl("none")[0] == 404
    assert s.curl("upload/x", "-T", site / "text.txt")[0] == 405
    assert s.curl("text.txt", "-r", "0-3")[::2] == (206, b"line")
    status, headers, body = s.curl("page.css", "-H", "Accept-Encoding: gzip")
    assert headers["content-encoding"] == "gzip" and gzip.decompress(body) == b"p{}" * 10
    assert "content-encoding" not in s.curl("text.txt", "-H", "Accept-Encoding: gzip")[1]


def test_current_folder(serve, site):
    assert serve(cwd=site / "sub").curl("a.txt")[2] == b"a"


def test_other_ways(serve, site):
    s = serve("--no-listing", "--hidden", "--no-links", "--no-precompressed", "--index", "none.html,app.html", "--cache",
              "60", "--immutable", "*-????????.js", "--compress", site)
    assert s.curl()[2] == b"<h1>app</h1>\n"
    assert s.curl("sub/")[0] == 404
    assert s.curl(".hidden")[0] == 200
    assert s.curl("link")[0] == 404
    assert s.curl("text.txt")[1]["cache-control"] == "public, max-age=60"
    assert s.curl("main-1234abcd.js")[1]["cache-control"] == "public, max-age=31536000, immutable"
    assert "content-encoding" not in s.curl("page.css", "-H", "Accept-Encoding: gzip")[1]
    status, headers, body = s.curl("text.txt", "-H", "Accept-Encoding: gzip")
    assert headers["content-encoding"] == "gzip" and len(gzip.decompress(body)) == 6500


def test_single_page(serve, site):
    s = serve("--spa=app.html", "--cache", "off", site)
    status, headers, body = s.curl("some/route")
    assert (status, body) == (200, b"<h1>app</h1>\n") and "cache-control" not in headers
    assert s.curl("none.js", "-H", "Accept: */*")[0] == 404
    assert serve("--spa", site).curl("some/route")[2] == b"<h1>front</h1>\n"


# ---- Where it listens


def test_all_addresses(serve, site):
    s = serve("--host", "0.0.0.0", site)
    assert re.search(r"^  http://127\.0\.0\.1:\d+/$", s.said, re.M)
    assert s.curl()[0] == 200


def test_several_hosts(serve, site):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    s = serve("--host", "127.0.0.1", "--host", "127.0.0.2", site, port=("--port", str(port)))
    assert re.findall(r"^  (\S+)$", s.said, re.M) == [f"http://127.0.0.{i}:{port}/" for i in (1, 2)]
    s.url = f"http://127.0.0.2:{port}/"
    assert s.curl()[0] == 200


def test_unix(serve, site, tmp_path):
    s = serve("--host", f"unix:{tmp_path}/socket", site)
    s.url = "http://any/"
    assert s.curl("", "--unix-socket", tmp_path / "socket")[0] == 200


def test_self_signed(serve, site):
    conftest.secure.skip_without_tls()
    s = serve("--self-signed", site)
    assert s.url.startswith("https://") and "browsers warn" in s.said
    assert s.curl("", "-k", "--http1.1")[0] == 200
    assert s.curl("", "-k")[0] == 200  # HTTP/2, by ALPN
    plain = s.url.replace("https", "http")
    done = subprocess.run(["curl", "-sI", "-m", "20", plain], capture_output=True, text=True)
    assert done.stdout.startswith("HTTP/1.1 308")
    assert [line.split('"')[1].split()[2] for line in s.stop()] == ["HTTP/1.1", "HTTP/2.0"]


def test_certificate(serve, site, pair):
    s = serve("--cert", pair.certificate, "--key", pair.key, site)
    assert s.curl("", "--http1.1", "--cacert", pair.certificate, "-k")[0] == 200


# ---- Who may


@pytest.mark.parametrize("way", ["argument", "file", "environment"])
def test_auth(serve, site, tmp_path, way):
    environment = {"WEIR_AUTH": "bob:geheimnis-ü"} if way == "environment" else None
    if way == "file":
        (tmp_path / "users").write_text("# who\nann:x\nbob:geheimnis-ü\n")
        (tmp_path / "users").chmod(0o600)
    arguments = {"argument": ["--auth", "bob:geheimnis-ü"], "file": ["--auth-file", tmp_path / "users"]}.get(way, [])
    s = serve(*arguments, "--cache", "9", site, environment=environment)
    assert ("can read the password" in s.said) == (way == "argument")
    for path in "", "none", "../x":
        status, headers, _ = s.curl(path)
        assert status == 401 and headers["www-authenticate"] == 'Basic realm="weir", charset="UTF-8"'
    assert s.curl("", "-u", "bob:geheimnis")[0] == 401
    assert s.curl("", "-u", "ann:geheimnis-ü")[0] == 401
    status, headers, _ = s.curl("", "-u", "bob:geheimnis-ü")
    assert status == 200 and headers["cache-control"] == "private, max-age=9"
    users = [line.split()[2] for line in s.stop()]
    assert users == ["-", "-", "-", "-", "-", "bob"]


def test_cors_all(serve, site):
    s = serve("--cors", site)
    for path in "", "none":
        status, headers, _ = s.curl(path, "-H", "Origin: https://a.example")
        assert headers["access-control-allow-origin"] == "*" and "access-control-allow-credentials" not in headers
    status, headers, _ = s.curl("", "-X", "OPTIONS", "-H", "Origin: https://a.example", "-H",
                                "Access-Control-Request-Method: GET", "-H", "Access-Control-Request-Headers: range")
    assert status == 204 and headers["access-control-allow-origin"] == "*"
    assert headers["access-control-allow-methods"] == "GET, HEAD"
    assert headers["access-control-allow-headers"] == "range"
    assert s.curl("", "-X", "OPTIONS")[1]["allow"] == "GET, HEAD, OPTIONS"


def test_cors_named_with_password(serve, site):
    s = serve("--cors", "https://a.example", "--auth", "bob:secret", site)
    preflight = ["-X", "OPTIONS", "-H", "Access-Control-Request-Method: GET", "-H"]
    status, headers, _ = s.curl("", *preflight, "Origin: https://a.example")
    assert status == 204 and headers["access-control-allow-origin"] == "https://a.example"
    assert headers["access-control-allow-credentials"] == "true" and "Origin" in headers["vary"]
    status, headers, _ = s.curl("", *preflight, "Origin: https://evil.example")
    assert status == 204 and not any(name.startswith("access-control") for name in headers)
    status, headers, _ = s.curl("", "-H", "Origin: https://a.example")
    assert status == 401 and headers["access-control-allow-origin"] == "https://a.example"
    status, headers, _ = s.curl("", "-u", "bob:secret")
    assert status == 200 and "Origin" in headers["vary"] and "access-control-allow-origin" not in headers


def test_upload(serve, site, tmp_path):
    up = tmp_path / "up"
    s = serve("--upload", up, "--upload-limit", "10K", site)
    assert f"Uploads go to {up}" in s.said
    status, headers, _ = s.curl("upload/new/a%20b.txt", "-T", site / "text.txt")
    assert (status, headers["location"]) == (201, "/upload/new/a%20b.txt")
    assert (up / "new" / "a b.txt").read_bytes() == (site / "text.txt").read_bytes()
    assert s.curl("upload/new/a%20b.txt", "-T", site / "index.html")[0] == 204
    assert (up / "new" / "a b.txt").read_bytes() == b"<h1>front</h1>\n"
    assert s.curl("upload/new/a%20b.txt", "-d", "x")[0] == 409
    assert s.curl("upload/b", "-d", "x", "-H", f"Origin: {s.url[:-1]}")[0] == 201
    assert s.curl("upload/c", "-d", "x", "-H", "Origin: https://evil.example")[0] == 403
    assert s.curl("upload/c", "-d", "x" * 10241)[0] == 413
    assert s.curl("upload/.c", "-d", "x")[0] == 403
    assert s.curl("upload/c/", "-d", "x")[0] == 400
    assert s.curl("upload/c", "-F", f"file=@{site}/text.txt")[0] == 415
    assert s.curl("upload/%2e%2e/c", "-d", "x")[0] in (400, 403, 404, 405)
    assert s.curl("upload/..%2fc", "-d", "x")[0] in (201, 400, 403, 404)  # "%2F" is no separator
    assert s.curl("c", "-d", "x")[0] == 405
    assert sorted(one.name for one in tmp_path.iterdir()) == ["site", "up"]


def test_upload_form(serve, site, tmp_path):
    up = tmp_path / "up"
    s = serve("--upload", up, site)
    status, headers, body = s.curl("upload/")
    assert status == 200 and b"multipart/form-data" in body and headers["content-type"].startswith("text/html")
    files = ["-F", f"file=@{site}/text.txt;filename=../../a.txt", "-F", "note=x", "-F", f"file=@{site}/app.html"]
    status, _, body = s.curl("upload/into/", *files)
    assert (status, body) == (201, b"2 files saved\n")
    assert (up / "into" / "a.txt").read_bytes() == (site / "text.txt").read_bytes()
    assert (up / "into" / "app.html").exists() and len(list(up.rglob("*"))) == 3
    assert s.curl("upload/into/", *files)[0] == 409
    assert s.curl("upload/", "-F", "note=x")[0] == 400
    assert s.curl("upload/.into/", *files)[0] == 403
    assert s.curl("upload/", *files, "-H", "Origin: https://evil.example")[0] == 403


def test_names(serve, site, tmp_path):
    """A name of the internet that leads here makes a page of its owner one of the same origin to a browser."""
    s = serve("--upload", tmp_path, site)
    theirs = f"pages.example:{s.url.rpartition(':')[2][:-1]}"
    for host in ("localhost", "a.localhost", "127.0.0.1", "[::1]", "box"):
        assert s.curl("text.txt", "-H", f"Host: {host}")[0] == 200
    assert s.curl("text.txt", "-H", f"Host: {theirs}")[0] == 421
    assert s.curl("upload/x", "-T", site / "text.txt", "-H", f"Host: {theirs}", "-H", f"Origin: http://{theirs}")[0] == 421
    assert not (tmp_path / "x").exists()


def test_upload_elsewhere(serve, site, tmp_path):
    s = serve("--upload", site, "--upload-at", "/", site)
    assert s.curl("fresh.txt", "-d", "fresh")[0] == 201
    assert s.curl("fresh.txt")[2] == b"fresh"


# ---- How it runs


@pytest.mark.parametrize("form", ["common", "combined", "json", "off"])
def test_log(serve, site, form):
    s = serve("--log", form, site)
    s.curl("text.txt", "-A", 'a "quoted" agent', "-e", "http://ref/")
    s.curl("none?x=1")
    s.curl("text.txt", "-I")
    lines = s.stop()
    clock = r"\[\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\]"
    if form == "off":
        assert lines == []
        return
    assert len(lines) == 3
    if form == "json":
        first, second, third = map(json.loads, lines)
        assert (first["method"], first["target"], first["status"], first["bytes"]) == ("GET", "/text.txt", 200, 6500)
        assert first["agent"] == 'a "quoted" agent' and first["referer"] == "http://ref/" and first["error"] is None
        assert (second["target"], second["status"]) == ("/none?x=1", 404)
        assert (third["method"], third["bytes"]) == ("HEAD", 0)
        return
    begin = rf"127\.0\.0\.1 - - {clock} "
    more = r' "http://ref/" "a \\x22quoted\\x22 agent"' if form == "combined" else ""
    assert re.fullmatch(begin + r'"GET /text\.txt HTTP/1\.1" 200 6500' + more, lines[0])
    assert re.match(begin + r'"GET /none\?x=1 HTTP/1\.1" 404 \d+', lines[1])
    assert re.match(begin + r'"HEAD /text\.txt HTTP/1\.1" 200 -', lines[2])


def test_log_of_long_texts(serve, site):
    """What is kept of a request is bounded, and a line says that it was cut."""
    s = serve("--log", "json", "--auth", "bob:secret", site)
    s.curl("x" * 3000, "-u", "bob:secret", "-A", "a" * 2000, "-e", "r" * 2000)
    (line,) = map(json.loads, s.stop())
    for name, begin in ("target", "/xxx"), ("agent", "aaa"), ("referer", "rrr"):
        assert line[name].startswith(begin) and line[name].endswith("...") and 200 < len(line[name]) < 600
    assert line["user"] == "bob" and line["status"] == 404


def test_log_of_a_client_that_goes(serve, site):
    with open(site / "large.bin", "wb") as large:
        large.truncate(100 << 20)
    s = serve("--log", "json", site)
    host, port = re.match(r"http://(.+):(\d+)/", s.url).groups()
    with socket.create_connection((host, int(port))) as one:
        one.sendall(b"GET /large.bin HTTP/1.1\r\nHost: x\r\n\r\n")
        assert one.recv(100).startswith(b"HTTP/1.1 200")
    line = json.loads(s.process.stdout.readline())
    assert line["status"] == 200 and line["bytes"] < 100 << 20 and line["error"] == "the client has gone"


def test_log_of_what_is_no_request(serve, site):
    s = serve("--log", "common", site)
    host, port = re.match(r"http://(.+):(\d+)/", s.url).groups()
    with socket.create_connection((host, int(port))) as one:
        one.sendall(b"nonsense\x1b[2J\r\n\r\n")
        assert one.recv(100).startswith(b"HTTP/1.1 400")
        one.recv(1000)
    lines = s.stop()
    assert len(lines) == 1 and re.search(r'"-" 400 \d+$', lines[0])


@pytest.mark.threaded
def test_log_that_nobody_reads(serve, site):
    """Requests are served though standard output is full, and those without a line are counted."""
    reading, writing = os.pipe()
    s = serve("--log", "combined", "--memory-limit", "6M", site, stdout=writing)
    os.close(writing)
    host, port = re.match(r"http://(.+):(\d+)/", s.url).groups()
    count, done = 12000, b""
    with socket.create_connection((host, int(port)), timeout=30) as one:
        for _ in range(count // 100):
            one.sendall(b"HEAD /none HTTP/1.1\r\nHost: x\r\n\r\n" * 100)
            while done.count(b"HTTP/1.1 404") < 100:
                data = one.recv(65536)
                assert data
                done += data
            done = b""
    s.process.send_signal(signal.SIGTERM)
    text = b""
    while data := os.read(reading, 65536):
        text += data
    os.close(reading)
    s.stop()
    lines = text.decode().splitlines()
    dropped = int(re.search(r"(\d+) requests are not in the log", s.said).group(1))
    assert dropped > 0 and len(lines) + dropped == count
    assert all(line.startswith("127.0.0.1 - - [") and line.endswith('404 - "-" "-"') for line in lines)


def test_log_that_may_not_grow(serve, site, tmp_path):
    """A limit on the size of files (ulimit -f) is an error of writing the log, and not the server's end."""
    with (tmp_path / "log").open("wb") as log:
        s = serve("--log", "combined", site, stdout=log)
        resource.prlimit(s.process.pid, resource.RLIMIT_FSIZE, (10, 10))
        for _ in range(3):
            assert s.curl()[0] == 200
        s.stop()
    assert (tmp_path / "log").stat().st_size <= 10


def test_quiet_and_verbose(serve, site):
    s = serve("--verbose", site)
    assert "listening on" in s.said
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    quiet = subprocess.Popen([WEIR, "serve", "-q", "-p", str(port), str(site)], stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, env=ENVIRONMENT)
    deadline = time.monotonic() + 30
    while subprocess.run(["curl", "-so", "/dev/null", f"http://127.0.0.1:{port}/"]).returncode != 0:
        assert time.monotonic() < deadline
    quiet.send_signal(signal.SIGTERM)
    assert quiet.communicate(timeout=30) == (b"", b"") and quiet.returncode == 0


def test_interrupt(serve, site):
    s = serve(site)
    s.stop(signal.SIGINT)
    assert "Stopping" in s.said


# ---- Wrong uses


def run(*arguments, **more):
    return subprocess.run([WEIR, *map(str, arguments)], capture_output=True, text=True, timeout=30,
                          env={**ENVIRONMENT, **more})


def test_wrong_uses(site, tmp_path):
    (tmp_path / "users").write_text("ann\n")
    for arguments, line in [
        (["--prot", "1"], "--prot is not an option; did you mean --port?"),
        (["--port"], "--port needs a value, such as --port 8080"),
        (["--port", "x"], "--port is a number from 1 to 65535, or 0 for any that is free, not 'x'"),
        (["none"], "'none': No such file or directory; name the folder to serve, or leave it out for the current one"),
        ([site / "text.txt"],
         f"'{site}/text.txt' is not a folder; name the folder to serve, or leave it out for the current one"),
        (["--spa", "none.html"],
         "'none.html': No such file or directory; name the folder to serve; a file for --spa is joined to it, as in "
         "--spa=FILE"),
        (["--cors", "a.example"],
         "'a.example': No such file or directory; name the folder to serve; an origin for --cors begins with https:// or "
         "http://"),
        (["-qvx", site], "-x is not an option; weir serve --help lists them"),
        (["-q=1", site], "--quiet takes no value"),
        (["--upload", "none", site], "'none': No such file or directory; --upload names a folder that is there"),
        (["--spa=none.html", site],
         f"there is no 'none.html' in '{site}'; --spa=FILE names the page for what is not there"),
        (["--auth", "bob", site], "--auth is USER:PASSWORD, and there is no colon between a name and a password"),
        (["--auth-file", tmp_path / "users", site],
         f"--auth-file '{tmp_path}/users', line 1: there is no colon between a name and a password; a line is "
         "USER:PASSWORD"),
        (["--auth-file", "none", site], "--auth-file 'none': No such file or directory"),
    ]:
        done = run("serve", *arguments)
        assert (done.returncode, done.stdout, done.stderr) == (2, "", f"weir serve: {line}\n")
    done = run("srve")
    assert done.returncode == 2 and done.stderr.startswith("weir: there is no command 'srve'; did you mean serve?\n")
    done = run("serve", site, WEIR_AUTH="x")
    assert done.returncode == 2 and done.stderr.startswith("weir serve: WEIR_AUTH is USER:PASSWORD, and ")


def test_port_in_use(serve, site):
    port = re.search(r":(\d+)/", serve(site).url).group(1)
    done = run("serve", "--port", port, site)
    assert (done.returncode, done.stderr) == (
        1, f"weir serve: port {port} is in use; --port 0 picks one that is free\n")


def test_cannot_start(site, tmp_path):
    done = run("serve", "--host", "nonsense", site)
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1 and "nonsense" in done.stderr
    assert done.stderr.startswith("weir serve: --host: ")
    done = run("serve", "--memory-limit", "1K", "--workers", "2", site)
    assert done.returncode == 2 and re.fullmatch(
        r"weir serve: --memory-limit: 1024 is less than what 2 workers need, \d+; raise it, or lower --workers\n", done.stderr)
    done = run("serve", "--host", "203.0.113.9", "--port", "0", site)
    assert done.returncode == 1 and "not one of this machine" in done.stderr


# ---- What belongs to it


def test_help_and_version():
    done = run("serve", "--help")
    assert done.returncode == 0 and done.stdout.startswith("usage: weir serve") and done.stderr == ""
    assert run("serve", "-qh").stdout == run("serve", "-hq").stdout == done.stdout
    assert run("serve", "--version").stdout == run("--version").stdout


def test_options_are_everywhere():
    """Every option is in the manual page and in each shell's completion, and these know no other."""
    source = pathlib.Path(os.environ.get("WEIR_SOURCE", pathlib.Path(__file__).parents[2]))
    options = set(re.findall(r"^  (?:-\w, )?--([\w-]+)", run("serve", "--help").stdout, re.M))
    assert len(options) > 20
    page = (source / "docs/man/weir.1").read_text().replace("\\-", "-")
    assert options <= set(re.findall(r"--([\w-]+)", page))
    for name, pattern in [("weir.bash", r"--([\w-]+)"), ("_weir", r"--([\w-]+)"),
                          ("weir.fish", r"complete .* -l ([\w-]+)")]:
        text = (source / "completions" / name).read_text()
        section = re.search(r"# serve\n(.*?)# end of serve", text, re.S).group(1)
        assert set(re.findall(pattern, section)) == options, name


def test_bash_completion():
    source = pathlib.Path(os.environ.get("WEIR_SOURCE", pathlib.Path(__file__).parents[2]))

    def complete(*words):
        script = f"source {source}/completions/weir.bash; COMP_WORDS=({' '.join(words)}); " \
                 f"COMP_CWORD={len(words) - 1}; _weir; printf '%s\\n' \"${{COMPREPLY[@]}}\""
        return subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True).stdout.split()

    assert complete("weir", "s") == ["serve"]
    assert complete("weir", "serve", "--no-l") == ["--no-listing", "--no-links"]
    assert complete("weir", "serve", "--log", "c") == ["common", "combined"]
    assert "--once" in complete("weir", "top", "--")
