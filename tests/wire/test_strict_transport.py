"""Strict-Transport-Security (RFC 6797): on replies by a secure transport alone, as their group says.

SPDX-License-Identifier: MIT
"""

import pytest

from conftest import Server

YEAR = "max-age=31536000"
CASES = [
    # path, X-Own, status, the field by a secure transport
    ("/strict", None, 200, YEAR),
    ("/strict/below", None, 200, YEAR + "; includeSubDomains; preload"),
    ("/strict/off", None, 200, None),
    ("/elsewhere", None, 200, None),
    ("/strict", "max-age=0", 200, "max-age=0"),
    ("/strict/off", "max-age=5", 200, "max-age=5"),
    ("/strict", "fail", 503, YEAR),
]


@pytest.fixture(scope="module", params=["plain", "unsteady=1"])
def server(request):
    server = Server("tests/programs/conform", *([] if request.param == "plain" else [request.param]))
    server.secure = request.param != "plain"
    yield server
    server.stop()


@pytest.mark.parametrize("path, own, status, field", CASES)
def test_by_group(server, path, own, status, field):
    with server.connect() as connection:
        for method in ("GET", "HEAD"):
            reply = connection.ask(method, path, headers={} if own is None else {"X-Own": own})
            assert reply.status == status
            if server.secure or own in ("max-age=0", "max-age=5"):  # what a handler sets is its own
                assert reply.header("Strict-Transport-Security") == field
            else:
                assert reply.header("Strict-Transport-Security") is None
            if method == "GET" and path.startswith("/strict") and status == 200:
                assert reply.text() == ("secure" if server.secure else "plain")
