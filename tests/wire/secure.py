"""Certificates for tests, made by the openssl command, and a client's side of TLS by Python's ssl.

Authority is a certificate authority in a folder of its own. issue() gives a Pair of files; context() a client that
trusts the authority. Connection is client.Connection behind a handshake.

SPDX-License-Identifier: MIT
"""

import json
import os
import pathlib
import ssl
import subprocess

import client
import pytest


def openssl(*arguments, text=None):
    """Runs the openssl command; its standard output."""
    done = subprocess.run(["openssl", *map(str, arguments)], input=text, capture_output=True, check=False)
    assert done.returncode == 0, f"openssl {arguments}: {done.stderr.decode()}"
    return done.stdout


KEYS = {
    "p256": ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
    "p384": ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"],
    "rsa": ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
    "ed25519": ["-algorithm", "ED25519"],
}


class Pair:
    """A certificate's file and its key's."""

    def __init__(self, certificate, key):
        self.certificate = pathlib.Path(certificate)
        self.key = pathlib.Path(key)

    def arguments(self):
        return [f"certificate={self.certificate}", f"key={self.key}"]

    def serial(self):
        return openssl("x509", "-in", self.certificate, "-noout", "-serial").decode().strip().partition("=")[2]

    def replace(self, other):
        """Takes the place of another pair: each file at once, one after the other, as certbot does."""
        for mine, its in ((self.certificate, other.certificate), (self.key, other.key)):
            partial = mine.with_suffix(".new")
            partial.write_bytes(its.read_bytes())
            partial.rename(mine)


class Authority:
    """Signs certificates with a key of its own."""

    def __init__(self, folder, name="test authority"):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.count = 0
        self.pair = Pair(self.folder / "ca.pem", self.folder / "ca.key")
        openssl("genpkey", *KEYS["p256"], "-out", self.pair.key)
        openssl("req", "-x509", "-new", "-key", self.pair.key, "-out", self.pair.certificate, "-days", "2",
                "-subj", f"/CN={name}", "-addext", "basicConstraints=critical,CA:TRUE")

    def issue(self, *names, key="p256", subject=None, days=2):
        """A pair for names (DNS names, or addresses). A negative number of days: it has expired."""
        self.count += 1
        base = self.folder / f"{self.count}"
        made = Pair(base.with_suffix(".pem"), base.with_suffix(".key"))
        openssl("genpkey", *KEYS[key], "-out", made.key)
        request = openssl("req", "-new", "-key", made.key, "-subj", subject or f"/CN={names[0] if names else 'nobody'}")
        extensions = self.folder / "extensions"
        listed = ",".join(f"IP:{name}" if name[0].isdigit() and name[-1].isdigit() else f"DNS:{name}" for name in names)
        extensions.write_text(f"subjectAltName={listed}\n" if names else "keyUsage=digitalSignature\n")
        if days < 0:
            return self._expired(made, request, extensions)
        made.certificate.write_bytes(openssl(
            "x509", "-req", "-CA", self.pair.certificate, "-CAkey", self.pair.key, "-set_serial", self._serial(),
            "-extfile", extensions, "-days", days, text=request))
        return made

    def _serial(self):
        return 1000 + self.count

    def _expired(self, made, request, extensions):
        """By the command that keeps an authority's book: the other one takes no date in the past."""
        (self.folder / "request").write_bytes(request)
        (self.folder / "index").write_text("")
        (self.folder / "serial").write_text(f"{self._serial():04X}\n")
        settings = self.folder / "settings"
        settings.write_text(f"[ca]\ndefault_ca=own\n[own]\ndatabase={self.folder}/index\nserial={self.folder}/serial\n"
                            f"new_certs_dir={self.folder}\ndefault_md=sha256\npolicy=any\n[any]\ncommonName=supplied\n")
        openssl("ca", "-batch", "-config", settings, "-cert", self.pair.certificate, "-keyfile", self.pair.key,
                "-in", self.folder / "request", "-out", made.certificate, "-extfile", extensions, "-notext",
                "-startdate", "20200101000000Z", "-enddate", "20210101000000Z")
        return made

    def staple(self, pair):
        """A file with an OCSP response that says that pair's certificate is good."""
        (self.folder / "known").write_text(f"V\t490101000000Z\t\t{pair.serial()}\tunknown\t/CN=known\n")
        path = pair.certificate.with_suffix(".ocsp")
        openssl("ocsp", "-index", self.folder / "known", "-CA", self.pair.certificate, "-rsigner", self.pair.certificate,
                "-rkey", self.pair.key, "-issuer", self.pair.certificate, "-cert", pair.certificate, "-respout", path,
                "-ndays", 2)
        return path

    def context(self, *, low=None, high=None, alpn=None, ciphers=None, pair=None):
        """A client that trusts this authority alone."""
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        made.load_verify_locations(self.pair.certificate)
        made.check_hostname = True
        if low:
            made.minimum_version = low
        if high:
            made.maximum_version = high
        if alpn:
            made.set_alpn_protocols(alpn)
        if ciphers:
            made.set_ciphers(ciphers)
        if pair:
            made.load_cert_chain(pair.certificate, pair.key)
        return made


TLS12 = ssl.TLSVersion.TLSv1_2
TLS13 = ssl.TLSVersion.TLSv1_3


def blind_context():
    """A client that trusts whoever answers."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname = False
    made.verify_mode = ssl.CERT_NONE
    return made


def skip_without_tls():
    """Leaves a test out in a build without TLS."""
    build = pathlib.Path(os.environ.get("WEIR_BUILD", pathlib.Path(__file__).parents[2] / "build" / "release"))
    if "WEIR_TLS:BOOL=OFF" in (build / "CMakeCache.txt").read_text():
        pytest.skip("a build without TLS")


def raw_socket(server, timeout=20):
    """A connection to a server's TLS port on which nothing has been sent."""
    return client.open_socket(server.address, timeout)


class Connection(client.Connection):
    """A connection through its handshake; otherwise a client.Connection."""

    def __init__(self, server, context, name="localhost", session=None, sink=None, timeout=20):
        super().__init__(server.address, sink, timeout)
        try:
            self.socket = context.wrap_socket(self.socket, server_hostname=name, session=session)
        except BaseException:
            self.socket.close()
            raise

    def info(self):
        """What the server says of this connection."""
        return json.loads(self.ask(path="/info").text())

    def certificate_serial(self):
        return self.socket.getpeercert()["serialNumber"]
