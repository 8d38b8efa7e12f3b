"""Table 12: bodies that become files: processor time, of which all peers take turns, and memory.

SPDX-License-Identifier: MIT
"""

from lib import uploads
from lib.table import Scenario, Section, Turn, Visit, bytes_text, rate_text
from lib.turn_tables import Goal, Shown, section

TITLE = "12. Uploads"
ABOUT = f"""PUT of bodies that become files, sent by `bench/put.c` as fast as they are taken, over HTTP/1.1 without TLS. The folder is in memory
(tmpfs, `{uploads.MEMORY}`) where there are {uploads.ROOM >> 30} GiB free, else on the disk; after each measurement it is emptied. weir saves by `weir_save_body`,
nginx by its module of WebDAV into a temporary file in the same folder, both of which give the file its name when it is whole; actix-web writes
into the file itself. *weir, by hand* reads and writes by `weir_read_slice` and `weir_file_write`. Processor time: 16 bodies of 20 MB at once, for 10^9
bytes, in turn as in the table of TLS. Memory, in a fresh start each: 256 bodies of 20 MB at once, and one of 4 GB; each is what
private memory grew by at most, for each body."""

ROUNDS_MOST = 2  # of memory
PART = "uploads"
SIZE = 20 * 10**6
AT_ONCE = 16
MANY, HUGE = 256, 4 * 10**9
SLICE, TOGETHER, ONE = "16 of 20 MB", "256 of 20 MB", "one of 4 GB"
CHECKED = 1_000_003

SHOWN = Shown(SLICE, "Processor time", "cpu_gb_s", "CPU s/GB", (Goal("nginx", 1.0),), digits=3, rate="bytes_rate", rate_unit="bytes/s")


def _takes_part(peer):
    return peer.has_part(PART)


def turns(options):
    """What all peers take turns at."""
    size = SIZE // 10 if options.quick else SIZE
    prepare = lambda instance: uploads.check_bytes(instance, CHECKED)  # noqa: E731
    return [Turn(SLICE, None, 1.0, lambda instance, _: uploads.send_slice(instance, AT_ONCE, size), prepare, PART, _takes_part)]


def visits(peer, options):
    """A start for many bodies, and one for a large one."""
    if not _takes_part(peer):
        return []
    less = 100 if options.quick else 1
    together = Scenario(TOGETHER, 10, lambda instance: uploads.send(instance, MANY, SIZE // less))
    one = Scenario(ONE, 8, lambda instance: uploads.send(instance, 1, HUGE // less))
    return [Visit([each], warm=False, part=PART) for each in (together, one)]


def sections(book, peers, _options):
    """Processor time, and memory of the two."""
    found = [section(book, peers, "uploads", SHOWN)] if book.of("uploads", SLICE) else []
    for scenario, title in ((TOGETHER, "256 bodies of 20 MB at once"), (ONE, "One body of 4 GB")):
        names = [name for name in book.peers("uploads") if book.of("uploads", scenario, name)]
        names.sort(key=lambda name, scenario=scenario: book.middle("uploads", scenario, name, "peak") or float("inf"))
        cell = lambda name, figure, form, scenario=scenario: book.cell("uploads", scenario, name, figure, form, False)  # noqa: E731
        rows = [
            [
                book.title("uploads", scenario, name, peers[name]["title"]),
                cell(name, "peak", bytes_text),
                cell(name, "each", bytes_text),
                cell(name, "cpu_gb_s", lambda value: f"{value:.3f}"),
                cell(name, "bytes_rate", rate_text),
            ]
            for name in names
        ]
        if rows:
            found.append(Section(title, ["peer", "peak", "each", "CPU s/GB", "bytes/s"], rows))
    return found
