"""Middles, spreads, and how records become tables.

SPDX-License-Identifier: MIT
"""

import pytest
from lib import stats
from lib.book import Book
from lib.table import rate_text, us_text


def test_spread_is_the_median_and_its_bounds():
    assert stats.spread([3, 1, 10]) == stats.Spread(3, 1, 10, 3)
    assert stats.spread([1, 2, None]) == stats.Spread(1.5, 1, 2, 2)
    assert stats.spread([]) is None


@pytest.mark.parametrize("share, wanted", [(0.5, 50), (0.99, 99), (0.999, 100), (1, 100), (0.001, 1)])
def test_percentile_is_the_nearest_rank(share, wanted):
    assert stats.percentile(range(1, 101), share) == wanted


def test_percentile_of_nothing_is_refused():
    with pytest.raises(ValueError):
        stats.percentile([], 0.5)
    with pytest.raises(ValueError):
        stats.percentile([1], 0)


def test_slope_fits_points():
    assert stats.slope([(0, 5), (1000, 56005), (2000, 112005)]) == pytest.approx(56)
    assert stats.slope([(7, 1), (7, 2)]) is None


def _book():
    book = Book()
    for number, (mine, theirs) in enumerate([(10, 20), (30, 20), (20, 20)]):
        book.add("t", "64", "weir", number, {"rate": mine, "foreign": 0.2 * number})
        book.add("t", "64", "floor", number, {"rate": theirs, "foreign": 0})
    book.add("t", "64", "other", 0, error="it ended")
    return book


def test_ratio_is_of_the_same_rounds():
    ratio = _book().ratio("t", "64", "weir", "floor", "rate")
    assert (ratio.middle, ratio.least, ratio.most) == (1, 0.5, 1.5)


def test_cell_shows_the_spread_and_failures():
    book = _book()
    assert book.cell("t", "64", "weir", "rate", rate_text) == "20.0 (10.0 .. 30.0)"
    assert book.cell("t", "64", "weir", "rate", rate_text, False) == "20.0"
    assert book.cell("t", "64", "other", "rate", rate_text) == "failed"
    assert book.cell("t", "64", "nobody", "rate", rate_text) == ""
    assert book.failures("t") == ["other, 64: it ended"]


def test_disturbed_rows_are_marked():
    book = _book()
    assert book.title("t", "64", "weir", "weir") == "weir ~"
    assert book.title("t", "64", "floor", "floor") == "floor"


@pytest.mark.parametrize("value, text", [(12.34, "12.3 us"), (640, "640 us"), (12345, "12.3 ms"), (2.5e6, "2.50 s")])
def test_times_are_shown_in_fitting_units(value, text):
    assert us_text(value) == text


def test_commands_are_told_once_for_each_scenario():
    book = Book()
    book.add("t", "64", "weir", 0, {"rate": 1}, "wrk -c64 http://127.0.0.1:4711/")
    book.add("t", "64", "floor", 0, {"rate": 1}, "wrk -c64 http://127.0.0.1:4712/")
    book.add("t", "fixed", "weir", 0, {"rate": 1}, "steady --port 4713 --rate 1")
    assert book.commands("t") == {"64": "wrk -c64 http://127.0.0.1:PORT/", "fixed": "steady --port PORT --rate 1"}
