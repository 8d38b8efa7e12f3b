"""Says what is running and how much time is left.

SPDX-License-Identifier: MIT
"""

import sys
import time


def clock(seconds):
    """A time span as 1:02:03 or 2:03."""
    seconds = max(0, round(seconds))
    hours, rest = divmod(seconds, 3600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}" if hours else f"{rest // 60}:{rest % 60:02}"


class Progress:
    """One line on standard error: rewritten on a terminal, one after the other elsewhere."""

    def __init__(self, total_seconds, out=sys.stderr):
        self.total = max(total_seconds, 1e-9)
        self.planned = 0.0  # of what is done
        self.began = time.monotonic()
        self.out = out
        self.terminal = out.isatty()

    def left(self):
        """Seconds that are left, judged by how the plan was kept so far."""
        spent = time.monotonic() - self.began
        pace = spent / self.planned if self.planned > 0.05 * self.total else 1.0
        return (self.total - self.planned) * pace

    def say(self, what):
        """Shows what is running now."""
        line = f"[{self.planned / self.total:4.0%}, {clock(self.left())} left] {what}"
        if self.terminal:
            self.out.write(f"\r\x1b[K{line[:118]}")
        else:
            self.out.write(line + "\n")
        self.out.flush()

    def done(self, seconds):
        """So many seconds of the plan are behind us."""
        self.planned = min(self.total, self.planned + seconds)

    def close(self):
        """Ends the line."""
        if self.terminal:
            self.out.write("\r\x1b[K")
            self.out.flush()
