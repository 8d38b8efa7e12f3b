"""Says what is running and how much time is left.

SPDX-License-Identifier: MIT
"""

import sys

PACE_KNOWN = 0.05  # how much of the plan has to be done before its pace is judged


def clock(seconds):
    """A time span as 1:02:03 or 2:03."""
    seconds = max(0, round(seconds))
    hours, rest = divmod(seconds, 3600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}" if hours else f"{rest // 60}:{rest % 60:02}"


class Progress:
    """One line on standard error: rewritten on a terminal, one after the other elsewhere.

    steps: {step: (seconds planned, times that it is done)}. What was done once is expected to take as long again, and what was
    not yet, as much longer or shorter than planned as all that was.
    """

    def __init__(self, steps, out=None):
        self.planned = {step: seconds for step, (seconds, _) in steps.items()}
        self.times = {step: times for step, (_, times) in steps.items()}  # that are left
        self.took = {}  # the last time, of those that were done
        self.spent = 0.0
        self.out = out or sys.stderr
        self.terminal = self.out.isatty()

    def left(self):
        """Seconds that are left."""
        known = sum(self.planned[step] for step in self.took)
        pace = sum(self.took.values()) / known if known > PACE_KNOWN * sum(self.planned.values()) else 1.0
        return sum(times * self.took.get(step, pace * self.planned[step]) for step, times in self.times.items())

    def say(self, what):
        """Shows what is running now."""
        left = self.left()
        line = f"[{self.spent / max(1e-9, self.spent + left):4.0%}, {clock(left)} left] {what}"
        if self.terminal:
            self.out.write(f"\r\x1b[K{line[:118]}")
        else:
            self.out.write(line + "\n")
        self.out.flush()

    def done(self, step, seconds):
        """A step was done once, and took so long."""
        self.spent += seconds
        self.took[step] = seconds
        self.times[step] -= 1

    def drop(self, step):
        """A step is not done any more."""
        self.times[step] = 0

    def close(self):
        """Ends the line."""
        if self.terminal:
            self.out.write("\r\x1b[K")
            self.out.flush()
