/*
 * The context: a request as its handler sees it. The context lies behind the exchange's record in the same pool object,
 * and its parts (parameters, query, cookies) are made in the request's memory when they are first asked for.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_WEB_CONTEXT_H
#define WEIR_WEB_CONTEXT_H

#include "http/http.h"
#include "io/offload.h"
#include "web/claim.h"
#include "web/compress/contexts.h"
#include "web/cookie.h"
#include "web/file/file_cache.h"
#include "web/live/worker.h"
#include "web/outgoing/outgoing.h"
#include "web/query.h"
#include "web/site.h"
#include "web/topic/topic_worker.h"
#include "web/upload/pace.h"
#include "web/upload/pipes.h"
#include "web/websocket/deflate.h"

/* A static Content-Type that has been checked. */
struct known_type {
    const char *text;
    size_t len;
};

#define KNOWN_TYPES 16 /* a power of two */

/* Whether messages of WebSockets can be compressed. */
enum ws_deflate_state { WS_DEFLATE_UNKNOWN, WS_DEFLATE_READY, WS_DEFLATE_MISSING };

/* A slab of 64 KiB holds one such block. */
#define MESSAGE_BLOCK ((size_t)64 * 1024 - 64)

/* The web floor's part of a worker, whose address is http.owner. */
struct web {
    const struct site *site;
    struct regex_context *regex;
    struct offload *offload;
    struct outgoing *outgoing;
    struct loop *loop;
    struct weir_server *server;
    void *server_data, *worker_data;
    int worker_index;
    struct known_type types[KNOWN_TYPES]; /* by address; one that does not find its place pushes another out */
    struct file_cache files;
    struct contexts contexts;
    struct disk_pace pace; /* of files that are written */
    struct splice_pipes pipes;
    struct topic_worker topics;
    struct live_worker live;
    struct list tasks;     /* struct task: those that run or will, see task/task.h */
    struct names names;    /* of other services */
    struct pool *messages; /* buffers of ws_buffer_size, for what WebSockets receive */
    size_t message_size;   /* which is that */
    struct account *message_account;
    struct pool message_blocks; /* struct mapping of MESSAGE_BLOCK bytes: what larger messages are gathered in first */
    struct ws_contexts deflate; /* of WebSockets; open once one wants it */
    struct account *deflate_parent; /* bounds what the workers' contexts take together */
    uint8_t deflate_state;          /* enum ws_deflate_state */
    struct weir_cache *kept_forms;  /* compressed forms of files, see compress/kept.h; NULL: none are kept */
    struct weir_cache *digests;     /* of files' contents, see file/content.h; NULL: no group asks for any */
    struct account *bodies;         /* of bodies larger than request memory; NULL: no group allows any */
};

/* A call for the end of the request. */
struct deferred {
    struct deferred *next;
    union {
        void (*fn)(void *arg);
        void (*waits)(weir_ctx *c, void *arg);
    };
    void *arg;
    int ms; /* for how long the call may wait; 0: not at all, and fn it is */
};

struct attribute {
    struct attribute *next;
    const weir_attribute_key *key;
    char value[] __attribute__((aligned(16)));
};

struct weir_ctx {
    struct exchange *x;
    struct web *web;
    const struct chain *chain; /* the middleware of the request's group; NULL: none */
    weir_handler handler;
    void *route_data;
    struct router_match match;
    struct path path;
    struct query query;
    struct cookies cookies;
    size_t body_len;
    union {
        const char *fail_message;                /* where there is a fail_status */
        const struct file_version *body_version; /* where body_is_file is set, and then there is none */
    };
#ifdef WEIR_DEBUG
    uint32_t thread_mark, fiber_mark; /* of the place where the context may be used, see context_check() */
#endif
    /* From here on all is cleared as one when a request begins. */
    const char *path_text;     /* NUL-terminated, once asked for */
    struct deferred *deferred; /* last first */
    struct claim *claims;      /* likewise */
    struct attribute *attributes;
    struct ws_socket *socket;     /* a WebSocket that the handler has, see websocket/socket.h; NULL: none */
    const char *reply_error_text; /* says more of reply_error; static; NULL: nothing does */
    char *body;                   /* by weir_body() */
    void *body_mapping;           /* in which the body lies, or is being read into; NULL: none. See body.c */
    uint32_t around;              /* the next around middleware */
    int fail_status;              /* of weir_fail(); 0: ended without a page */
    int reply_error;              /* of a one-call reply, answered by a page if the handler does not reply otherwise */
    int16_t body_error;           /* of weir_body(), once it has read something */
    int16_t line_error;           /* of weir_body_line(), within a line */
    bool next_allowed;            /* the running around middleware may call weir_next() */
    bool ended;                   /* weir_end() */
    bool head_made;               /* response middleware has run */
    bool in_error;                /* the error hook is running or has failed */
    bool query_parsed, cookies_parsed;
    bool memory_refused; /* the request's memory has been asked for in vain: a string that is NULL may come of that */
    bool body_is_file;   /* the reply's body is a small file as it lies on the disk */
    bool reply_broken;   /* a stream failed before its head was out: an error page takes its place */
};

