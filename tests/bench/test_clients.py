"""What the benchmark reads from the reports of its clients.

SPDX-License-Identifier: MIT
"""

import pytest
from lib import h2load, steady, wrk
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

H2LOAD = """starting benchmark...
spawning thread #0: 32 total client(s). 10000 total requests
spawning thread #1: 32 total client(s). 10000 total requests
Application protocol: http/1.1
progress: 50% done
progress: 100% done

finished in 136.43ms, 146592.10 req/s, 16.08MB/s
requests: 20000 total, 20000 started, 20000 done, 20000 succeeded, 0 failed, 0 errored, 0 timeout
status codes: 20000 2xx, 0 3xx, 0 4xx, 0 5xx
traffic: 2.19MB (2300000) total, 1.35MB (1420000) headers (space savings 0.00%), 253.91KB (260000) data
                     min         max         mean         sd        +/- sd
time for request:       16us      8.02ms       395us       471us    89.73%
time for connect:       91us      1.05ms       492us       216us    65.63%
time to 1st byte:      759us      2.58ms      1.57ms       425us    71.88%
req/s           :    2302.15     2862.05     2532.27      193.48    50.00%
"""

H2LOAD_FAILED = {
    "statuses of errors": """finished in 2.20s, 181.84 req/s, 20.50KB/s
requests: 400 total, 400 started, 400 done, 343 succeeded, 57 failed, 0 errored, 0 timeout
status codes: 343 2xx, 0 3xx, 0 4xx, 57 5xx
""",
    "redirections, which it takes for success": """finished in 2.19s, 183.01 req/s, 20.73KB/s
requests: 400 total, 400 started, 400 done, 400 succeeded, 0 failed, 0 errored, 0 timeout
status codes: 0 2xx, 400 3xx, 0 4xx, 0 5xx
""",
    "connections that ended without a reply": """finished in 2.19s, 120.63 req/s, 13.31KB/s
requests: 400 total, 269 started, 264 done, 264 succeeded, 136 failed, 136 errored, 0 timeout
status codes: 264 2xx, 0 3xx, 0 4xx, 0 5xx
""",
    "connections on which nothing came": """finished in 6.87s, 38.43 req/s, 4.24KB/s
requests: 400 total, 269 started, 264 done, 264 succeeded, 136 failed, 136 errored, 5 timeout
status codes: 264 2xx, 0 3xx, 0 4xx, 0 5xx
""",
    "nobody listens": """finished in 452us, 0.00 req/s, 0B/s
requests: 400 total, 0 started, 0 done, 0 succeeded, 400 failed, 400 errored, 0 timeout
status codes: 0 2xx, 0 3xx, 0 4xx, 0 5xx
""",
    "no report": "h2load: -m: bad option\n",
}

STEADY = (
    '{"issued": 2000, "done": %d, "errors": %d, "unanswered": %d, "bytes": 230000, "seconds": 1.999, "counted": 2000, '
    '"p50_us": 66.6, "p90_us": 90.1, "p99_us": 391.8, "p999_us": 694.8, "max_us": 786.9}\n'
)


def test_wrk_counts_requests():
    assert wrk.parse(WRK) == (54889, 2.01, 0)


def test_wrk_knows_its_units():
    assert wrk.parse(WRK.replace("2.01s", "500.00ms"))[1] == 0.5
    assert wrk.parse(WRK.replace("2.01s", "1.50m"))[1] == 90


@pytest.mark.parametrize("line, seconds", [
    ("     99%  500.00us", 0.0005), ("     99%   12.50ms", 0.0125), ("     99%    1.33s ", 1.33),
    ("     99%    1.50m ", 90),
])
def test_wrk_pads_units_of_one_letter(line, seconds):
    report = WRK.replace("  54889", f"  Latency Distribution\n     50%  519.00us\n{line}\n  54889")
    assert wrk.parse_p99(report) == pytest.approx(seconds)


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


def test_h2load_counts_requests():
    assert h2load.parse(H2LOAD) == (20000, pytest.approx(0.13643))


def test_h2load_knows_its_units():
    assert h2load.parse(H2LOAD.replace("136.43ms", "2.01s"))[1] == 2.01
    assert h2load.parse(H2LOAD.replace("136.43ms", "910us"))[1] == pytest.approx(910e-6)


@pytest.mark.parametrize("output", H2LOAD_FAILED.values(), ids=H2LOAD_FAILED)
def test_h2load_errors_are_errors(output):
    with pytest.raises(LoadError):
        h2load.parse(output)


def test_h2load_finds_the_pace():
    """By runs of more and more requests, the last of which is long enough to tell."""
    asked = []

    def run(requests):
        asked.append(requests)
        return requests, requests / 1000

    assert h2load.find_pace(64, run) == 1000
    assert asked == [64, 256, 1024]
    assert h2load.find_pace(64, lambda requests: (requests, 9)) == 64 / 9


def test_h2load_command():
    line = h2load.command("http://127.0.0.1:1/", 1, 500, headers=["A: b"])
    assert line == ["h2load", "--h1", "-t1", "-c1", "-m1", "-H", "A: b", "-n500", "-N20s", "http://127.0.0.1:1/"]


def test_steady_gives_its_figures():
    assert steady.parse(STEADY % (2000, 0, 0))["p99_us"] == 391.8


def test_steady_wrong_replies_are_errors():
    with pytest.raises(LoadError):
        steady.parse(STEADY % (1999, 1, 0))


def test_steady_late_replies_are_errors_of_downloads_only():
    assert steady.parse(STEADY % (1990, 0, 10))["unanswered"] == 10
    with pytest.raises(LoadError):
        steady.parse(STEADY % (1990, 0, 10), late_allowed=False)
