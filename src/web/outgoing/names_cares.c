/*
 * Names by c-ares, on the worker's loop: its sockets are watched as those of any library are, and its timeouts are a
 * timer. c-ares reads /etc/resolv.conf once and /etc/hosts for each name: files of a few lines, on the worker. The
 * library is loaded when the first name is asked for.
 *
 * SPDX-License-Identifier: MIT
 */
#include "base/library.h"
#include "http/http.h"
#include "io/watch.h"
#include "web/outgoing/names.h"
#include "web/outgoing/outgoing.h"

#include <ares.h>
#include <netdb.h>
#include <pthread.h>
#include <string.h>

#define FUNCTIONS(X)                                                                                                   \
    X(ares_destroy)                                                                                                    \
    X(ares_freeaddrinfo)                                                                                               \
    X(ares_getaddrinfo)                                                                                                \
    X(ares_init_options)                                                                                               \
    X(ares_library_init) X(ares_process_fd) X(ares_set_servers_ports_csv) X(ares_timeout)

#if WEIR_LINKED
#define CALL(name) name
static bool loaded(void)
{
    return ares_library_init(ARES_LIB_INIT_ALL) == 0;
}
#else
#define LIBCARES   "libcares.so.2"
LIBRARY_NOTE(note, "dns", "names of other services", "recommended", LIBCARES);
static struct {
    FUNCTIONS(LIBRARY_MEMBER)
} library;
#define CALL(name) library.name##_in
static bool is_loaded;

static void load(void)
{
    const char *why;
    is_loaded = library_load(LIBCARES, FUNCTIONS(LIBRARY_NAME), &library, sizeof library, &why) == LIBRARY_LOADED &&
                CALL(ares_library_init)(ARES_LIB_INIT_ALL) == 0;
}

static bool loaded(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, load);
    return is_loaded;
}
#endif

#define SOCKETS       16                 /* at once; a channel has one or two for each server that is asked */
#define CHANNEL_BYTES ((size_t)96 << 10) /* of c-ares' own: measured; granted before they are taken */
#define ANSWER_MS     2000               /* the first wait for a server, of TRIES, each twice as long */
#define TRIES         3
#define FAILED_KEPT   1 /* seconds that a name is not asked for again when nobody answered */

struct resolver_socket {
    struct watch_waiter waiter;
    struct resolver *resolver;
    struct weir_fd *f; /* NULL: free */
};

struct resolver {
    struct names *names;
    ares_channel channel;
    struct resolver_socket sockets[SOCKETS];
    struct inbox_node due; /* sent to the resolver's own loop when a socket is ready */
    bool due_sent;
    struct timer timer;
};

/* With the watch's lock held: c-ares is called later in this turn. */
static void socket_ready(struct watch_waiter *w)
{
    struct resolver *r = container_of(w, struct resolver_socket, waiter)->resolver;
    if (!r->due_sent)
        loop_send(r->names->loop, &r->due);
    r->due_sent = true;
}

static void socket_close(struct resolver_socket *s)
{
    watch_leave(s->f, &s->waiter);
    watch_close(s->f);
    s->f = NULL;
}

static struct resolver_socket *socket_find(struct resolver *r, int fd)
{
    struct resolver_socket *unused = NULL;
    for (size_t i = 0; i < SOCKETS; i++) {
        struct resolver_socket *s = &r->sockets[i];
        if (s->f && s->f->fd == fd)
            return s;
        if (!s->f && !unused)
            unused = s;
    }
    return unused;
}

/* c-ares wants to know when a socket of its own is ready, or closes it. One that cannot be watched is as one that does
 * not answer. */
static void socket_wanted(void *arg, ares_socket_t fd, int reads, int writes)
{
    struct resolver *r = arg;
    struct resolver_socket *s = socket_find(r, fd);
    uint32_t wanted = (reads ? (uint32_t)POLLER_READ : 0) | (writes ? (uint32_t)POLLER_WRITE : 0);
    if (!s || (!s->f && !wanted))
        return;
    if (!wanted) {
        socket_close(s);
    } else if (s->f) {
        (void)watch_want(s->f, &s->waiter, wanted);
    } else {
        s->f = watch_open(&r->names->outgoing->watches, fd);
        s->resolver = r;
        s->waiter = (struct watch_waiter){.fn = socket_ready, .wanted = wanted};
        if (s->f && watch_join(s->f, r->names->loop, &s->waiter) != 0) {
            watch_close(s->f);
            s->f = NULL;
        }
    }
}

/* Has the timer fire when c-ares wants to be called next. */
static void resolver_arm(struct resolver *r)
{
    struct wheel *wheel = &r->names->loop->wheel;
    struct timeval left;
    if (CALL(ares_timeout)(r->channel, NULL, &left))
        timer_arm(wheel, &r->timer, loop_delay((uint32_t)(left.tv_sec * 1000 + left.tv_usec / 1000)));
    else
        timer_cancel(wheel, &r->timer);
}

