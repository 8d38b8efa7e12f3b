"""The 100 MB file to a hundred clients at once, by hand and by one call: every byte right, peak memory printed.

SPDX-License-Identifier: MIT
"""

import hashlib
import subprocess
import time

import pytest

from client import Compare, Crowd, request
from conftest import MIB, SANITIZE, Server

CLIENTS = 10 if SANITIZE else 100
SIZE = 100 * MIB
# Of the whole process, peak. By hand there are a hundred stacks and buffers; in both the tour has what compresses loaded.
LIMIT = {"/file/large.bin": 5.5 * 10**6, "/large": 6.25 * 10**6}


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """A tour that makes its own samples, and the bytes of the large one."""
    folder = tmp_path_factory.mktemp("large")
    server = Server("examples/tour", "--port", 0, "--root", folder)
    yield server, folder
    server.stop()


@pytest.fixture(scope="module")
def expected(served):
    return (served[1] / "large.bin").read_bytes()


def test_samples_are_made(served, expected):
    """Once, whole, the same everywhere, and said so."""
    server, folder = served
    assert "large.bin" in server.output and "large_dataset.csv" in server.output
    assert sorted(path.name for path in folder.iterdir()) == ["large.bin", "large_dataset.csv"]
    assert len(expected) == SIZE and len(set(expected[:65536])) == 256
    data = (folder / "large_dataset.csv").read_bytes()
    assert data.count(b"\n") == 1000000 and data.endswith(b"\n") and data.upper() != data
    before = (folder / "large.bin").stat().st_mtime_ns
    second = Server("examples/tour", "--port", 0, "--root", folder)
    second.stop()
    assert "making" not in second.output and (folder / "large.bin").stat().st_mtime_ns == before


@pytest.mark.parametrize("path", ["/file/large.bin", "/large"])
@pytest.mark.parametrize("clients", [1, CLIENTS])
def test_large_file(served, expected, path, clients):
    server = Server("examples/tour", "--port", 0, "--root", served[1], "--quiet")
    began = time.monotonic()
    with Crowd(server.address, clients, sink=lambda: Compare(expected), timeout=500) as crowd:
        crowd.send(request(path=path), "GET")
        for reply in crowd.replies():
            assert reply.status == 200 and reply.received == SIZE
            assert reply.header("Content-Length") == str(SIZE)
    took = time.monotonic() - began
    peak = server.peak()
    print(f"\n{path} to {clients} clients: {took:.1f} s, peak resident memory {peak / MIB:.2f} MiB, "
          f"server processor time {server.cpu():.2f} s")
    server.stop()
    if not SANITIZE:
        assert peak <= LIMIT[path]


@pytest.mark.parametrize("path", ["/file/large.bin", "/large"])
def test_checksum_by_curl(served, expected, path):
    command = ["curl", "-sS", served[0].url + path]
    digest = hashlib.sha256()
    with subprocess.Popen(command, stdout=subprocess.PIPE) as client:
        while data := client.stdout.read(MIB):
            digest.update(data)
    assert client.returncode == 0
    assert digest.digest() == hashlib.sha256(expected).digest()


def test_large_csv(served):
    """A million lines, upper-cased."""
    server, folder = served
    data = (folder / "large_dataset.csv").read_bytes().upper()
    with server.connect(sink=Compare(data), timeout=120) as connection:
        assert connection.ask(path="/csv").received == len(data)
