"""Table 8: TLS. Requests, a large file and handshakes, of which all peers take turns; then memory.

SPDX-License-Identifier: MIT
"""

from lib import held, secure
from lib.programs import PROGRAMS
from lib.secure import PROTOCOLS
from lib.table import Scenario, Turn, Visit, bytes_text, ratio_text
from lib.turn_tables import Goal, Shown, memory_section, section
from lib.turns import ByH2load, ByWrk, get_file, handshakes

TITLE = "8. TLS"
ABOUT = f"""All peers serve the same certificate, of an EC key on P-256, and all clients offer one thing alone: {secure.VERSION} with
{secure.CIPHER} and {secure.GROUP}. All peers run while they take turns, a second each, forth and back; figures are medians over the slices with
their least and most, and ratios medians of those of the same turn with their quartiles. Requests: `GET /` over 64 connections that stay, by wrk;
what opening them costs is measured alone and taken off. The file: 100 MiB over one connection, by h2load. Handshakes: a connection, a handshake, a
request and the end, over and over, by `bench/secure/handshakes.c`; resumed ones by the ticket of the one before. Memory: slopes of private
memory over connections that idle after a request, that are connected and silent, and that have sent half a ClientHello; 500 readers of the file that
read nothing, with what the kernel holds; and 5,000 handshakes at once, with what is left when all have gone."""

ROUNDS_MOST = 1  # of memory
CONNECTIONS = 64
FILE_BYTES = 100 << 20
FILES = 5  # in a slice
THREADS = 8
COUNTS = (1000, 19000)
STALLED = (100, 500)
AT_ONCE = 5000
HTTPS = PROTOCOLS["https"]
KEPT, SECOND, FILE, FULL, RESUMED = "https", "https, by h2load", "file", "full handshakes", "resumed handshakes"
IDLE, SILENT, HALF, STALL, BURST = "idle", "silent", "half a ClientHello", "stalled reader", "handshakes at once"

SHOWN = (
    Shown(KEPT, "Requests over 64 connections", "cpu_us", "CPU us/request", (Goal("nginx", 0.75),)),
    Shown(SECOND, "The same by h2load", "cpu_us", "CPU us/request", (Goal("nginx", 0.75),)),
    Shown(FILE, "100 MB file", "cpu_gb_s", "CPU s/GB", (Goal("nginx", 0.8),), digits=3, rate="bytes_rate", rate_unit="bytes/s"),
    Shown(FULL, "Full handshakes", "a_cpu_second", "for a second of CPU", (Goal("nginx", 0.95, True),), digits=0, rate_unit="handshakes/s", most_first=True),
    Shown(RESUMED, "Resumed handshakes", "a_cpu_second", "for a second of CPU", (Goal("nginx", 0.95, True),), digits=0, rate_unit="handshakes/s", most_first=True),
)


def counts_of(options, counts=COUNTS):
    """The numbers of connections that are held."""
    most = 1000 if options.quick else options.connections_most
    return sorted({min(count // (10 if options.quick else 1), most) for count in counts})


def download(protocol, seconds):
    """A Turn's two functions: the file, as often as fits."""
    program = PROGRAMS["file"]

    def prepare(instance):
        once = get_file(protocol, program.path, FILE_BYTES, 1, instance)
        return max(1, min(FILES, round(seconds / once["wall_s"])))

    return prepare, lambda instance, count: get_file(protocol, program.path, FILE_BYTES, count, instance)


def turns(options):
    """What all peers take turns at."""
    seconds = min(options.seconds, 1)
    wrk = ByWrk(HTTPS, "/", CONNECTIONS, seconds)
    second = ByH2load(HTTPS, "/", CONNECTIONS, 1, seconds)
    prepare, measure = download(HTTPS, seconds)
    found = [
        Turn(KEPT, "https", seconds + 0.3, wrk.measure, wrk.prepare),
        Turn(SECOND, "https", seconds + 0.3, second.measure, second.prepare),
        Turn(FILE, "https", 1.0, measure, prepare),
    ]
    for name, resume in ((FULL, False), (RESUMED, True)):
        shake = lambda instance, _prepared=None, resume=resume: handshakes(resume, seconds, THREADS, instance)  # noqa: E731
        found.append(Turn(name, "https", seconds + 0.3, shake, shake))
    return found


def visits(peer, options):
    """Each kind of connection in a start of its own."""
    if not peer.speaks("https"):
        return []
    counts = counts_of(options)
    kinds = {
        IDLE: (60, lambda instance: held.for_each(instance, HTTPS, counts, request=held.REQUEST)),
        SILENT: (15, lambda instance: held.for_each(instance, HTTPS, counts, stop="silent")),
        HALF: (15, lambda instance: held.for_each(instance, HTTPS, counts, stop="half")),
        STALL: (15, lambda instance: held.for_each(instance, HTTPS, counts_of(options, STALLED), request=held.LARGE, stop="asked")),
        BURST: (40, lambda instance: held.at_once(instance, HTTPS, AT_ONCE // (10 if options.quick else 1))),
    }
    return [Visit([Scenario(name, seconds, measure)], warm=False, part="secure") for name, (seconds, measure) in kinds.items()]


def sections(book, peers, _options):
    """A section for each load, and one of memory."""
    found = [section(book, peers, "tls", shown) for shown in SHOWN if book.of("tls", shown.scenario)]
    columns = [
        ("idle, each", IDLE, "each", bytes_text),
        ("silent, each", SILENT, "each", bytes_text),
        ("half a ClientHello, each", HALF, "each", bytes_text),
        ("stalled, each", STALL, "each", bytes_text),
        ("stalled, kernel", STALL, "kernel_each", bytes_text),
        ("before the handshakes", BURST, "private_before", bytes_text),
        ("meanwhile", BURST, "private", bytes_text),
        ("left", BURST, "private_left", bytes_text),
        ("of before", BURST, "left", ratio_text),
    ]
    memory = memory_section(book, peers, "tls", "Memory", columns, IDLE)
    return found + ([memory] if memory.rows else [])
