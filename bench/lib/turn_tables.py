"""Sections of tables whose peers took turns: a figure, what it is of the base's in the same turn, and the goal beside it.

SPDX-License-Identifier: MIT
"""

from dataclasses import dataclass

from . import stats
from .table import Section, rate_text, ratio_text

BASE = "nginx"


@dataclass(frozen=True)
class Goal:
    """What weir's figure is to be of another peer's."""

    of: str
    bound: float
    at_least: bool = False

    def verdict(self, ratio):
        """The goal, and whether it is met."""
        met = ratio >= self.bound if self.at_least else ratio <= self.bound
        return f"{'met' if met else 'missed'} ({'>=' if self.at_least else '<='} {self.bound:g})"


@dataclass(frozen=True)
class Shown:
    """A scenario as a section shows it."""

    scenario: str
    title: str
    figure: str
    unit: str
    goals: tuple = ()
    digits: int = 2
    rate: str = "rate"
    rate_unit: str = "requests/s"
    most_first: bool = False
    base: str = BASE  # whose figure others' are shown beside
    more: tuple = ()  # further columns: (heading, figure, how it is written)


def _ratio(book, table, shown, peer, base):
    """(the median of a peer's figure over the base's of the same turn, that with its quartiles as text)."""
    mine, theirs = (book.values(table, shown.scenario, name, shown.figure) for name in (peer, base))
    each = [mine[number] / theirs[number] for number in mine if theirs.get(number)]
    if not each:
        return None, ""
    middle = stats.spread(each).middle
    if len(each) < 4:
        return middle, ratio_text(middle)
    lower, upper = stats.quartiles(each)
    return middle, f"{middle:.3f} ({lower:.3f} .. {upper:.3f})"


def section(book, peers, table, shown):
    """A row for each peer that took part, the best first."""
    names = [name for name in book.peers(table) if book.of(table, shown.scenario, name)]
    sign = -1 if shown.most_first else 1
    names.sort(key=lambda name: sign * (book.middle(table, shown.scenario, name, shown.figure) or float("inf") * sign))
    bases = list(dict.fromkeys([shown.base, *(goal.of for goal in shown.goals)]))
    rows = []
    for name in names:
        ratios = {base: _ratio(book, table, shown, name, base) for base in bases}
        goals = [
            goal.verdict(ratios[goal.of][0]) for goal in shown.goals if peers[name]["kind"] == "weir" and ratios[goal.of][0] is not None
        ]
        rows.append(
            [
                book.title(table, shown.scenario, name, peers[name]["title"]),
                book.cell(table, shown.scenario, name, shown.figure, lambda value: f"{value:,.{shown.digits}f}"),
                *(ratios[base][1] for base in bases),
                "; ".join(goals),
                book.cell(table, shown.scenario, name, shown.rate, rate_text, False),
                *(book.cell(table, shown.scenario, name, figure, form, False) for _, figure, form in shown.more),
            ]
        )
    header = ["peer", shown.unit, *(f"of {base}'s" for base in bases), "goal", shown.rate_unit, *(heading for heading, _, _ in shown.more)]
    return Section(shown.title, header, rows)


def memory_section(book, peers, table, title, columns, order):
    """A row for each peer; columns: (heading, scenario, figure, how it is written)."""
    names = [name for name in book.peers(table) if any(book.of(table, scenario, name) for _, scenario, _, _ in columns)]
    names.sort(key=lambda name: book.middle(table, order, name, "each") or float("inf"))
    rows = [
        [peers[name]["title"], *(book.cell(table, scenario, name, figure, form, False) for _, scenario, figure, form in columns)] for name in names
    ]
    return Section(title, ["peer", *(heading for heading, _, _, _ in columns)], rows)
