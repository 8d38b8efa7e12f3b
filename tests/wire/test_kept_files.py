"""Small files stay open between requests for them, and nobody can tell: what has changed is seen by the next request.

A file is kept only when it has not changed for two seconds, so each test begins with files that have settled.

SPDX-License-Identifier: MIT
"""

import os
import pathlib
import resource
import shutil
import time

import pytest

from client import request
from faults import descriptors, ledger, limit, wait_for

HELLO = b"Hello from a file.\n"
SETTLED = 3.1  # seconds
FILES = 64


@pytest.fixture(scope="module")
def settled(tmp_path_factory):
    """A folder for each test, made long enough ago; what lies beside the served one must not be reached."""
    base = tmp_path_factory.mktemp("settled")
    for number in range(30):
        folder = base / str(number)
        (folder / "root" / "nested").mkdir(parents=True)
        (folder / "outside").mkdir()
        (folder / "root" / "hello.txt").write_bytes(HELLO)
        (folder / "root" / "nested" / "deep.txt").write_bytes(b"deep")
        (folder / "root" / "link").symlink_to("nested/deep.txt")
        (folder / "outside" / "deep.txt").write_bytes(b"SECR")
        (folder / "other.txt").write_bytes(b"Another file's text")
    many = base / "many"
    many.mkdir()
    for i in range(3 * FILES):
        (many / f"{i}.txt").write_text(f"file {i}")
    time.sleep(SETTLED)
    folders = iter(sorted(path for path in base.iterdir() if path.name != "many"))
    return {"next": lambda: next(folders), "many": many}


@pytest.fixture
def folder(settled):
    return settled["next"]()


@pytest.fixture
def server(start_probe, folder):
    return start_probe("workers=1", f"root={folder / 'root'}")


def kept(server, below):
    """Paths of the files below a folder that the server has open."""
    found = []
    for fd in pathlib.Path(f"/proc/{server.pid}/fd").iterdir():
        try:
            target = os.readlink(fd)
        except FileNotFoundError:
            continue
        if target.startswith(f"{below}/"):
            found.append(target)
    return sorted(found)


@pytest.fixture
def asks(server, folder):
    """Asks on one connection. The file asked for first is kept when the test begins."""
    with server.connect(timeout=60) as connection:
        def ask(name="hello.txt", method="GET"):
            return connection.ask(method, f"/file/{name}")

        assert ask().body == HELLO
        assert kept(server, folder) == [str(folder / "root" / "hello.txt")]
        yield ask


def test_is_kept_and_let_go(server, folder, asks):
    """The same answer each time, HEAD too; closed after a while, and its memory given back."""
    first = asks()
    for _ in range(20):
        again = asks()
        assert again.status == 200 and again.body == HELLO
        assert [line for line in again.headers if line[0] != "Date"] == [line for line in first.headers if line[0] != "Date"]
        head = asks(method="HEAD")
        assert head.header("Content-Length") == str(len(HELLO)) and head.body == b""
        assert head.header("Last-Modified") == first.header("Last-Modified")
    assert len(kept(server, folder)) == 1
    assert ledger(server)["accounts"]["open files"]["objects"] == 1
    wait_for(lambda: not kept(server, folder), seconds=10)
    assert ledger(server)["accounts"]["open files"]["in_use"] == 0


def test_pipelined(server, folder, asks):
    """Also where replies fill the buffer, and files are sent in another way."""
    (folder / "root" / "hello.txt").write_bytes(b"x" * 4096)
    time.sleep(SETTLED)
    with server.connect(timeout=60) as connection:
        for _ in range(3):
            connection.send(request(path="/file/hello.txt") * 30, *["GET"] * 30)
            for _ in range(30):
                assert connection.reply().body == b"x" * 4096
    assert len(kept(server, folder)) == 1


