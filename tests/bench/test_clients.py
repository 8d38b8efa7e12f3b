"""What the benchmark reads from the reports of its clients.

SPDX-License-Identifier: MIT
"""

import pytest
from lib import steady, wrk
from lib.watch import LoadError

WRK = """Running 2s test @ http://127.0.0.1:40001/
  2 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     2.31ms    1.02ms  20.11ms   80.00%
    Req/Sec    13.75k     1.90k   18.20k    65.00%
  54889 requests in 2.01s, 6.02MB read
Requests/sec:  27308.00
Transfer/sec:      2.99MB
"""

STEADY = (
    '{"issued": 2000, "done": %d, "errors": %d, "unanswered": %d, "bytes": 230000, "seconds": 1.999, "counted": 2000, '
    '"p50_us": 66.6, "p90_us": 90.1, "p99_us": 391.8, "p999_us": 694.8, "max_us": 786.9}\n'
)


def test_wrk_counts_requests():
    assert wrk.parse(WRK) == (54889, 2.01, 0)


def test_wrk_knows_its_units():
    assert wrk.parse(WRK.replace("2.01s", "500.00ms"))[1] == 0.5
    assert wrk.parse(WRK.replace("2.01s", "1.50m"))[1] == 90


def test_wrk_timeouts_are_told_and_no_error():
    assert wrk.parse(WRK + "  Socket errors: connect 0, read 0, write 0, timeout 7\n")[2] == 7


@pytest.mark.parametrize(
    "line",
    [
        "  Socket errors: connect 1, read 0, write 0, timeout 0\n",
        "  Socket errors: connect 0, read 5, write 0, timeout 0\n",
        "  Non-2xx or 3xx responses: 12\n",
    ],
)
def test_wrk_errors_are_errors(line):
    with pytest.raises(LoadError):
        wrk.parse(WRK + line)


def test_wrk_without_requests_is_an_error():
    with pytest.raises(LoadError):
        wrk.parse(WRK.replace("54889", "0"))
    with pytest.raises(LoadError):
        wrk.parse("unable to connect to 127.0.0.1:1 Connection refused\n")


def test_wrk_command():
    line = wrk.command("http://127.0.0.1:1/", 1, 5, headers=["A: b"], threads=2)
    assert line == ["wrk", "-t1", "-c1", "-d5s", "--latency", "-H", "A: b", "http://127.0.0.1:1/"]


def test_steady_gives_its_figures():
    assert steady.parse(STEADY % (2000, 0, 0))["p99_us"] == 391.8


def test_steady_wrong_replies_are_errors():
    with pytest.raises(LoadError):
        steady.parse(STEADY % (1999, 1, 0))


def test_steady_late_replies_are_errors_of_downloads_only():
    assert steady.parse(STEADY % (1990, 0, 10))["unanswered"] == 10
    with pytest.raises(LoadError):
        steady.parse(STEADY % (1990, 0, 10), late_allowed=False)
