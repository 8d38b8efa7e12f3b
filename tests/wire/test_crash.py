"""weir_catch_crash: what is told of a crash, and that the process ends as it would have without.

SPDX-License-Identifier: MIT
"""

import re
import resource
import signal
import subprocess

import pytest

from client import ProtocolError, request
from conftest import BUILD, SANITIZE

pytestmark = pytest.mark.skipif(bool(SANITIZE), reason="the sanitizer reports it in its own way")

PROGRAM = "tests/programs/crash"


def no_core():
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def crash(start, name, method="GET", path="/now/x"):
    """Has a request crash its server: the text on standard error."""
    server = start(PROGRAM, name, before=no_core)
    with server.connect() as connection, server.connect() as other:
        assert other.ask().status == 200
        connection.send(request(method, path), method)
        if path == "/later":
            assert other.ask().status == 200
        with pytest.raises((ProtocolError, ConnectionResetError)):
            connection.reply()
    number = signal.SIGSEGV if name == "overflow" else signal.Signals[name]
    assert server.process.wait(20) == -number
    return server.error_text()


@pytest.mark.parametrize("name, where", [
    ("SIGSEGV", " at address 0x0"), ("SIGABRT", ""), ("SIGILL", r" by the instruction at 0x[0-9a-f]+"), ("SIGFPE", ""),
    ("SIGBUS", "")])
@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_in_a_handler(start, name, where, method):
    text = crash(start, name, method)
    assert re.fullmatch(rf"weir: {name}{where} in worker 0, in the handler of /now/\{{how\}}, method {method}\n", text)


def test_after_a_wait(start):
    """The other request ran last, or runs next."""
    text = crash(start, "SIGSEGV", path="/later")
    assert text == "weir: SIGSEGV at address 0x0 in worker 0, in the handler of /later, method GET\n"


def test_while_a_head_is_refused(start):
    """The route of the request before, on the same fiber, is not the one that is told."""
    server = start(PROGRAM, "SIGSEGV", before=no_core)
    with server.connect() as connection:
        connection.send(request() + b"no request\r\n\r\n", "GET")
        with pytest.raises((ProtocolError, ConnectionResetError)):
            connection.reply()
    assert server.process.wait(20) == -signal.SIGSEGV
    assert server.error_text() == "weir: SIGSEGV at address 0x0 in worker 0, in a request without a route\n"


def test_an_overflow(start):
    """Is told as such, and where it was."""
    lines = crash(start, "overflow").splitlines()
    assert len(lines) == 2 and "stack overflow" in lines[0] and "stack_size" in lines[0]
    where = r"at address 0x[0-9a-f]+ in worker 0, in the handler of /now/\{how\}, method GET"
    assert re.fullmatch(rf"weir: SIGSEGV {where}", lines[1])


def test_in_an_offload_thread(start):
    text = crash(start, "SIGSEGV", path="/elsewhere")
    assert text == "weir: SIGSEGV at address 0x0 in a thread that is no worker's\n"


@pytest.mark.parametrize("name", ["SIGSEGV", "SIGABRT", "SIGBUS"])
@pytest.mark.parametrize("place, told", [
    ("main", " in a thread that is no worker's"), ("thread", " in a thread that is no worker's"),
    ("start", " in worker 0, outside of any request")])
def test_outside_of_any_request(name, place, told):
    command = [BUILD / PROGRAM, name, place]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, preexec_fn=no_core)
    assert done.returncode == -signal.Signals[name]
    where = " at address 0x0" if name == "SIGSEGV" else ""
    assert done.stderr == f"weir: {name}{where}{told}\n"


def test_sent_by_somebody(start):
    """A signal that no fault has caused ends the process, too."""
    server = start(PROGRAM, "SIGSEGV", before=no_core)
    server.process.send_signal(signal.SIGSEGV)
    assert server.process.wait(20) == -signal.SIGSEGV
    assert server.error_text() == "weir: SIGSEGV in a thread that is no worker's\n"
