/*
 * Watching descriptors of libraries.
 *
 * SPDX-License-Identifier: MIT
 */
#include "io/watch.h"

#define WATCH_BOTH ((uint32_t)POLLER_READ | (uint32_t)POLLER_WRITE)

void watches_init(struct watches *w, struct account *account)
{
    *w = (struct watches){.account = account};
    lock_init(&w->lock);
}

void watches_done(struct watches *w)
{
    watches_lock_acquire(&w->lock);
    while (w->blocks) {
        struct watch_block *b = w->blocks;
        w->blocks = b->next;
        for (size_t i = 0; i < WATCH_BLOCK; i++)
            lock_done(&b->records[i].lock);
        memory_free(w->account, b, sizeof *b);
    }
    w->free = NULL;
    watches_lock_release(&w->lock);
    lock_done(&w->lock);
}

/* Makes more records. False: refused. */
static bool watches_grow(struct watches *w) REQUIRES(watches_lock)
{
    struct watch_block *b = memory_alloc(w->account, sizeof *b);
    if (!b)
        return false;
    memset(b, 0, sizeof *b);
    for (size_t i = 0; i < WATCH_BLOCK; i++) {
        struct weir_fd *f = &b->records[i];
        lock_init(&f->lock);
        f->home = w;
        f->fd = -1;
        f->next = w->free;
        w->free = f;
    }
    b->next = w->blocks;
    w->blocks = b;
    return true;
}

struct weir_fd *watch_open(struct watches *w, int fd)
{
    watches_lock_acquire(&w->lock);
    struct weir_fd *f = w->free || watches_grow(w) ? w->free : NULL;
    if (f)
        w->free = f->next;
    watches_lock_release(&w->lock);
    if (!f)
        return NULL;
    watch_lock_acquire(&f->lock);
    f->fd = fd;
    list_init(&f->waiters);
    watch_lock_release(&f->lock);
    return f;
}

/* Takes the descriptor out of the poller that has it, if one has. */
static void watch_detach(struct weir_fd *f) REQUIRES(watch_lock)
{
    if (f->interest)
        poller_remove(&f->loop->poller, f->fd);
    f->interest = 0;
    f->loop = NULL;
    f->generation = (f->generation + 1) & UINT16_MAX;
}

void watch_close(struct weir_fd *f)
{
    struct watches *w = f->home;
    watch_lock_acquire(&f->lock);
    weir_assert(list_empty(&f->waiters)); /* else a fiber would wait for ever */
    watch_detach(f);
    f->fd = -1;
    watch_lock_release(&f->lock);
    watches_lock_acquire(&w->lock);
    f->next = w->free;
    w->free = f;
    watches_lock_release(&w->lock);
}

void watches_leave_loop(struct watches *w, struct loop *l)
{
    watches_lock_acquire(&w->lock);
    for (struct watch_block *b = w->blocks; b; b = b->next) {
        for (size_t i = 0; i < WATCH_BLOCK; i++) {
            struct weir_fd *f = &b->records[i];
            watch_lock_acquire(&f->lock);
            if (f->loop == l)
                watch_detach(f);
            watch_lock_release(&f->lock);
        }
    }
    watches_lock_release(&w->lock);
}

/* What those who wait want together. */
static uint32_t watch_wanted(const struct weir_fd *f) REQUIRES(watch_lock)
{
    uint32_t wanted = 0;
    list_for_each (l, &f->waiters)
        wanted |= container_of(l, struct watch_waiter, link)->wanted;
    return wanted;
}

/* Asks the poller for interest, which is not 0. */
static int watch_ask(struct weir_fd *f, uint32_t interest) REQUIRES(watch_lock)
{
    struct poller *p = &f->loop->poller;
    uint64_t mark = source_mark(SOURCE_WATCH, f, f->generation);
    int error = f->interest ? poller_modify(p, f->fd, interest, mark) : poller_add(p, f->fd, interest, mark);
    if (error == WEIR_ENOENT) /* the descriptor was closed, and another one has its number */
        error = poller_add(p, f->fd, interest, mark);
    if (!error)
        f->interest = interest;
    return error == 0                                                   ? 0
           : error == WEIR_EEXIST                                       ? WEIR_EBUSY
           : error == WEIR_ENOMEM || (error == WEIR_ENOSPC && interest) ? WEIR_ENOMEM
                                                                        : WEIR_ESYS;
}

/* Has the poller asked for all that is wanted. What it is asked for already stays, but for writing, which would be
 * ready at once. */
static int watch_settle(struct weir_fd *f) REQUIRES(watch_lock)
{
    uint32_t wanted = watch_wanted(f), interest = wanted | (f->interest & (uint32_t)POLLER_READ);
    if (wanted == 0 || interest == f->interest)
        return 0;
    return watch_ask(f, interest);
}

int watch_join(struct weir_fd *f, struct loop *l, struct watch_waiter *waiter)
{
    int error = 0;
    waiter->ready = 0;
    list_init(&waiter->link);
    watch_lock_acquire(&f->lock);
    if (f->loop != l) {
        if (list_empty(&f->waiters)) {
            watch_detach(f);
            f->loop = l;
        } else {
            error = WEIR_EBUSY;
        }
    }
    if (!error) {
        list_push_back(&f->waiters, &waiter->link);
        error = watch_settle(f);
        if (error)
            list_remove(&waiter->link);
        else
            l->outside++;
    }
    watch_lock_release(&f->lock);
    return error;
}

int watch_want(struct weir_fd *f, struct watch_waiter *waiter, uint32_t wanted)
{
    watch_lock_acquire(&f->lock);
    uint32_t before = waiter->wanted;
    waiter->wanted = wanted;
    int error = watch_settle(f);
    if (error)
        waiter->wanted = before;
    watch_lock_release(&f->lock);
    return error;
}

void watch_leave(struct weir_fd *f, struct watch_waiter *waiter)
{
    watch_lock_acquire(&f->lock);
    list_remove(&waiter->link);
    if (f->loop) /* else it ends */
        f->loop->outside--;
    watch_lock_release(&f->lock);
}

void watch_wake_fiber(struct watch_waiter *w)
{
    fiber_wake(w->fiber, 1);
}

void watch_ready(struct loop *l, void *object, uint16_t generation, uint32_t events)
{
    struct weir_fd *f = object;
    watch_lock_acquire(&f->lock);
    if (f->loop != l || f->generation != generation) { /* the watch has moved, or is another one */
        watch_lock_release(&f->lock);
        return;
    }
    bool hung_up = (events & (uint32_t)POLLER_HANGUP) != 0;
    uint32_t heard = 0; /* what somebody has been told of */
    list_for_each_safe (at, &f->waiters) {
        struct watch_waiter *w = container_of(at, struct watch_waiter, link);
        uint32_t ready = events & (w->wanted | (uint32_t)POLLER_HANGUP);
        if (ready && w->wanted) {
            w->ready |= ready;
            heard |= hung_up ? WATCH_BOTH : ready;
            w->fn(w);
        }
    }
    uint32_t rest = f->interest & ~(events & WATCH_BOTH & ~heard);
    if ((hung_up && !heard) || rest == 0) {
        poller_remove(&l->poller, f->fd);
        f->interest = 0;
    } else if (rest != f->interest) {
        (void)watch_ask(f, rest);
    }
    watch_lock_release(&f->lock);
}
