/*
 * What proxies tell of their clients in fields of the request: Forwarded (RFC 7239), or X-Forwarded-For with
 * X-Forwarded-Proto and X-Forwarded-Host. Parsers without I/O.
 *
 * Each proxy appends what it has seen, so that the end of the list is the nearest one's word, and the rest is worth
 * what those who passed it on are. So everything is read from its end: a client that sends an open quote, or anything
 * else, spoils only what is its own.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_WEB_CLIENT_FORWARDED_H
#define WEIR_WEB_CLIENT_FORWARDED_H

#include "http/head.h"
#include "net/networks.h"

#define FORWARDED_MEMBERS_MAX 32 /* of a list that are looked at */
#define FORWARDED_NAME_MAX    63 /* bytes of an identifier that is no address; longer ones are malformed */
#define FORWARDED_HOST_MAX    255

enum forwarded_form {
    FORWARDED_OFF,
    FORWARDED_STANDARD, /* Forwarded */
    FORWARDED_X,        /* X-Forwarded-For, -Proto, -Host */
};

enum forwarded_scheme { FORWARDED_SCHEME_NONE, FORWARDED_HTTP, FORWARDED_HTTPS };

/* One proxy's word on its client. */
struct forwarded_hop {
    bool known;                        /* there is a word on who it is: an address, or a name */
    struct endpoint client;            /* ENDPOINT_NONE: a name stands for it */
    char name[FORWARDED_NAME_MAX + 1]; /* "unknown", or one that begins with "_" */
    enum forwarded_scheme scheme;
    char host[FORWARDED_HOST_MAX + 1]; /* "": no word on that, or none that is a host */
};

/* Takes the last member off a list, with the comma before it. False: there is none left. Never reads what is before
 * that comma, but for looking for the begin of a quoted string. */
bool forwarded_last(enum forwarded_form form, struct slice *list, struct slice *member);

/* Reads a member of Forwarded, an element; or of X-Forwarded-For, a node. Neither may be empty. False: it is
 * malformed. */
bool forwarded_element(struct slice member, struct forwarded_hop *hop);
bool forwarded_node(struct slice member, struct forwarded_hop *hop);

/* A scheme's name; FORWARDED_SCHEME_NONE: neither HTTP's nor a WebSocket's. */
enum forwarded_scheme forwarded_scheme_of(struct slice text);
/* Sets hop's host, to "" where text is none. */
void forwarded_set_host(struct forwarded_hop *hop, struct slice text);

/*
 * Reads a head's fields of that form from their end, as long as those who tell are trusted. *hop is what the outermost
 * of them tells of its client, its own client at first: nearest, who is trusted. What is malformed ends the walk, and
 * nothing of it gets into *hop.
 */
void forwarded_walk(const struct http_head *head, enum forwarded_form form, const struct networks *trusted,
                    const struct endpoint *nearest, struct forwarded_hop *hop);

#endif
