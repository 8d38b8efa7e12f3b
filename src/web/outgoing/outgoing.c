/*
 * What a server has for asking other services.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web/outgoing/outgoing.h"
#include "web/outgoing/dialled.h"
#include "web/outgoing/secure.h"
#include "web/outgoing/target.h"

#include <stdio.h>

void outgoing_init(struct outgoing *o, struct memory *m)
{
    account_open_shared(&o->account, m, "outgoing", NULL, 0);
    watches_init(&o->watches, &o->account);
    lock_init(&o->lock);
    outgoing_lock_acquire(&o->lock);
    list_init(&o->dialled);
    list_init(&o->orphans);
    list_init(&o->contexts);
    outgoing_lock_release(&o->lock);
}

void outgoing_done(struct outgoing *o)
{
    if (!o->account.memory)
        return;
    dialled_close_all(o);
    names_free_orphans(o);
    secure_forget_all(o);
    watches_done(&o->watches);
    lock_done(&o->lock);
    account_close(&o->account);
}

bool outgoing_set_nameservers(struct outgoing *o, const char *text)
{
    size_t len = strlen(text);
    if (len == 0 || len >= sizeof o->nameservers)
        return false;
    for (const char *at = text; at;) {
        const char *end = strchr(at, ',');
        size_t item = end ? (size_t)(end - at) : strlen(at);
        if (!target_is_nameserver(slice_of(at, item)))
            return false;
        at = end ? end + 1 : NULL;
    }
    memcpy(o->nameservers, text, len + 1);
    return true;
}

void outgoing_keep_orphan(struct outgoing *o, struct name_entry *e)
{
    outgoing_lock_acquire(&o->lock);
    list_push_back(&o->orphans, &e->link);
    outgoing_lock_release(&o->lock);
}

struct name_entry *outgoing_take_orphan(struct outgoing *o)
{
    outgoing_lock_acquire(&o->lock);
    struct list *first = list_pop_front(&o->orphans);
    outgoing_lock_release(&o->lock);
    return first ? container_of(first, struct name_entry, link) : NULL;
}
