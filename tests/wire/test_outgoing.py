"""Other services, by tests/programs/outgoing.c: descriptors that are waited for, names, dialling, connections.

SPDX-License-Identifier: MIT
"""

import concurrent.futures
import contextlib
import json
import os
import re
import socket
import ssl
import struct
import subprocess
import threading
import time
import urllib.parse

import pytest

from conftest import BUILD, Server
from faults import wait_for
from secure import Authority, skip_without_tls
from services import BlackHole, NameServer, Service, echo, secure_context

pytestmark = pytest.mark.threaded

EINVAL, ECLOSED, ETIMEDOUT, ENOENT, EPROTO, EREACH, ETRUST = -1, -3, -7, -8, -13, -21, -22


@pytest.fixture(scope="module")
def server():
    started = Server("tests/programs/outgoing", 1)
    yield started
    started.stop()


@pytest.fixture
def start():
    running = []

    def begin(*arguments, **more):
        running.append(Server("tests/programs/outgoing", *arguments, **more))
        return running[-1]

    yield begin
    for one in running:
        one.stop()


def get(server, path, timeout=60, **query):
    with server.connect(timeout=timeout) as connection:
        reply = connection.ask(path=f"{path}?{urllib.parse.urlencode(query)}")
    assert reply.status == 200, reply
    return reply.text()


def ask(server, to, **query):
    """(result, answer, why, alpn)"""
    result, answer, why, alpn = get(server, "/ask", to=to, **query).split("|")
    return int(result), answer, why, alpn


def tcp(service, host="127.0.0.1"):
    return f"tcp://{host}:{service.port}"


def held(server):
    """What the account of other services has in use, and the server's descriptors."""
    accounts = json.loads(server.ask(path="/ledger/ledger.json").body)["memory"]["accounts"]
    account = next(each for each in accounts if each["name"] == "outgoing")
    return account["in_use"], account["objects"]


# ---- Descriptors


def test_round_trips(server):
    assert get(server, "/round-trips", times=1) == "1"
    assert get(server, "/round-trips", times=100) == "100"


def test_round_trips_cost_no_control(start, tmp_path):
    """After the first one a query makes no call of epoll_ctl(), and none of eventfd's."""
    server = start(1)
    get(server, "/round-trips", times=5)
    trace = tmp_path / "trace"
    tracer = subprocess.Popen(["strace", "-f", "-qq", "-e", "trace=epoll_ctl,eventfd2,epoll_wait,epoll_pwait", "-o", trace,
                               "-p", str(server.pid)], stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: tracer.poll() is not None or re.search(
            r"TracerPid:\s+[1-9]", open(f"/proc/{server.pid}/status").read()), "strace does not begin")
        if tracer.poll() is not None:
            pytest.skip("strace cannot be used here")
        with server.connect(timeout=60) as connection:
            assert connection.ask(path="/round-trips?times=1").text() == "1"
            before = trace.read_text().count("epoll_ctl")
            assert connection.ask(path="/round-trips?times=200").text() == "200"
            wait_for(lambda: trace.read_text().count("epoll_wait") + trace.read_text().count("epoll_pwait") >= 200)
            text = trace.read_text()
            assert text.count("epoll_ctl") - before == 0 and "eventfd" not in text
    finally:
        tracer.terminate()
        tracer.wait()


@pytest.mark.parametrize("ready, result", [("0", "1 10000"), ("34", "2 00011"), ("01234", "5 11111")])
def test_any(server, ready, result):
    assert get(server, "/any", ready=ready) == result


def test_any_of_none(server):
    assert get(server, "/any", ms=20) == f"{ETIMEDOUT} 00000"


def test_wrong(server):
    assert get(server, "/wrong") == f"0 {EINVAL} {EINVAL} {EINVAL} {EINVAL} {EINVAL} {ETIMEDOUT} {EINVAL} -1 -1"


# ---- Dialling


