"""Table 4: how memory grows with connections, and how throughput falls with headers, routes and middleware.

SPDX-License-Identifier: MIT
"""

from lib import load, svg
from lib.clients import Clients
from lib.programs import PROGRAMS, Program
from lib.stats import slope
from lib.table import Plot, Scenario, Section, Visit, bytes_text
from lib.tree import Sampler

TITLE = "4. Growth"
ABOUT = """Memory against connections that idle after one request, that are busy, and that stall: they ask for the file of 100 MB and read
nothing. Figures for each connection are slopes of private memory, so that the program itself does not count; `kernel` is what
the kernel holds in the queues of the server's end. Then processor time per request, 64 connections, against headers of the
request, against routes, and against middleware that does nothing."""

IDLE_COUNTS = (1000, 4000, 10000)
STALLED = 500
REPLIES_SECONDS = 30  # a server that does not answer more connections for so long takes no more
HEADERS = (0, 10, 50)
ROUTES = (1, 100, 1000)
MIDDLEWARE = (0, 4, 16)
IDLE, STALL = "idle", "stalled"


def _counts(options):
    return [count for count in IDLE_COUNTS if count <= options.connections_most] or [options.connections_most]


def _idle(instance, options):
    """Private memory at each count of idle connections, as far as the server lets so many stay."""
    program = PROGRAMS["hello"]
    asked = {"send": load.request(instance, program), "reply": load.whole_reply_length(instance, program), "lockstep": True}
    asked["ready_seconds"] = REPLIES_SECONDS
    figures = {"private_0": load.settled(instance, 1.0, 4.0).private}
    held, addresses, points = [], 0, []
    try:
        for count in _counts(options):
            more = Clients(instance, count - sum(number for number, _ in held), first_address=2 + addresses, **asked)
            held.append((count - sum(number for number, _ in held), more))
            addresses += more.addresses
            memory = load.settled(instance, 1.0, 6.0)
            if load.kernel_bytes(instance)[0] < count:
                break  # it has closed some
            figures[f"private_{count}"] = memory.private
            figures["proportional"] = memory.proportional
            figures["reached"] = count
            points.append((count, memory.private))
    except RuntimeError:
        pass  # it takes no more: what was reached counts
    finally:
        for _, clients in held:
            clients.close()
    if not points:
        raise RuntimeError("no count of idle connections was reached")
    figures["each"] = slope(points) if len(points) > 1 else (points[0][1] - figures["private_0"]) / points[0][0]
    return figures


def _stalled(instance, _options):
    before = load.settled(instance, 1.0, 4.0)
    with Sampler(instance.tree, instance.kill), Clients(instance, STALLED, send=load.request(instance, PROGRAMS["file"])):
        memory = load.settled(instance, 2.0, 8.0)
        sockets, kernel = load.kernel_bytes(instance)
    return {"each": (memory.private - before.private) / STALLED, "kernel_each": kernel / sockets if sockets else None, "sockets": sockets}


def _headers(instance, count, options):
    headers = [f"X-Header-{number}: a value of some bytes, {number}" for number in range(count)]
    return load.closed(instance, PROGRAMS["hello"], 64, options.seconds, headers=headers)


def _grown(peer, what, count, options):
    """A Visit of a program with so many routes or middlewares, asked for its last route."""
    routes = count if what == "routes" else 1
    program = Program("grown", "", f"/route{routes - 1}/7", "", "text/plain")
    words = {"PEER_ROUTES": str(routes), "PEER_MIDDLEWARE": str(count if what == "middleware" else 0)}
    scenario = Scenario(f"{what} {count}", options.seconds + 0.5, lambda instance: load.closed(instance, program, 64, options.seconds))
    return Visit([scenario], environment=words, command=peer.manifest["growth"].get("command"))


def visits(peer, options):
    """Connections in starts of their own, headers in one, each number of routes and of middlewares in one."""
    found = []
    if peer.has("hello"):
        found.append(Visit([Scenario(IDLE, 8, lambda instance: _idle(instance, options))]))
        headers = [
            Scenario(f"headers {count}", options.seconds + 0.5, lambda instance, count=count: _headers(instance, count, options))
            for count in HEADERS
            if peer.kind != "floor"
        ]
        found += [Visit(headers)] if headers else []
    if peer.has("file"):
        found.append(Visit([Scenario(STALL, 5, lambda instance: _stalled(instance, options))], warm=False))
    if "growth" in peer.manifest and peer.unavailable is None:
        found += [_grown(peer, "routes", count, options) for count in ROUTES]
        found += [_grown(peer, "middleware", count, options) for count in MIDDLEWARE if count]
    return found


def _connections_section(book, peers):
    names = [name for name in book.peers("growth") if book.of("growth", IDLE, name) or book.of("growth", STALL, name)]
    names.sort(key=lambda name: book.middle("growth", IDLE, name, "each") or float("inf"))
    cell = lambda name, scenario, figure: book.cell("growth", scenario, name, figure, bytes_text, False)  # noqa: E731
    rows = [
        [
            peers[name]["title"],
            cell(name, IDLE, "each"),
            *(cell(name, IDLE, f"private_{count}") for count in (0, *IDLE_COUNTS)),
            book.cell("plaintext", "1000", name, "private", bytes_text, False),
            book.cell("plaintext", "10000", name, "private", bytes_text, False),
            cell(name, STALL, "each"),
            cell(name, STALL, "kernel_each"),
        ]
        for name in names
    ]
    header = ["peer", "idle, each", "none", *(f"{count:,} idle" for count in IDLE_COUNTS), "1,000 busy", "10,000 busy", "stalled, each", "kernel, each"]
    lines = {
        peers[name]["title"]: [
            (count, value)
            for count in (1, *IDLE_COUNTS)
            if (value := book.middle("growth", IDLE, name, f"private_{count if count > 1 else 0}"))
        ]
        for name in names
    }
    picture = svg.lines("Private memory against idle connections", "connections (at 1: none)", "bytes", lines, log_y=True)
    return Section("Memory against connections", header, rows, plots=[Plot("growth-idle", "private memory against idle connections", picture)])


def _cost_scenario(what, count):
    """The name of a scenario. One route without middleware is measured once and shown in both sections."""
    return f"{what} {count}" if (what, count) != ("middleware", 0) else "routes 1"


def _cost_section(book, peers, what, counts):
    scenarios = [_cost_scenario(what, count) for count in counts]
    names = [name for name in book.peers("growth") if book.of("growth", scenarios[0], name)]
    names.sort(key=lambda name: book.middle("growth", scenarios[-1], name, "cpu_us") or float("inf"))
    form = lambda value: f"{value:.2f}"  # noqa: E731
    rows = [
        [
            book.title("growth", scenarios[0], name, peers[name]["title"]),
            *(book.cell("growth", scenario, name, "cpu_us", form) for scenario in scenarios),
        ]
        for name in names
    ]
    header = ["peer", *(f"{count:,} {what}" for count in counts)]
    return Section(f"CPU us/request against {what}", header, rows)


def sections(book, peers, _options):
    """Connections, headers, routes, middleware."""
    costs = [_cost_section(book, peers, what, counts) for what, counts in (("headers", HEADERS), ("routes", ROUTES), ("middleware", MIDDLEWARE))]
    return [_connections_section(book, peers), *(section for section in costs if section.rows)]
