"""The pictures and files of a report.

SPDX-License-Identifier: MIT
"""

import csv
import xml.etree.ElementTree as xml

import pytest
from lib import output, svg
from lib.progress import Progress, clock
from lib.table import Plot, Section

SVG = "{http://www.w3.org/2000/svg}"


def test_bars_have_a_length_by_value_and_a_mark_for_each_claim():
    text = svg.bars("A < B", "us", [("weir", 10, None), ("other", 20, 5), ("absent", None, None)], first="weir")
    tree = xml.fromstring(text)
    widths = [float(rect.get("width")) for rect in tree.iter(f"{SVG}rect")][1:]  # the first is the ground
    assert len(widths) == 2
    assert widths[1] == pytest.approx(2 * widths[0], rel=0.01)
    assert [line.get("stroke") for line in tree.iter(f"{SVG}line")].count(svg.CLAIM) == 1
    assert tree.find(f"{SVG}title").text == "A < B"


def test_lines_pass_through_their_points_in_order():
    tree = xml.fromstring(svg.lines("growth", "connections", "bytes", {"weir": [(100, 2), (10, 1)], "none": []}))
    points = [tuple(map(float, pair.split(","))) for pair in tree.find(f"{SVG}polyline").get("points").split()]
    assert len(points) == 2
    assert points[0][0] < points[1][0] and points[0][1] > points[1][1]  # to the right, and upwards


def test_scales():
    scale = svg.Scale([1, 1000], 0, 300, log=True)
    assert (scale.at(1), scale.at(10), scale.at(1000)) == (0, 100, 300)
    assert svg.Scale([70], 0, 80).ticks() == [0, 20, 40, 60, 80]
    assert svg.Scale([], 0, 1).ticks()[0] == 0


@pytest.mark.parametrize("value, text", [(0, "0"), (999, "999"), (12345, "12.3k"), (4.5e6, "4.5M"), (2e9, "2G")])
def test_short_numbers(value, text):
    assert svg.short(value) == text


def _report(**more):
    peer = {"title": "weir", "version": "1", "about": "runs", "command": "weir @PORT@", "programs": ["hello"], "unavailable": None}
    gone = {**peer, "title": "gone", "version": None, "unavailable": "not installed: gone"}
    peer.update(wrong={}, notes=["a | b"], absent={"csv": "it has none"})
    gone.update(wrong={}, notes=[], absent={})
    records = [
        {"table": "t", "scenario": "64", "peer": "weir", "round": 0, "run": 0, "command": "wrk", "figures": {"rate": 1.5, "n": 3}},
        {"table": "t", "scenario": "64", "peer": "gone", "round": 0, "run": 0, "error": "no"},
    ]
    run = {"command": "script/bench", "date": "today", "commit": None, "machine": {}, "options": {}, "versions": {}, "partial": False}
    peers = {"weir": peer, "gone": gone}
    return {"partial": False, "machine": {"cpu": "x"}, "runs": [run], "peers": peers, "records": records, **more}


def test_csv_has_a_column_for_each_figure(tmp_path):
    path = tmp_path / "results.csv"
    output.write_csv(path, _report()["records"])
    with open(path, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows[0] == {"table": "t", "scenario": "64", "peer": "weir", "round": "0", "rate": "1.5", "n": "3", "error": "", "command": "wrk", "run": "0"}
    assert rows[1]["error"] == "no" and rows[1]["rate"] == ""


def test_markdown_holds_tables_notes_failures_and_pictures(tmp_path):
    section = Section("64 connections", ["peer", "rate"], [["weir", "1.5"]], ["a note"], [Plot("p", "alt", "<svg/>")])
    output.write_markdown(str(tmp_path / "report.md"), _report(), [("Title", "About.", [section], {"64": "wrk -c64"}, ["gone, 64: no"])])
    text = (tmp_path / "report.md").read_text()
    for wanted in ("## Title", "| weir | 1.5 |", "a note", "![alt](p.svg)", "- gone, 64: no", "- weir: `weir @PORT@`", "- 64: `wrk -c64`", "**not measured**: not installed: gone", "weir has no `csv`: it has none"):
        assert wanted in text
    assert "broken off" not in text
    assert (tmp_path / "p.svg").read_text() == "<svg/>"


def test_a_broken_off_run_says_so(tmp_path):
    output.write_markdown(str(tmp_path / "report.md"), _report(partial=True), [])
    assert "broken off" in (tmp_path / "report.md").read_text()


def test_json_comes_back_as_it_went(tmp_path):
    output.write_json(tmp_path / "results.json", _report())
    assert output.read_json(tmp_path / "results.json") == _report()


def test_markdown_escapes_what_would_break_a_table():
    assert "a \\| b" in output.markdown_table(["x"], [["a | b"]])


@pytest.mark.parametrize("seconds, text", [(0, "0:00"), (65.4, "1:05"), (3725, "1:02:05"), (-3, "0:00")])
def test_clock(seconds, text):
    assert clock(seconds) == text


def test_progress_counts_down(tmp_path):
    with open(tmp_path / "out", "w+", encoding="utf-8") as out:
        progress = Progress({"a": (10, 5), "b": (10, 5)}, out)
        progress.say("first")
        progress.done("a", 60)
        progress.say("later")
        progress.done("b", 30)
        progress.say("the last of its round")
        progress.drop("a")
        progress.say("without a")
        for _ in range(4):
            progress.done("b", 10)
        progress.say("last")
        out.seek(0)
        lines = out.read().splitlines()
    assert lines[0] == "[  0%, 1:40 left] first"
    assert lines[1] == "[ 10%, 9:00 left] later"  # a as long as it took, b as much longer than planned as a
    assert lines[2] == "[ 20%, 6:00 left] the last of its round"
    assert lines[3] == "[ 43%, 2:00 left] without a"
    assert lines[4] == "[100%, 0:00 left] last"
