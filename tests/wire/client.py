"""A client that believes nothing: it parses replies strictly as RFC 9112 frames them and refuses whatever is not exact.

ReplyParser does no I/O: bytes in, replies out, so that one connection and a thousand are read by the same code.
Connection is a blocking socket with a parser. Crowd opens many connections at once and reads them all together.

SPDX-License-Identifier: MIT
"""

import collections
import email.utils
import re
import selectors
import socket
import time

STATUS_LINE = re.compile(rb"HTTP/1\.1 ([1-5][0-9][0-9]) ([\t\x20-\x7e]*)\Z")
HEADER_LINE = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\t\x20-\x7e\x80-\xff]*?)[ \t]*\Z")
CHUNK_SIZE = re.compile(rb"[0-9A-Fa-f]{1,16}\Z")
DATE = re.compile(r"[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT\Z")
HEAD_MAX = 65536


class ProtocolError(AssertionError):
    """The server's bytes are not a reply as they should be."""


class Reply:
    """One reply. framing is "none", "length", "chunked" or "close"."""

    def __init__(self, status, reason, headers):
        self.status = status
        self.reason = reason
        self.headers = headers
        self.trailers = []  # fields behind a chunked body
        self.body = bytearray()
        self.received = 0  # bytes of body, also when a sink takes them
        self.framing = None

    def all(self, name):
        """Every value of a header, in order."""
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def header(self, name):
        """The one value of a header, or None. More than one is an error."""
        values = self.all(name)
        if len(values) > 1:
            raise ProtocolError(f"{name} is there {len(values)} times")
        return values[0] if values else None

    def text(self):
        return bytes(self.body).decode()

    @property
    def closes(self):
        tokens = ",".join(self.all("Connection")).lower().split(",")
        return "close" in [token.strip() for token in tokens]

    def __repr__(self):
        return f"<{self.status} {self.headers} {bytes(self.body[:80])!r} of {self.received}>"


