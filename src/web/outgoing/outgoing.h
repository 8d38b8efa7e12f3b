/*
 * What a server has for asking other services: descriptors that are waited for again and again, names, connections.
 * A server that asks nobody has the record alone.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_WEB_OUTGOING_OUTGOING_H
#define WEIR_WEB_OUTGOING_OUTGOING_H

#include "io/watch.h"

struct dial_contexts;

/* A server's. Any thread. */
struct outgoing {
    struct account account; /* "outgoing": shared */
    struct watches watches;
};

void outgoing_init(struct outgoing *o, struct memory *m);
/* After the workers have ended, and all that they and the program had of it. Does nothing if o was not initialised. */
void outgoing_done(struct outgoing *o);

#endif