def test_tcp(server):
    with Service(echo) as service:
        assert ask(server, tcp(service), say="abc") == (0, "ABC\n", "", "")
        assert ask(server, tcp(service, "localhost")) == (0, "HELLO\n", "", "")
        wait_for(lambda: service.open == 0, "a connection stays open")


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6")
def test_ipv6(server):
    try:
        service = Service(echo, address=("::1", 0), family=socket.AF_INET6)
    except OSError:
        pytest.skip("no IPv6")
    with service:
        assert ask(server, tcp(service, "[::1]"))[0] == 0
        assert ask(server, tcp(service, "localhost"))[0] == 0


def test_unix(server, tmp_path):
    path = tmp_path / "socket"
    with Service(echo, address=str(path), family=socket.AF_UNIX), \
            Service(echo, address=f"\0weir-test-{os.getpid()}", family=socket.AF_UNIX):
        assert ask(server, f"unix:{path}")[:2] == (0, "HELLO\n")
        assert ask(server, f"unix:@weir-test-{os.getpid()}")[:2] == (0, "HELLO\n")
    assert ask(server, f"unix:{tmp_path}/none")[0] == ENOENT
    (tmp_path / "file").write_text("")
    assert ask(server, f"unix:{tmp_path}/file")[0] == EREACH


def test_unix_whose_queue_is_full(server, tmp_path):
    """Tried again until there is room, or the time is over."""
    path = str(tmp_path / "socket")
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as listener:
        listener.bind(path)
        listener.listen(0)
        filling = []
        while True:
            filling.append(socket.socket(socket.AF_UNIX))
            filling[-1].setblocking(False)
            if filling[-1].connect_ex(path) != 0:
                break
        assert ask(server, f"unix:{path}", within=60)[0] == ETIMEDOUT
        with concurrent.futures.ThreadPoolExecutor() as pool:
            waiting = pool.submit(ask, server, f"unix:{path}", patience=20000)
            time.sleep(0.05)
            filling += [listener.accept()[0] for _ in range(len(filling) - 1)]
            accepted = listener.accept()[0]
            said = b""
            while not said.endswith(b"\n"):
                said += accepted.recv(100)
            accepted.sendall(said)
            assert waiting.result()[:2] == (0, "hello\n")
            accepted.close()
        for one in filling:
            one.close()


@pytest.mark.parametrize("to", ["", "tcp:", "tcp://", "tcp://a", "tcp://a:", "tcp://a:0", "tcp://a:65536", "tcp://:1",
                                "http://a:1", "tcp://::1:1", "tcp://[::1:1", "tcp://[a]:1", "tcp://a/b:1", "unix:",
                                "unix:relative", "tcp://a:1x", "tcp://" + "a" * 254 + ":1"])
def test_no_target(server, to):
    assert ask(server, to)[0] == EINVAL


def test_refused(server):
    with contextlib.closing(socket.socket()) as unused:
        unused.bind(("127.0.0.1", 0))
        result, _, why, _ = ask(server, f"tcp://127.0.0.1:{unused.getsockname()[1]}")
        assert result == EREACH and "Connection refused" in why


def test_black_hole(server):
    with BlackHole() as hole:
        assert ask(server, f"tcp://{hole.address}:{hole.port}", within=300)[0] == ETIMEDOUT


def test_deadline(server):
    """The request's own time ends a dial that has none, and nothing is left of it."""
    wait_for(lambda: get(server, "/close"))
    before = held(server)
    with BlackHole() as hole, server.connect(timeout=60) as connection:
        reply = connection.ask(path=f"/hasty/ask?to=tcp://{hole.address}:{hole.port}")
        assert reply.status == 503
        wait_for(lambda: held(server) == before, "something is left")


def test_deadline_of_the_handler(server):
    """weir_set_deadline() ends a dial, and the next one at once."""
    before = held(server)
    with BlackHole() as hole:
        assert get(server, "/within", to=f"tcp://{hole.address}:{hole.port}") == f"{ETIMEDOUT} {ETIMEDOUT}"
    assert held(server) == before


