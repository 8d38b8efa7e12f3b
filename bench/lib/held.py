"""Memory of a running peer for connections that are held: idle, silent, half shaken, stalled, and WebSockets.

SPDX-License-Identifier: MIT
"""

import time

from . import load
from .clients import LiveClients, SecureClients
from .sockets import server_socket_memory
from .stats import slope
from .tree import Sampler

PATIENCE = 30  # seconds until what a burst took has to be given back
READY_SECONDS = 300
REQUEST = "GET / HTTP/1.1\r\nHost: localhost\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n"
LARGE = REQUEST.replace("GET / ", "GET /file/large.bin ")


def for_each(instance, protocol, counts, unit=1, least=2.0, **asked):
    """{"each", "kernel_each", "reached", ...}: the slope of private memory over counts of connections, as far as the server keeps them.
    unit: how many of what is asked about are on a connection; least: seconds until a server may be at rest."""
    def more(count, first_address):
        return SecureClients(instance, protocol, count, first_address=first_address, ready_seconds=READY_SECONDS, **asked)

    return slope_of(instance, protocol.port(instance), more, counts, unit, least)


def live_for_each(instance, path, counts, **asked):
    """The same of WebSockets without TLS; asked: options of bench/live/follow.c."""
    return slope_of(instance, instance.port, lambda count, first_address: LiveClients(instance, path, count, first_address, READY_SECONDS, **asked), counts)


def slope_of(instance, port, more, counts, unit=1, least=2.0):
    """What for_each() tells, of clients that more(count, first_address) holds."""
    figures = {"private_0": load.settled(instance, 1.0, 4.0).private}
    held, points = [], []
    try:
        for count in counts:
            missing = count - sum(number for number, _ in held)
            held.append((missing, more(missing, 2 + _addresses(held))))
            memory = load.settled(instance, least, least + 8.0)
            sockets, kernel = server_socket_memory(port) or (count, 0)
            if sockets < count:
                break  # it has closed some
            figures.update({f"private_{count}": memory.private, "reached": count, "kernel_each": kernel / sockets})
            points.append((count * unit, memory.private))
    except RuntimeError:
        pass  # it takes no more: what was reached counts
    finally:
        for _, clients in held:
            clients.close()
    if not points:
        raise RuntimeError("no count of connections was reached")
    figures["each"] = slope(points) if len(points) > 1 else (points[0][1] - figures["private_0"]) / points[0][0]
    return figures


def _addresses(held):
    return sum(clients.addresses for _, clients in held)


def at_once(instance, protocol, count):
    """{"private_before", "private", "private_left", "left", "waited_s"}: so many handshakes at once, with a reply on each; and what is
    left when they have gone, half a minute later at most."""
    before = load.settled(instance, 1.0, 4.0).private
    with Sampler(instance.tree, instance.kill) as sampler:
        clients = SecureClients(instance, protocol, count, ready_seconds=READY_SECONDS, at_once=count, tolerate=1, request=REQUEST)
        clients.close()
    began = time.monotonic()
    while True:
        now, waited = instance.tree.memory().private, time.monotonic() - began
        if now <= before * 1.1 or waited >= PATIENCE:
            break
        time.sleep(0.25)
    told = clients.counts()
    return {
        "private_before": before,
        "private": sampler.most.private,
        "private_left": now,
        "left": now / before,
        "waited_s": waited,
        "answered": told["good"],
        "unanswered": count - told["good"],
    }
