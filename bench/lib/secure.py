"""TLS and HTTP/2: the protocols that peers speak, where, and clients that all offer the same.

What a server and a client agree on decides much of what a request costs. So the clients offer one thing alone, whatever the
server would like best: TLS 1.3, TLS_AES_256_GCM_SHA384, X25519. bench/secure says so itself; wrk and curl are told by a
configuration of OpenSSL, which they read, and h2load, which has lists of its own, by its command.

SPDX-License-Identifier: MIT
"""

import functools
import os
import re
import socket
import subprocess
import tempfile
from dataclasses import dataclass

from . import build, certificate, h2load, server

VERSION, CIPHER, GROUP = "TLSv1.3", "TLS_AES_256_GCM_SHA384", h2load.GROUP
CONFIGURATION = f"""openssl_conf = all
[all]
ssl_conf = ssl
[ssl]
system_default = offer
[offer]
MinProtocol = {VERSION}
Ciphersuites = {CIPHER}
Groups = {GROUP}
"""


@dataclass(frozen=True)
class Protocol:
    """One way to ask for the same."""

    name: str
    title: str
    tls: bool
    h2: bool

    @property
    def scheme(self):
        """The scheme of its URLs."""
        return "https" if self.tls else "http"

    def port(self, instance):
        """Where a running peer, or a server, speaks it."""
        return instance.tls_port if self.tls else instance.h2c_port if self.h2 else instance.port

    def url(self, instance):
        """Where it is, without a path."""
        return f"{self.scheme}://127.0.0.1:{self.port(instance)}"


PROTOCOLS = {
    each.name: each
    for each in (
        Protocol("http", "HTTP/1.1", tls=False, h2=False),
        Protocol("https", "HTTP/1.1 over TLS", tls=True, h2=False),
        Protocol("h2", "HTTP/2 over TLS", tls=True, h2=True),
        Protocol("h2c", "HTTP/2 without TLS", tls=False, h2=True),
    )
}

RECORDS = {"OpenSSL's records": (), "lean records": ("--lean-records",)}  # the ways in which weir speaks TLS, and the tour's words

CURL_VERSION = {False: "--http1.1", True: "--http2"}


def environment():
    """The environment in which clients that use OpenSSL offer what all do."""
    path = os.path.join(build.ROOT, "build", "bench", "openssl.cnf")
    if not os.path.exists(path):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=os.path.dirname(path), delete=False) as file:
            file.write(CONFIGURATION)
        os.replace(file.name, path)
    return {**os.environ, "OPENSSL_CONF": path}


def curl(protocol, url, *more):
    """A command line of curl."""
    version = "--http2-prior-knowledge" if protocol.h2 and not protocol.tls else CURL_VERSION[protocol.h2]
    return ["curl", "--silent", "--show-error", "--fail", "--insecure", version, *more, url]


def fetch(protocol, instance, path, folder):
    """(HTTP's version, media type, path of the body) of one reply of status 200, by curl. RuntimeError if there is none."""
    body = os.path.join(folder, "body")
    line = curl(protocol, protocol.url(instance) + path, "--output", body, "--max-time", "60", "--write-out", "%{http_version} %{content_type}")
    done = subprocess.run(line, capture_output=True, text=True, env=environment(), check=False)
    if done.returncode != 0:
        raise RuntimeError(done.stderr.strip()[-200:] or f"curl ended with status {done.returncode}")
    version, _, media = done.stdout.partition(" ")
    return version, re.sub(r"\s*;.*", "", media).lower(), body


def tour_options(*more):
    """The words by which the tour speaks TLS as well, by the certificate that all peers serve."""
    cert, key = certificate.pair()
    return ["--tls-port", "0", "--cert", cert, "--key", key, *more]


@functools.cache
def tour_serves(path, *words):
    """Whether a tour serves https, with more words for it: it may have been built without TLS."""
    try:
        with server.Server(server.tour_command(path, 1, more=tour_options(*words)), quiet=True):
            return True
    except RuntimeError:
        return False


def speaks_h2c(host, port):
    """Whether a server answers the preface of HTTP/2 by its settings."""
    with socket.create_connection((host, port), timeout=10) as connection:
        connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0)))
        head = b""
        while len(head) < 9:
            more = connection.recv(9 - len(head))
            if not more:
                return False
            head += more
    return head[3] == 4  # a frame of SETTINGS
