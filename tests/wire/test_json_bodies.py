"""Bodies of JSON that nest as deep as a client likes, parsed by json-c, cJSON and jansson with their own limits on
depth, in each of the ways that docs/handlers.md advises: the server answers, lives, and has its memory back
(tests/programs/json).

SPDX-License-Identifier: MIT
"""

import json
import pathlib
import re
import signal

import pytest

from client import ProtocolError
from conftest import SANITIZE
from faults import wait_for

# JSON_TOKENER_DEFAULT_DEPTH, CJSON_NESTING_LIMIT, JSON_PARSER_MAX_DEPTH
LIMITS = {"jsonc": 32, "cjson": 1000, "jansson": 2048}
SCALARS_COUNT = ("jsonc", "jansson")  # what lies within the innermost array is one deeper
MB = 1000000


def arrays(depth):
    return b"[" * depth + b"]" * depth


def objects(depth):
    return b'{"a":' * (depth - 1) + b"{}" + b"}" * (depth - 1)


def mixed(depth):
    """A scalar in the innermost array, and much beside it."""
    inner = b'[1,[],"[[[[",' * (depth - 1) + b"[1]" + b"]" * (depth - 1)
    return b"\n\t " + inner + b" \n"


def post(server, path, body):
    return server.ask("POST", path, body=body).status


def accounts(server):
    return {a["name"]: a for a in json.loads(server.ask(path="/ledger").body)["memory"]["accounts"]}


def outside_heaps(server):
    """Bytes of private memory that are none of malloc's: its heaps keep pages of what was freed."""
    text = pathlib.Path(f"/proc/{server.pid}/smaps").read_text()
    total = 0
    for mapping in re.split(r"^(?=[0-9a-f]+-[0-9a-f]+ )", text, flags=re.MULTILINE)[1:]:
        start = int(mapping.partition("-")[0], 16)
        if "[heap]" not in mapping and start % (64 << 20):
            total += int(re.search(r"^Private_Dirty: +(\d+) kB", mapping, re.MULTILINE).group(1)) * 1024
    return total


def ways(library):
    return ["/deep", "/offload", "/fail"] + (["/stream"] if library == "jsonc" else [])


@pytest.mark.threaded
@pytest.mark.parametrize("library", LIMITS)
def test_at_the_limit(start, library):
    """One below, at, and one beyond the limit of the library."""
    server = start(f"tests/programs/json_{library}")
    limit = LIMITS[library]
    for path in ways(library):
        refused = 422 if path == "/fail" else 400
        for make in (arrays, objects):
            statuses = [post(server, path, make(limit + more)) for more in (-1, 0, 1)]
            assert statuses == [200, 200, refused], (path, make)
        scalar = library in SCALARS_COUNT
        statuses = [post(server, path, mixed(limit - scalar + more)) for more in (-1, 0, 1)]
        assert statuses == [200, 200, refused], path
        assert post(server, path, b'{"an":"ordinary body","of":[1,2,3]}') == 200
        assert post(server, path, b"no JSON") == refused


