"""Which worker has which connection, from the kernel's texts and of a server that runs.

SPDX-License-Identifier: MIT
"""

import pytest
from lib import build, proc, server, slices, workers

EPOLL = """pos:\t0
flags:\t02000002
mnt_id:\t16
ino:\t1057
tfd:        5 events:       19 data:                5  pos:0 ino:9ac5 sdev:9
tfd:       12 events: 80002019 data:     ffff00000c  pos:0 ino:10 sdev:9
"""

TCP = """  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 100 1 0 100 0 0 10 0
   1: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 101 1 0 100 0 0 10 0
   2: 0100007F:1F91 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 102 1 0 100 0 0 10 0
   3: 0100007F:1F90 0100007F:C350 01 00000000:00000000 00:00000000 00000000     0        0 200 1 0 20 4 0 10 -1
   4: 0100007F:C350 0100007F:1F90 01 00000000:00000000 00:00000000 00000000     0        0 300 1 0 20 4 0 10 -1
   5: 0100007F:1F90 0100007F:C351 01 00000000:00000000 00:00000000 00000000     0        0 201 1 0 20 4 0 10 -1
   6: 0100007F:1F90 0100007F:C352 06 00000000:00000000 03:00000000 00000000     0        0 0 3 0
"""


def test_an_epolls_text_names_inodes():
    assert workers.parse_epoll(EPOLL) == {0x9AC5, 0x10}
    assert workers.parse_epoll("pos:\t0\nino:\t1057\n") == set()


def test_sockets_are_those_of_the_servers_side():
    assert workers.parse_tcp(TCP, 0x1F90) == ({100, 101}, {0xC350: 200, 0xC351: 201})
    assert workers.parse_tcp(TCP, 1) == (set(), {})


def test_an_epoll_without_a_listener_is_no_worker():
    epolls = [{7, 8}, {100, 200}, {101, 201}]
    assert workers.place(epolls, {100, 101}, {50000: 200, 50001: 201, 50002: 999}) == (2, {50000: 0, 50001: 1})


def test_an_even_share_is_chosen():
    placed = {1: 0, 2: 0, 3: 1, 4: 0, 5: 1, 6: 1}
    assert workers.choose(2, placed, 4) == [1, 2, 3, 5]
    assert workers.choose(2, placed, 5) == [1, 2, 4, 3, 5]
    assert workers.choose(2, placed, 7) is None
    assert workers.choose(3, placed, 3) is None
    assert workers.choose(0, {}, 1) is None


def test_shares_are_told():
    placed = {1: 0, 2: 0, 3: 1}
    assert workers.count(2, placed, [1, 2, 3]) == "2 + 1"
    assert workers.count(2, placed, [3]) == "0 + 1"
    assert workers.count(0, {}, [3]) == "unknown"


@pytest.mark.parametrize("count, wanted, shares", [(2, 64, "32 + 32"), (3, 10, "4 + 3 + 3"), (1, 5, "5")])
def test_all_workers_of_a_server_get_as_many(count, wanted, shares):
    with server.Server(server.floor_command(build.program("floor/floor.c"), count)) as one:
        with slices.Client([one], [len(one.get())], 1, 2) as client:
            assert client.connect_evenly(0, wanted) == shares
            assert len(workers.look(one.pid, one.port, [])[1]) >= wanted
            made = client.slice(0, 0.1, {0}, {0})
            assert made.requests >= wanted and made.server_cpu > 0 and made.client_cpu > 0 and made.private > 0


def test_the_exact_clock_agrees_with_the_ticks():
    with server.Server(server.floor_command(build.program("floor/floor.c"), 1)) as one:
        with slices.Client([one], [len(one.get())], 1, 1) as client:
            client.connect_evenly(0, 4)
            while proc.cpu_seconds(one.pid) < 0.3:
                client.slice(0, 0.2, {0}, {0})
        assert proc.cpu_seconds_exact(one.pid) == pytest.approx(proc.cpu_seconds(one.pid), abs=0.05)