static void resolver_run(struct loop *l, struct inbox_node *node)
{
    (void)l;
    struct resolver *r = container_of(node, struct resolver, due);
    r->due_sent = false;
    for (size_t i = 0; i < SOCKETS; i++) {
        struct resolver_socket *s = &r->sockets[i];
        if (!s->f || !s->waiter.ready)
            continue;
        uint32_t ready = s->waiter.ready;
        bool hung_up = (ready & (uint32_t)POLLER_HANGUP) != 0;
        int fd = s->f->fd;
        s->waiter.ready = 0;
        CALL(ares_process_fd)
        (r->channel, hung_up || (ready & (uint32_t)POLLER_READ) ? fd : ARES_SOCKET_BAD,
         ready & (uint32_t)POLLER_WRITE ? fd : ARES_SOCKET_BAD);
    }
    resolver_arm(r);
}

void names_resolver_due(void *owner, struct timer *t)
{
    (void)owner;
    struct resolver *r = container_of(t, struct resolver, timer);
    CALL(ares_process_fd)(r->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    resolver_arm(r);
}

static int resolver_open(struct names *n)
{
    struct account *account = &n->outgoing->account;
    struct resolver *r = memory_alloc(account, sizeof *r);
    if (!r || !memory_grant(account, CHANNEL_BYTES)) {
        memory_free(account, r, sizeof *r);
        return WEIR_ENOMEM;
    }
    memset(r, 0, sizeof *r);
    r->names = n;
    r->due.fn = resolver_run;
    r->timer.kind = TIMER_NAMES;
    char files_first[] = "fb";
    struct ares_options options = {.sock_state_cb = socket_wanted,
                                   .sock_state_cb_data = r,
                                   .timeout = ANSWER_MS,
                                   .tries = TRIES,
                                   .lookups = files_first};
    int code = CALL(ares_init_options)(&r->channel, &options,
                                       ARES_OPT_SOCK_STATE_CB | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_LOOKUPS);
    if (code == ARES_SUCCESS && n->outgoing->nameservers[0]) {
        code = CALL(ares_set_servers_ports_csv)(r->channel, n->outgoing->nameservers);
        if (code != ARES_SUCCESS)
            CALL(ares_destroy)(r->channel);
    }
    if (code != ARES_SUCCESS) {
        memory_return(account, CHANNEL_BYTES);
        memory_free(account, r, sizeof *r);
        return code == ARES_ENOMEM ? WEIR_ENOMEM : WEIR_ESYS;
    }
    account_take_any(account, CHANNEL_BYTES);
    n->resolver = r;
    return 0;
}

void names_close_resolver(struct names *n)
{
    struct resolver *r = n->resolver;
    if (!r)
        return;
    struct account *account = &n->outgoing->account;
    CALL(ares_destroy)(r->channel); /* tells all that is asked for, and closes the sockets */
    timer_cancel(&n->loop->wheel, &r->timer);
    account_give_any(account, CHANNEL_BYTES);
    memory_return(account, CHANNEL_BYTES);
    memory_free(account, r, sizeof *r);
    n->resolver = NULL;
}

static void answered(void *arg, int status, int timeouts, struct ares_addrinfo *info)
{
    (void)timeouts;
    struct name_entry *e = arg;
    if (status == ARES_SUCCESS) {
        uint32_t seconds = NAMES_KEPT_MOST;
        for (const struct ares_addrinfo_node *a = info->nodes; a && e->addresses.count < NAME_ADDRESSES;
             a = a->ai_next) {
            name_add(&e->addresses, a->ai_addr);
            if (a->ai_ttl >= 0 && (uint32_t)a->ai_ttl < seconds)
                seconds = (uint32_t)a->ai_ttl;
        }
        CALL(ares_freeaddrinfo)(info);
        names_told(e, 0, seconds);
    } else if (status == ARES_ENOTFOUND || status == ARES_ENODATA || status == ARES_EBADNAME) {
        names_told(e, WEIR_ENOENT, NAMES_NONE_KEPT);
    } else {
        names_told(e, status == ARES_ENOMEM ? WEIR_ENOMEM : WEIR_EREACH, FAILED_KEPT);
    }
}

int names_ask_resolver(struct name_entry *e)
{
    struct names *n = e->names;
    if (!loaded()) {
        n->resolver_missing = true;
        return WEIR_ENOENT;
    }
    int error = n->resolver ? 0 : resolver_open(n);
    if (error)
        return error;
    const struct ares_addrinfo_hints hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    CALL(ares_getaddrinfo)(n->resolver->channel, e->name, NULL, &hints, answered, e); /* may answer at once */
    resolver_arm(n->resolver);
    return 0;
}
