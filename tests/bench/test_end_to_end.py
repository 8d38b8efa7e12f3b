"""script/bench with the peers that need nothing but this repository: a report comes out, and nothing is left running.

SPDX-License-Identifier: MIT
"""

import json
import os
import signal
import time

import pytest
from lib import build
from scripts import starting


@pytest.fixture(name="start")
def fixture_start(tmp_path):
    """Starts script/bench with a report in tmp_path/report."""
    with starting("bench", "--output", str(tmp_path / "report")) as start:
        yield start


def read(tmp_path, name):
    return (tmp_path / "report" / name).read_text(encoding="utf-8")


def test_quick_run_makes_a_whole_report(start, tmp_path):
    process = start("--quick", "--peers", "floor,weir", "--no-fetch")
    output, errors = process.communicate(timeout=240)
    assert process.returncode == 0, output + errors
    assert "left]" in errors
    report = json.loads(read(tmp_path, "results.json"))
    assert report["partial"] is False
    assert report["peers"]["weir"]["wrong"] == {} and report["peers"]["weir"]["notes"] == []
    rates = {
        record["peer"]: record["figures"] for record in report["records"] if (record["table"], record["scenario"]) == ("plaintext", "64")
    }
    for figures in rates.values():
        assert figures["rate"] > 0 and figures["cpu_us"] > 0 and figures["private"] > 0 and figures["peak"] > figures["private"]
    assert set(rates) == {"floor", "weir"}
    assert not any("error" in record for record in report["records"])
    sizes = {record["peer"]: record["figures"] for record in report["records"] if record["table"] == "start"}
    assert sizes["floor"]["shipped"] == sizes["floor"]["size"]  # it has the C library alone
    assert sizes["weir"]["shipped"] >= sizes["weir"]["size"] > sizes["floor"]["size"]
    text = read(tmp_path, "report.md")
    assert "## 3. Plaintext" in text and "| the floor" in text and build.ROOT not in text
    assert "<svg" in read(tmp_path, "plaintext-cpu.svg")
    assert read(tmp_path, "results.csv").startswith("table,scenario,peer,round,")
    os.unlink(tmp_path / "report" / "report.md")
    assert start("--render").wait(60) == 0
    assert read(tmp_path, "report.md") == text


def test_a_report_is_made_in_parts(start, tmp_path):
    for words in (["--tables", "start"], ["--add", "--tables", "plaintext"]):
        process = start("--quick", *words, "--peers", "floor", "--no-fetch")
        output, errors = process.communicate(timeout=240)
        assert process.returncode == 0, output + errors
    report = json.loads(read(tmp_path, "results.json"))
    assert {(record["table"], record["run"]) for record in report["records"]} == {("start", 0), ("plaintext", 1)}
    text = read(tmp_path, "report.md")
    assert "## 3. Plaintext" in text and "## 6. Start" in text and ": `plaintext` of all peers" in text
    report["machine"]["kernel"] = "another"
    (tmp_path / "report" / "results.json").write_text(json.dumps(report), encoding="utf-8")
    process = start("--quick", "--add", "--tables", "start", "--peers", "floor", "--no-fetch")
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 1 and "another machine (kernel: another, now" in errors
    assert json.loads(read(tmp_path, "results.json")) == report
    assert start("--render").wait(60) == 0
    assert "## 3. Plaintext" in read(tmp_path, "report.md")


def test_interrupted_run_leaves_a_partial_report(start, tmp_path):
    process = start("--tables", "plaintext", "--connections-most", "16", "--rounds", "2", "--seconds", "4", "--peers", "floor,weir", "--no-fetch")
    for line in process.stderr:
        if "round 1" in line and "weir" in line:  # the floor has been measured
            break
    time.sleep(1)  # weir is in the middle of it
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=120)
    assert process.returncode == 130
    report = json.loads(read(tmp_path, "results.json"))
    assert report["partial"] is True
    assert {record["peer"] for record in report["records"]} == {"floor"}
    assert "broken off" in read(tmp_path, "report.md")


def test_what_is_not_there_is_reported_with_the_reason(start, tmp_path):
    process = start("--quick", "--tables", "start", "--peers", "floor,nginx", "--no-fetch")
    output, errors = process.communicate(timeout=240)
    assert process.returncode == 0, output + errors
    report = json.loads(read(tmp_path, "results.json"))
    if report["peers"]["nginx"]["unavailable"]:  # unless somebody has built it here
        assert "**not measured**" in read(tmp_path, "report.md")
