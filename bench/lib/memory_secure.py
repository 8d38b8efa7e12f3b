"""The rows of script/memory for TLS and HTTP/2: what a connection of each kind costs, bursts of handshakes, and the hard budget.

SPDX-License-Identifier: MIT
"""

import contextlib
import json
import threading
import time

from . import proc, secure, server, sockets
from .clients import SecureClients
from .report import Row, size
from .secure import PROTOCOLS, RECORDS

IDLE = {"OpenSSL's records": (14_500, 14_000), "lean records": (400, 320)}
IDLE_H2 = {"OpenSSL's records": (None, None), "lean records": (450, 400)}
IDLE_H2C = (128, 88)
SILENT = 96
STALLED_STREAM = 128
STALLED_READER = 90_000  # with the kernel's part
BURST = 5000
LIMIT = 8 << 20
CROWD = 10_000
CROWD_SECONDS = 25  # until clients of the crowd that nobody has answered give up
STREAMS = 50
PARKED_SECONDS = 12.0  # HTTP/2: a table is dropped when its connection has idled for 2, and its memory goes back bit by bit
SMALL = "GET {} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: memory\r\nAccept: */*\r\n\r\n"


class SecureMemory:
    """The measurements, one method a section. memory: the script's own, whose report and patience are used."""

    def __init__(self, memory):
        self.args, self.report = memory.args, memory.report
        self.tour, self.after_close = memory.tour, memory.after_close

    @contextlib.contextmanager
    def serve(self, *words, workers=1, tls=True):
        """A fresh server that has served a few requests."""
        more = secure.tour_options(*words) if tls else words
        with server.Server(server.tour_command(self.tour, workers, self.args.root, more=more)) as one:
            for _ in range(20):
                one.get()
            yield one

    def serves_tls(self):
        """Whether the tour serves https; says so if it does not. Fatal if just that was asked for."""
        if secure.tour_serves(self.tour):
            return True
        if self.args.only:
            raise RuntimeError("this tour does not speak TLS")
        print("\nTLS: not measured, this tour does not speak it")
        return False

    def modes(self):
        """The ways in which the tour speaks TLS, and its words for each."""
        return {name: words for name, words in RECORDS.items() if secure.tour_serves(self.tour, *words)}

    def slope(self, name, protocol, words, bounds, unit=1, few=None, many=None, least=2.0, most=6.0, less=0, **asked):
        """Private memory for one connection (or each of `unit` things on it) of a kind, `less` what is known of it."""
        few, many = few or self.args.few, many or self.args.many
        with self.serve(*words, tls=protocol.tls) as one:
            port = protocol.port(one)
            # What the first connections leave behind, such as the allocator's pages, is no slope.
            with SecureClients(one, protocol, 100, **asked):
                pass
            before = proc.wait_still(one.pid)
            with SecureClients(one, protocol, few, **asked) as first:
                low = proc.wait_still(one.pid, least, most)
                with SecureClients(one, protocol, many - few, first_address=2 + first.addresses, ready_seconds=300, **asked):
                    high = proc.wait_still(one.pid, least, most)
                    open_now, kernel = sockets.server_socket_memory(port) or (0, 0)
            each = (high - low) / (many - few) / unit - less
            note = f"kernel buffers {kernel / open_now:,.0f} B" if open_now else ""
            note += f", less {less:,.0f} B" if less else ""
            if open_now < many:
                note += f"  WARNING: only {open_now:,} of {many:,} were open at the end"
            self.report.add(Row(name, each, "bytes", *bounds, note=note))
            self.after_close(one.pid, before, f"{many:,} connections")
        return each

    def stalled_readers(self, name, words):
        """Readers over TLS that read nothing, with what the kernel holds."""
        https, count = PROTOCOLS["https"], self.args.stalled
        request = SMALL.format("/file/large.bin")
        with self.serve(*words) as one:
            one.get("/file/large.bin", head_only=True)
            with SecureClients(one, https, 50, request=request, stop="asked") as first:
                low = proc.wait_still(one.pid, most=5)
                with SecureClients(one, https, count, first_address=2 + first.addresses, request=request, stop="asked"):
                    high, each = proc.wait_still(one.pid, most=10), sockets.each_server_socket(one.tls_port)
            own = (high - low) / count
            if not each or len(each) < count + 50:
                print(f"  WARNING: only {len(each or ())} of {count + 50} connections were open at the end")
                return
            note = f"kernel {size(sum(each) / len(each))}, at most {size(max(each))}; private {size(own)}"
            self.report.add(Row(name, sum(each) / len(each) + own, "bytes", STALLED_READER, note=note))

    def burst(self, name, words):
        """So many handshakes at once, and what is left of them."""
        count = BURST // (10 if self.args.quick else 1)
        with self.serve(*words) as one:
            with SecureClients(one, PROTOCOLS["https"], 1, request=SMALL.format("/")):
                pass
            before = proc.wait_still(one.pid)
            clients = SecureClients(
                one, PROTOCOLS["https"], count, at_once=count, tolerate=1, patience=60, request=SMALL.format("/")
            )
            most = proc.private_bytes(one.pid)
            clients.close()
            told = clients.counts()
            note = f"{told['good']:,} answered, {told['unshaken'] + told['closed']:,} ended, {told['waiting']:,} left waiting"
            self.report.add(Row(f"{name}: private with all of them", most, note=note))
            self.after_close(one.pid, before, f"{count:,} handshakes at once")

    def budget(self, name, protocol, words):
        """A crowd that is far too large for the limit, half of it in a handshake: what the ledger says, and what becomes of those who
        were let in."""
        crowd, limit = CROWD // (10 if self.args.quick else 1), f"{LIMIT >> 20}M"
        asked = {"at_once": crowd, "tolerate": 1, "patience": CROWD_SECONDS}
        with self.serve("--memory-limit", limit, *words, workers=None, tls=True) as one, Watcher(one) as watcher:
            with SecureClients(one, PROTOCOLS["https"], crowd // 2, stop="hello") as shaking:
                clients = SecureClients(
                    one, protocol, crowd // 2, first_address=2 + shaking.addresses, requests=20, request=SMALL.format("/json"), **asked
                )
                clients.close()
            time.sleep(0.5)
        told = clients.counts()
        note = f"{watcher.looks} looks; private at most {size(watcher.private)}"
        self.report.add(Row(f"{name}: the ledger's most", watcher.most, "bytes", LIMIT, note=note))
        note = f"{told['good']:,} answered, {told['refused']:,} by 503, {told['closed'] + told['unshaken']:,} turned away, {told['waiting']:,} left waiting"
        self.report.add(Row(f"{name}: replies that were broken off", told["cut"], "count", 0, note=note))
        self.report.add(Row(f"{name}: replies", told["good"], "count", 1, at_least=True))

    def tls(self):
        """Connections over TLS."""
        if not self.serves_tls():
            return
        https = PROTOCOLS["https"]
        modes = self.modes()
        print(f"\nprivate memory for each connection over TLS, slope from {self.args.few:,} to {self.args.many:,}")
        self.slope("connected and silent", https, (), (SILENT, None), most=4.0, stop="silent")
        self.slope("half a ClientHello", https, (), (None, None), most=3.0, stop="half")
        for name, words in modes.items():
            self.slope(f"idle, {name}", https, words, IDLE[name], request=SMALL.format("/"))
        print(f"\nmemory for each of {self.args.stalled:,} readers over TLS that read nothing of a file, kernel included")
        for name, words in modes.items():
            self.stalled_readers(f"stalled reader, {name}", words)
        print(f"\n{BURST // (10 if self.args.quick else 1):,} handshakes at once")
        for name, words in modes.items():
            self.burst(name, words)
        print(f"\nhard budget of {size(LIMIT)}, {CROWD // (10 if self.args.quick else 1):,} clients, half of them in a handshake")
        for name, words in modes.items():
            self.budget(f"https, {name}", https, words)

    def http2(self):
        """Connections and streams of HTTP/2."""
        with self.serve(tls=False) as one:
            if not secure.speaks_h2c(one.host, one.port):
                if self.args.only:
                    raise RuntimeError("this tour does not speak HTTP/2")
                print("\nHTTP/2: not measured, this tour does not speak it")
                return
        h2, h2c = PROTOCOLS["h2"], PROTOCOLS["h2c"]
        print(f"\nprivate memory for each connection of HTTP/2, slope from {self.args.few:,} to {self.args.many:,}")
        asked = {"request": SMALL.format("/"), "least": PARKED_SECONDS, "most": 20.0}
        self.slope("idle h2c", h2c, (), IDLE_H2C, **asked)
        for name, words in self.modes().items():
            self.slope(f"idle h2, {name}", h2, words, IDLE_H2[name], **asked)
        print(f"\nprivate memory for each stream that may send nothing, {STREAMS} on each connection")
        record = self.request_record()
        asked = {"requests": STREAMS, "streams": STREAMS, "window": 0, "stop": "asked", "unit": STREAMS, "few": 20, "many": 20 + self.args.stalled // 10}
        for what, path in (("a file", "/file/large.bin"), ("a small reply", "/")):
            self.slope(f"stalled stream of {what}, beyond its record", h2c, (), (STALLED_STREAM, None), less=record, request=SMALL.format(path), **asked)
        print(f"\nhard budget of {size(LIMIT)}, {CROWD // (10 if self.args.quick else 1):,} clients, half of them in a handshake")
        if secure.tour_serves(self.tour):
            self.budget("h2c", h2c, ())

    def request_record(self):
        """Bytes of a request's record, as the ledger has it while it answers that."""
        with self.serve(tls=False) as one:
            found = json.loads(one.get("/_weir/ledger.json").partition(b"\r\n\r\n")[2])
        account = next(each for each in found["memory"]["accounts"] if each["name"] == "requests")
        return account["in_use"] / max(1, account["objects"])


class Watcher:
    """Looks at a server's ledger and at its private memory until the block is left."""

    def __init__(self, one):
        self.most = self.private = self.looks = 0
        self._one = one
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def _watch(self):
        while not self._over.wait(0.1):
            self.private = max(self.private, proc.private_bytes(self._one.pid))
            try:
                reply = self._one.get("/_weir/ledger.json")
                memory = json.loads(reply.partition(b"\r\n\r\n")[2])["memory"]
            except (OSError, RuntimeError, ValueError):
                continue  # turned away itself: the next look may be let in
            self.most = max(self.most, memory["reserved"])
            self.looks += 1

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_exception):
        self._over.set()
        self._thread.join()
