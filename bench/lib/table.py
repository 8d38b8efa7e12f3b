"""What a table of bench/tables is made of, and the words in which it shows figures.

A table is a module with

    TITLE, ABOUT                    its heading, and what it measures and how, in a few sentences
    visits(peer, options)           a list of Visits: what is measured of a peer, each list in one start of it
    sections(book, peers, options)  a list of Sections made from the records

    turns(options)                  (optional) a list of Turns: what is measured of all peers in turn

and, if it measures something else than running peers, collect(book, options). ROUNDS_MOST is there if more rounds say no more.

SPDX-License-Identifier: MIT
"""

from dataclasses import dataclass, field
from typing import Callable

from .report import size


@dataclass
class Scenario:
    """One measurement: its name within the table, about how long it takes, and what makes it (instance -> figures)."""

    name: str
    seconds: float
    measure: Callable


@dataclass(eq=False)  # each is one of its own, also with the same scenarios
class Visit:
    """Scenarios that one start of a peer is measured in."""

    scenarios: list
    program: str = "hello"  # what warms it up
    warm: bool = True
    options: tuple = ()  # more words for the peer's command
    environment: dict = field(default_factory=dict)
    command: list = None  # in place of the manifest's
    part: str = None  # of the manifest, laid over its [run]: what it is started for


@dataclass(eq=False)
class Turn:
    """A measurement that all peers take turns at while all of them run: a slice of each, then of each again backwards."""

    name: str
    protocol: str  # of lib/secure.py: who speaks it takes part; None: it is for takes_part to say
    seconds: float  # of a slice, about
    measure: Callable  # instance, what prepare gave -> figures
    prepare: Callable = lambda instance: None  # warms an instance up, and finds what each slice of it has to know
    part: str = "secure"  # as a Visit's
    takes_part: Callable = None  # peer -> whether it does

    def is_for(self, peer):
        """Whether a peer takes part."""
        return peer.speaks(self.protocol) if self.takes_part is None else self.takes_part(peer)


@dataclass
class Plot:
    """A picture beside a table."""

    name: str  # of its file, without .svg
    alt: str
    svg: str


@dataclass
class Section:
    """A part of the report: a heading, a table of text, notes beneath it, pictures."""

    title: str
    header: list
    rows: list
    notes: list = field(default_factory=list)
    plots: list = field(default_factory=list)


def bytes_text(value):
    """A number of bytes."""
    return size(value)


def count_text(value):
    """A whole number."""
    return f"{value:,.0f}"


def rate_text(value):
    """A rate per second: whole, or with a digit when it is small."""
    return f"{value:,.0f}" if value >= 100 else f"{value:,.1f}"


def us_text(microseconds):
    """A time for people."""
    if microseconds < 1000:
        return f"{microseconds:,.0f} us" if microseconds >= 100 else f"{microseconds:,.1f} us"
    if microseconds < 1_000_000:
        return f"{microseconds / 1000:,.1f} ms"
    return f"{microseconds / 1e6:,.2f} s"


def seconds_text(seconds):
    """A time that is given in seconds."""
    return us_text(seconds * 1e6)


def ratio_text(value):
    """A ratio."""
    return f"{value:.3f}"


def share_text(value):
    """A share as a percentage."""
    return f"{value:.0%}"
