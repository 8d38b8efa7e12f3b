"""OpenSSL is loaded by the first listener that wants TLS: what a process without one costs, and what is said where it
cannot be loaded.

SPDX-License-Identifier: MIT
"""

import pathlib
import re
import subprocess

import pytest

from client import Crowd, request
from conftest import BUILD, MANY, MIB, SANITIZE, Server

LIBRARIES = ("libssl", "libcrypto")


def anonymous(server):
    """Bytes that belong to no file. A program that was just linked and is not on the disk yet has private pages, too."""
    text = pathlib.Path(f"/proc/{server.pid}/smaps_rollup").read_text()
    return int(re.search(r"^Anonymous: +(\d+) kB", text, re.MULTILINE).group(1)) * 1024


def mapped(server):
    text = pathlib.Path(f"/proc/{server.pid}/maps").read_text()
    return [name for name in LIBRARIES if name in text]


def test_without_tls(root):
    """Neither library is there, and memory is what is promised for a thousand small requests at once."""
    server = Server("examples/tour", "--port", 0, "--root", root, "--quiet")
    with Crowd(server.address, MANY) as crowd:
        for _ in range(3):
            crowd.send(request(path="/json"), "GET")
            assert all(reply.status == 200 for reply in crowd.replies())
        private = anonymous(server)
    assert mapped(server) == []
    peak = server.peak()
    print(f"\nprivate {private / 1000:.0f} KB, peak resident {peak / MIB:.2f} MiB")
    server.stop()
    if not SANITIZE:
        assert private <= 600 * 1000 and peak <= 5 * 1000 * 1000


def test_with_tls(root):
    server = Server("examples/tour", "--port", 0, "--tls-port", 0, "--root", root, "--quiet")
    assert mapped(server) == list(LIBRARIES)
    server.stop()


@pytest.mark.skipif(SANITIZE != "", reason="a sanitizer has to be loaded first")
@pytest.mark.parametrize("hidden", ["libssl.so.3", "SSL_CTX_new", "EVP_CIPHER_fetch"])
def test_it_is_not_there(root, hidden):
    """The start is refused, by name; a process without TLS starts."""
    environment = {"LD_PRELOAD": str(BUILD / "tests/tools/lib_no_openssl.so"), "WEIR_HIDDEN": hidden}
    done = subprocess.run([BUILD / "examples/tour", "--port", "0", "--tls-port", "0", "--root", str(root)],
                          env=environment, capture_output=True, timeout=60, check=False)
    said = (done.stdout + done.stderr).decode()
    assert done.returncode != 0 and "listening on" not in said
    assert f"tls: {hidden} cannot be loaded: " in said, said
    server = Server("examples/tour", "--port", 0, "--root", root, "--quiet", environment=environment)
    assert server.ask().status == 200
    server.stop()
