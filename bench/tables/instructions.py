"""Table 7: instructions per request by callgrind, for weir.

SPDX-License-Identifier: MIT
"""

import json
import os
import subprocess
import tempfile

from lib import build
from lib.table import Section, count_text

TITLE = "7. Instructions per request"
ABOUT = """User-space instructions of weir for one request, counted by callgrind on one connection in lock-step: unlike times they are the
same on every run. A test fails when one is more than 3 % above the count that `bench/instructions.json` records."""

COMMAND = os.path.join("script", "instructions")


def collect(book, options):
    """Counts anew; a quick run shows what is recorded."""
    if options.quick:
        with open(os.path.join(build.ROOT, "bench", "instructions.json"), encoding="utf-8") as file:
            counts = json.load(file)["counts"]
        for name, count in counts.items():
            book.add("instructions", name, "weir", 0, {"instructions": count}, "recorded in bench/instructions.json")
        return
    with tempfile.NamedTemporaryFile(suffix=".json") as result:
        command = [os.path.join(build.ROOT, COMMAND), "--tour", os.environ.get("WEIR_BENCH_TOUR", build.TOUR), "--json", result.name]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        if done.returncode != 0:
            book.add("instructions", "all", "weir", 0, error=done.stdout.strip()[-300:])
            return
        for row in json.load(result)["rows"]:
            figures = {"instructions": row["value"], "commitment": row["commitment"]}
            book.add("instructions", row["name"], "weir", 0, figures, COMMAND)


def sections(book, _peers, _options):
    """One row a program."""
    rows = []
    for name in book.scenarios("instructions"):
        cell = lambda figure: book.cell("instructions", name, "weir", figure, count_text)  # noqa: E731, B023
        rows.append([name, cell("instructions"), cell("commitment")])
    return [Section("", ["request", "instructions", "commitment"], rows)]
