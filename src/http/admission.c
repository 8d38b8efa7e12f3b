/*
 * Promising memory, and the line of those who wait for it.
 *
 * SPDX-License-Identifier: MIT
 */
#include "http/admission.h"
#include "http/pools.h"

#include <unistd.h>

#define RETRY_MS       50  /* memory may have been given back by another worker: nothing else would tell */
#define HEADROOM_SHARE 8   /* part of the bound that sets leave to others */
#define SCAN_MAX       256 /* the most waiters that are looked at in a turn */

/* ---- Promises ---- */

/* What sets may still take of the bound on memory. Below zero: others have some of what is to be left for
 * connections. */
static int64_t memory_room(const struct admission *a)
{
    if (a->memory->limit == 0)
        return INT64_MAX;
    uint64_t granted = atomic_load_explicit(&a->memory->granted, memory_order_relaxed) + a->headroom;
    return (int64_t)a->memory->limit - (int64_t)granted;
}

static uint64_t memory_left(const struct admission *a)
{
    int64_t room = memory_room(a);
    return room > 0 ? (uint64_t)room : 0;
}

/* Makes the pools able to give what is promised. What was mapped stays so if not all can be: trimming takes it back. */
static bool promise_cover(struct http *h, const struct promise *p)
{
    return http_pools_promise(h, p) && fibers_promise(&h->net->loop->fibers, p->sets + 1); /* and the standing one */
}

/* Bytes that have to be mapped before promise_cover() can do that. */
static uint64_t promise_missing(struct http *h, const struct promise *p)
{
    uint32_t all = p->sets + 1;
    const struct fibers *f = &h->net->loop->fibers;
    return http_pools_missing(h, p) + (all > f->total ? (all - f->total) * (uint64_t)f->stack_size : 0);
}

/* Whether the bounds on the pools allow what p promises. */
static bool bounds_allow(const struct http *h, const struct promise *p)
{
    return p->sets <= h->admission.sets_most && http_pools_allow(&h->settings->bounds, p);
}

/* Makes p the worker's promise. False, with nothing changed: p is too much; where memory is what is missing, some is
 * sought. */
static bool promise_change(struct http *h, const struct promise *p)
{
    struct admission *a = &h->admission;
    uint32_t before = a->promised.sets;
    bool more = http_pools_is_more(p, &a->promised);
    if (more && !bounds_allow(h, p))
        return false; /* nobody but this worker's own requests can change that: no memory is sought */
    uint64_t missing = more ? promise_missing(h, p) : 0;
    if (missing > memory_left(a)) {
        h->starved(h, (uint64_t)((int64_t)missing - memory_room(a)));
        if (missing > memory_left(a))
            return false;
    }
    if (!promise_cover(h, p)) {
        /* Another worker was quicker. What has been mapped is trimmed away. */
        (void)promise_cover(h, &a->promised);
        h->starved(h, missing);
        return false;
    }
    a->freed |= !more || p->sets < before;
    if (p->sets > before)
        atomic_fetch_add_explicit(a->shared_sets, p->sets - before, memory_order_relaxed);
    else
        atomic_fetch_sub_explicit(a->shared_sets, before - p->sets, memory_order_relaxed);
    a->promised = *p;
    return true;
}

/* Puts a set into a promise, or takes it out. memory: the number of its block's size; 0: the usual one. */
static void promise_add(struct promise *p, uint8_t memory)
{
    p->sets++;
    if (memory)
        p->memories[memory - 1]++;
}

static void promise_remove(struct promise *p, uint8_t memory)
{
    p->sets--;
    if (memory)
        p->memories[memory - 1]--;
}

/* Takes what a request holds out of a promise. */
static void promise_remove_held(struct promise *p, const struct hold *hold)
{
    if (hold->kind == HOLD_SET)
        promise_remove(p, hold->memory);
    if (hold->kind != HOLD_OUTPUT)
        return;
    p->records--;
    p->buffers -= hold->buffers;
}

/* One of the class's requests has a set. */
static void class_add(struct admission *a, struct admission_class *class)
{
    atomic_fetch_add_explicit(&class->sets, 1, memory_order_relaxed);
    if (a->class_sets)
        a->class_sets[class->number]++;
}

static void class_remove(struct admission *a, struct admission_class *class)
{
    atomic_fetch_sub_explicit(&class->sets, 1, memory_order_relaxed);
    if (a->class_sets)
        a->class_sets[class->number]--;
}

static void class_leave(struct exchange *x)
{
    if (x->hold.counted)
        class_remove(&x->http->admission, x->class);
    x->hold.counted = false;
}

static void class_join(struct exchange *x)
{
    if (x->class && !x->hold.counted) {
        class_add(&x->http->admission, x->class);
        x->hold.counted = true;
    }
}

