"""What the kernel holds for a server's sockets, and where a reply ends.

SPDX-License-Identifier: MIT
"""

import socket
import time

import pytest
from lib import sockets
from lib.load import ends_reply


@pytest.mark.parametrize("family, address", [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::")])
def test_sockets_of_both_families_are_found(family, address):
    with socket.create_server((address, 0), family=family, dualstack_ipv6=family == socket.AF_INET6) as listener:
        port = listener.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as client:
            accepted, _ = listener.accept()
            with accepted:
                client.sendall(b"x" * 10000)
                deadline = time.monotonic() + 30
                while sockets.server_socket_memory(port)[1] < 10000:
                    assert time.monotonic() < deadline
                    time.sleep(0.01)
                assert sockets.server_socket_memory(port)[0] == 1


@pytest.mark.parametrize(
    "reply",
    [b"HTTP/1.1 200 OK\r\ncontent-length:3\r\n\r\nabc", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"],
)
def test_a_reply_ends_with_its_last_byte(reply):
    assert ends_reply(reply)
    assert not any(ends_reply(reply[:length]) for length in range(len(reply)))
