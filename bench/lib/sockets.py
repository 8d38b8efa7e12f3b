"""Asks the kernel what it holds for the sockets of a server: the figures of SO_MEMINFO, over a sock_diag netlink socket.

/proc/net/sockstat knows only the sum over both ends of a loopback connection; this tells them apart.

SPDX-License-Identifier: MIT
"""

import socket
import struct

_NETLINK_SOCK_DIAG = 4
_SOCK_DIAG_BY_FAMILY = 20
_NLM_F_REQUEST_DUMP = 0x301
_NLMSG_ERROR, _NLMSG_DONE = 2, 3
_INET_DIAG_SKMEMINFO = 7
_ESTABLISHED_AND_CLOSING = sum(1 << state for state in (1, 4, 5, 8, 9, 11))  # TCP states with data to hold
_MESSAGE_SIZE = 72  # struct inet_diag_msg


def _attributes(data):
    offset = 0
    while offset + 4 <= len(data):
        length, kind = struct.unpack_from("=HH", data, offset)
        if length < 4:
            return
        yield kind, data[offset + 4 : offset + length]
        offset += (length + 3) & ~3


def server_socket_memory(port):
    """(sockets, bytes), the number and the sum of each_server_socket(port). None when the kernel does not tell."""
    each = each_server_socket(port)
    return None if each is None else (len(each), sum(each))


def each_server_socket(port):
    """For each of the connected TCP sockets whose local port is `port`: bytes in its receive and send queues with the
    kernel's overhead, and what is reserved beyond. None when the kernel does not tell."""
    found = [_each_of_family(family, port) for family in (socket.AF_INET, socket.AF_INET6)]  # some serve IPv4 by sockets of IPv6
    return None if None in found else found[0] + found[1]


def _each_of_family(family, port):
    request = struct.pack("=BBBxI", family, socket.IPPROTO_TCP, 1 << (_INET_DIAG_SKMEMINFO - 1), _ESTABLISHED_AND_CLOSING)
    request += struct.pack("!HH", port, 0) + bytes(44)  # any addresses, interface and cookie
    header = struct.pack("=IHHII", 16 + len(request), _SOCK_DIAG_BY_FAMILY, _NLM_F_REQUEST_DUMP, 1, 0)
    each = []
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_SOCK_DIAG) as netlink:
            netlink.settimeout(10)
            netlink.send(header + request)
            while True:
                data = netlink.recv(1 << 18)
                offset = 0
                while offset + 16 <= len(data):
                    length, kind = struct.unpack_from("=IH", data, offset)
                    if kind == _NLMSG_DONE:
                        return each
                    if kind == _NLMSG_ERROR or length < 16:
                        return None
                    for attribute, value in _attributes(data[offset + 16 + _MESSAGE_SIZE : offset + length]):
                        if attribute == _INET_DIAG_SKMEMINFO:
                            received, _, _, _, ahead, queued = struct.unpack_from("=6I", value)
                            each.append(received + ahead + queued)
                    offset += (length + 3) & ~3
    except OSError:
        return None
