/*
 * The access log of weir serve.
 *
 * SPDX-License-Identifier: MIT
 */
#include "cli/access_log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define RECORD_SIZE   1536
#define CHUNK_RECORDS 16
#define LOG_BYTES_MAX (8u << 20) /* of records: more than 5,000 requests that run or wait for their line */
#define BUFFER_SIZE   (64u << 10)
#define LINE_SIZE     (16u << 10) /* of the longest line */
#define WAIT_MS       100         /* between two looks at whether to end */
#define TELL_NS       10000000000 /* between two tellings of requests without a line */
#define END_MS        2000        /* after the end, for who reads standard output */

/* What is kept of a request's texts, in bytes with the NUL. */
enum { PEER_MAX = 64, METHOD_MAX = 24, TARGET_MAX = 600, HOST_MAX = 96, REFERER_MAX = 256, AGENT_MAX = 224 };

struct record {
    struct record *next;
    struct access_log *log;
    uint64_t number; /* of its request, from 1 on; the lock's */
    weir_ctx *ctx;   /* until the handler has ended; NULL: the status is known */
    int64_t monotonic_ns;
    struct access_entry entry; /* strings of it lie below */
    size_t used;               /* bytes of text */
    char text[RECORD_SIZE - 3 * sizeof(void *) - 3 * sizeof(int64_t) - sizeof(struct access_entry)];
};

_Static_assert(sizeof(struct record) == RECORD_SIZE, "a record has the size that bounds count with");
_Static_assert(sizeof((struct record *)0)->text >=
                   PEER_MAX + METHOD_MAX + TARGET_MAX + HOST_MAX + REFERER_MAX + AGENT_MAX + 1,
               "what is kept of a request fits, and an empty text");

struct chunk {
    struct chunk *next;
    struct record records[CHUNK_RECORDS];
};

struct access_log {
    enum access_form form;
    bool clients;              /* the server is behind proxies */
    weir_account *account;     /* the server's */
    struct status_line *above; /* or NULL */
    bool prints;               /* lines, on a terminal */
    int fd;                    /* standard output, or its pipe or terminal opened once more, non-blocking */
    bool failed;               /* nobody reads any more; of the thread alone until its end */
    pthread_t thread;
    pthread_mutex_t lock; /* guards what is below */
    pthread_cond_t wake;
    struct chunk *chunks;
    struct record *unused;
    struct record *first, **last; /* the queue */
    uint64_t begun;               /* requests that have had a record */
    uint64_t dropped, told;       /* requests without a line; of these, those that have been told of */
    int64_t told_ns;              /* when; the thread's */
    bool ends;
    char buffer[BUFFER_SIZE]; /* the thread's */
};

/* Where middleware finds the record of its request. */
struct record_slot {
    struct record *record;
};
WEIR_ATTRIBUTE(struct record_slot, record_slot)

static int64_t now_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* ---- Records ---- */

/* Makes further records. With the lock. */
static void grow(struct access_log *l)
{
    struct chunk *chunk = weir_account_alloc(l->account, sizeof *chunk);
    if (!chunk)
        return;
    chunk->next = l->chunks;
    l->chunks = chunk;
    for (size_t i = 0; i < CHUNK_RECORDS; i++) {
        chunk->records[i].next = l->unused;
        l->unused = &chunk->records[i];
    }
}

/* A record without texts; NULL, and counted, where there is none. */
static struct record *record_take(struct access_log *l)
{
    pthread_mutex_lock(&l->lock);
    if (!l->unused)
        grow(l);
    struct record *r = l->unused;
    if (r) {
        l->unused = r->next;
        r->number = ++l->begun;
    } else {
        l->dropped++;
    }
    pthread_mutex_unlock(&l->lock);
    return r;
}

static void record_give_back(struct access_log *l, struct record *r)
{
    pthread_mutex_lock(&l->lock);
    r->next = l->unused;
    l->unused = r;
    pthread_mutex_unlock(&l->lock);
}

/* Keeps a text, cut at most - 1 bytes, of which the last three then are dots. */
static const char *keep(struct record *r, const char *text, size_t len, size_t most)
{
    char *to = r->text + r->used;
    size_t room = sizeof r->text - r->used;
    if (room == 0)
        return "";
    most = most < room ? most : room;
    size_t kept = len < most ? len : most - 1;
    memcpy(to, text, kept);
    to[kept] = '\0';
    if (kept < len && kept > 3)
        memcpy(to + kept - 3, "...", 3);
    r->used += kept + 1;
    return to;
}

static const char *keep_text(struct record *r, const char *text, size_t most)
{
    return text ? keep(r, text, strlen(text), most) : "";
}

