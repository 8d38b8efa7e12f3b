"""wget and curl at weir serve: downloads, those that go on where they were broken off, and a listing that is mirrored.

SPDX-License-Identifier: MIT
"""

import json
import os
import random
import shutil
import subprocess
import time

import conftest
import pytest
from serving import serve  # noqa: F401

SIZE = 2 << 20
OLD = 1000000000  # seconds since 1970

needs_wget = pytest.mark.skipif(not shutil.which("wget"), reason="there is no wget")

NAMES = ["plain.txt", "with space.txt", "Ü and ß.txt", "100%.txt", "a#b?c.txt", "it's & <b>.txt", "sub/deep/one.bin",
         "sub/two.bin", "empty"]


@pytest.fixture
def site(tmp_path):
    folder = tmp_path / "site"
    for i, name in enumerate(NAMES):
        (folder / "tree" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "tree" / name).write_bytes(b"" if name == "empty" else random.Random(i).randbytes(1000 + i))
    (folder / "outside.txt").write_text("not below the tree\n")
    (folder / "tree" / ".hidden").write_text("hidden\n")
    (folder / "big.bin").write_bytes(random.Random(99).randbytes(SIZE))
    os.utime(folder / "big.bin", (OLD, OLD))
    return folder


@pytest.fixture(params=["http", "https"])
def server(request, serve, site, pair):  # noqa: F811
    """weir serve of the folder, with a certificate that clients can check."""
    options = []
    if request.param == "https":
        conftest.secure.skip_without_tls()
        options = ["--cert", pair.certificate, "--key", pair.key]
    one = serve("--log", "json", *options, site)
    return one


@pytest.fixture
def wget(server, authority, tmp_path):
    """Runs wget in a folder of its own: (exit status, what it said)."""
    (tmp_path / "got").mkdir()
    (tmp_path / "home").mkdir()

    def run(*arguments):
        done = subprocess.run(["wget", "--no-config", "--no-hsts", "--tries=2", "--timeout=60",
                               f"--ca-certificate={authority.pair.certificate}", "--restrict-file-names=nocontrol",
                               "--progress=dot:mega", *map(str, arguments)],
                              cwd=tmp_path / "got", capture_output=True, text=True, timeout=120,
                              env={**os.environ, "HOME": str(tmp_path / "home"), "LC_ALL": "C.UTF-8"})
        return done.returncode, done.stderr

    run.folder = tmp_path / "got"
    return run


def log_of(server):
    return [json.loads(line) for line in server.stop()]


# ---- wget


@needs_wget
def test_wget(server, wget, site):
    status, said = wget(server.url + "big.bin")
    assert status == 0, said
    got = wget.folder / "big.bin"
    assert got.read_bytes() == (site / "big.bin").read_bytes()
    assert int(got.stat().st_mtime) == OLD, "the file has the time of Last-Modified"
    assert f"Length: {SIZE}" in said
    status, said = wget("-N", server.url + "big.bin")
    assert status == 0 and "Omitting download" in said, said
    status, said = wget(server.url + "none")
    assert status == 8 and "404" in said
    assert [(line["status"], line["bytes"]) for line in log_of(server)][:2] == [(200, SIZE), (304, 0)]


