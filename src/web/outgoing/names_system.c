/*
 * Names by the C library, on an offload thread. It tells no time to live, so that what it says is kept for a second.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web/outgoing/names.h"

#include <netdb.h>
#include <sys/socket.h>

#define KEPT_S 1

static int failure_of(int code)
{
    switch (code) {
    case EAI_NONAME:
    case EAI_NODATA:
        return WEIR_ENOENT;
    case EAI_MEMORY:
        return WEIR_ENOMEM;
    default:
        return WEIR_EREACH;
    }
}

/* On the thread; the entry's addresses are its own until the answer has been told. */
static int system_look(void *arg)
{
    struct name_entry *e = arg;
    struct addrinfo *all = NULL;
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    int code = getaddrinfo(e->name, NULL, &hints, &all);
    if (code != 0)
        return failure_of(code);
    for (const struct addrinfo *a = all; a && e->addresses.count < NAME_ADDRESSES; a = a->ai_next)
        name_add(&e->addresses, a->ai_addr);
    freeaddrinfo(all);
    return 0;
}

static void system_told(struct loop *l, struct inbox_node *node)
{
    (void)l;
    struct name_entry *e = container_of(node, struct name_entry, job.node);
    names_told(e, e->job.result, KEPT_S);
}

int names_ask_system(struct name_entry *e)
{
    e->job = (struct offload_job){.node.fn = system_told, .loop = e->names->loop, .fn = system_look, .arg = e};
    int error = offload_submit(e->names->offload, &e->job);
    e->threaded = !error;
    return error;
}