/* ---- The way of a record ---- */

/* The handler has ended. */
static void record_handled(void *arg)
{
    struct record *r = arg;
    if (r->ctx)
        r->entry.status = weir_status(r->ctx);
    r->ctx = NULL;
}

/* The reply has been sent, or will not be: into the queue. */
static void record_sent(void *arg, int error, uint64_t bytes)
{
    struct record *r = arg;
    struct access_log *l = r->log;
    r->entry.error = error;
    r->entry.bytes = bytes;
    r->entry.took_ns = now_ns(CLOCK_MONOTONIC) - r->monotonic_ns;
    r->next = NULL;
    pthread_mutex_lock(&l->lock);
    bool was_empty = !l->first;
    *l->last = r;
    l->last = &r->next;
    if (was_empty)
        pthread_cond_signal(&l->wake);
    pthread_mutex_unlock(&l->lock);
}

static struct record *record_begin(weir_ctx *c, struct access_log *l)
{
    struct record *r = record_take(l);
    if (!r)
        return NULL;
    r->log = l;
    r->used = 0;
    r->monotonic_ns = now_ns(CLOCK_MONOTONIC);
    r->entry = (struct access_entry){
        .user = "", .version = weir_http_version(c), .status = weir_status(c), .begin_ns = now_ns(CLOCK_REALTIME)};
    r->entry.peer = keep_text(r, l->clients ? weir_client(c) : weir_peer(c), PEER_MAX);
    r->entry.method = keep_text(r, weir_method(c), METHOD_MAX);
    r->entry.target = keep_text(r, weir_target(c), TARGET_MAX);
    r->entry.host = keep_text(r, weir_host(c), HOST_MAX);
    r->entry.referer = keep_text(r, weir_header(c, "Referer"), REFERER_MAX);
    r->entry.agent = keep_text(r, weir_header(c, "User-Agent"), AGENT_MAX);
    if (weir_on_sent(c, record_sent, r) != 0) {
        record_give_back(l, r);
        return NULL;
    }
    r->ctx = c;
    return r;
}

void access_log_begin(weir_ctx *c, struct access_log *l)
{
    struct record_slot *slot = l ? record_slot(c) : NULL;
    struct record *r = l ? record_begin(c, l) : NULL;
    if (slot)
        slot->record = r;
    if (r)
        (void)weir_defer(c, record_handled, r); /* without memory it is called at once */
}

void access_log_fail(weir_ctx *c, struct access_log *l, int status)
{
    struct record_slot *slot = record_slot_find(c);
    struct record *r = slot ? slot->record : NULL;
    if (l && !slot)
        r = record_begin(c, l); /* no middleware has seen it */
    if (!r)
        return;
    r->entry.status = status;
    r->ctx = NULL;
}

void access_log_user(weir_ctx *c, const char *name, size_t len)
{
    struct record_slot *slot = record_slot_find(c);
    if (slot && slot->record)
        slot->record->entry.user = keep(slot->record, name, len, len + 1);
}

/* ---- Who is alive ---- */

uint64_t access_log_mark(struct access_log *l)
{
    if (!l)
        return 0;
    pthread_mutex_lock(&l->lock);
    uint64_t mark = l->begun;
    pthread_mutex_unlock(&l->lock);
    return mark;
}

/* A record that was not taken again since the mark is still of the same request, and its target stays as it is while
 * the lock keeps others from taking it. */
bool access_log_target(struct access_log *l, const void *sent_arg, uint64_t mark, char *to, size_t size)
{
    const struct record *r = sent_arg;
    if (!l || !r)
        return false;
    pthread_mutex_lock(&l->lock);
    bool same = r->number <= mark;
    if (same)
        snprintf(to, size, "%s", r->entry.target);
    pthread_mutex_unlock(&l->lock);
    return same;
}

/* ---- Writing ---- */

/* Standard output for writes that do not wait: a pipe or a terminal is opened once more, since its description is
 * shared with other programs. A file is written to as it is, where it is. */
static int output_open(void)
{
    struct stat status;
    bool waits = fstat(STDOUT_FILENO, &status) == 0 && (S_ISFIFO(status.st_mode) || S_ISCHR(status.st_mode));
    int fd = waits ? open("/proc/self/fd/1", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC) : -1;
    return fd >= 0 ? fd : STDOUT_FILENO;
}

static bool ends(struct access_log *l)
{
    pthread_mutex_lock(&l->lock);
    bool end = l->ends;
    pthread_mutex_unlock(&l->lock);
    return end;
}

