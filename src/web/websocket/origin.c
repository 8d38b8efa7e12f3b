/*
 * Comparing origins.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web/websocket/origin.h"

#include "web/websocket/words.h"

/* Splits "host:port"; without a port *port is empty. A colon within brackets is an address's. */
static void split_port(struct slice authority, struct slice *host, struct slice *port)
{
    size_t at = authority.len;
    while (at > 0 && authority.data[at - 1] >= '0' && authority.data[at - 1] <= '9')
        at--;
    *host = authority;
    *port = slice_of(authority.data + authority.len, 0);
    if (at == 0 || authority.data[at - 1] != ':')
        return;
    *host = slice_of(authority.data, at - 1);
    *port = slice_of(authority.data + at, authority.len - at);
}

/* A host and a port of a scheme, whose usual port is the same as none. */
static bool is_same_place(struct slice a, struct slice b, struct slice usual_port)
{
    struct slice host_a, host_b, port_a, port_b;
    split_port(a, &host_a, &port_a);
    split_port(b, &host_b, &port_b);
    port_a = port_a.len > 0 ? port_a : usual_port;
    port_b = port_b.len > 0 ? port_b : usual_port;
    return host_a.len > 0 && slice_equal_nocase(host_a, host_b) && slice_equal(port_a, port_b);
}

/* The usual port of an origin of http or https, and what is behind its "://". False: it is of neither. */
static bool split_scheme(struct slice origin, struct slice *usual_port, struct slice *authority)
{
    static const struct {
        struct slice start, port;
    } schemes[] = {{{"http://", 7}, {"80", 2}}, {{"https://", 8}, {"443", 3}}};
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
        size_t len = schemes[i].start.len;
        if (origin.len < len || !slice_equal_nocase(slice_of(origin.data, len), schemes[i].start))
            continue;
        *usual_port = schemes[i].port;
        *authority = slice_of(origin.data + len, origin.len - len);
        return true;
    }
    return false;
}

static bool is_same_origin(struct slice a, struct slice b)
{
    struct slice port_a, port_b, authority_a, authority_b;
    if (split_scheme(a, &port_a, &authority_a) && split_scheme(b, &port_b, &authority_b))
        return slice_equal(port_a, port_b) && is_same_place(authority_a, authority_b, port_a);
    return slice_equal_nocase(a, b);
}

bool ws_origin_is_allowed(struct slice origin, struct slice authority, const char *allowed)
{
    struct slice usual_port, own, named;
    if (origin.len == 0)
        return false;
    if (split_scheme(origin, &usual_port, &own) && is_same_place(own, authority, usual_port))
        return true;
    while (words_next(&allowed, &named))
        if (slice_equal(named, SLICE("*")) || is_same_origin(origin, named))
            return true;
    return false;
}
