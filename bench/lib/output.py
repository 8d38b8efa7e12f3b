"""Writes a report: results.json and results.csv with every record, report.md with the tables, and the pictures.

SPDX-License-Identifier: MIT
"""

import csv
import json
import os

from . import runs
from .book import FOREIGN_MOST, MARK

INTRODUCTION = f"""Figures are medians; where there was more than one round, least and most follow in brackets. All clients ran on the
same machine as the servers, over the loopback interface. The figures of a row marked {MARK} were measured while something else, or the
host, took more than {FOREIGN_MOST:.0%} of the machine's processors: they say little. How all this is measured, and what is not, is in
[docs/benchmarks.md](../../docs/benchmarks.md)."""


def write_json(path, report):
    """Everything, for programs, as runs.py describes it. What was there is replaced once the new is whole."""
    with open(f"{path}.new", "w", encoding="utf-8") as file:
        json.dump(report, file, indent=1)
        file.write("\n")
    os.replace(f"{path}.new", path)


def read_json(path):
    """What write_json wrote."""
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def write_csv(path, records):
    """A line for each record, a column for each figure."""
    columns = list(dict.fromkeys(name for record in records for name in record.get("figures", {})))
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["table", "scenario", "peer", "round", *columns, "error", "command", "run"])
        for record in records:
            figures = [_number(record.get("figures", {}).get(name)) for name in columns]
            keys = [record[name] for name in ("table", "scenario", "peer", "round")]
            writer.writerow([*keys, *figures, record.get("error", ""), record.get("command", ""), record["run"]])


def _number(value):
    return "" if value is None else f"{value:.6g}" if isinstance(value, float) else value


def _escape(text):
    return str(text).replace("|", "\\|").replace("\n", " ")


def markdown_table(header, rows):
    """A table in Markdown; all columns but the first are aligned to the right where they begin with a digit."""
    numeric = [all(_is_figure(row[at]) for row in rows) for at in range(len(header))]
    lines = ["| " + " | ".join(map(_escape, header)) + " |"]
    lines.append("|" + "|".join("---:" if at and numeric[at] else "---" for at in range(len(header))) + "|")
    lines += ["| " + " | ".join(map(_escape, row)) + " |" for row in rows]
    return "\n".join(lines)


def _is_figure(text):
    return not text or str(text)[0] in "0123456789-+<" or text in ("failed", "no", "yes")


def _peer_lines(peers):
    rows = []
    for name, peer in peers.items():
        state = peer["unavailable"] and f"**not measured**: {peer['unavailable']}" or peer["about"]
        rows.append([f"{peer['title']} (`{name}`)", peer["version"] or "", ", ".join(peer["programs"]), state])
    lines = [markdown_table(["peer", "version", "programs", "how it runs"], rows), ""]
    remarks = []
    for name, peer in peers.items():
        remarks += [f"- {name}: `{program}` is not measured, its reply is wrong: {why}" for program, why in peer["wrong"].items()]
        remarks += [f"- {name}: {note}" for note in peer["notes"]]
        remarks += [f"- {name} has no `{program}`: {why}" for program, why in peer["absent"].items()]
    commands = [f"- {name}: `{peer['command']}`" for name, peer in peers.items()]
    return [*lines, *remarks, "", "Commands of the servers; what the words in @ stand for is in docs/benchmarks.md:", "", *commands]


def _run_lines(report):
    """Which runs the report was made by; with several, what each gave."""
    lines = []
    for number, run in enumerate(report["runs"]):
        parts = [f"`{run['command']}`", run["date"], f"the repository at {run['commit']}" if run["commit"] else ""]
        parts += runs.differences(report, number)
        parts += ["broken off"] if run["partial"] and len(report["runs"]) > 1 else []
        lines.append(", ".join(part for part in parts if part))
    if len(lines) == 1:
        return [f"Made by {lines[0]}.", ""]
    lines = [f"- {line}: {runs.gave(report, number)}" for number, line in enumerate(lines)]
    together = "Where a figure and the one that its ratio is of are of different runs, the ratio is that of their medians."
    return [f"Made by {len(lines)} runs on this machine:", "", *lines, "", together, ""]


def write_markdown(path, report, chapters):
    """The report for people. chapters: [(title, about, sections, commands, failures)]; pictures are written beside it."""
    folder = os.path.dirname(path)
    lines = ["# Benchmark report", ""]
    if report["partial"] and len(report["runs"]) == 1:
        lines += ["**This run was broken off; what follows is what it had measured.**", ""]
    lines += [INTRODUCTION, "", *_run_lines(report)]
    lines += [markdown_table(["machine", ""], list(report["machine"].items())), "", "## Peers", ""]
    lines += [*_peer_lines(report["peers"]), ""]
    for title, about, sections, commands, failures in chapters:
        lines += [f"## {title}", "", about, ""]
        for section in sections:
            lines += [f"### {section.title}", ""] if section.title else []
            lines += [markdown_table(section.header, section.rows), ""] if section.rows else ["Nothing was measured.", ""]
            lines += [f"{note}\n" for note in section.notes]
            for plot in section.plots:
                with open(os.path.join(folder, f"{plot.name}.svg"), "w", encoding="utf-8") as file:
                    file.write(plot.svg)
                lines += [f"![{plot.alt}]({plot.name}.svg)", ""]
        if commands:
            lines += ["Commands:", "", *[f"- {scenario}: `{command}`" for scenario, command in commands.items()], ""]
        if failures:
            lines += ["Failed:", "", *[f"- {_escape(failure)}" for failure in failures], ""]
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(lines).rstrip() + "\n")
