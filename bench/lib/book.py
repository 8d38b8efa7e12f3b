"""The records of a run: everything that was measured, and the middles and spreads that tables show.

A record is one measurement of one peer: {"table", "scenario", "peer", "round", "command", "figures": {name: number}}, or
with "error" in place of figures; in a report it has its "run" too, and all records of a scenario of a peer are of the same. Tables are always made from the records, so that a report of a run that was broken off
is as valid as far as it goes.

SPDX-License-Identifier: MIT
"""

import re
import statistics

from .stats import spread

FOREIGN_MOST = 0.05  # a measurement during which somebody else used more of the machine is marked
MARK = "~"


class Book:
    """Records, and questions about them."""

    def __init__(self, records=()):
        self.records = list(records)

    def add(self, table, scenario, peer, number, figures=None, command=None, error=None):
        """Keeps one measurement."""
        record = {"table": table, "scenario": scenario, "peer": peer, "round": number}
        record.update({"error": error} if error is not None else {"figures": figures})
        if command:
            record["command"] = command
        self.records.append(record)
        return record

    def of(self, table, scenario=None, peer=None):
        """The records of a table, a scenario, a peer."""
        return [
            record
            for record in self.records
            if record["table"] == table and scenario in (None, record["scenario"]) and peer in (None, record["peer"])
        ]

    def peers(self, table):
        """The peers that a table has records of, as they first came."""
        return list(dict.fromkeys(record["peer"] for record in self.of(table)))

    def scenarios(self, table):
        """The scenarios that a table has records of, as they first came."""
        return list(dict.fromkeys(record["scenario"] for record in self.of(table)))

    def values(self, table, scenario, peer, figure):
        """A figure by round, of the rounds that have it."""
        return {
            record["round"]: record["figures"][figure]
            for record in self.of(table, scenario, peer)
            if record.get("figures", {}).get(figure) is not None
        }

    def spread(self, table, scenario, peer, figure):
        """Middle, least and most of a figure; None if there is none."""
        return spread(self.values(table, scenario, peer, figure).values())

    def middle(self, table, scenario, peer, figure):
        """The median of a figure; None if there is none."""
        found = self.spread(table, scenario, peer, figure)
        return found.middle if found else None

    def ratio(self, table, scenario, peer, base, figure):
        """The spread of a figure over another peer's of the same round; of runs that differ, the ratio of the medians."""
        mine, theirs = (self.values(table, scenario, name, figure) for name in (peer, base))
        if mine and theirs and self._run(table, scenario, peer) != self._run(table, scenario, base):
            mine, theirs = ({0: statistics.median(values.values())} for values in (mine, theirs))
        return spread(mine[number] / theirs[number] for number in mine if theirs.get(number))

    def _run(self, table, scenario, peer):
        """The run that measured a scenario of a peer."""
        return self.of(table, scenario, peer)[0].get("run")

    def error(self, table, scenario, peer):
        """Why a measurement failed, or None."""
        wrong = [record["error"] for record in self.of(table, scenario, peer) if "error" in record]
        return wrong[0] if wrong else None

    def disturbed(self, table, scenario, peer):
        """Whether somebody else took part of the machine in most rounds."""
        values = self.values(table, scenario, peer, "foreign").values()
        return bool(values) and statistics.median(values) > FOREIGN_MOST

    def cell(self, table, scenario, peer, figure, form, with_spread=True):
        """A figure as a table shows it: `5.2 (5.1 .. 5.4)`; "failed" or "" when it is not there."""
        found = self.spread(table, scenario, peer, figure)
        if found is None:
            return "failed" if self.error(table, scenario, peer) else ""
        text = form(found.middle)
        if with_spread and found.count > 1:
            text += f" ({form(found.least)} .. {form(found.most)})"
        return text

    def title(self, table, scenario, peer, text):
        """A peer's name at the beginning of a row, marked when its figures were disturbed."""
        return text + (f" {MARK}" if self.disturbed(table, scenario, peer) else "")

    def commands(self, table):
        """{scenario: the command of its client}, the port left out."""
        found = {}
        for record in self.of(table):
            if "command" in record:
                command = re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:PORT", record["command"])
                found.setdefault(record["scenario"], re.sub(r"--port \d+", "--port PORT", command))
        return found

    def failures(self, table):
        """`peer, scenario: why` for every measurement that failed, once each."""
        found = {}
        for record in self.of(table):
            if "error" in record:
                found.setdefault((record["peer"], record["scenario"]), record["error"])
        return [f"{peer}, {scenario}: {error}" for (peer, scenario), error in found.items()]