def test_in_a_task(server):
    """Where there is no request it is the same; until_end is the task's end."""
    before = held(server)
    with Service(echo) as service:
        assert get(server, "/task", to=tcp(service)) == "0"
        assert wait_for(lambda: int(get(server, "/told"))) == 5
        wait_for(lambda: service.open == 0, "it stays open")
    with BlackHole() as hole:
        assert get(server, "/task", to=f"tcp://{hole.address}:{hole.port}", deadline=50) == "0"
        assert wait_for(lambda: int(get(server, "/told"))) == ETIMEDOUT
    wait_for(lambda: held(server) == before, "something is left")


def test_the_client_goes(server):
    """A dial is ended by its client's going, and its socket closed."""
    before = held(server)
    with BlackHole() as hole:
        with server.connect() as connection:
            connection.send(f"GET /ask?to=tcp://{hole.address}:{hole.port} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
            wait_for(lambda: held(server) != before)
        wait_for(lambda: held(server) == before, "something is left")


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    skip_without_tls()
    return Authority(tmp_path_factory.mktemp("authority"))


def tls(service, host="localhost"):
    return f"tls://{host}:{service.port}"


def slowly(connection):
    """A service that reads with pauses, to the end, and then tells how much it was."""
    got = 0
    while data := connection.recv(65536):
        got += len(data)
        if got % (1 << 20) < len(data):
            time.sleep(0.01)
    connection.sendall(str(got).encode())


# ---- Connections


def test_many_bytes_both_ways(server):
    """Writes wait where the service does not read, and the other way round."""
    size = 8 << 20

    def much(connection):
        connection.sendall(bytes(size))

    with Service(slowly) as service:
        assert get(server, "/write", to=tcp(service), size=size) == f"0 {size}"
    with Service(much) as service:
        assert get(server, "/read", to=tcp(service)) == f"0 {size}"


def test_a_byte_at_a_time(server):
    """Each wait has its own time, and the request's deadline bounds them all."""
    ended = threading.Event()

    def dribble(connection):
        while not ended.wait(0.05):
            connection.sendall(b"x")

    with Service(dribble) as service, server.connect(timeout=60) as connection:
        assert connection.ask(path=f"/hasty/ask?to={tcp(service)}").status in (200, 503)
        ended.set()


def test_patience(server):
    quiet = threading.Event()
    with Service(lambda connection: quiet.wait(60)) as service:
        assert ask(server, tcp(service), patience=50)[0] == ETIMEDOUT
        quiet.set()


def test_peer_closes(server):
    with Service(lambda connection: connection.recv(100)) as service:
        assert ask(server, tcp(service))[:2] == (0, "")
        assert get(server, "/read", to=tcp(service), patience=50) == f"{ETIMEDOUT} 0"


def test_peer_resets(server):
    """In the middle of what is read, and of what is written: an error, and no SIGPIPE."""
    def reset(connection):
        connection.recv(100)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    with Service(reset) as service:
        assert ask(server, tcp(service))[0] == EREACH
        assert get(server, "/write", to=tcp(service), size=8 << 20).split()[0] == str(EREACH)


def test_until_the_end(server):
    """A connection that is tied to its request is closed with it."""
    with Service(echo) as service:
        before = held(server)
        assert ask(server, tcp(service), until_end=1, leave=1)[0] == 0
        wait_for(lambda: service.open == 0, "it stays open")
        assert ask(server, tcp(service), until_end=1)[0] == 0
        wait_for(lambda: service.open == 0, "it stays open")
        wait_for(lambda: held(server) == before, "something is left")


def test_what_is_left_is_closed_in_the_end(start):
    server = start(2)
    with Service(echo) as service:
        for _ in range(3):
            assert ask(server, tcp(service), leave=1)[0] == 0
        assert service.open == 3
        server.stop()
        wait_for(lambda: service.open == 0)


def test_kept_over_workers(start):
    """One connection serves requests of several workers, one after the other."""
    server = start(3)
    with Service(echo) as service:
        workers = set()
        for i in range(200):
            result, answer, new, worker = get(server, "/kept", to=tcp(service)).split("|")
            assert (result, answer, new) == ("0", "HELLO\n", "0" if i else "1")
            workers.add(worker)
        assert service.count == 1 and len(workers) > 1
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            for reply in pool.map(lambda i: get(server, "/kept", to=tcp(service), kept=i % 4), range(400)):
                assert reply.startswith("0|HELLO\n|")
        get(server, "/close")
        wait_for(lambda: service.open == 0)


def test_a_kept_one_by_tls_that_was_closed(server, authority):
    connections = []

    def serve(connection):
        connections.append(connection)
        echo(connection)

    with Service(serve, context=secure_context(authority.issue("localhost"))) as service:
        for _ in range(2):
            assert get(server, "/kept", to=tls(service), ca=authority.pair.certificate) == "0|HELLO\n|1|0"
            connections.pop().shutdown(socket.SHUT_RDWR)
            wait_for(lambda: service.open == 0)
        get(server, "/close")


def test_a_kept_one_that_was_closed(server):
    """The other side closes it while nobody looks: noticed before it is used, and the worker rests meanwhile."""
    connections = []

    def serve(connection):
        connections.append(connection)
        echo(connection)

    with Service(serve) as service:
        assert get(server, "/kept", to=tcp(service)) == "0|HELLO\n|1|0"
        before = server.cpu()
        connections[0].shutdown(socket.SHUT_RDWR)
        time.sleep(1)
        assert server.cpu() - before < 0.5
        assert get(server, "/kept", to=tcp(service)) == "0|HELLO\n|1|0"
        get(server, "/close")


# ---- TLS


def test_tls(server, authority):
    ca = authority.pair.certificate
    with Service(echo, context=secure_context(authority.issue("localhost", "127.0.0.1"), alpn=["two", "one"])) as service:
        assert ask(server, tls(service), ca=ca) == (0, "HELLO\n", "", "")
        assert ask(server, tls(service, "127.0.0.1"), ca=ca)[:2] == (0, "HELLO\n")
        assert ask(server, tls(service), ca=ca, alpn="one,two")[3] == "two"
        assert ask(server, tls(service), ca=ca, alpn="one")[3] == "one"
        assert ask(server, tls(service, "127.0.0.1"), ca=ca, name="localhost")[0] == 0
        wait_for(lambda: service.open == 0, "a connection stays open")
        assert not service.errors, "no goodbye was said"


def test_tls_that_is_not_trusted(server, authority, tmp_path):
    ca = authority.pair.certificate
    refusals = [(authority.issue("elsewhere"), "mismatch"), (authority.issue("127.0.0.1"), "mismatch"),
                (authority.issue("localhost", days=-1), "expired"),
                (Authority(tmp_path / "other", "another").issue("localhost"), "unable to get local issuer")]
    for pair, why in refusals:
        with Service(echo, context=secure_context(pair)) as service:
            result = ask(server, tls(service), ca=ca)
            assert result[0] == ETRUST and why in result[2].lower(), result
            assert ask(server, tls(service), ca=ca, verify=-1)[:2] == (0, "HELLO\n")
    with Service(echo, context=secure_context(Authority(tmp_path / "self").pair)) as service:
        result = ask(server, tls(service), ca=ca)
        assert result[0] == ETRUST and "self" in result[2], result
    with Service(echo, context=secure_context(authority.issue("localhost"))) as service:
        assert ask(server, tls(service))[0] == ETRUST  # the system does not trust it
        assert ask(server, tls(service), ca=ca)[0] == 0


def test_client_certificate(server, authority, tmp_path):
    ca, own = authority.pair.certificate, authority.issue("weir")
    with Service(echo, context=secure_context(authority.issue("localhost"), authority)) as service:
        assert ask(server, tls(service), ca=ca, certificate=own.certificate, key=own.key)[:2] == (0, "HELLO\n")
        result = ask(server, tls(service), ca=ca)
        assert result[0] in (EPROTO, EREACH), result
        assert ask(server, tls(service), ca=ca, certificate=tmp_path / "none")[0] == EINVAL
        assert ask(server, tls(service), ca=tmp_path / "none")[0] == EINVAL
        result = ask(server, tls(service), ca=ca, certificate=own.certificate, key=authority.pair.key)
        assert result[0] == EINVAL and "mismatch" in result[2], result


def test_no_tls_there(server, authority):
    with Service(echo) as service:
        assert ask(server, tls(service), verify=-1, within=5000)[0] in (EPROTO, EREACH, ETIMEDOUT)
    with Service(lambda connection: connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as service:
        assert ask(server, tls(service), verify=-1)[0] in (EPROTO, EREACH)
    with Service(lambda connection: None) as service:
        assert ask(server, tls(service), verify=-1)[0] in (EPROTO, EREACH)
    quiet = threading.Event()
    with Service(lambda connection: quiet.wait(60)) as service:
        assert ask(server, tls(service), verify=-1, within=100)[0] == ETIMEDOUT
        quiet.set()


def test_tls_many_bytes_both_ways(server, authority):
    size, ca = 4 << 20, authority.pair.certificate
    context = secure_context(authority.issue("localhost"))

    def much(connection):
        connection.sendall(bytes(size))
        connection.unwrap()

    with Service(slowly, context=context) as service:
        assert get(server, "/write", to=tls(service), ca=ca, size=size) == f"0 {size}"
    with Service(much, context=context) as service:
        assert get(server, "/read", to=tls(service), ca=ca) == f"0 {size}"


def test_tls_that_breaks_off(server, authority):
    """An end that TLS does not tell is an error: bytes may be missing."""
    def cut(connection):
        connection.sendall(b"half")
        socket.socket(fileno=os.dup(connection.fileno())).shutdown(socket.SHUT_RDWR)

    with Service(cut, context=secure_context(authority.issue("localhost"))) as service:
        assert get(server, "/read", to=tls(service), ca=authority.pair.certificate) == f"{EPROTO} 4"


def test_tls_kept_over_workers(start, authority):
    server = start(3)
    with Service(echo, context=secure_context(authority.issue("localhost"))) as service:
        workers = set()
        for i in range(200):
            result, answer, new, worker = get(server, "/kept", to=tls(service), ca=authority.pair.certificate).split("|")
            assert (result, answer, new) == ("0", "HELLO\n", "0" if i else "1")
            workers.add(worker)
        assert len(workers) > 1
        get(server, "/close")


def test_tls_many_at_once(start, authority):
    server = start(2)
    with Service(echo, context=secure_context(authority.issue("localhost"))) as service:
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            replies = pool.map(lambda _: ask(server, tls(service), ca=authority.pair.certificate), range(64))
            assert all(reply[:2] == (0, "HELLO\n") for reply in replies)
        before = held(server)
        for _ in range(20):
            ask(server, tls(service), ca=authority.pair.certificate)
        wait_for(lambda: held(server) == before, "something is left")


# ---- Names


def has_cares():
    return "WEIR_CARES:BOOL=OFF" not in (BUILD / "CMakeCache.txt").read_text()


@pytest.fixture
def names(start):
    """A server that asks a name server of the test's own; and that."""
    if not has_cares():
        pytest.skip("a build without c-ares")
    opened = contextlib.ExitStack()

    def begin(zone, **more):
        dns = opened.enter_context(NameServer(zone, **more))
        return start(1, dns.setting), dns

    with opened:
        yield begin


def test_a_name(names):
    server, dns = names({"db.test": {"a": ["127.0.0.1"], "ttl": 300}})
    with Service(echo) as service:
        for _ in range(3):
            assert ask(server, f"tcp://db.test:{service.port}")[:2] == (0, "HELLO\n")
        assert ask(server, f"tcp://DB.test:{service.port}")[0] == 0
    assert dns.count("db.test") == 2, "one question for each family, and the answer is kept"


def test_time_to_live(names):
    """An answer holds for as long as it says, but for a second at least."""
    server, dns = names({"brief.test": {"a": ["127.0.0.1"], "ttl": 0}})
    with Service(echo) as service:
        assert ask(server, f"tcp://brief.test:{service.port}")[0] == 0
        dns.zone["brief.test"] = {"a": ["127.0.0.9"], "ttl": 60}
        wait_for(lambda: time.sleep(0.2) or ask(server, f"tcp://brief.test:{service.port}")[0] == EREACH)
        assert dns.count("brief.test") == 4


def test_no_such_name(names):
    server, dns = names({})
    for _ in range(3):
        result, _, why, _ = ask(server, "tcp://none.test:1")
        assert result == ENOENT and "none.test" in why
    assert dns.count("none.test") <= 2, "it is known for some seconds"


def test_a_name_server_that_does_not_answer(names):
    """The caller's own time ends the wait, and others are served meanwhile."""
    server, dns = names({"good.test": {"a": ["127.0.0.1"]}}, silent=["silent.test"])
    with Service(echo) as service, concurrent.futures.ThreadPoolExecutor(20) as pool:
        waiting = [pool.submit(ask, server, "tcp://silent.test:1", within=600) for _ in range(10)]
        assert ask(server, f"tcp://good.test:{service.port}")[0] == 0
        assert all(each.result()[0] == ETIMEDOUT for each in waiting)
        with server.connect(timeout=60) as connection:
            assert connection.ask(path="/hasty/ask?to=tcp://silent.test:1").status == 503


def test_asked_once_for_all(names):
    """Those who ask for one name at once share the question."""
    server, dns = names({"late.test": {"a": ["127.0.0.1"], "ttl": 60}}, silent=["late.test"])
    with Service(echo) as service, concurrent.futures.ThreadPoolExecutor(10) as pool:
        waiting = [pool.submit(ask, server, f"tcp://late.test:{service.port}") for _ in range(10)]
        wait_for(lambda: dns.count("late.test") >= 2)
        dns.silent.clear()
        assert all(each.result()[0] == 0 for each in waiting)
    assert dns.count("late.test") <= 6


def test_truncated(names):
    """What does not fit a datagram is asked for again by TCP."""
    server, dns = names({"large.test": {"a": ["127.0.0.1"]}}, truncated=["large.test"])
    with Service(echo) as service:
        assert ask(server, f"tcp://large.test:{service.port}")[0] == 0
    assert ("large.test", 1, "tcp") in dns.asked


def test_a_stop_while_a_name_is_asked_for(names):
    server, dns = names({}, silent=["silent.test"])
    with server.connect() as connection:
        connection.send(b"GET /ask?to=tcp://silent.test:1 HTTP/1.1\r\nHost: a\r\n\r\n")
        wait_for(lambda: dns.count("silent.test") > 0)
        server.stop()


def test_race(names):
    """Addresses that answer nobody, or refuse, are passed over."""
    with Service(echo) as service, BlackHole("127.0.0.3", service.port):
        server, _ = names({
            "refused.test": {"a": ["127.0.0.2", "127.0.0.1"], "aaaa": ["::1"]},
            "hole.test": {"a": ["127.0.0.3", "127.0.0.2", "127.0.0.1"]},
            "all.test": {"a": ["127.0.0.2", "127.0.0.4"]}})
        assert ask(server, f"tcp://refused.test:{service.port}")[:2] == (0, "HELLO\n")
        assert ask(server, f"tcp://hole.test:{service.port}")[:2] == (0, "HELLO\n")
        assert ask(server, f"tcp://all.test:{service.port}")[0] == EREACH
        assert service.count == 2


def test_names_without_cares(start):
    """By getaddrinfo(), where c-ares cannot be loaded."""
    hosts = [line.partition("#")[0].split() for line in open("/etc/hosts")]
    names = [fields[1] for fields in hosts if len(fields) > 1 and fields[0] == "127.0.0.1" and fields[1] != "localhost"]
    hidden = {"LD_PRELOAD": str(BUILD / "tests/tools/lib_no_openssl.so"), "WEIR_HIDDEN": "libcares.so.2"}
    server = start(1, environment=hidden)
    with Service(echo) as service:
        for name in names[:1]:
            assert ask(server, f"tcp://{name}:{service.port}")[:2] == (0, "HELLO\n")
        assert ask(server, tcp(service, "localhost"))[0] == 0
        assert ask(server, "tcp://none.invalid:1", within=60000)[0] in (ENOENT, EREACH)


def test_wrong_name_servers():
    done = subprocess.run([BUILD / "tests/programs/outgoing", "1", "127.0.0.1,elsewhere"], capture_output=True, text=True,
                          timeout=60)
    assert done.returncode == 1 and "nameservers" in done.stderr