static bool within_share(const struct admission *a, uint32_t sets, uint64_t possible)
{
    uint64_t most = possible * a->share / 100;
    return sets < (most > 0 ? most : 1);
}

/* Whether a class may have one more of the sets that there are and could be: of those of all workers, where memory is
 * what there is too little of, and of this worker's, where its pools are bounded. */
static bool class_has_room(const struct http *h, const struct admission_class *class)
{
    const struct admission *a = &h->admission;
    if (a->class_sets && !within_share(a, a->class_sets[class->number], a->sets_most))
        return false;
    if (a->memory->limit == 0)
        return true;
    int64_t room = memory_room(a) + (int64_t)h->spare(h);
    uint64_t possible = atomic_load_explicit(a->shared_sets, memory_order_relaxed);
    if (room > 0)
        possible += (uint64_t)room / (a->set_size + (class->memory ? h->memories[class->memory - 1].stride : 0));
    return within_share(a, atomic_load_explicit(&class->sets, memory_order_relaxed), possible);
}

/* Gives the request a set, as its class needs it, in place of what it holds, which may be one for another class. */
static bool hold_set(struct exchange *x)
{
    struct hold *hold = &x->hold;
    struct promise p = x->http->admission.promised;
    uint8_t memory = x->class ? x->class->memory : 0;
    if (hold->kind == HOLD_SET && hold->memory == memory)
        return true;
    promise_remove_held(&p, hold);
    promise_add(&p, memory);
    if (!promise_change(x->http, &p))
        return false;
    hold->kind = HOLD_SET;
    hold->buffers = 0;
    hold->memory = memory;
    return true;
}

/* Makes the class the request's. True: it is counted there already, as one that was admitted while it waited. */
static bool class_change(struct exchange *x, struct admission_class *class)
{
    bool same = x->hold.counted && x->class == class;
    class_leave(x);
    x->class = class;
    return same;
}

/* Whether the set that the request holds already, from the one before or from its wait, serves it here. */
static bool set_serves(struct exchange *x, bool same)
{
    return x->hold.kind == HOLD_SET && (same || class_has_room(x->http, x->class)) && hold_set(x);
}

/* Whether the class's handlers are not known to wait: they need no set. */
static bool class_does_without(const struct admission_class *class)
{
    return atomic_load_explicit(&class->waits, memory_order_relaxed) == 0;
}

/* Takes a set for a request that holds none, unless others of its class have been waiting: they come first. */
static bool set_take(struct exchange *x)
{
    return x->hold.kind != HOLD_SET && atomic_load_explicit(&x->class->waiting, memory_order_relaxed) == 0 &&
           class_has_room(x->http, x->class) && hold_set(x);
}

bool admission_enter(struct exchange *x, struct admission_class *class)
{
    if (!x->http->admission.limited) {
        x->class = class;
        return true;
    }
    bool same = class_change(x, class);
    if (!class)
        return true;
    bool has_set = set_serves(x, same);
    if (!has_set && class_does_without(class))
        return true;
    if (!has_set && !set_take(x))
        return false;
    class_join(x);
    return true;
}

bool admission_hold(struct exchange *x, bool waits)
{
    x->hold.suspended |= waits;
    if (waits && x->class && x->handler != HANDLER_ENDED)
        atomic_store_explicit(&x->class->waits, ADMISSION_WAITS, memory_order_relaxed);
    bool had_set = x->hold.kind == HOLD_SET;
    if (!hold_set(x))
        return false;
    if (!had_set)
        class_join(x);
    return true;
}

void admission_learn(struct exchange *x)
{
    if (!x->class || x->hold.suspended)
        return;
    uint8_t waits = atomic_load_explicit(&x->class->waits, memory_order_relaxed);
    if (waits > 0)
        atomic_store_explicit(&x->class->waits, (uint8_t)(waits - 1), memory_order_relaxed);
}

bool admission_keep_output(struct exchange *x, uint32_t buffers)
{
    struct hold *hold = &x->hold;
    if (hold->kind == HOLD_OUTPUT && buffers == hold->buffers)
        return true;
    struct promise p = x->http->admission.promised;
    promise_remove_held(&p, hold);
    p.records++;
    p.buffers += buffers;
    if (!promise_change(x->http, &p)) /* from a set it is never more than was promised before */
        return false;
    class_leave(x);
    hold->kind = HOLD_OUTPUT;
    hold->buffers = (uint8_t)buffers;
    return true;
}

void admission_release(struct exchange *x)
{
    class_leave(x);
    if (x->hold.kind != HOLD_STANDING) {
        struct promise p = x->http->admission.promised;
        promise_remove_held(&p, &x->hold);
        (void)promise_change(x->http, &p);
    }
    x->hold = (struct hold){.kind = HOLD_STANDING};
}

