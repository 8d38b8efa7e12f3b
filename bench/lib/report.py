"""Prints measurements beside the commitments, and says whether each is met.

SPDX-License-Identifier: MIT
"""

import json
import statistics
from dataclasses import asdict, dataclass
from typing import Optional


def size(count):
    """A number of bytes for people; small ones exactly."""
    if abs(count) < 10_000:
        return f"{count:,.0f} B"
    if abs(count) < 1_000_000:
        return f"{count / 1000:,.1f} KB"
    return f"{count / 1e6:,.2f} MB"


def spread(values, form="{:.3f}"):
    """The smallest, the middle and the largest of some values."""
    middle = form.format(statistics.median(values))
    return f"{middle} ({form.format(min(values))} .. {form.format(max(values))})"


@dataclass
class Row:
    """One measured figure; commitment and stretch are bounds in the same unit."""

    name: str
    value: float
    unit: str = "bytes"  # "bytes", "ratio", "ms", "instructions", "ns"
    commitment: Optional[float] = None
    stretch: Optional[float] = None
    at_least: bool = False  # the bound is a lower one
    note: str = ""

    @property
    def met(self):
        """Whether the commitment is kept; None if there is none."""
        if self.commitment is None:
            return None
        return self.value >= self.commitment if self.at_least else self.value <= self.commitment

    def show(self, value):
        """A value in this row's unit."""
        if self.unit == "bytes":
            return size(value)
        return {"ratio": "{:.3f}", "ms": "{:.1f} ms", "ns": "{:.1f} ns"}.get(self.unit, "{:,.0f}").format(value)

    def verdict(self):
        """`met (>= 0.96)`, `missed (<= 64 B)`, with the stretch where it is reached too; "" without a commitment."""
        if self.met is None:
            return ""
        sign = ">=" if self.at_least else "<="
        reached = self.stretch is not None and (
            self.value >= self.stretch if self.at_least else self.value <= self.stretch
        )
        word = "met, stretch too" if reached else "met" if self.met else "missed"
        bound = self.show(self.commitment)
        if self.stretch is not None:
            bound += f", stretch {self.show(self.stretch)}"
        return f"{word} ({sign} {bound})"


class Report:
    """Collects rows and prints each as soon as it is known."""

    def __init__(self):
        self.rows = []

    def add(self, row):
        """Prints a row and keeps it."""
        self.rows.append(row)
        print(f"  {row.name:<52} {row.show(row.value):>12}  {row.verdict()}{'  ' + row.note if row.note else ''}", flush=True)
        return row

    def summary(self):
        """Prints how many commitments are met. Returns the number that is missed."""
        judged = [row for row in self.rows if row.met is not None]
        missed = [row.name.strip() for row in judged if not row.met]
        print(f"\n{len(judged) - len(missed)} of {len(judged)} commitments met" + (": missed " if missed else ""), end="")
        print("; ".join(missed))
        return len(missed)

    def write_json(self, path, **more):
        """Writes all rows, and what else is given, as one JSON object."""
        rows = [{**asdict(row), "met": row.met} for row in self.rows]
        with open(path, "w", encoding="utf-8") as file:
            json.dump({**more, "rows": rows}, file, indent=2)
            file.write("\n")
