"""Draws bars and lines as SVG text, with nothing but the standard library.

SPDX-License-Identifier: MIT
"""

import math
from xml.sax.saxutils import escape

WIDTH = 760
COLOURS = ("#1b6ca8", "#d1495b", "#2e8b57", "#edae49", "#7b5ea7", "#00798c", "#8d6e63", "#c2185b", "#5c6b73", "#9acd32")
FIRST = "#1b6ca8"
OTHER = "#9fb6c6"
CLAIM = "#d1495b"
FONT = 'font-family="sans-serif" font-size="12"'


def _text(x, y, text, anchor="start", more=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" {FONT} fill="#222" {more}>{escape(str(text))}</text>'


def _line(x1, y1, x2, y2, colour="#ccc", width=1, more=""):
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" stroke-width="{width}" {more}/>'


def _document(height, title, parts):
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" role="img">'
    ground = f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>'
    heading = _text(WIDTH / 2, 20, title, "middle", 'font-weight="bold"')
    return "\n".join([head, f"<title>{escape(title)}</title>", ground, heading, *parts, "</svg>"]) + "\n"


class Scale:
    """Maps values to positions, evenly or by their logarithms."""

    def __init__(self, values, start, end, log=False):
        self.log = log
        self.start, self.end = start, end
        if log:
            positive = [value for value in values if value > 0] or [1]
            self.low, self.high = math.floor(math.log10(min(positive))), math.ceil(math.log10(max(positive)))
            self.high = max(self.high, self.low + 1)
        else:
            self.low, self.high = 0, _nice(max([*values, 1e-9]))

    def at(self, value):
        """Where a value lies."""
        if self.log:
            value = math.log10(value) if value > 0 else self.low
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)

    def ticks(self):
        """Values to mark."""
        if self.log:
            return [10.0**power for power in range(self.low, self.high + 1)]
        return [self.high * step / 4 for step in range(5)]


def _nice(value):
    """The next value that is 1, 1.5, 2, 3, 4, 5, 6 or 8 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 1.5, 2, 3, 4, 5, 6, 8, 10) if step * power >= value * 0.999999)


def short(value):
    """A number in a few characters: 12k, 3.4M."""
    for limit, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= limit:
            return f"{value / limit:.3g}{unit}"
    return f"{value:.3g}"


def bars(title, unit, rows, first=None, form=short):
    """Horizontal bars. rows: (label, value, claim or None); the bar of `first` stands out; claims are red marks."""
    rows = [row for row in rows if row[1] is not None]
    height = 70 + 24 * len(rows)
    values = [number for _, value, claim in rows for number in (value, claim) if number is not None]
    scale = Scale(values, 170, WIDTH - 90)
    parts = []
    for tick in scale.ticks():
        x = scale.at(tick)
        parts += [_line(x, 34, x, height - 32), _text(x, height - 16, form(tick), "middle")]
    for number, (label, value, claim) in enumerate(rows):
        y = 40 + 24 * number
        colour = FIRST if label == first else OTHER
        width = max(1.0, scale.at(value) - scale.start)
        parts.append(f'<rect x="{scale.start:.1f}" y="{y}" width="{width:.1f}" height="16" fill="{colour}"/>')
        beside = scale.at(value)
        if claim is not None:
            x = scale.at(claim)
            parts.append(_line(x, y - 3, x, y + 19, CLAIM, 3))
            beside = x if 0 <= x - beside < 60 else beside  # the number does not lie under the mark
        parts += [_text(162, y + 13, label, "end"), _text(beside + 6, y + 13, form(value))]
    parts.append(_text(WIDTH - 10, height - 16, unit, "end"))
    return _document(height, title, parts)


def lines(title, x_name, y_name, series, log_x=True, log_y=False, form=short):
    """Lines through points. series: {name: [(x, y), ...]}."""
    series = {name: sorted(points) for name, points in series.items() if points}
    height, bottom = 420, 370
    across = Scale([x for points in series.values() for x, _ in points], 70, WIDTH - 170, log_x)
    up = Scale([y for points in series.values() for _, y in points], bottom, 40, log_y)
    parts = []
    for tick in across.ticks():
        parts += [_line(across.at(tick), 40, across.at(tick), bottom), _text(across.at(tick), bottom + 18, form(tick), "middle")]
    for tick in up.ticks():
        parts += [_line(70, up.at(tick), WIDTH - 170, up.at(tick)), _text(62, up.at(tick) + 4, form(tick), "end")]
    for number, (name, points) in enumerate(series.items()):
        colour = COLOURS[number % len(COLOURS)]
        dash = 'stroke-dasharray="5 3"' if number >= len(COLOURS) else ""
        path = " ".join(f"{across.at(x):.1f},{up.at(y):.1f}" for x, y in points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2" {dash}/>')
        parts += [f'<circle cx="{across.at(x):.1f}" cy="{up.at(y):.1f}" r="3" fill="{colour}"/>' for x, y in points]
        y = 48 + 18 * number
        parts += [_line(WIDTH - 158, y, WIDTH - 136, y, colour, 3, dash), _text(WIDTH - 130, y + 4, name)]
    parts += [_text((70 + WIDTH - 170) / 2, height - 12, x_name, "middle"), _text(12, 34, y_name)]
    return _document(max(height, 60 + 18 * len(series)), title, parts)
