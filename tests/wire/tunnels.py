"""Streams of bytes that an upgrade opens: by Upgrade in HTTP/1.1, plain and by TLS, and by extended CONNECT in HTTP/2,
whose client is python3-h2; and the servers that they are opened to.

SPDX-License-Identifier: MIT
"""

import contextlib
import socket

import pytest

import h2client
from client import request, take
from conftest import BUILD, Server

h2 = pytest.importorskip("h2")
import h2.config  # noqa: E402
import h2.connection  # noqa: E402
import h2.events  # noqa: E402
import h2.settings  # noqa: E402

WITH_HTTP2 = "WEIR_HTTP2:BOOL=OFF" not in (BUILD / "CMakeCache.txt").read_text()
KINDS = ["plain", "tls", "h2", "h2 tls"]


class Upgraded:
    """An HTTP/1.1 connection that has been upgraded, as bytes."""

    def __init__(self, address, path, behind=b"", context=None, protocol="echo", fields=(), **more):
        self.socket = socket.create_connection(address, 30)
        for option, value in more.items():
            self.socket.setsockopt(socket.SOL_SOCKET, getattr(socket, option), value)
        if context:
            self.socket = context.wrap_socket(self.socket, server_hostname="localhost")
        asked = [("Connection", "keep-alive, Upgrade"), ("Upgrade", protocol), *fields]
        self.socket.sendall(request(path=path, headers=asked) + behind)
        self.head = b""
        while not self.head.endswith(b"\r\n\r\n"):
            byte = self.socket.recv(1)
            assert byte, self.head
            self.head += byte
        lines = self.head.decode().split("\r\n")
        self.status = int(lines[0].split()[1])
        self.fields = dict(line.split(": ", 1) for line in lines[1:] if line)

    def send(self, data):
        self.socket.sendall(data)

    def end(self):
        """Ends this side."""
        if hasattr(self.socket, "unwrap"):  # Python's ssl has no half of a connection
            self.socket.unwrap()
        else:
            self.socket.shutdown(socket.SHUT_WR)

    def recv(self, size=65536):
        return self.socket.recv(size)

    def expect(self, data):
        take(self, data)  # which looks at socket alone

    def expect_end(self):
        assert self.recv(100) == b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()


class Tunnel:
    """A stream of HTTP/2 that an extended CONNECT has opened, the only one of its connection, as bytes."""

    def __init__(self, address, path, behind=b"", context=None, protocol="echo", fields=(), end=False):
        self.socket = socket.create_connection(address, 30)
        if context:
            context.set_alpn_protocols(["h2"])
            self.socket = context.wrap_socket(self.socket, server_hostname="localhost")
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
        self.h2.initiate_connection()
        self.raw = b""
        self.received, self.ended, self.reset, self.status, self.fields = b"", False, None, None, {}
        self.flush()
        while not self.h2.remote_settings.enable_connect_protocol:  # which is to be known before it is used
            assert self.take_events()
        self.id = self.h2.get_next_available_stream_id()
        self.h2.send_headers(self.id, [(":method", "CONNECT"), (":protocol", protocol), (":scheme", "http"),
                                       (":path", path), (":authority", "localhost"), *fields], end_stream=end)
        self.flush()
        if behind:
            self.send(behind)
        while self.status is None and self.reset is None:
            assert self.take_events()

    def flush(self):
        self.socket.sendall(self.h2.data_to_send())

    def take_events(self):
        data = self.socket.recv(65536)
        for event in self.h2.receive_data(self.without_goaway(data)) if data else []:
            if isinstance(event, h2.events.ResponseReceived):
                self.fields = dict(event.headers)
                self.status = int(self.fields[":status"])
            elif isinstance(event, h2.events.DataReceived):
                self.received += event.data
                self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            elif isinstance(event, h2.events.StreamEnded):
                self.ended = True
            elif isinstance(event, h2.events.StreamReset):
                self.reset = event.error_code
        self.flush()
        return bool(data)

    def without_goaway(self, data):
        """Whole frames but for GOAWAY, behind which python3-h2 takes nothing more."""
        self.raw += data
        kept = b""
        while len(self.raw) >= 9 and len(self.raw) >= (size := 9 + int.from_bytes(self.raw[:3], "big")):
            kept += self.raw[:size] if self.raw[3] != h2client.GOAWAY else b""
            self.raw = self.raw[size:]
        return kept

    def send(self, data):
        while data:
            window = min(self.h2.local_flow_control_window(self.id), 16384)
            if window == 0:
                assert self.take_events()
                continue
            self.h2.send_data(self.id, data[:window])
            self.flush()
            data = data[window:]

    def end(self):
        self.h2.end_stream(self.id)
        self.flush()

    def recv(self, size=65536):
        while not self.received and not self.ended and self.reset is None:
            assert self.take_events()
        piece, self.received = self.received[:size], self.received[size:]
        return piece

    def expect(self, data):
        got = b""
        while len(got) < len(data):
            piece = self.recv(len(data) - len(got))
            assert piece, (got[:100], self.reset)
            got += piece
        assert got == data

    def expect_end(self):
        assert self.recv() == b"" and self.ended and self.reset is None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()


class Site:
    def __init__(self, kind, pair, authority, *settings, program="upgraded"):
        self.kind = kind
        self.secure = "tls" in kind
        self.authority = authority
        self.http2 = "h2" in kind
        if self.http2 and not WITH_HTTP2:
            pytest.skip("a build without HTTP/2")
        self.server = Server(f"tests/programs/{program}", *(pair.arguments() if self.secure else []), *settings)
        self.address = self.server.address
        if self.secure:
            if "https" not in self.server.output:
                self.server._wait(r"listening on (https://\S+)\n", 10)
            self.address = ("127.0.0.1", int(self.server.output.rpartition(":")[2]))

    def open(self, path, *behind, **more):
        context = self.authority.context() if self.secure else None
        return (Tunnel if self.http2 else Upgraded)(self.address, path, *behind, context=context, **more)


@contextlib.contextmanager
def beginning(make):
    """What begins sites with settings, make(*settings); all of them are stopped at the end."""
    sites = []

    def begin(*settings):
        sites.append(make(*settings))
        return sites[-1]

    yield begin
    for site in sites:
        site.server.stop()