def test_pipelined_without_a_descriptor(server, folder, asks):
    """A file that is open is not opened again, either, where replies fill the buffer."""
    (folder / "root" / "hello.txt").write_bytes(b"x" * 4096)
    time.sleep(SETTLED)
    with server.connect(timeout=60) as connection:
        for _ in range(10):  # it may have been let go of meanwhile
            assert connection.ask("GET", "/file/hello.txt").body == b"x" * 4096
            used = {int(fd) for fd in os.listdir(f"/proc/{server.pid}/fd")}
            old = limit(server, resource.RLIMIT_NOFILE, min(set(range(len(used) + 1)) - used))
            connection.send(request(path="/file/hello.txt") * 30, *["GET"] * 30)
            replies = [connection.reply() for _ in range(30)]
            limit(server, resource.RLIMIT_NOFILE, old)
            if all(reply.status == 200 for reply in replies):
                break
        assert all(reply.body == b"x" * 4096 for reply in replies)
    wait_for(lambda: not kept(server, folder), seconds=10)
    assert ledger(server)["accounts"]["file handles"]["in_use"] == 0


def test_rewritten_in_place(folder, asks):
    path = folder / "root" / "hello.txt"
    for text in [b"Jello from a file.\n", b"longer than it was before\n", b"short", b"", b"Jello"]:
        path.write_bytes(text)
        assert asks().body == text
    os.truncate(path, 2)
    assert asks().body == b"Je"


def test_rewritten_within_a_tick(folder, asks):
    """The same length, and times that are put back: the bytes are read each time."""
    path = folder / "root" / "hello.txt"
    times = os.stat(path)
    for i in range(200):
        text = b"%-18d\n" % i
        with open(path, "r+b") as file:
            file.write(text)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
        assert asks().body == text


def test_replaced_by_rename(folder, asks):
    """By a file that has settled as well, of the same length and with the same time."""
    path, other = folder / "root" / "hello.txt", folder / "other.txt"
    times = os.stat(path)
    os.utime(other, ns=(times.st_atime_ns, times.st_mtime_ns))
    os.replace(other, path)
    assert asks().body == b"Another file's text"


def test_renamed_away_and_back(server, folder, asks):
    path, away = folder / "root" / "hello.txt", folder / "root" / "away.txt"
    for _ in range(5):
        path.rename(away)
        assert asks().status == 404
        assert asks("away.txt").body == HELLO
        away.rename(path)
        assert asks().body == HELLO
        assert asks("away.txt").status == 404


def test_removed(server, folder, asks):
    """Nothing is held of it: its space is free again."""
    (folder / "root" / "hello.txt").unlink()
    assert asks().status == 404
    assert kept(server, folder) == []


def test_removed_and_not_asked_for(server, folder, asks):
    (folder / "root" / "hello.txt").unlink()
    assert kept(server, folder) == [f"{folder / 'root' / 'hello.txt'} (deleted)"]
    wait_for(lambda: not kept(server, folder), seconds=10)


def test_time_of_change(folder, asks):
    path = folder / "root" / "hello.txt"
    os.utime(path, (1000000000, 1000000000))
    assert asks().header("Last-Modified") == "Sun, 09 Sep 2001 01:46:40 GMT"


def test_permissions(server, folder, asks):
    """Of the file and of a folder on its way. Who may read everything finds it open anew."""
    path = folder / "root" / "hello.txt"
    allowed = os.geteuid() == 0
    path.chmod(0)
    assert asks().status == (200 if allowed else 403)
    assert kept(server, folder) == []
    path.chmod(0o644)
    assert asks().status == 200
    (folder / "root").chmod(0)
    assert asks().status == (200 if allowed else 403)
    (folder / "root").chmod(0o755)
    assert asks().status == 200


def test_root_is_replaced(folder, asks):
    """By a folder whose file has settled: a release that is switched to."""
    (folder / "root").rename(folder / "old")
    assert asks().status == 404
    shutil.copytree(folder / "old", folder / "root")
    (folder / "root" / "hello.txt").write_bytes(b"a new release")
    assert asks().body == b"a new release"


def test_link_is_switched(server, folder, asks):
    """A link within the folder leads elsewhere: to another file, and then out."""
    link = folder / "root" / "link"
    assert asks("link").body == b"deep" and asks("link").body == b"deep"
    assert str(folder / "root" / "nested" / "deep.txt") in kept(server, folder)
    link.unlink()
    link.symlink_to("hello.txt")
    assert asks("link").body == HELLO
    link.unlink()
    link.symlink_to(folder / "outside" / "deep.txt")
    for _ in range(3):
        assert asks("link").status in (403, 404)


