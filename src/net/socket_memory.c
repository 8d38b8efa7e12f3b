/*
 * Sampling and bounding the kernel's memory for sockets.
 *
 * SPDX-License-Identifier: MIT
 */
#include "net/socket_memory.h"
#include "base/log.h"

#include <linux/sock_diag.h>
#include <sys/socket.h>

#define ROUND_MS        1000
#define ROUND_HASTE_MS  100 /* from half of the limit on */
#define PRESSED_SAMPLES 512 /* in a round, about; the kernel takes a microsecond or two for one */
#define QUIET_SAMPLES   128
#define QUIET_ROUNDS    4 /* over which the mean of the quiet is taken, about */

#define CUT_MOST       128              /* connections in a round */
#define CUT_STALLED_MS 1000             /* who has taken something since is not cut */
#define CUT_BYTES      ((uint64_t)2048) /* nor who has less to take */

uint64_t socket_memory_of(int fd, uint64_t *output)
{
    *output = 0;
    uint32_t info[SK_MEMINFO_VARS] = {0};
    socklen_t len = sizeof info;
    if (getsockopt(fd, SOL_SOCKET, SO_MEMINFO, info, &len) != 0)
        return 0;
    /* TCP counts what is sent and not acknowledged as queued; a Unix socket counts what the peer has not read as
     * allocated. */
    uint32_t queued = info[SK_MEMINFO_WMEM_QUEUED], allocated = info[SK_MEMINFO_WMEM_ALLOC];
    *output = queued > allocated ? queued : allocated;
    return *output + info[SK_MEMINFO_RMEM_ALLOC] + info[SK_MEMINFO_FWD_ALLOC] + info[SK_MEMINFO_OPTMEM] +
           info[SK_MEMINFO_BACKLOG];
}

/* ---- TCP_NOTSENT_LOWAT ---- */

#define LOWAT_FIRST   1024
#define SEGMENT_COST  1024        /* of a packet buffer, besides its bytes */
#define SEGMENT_LARGE 4096        /* from here on buffers are sealed by us before they are full, see plain.c */
#define OVERSHOOT     (12 * 1024) /* what a sealed buffer may hold: it is begun below the mark, and then filled */

int socket_lowat_first(int setting)
{
    return setting < LOWAT_FIRST ? setting : LOWAT_FIRST;
}

/* A client that has stopped is to cost one and a half times the setting, overhead included. */
int socket_lowat_final(int setting, int segment)
{
    int64_t most = (int64_t)setting * 3 / 2, lowat;
    if (segment >= SEGMENT_LARGE || segment <= 0) {
        lowat = (most - OVERSHOOT) * 5 / 6;
        if (lowat < setting / 2)
            lowat = setting / 2;
    } else {
        lowat = most * segment / (segment + SEGMENT_COST) - segment;
    }
    if (lowat > setting)
        lowat = setting;
    int first = socket_lowat_first(setting);
    return lowat > first ? (int)lowat : first;
}

/* ---- A round ---- */

void socket_memory_init(struct socket_memory *m, struct net *n, struct socket_memory_total *total)
{
    *m = (struct socket_memory){.net = n, .total = total, .pressed_step = 1, .quiet_step = 1};
}

void socket_memory_done(struct socket_memory *m)
{
    if (m->total)
        atomic_fetch_sub_explicit(&m->total->held, m->held, memory_order_relaxed);
    m->held = 0;
}

struct stalled {
    struct connection *connection;
    uint32_t ms;
};

/* Connections of one kind in a round. */
struct kind {
    uint32_t step; /* one in so many is asked for */
    uint32_t count, samples;
    uint64_t sum; /* of the samples */
};

struct round {
    const struct socket_memory *m;
    struct kind pressed, quiet;
    uint32_t stalled_count; /* the longest stalled, longest first */
    struct stalled stalled[CUT_MOST];
};

/* Whether a connection's output is blocked, or input waits that nobody reads. */
static bool is_pressed(const struct connection *c)
{
    return (c->ready & READY_READ) || (c->ready & (READY_WATCH_WRITE | READY_WRITE)) == READY_WATCH_WRITE;
}

/* Bytes of output that c holds; it is its turn. */
static uint64_t kind_sample(struct kind *k, const struct connection *c)
{
    uint64_t output;
    if (c->fd == SOCKET_NONE)
        return 0;
    k->sum += socket_memory_of(c->fd, &output);
    k->samples++;
    return output;
}

static uint64_t kind_mean(const struct kind *k)
{
    return k->samples ? k->sum / k->samples : 0;
}