bool admission_make_room(struct http *h, uint64_t bytes)
{
    const struct admission *a = &h->admission;
    if (!a->limited || bytes <= memory_left(a))
        return true;
    h->starved(h, (uint64_t)((int64_t)bytes - memory_room(a)));
    return bytes <= memory_left(a);
}

/* ---- Waiting ---- */

void admission_wait(struct http *h, struct waiter *w, struct admission_class *class)
{
    struct admission *a = &h->admission;
    w->class = class;
    list_push_back(&a->waiting, &w->link);
    a->count++;
    atomic_fetch_add_explicit(&class->waiting, 1, memory_order_relaxed);
    if (!timer_armed(&a->retry))
        timer_arm(&h->net->loop->wheel, &a->retry, loop_delay(RETRY_MS));
}

void admission_unwait(struct http *h, struct waiter *w)
{
    list_remove(&w->link);
    h->admission.count--;
    atomic_fetch_sub_explicit(&w->class->waiting, 1, memory_order_relaxed);
}

void admission_arrive(struct exchange *x, struct admission_class *class)
{
    x->class = class;
    x->hold = (struct hold){.kind = HOLD_SET, .memory = class->memory, .counted = true};
}

void admission_forget(struct http *h, struct admission_class *class)
{
    struct admission *a = &h->admission;
    class_remove(a, class);
    struct promise p = a->promised;
    promise_remove(&p, class->memory);
    (void)promise_change(h, &p);
}

/* Lets a waiter go on. False: there is no memory. */
static bool admission_admit(struct http *h, struct waiter *w)
{
    struct admission *a = &h->admission;
    struct promise p = a->promised;
    promise_add(&p, w->class->memory);
    if (!promise_change(h, &p))
        return false;
    class_add(a, w->class);
    admission_unwait(h, w);
    w->admitted(h, w);
    return true;
}

void admission_turn(struct http *h)
{
    struct admission *a = &h->admission;
    if (!a->freed)
        return;
    /* Begins where the last look ended. Because many waiters of a route that has its share would hide those behind
     * them. */
    struct list *l = list_empty(&a->mark) ? a->waiting.next : a->mark.next;
    list_remove(&a->mark);
    for (int left = SCAN_MAX; l != &a->waiting; left--) {
        struct waiter *w = container_of(l, struct waiter, link);
        if (left == 0) {
            list_insert_after(l->prev, &a->mark);
            return;
        }
        l = l->next;
        if (class_has_room(h, w->class) && !admission_admit(h, w))
            break;
    }
    a->freed = false;
}

static void admission_retry(void *owner, struct timer *t)
{
    struct net *n = owner;
    struct http *h = n->owner;
    h->admission.freed = true;
    if (admission_is_waited_for(&h->admission))
        timer_arm(&n->loop->wheel, t, loop_delay(RETRY_MS));
}

/* ---- Life ---- */

size_t admission_class_sets_size(uint32_t classes)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    return (classes * sizeof(uint32_t) + page) & ~(page - 1);
}

/* Makes the counts of what each class has of this worker's pools, where they are bounded. */
static bool bounds_init(struct http *h)
{
    struct admission *a = &h->admission;
    uint32_t sets = admission_bounds_sets(&h->settings->bounds);
    a->sets_most = sets - 1;
    if (sets == UINT32_MAX)
        return true;
    size_t size = admission_class_sets_size(h->settings->classes);
    a->class_sets = memory_map(&a->account, size, (size_t)sysconf(_SC_PAGESIZE));
    return a->class_sets != NULL;
}

int admission_init(struct http *h, struct memory *m, _Atomic uint64_t *shared_sets)
{
    struct admission *a = &h->admission;
    list_init(&a->waiting);
    list_init(&a->mark);
    if (!a->limited)
        return 0;
    a->memory = m;
    a->shared_sets = shared_sets;
    a->share = h->settings->memory_share;
    a->set_size = http_pools_set_size(h) + h->net->loop->fibers.stack_size;
    a->headroom = m->limit / HEADROOM_SHARE;
    a->retry.kind = TIMER_ADMISSION;
    h->net->loop->wheel.handlers[TIMER_ADMISSION] = admission_retry;
    return bounds_init(h) && promise_cover(h, &a->promised) ? 0 : WEIR_ENOMEM;
}

void admission_done(struct http *h)
{
    struct admission *a = &h->admission;
    if (a->class_sets)
        memory_unmap(&a->account, a->class_sets, admission_class_sets_size(h->settings->classes));
    a->class_sets = NULL;
}
