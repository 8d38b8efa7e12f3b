"""Redis by the adapter: tests/programs/redis.c with a redis-server that the test starts, kills and stops itself.

SPDX-License-Identifier: MIT
"""

import concurrent.futures
import contextlib
import json
import random
import signal
import socket
import threading
import time
import urllib.parse

import pytest

import services
from client import request
from redis import Redis, free_port

pytestmark = pytest.mark.threaded

STRING, ARRAY, INTEGER, NIL, STATUS, ERROR = 1, 2, 3, 4, 5, 6
EINVAL, ECLOSED, ETOOBIG, ETIMEDOUT, EACCES, EPROTO, EREACH, ETRUST, EFAILED = -1, -3, -6, -7, -9, -13, -21, -22, -23


@pytest.fixture
def redis():
    with Redis() as server:
        yield server


@pytest.fixture
def ask_redis(start, redis):
    """Starts the program with that Redis; the pool's settings as arguments."""
    return lambda **settings: program(start, redis, **settings)


def program(start, redis, **settings):
    settings = {"workers": 1, "target": redis.target, **settings}
    return start("tests/programs/redis", *[f"{name}={value}" for name, value in settings.items()])


def run(server, *words, body=None, path="/run", **query):
    """What Redis says: the error, the reply's type, its text."""
    pairs = [("a", word) for word in words] + list(query.items())
    reply = server.ask("POST" if body is not None else "GET", path + "?" + urllib.parse.urlencode(pairs), body=body)
    assert reply.status == 200, reply
    error, kind, text = bytes(reply.body).split(b" ", 2)
    return int(error), int(kind), text


def pool(server, name="redis"):
    return next(each for each in json.loads(server.ask(path="/ledger").text())["pools"] if each["name"] == name)