class ReplyParser:
    """Takes bytes by feed() and the end by eof(); finished replies are appended to .replies.

    methods: the methods of the requests that were sent, in order. sink(reply, data): takes body bytes instead of
    Reply.body.
    """

    def __init__(self, sink=None):
        self.methods = collections.deque()
        self.replies = collections.deque()
        self.current = None
        self._buf = bytearray()
        self._state = self._head
        self._left = 0
        self.sink = sink
        self.trailers = False  # whether a reply may have trailer fields
        self.ended = False
        self.since = time.time()  # no reply that is due was made before

    def feed(self, data):
        if self.ended:
            raise ProtocolError("bytes after the end")
        # Most bytes are of the middle of a body of known length: those are not copied.
        if self._state == self._by_length and not self._buf and len(data) < self._left:
            self._left -= len(data)
            self._body(data)
            return
        self._buf += data
        while self._state():
            pass

    def eof(self):
        self.ended = True
        if self._state == self._until_close:
            self._finish()
        elif self._state != self._head or self._buf:
            raise ProtocolError(f"cut within a reply: {self.current} {bytes(self._buf[:200])!r}")

    @property
    def idle(self):
        """True between replies."""
        return self._state == self._head and not self._buf

    def _line(self, most):
        end = self._buf.find(b"\n")
        if end < 0:
            if len(self._buf) > most:
                raise ProtocolError(f"no end of line in {bytes(self._buf[:100])!r}")
            return None
        line = bytes(self._buf[:end])
        del self._buf[: end + 1]
        if not line.endswith(b"\r") or b"\r" in line[:-1]:
            raise ProtocolError(f"a line that does not end with CR LF: {line[:200]!r}")
        return line[:-1]

    def _head(self):
        end = self._buf.find(b"\r\n\r\n")
        if end < 0:
            if len(self._buf) > HEAD_MAX:
                raise ProtocolError("a head without end")
            if self._buf and not b"HTTP/1.1 ".startswith(self._buf[:9]):
                raise ProtocolError(f"not a reply: {bytes(self._buf[:100])!r}")
            return False
        lines = bytes(self._buf[:end]).split(b"\r\n")
        del self._buf[: end + 4]
        found = STATUS_LINE.match(lines[0])
        if not found:
            raise ProtocolError(f"not a status line: {lines[0][:200]!r}")
        headers = []
        for line in lines[1:]:
            header = HEADER_LINE.match(line)
            if not header:
                raise ProtocolError(f"not a header line: {line[:200]!r}")
            headers.append((header.group(1).decode(), header.group(2).decode("latin-1")))
        self.current = Reply(int(found.group(1)), found.group(2).decode(), headers)
        self._begin_body(self.current)
        return True

    def _begin_body(self, reply):
        if not self.methods:
            raise ProtocolError(f"a reply that nobody asked for: {reply}")
        length, coding = reply.header("Content-Length"), reply.header("Transfer-Encoding")
        if length is not None and coding is not None:
            raise ProtocolError("Content-Length and Transfer-Encoding together")
        if length is not None and not re.fullmatch(r"[0-9]{1,18}", length):
            raise ProtocolError(f"Content-Length: {length}")
        if coding is not None and coding != "chunked":
            raise ProtocolError(f"Transfer-Encoding: {coding}")
        if reply.status >= 200:
            date = reply.header("Date")
            if date is None or not DATE.match(date):
                raise ProtocolError(f"Date: {date}")
            # It may have waited to be read: its date lies between the request and now, to the second.
            if not self.since - 2 < email.utils.parsedate_to_datetime(date).timestamp() < time.time() + 1:
                raise ProtocolError(f"Date is neither now nor since the request: {date}")
        if reply.status < 200 or reply.status == 204:
            if length is not None or coding is not None:
                raise ProtocolError(f"a {reply.status} with a length: {reply}")
        if reply.status < 200 or reply.status in (204, 304) or self.methods[0] == "HEAD":
            reply.framing = "none"
            self._finish()
        elif coding is not None:
            reply.framing = "chunked"
            self._state = self._chunk_size
        elif length is not None:
            reply.framing = "length"
            self._left = int(length)
            self._state = self._by_length
        else:
            if not reply.closes:
                raise ProtocolError(f"neither a length nor a close: {reply}")
            reply.framing = "close"
            self._state = self._until_close

    def _take(self, most):
        data = bytes(self._buf[:most])
        del self._buf[:most]
        self._body(data)
        return len(data)

    def _body(self, data):
        self.current.received += len(data)
        if self.sink:
            self.sink(self.current, data)
        else:
            self.current.body += data

    def _by_length(self):
        if self._buf and self._left:
            self._left -= self._take(self._left)
        if self._left == 0:
            self._finish()
            return True
        return False

    def _until_close(self):
        self._take(len(self._buf))
        return False

    def _chunk_size(self):
        line = self._line(64)
        if line is None:
            return False
        if not CHUNK_SIZE.match(line):
            raise ProtocolError(f"chunk size {line!r}")
        self._left = int(line, 16)
        self._state = self._chunk_data if self._left else self._trailer
        return True

    def _chunk_data(self):
        if self._buf:
            self._left -= self._take(self._left)
        if self._left == 0:
            self._state = self._chunk_end
            return True
        return False

    def _chunk_end(self):
        if len(self._buf) < 2:
            return False
        if self._buf[:2] != b"\r\n":
            raise ProtocolError(f"no CR LF after a chunk: {bytes(self._buf[:20])!r}")
        del self._buf[:2]
        self._state = self._chunk_size
        return True

    def _trailer(self):
        line = self._line(HEAD_MAX)
        if line is None:
            return False
        if not line:
            self._finish()
            return True
        field = HEADER_LINE.match(line)
        if not field or not self.trailers:
            raise ProtocolError(f"a trailer: {line!r}")
        self.current.trailers.append((field.group(1).decode(), field.group(2).decode("latin-1")))
        return True

    def _finish(self):
        if self.current.status >= 200:
            self.methods.popleft()
        self.replies.append(self.current)
        self.current = None
        self._state = self._head


def request(method="GET", path="/", headers=(), body=None, version="1.1", host="localhost"):
    """The bytes of a request. body: bytes (by length) or a list of bytes (chunked)."""
    lines = [f"{method} {path} HTTP/{version}"]
    if host is not None:
        lines.append(f"Host: {host}")
    lines += [f"{name}: {value}" for name, value in (headers.items() if isinstance(headers, dict) else headers)]
    payload = b""
    if isinstance(body, list):
        lines.append("Transfer-Encoding: chunked")
        payload = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in body) + b"0\r\n\r\n"
    elif body is not None:
        lines.append(f"Content-Length: {len(body)}")
        payload = body
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + payload


def open_socket(address, timeout=20, receive_buffer=None):
    """address: (host, port) or the path of a Unix socket."""
    if isinstance(address, str):
        s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    else:
        s = socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET, socket.SOCK_STREAM)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if receive_buffer:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    s.settimeout(timeout)
    s.connect(address)
    return s


def take(connection, expected):
    """Exactly these bytes come next."""
    data = b""
    while len(data) < len(expected):
        piece = connection.socket.recv(len(expected) - len(data))
        assert piece, data
        data += piece
    assert data == expected