/* Keeps c, which has been stalled for ms, if it is among the longest stalled. */
static void keep_stalled(struct round *r, struct connection *c, uint32_t ms)
{
    if (ms < CUT_STALLED_MS)
        return;
    uint32_t at = r->stalled_count;
    if (at == CUT_MOST && ms <= r->stalled[at - 1].ms)
        return;
    if (at == CUT_MOST)
        at--;
    else
        r->stalled_count++;
    for (; at > 0 && r->stalled[at - 1].ms < ms; at--)
        r->stalled[at] = r->stalled[at - 1];
    r->stalled[at] = (struct stalled){.connection = c, .ms = ms};
}

static void look_at(void *arg, void *object)
{
    struct round *r = arg;
    struct connection *c = object;
    const struct socket_memory *m = r->m;
    struct net *n = m->net;
    bool pressed = is_pressed(c);
    struct kind *kind = pressed ? &r->pressed : &r->quiet;
    bool turn = (kind->count++ + m->round) % kind->step == 0;
    uint64_t output = turn ? kind_sample(kind, c) : 0;
    /* Connections that would be cut are looked at before it comes to that. Because the protocol learns then when they
     * last took something. */
    if (m->total->limit == 0 || !(pressed ? turn || m->over : output >= CUT_BYTES))
        return;
    uint32_t ms = connection_protocol(n, c)->stalled(n, c);
    if (m->over)
        keep_stalled(r, c, ms);
}

static uint32_t step_for(uint32_t count, uint32_t samples)
{
    return count / samples + 1;
}

/* What this worker's connections hold, by the round. */
static uint64_t infer(struct socket_memory *m, const struct round *r)
{
    uint64_t mean = kind_mean(&r->quiet);
    if (r->quiet.step == 1)
        m->quiet_mean = mean;
    else
        m->quiet_mean = (m->quiet_mean * (QUIET_ROUNDS - 1) + mean) / QUIET_ROUNDS;
    m->pressed_step = step_for(r->pressed.count, PRESSED_SAMPLES);
    m->quiet_step = step_for(r->quiet.count, QUIET_SAMPLES);
    return kind_mean(&r->pressed) * r->pressed.count + m->quiet_mean * r->quiet.count;
}

/* Enters this worker's figure in the total, which is returned. */
static WRAPS uint64_t publish(struct socket_memory *m, uint64_t held)
{
    struct socket_memory_total *t = m->total;
    uint64_t change = held - m->held;
    m->held = held;
    uint64_t total = atomic_fetch_add_explicit(&t->held, change, memory_order_relaxed) + change;
    uint64_t peak = counter_read(&t->peak);
    while (total > peak &&
           !atomic_compare_exchange_weak_explicit(&t->peak, &peak, total, memory_order_relaxed, memory_order_relaxed))
        ;
    return total;
}

/* Cuts the longest stalled until `excess` bytes are free. */
static void cut_stalled(struct socket_memory *m, const struct round *r, uint64_t excess)
{
    struct net *n = m->net;
    uint64_t freed = 0;
    for (uint32_t i = 0; i < r->stalled_count && freed < excess; i++) {
        struct connection *c = r->stalled[i].connection;
        uint64_t output, bytes = socket_memory_of(c->fd, &output);
        if (output < CUT_BYTES)
            continue;
        connection_protocol(n, c)->give_up(n, c);
        freed += bytes;
        m->cut++;
        atomic_fetch_add_explicit(&m->total->cut, 1, memory_order_relaxed);
    }
}

static void tell(struct socket_memory *m, bool over, uint64_t total)
{
    const struct log *l = m->net->loop->log;
    if (over)
        log_warn(l, "sockets hold %llu bytes in the kernel, kernel_memory_limit is %llu: accepting is paused",
                 (unsigned long long)total, (unsigned long long)m->total->limit);
    else
        log_warn(l, "kernel_memory_limit is kept again: accepting goes on, %llu clients that took nothing were cut",
                 (unsigned long long)m->cut);
    m->cut = 0;
}

uint32_t socket_memory_sample(struct socket_memory *m)
{
    struct round r;
    r.m = m;
    r.pressed = (struct kind){.step = m->pressed_step};
    r.quiet = (struct kind){.step = m->quiet_step};
    r.stalled_count = 0;
    m->round++;
    net_each(m->net, look_at, &r);
    uint64_t total = publish(m, infer(m, &r)), limit = m->total->limit;
    if (limit == 0)
        return ROUND_MS;
    bool over = total > limit;
    if (over != m->over)
        tell(m, over, total);
    m->over = over;
    if (over) /* each worker its part; counted in pages, so that no product overflows */
        cut_stalled(m, &r, ((total - limit) >> 12) * (m->held >> 12) / (total >> 12) << 12);
    return total > limit / 2 ? ROUND_HASTE_MS : ROUND_MS;
}