/* Writes all of the buffer, however slowly it is read. False: nobody reads any more, or not before the end. */
static bool write_all(struct access_log *l, const char *data, size_t len)
{
    int left_ms = END_MS;
    while (len > 0) {
        struct pollfd ready = {.fd = l->fd, .events = POLLOUT};
        int n = poll(&ready, 1, WAIT_MS);
        if (n == 0 && ends(l) && (left_ms -= WAIT_MS) <= 0)
            return false;
        if (n <= 0)
            continue;
        ssize_t written = write(l->fd, data, len < PIPE_BUF ? len : PIPE_BUF); /* a pipe has room for so many */
        if (written < 0 && errno != EAGAIN && errno != EINTR)
            return false;
        if (written > 0) {
            data += written;
            len -= (size_t)written;
        }
    }
    return true;
}

/* Composes and writes the lines of a list of records. */
static void write_records(struct access_log *l, const struct record *r)
{
    size_t len = 0;
    for (; r && !l->failed; r = r->next) {
        len += access_line(l->buffer + len, LINE_SIZE, l->form, &r->entry);
        if (len > BUFFER_SIZE - LINE_SIZE || !r->next) {
            l->failed = !write_all(l, l->buffer, len);
            len = 0;
        }
    }
}

static uint64_t count(const struct record *r)
{
    uint64_t n = 0;
    for (; r; r = r->next)
        n++;
    return n;
}

/* The number of requests without a line that are to be told of now; 0: none. With the lock. */
static uint64_t untold(struct access_log *l)
{
    int64_t now = now_ns(CLOCK_MONOTONIC);
    if (l->dropped == l->told || (l->told && now - l->told_ns < TELL_NS))
        return 0;
    l->told = l->dropped;
    l->told_ns = now;
    return l->told;
}

static void tell_dropped(uint64_t dropped)
{
    if (dropped)
        fprintf(stderr, "weir serve: %llu requests so far are not in the log: standard output is too slow, or gone\n",
                (unsigned long long)dropped);
}

static void *log_main(void *arg)
{
    struct access_log *l = arg;
    pthread_mutex_lock(&l->lock);
    for (;;) {
        while (!l->first && !l->ends)
            pthread_cond_wait(&l->wake, &l->lock);
        struct record *first = l->first, **last = l->last;
        if (!first)
            break;
        l->first = NULL;
        l->last = &l->first;
        uint64_t dropped = untold(l);
        pthread_mutex_unlock(&l->lock);
        struct status_line *above = l->prints || dropped ? l->above : NULL;
        status_line_hide(above);
        write_records(l, first);
        tell_dropped(dropped);
        status_line_show(above);
        pthread_mutex_lock(&l->lock);
        l->dropped += l->failed ? count(first) : 0;
        *last = l->unused;
        l->unused = first;
    }
    pthread_mutex_unlock(&l->lock);
    return NULL;
}

/* ---- Life ---- */

struct access_log *access_log_new(weir_server *s, enum access_form form, bool clients, struct status_line *above)
{
    weir_account *account = weir_account_open(s, NULL, "access log", LOG_BYTES_MAX);
    struct access_log *l = account ? weir_account_alloc(account, sizeof *l) : NULL;
    if (!l)
        return NULL;
    l->form = form;
    l->clients = clients;
    l->above = above;
    l->prints = form != ACCESS_OFF && isatty(STDOUT_FILENO);
    l->account = account;
    l->fd = output_open();
    l->failed = l->ends = false;
    l->chunks = NULL;
    l->unused = l->first = NULL;
    l->last = &l->first;
    l->begun = l->dropped = l->told = 0;
    l->told_ns = 0;
    pthread_mutex_init(&l->lock, NULL);
    pthread_cond_init(&l->wake, NULL);
    if (pthread_create(&l->thread, NULL, log_main, l) == 0)
        return l;
    weir_account_free(account, l);
    return NULL;
}

uint64_t access_log_end(struct access_log *l)
{
    if (!l)
        return 0;
    pthread_mutex_lock(&l->lock);
    l->ends = true;
    pthread_cond_signal(&l->wake);
    pthread_mutex_unlock(&l->lock);
    pthread_join(l->thread, NULL);
    uint64_t dropped = l->dropped;
    for (struct chunk *chunk = l->chunks, *next; chunk; chunk = next) {
        next = chunk->next;
        weir_account_free(l->account, chunk);
    }
    if (l->fd != STDOUT_FILENO)
        close(l->fd);
    pthread_cond_destroy(&l->wake);
    pthread_mutex_destroy(&l->lock);
    weir_account_free(l->account, l);
    return dropped;
}
