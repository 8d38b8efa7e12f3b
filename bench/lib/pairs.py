"""Pairs of neighbouring measurements: in which order they are made, which of them count, and what their ratios tell.

A shared machine has phases of seconds to minutes in which everything takes longer. Both of a pair mostly lie in the same
phase, so that it drops out of their ratio, and the two take turns at being first, so that a slow drift drops out of the median.

SPDX-License-Identifier: MIT
"""

import statistics
import textwrap
from dataclasses import dataclass
from typing import Optional

from . import stats


def order(names, number):
    """Who is measured first in a pair: over pairs 0, 1, 2 and 3 it is ABBA ABBA."""
    return names if number % 2 == 0 else names[::-1]


def counting(pairs, wanted, disturbed):
    """The pairs that are judged by: the first that are wanted of those that nothing disturbed; all if these are too few."""
    calm = [pair for pair in pairs if not disturbed(pair)]
    return calm[:wanted] if len(calm) >= wanted else pairs


@dataclass(frozen=True)
class Ratios:
    """The ratios of some pairs."""

    each: list
    middle: float
    quartiles: tuple
    interval: Optional[tuple]  # between which the true median lies, 95 times of 100; None when the pairs are too few to tell

    def note(self, bound=None):
        """The spread in words; and that a bound lies within the interval, which so leaves open whether it is met."""
        text = f"quartiles {self.quartiles[0]:.3f} .. {self.quartiles[1]:.3f}"
        if self.interval is None:
            return text + ", too few pairs for an interval"
        text += f", median within {self.interval[0]:.3f} .. {self.interval[1]:.3f}"
        if bound is not None and self.interval[0] < bound < self.interval[1]:
            text += ", and so is the bound"
        return text

    def lines(self, width=120, indent="    "):
        """Every ratio, in the order in which they were measured."""
        text = " ".join(f"{ratio:.3f}" for ratio in self.each)
        return textwrap.fill(text, width, initial_indent=indent, subsequent_indent=indent)


def ratios(tops, bottoms):
    """The Ratios of two lists of figures of the same pairs."""
    each = [top / bottom for top, bottom in zip(tops, bottoms)]
    return Ratios(each, statistics.median(each), stats.quartiles(each), stats.median_interval(each))


def unrest(values):
    """How far figures of the same thing lie apart: the distance of their quartiles, as a share of their median."""
    lower, upper = stats.quartiles(values)
    return (upper - lower) / statistics.median(values)
