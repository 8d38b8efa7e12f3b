/*
 * Opening and closing.
 *
 * SPDX-License-Identifier: MIT
 */
#include "net/tls/lean_worker.h"
#include "weir.h"

#include <string.h>

int lean_worker_open(struct tls_worker *w)
{
    struct lean_worker *l = memory_alloc(w->home, sizeof *l);
    if (!l)
        return WEIR_ENOMEM;
    memset(l, 0, sizeof *l);
    if (!lean_records_open(&l->records)) {
        memory_free(w->home, l, sizeof *l);
        return WEIR_ENOMEM;
    }
    account_open(&l->account, w->home->memory, "tls lean records");
    pool_init(&l->connections, &l->account, sizeof(struct lean_connection), 8, 0);
    l->connections.secret = true;
    for (size_t i = 0; i < LEAN_HELD_SIZES; i++) {
        pool_init(&l->held[i], &l->account, lean_held_sizes[i], 8, 0);
        l->held[i].secret = true;
    }
    for (size_t i = 0; i < LEAN_TOLD_SIZES; i++)
        pool_init(&l->told[i], &l->account, lean_told_sizes[i], 8, 0);
    w->mode = l;
    return 0;
}

void lean_worker_close(struct tls_worker *w)
{
    struct lean_worker *l = lean_worker_of(w);
    if (!l)
        return;
    w->mode = NULL;
    weir_assert(counter_read(&l->account.in_use) == 0);
    lean_records_close(&l->records);
    for (size_t i = 0; i < LEAN_HELD_SIZES; i++)
        pool_done(&l->held[i]);
    for (size_t i = 0; i < LEAN_TOLD_SIZES; i++)
        pool_done(&l->told[i]);
    pool_done(&l->connections);
    account_close(&l->account);
    memory_free(w->home, l, sizeof *l);
}

void lean_worker_trim(struct tls_worker *w, bool all)
{
    struct lean_worker *l = lean_worker_of(w);
    if (!l)
        return;
    for (size_t i = 0; i < LEAN_HELD_SIZES; i++)
        pool_trim(&l->held[i], all);
    for (size_t i = 0; i < LEAN_TOLD_SIZES; i++)
        pool_trim(&l->told[i], all);
    pool_trim(&l->connections, all);
}
