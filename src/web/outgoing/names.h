/*
 * Names of other services: a cache of a worker's, within the time that the names' servers allow, and who is asked where
 * it knows nothing. Names that are asked for at once by several fibers are asked for once.
 *
 * Who is asked is c-ares, on the worker's loop, because getaddrinfo() would hold an offload thread for each name that
 * does not answer, and tells no time to live. Without c-ares it is getaddrinfo() on such a thread, and what it says is
 * kept for a second. Either way whoever waits is woken by an answer, their own time, or news, whichever comes first;
 * the question goes on without them, and its answer is kept.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_WEB_OUTGOING_NAMES_H
#define WEIR_WEB_OUTGOING_NAMES_H

#include "base/list.h"
#include "io/offload.h"

#include "weir.h"

#include <netinet/in.h>

#define NAME_MAX_LEN     253
#define NAME_ADDRESSES   16   /* of a name; further ones are left out */
#define NAMES_MOST       256  /* names that a worker knows at once; what has not been asked for lately gives way */
#define NAMES_KEPT_MOST  3600 /* seconds that an answer is kept, whatever its time to live */
#define NAMES_KEPT_LEAST 1
#define NAMES_NONE_KEPT  5 /* seconds that it is known that there is no such name */

struct outgoing;
struct resolver;

/* A service's address without its port. */
struct name_address {
    sa_family_t family; /* AF_INET or AF_INET6 */
    uint32_t scope;     /* of IPv6 */
    union {
        struct in_addr v4;
        struct in6_addr v6;
    };
};

struct name_addresses {
    size_t count;
    struct name_address list[NAME_ADDRESSES];
};

/* Adds what is an address of either family, where there is room. */
void name_add(struct name_addresses *all, const struct sockaddr *a);

/* A fiber that waits for a name; on its stack. */
struct name_user {
    struct list link;
    struct fiber *fiber;
};

enum name_state {
    NAME_ASKED, /* somebody has been asked, and has not answered */
    NAME_KNOWN, /* result, and the addresses, hold until `expires` */
};

struct name_entry {
    struct list link;  /* of its worker's names, most lately asked for first */
    struct list users; /* fibers that wait for it, or have been told and have not looked: struct name_user */
    struct names *names;
    enum name_state state;
    bool threaded;    /* NAME_ASKED: an offload thread works on it */
    int result;       /* 0; WEIR_ENOENT: there is no such name; WEIR_EREACH: nobody knows */
    uint64_t expires; /* ns, by the loop's clock */
    struct name_addresses addresses;
    struct offload_job job; /* where a thread is asked */
    char name[NAME_MAX_LEN + 1];
};

/* A worker's. */
struct names {
    struct outgoing *outgoing;
    struct loop *loop;
    struct offload *offload;
    struct list entries;
    size_t count;
    struct resolver *resolver; /* of c-ares; NULL: it has not been asked yet, or cannot be */
    bool resolver_missing;     /* c-ares cannot be asked */
};

void names_init(struct names *n, struct outgoing *outgoing, struct loop *loop, struct offload *offload);
/* Nobody waits any more. Does nothing if n was not initialised. */
void names_close(struct names *n);

/* Addresses that are in the text itself, or are known without asking anybody: numbers, localhost. False: none. */
bool names_literal(const char *name, struct name_addresses *found);

/* The entry of a name, which has been asked for if it was not known. NULL: no memory, or too many are asked for. */
struct name_entry *names_find(struct names *n, const char *name);

/* For who is asked: the answer for e, with its addresses, is here, and holds for so many seconds. On the loop's
 * thread. */
void names_told(struct name_entry *e, int result, uint32_t seconds);

/* The handler of the resolver's timer. */
void names_timer_fired(void *owner, struct timer *t);

/* ---- Who is asked ---- */

/* Asks a thread. 0 or an error. */
int names_ask_system(struct name_entry *e) MUST_CHECK;

/* Asks c-ares, see names_cares.c: 0; WEIR_ENOENT: c-ares is not there, and names->resolver_missing is set; or another
 * error. */
int names_ask_resolver(struct name_entry *e) MUST_CHECK;
void names_close_resolver(struct names *n);
void names_resolver_due(void *owner, struct timer *t);

/* Frees what threads had been at when their worker ended. After they have ended. */
void names_free_orphans(struct outgoing *o);

#endif
