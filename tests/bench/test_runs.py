"""A report that is made in parts: what another run puts to it, what it replaces, and that the report says so.

SPDX-License-Identifier: MIT
"""

import copy

import pytest
from lib import output, runs
from lib.book import Book

MACHINE = {"processor": "x", "processors": "2", "virtual machine": "yes", "memory": "8.0 GiB", "kernel": "6.1", "system": "Debian", "wrk": "4.1"}


def _peer(name, **more):
    peer = {"title": name, "version": "1", "about": "runs", "command": name, "programs": [], "unavailable": None, "wrong": {}, "notes": [], "absent": {}}
    return {**peer, **more}


def _report(command, measured, machine=None, rate=1000, partial=False, **peers):
    """A report of one run. measured: {(table, scenario, peer): [rate of each round]}; None where it failed."""
    run = runs.begin(command, {**MACHINE, **(machine or {})}, {"rate": rate})
    run.update(partial=partial, date=f"date of {command}", commit=f"commit of {command}")
    book = Book()
    for key, rates in measured.items():
        for number, rate_now in enumerate(rates):
            figures = {"figures": {"rate": rate_now}} if rate_now is not None else {"error": "it ended"}
            book.add(*key, number, figures.get("figures"), error=figures.get("error"))
    names = dict.fromkeys(peer for _, _, peer in measured)
    return runs.report_of(run, {**{name: _peer(name) for name in names}, **peers}, book.records)


@pytest.fixture(name="first")
def fixture_first():
    return _report("first", {("plaintext", "64", "floor"): [10, 20], ("plaintext", "64", "spring"): [None], ("start", "start", "spring"): [3]})


def test_what_is_measured_anew_replaces_what_was_there_and_the_rest_is_kept(first):
    second = _report("second", {("plaintext", "64", "spring"): [30], ("leak", "leak", "spring"): [4]})
    whole = runs.add(first, second)
    book = Book(whole["records"])
    assert book.values("plaintext", "64", "floor", "rate") == {0: 10, 1: 20}
    assert book.values("plaintext", "64", "spring", "rate") == {0: 30} and book.failures("plaintext") == []
    assert book.values("start", "start", "spring", "rate") == {0: 3}
    assert book.values("leak", "leak", "spring", "rate") == {0: 4}
    assert [run["command"] for run in whole["runs"]] == ["first", "second"]


def test_the_report_says_which_run_gave_what(first, tmp_path):
    second = _report("second", {("plaintext", "64", "spring"): [30], ("leak", "leak", "spring"): [4]}, machine={"wrk": "4.2"})
    whole = runs.add(first, second)
    assert runs.gave(whole, 0) == "`plaintext` of floor; `start` of all peers"
    assert runs.gave(whole, 1) == "`plaintext` of spring; `leak` of all peers"
    output.write_markdown(str(tmp_path / "report.md"), whole, [])
    text = (tmp_path / "report.md").read_text()
    assert "- `first`, date of first, the repository at commit of first: `plaintext` of floor" in text
    assert "- `second`, date of second, the repository at commit of second, wrk 4.2: `plaintext` of spring" in text
    output.write_markdown(str(tmp_path / "report.md"), first, [])
    assert "Made by `first`, date of first, the repository at commit of first.\n" in (tmp_path / "report.md").read_text()


def test_a_tool_that_a_later_run_names_is_in_the_report(first):
    second = _report("second", {("plaintext", "64", "spring"): [30]}, machine={"wrk": "4.2", "h2load": "1.52.0"})
    whole = runs.add(first, second)
    assert whole["machine"] == {**MACHINE, "h2load": "1.52.0"}
    assert runs.differences(whole, 1) == ["wrk 4.2"]


def test_a_run_of_which_nothing_is_left_is_not_named(first):
    third = runs.add(runs.add(first, _report("second", {("leak", "leak", "spring"): [4]})), _report("third", {("leak", "leak", "spring"): [5]}))
    assert [run["command"] for run in third["runs"]] == ["first", "third"]
    assert {(record["table"], record["run"]) for record in third["records"]} == {("plaintext", 0), ("start", 0), ("leak", 1)}
    assert [run["command"] for run in runs.add(first, _report("nothing", {}))["runs"]] == ["first"]


def test_a_run_that_was_broken_off_says_so_until_nothing_of_it_is_left(first, tmp_path):
    second = runs.add(first, _report("second", {("leak", "leak", "spring"): [4]}, partial=True))
    assert second["partial"]
    output.write_markdown(str(tmp_path / "report.md"), second, [])
    assert "commit of second, broken off: `leak` of all peers" in (tmp_path / "report.md").read_text()
    assert not runs.add(second, _report("third", {("leak", "leak", "spring"): [4]}))["partial"]


@pytest.mark.parametrize("name", ["processor", "kernel", "memory"])
def test_nothing_is_added_to_what_another_machine_measured(first, name):
    with pytest.raises(runs.Differs, match=f"another machine \\({name}: {MACHINE[name]}, now other\\)"):
        runs.require_same(first, runs.begin("second", {**MACHINE, name: "other"}, {"rate": 1000}))
    runs.require_same(first, runs.begin("second", {**MACHINE, "wrk": "other"}, {"rate": 1000}))


def test_nothing_is_added_to_latencies_at_another_rate(first):
    with pytest.raises(runs.Differs, match="1000 and 2000"):
        runs.require_same(first, runs.begin("second", MACHINE, {"rate": 2000}))


def test_ratios_over_a_base_of_another_run_are_of_medians(first):
    book = Book(runs.add(first, _report("second", {("plaintext", "64", "spring"): [30, 60, 90]}))["records"])
    assert book.ratio("plaintext", "64", "spring", "floor", "rate").middle == 60 / 15


def test_peers_are_described_as_they_were_when_measured(first):
    gone = _peer("spring", version=None, unavailable="not installed")
    kept = runs.add(first, _report("second", {("leak", "leak", "weir"): [4]}, spring=gone))
    assert kept["peers"]["spring"]["unavailable"] is None and list(kept["peers"]) == ["floor", "spring", "weir"]
    newer = runs.add(first, _report("second", {("leak", "leak", "spring"): [4]}, spring=_peer("spring", version="2")))
    assert runs.differences(newer, 0) == ["spring at version 1"] and runs.differences(newer, 1) == []


def test_reports_of_one_run_are_still_read(first):
    old = copy.deepcopy(first)
    old.update(command="older", options={"rate": 1000}, machine={"date": "then", **MACHINE})
    del old["runs"]
    for record in old["records"]:
        del record["run"]
    old["records"].append({"table": "article", "scenario": "leak", "peer": "floor", "round": 0, "figures": {"private_late": 1}})
    report = runs.modern(old)
    assert report["machine"] == MACHINE
    assert (report["runs"][0]["command"], report["runs"][0]["date"]) == ("older", "then")
    assert runs.gave(report, 0) == "`plaintext`, `start`, `leak` of all peers"
    assert runs.modern(report) == report
