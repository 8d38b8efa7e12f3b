/*
 * The site: routes, groups, middleware and hooks, all registered before a server starts. Read-only while the server
 * serves, so that the workers share the site without a lock.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_WEB_SITE_H
#define WEIR_WEB_SITE_H

#include "base/list.h"
#include "base/log.h"
#include "base/memory.h"
#include "http/admission.h"
#include "http/raw.h"
#include "web/client/client.h"
#include "web/compress/settings.h"
#include "web/route/router.h"
#include "weir.h"

/* Functions in the order in which they run. */
struct handler_list {
    weir_handler *items;
    size_t count;
};

/* A group's middleware together with that of the groups it is in, outer first; made when the server starts. */
struct chain {
    struct handler_list request, around, response;
};

#define HSTS_NAME      "Strict-Transport-Security"
#define HSTS_LINE_SIZE sizeof HSTS_NAME ": max-age=2147483647; includeSubDomains; preload\r\n"

#define DEADLINE_HEADER_SIZE 64

struct weir_group {
    struct list link;
    struct site *site;
    weir_group *parent;
    const char *prefix;                            /* with the parents' */
    const char *host;                              /* NULL: any */
    bool covers;                                   /* the group has a prefix or a host of its own */
    struct handler_list request, around, response; /* the group's own */
    struct chain chain;
    char deadline_header[DEADLINE_HEADER_SIZE]; /* the group's own; "": settings.deadline_header lies elsewhere */
    weir_group_settings settings; /* the group's own; from the start on completed by those of the groups above */
    struct compress_settings *own_compress;   /* the group's own; NULL: as in the group around it */
    const struct compress_settings *compress; /* from the start on; NULL: nothing is compressed */
    bool plain;                /* the chain is empty, and no setting is looked at where there is a chain */
    char hsts[HSTS_LINE_SIZE]; /* the line of a reply's head, from the start on; "": none */
};

struct route {
    struct list link;
    weir_handler handler;
    void *data;
    const weir_group *group;
    struct admission_class admission; /* the only part that changes while the server runs, but for memory */
};

/* What a listener without HTTP is for. */
struct raw_handler {
    struct raw_service service; /* first */
    struct list link;
    weir_handler handler;
    int read_timeout_ms; /* -1: any time */
};

/* Bounds of request_memory, in the server's settings and in those of groups. */
#define REQUEST_MEMORY_MIN (4 << 10)
#define REQUEST_MEMORY_MAX (1 << 20)
#define TIMEOUT_MAX_MS     86400000

/* Room for the messages of wrong routes and settings. */
#define SITE_ERRORS_MAX 4096

struct folders;
struct live_route;
struct tus_mount;

struct site {
    struct account account;
    struct folders *folders;    /* mounted ones, see folder/mount.h; NULL: there are none */
    struct live_route *sockets; /* see live/socket.h; NULL: there are none */
    struct tus_mount *tus;      /* mounted ones, see upload/tus.h; NULL: there are none */
    struct router *router;
    struct router *covers; /* from paths without a route to their groups; NULL: no group has a prefix or a host */
    bool covers_tied;      /* two groups cover the same */
    struct list groups, routes;
    struct list raw_handlers;
    struct clients clients;
    uint32_t route_count;
    weir_group root;
    weir_handler not_found;
    weir_error_hook on_error;
    const struct log *log;
    bool sealed; /* the server has started */
    char errors[SITE_ERRORS_MAX];
    size_t errors_len;
};

/* Makes an empty site. Returns 0 or WEIR_ENOMEM. */
int site_init(struct site *s, struct memory *m, const struct log *log) MUST_CHECK;
void site_done(struct site *s);

/* Adds a line to the errors. */
void site_error(struct site *s, const char *fmt, ...) WEIR_PRINTF(2, 3);

/*
 * Adds a line to the errors about the number that what names, which is wrong, with the values that it may have as a
 * program would write them. otherwise: "WEIR_OFF" or another name that is allowed besides; NULL: none.
 */
void site_error_number(struct site *s, const char *what, int64_t value, int64_t least, int64_t most,
                       const char *otherwise);

/*
 * The group whose middleware runs for a path that no route matches: the one that would serve the path if each group
 * with a prefix or a host of its own had a route for all that is there. The parameters of the prefix become match's.
 */
const weir_group *site_cover(const struct site *s, struct regex_context *regex, struct arena *arena, struct slice host,
                             const struct path *path, struct router_match *match);

/* Makes the groups' chains. Nothing can be registered afterwards. Returns 0 or WEIR_ENOMEM. */
int site_seal(struct site *s) MUST_CHECK;

/* Lists the sizes of request memory that groups ask for, other than usual, each once. Returns their number. */
uint32_t site_memories(const struct site *s, size_t usual, uint32_t sizes[ADMISSION_MEMORIES]);
/* Tells each route's class the number of its size among sizes, counted from 1. After sealing. */
void site_number_memories(struct site *s, const uint32_t *sizes, uint32_t count);

/* The largest body_memory of a group; 0: none has any. */
size_t site_body_memory(const struct site *s);

/* Whether a group asks for entity tags of contents. */
bool site_content_tags(const struct site *s);

/* The bytes of a context of each coding that groups ask for, at the level that takes most; 0: none asks. */
void site_compress_sizes(const struct site *s, size_t sizes[CODINGS]);

/* Completes a group's settings by its parent's, which are complete. */
void group_complete(weir_group *g);

int site_add_route(weir_group *g, const char *method, const char *pattern, weir_handler handler, void *data);
/* Keeps what a listener without HTTP is for; NULL: no memory, which is among the errors. */
struct raw_handler *site_add_raw(struct site *s, weir_handler handler);
weir_group *site_add_group(struct site *s, weir_group *parent, const char *prefix, const char *host);

#endif
