/*
 * What a server has for asking other services: descriptors that are waited for again and again, names, connections,
 * contexts of TLS. A server that asks nobody has the record alone.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_WEB_OUTGOING_OUTGOING_H
#define WEIR_WEB_OUTGOING_OUTGOING_H

#include "io/watch.h"
#include "web/outgoing/names.h"

#define NAMESERVERS_MAX 512 /* bytes of the setting */

LOCK_ROLE(outgoing_lock)

/* A server's. Any thread. */
struct outgoing {
    struct account account; /* "outgoing": shared */
    struct watches watches;
    char nameservers[NAMESERVERS_MAX]; /* as c-ares reads them; "": the system's */
    struct lock lock;
    struct list dialled GUARDED_BY(outgoing_lock);  /* struct weir_conn, which are open */
    struct list orphans GUARDED_BY(outgoing_lock);  /* struct name_entry, see names_close() */
    struct list contexts GUARDED_BY(outgoing_lock); /* struct secure_context, the newest first */
};

void outgoing_init(struct outgoing *o, struct memory *m);
/* After the workers and the offload threads have ended: closes what the program has left open. Does nothing if o was
 * not initialised. */
void outgoing_done(struct outgoing *o);

/* Before the start: the setting of that name. False: it is not what it should be. */
bool outgoing_set_nameservers(struct outgoing *o, const char *text);

void outgoing_keep_orphan(struct outgoing *o, struct name_entry *e);
/* NULL: there is none. */
struct name_entry *outgoing_take_orphan(struct outgoing *o);

#endif
