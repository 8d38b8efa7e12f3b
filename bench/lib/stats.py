"""Middles and spreads of repeated measurements.

SPDX-License-Identifier: MIT
"""

import math
import statistics
from dataclasses import dataclass


@dataclass(frozen=True)
class Spread:
    """What several runs gave."""

    middle: float
    least: float
    most: float
    count: int


def spread(values):
    """The Spread of some values, or None if there are none."""
    values = [value for value in values if value is not None]
    return Spread(statistics.median(values), min(values), max(values), len(values)) if values else None


def percentile(values, share):
    """The smallest value that at least this share of the values does not exceed (nearest rank)."""
    ordered = sorted(values)
    if not ordered or not 0 < share <= 1:
        raise ValueError("a share of (0, 1] of at least one value")
    return ordered[math.ceil(share * len(ordered)) - 1]


def slope(points):
    """The slope of the straight line that fits (x, y) points best; None for fewer than two different x."""
    if len({x for x, _ in points}) < 2:
        return None
    return statistics.linear_regression([x for x, _ in points], [y for _, y in points]).slope