#define CONTEXT_CLEARED offsetof(struct weir_ctx, path_text)

extern const struct http_host web_host;

/*
 * Every public call that takes a context begins with CONTEXT_CHECK(c), which in debug and sanitizer builds ends the
 * process if it is made on another thread or fiber than the request's, as within an offloaded function.
 */
#ifdef WEIR_DEBUG
void context_enter(weir_ctx *c); /* the running fiber is the context's from now on */
void context_check(const weir_ctx *c, const char *call);
#define CONTEXT_ENTER(c) context_enter(c)
#define CONTEXT_CHECK(c) context_check((c), __func__)
#else
#define CONTEXT_ENTER(c) ((void)(c))
#define CONTEXT_CHECK(c) ((void)(c))
#endif

static inline struct web *web_of(struct exchange *x)
{
    return x->http->owner;
}

static inline struct loop *context_loop(weir_ctx *c)
{
    return c->web->loop;
}

static inline struct arena *context_arena(weir_ctx *c)
{
    return &c->x->arena;
}

static inline struct fiber *context_fiber(weir_ctx *c)
{
    return c->web->loop->fibers.current;
}

/* The error for a string that is NULL: mostly the string was to be made in memory that the request did not get. */
static inline int context_null_error(const weir_ctx *c)
{
    return c->memory_refused ? WEIR_ENOMEM : WEIR_EINVAL;
}

/* Hands over what has been written, before a wait for something other than the connection. */
void context_before_wait(weir_ctx *c);

/* Makes the error page of status. Nothing has been committed. 0, or why there is none. */
int context_error_page(weir_ctx *c, int status, const char *message);

/* The bytes that a body of len bytes takes in memory of its own. */
size_t context_body_size(size_t len);

/* Lets go of a body that lies in memory of its own. */
void context_release_body(weir_ctx *c);

/* weir_cache_get() for a key of any bytes. *hit: nothing was computed by this request. */
int context_cache_get(weir_ctx *c, struct weir_cache *cache, struct slice key, weir_cache_fill fill, void *arg,
                      struct weir_value **value, bool *hit) MUST_CHECK;

/* The context of an exchange that has begun without a request: of an event. */
weir_ctx *context_begin_event(struct exchange *x);

/* Sets the deadline that a group's settings give the request. */
void context_use_deadline(weir_ctx *c, const weir_group_settings *settings);

/* Whether the handler may be ended by weir_fail(): ends the process where it may not, within a clean-up. */
void context_check_failing(const weir_ctx *c);

/* Runs the deferred calls; once. */
void context_run_deferred(weir_ctx *c);
/* Takes one of them, which is among them, out again. */
void context_undefer(weir_ctx *c, struct deferred *d);

/* weir_vprintf(); whole: the text is all of the body, so that its length can be announced however long it is. */
int context_vprintf(weir_ctx *c, bool whole, const char *fmt, va_list args) WEIR_PRINTF(3, 0);

/* Appends one line to the reply's head, in place of the lines of that name if replace. Checks name and value. */
int reply_add_field(weir_ctx *c, struct slice name, struct slice value, bool replace);

/*
 * Forgets a reply that has not been committed, for the page of an error to take its place. Fields that belong to the
 * error stay; chosen: the handler chose the status, so that fields that belong to that status stay, too, and not
 * Retry-After alone.
 */
void reply_reset(weir_ctx *c, int status, bool chosen);

/* ---- upgrade.c: other protocols ---- */

/* Whether the client has asked for that protocol, by Upgrade or by :protocol. */
bool context_wants_upgrade(const weir_ctx *c, struct slice protocol);
/* weir_upgrade(), to a protocol whose name is one. */
int context_upgrade(weir_ctx *c, const char *protocol);

#define PAGE_MESSAGE_MAX 512 /* bytes of a message that are shown */

/* Sends the page of an error where no hook has made one: the status, and below it the message for people. 0 or an
 * error. */
int reply_error_page(weir_ctx *c, int status, const char *message);

/* Breaks off a reply whose head is out and whose rest cannot be made: counts and logs that, and resets the connection,
 * so that nobody takes what was sent for all of the reply. */
COLD void reply_break(weir_ctx *c, const char *why);

/* Adds the group's Strict-Transport-Security to a reply that goes out by a secure transport and has none. */
void reply_add_hsts(weir_ctx *c);

/* The first field of that name among those that were set; NULL: there is none. */
const struct reply_field *reply_find_field(const struct reply *r, struct slice name);
bool reply_has_field(const struct reply *r, struct slice name);

/* Takes a field out, one that is there or not; puts one that is nowhere behind the others. */
void reply_remove_field(struct reply *r, const struct reply_field *f);
void reply_put_field(struct reply *r, struct reply_field *f);

/* Whether the reply has a Content-Type, by whatever call. */
bool reply_has_type(const weir_ctx *c);

#endif
