"""Pairs of slices: their order, which of them count, and what is said of their ratios.

SPDX-License-Identifier: MIT
"""

import itertools
import math
import statistics

import pytest
from lib import pairs, stats


def test_each_is_the_first_as_often():
    assert [pairs.order("AB", number) for number in range(4)] == ["AB", "BA", "AB", "BA"]


def test_a_steady_drift_drops_out_of_the_median():
    def cost(who, slice_number):
        return (1.0 if who == "A" else 1.05) * (1 + 0.01 * slice_number)

    slices = itertools.count()
    found = []
    for number in range(20):
        pair = {who: cost(who, next(slices)) for who in pairs.order("AB", number)}
        found.append(pair["B"] / pair["A"])
    assert statistics.median(found) == pytest.approx(1.05, abs=0.001)
    assert found[0] > 1.055 and found[1] < 1.045  # which either order alone would not do


def test_disturbed_pairs_are_left_out_if_there_are_enough_others():
    def odd(pair):
        return pair % 2 == 1

    assert pairs.counting([2, 1, 4, 6, 3, 8], 3, odd) == [2, 4, 6]
    assert pairs.counting([2, 1, 4, 3, 5, 7], 3, odd) == [2, 1, 4, 3, 5, 7]
    assert pairs.counting([2, 4, 6], 3, odd) == [2, 4, 6]


def test_ratios_are_of_the_same_pair():
    ratios = pairs.ratios([2, 30, 8], [1, 10, 8])
    assert (ratios.each, ratios.middle, ratios.quartiles) == ([2, 3, 1], 2, (1.5, 2.5))
    assert ratios.interval is None and "too few pairs" in ratios.note(1)


def test_a_bound_within_the_interval_is_told():
    ratios = pairs.ratios([0.97, 0.98, 0.98, 1.01, 1.01, 1.03], [1] * 6)
    assert ratios.note() == "quartiles 0.980 .. 1.010, median within 0.970 .. 1.030"
    assert ratios.note(1.0) == ratios.note() + ", and so is the bound"
    assert ratios.note(0.96) == ratios.note(1.03) == ratios.note()


def test_every_ratio_is_printed():
    ratios = pairs.ratios(range(1, 41), [1] * 40)
    lines = ratios.lines(width=60).splitlines()
    assert all(len(line) <= 60 and line.startswith("    ") for line in lines)
    assert [float(word) for line in lines for word in line.split()] == list(range(1, 41))


def test_unrest_is_the_distance_of_the_quartiles():
    assert pairs.unrest([5, 5, 5, 5]) == 0
    assert pairs.unrest([80, 90, 100, 110, 120]) == pytest.approx(0.2)


def test_quartiles():
    assert stats.quartiles([4, 1, 3, 2, 5]) == (2, 4)
    assert stats.quartiles([1, 2, 3, 4]) == (1.75, 3.25)
    assert stats.quartiles([7]) == (7, 7)


@pytest.mark.parametrize("count, rank", [(6, 1), (8, 1), (9, 2), (10, 2), (20, 6), (40, 14)])
def test_median_interval_is_that_of_the_sign_test(count, rank):
    """The ranks are those of printed tables for 95 %."""
    assert stats.median_interval(range(count, 0, -1)) == (rank, count + 1 - rank)


def test_median_interval_of_a_few_is_none():
    assert stats.median_interval([1, 2, 3, 4, 5]) is None
    assert stats.median_interval([1]) is None
    assert stats.median_interval([1, 2, 3, 4, 5], confidence=0.9) == (1, 5)


@pytest.mark.parametrize("count", [6, 15, 40])
def test_median_interval_misses_as_seldom_as_it_says(count):
    """Which of the values lie below the true median is a throw of coins: all outcomes are gone through by their number."""
    low, high = stats.median_interval(range(1, count + 1))
    holds = sum(math.comb(count, below) for below in range(count + 1) if low <= below < high) / 2**count
    narrower = sum(math.comb(count, below) for below in range(count + 1) if low + 1 <= below < high - 1) / 2**count
    assert narrower < 0.95 <= holds
