"""Table 10: files of three sizes, of which all peers take turns.

SPDX-License-Identifier: MIT
"""

from lib.secure import PROTOCOLS
from lib.table import Turn
from lib.turn_tables import Goal, Shown, section
from lib.turns import ByWrk

from tables.tls import download

TITLE = "10. Files"
ABOUT = """Files of 1 KB, 100 KB and 100 MiB, each the same one over and over, so that it is in the page cache and wherever a peer keeps what it
knows of it: nginx has `open_file_cache` on. The small ones over connections that stay, by wrk (64, and 16 for the one of 100 KB); what opening
the connections costs is measured alone and taken off. The large one over one connection, by h2load, and once more over TLS. *Client's too*:
processor time of both, since over the loopback interface the kernel charges now the one and now the other for sending. Peers take turns as in
the table of TLS, and all speak TLS as there."""

SMALL, MIDDLE, LARGE, SECURE = "1 KB", "100 KB", "100 MB", "100 MB over TLS"

BOTH = (("client's too", "both_gb_s", lambda value: f"{value:.3f}"),)

SHOWN = (
    Shown(SMALL, "A file of 1 KB", "cpu_us", "CPU us/request", (Goal("nginx", 1.0), Goal("h2o", 1.0))),
    Shown(MIDDLE, "A file of 100 KB", "cpu_us", "CPU us/request", (Goal("nginx", 1.0), Goal("h2o", 1.0))),
    Shown(LARGE, "A file of 100 MB", "cpu_gb_s", "CPU s/GB", (Goal("nginx", 1.0),), digits=3, rate="bytes_rate", rate_unit="bytes/s", more=BOTH),
    Shown(SECURE, "The same over TLS", "cpu_gb_s", "CPU s/GB", (Goal("nginx", 1.0),), digits=3, rate="bytes_rate", rate_unit="bytes/s"),
)


def turns(options):
    """What all peers take turns at."""
    seconds = min(options.seconds, 1)
    found = []
    for name, path, connections in ((SMALL, "/file/1k.bin", 64), (MIDDLE, "/file/100k.bin", 16)):
        wrk = ByWrk(PROTOCOLS["http"], path, connections, seconds)
        found.append(Turn(name, "http", seconds + 0.3, wrk.measure, wrk.prepare))
    for name, protocol in ((LARGE, "http"), (SECURE, "https")):
        prepare, measure = download(PROTOCOLS[protocol], seconds)
        found.append(Turn(name, protocol, 1.0, measure, prepare))
    return found


def sections(book, peers, _options):
    """A section for each load."""
    return [section(book, peers, "files", shown) for shown in SHOWN if book.of("files", shown.scenario)]
