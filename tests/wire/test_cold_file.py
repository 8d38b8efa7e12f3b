"""A file that is not in memory is fetched by another thread, so that a disk never stops a worker.

SPDX-License-Identifier: MIT
"""

import hashlib
import os
import time

import pytest

from conftest import Server

SIZE = 24 << 20


def drop_from_memory(path):
    """Asks the kernel to forget the file's pages."""
    fd = os.open(path, os.O_RDONLY)
    os.fsync(fd)
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(fd)


def is_cold(path):
    fd = os.open(path, os.O_RDONLY)
    try:
        os.preadv(fd, [bytearray(1)], SIZE // 2, os.RWF_NOWAIT)
        return False
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(fd)


@pytest.mark.parametrize("path", ["/file/large.bin", "/large"])
def test_cold_file(tmp_path, path):
    data = os.urandom(1 << 20) * (SIZE >> 20)
    (tmp_path / "large.bin").write_bytes(data)
    (tmp_path / "large_dataset.csv").write_text("a,b\n")
    server = Server("examples/tour", "--port", "0", "--root", tmp_path, "--quiet", "--workers", "1")
    try:
        threads = len(os.listdir(f"/proc/{server.pid}/task"))
        for _ in range(20):  # pages that are just being written cannot be dropped
            drop_from_memory(tmp_path / "large.bin")
            if is_cold(tmp_path / "large.bin"):
                break
            time.sleep(0.1)
        else:
            pytest.skip("this file system keeps files in memory")
        reply = server.ask("GET", path)
        assert reply.status == 200
        assert hashlib.sha256(reply.body).digest() == hashlib.sha256(data).digest()
        assert len(os.listdir(f"/proc/{server.pid}/task")) > threads
    finally:
        server.stop()
