"""A client whose records are made by hand: Python's ssl shakes hands, its key log tells the secrets, and from there on
each record is sealed and opened here, so that a test can send what no library would, and sees what each record holds.

The AEAD ciphers are OpenSSL's, by ctypes; keys, nonces and framing are written from RFC 5246, 5288, 7905 and 8446 and
share nothing with the server's.

SPDX-License-Identifier: MIT
"""

import ctypes
import ctypes.util
import hashlib
import hmac
import os
import re
import socket
import ssl
import struct
import tempfile

ALERT, HANDSHAKE, DATA = 21, 22, 23
CLOSE_NOTIFY = b"\x01\x00"
KEY_UPDATE, KEY_UPDATE_ASK = b"\x18\0\0\x01\0", b"\x18\0\0\x01\x01"

crypto = ctypes.CDLL(ctypes.util.find_library("crypto"))
for name in ("EVP_CIPHER_CTX_new", "EVP_aes_128_gcm", "EVP_aes_256_gcm", "EVP_chacha20_poly1305"):
    getattr(crypto, name).restype = ctypes.c_void_p

# IANA number: cipher, its key's length, hash
SUITES = {
    0x1301: ("EVP_aes_128_gcm", 16, "sha256"), 0x1302: ("EVP_aes_256_gcm", 32, "sha384"),
    0x1303: ("EVP_chacha20_poly1305", 32, "sha256"), 0xC02B: ("EVP_aes_128_gcm", 16, "sha256"),
    0xC02C: ("EVP_aes_256_gcm", 32, "sha384"), 0xCCA9: ("EVP_chacha20_poly1305", 32, "sha256"),
}


class BadTag(Exception):
    """A record's tag is not that of its bytes."""


def aead(cipher, key, nonce, additional, text, tag=None):
    """Seals text (the tag is behind what is returned), or opens it where its tag is given."""
    sealing, made = tag is None, ctypes.c_int()
    ctx = ctypes.c_void_p(crypto.EVP_CIPHER_CTX_new())
    out = ctypes.create_string_buffer(len(text) + 16)
    kind = ctypes.c_void_p(getattr(crypto, cipher)())
    try:
        assert crypto.EVP_CipherInit_ex(ctx, kind, None, key, nonce, int(sealing)) > 0
        assert crypto.EVP_CipherUpdate(ctx, None, ctypes.byref(made), additional, len(additional)) > 0
        if text:
            assert crypto.EVP_CipherUpdate(ctx, out, ctypes.byref(made), text, len(text)) > 0
        if not sealing:
            assert crypto.EVP_CIPHER_CTX_ctrl(ctx, 0x11, 16, tag) > 0
        if crypto.EVP_CipherFinal_ex(ctx, ctypes.byref(out, len(text)), ctypes.byref(made)) <= 0:
            raise BadTag
        if sealing:
            assert crypto.EVP_CIPHER_CTX_ctrl(ctx, 0x10, 16, ctypes.byref(out, len(text))) > 0
    finally:
        crypto.EVP_CIPHER_CTX_free(ctx)
    return out.raw if sealing else out.raw[:len(text)]


def expand_label(secret, label, length, digest):
    full = b"tls13 " + label
    info = struct.pack(">HB", length, len(full)) + full + b"\0"
    return hmac.new(secret, info + b"\x01", digest).digest()[:length]


def prf(master, seed, length, digest):
    out, a = b"", seed
    while len(out) < length:
        a = hmac.new(master, a, digest).digest()
        out += hmac.new(master, a + seed, digest).digest()
    return out[:length]


class Side:
    """One direction: keys and sequence number. used: nonces that were seen, each of which comes once."""

    def __init__(self, suite, tls13, secret=None, key=None, iv=None):
        self.cipher, self.key_len, self.digest = SUITES[suite]
        self.tls13, self.secret, self.key, self.iv = tls13, secret, key, iv
        self.sequence = 0
        self.used = set()
        if tls13:
            self._derive()

    def _derive(self):
        self.key = expand_label(self.secret, b"key", self.key_len, self.digest)
        self.iv = expand_label(self.secret, b"iv", 12, self.digest)

    def update(self):
        self.secret = expand_label(self.secret, b"traffic upd", len(self.secret), self.digest)
        self.sequence = 0
        self._derive()

    @property
    def carries(self):
        return not self.tls13 and "gcm" in self.cipher

    def _nonce(self, carried):
        if self.carries:
            return self.iv + carried
        number = struct.pack(">IQ", 0, self.sequence)
        return bytes(a ^ b for a, b in zip(self.iv, number))

    def seal(self, kind, data, padding=0, *, outer=None, version=0x0303, length=None, carried=None):
        if self.tls13:
            text, outer = data + bytes([kind]) + b"\0" * padding, DATA if outer is None else outer
        else:
            text, outer = data, kind if outer is None else outer
        carried = (carried or os.urandom(8)) if self.carries else b""
        whole = len(carried) + len(text) + 16 if length is None else length
        header = struct.pack(">BHH", outer, version, whole)
        if self.tls13:
            additional = header
        else:
            additional = struct.pack(">QBHH", self.sequence, kind, 0x0303, len(text))
        sealed = aead(self.cipher, self.key, self._nonce(carried), additional, text)
        self.sequence += 1
        return header + carried + sealed

    def open(self, record):
        """The record's type and content. Each nonce comes once, and where a record carries it, it goes on by one."""
        kind, version, _ = struct.unpack(">BHH", record[:5])
        assert version == 0x0303, version
        carried = record[5:13] if self.carries else b""
        text, tag = record[5 + len(carried):-16], record[-16:]
        nonce = self._nonce(carried)
        assert (self.key, nonce) not in self.used
        self.used.add((self.key, nonce))
        if self.carries:
            last = getattr(self, "last", None)
            assert last is None or int.from_bytes(carried, "big") == (last + 1) % (1 << 64)
            self.last = int.from_bytes(carried, "big")
        additional = record[:5] if self.tls13 else struct.pack(">QBHH", self.sequence, kind, version, len(text))
        plain = aead(self.cipher, self.key, nonce, additional, text, tag)
        self.sequence += 1
        if not self.tls13:
            return kind, plain
        assert kind == DATA
        plain = plain.rstrip(b"\0")
        return plain[-1], plain[:-1]