@needs_wget
def test_wget_goes_on(server, wget, site):
    data, got = (site / "big.bin").read_bytes(), wget.folder / "big.bin"
    got.write_bytes(data[:SIZE // 3])
    status, said = wget("-c", server.url + "big.bin")
    assert status == 0 and "206 Partial Content" in said, said
    assert got.read_bytes() == data
    status, said = wget("-c", server.url + "big.bin")
    assert status == 0 and "already fully retrieved" in said, said
    with open(site / "big.bin", "ab") as file:
        file.write(b"more")
    status, said = wget("-c", server.url + "big.bin")
    assert status == 0 and got.read_bytes() == data + b"more", said
    lines = log_of(server)
    assert [line["status"] for line in lines] == [206, 416, 206]
    assert [line["bytes"] for line in lines if line["status"] == 206] == [SIZE - SIZE // 3, 4]


@needs_wget
def test_wget_mirrors(server, wget, site):
    """All that the listings lead to, under their names, and nothing above."""
    status, said = wget("-r", "-np", "-nH", "-e", "robots=off", "--reject-regex", r"\?", server.url + "tree/")
    assert status == 0, said
    got = {str(path.relative_to(wget.folder / "tree")): path.read_bytes() for path in (wget.folder / "tree").rglob("*")
           if path.is_file() and path.name != "index.html"}
    assert got == {name: (site / "tree" / name).read_bytes() for name in NAMES}
    assert sorted(path.name for path in wget.folder.iterdir()) == ["tree"]
    lines = log_of(server)
    assert {line["status"] for line in lines} == {200}
    assert all(line["target"].startswith("/tree/") and "hidden" not in line["target"] for line in lines)
    assert len({line["peer"] for line in lines}) == 1, "by one connection"


# ---- curl

WAYS = [("http", "--http1.1"), ("http", "--http2-prior-knowledge"), ("https", "--http1.1"), ("https", "--http2")]


@pytest.mark.parametrize("server, version", WAYS, indirect=["server"])
def test_curl_goes_on(server, authority, site, tmp_path, version):
    data, got = (site / "big.bin").read_bytes(), tmp_path / "got.bin"

    def curl(*arguments):
        done = subprocess.run(["curl", "-sS", "-m", "60", version, "--cacert", authority.pair.certificate, "-w", "%{http_code}",
                               *map(str, arguments)], capture_output=True, text=True, timeout=120)
        return done.returncode, done.stdout

    assert curl("--max-filesize", SIZE, "-r", "0-999999", "-o", got, server.url + "big.bin") == (0, "206")
    assert curl("-C", "-", "-o", got, server.url + "big.bin") == (0, "206")
    assert got.read_bytes() == data
    status, code = curl("-C", "-", "-f", "-o", got, server.url + "big.bin")
    assert code == "416" and got.read_bytes() == data
    assert curl("-r", "-5", "-o", got, server.url + "big.bin") == (0, "206") and got.read_bytes() == data[-5:]
    lines = log_of(server)
    assert [(line["status"], line["bytes"]) for line in lines if line["status"] == 206] == [
        (206, 1000000), (206, SIZE - 1000000), (206, 5)]
    assert {line["version"] for line in lines} == {"1.1" if version == "--http1.1" else "2.0"}


@pytest.mark.parametrize("server, version", WAYS, indirect=["server"])
def test_curl_is_cut(server, authority, site, tmp_path, version):
    """A download that is broken off in the middle goes on with what is missing."""
    data, got = random.Random(7).randbytes(16 << 20), tmp_path / "got.bin"
    (site / "large.bin").write_bytes(data)
    arguments = ["curl", "-sS", version, "--cacert", str(authority.pair.certificate), "-o", str(got), server.url + "large.bin"]
    slow = subprocess.Popen([*arguments, "--limit-rate", "1M"], stderr=subprocess.DEVNULL)
    while not got.exists() or got.stat().st_size == 0:
        assert slow.poll() is None
        time.sleep(0.01)
    slow.kill()
    slow.wait()
    had = got.stat().st_size
    assert 0 < had < len(data)
    assert subprocess.run([*arguments, "-C", "-"], timeout=120).returncode == 0
    assert got.read_bytes() == data
    first, second = log_of(server)
    assert first["error"] and (second["status"], second["bytes"], second["error"]) == (206, len(data) - had, None)


def test_part_of_an_upload_is_refused(serve, site, tmp_path):  # noqa: F811
    """curl -C with -T sends a part as if it could be put where it belongs; it is not taken for the whole."""
    one = serve("--upload", tmp_path, site)
    assert one.curl("upload/part.bin", "-T", site / "big.bin", "-C", "1000")[0] == 400
    assert not (tmp_path / "part.bin").exists()
