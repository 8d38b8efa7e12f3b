"""The runs that a report is made of. Mostly one; `--add` puts what another run measured to what is there.

A report is {"machine", "runs", "peers", "records", "partial"}. Each record says by the number of its run which one made it, so that
the report can tell which tables and peers each gave. A run is {"command", "date", "commit", "machine", "options", "versions",
"partial"}.

SPDX-License-Identifier: MIT
"""

import subprocess
import time

from . import build

# What has to be the same of the machine for figures to stand in one report
SAME = ("processor", "processors", "virtual machine", "memory", "kernel", "system")


class Differs(RuntimeError):
    """What is to be added was not measured as what is there was."""


def commit():
    """The commit that the repository is at, and whether anything but reports was changed since; None if git does not know."""
    git = ["git", "-C", build.ROOT]
    try:
        head = subprocess.run([*git, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, timeout=60, check=True)
        asked = [*git, "status", "--porcelain", "--untracked-files=no", "--", ":/", ":(top,exclude)bench/report"]
        changes = subprocess.run(asked, capture_output=True, text=True, timeout=60, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return head.stdout.strip() + (", with changes" if changes.stdout else "")


def begin(command, machine, options):
    """A run that has measured nothing yet."""
    return {
        "command": command,
        "date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "commit": commit(),
        "machine": machine,
        "options": options,
        "versions": {},
        "partial": True,
    }


def report_of(run, peers, records):
    """The report of one run."""
    run["versions"] = {name: peer["version"] for name, peer in peers.items() if peer["version"]}
    records = [{**record, "run": 0} for record in records]
    return {"partial": run["partial"], "machine": run["machine"], "runs": [run], "peers": peers, "records": records}


def modern(report):
    """A report as it is written today, of one that may have been written when there was one run and the leak test was no table."""
    if "runs" in report:
        return report
    machine = {name: text for name, text in report["machine"].items() if name != "date"}
    run = {"command": report["command"], "date": report["machine"].get("date", ""), "commit": None, "machine": machine}
    run.update(options=report["options"], partial=report["partial"])
    for record in report["records"]:
        if (record["table"], record["scenario"]) == ("article", "leak"):
            record["table"] = "leak"
    return report_of(run, report["peers"], report["records"])


def require_same(report, run):
    """Raises Differs unless a run may be added to a report: on the same machine, at the same rate where latency is measured."""
    for name in SAME:
        before, now = (machine.get(name, "unknown") for machine in (report["machine"], run["machine"]))
        if before != now:
            raise Differs(f"nothing can be added: what is there was measured on another machine ({name}: {before}, now {now})")
    rates = {each["options"]["rate"] for each in (*report["runs"], run)}
    if len(rates) > 1:
        raise Differs(f"nothing can be added: latencies were measured at another --rate ({' and '.join(map(str, sorted(rates)))})")


def _key(record):
    return record["table"], record["scenario"], record["peer"]


def add(old, new):
    """The report with what `new`, the report of one run, has measured; of the same table, scenario and peer the new is kept."""
    replaced = {_key(record) for record in new["records"]}
    number = len(old["runs"])
    kept = [record for record in old["records"] if _key(record) not in replaced]
    records = kept + [{**record, "run": number} for record in new["records"]]
    runs = old["runs"] + new["runs"]
    # A run of which nothing is left is none that the report is made by.
    left = sorted({record["run"] for record in records}) or [number]
    records = [{**record, "run": left.index(record["run"])} for record in records]
    measured = {record["peer"] for record in kept}
    # A peer that could not be had this time is described as it was when it was measured.
    peers = {**old["peers"], **{name: peer for name, peer in new["peers"].items() if not (peer["unavailable"] and name in measured)}}
    runs = [runs[number] for number in left]
    return {
        "partial": any(run["partial"] for run in runs),
        "machine": {**new["machine"], **old["machine"]},  # a later run may name more tools
        "runs": runs,
        "peers": dict(sorted(peers.items())),
        "records": records,
    }


def gave(report, number):
    """What a run gave, in words: its tables, and of which peers unless it gave those of all."""
    by_peers = {}
    for table in dict.fromkeys(record["table"] for record in report["records"]):
        of_table = [record for record in report["records"] if record["table"] == table]
        every, mine = {record["peer"] for record in of_table}, {record["peer"] for record in of_table if record["run"] == number}
        if mine:
            by_peers.setdefault("all peers" if mine == every else ", ".join(sorted(mine)), []).append(f"`{table}`")
    return "; ".join(f"{', '.join(tables)} of {peers}" for peers, tables in by_peers.items()) or "nothing"


def differences(report, number):
    """What of the tools and of the peers' versions was otherwise in a run than the report says above and below, in words."""
    run = report["runs"][number]
    mine = {record["peer"] for record in report["records"] if record["run"] == number}
    found = [f"{name} {text}" for name, text in run["machine"].items() if text != report["machine"].get(name, text)]
    for name in sorted(mine):
        now, then = report["peers"][name]["version"], run["versions"].get(name)
        if then and then != now:
            found.append(f"{name} at version {then}")
    return found
