/*
 * What requests take: the peaks of the accounts begin anew with the first of those that are measured at once, and are
 * put back behind the last, as the ledger has them.
 *
 * SPDX-License-Identifier: MIT
 */
#include "server/test/test.h"

static uint64_t most(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static void peaks_begin(struct test *t, struct memory *m)
{
    t->account_count = 0;
    memory_lock_acquire(&m->lock);
    for (struct account *a = m->accounts; a; a = a->next) {
        if (t->account_count < TEST_ACCOUNTS) {
            t->accounts[t->account_count].account = a;
            t->accounts[t->account_count++].peak = counter_read(&a->peak);
        }
        atomic_store(&a->peak, counter_read(&a->in_use));
    }
    memory_lock_release(&m->lock);
}

/* An account that has been closed meanwhile is not among them. */
static void peaks_restore(struct test *t, struct memory *m)
{
    memory_lock_acquire(&m->lock);
    for (struct account *a = m->accounts; a; a = a->next)
        for (size_t i = 0; i < t->account_count; i++)
            if (t->accounts[i].account == a)
                atomic_store(&a->peak, most(counter_read(&a->peak), t->accounts[i].peak));
    memory_lock_release(&m->lock);
}

/* The sum of what is in use, or was at most. */
static uint64_t accounts_sum(struct memory *m, bool peak)
{
    uint64_t sum = 0;
    memory_lock_acquire(&m->lock);
    for (struct account *a = m->accounts; a; a = a->next)
        sum += counter_read(peak ? &a->peak : &a->in_use);
    memory_lock_release(&m->lock);
    return sum;
}

void test_measure_begin(struct test *t, struct test_figures *f)
{
    struct memory *m = &t->server->memory;
    if (t->measured++ == 0)
        peaks_begin(t, m);
    *f = (struct test_figures){
        .in_use = accounts_sum(m, false), .parks = t->server->workers[0].loop.fibers.parks, .clock_ns = t->clock_ns};
}

uint64_t test_measure_memory(struct test *t, const struct test_figures *f)
{
    uint64_t peak = accounts_sum(&t->server->memory, true);
    return peak > f->in_use ? peak - f->in_use : 0;
}

void test_measure_end(struct test *t)
{
    if (--t->measured == 0)
        peaks_restore(t, &t->server->memory);
}