class Connection:
    """One connection, blocking. Use it as a context manager."""

    def __init__(self, address, sink=None, timeout=20, receive_buffer=None):
        self.socket = open_socket(address, timeout, receive_buffer)
        self.parser = ReplyParser(sink)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, data, *methods):
        """Sends bytes that hold requests of these methods."""
        if not self.parser.methods:
            self.parser.since = time.time()
        self.parser.methods.extend(methods)
        self.socket.sendall(data)

    def fill(self):
        """Receives once; False at the end."""
        data = self.socket.recv(262144)
        if data:
            self.parser.feed(data)
        else:
            self.parser.eof()
        return bool(data)

    def reply(self):
        """The next reply, 1xx included."""
        while not self.parser.replies:
            if self.parser.ended or not (self.fill() or self.parser.replies):
                raise ProtocolError("the connection ended without a reply")
        return self.parser.replies.popleft()

    def ask(self, method="GET", path="/", **more):
        """Sends a request and returns its final reply."""
        self.send(request(method, path, **more), method)
        found = self.reply()
        while found.status < 200:
            found = self.reply()
        return found

    def expect_end(self, seconds=5):
        """The server has to close in order, with nothing more said."""
        self.socket.settimeout(seconds)
        if not self.parser.ended and self.fill():
            raise ProtocolError(f"more than expected: {self.parser.current} {list(self.parser.replies)}")
        if self.parser.replies:
            raise ProtocolError(f"more than expected: {list(self.parser.replies)}")

    def expect_open(self, seconds=0.2):
        """The server has to keep the connection and say nothing."""
        before = self.socket.gettimeout()
        self.socket.settimeout(seconds)
        try:
            data = self.socket.recv(1000)
        except TimeoutError:
            self.socket.settimeout(before)
            return
        raise ProtocolError(f"expected silence, got {data!r}")


def ask(address, method="GET", path="/", **more):
    """One request on a connection of its own."""
    with Connection(address) as connection:
        return connection.ask(method, path, **more)


class Compare:
    """A sink that compares a body with what it has to be, without keeping it. A longer body than expected is wrong."""

    def __init__(self, expected):
        self.expected = expected
        self.offset = 0

    def __call__(self, reply, data):
        if reply.received - len(data) == 0:
            self.offset = 0
        if self.expected[self.offset : self.offset + len(data)] != data:
            raise ProtocolError(f"wrong bytes from {self.offset} on: {data[:80]!r}")
        self.offset += len(data)


class Crowd:
    """Many connections at once, all open before the first request is sent."""

    def __init__(self, address, count, sink=lambda: None, timeout=120):
        self.members = [Connection(address, sink()) for _ in range(count)]
        self.selector = selectors.DefaultSelector()
        self.timeout = timeout
        for member in self.members:
            member.socket.setblocking(False)
            self.selector.register(member.socket, selectors.EVENT_READ, member)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.selector.close()
        for member in self.members:
            member.close()

    def send(self, data, *methods):
        """Sends the same short request on every connection; data may be a function of the member's number."""
        for i, member in enumerate(self.members):
            member.socket.setblocking(True)
            member.send(data(i) if callable(data) else data, *methods)
            member.socket.setblocking(False)

    def wait(self, done):
        """Receives on all connections until done(member) holds for each; then it is not read any more."""
        waiting = {member for member in self.members if not done(member)}
        deadline = time.monotonic() + self.timeout
        while waiting:
            if time.monotonic() > deadline:
                raise ProtocolError(f"{len(waiting)} of {len(self.members)} are not done; one: "
                                    f"{next(iter(waiting)).parser.current}")
            for key, _ in self.selector.select(1):
                member = key.data
                if member not in waiting:
                    self.selector.unregister(member.socket)
                    continue
                try:
                    more = member.fill()
                except BlockingIOError:
                    continue
                if done(member):
                    waiting.discard(member)
                elif not more:
                    raise ProtocolError(f"ended before it was done: {member.parser.current}")
        for member in self.members:
            if member.socket not in self.selector.get_map() and not member.parser.ended:
                self.selector.register(member.socket, selectors.EVENT_READ, member)
            elif member.parser.ended and member.socket in self.selector.get_map():
                self.selector.unregister(member.socket)

    def replies(self):
        """Waits for a reply on each and returns them in the members' order."""
        self.wait(lambda member: member.parser.replies)
        return [member.parser.replies.popleft() for member in self.members]


def connect_all(server, count, look):
    """Clients whose connections are all accepted: a request that comes with a new one may be served before those whose
    events are still to be fetched. look() returns the server's ledger, which counts the connections."""
    connections = [server.connect(timeout=60) for _ in range(count)]
    deadline = time.monotonic() + 60
    while look()["connections"] <= count:  # the look has one, too
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return connections


def turns(server, count, look, waiting):
    """Has so many requests wait, one behind the other for certain: where nothing can be admitted, each is sent when
    waiting(look()), which is how many wait, has counted the one before. Returns what gives, once there is room, each
    one's place among those whose handlers began. /turn has to be known to wait, by an earlier request."""
    connections = connect_all(server, count, look)
    before = waiting(look())
    for i, connection in enumerate(connections):
        connection.send(request(path="/turn/20"), "GET")
        deadline = time.monotonic() + 60
        while waiting(look()) < before + i + 1:
            assert time.monotonic() < deadline
            time.sleep(0.001)

    def places():
        began = [int(connection.reply().text()) for connection in connections]
        ranks = {number: place for place, number in enumerate(sorted(began))}
        return [ranks[number] for number in began]

    return places