@pytest.mark.parametrize("library", LIMITS)
def test_a_megabyte_of_brackets(start, library):
    """What 4 KB did is not done by 1 MB either."""
    server = start(f"tests/programs/json_{library}")
    for path in ways(library) + ["/checked"]:
        refused = 422 if path == "/fail" else 400
        for body in (b"[" * 4096, b"[" * MB, b'{"a":' * (MB // 5), b'[{"":' * (MB // 5), b'["\\"",' * (MB // 6),
                     arrays(MB // 2)):
            assert post(server, path, body) == refused, (path, body[:10])
        assert post(server, path, b"[1,2,3]") == 200


@pytest.mark.parametrize("library", LIMITS)
def test_checked_before(start, library):
    """What weir_json_depth() finds shallow is parsed on the handler's own stack; brackets in strings do not count."""
    server = start(f"tests/programs/json_{library}")
    most = min(64, LIMITS[library])
    for make in (arrays, objects):
        assert [post(server, "/checked", make(most + more)) for more in (-1, 0, 1)] == [200, 200, 400]
    assert post(server, "/checked", b'["' + b"[" * 100000 + b'","\\"' + b"{" * 100000 + b'"]') == 200


@pytest.mark.parametrize("library", LIMITS)
def test_memory_is_back(start, library):
    """After a burst of deep bodies nothing of the stacks stays: neither in the ledger nor in the process."""
    server = start(f"tests/programs/json_{library}")
    wide = b"[" + b"[]," * LIMITS["jansson"] + b"[]]"  # as many values as the deep ones have
    deep = arrays(LIMITS[library])
    for path in ("/deep", "/offload"):
        for _ in range(20):
            assert post(server, path, wide) == 200
    wait_for(lambda: accounts(server)["deep stacks"]["reserved"] == 0, lambda: accounts(server)["deep stacks"])
    offloaded = accounts(server)["offload threads"]
    before = outside_heaps(server)
    for path in ("/deep", "/offload"):
        for _ in range(50):
            assert post(server, path, deep) == 200
    row = accounts(server)["deep stacks"]
    assert row["peak"] == 1 << 20 and row["in_use"] == 0 and row["refused"] == 0
    wait_for(lambda: accounts(server)["deep stacks"]["reserved"] == 0, lambda: accounts(server)["deep stacks"])
    assert accounts(server)["offload threads"]["reserved"] <= offloaded["reserved"]
    if SANITIZE:
        return  # its own memory grows
    # The thread keeps 64 KiB of its stack.
    wait_for(lambda: outside_heaps(server) <= before + (80 << 10), lambda: (before, outside_heaps(server)))


def test_stacks_under_a_limit(start):
    """Where memory is short, the stacks are smaller and still large enough for all that cJSON accepts."""
    server = start("tests/programs/json_cjson", f"memory_limit={8 << 20}")
    for path in ("/deep", "/offload"):
        assert [post(server, path, arrays(1000 + more)) for more in (-1, 0, 1)] == [200, 200, 400]
    assert accounts(server)["deep stacks"]["peak"] == 256 << 10


def test_no_memory_for_the_stack(start):
    """A stack that is refused is an error of the call, and others are served."""
    server = start("tests/programs/json_cjson", f"memory_limit={4 << 20}", f"deep_stack_size={8 << 20}")
    assert post(server, "/deep", b"[]") == 503
    assert post(server, "/checked", b"[]") == 200
    assert accounts(server)["deep stacks"]["refused"] >= 1


def dies(server, path, body, number):
    with pytest.raises((ProtocolError, ConnectionResetError)):
        server.ask("POST", path, body=body)
    assert server.process.wait(10) == -number
    return server.error_text()


@pytest.mark.skipif(bool(SANITIZE), reason="the sanitizer reports it in its own way")
@pytest.mark.parametrize("library", ["cjson", "jansson"])
def test_what_the_manual_warns_of(start, library):
    """On the handler's own stack, unchecked, 4 KB end the process, with a message that names the setting. Larger stacks
    that are set too small have messages of their own."""
    server = start(f"tests/programs/json_{library}")
    assert post(server, "/bare", arrays(64)) == 200
    text = dies(server, "/bare", b"[" * 4096, signal.SIGSEGV)
    assert "stack overflow" in text and " stack_size" in text, text
    small = start(f"tests/programs/json_{library}", "deep_stack_size=65536")
    text = dies(small, "/deep", b"[" * 4096, signal.SIGSEGV)
    assert "weir_call_deep()" in text and "deep_stack_size" in text, text
    small = start(f"tests/programs/json_{library}", "offload_stack_size=65536")
    text = dies(small, "/offload", b"[" * 4096, signal.SIGSEGV)
    assert "an offloaded function" in text and "offload_stack_size" in text, text


def test_a_wait_on_the_deep_stack_is_told(start):
    server = start("tests/programs/json_cjson")
    text = dies(server, "/wait", b"", signal.SIGABRT)
    assert "a handler waits in a function that was called by weir_call_deep()" in text, text