def test_folder_becomes_a_link_out(server, folder, asks):
    """The same name and length outside: it is not what was opened beneath the root."""
    assert asks("nested/deep.txt").body == b"deep" and asks("nested/deep.txt").body == b"deep"
    assert str(folder / "root" / "nested" / "deep.txt") in kept(server, folder)
    (folder / "root" / "nested").rename(folder / "root" / "was-nested")
    (folder / "root" / "nested").symlink_to("../outside")
    for _ in range(3):
        assert asks("nested/deep.txt").status in (403, 404)
    assert asks("../outside/deep.txt").status in (400, 403, 404)


def test_folder_is_moved_out(folder, asks):
    """A link leads to the very file, which is outside now: not for long, though it is asked for all the time."""
    assert asks("nested/deep.txt").body == b"deep"
    (folder / "root" / "nested").rename(folder / "outside" / "nested")
    (folder / "root" / "nested").symlink_to("../outside/nested")
    wait_for(lambda: asks("nested/deep.txt").status in (403, 404), seconds=10)


def test_becomes_a_folder(folder, asks):
    (folder / "root" / "hello.txt").unlink()
    (folder / "root" / "hello.txt").mkdir()
    assert asks().status == 404


@pytest.mark.parametrize("most", ["64", "8", "-1"])
def test_bounded(start_probe, settled, most):
    """More files than are kept: all are right, in any order, and no more than so many stay open."""
    server = start_probe("workers=1", f"root={settled['many']}", f"open_files={most}")
    before = descriptors(server)
    bound = max(0, int(most))
    with server.connect(timeout=60) as connection:
        for turn in range(3):
            for i in range(3 * FILES):
                number = i * 7 % (3 * FILES) if turn else i
                assert connection.ask(path=f"/file/{number}.txt").body == b"file %d" % number
            assert bound // 2 <= len(kept(server, settled["many"])) <= bound
    assert ledger(server)["accounts"]["open files"]["objects"] <= bound
    wait_for(lambda: descriptors(server) <= before, seconds=10)


def test_look_that_holds(start_probe, folder):
    """With open_files_valid_ms, what was found is sent for so long; then the change is seen."""
    server = start_probe("workers=1", f"root={folder / 'root'}", "open_files_valid_ms=1500")
    with server.connect(timeout=60) as connection:
        began = time.monotonic()
        assert connection.ask(path="/file/hello.txt").body == HELLO
        assert kept(server, folder) == [str(folder / "root" / "hello.txt")]
        shutil.move(folder / "other.txt", folder / "root" / "hello.txt")
        seen = connection.ask(path="/file/hello.txt").body
        if time.monotonic() - began < 1.4:  # else this machine was held up, and it may have looked again
            assert seen == HELLO
        wait_for(lambda: connection.ask(path="/file/hello.txt").body == b"Another file's text")
        assert time.monotonic() - began > 1.4


@pytest.mark.parametrize("text", [b"longer than it was, by far", b"short", b""])
def test_rewritten_while_a_look_holds(start_probe, folder, text):
    """What is sent is whole: a file that is no longer as long as it was found is opened anew."""
    server = start_probe("workers=1", f"root={folder / 'root'}", "open_files_valid_ms=2000")
    with server.connect(timeout=60) as connection:
        assert connection.ask(path="/file/hello.txt").body == HELLO
        assert kept(server, folder) == [str(folder / "root" / "hello.txt")]
        (folder / "root" / "hello.txt").write_bytes(text)
        assert connection.ask(path="/file/hello.txt").body == text


def test_just_changed_is_not_kept(server, folder, asks):
    """It may change again within the same tick of the file system's clock, and look the same."""
    path = folder / "root" / "hello.txt"
    path.write_bytes(b"new")
    assert asks().body == b"new"
    assert kept(server, folder) == []
