/*
 * The cache of names.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web/outgoing/names.h"
#include "web/outgoing/outgoing.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <string.h>
#include <strings.h>

void names_init(struct names *n, struct outgoing *outgoing, struct loop *loop, struct offload *offload)
{
    *n = (struct names){.outgoing = outgoing, .loop = loop, .offload = offload};
    list_init(&n->entries);
}

static void name_free(struct name_entry *e)
{
    list_remove(&e->link);
    e->names->count--;
    memory_free(&e->names->outgoing->account, e, sizeof *e);
}

void names_close(struct names *n)
{
    if (!n->outgoing)
        return;
    names_close_resolver(n);
    list_for_each_safe (at, &n->entries) {
        struct name_entry *e = container_of(at, struct name_entry, link);
        if (e->state == NAME_ASKED && e->threaded) {
            list_remove(&e->link);
            n->count--;
            outgoing_keep_orphan(n->outgoing, e);
        } else {
            name_free(e);
        }
    }
}

void names_free_orphans(struct outgoing *o)
{
    struct name_entry *e;
    while ((e = outgoing_take_orphan(o)))
        memory_free(&o->account, e, sizeof *e);
}

static bool ends_with(const char *text, const char *end)
{
    size_t len = strlen(text), end_len = strlen(end);
    return len >= end_len && strcasecmp(text + len - end_len, end) == 0;
}

bool names_literal(const char *name, struct name_addresses *found)
{
    char text[INET6_ADDRSTRLEN];
    const char *zone = strchr(name, '%');
    size_t len = zone ? (size_t)(zone - name) : strlen(name);
    *found = (struct name_addresses){.count = 1};
    if (len < sizeof text) {
        memcpy(text, name, len);
        text[len] = '\0';
        if (!zone && inet_pton(AF_INET, text, &found->list[0].v4) == 1) {
            found->list[0].family = AF_INET;
            return true;
        }
        if (inet_pton(AF_INET6, text, &found->list[0].v6) == 1) {
            found->list[0].family = AF_INET6;
            found->list[0].scope = zone ? if_nametoindex(zone + 1) : 0;
            return true;
        }
    }
    found->count = 0;
    if (strcasecmp(name, "localhost") != 0 && !ends_with(name, ".localhost"))
        return false;
    /* RFC 6761 section 6.3 */
    found->list[0] = (struct name_address){.family = AF_INET6, .v6 = IN6ADDR_LOOPBACK_INIT};
    found->list[1] = (struct name_address){.family = AF_INET, .v4.s_addr = htonl(INADDR_LOOPBACK)};
    found->count = 2;
    return true;
}

void name_add(struct name_addresses *all, const struct sockaddr *a)
{
    if (all->count == NAME_ADDRESSES || (a->sa_family != AF_INET && a->sa_family != AF_INET6))
        return;
    struct name_address *to = &all->list[all->count++];
    *to = (struct name_address){.family = a->sa_family};
    if (a->sa_family == AF_INET) {
        const struct sockaddr_in *v4 = (const void *)a;
        to->v4 = v4->sin_addr;
    } else {
        const struct sockaddr_in6 *v6 = (const void *)a;
        to->v6 = v6->sin6_addr;
        to->scope = v6->sin6_scope_id;
    }
}

/* Makes room for one more. False: every name is waited for. */
static bool make_room(struct names *n)
{
    if (n->count < NAMES_MOST)
        return true;
    for (struct list *at = n->entries.prev; at != &n->entries; at = at->prev) {
        struct name_entry *e = container_of(at, struct name_entry, link);
        if (e->state == NAME_KNOWN && list_empty(&e->users)) {
            name_free(e);
            return true;
        }
    }
    return false;
}

static struct name_entry *name_make(struct names *n, const char *name)
{
    struct name_entry *e = make_room(n) ? memory_alloc(&n->outgoing->account, sizeof *e) : NULL;
    if (!e)
        return NULL;
    memset(e, 0, sizeof *e);
    e->names = n;
    list_init(&e->users);
    list_push_front(&n->entries, &e->link);
    n->count++;
    memcpy(e->name, name, strlen(name) + 1); /* at most NAME_MAX_LEN, as the target was */
    return e;
}

static void name_ask(struct name_entry *e)
{
    e->state = NAME_ASKED;
    e->threaded = false;
    e->addresses.count = 0;
    int error = WEIR_ENOENT;
    if (!e->names->resolver_missing)
        error = names_ask_resolver(e);
    if (e->names->resolver_missing)
        error = names_ask_system(e);
    if (error && e->state == NAME_ASKED)
        names_told(e, error, 0);
}

struct name_entry *names_find(struct names *n, const char *name)
{
    struct name_entry *e = NULL;
    list_for_each (at, &n->entries) {
        struct name_entry *each = container_of(at, struct name_entry, link);
        if (strcasecmp(each->name, name) == 0) {
            e = each;
            break;
        }
    }
    if (e && (e->state == NAME_ASKED || loop_clock_ns(n->loop) < e->expires)) {
        list_remove(&e->link);
        list_push_front(&n->entries, &e->link);
        return e;
    }
    if (e && !list_empty(&e->users)) /* somebody has been told and has not looked yet */
        return e;
    if (!e)
        e = name_make(n, name);
    if (e)
        name_ask(e);
    return e;
}

#if WEIR_WITH_CARES

void names_timer_fired(void *owner, struct timer *t)
{
    names_resolver_due(owner, t);
}

#else

void names_timer_fired(void *owner, struct timer *t)
{
    (void)owner;
    (void)t;
}

int names_ask_resolver(struct name_entry *e)
{
    e->names->resolver_missing = true;
    return WEIR_ENOENT;
}

void names_close_resolver(struct names *n)
{
    (void)n;
}

#endif

void names_told(struct name_entry *e, int result, uint32_t seconds)
{
    if (!result && e->addresses.count == 0)
        result = WEIR_ENOENT;
    e->state = NAME_KNOWN;
    e->threaded = false;
    e->result = result;
    uint32_t most = result ? NAMES_NONE_KEPT : NAMES_KEPT_MOST;
    seconds = seconds > most ? most : seconds;
    if (!result && seconds < NAMES_KEPT_LEAST)
        seconds = NAMES_KEPT_LEAST;
    e->expires = loop_clock_ns(e->names->loop) + (uint64_t)seconds * 1000000000;
    list_for_each (at, &e->users)
        fiber_wake(container_of(at, struct name_user, link)->fiber, 1);
}
