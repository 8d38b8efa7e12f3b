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


def quartiles(values):
    """What a quarter of the values does not exceed, and what another quarter is not below; between values in proportion."""
    if len(values) < 2:
        return (values[0], values[0])
    lower, _, upper = statistics.quantiles(values, n=4, method="inclusive")
    return lower, upper


def median_interval(values, confidence=0.95):
    """Bounds between which the median of what the values are drawn from lies, with at least this confidence: two of the values
    themselves, counted from both ends, as the sign test has it. Assumes nothing of how they are spread, but that each is
    drawn by itself. None when there are too few of them."""
    ordered = sorted(values)
    count, tail, rank = len(ordered), 0.0, 0
    while rank <= count:
        tail += math.comb(count, rank) / 2**count  # the probability that no more than `rank` values lie below the median
        if 2 * tail > 1 - confidence:
            break
        rank += 1
    return (ordered[rank - 1], ordered[-rank]) if rank > 0 else None


def slope(points):
    """The slope of the straight line that fits (x, y) points best; None for fewer than two different x."""
    if len({x for x, _ in points}) < 2:
        return None
    return statistics.linear_regression([x for x, _ in points], [y for _, y in points]).slope