def until(condition, what="", seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def pushes_for(redis, count):
    """Waits until so many clients are blocked."""
    until(lambda: b"blocked_clients:%d\r" % count in redis.ask("INFO", "clients"))


# ---- Commands


def test_commands(ask_redis):
    server = ask_redis()
    assert run(server, "PING") == (0, STATUS, b"PONG")
    assert run(server, "SET", "a", "1") == (0, STATUS, b"OK")
    assert run(server, "INCR", "a") == (0, INTEGER, b"2")
    assert run(server, "GET", "a") == (0, STRING, b"2")
    assert run(server, "GET", "b")[:2] == (0, NIL)
    assert run(server, "MGET", "a", "b") == (0, ARRAY, b"2")
    assert pool(server)["opened"] == 1


def test_binary_values_and_empty_ones(ask_redis):
    server = ask_redis()
    for value in (bytes(range(256)), b"", b"\r\n$3\r\nfoo", b"%s %d", random.Random(1).randbytes(20000)):
        assert run(server, "SET", "v", body=value) == (0, STATUS, b"OK")
        assert run(server, "GET", "v") == (0, STRING, value)


def test_large_reply(ask_redis, redis):
    server = ask_redis()
    value = random.Random(2).randbytes(3 << 20)
    redis.ask("SET", "v", value)
    assert run(server, "GET", "v") == (0, STRING, value)


def test_format(ask_redis):
    server = ask_redis()
    for value in ("plain", "two words", "%s %b %d", "\r\nFLUSHALL\r\n", "ü"):
        reply = server.ask(path="/formats?" + urllib.parse.urlencode({"value": value}))
        assert reply.text() == f"0 {STRING} {value}"


def test_refused_command(ask_redis):
    server = ask_redis()
    run(server, "SET", "a", "text")
    error, kind, text = run(server, "LPUSH", "a", "1")
    assert (error, kind) == (EFAILED, ERROR) and text.startswith(b"WRONGTYPE")
    assert pool(server)["opened"] == 1  # it is as good as before


def test_pipeline(ask_redis):
    server = ask_redis()
    assert server.ask(path="/pipeline?count=1000").text() == f"0 1000 {EINVAL}"
    assert server.ask(path="/pipeline?count=100000").text() == f"0 100000 {EINVAL}"
    assert pool(server)["opened"] == 1


def test_each_gets_its_own(ask_redis):
    server = ask_redis(workers=4, shared=1, max=3)

    def one(number):
        return server.ask(path=f"/own?token=t{number}").text() == f"0 {STRING} t{number}"

    with concurrent.futures.ThreadPoolExecutor(32) as crowd:
        assert all(crowd.map(one, range(1000)))
    assert pool(server)["opened"] <= 3


def test_over_a_unix_socket(ask_redis, redis):
    server = ask_redis(target=redis.socket)
    assert run(server, "PING") == (0, STATUS, b"PONG")


# ---- Opening


def test_over_tls(start, authority, pair):
    port = free_port()
    with Redis("--tls-port", str(port), "--tls-cert-file", str(pair.certificate), "--tls-key-file", str(pair.key),
               "--tls-ca-cert-file", str(authority.pair.certificate), "--tls-auth-clients", "no") as redis:
        trusting = program(start, redis, target=f"tls://localhost:{port}", ca_file=authority.pair.certificate)
        assert run(trusting, "PING") == (0, STATUS, b"PONG")
        value = random.Random(3).randbytes(1 << 20)
        redis.ask("SET", "v", value)
        assert run(trusting, "GET", "v") == (0, STRING, value)
        assert run(program(start, redis, target=f"tls://localhost:{port}"), "PING")[0] == ETRUST


def test_password_and_database(start):
    with Redis("--requirepass", "secret words") as redis:
        server = program(start, redis, password="secret words", database=3)
        assert run(server, "SET", "here", "3") == (0, STATUS, b"OK")
        with redis.client() as client:
            assert client.ask("GET", "here") is None
            client.ask("SELECT", 3)
            assert client.ask("GET", "here") == b"3"
            client.ask("ACL", "SETUSER", "ann", "on", ">hers", "~*", "+@all")
        assert run(program(start, redis, user="ann", password="hers"), "ACL", "WHOAMI") == (0, STRING, b"ann")
        assert run(program(start, redis, password="wrong"), "PING")[0] == EACCES
        error, kind, text = run(program(start, redis), "PING")
        assert (error, kind) == (EFAILED, ERROR) and text.startswith(b"NOAUTH")


def test_no_such_database(ask_redis):
    assert run(ask_redis(database=1000), "PING")[0] == EACCES


def test_nobody_is_there(start, redis):
    server = program(start, redis, target=redis.socket)
    redis.kill()
    assert run(server, "PING")[0] == EREACH
    redis.start()
    until(lambda: run(server, "PING")[0] == 0)


def test_it_is_not_redis(start, redis):
    with services.Service(lambda connection: connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as other:
        assert run(program(start, redis, target=f"tcp://127.0.0.1:{other.port}"), "PING")[0] == EPROTO


# ---- Time


def test_timeout(ask_redis, redis):
    server = ask_redis(timeout_ms=200)
    assert run(server, "PING")[0] == 0
    redis.signal(signal.SIGSTOP)
    assert run(server, "PING")[0] == ETIMEDOUT
    redis.signal(signal.SIGCONT)
    assert server.ask(path="/own?token=mine").text() == f"0 {STRING} mine"
    assert pool(server)["broken"] == 1


def test_deadline(ask_redis, redis):
    server = ask_redis()
    assert run(server, "PING")[0] == 0
    redis.signal(signal.SIGSTOP)
    assert run(server, "PING", path="/deadline", ms=100)[0] == ETIMEDOUT
    redis.signal(signal.SIGCONT)
    assert server.ask(path="/own?token=mine").text() == f"0 {STRING} mine"


def test_reply_that_is_too_long(ask_redis, redis):
    server = ask_redis(max_reply=100000)
    redis.ask("SET", "v", b"x" * 200000)
    assert run(server, "GET", "v")[0] == ETOOBIG
    assert server.ask(path="/own?token=mine").text() == f"0 {STRING} mine"


def test_drip(start, redis):
    """A server that sends a byte at a time has all of them within the time of the reply, not a time for each."""
    ended = threading.Event()

    def drip(connection):
        connection.recv(4096)
        for byte in b"$1000000\r\n" + b"x" * 1000000:
            if ended.wait(0.02):
                return
            connection.sendall(bytes([byte]))

    with services.Service(drip) as other:
        server = program(start, redis, target=f"tcp://127.0.0.1:{other.port}", timeout_ms=500)
        try:
            assert run(server, "PING")[0] == ETIMEDOUT
        finally:
            ended.set()


# ---- Sessions that are left


@pytest.mark.parametrize("commands, how, kept", [
    (["MULTI", "INCR a", "EXEC"], "end", True),
    (["WATCH a", "MULTI", "DISCARD"], "end", True),
    (["WATCH a", "UNWATCH"], "end", True),
    (["GET a"], "end", True),
    (["NOSUCH"], "end", True),
    (["MULTI", "INCR a"], "end", False),
    (["WATCH a"], "end", False),
    (["select 2"], "end", False),
    (["SUBSCRIBE a"], "end", False),
    (["CLIENT NO-EVICT on"], "end", False),
    (["SET a 1"], "unread", False),
    (["SET a 1"], "return", False),
    (["SET a 1"], "fail", False),
    (["MULTI"], "fail", False),
])
def test_what_is_given_back(ask_redis, commands, how, kept):
    server = ask_redis(max=1)
    query = urllib.parse.urlencode([("first", command) for command in commands] + [("how", how)])
    reply = server.ask(path=f"/leave?{query}")
    assert reply.status == (500 if how == "fail" else 200)
    assert server.ask(path="/own?token=mine").text() == f"0 {STRING} mine"
    assert run(server, "CLIENT", "INFO")[2].count(b" db=0 ") == 1
    assert pool(server)["opened"] == (1 if kept else 2)


def test_a_client_that_leaves_while_it_waits(ask_redis, redis):
    server = ask_redis(max=2)
    for _ in range(3):
        with server.connect() as leaving:
            leaving.send(request(path="/pop?key=list"), "GET")
            pushes_for(redis, 1)
        pushes_for(redis, 0)  # the connection was closed, so Redis waits for nobody
    redis.ask("RPUSH", "list", "kept")
    assert redis.ask("LLEN", "list") == 1  # nobody has taken it
    assert server.ask(path="/pop?key=list").text() == f"0 {STRING} kept"
    now = pool(server)
    assert now["broken"] == 3 and now["waiting"] == 0


def test_blocking_commands_have_their_own_time(ask_redis, redis):
    server = ask_redis(timeout_ms=100)
    assert server.ask(path="/pop?key=list&wait_ms=150").status == 504
    with server.connect() as waiting:
        waiting.send(request(path="/pop?key=list"), "GET")
        pushes_for(redis, 1)
        time.sleep(0.3)  # beyond timeout_ms
        redis.ask("RPUSH", "list", "late")
        assert waiting.reply().text() == f"0 {STRING} late"


def test_subscription(ask_redis, redis):
    server = ask_redis(timeout_ms=200)
    with server.connect() as listening:
        listening.send(request(path="/listen?channel=news&count=2"), "GET")
        until(lambda: redis.ask("PUBLISH", "news", "first") == 1)
        time.sleep(0.4)  # beyond timeout_ms
        redis.ask("PUBLISH", "news", "second")
        assert listening.reply().text().split() == ["subscribe", "message", "first", "message", "second"]
    assert server.ask(path="/own?token=mine").text() == f"0 {STRING} mine"


# ---- Redis goes and comes again


def test_clean_up(ask_redis):
    """A command of a clean-up that was deferred before the first one; its reply is freed, as a sanitizer would tell."""
    server = ask_redis()
    for _ in range(5):
        assert run(server, path="/present") == (0, INTEGER, b"1")


def test_restarted_while_idle(ask_redis, redis):
    server = ask_redis(max=3, target=redis.socket)
    with concurrent.futures.ThreadPoolExecutor(12) as crowd:
        list(crowd.map(lambda i: run(server, "PING"), range(50)))
    redis.kill()
    redis.start()
    assert run(server, "PING") == (0, STATUS, b"PONG")  # the connections that were idle are seen to be dead


@pytest.mark.parametrize("settings", [{"workers": 2, "max": 4}, {"workers": 2, "max": 3, "shared": 1}])
def test_killed_under_load(ask_redis, redis, settings):
    """Nothing hangs, nobody gets another's reply, and when Redis is there again all is well."""
    server = ask_redis(timeout_ms=2000, target=redis.socket, **settings)
    ended = threading.Event()
    good, bad, wrong = [], [], []

    def client(number):
        with server.connect(timeout=60) as connection:
            i = 0
            while not ended.is_set():
                i += 1
                token = f"{number}-{i}"
                text = connection.ask(path=f"/own?token={token}").text()
                if text == f"0 {STRING} {token}":
                    good.append(token)
                elif text.startswith("0 "):
                    wrong.append((token, text))
                else:
                    bad.append(text)

    with concurrent.futures.ThreadPoolExecutor(16) as crowd:
        clients = [crowd.submit(client, number) for number in range(16)]
        try:
            for _ in range(3):
                before = len(good)
                until(lambda: len(good) > before + 200)
                redis.kill()
                before = len(bad)
                until(lambda: len(bad) > before + 20)
                redis.start()
            before = len(good)
            until(lambda: len(good) > before + 200)
        finally:
            ended.set()
        for each in clients:
            each.result(60)
    assert not wrong
    assert {text.split()[0] for text in bad} <= {str(EREACH), str(ETIMEDOUT)}, set(bad)
    now = pool(server)
    assert now["waiting"] == 0 and now["idle"] == now["open"] > 0


def test_stop_while_it_waits(ask_redis, redis):
    """What waits for Redis is finished within the time of the stop, or cut."""
    server = ask_redis()
    with server.connect() as waiting, contextlib.suppress(AssertionError):
        waiting.send(request(path="/pop?key=list"), "GET")
        pushes_for(redis, 1)
        server.stop()
    pushes_for(redis, 0)


# ---- Topics


def stats(server):
    return json.loads(server.ask(path="/stats").text())


@pytest.fixture
def servers(start, redis):
    """Two servers whose topics are the same."""
    two = [program(start, redis, target=redis.socket, carry=1) for _ in range(2)]
    for server in two:
        until(lambda server=server: stats(server)["connects"] == 1)
    return two


def publish(server, name, text, query=""):
    assert server.ask("POST", f"/topic/{name}{query}", body=text).text() == "0"


@contextlib.contextmanager
def follower(server, name, count):
    with server.connect() as connection:
        connection.send(request(path=f"/topic/{name}?count={count}"), "GET")
        while b"subscribed\n" not in (connection.parser.current.body if connection.parser.current else b""):
            connection.fill()
        yield lambda: bytes(connection.reply().body).split(b"\n", 1)[1]


def test_topics_of_two_servers(servers, redis):
    a, b = servers
    with follower(a, "room", 4) as at_a, follower(b, "room", 4) as at_b:
        publish(a, "room", b"from a")
        until(lambda: stats(b)["received"] == 1)
        publish(b, "room", b"from b", "?event=note")
        until(lambda: stats(a)["received"] == 1)
        publish(a, "room", b"\xff\x00\xfe", "?binary=1")
        until(lambda: stats(b)["received"] == 2)
        redis.ask("PUBLISH", "weir:room", "from a stranger")
        expected = b"room - 0 from a\nroom note 0 from b\nroom - 1 \xff\x00\xfe\nroom - 0 from a stranger\n"
        assert at_a() == expected and at_b() == expected
    assert stats(a)["sent"] == 2 and stats(b)["sent"] == 1 and stats(a)["lost"] == 0


def test_order_of_many(servers):
    a, b = servers
    with follower(b, "room", 1000) as at_b:
        with a.connect() as publisher:
            for i in range(1000):
                publisher.ask("POST", "/topic/room", body=b"%d" % i)
        assert at_b() == b"".join(b"room - 0 %d\n" % i for i in range(1000))


def test_strangers_that_send_what_they_like(servers, redis):
    a, _ = servers
    with follower(a, "room", 2) as at_a:
        for channel in ("weir:", "weir:a//b", "weir:#", "weir:room\0x", "weir:\x01"):
            redis.ask("PUBLISH", channel, "nobody's")
        redis.ask("PUBLISH", "weir:room", b"weir1 ")
        redis.ask("PUBLISH", "weir:room", b"\xff")
        assert at_a() == b"room - 0 weir1 \nroom - 1 \xff\n"


@pytest.mark.parametrize("said", [b"*4\r\n:1\r\n$1\r\n*\r\n$9\r\nweir:news\r\n$1\r\nx\r\n",
                                  b"*4\r\n$8\r\npmessage\r\n$1\r\n*\r\n$9\r\nweir:news\r\n$-1\r\n",
                                  b"*4\r\n$8\r\npmessage\r\n$1\r\n*\r\n:7\r\n$1\r\nx\r\n"])
def test_messages_that_are_none(start, said):
    """Not Redis, but something that says OK to the subscription, and then what is no message."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        server = start("tests/programs/redis", "workers=1", "carry=1",
                       f"target=tcp://127.0.0.1:{listener.getsockname()[1]}")
        listener.settimeout(60)
        with listener.accept()[0] as listening:
            assert b"PSUBSCRIBE" in listening.recv(1000)
            listening.sendall(b"+OK\r\n" + said * 2)
            until(lambda: json.loads(server.ask(path="/stats").text())["connects"] == 1)
            listening.sendall(said)
        assert server.ask(path="/ledger").status == 200


def test_topics_while_redis_is_away(servers, redis):
    a, b = servers
    redis.kill()
    publish(a, "room", b"lost")
    until(lambda: stats(a)["lost"] == 1)
    redis.start()
    until(lambda: stats(a)["connects"] == 2 and stats(b)["connects"] == 2)

    def carried():
        publish(a, "room", b"again")
        return stats(b)["received"] > 0

    until(carried)