class Hand:
    """A connection through its handshake. tickets: NewSessionTicket messages that came behind the handshake. others:
    records without data that came within the last reply."""

    def __init__(self, address, context, name="localhost", timeout=20, session=None):
        self.socket = socket.create_connection(address, timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.pending = b""
        self.text = bytearray()  # of replies that are not whole, or not asked for yet
        self.tickets = 0
        with tempfile.NamedTemporaryFile() as log:
            context.keylog_filename = log.name
            self._shake(context, name, session)
            self.keylog = open(log.name).read()
            context.keylog_filename = None
        self._take_keys()

    def _shake(self, context, name, session):
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.side = context.wrap_bio(incoming, outgoing, server_hostname=name, session=session)
        self.received = b""
        while True:
            try:
                self.side.do_handshake()
                break
            except ssl.SSLWantReadError:
                self.socket.sendall(outgoing.read())
                record = self._raw_record()
                assert record, "the server has closed in the handshake"
                self.received += record
                incoming.write(record)
        self.last_flight = outgoing.read()
        self.socket.sendall(self.last_flight)

    def _log(self, label):
        (found,) = [line.split()[2] for line in self.keylog.splitlines() if line.startswith(label + " ")]
        return bytes.fromhex(found)

    def _take_keys(self):
        self.tls13 = self.side.version() == "TLSv1.3"
        hello = self.received[self.received.index(b"\x16\x03\x03"):]
        server_random = hello[11:43]
        after = hello[43:]
        self.suite = int.from_bytes(after[1 + after[0]:3 + after[0]], "big")
        if self.tls13:
            self.out = Side(self.suite, True, secret=self._log("CLIENT_TRAFFIC_SECRET_0"))
            self.into = Side(self.suite, True, secret=self._log("SERVER_TRAFFIC_SECRET_0"))
            return
        (line,) = [line for line in self.keylog.splitlines() if line.startswith("CLIENT_RANDOM ")]
        client_random, master = map(bytes.fromhex, line.split()[1:])
        cipher, key, digest = SUITES[self.suite]
        iv = 4 if "gcm" in cipher else 12
        block = prf(master, b"key expansion" + server_random + client_random, 2 * key + 2 * iv, digest)
        self.out = Side(self.suite, False, key=block[:key], iv=block[2 * key:2 * key + iv])
        self.into = Side(self.suite, False, key=block[key:2 * key], iv=block[2 * key + iv:])
        self.out.sequence = 1  # the Finished
        at = 0
        encrypted = False
        while at < len(self.received):  # the server's Finished is one of those already
            length = 5 + int.from_bytes(self.received[at + 3:at + 5], "big")
            record = self.received[at:at + length]
            if encrypted:
                self.into.open(record)
            encrypted |= record[0] == 20
            at += length

    # ---- bytes

    def _raw_record(self):
        """A whole record as it comes; b"" at the end of the stream."""
        while len(self.pending) < 5 or len(self.pending) < 5 + int.from_bytes(self.pending[3:5], "big"):
            try:
                data = self.socket.recv(65536)
            except ConnectionResetError:
                data = b""
            if not data:
                assert not self.pending, "the stream ends within a record"
                return b""
            self.pending += data
        length = 5 + int.from_bytes(self.pending[3:5], "big")
        record, self.pending = self.pending[:length], self.pending[length:]
        return record

    def send(self, kind, data, padding=0, **more):
        self.socket.sendall(self.out.seal(kind, data, padding, **more))

    def receive(self):
        """The next record's type and content, tickets left out. None: the stream has ended."""
        while True:
            record = self._raw_record()
            if not record:
                return None
            kind, data = self.into.open(record)
            if kind == HANDSHAKE and data[0] == 4:
                self.tickets += 1
                continue
            return kind, data

    def request(self, path="/", more=b"", method="GET", body=b""):
        return f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n".encode() + more + b"\r\n" + body

    def reply(self):
        """A reply with a Content-Length: its body. Records between that are none of data are in others."""
        self.others, at, end = [], -1, 0
        while True:
            if at < 0:
                at = self.text.find(b"\r\n\r\n")
                at = at + 4 if at >= 0 else -1
            if at > 0 and not end:
                end = at + int(re.search(rb"(?i)\r\ncontent-length: *(\d+)", self.text[:at]).group(1))
            if end and len(self.text) >= end:
                body = bytes(self.text[at:end])
                del self.text[:end]
                return body
            got = self.receive()
            assert got, self.text[:1000]
            kind, data = got
            if kind == DATA:
                self.text += data
                continue
            self.others.append(got)
            assert kind == HANDSHAKE and data in (KEY_UPDATE, KEY_UPDATE_ASK), (self.text[:1000], got)
            self.into.update()

    def ask(self, path="/", **more):
        self.send(DATA, self.request(path, **more))
        return self.reply()

    def refused(self):
        """The alert that ends the connection: its description, or None where it ends without."""
        while True:
            got = self.receive()
            if got is None:
                return None
            if got[0] == ALERT and got[1][0] == 2:
                assert self.receive() is None
                return got[1][1]

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()
