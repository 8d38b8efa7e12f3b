/*
 * The requests that have been running for longest. Each worker has a board; who wants to know sends it a message, and
 * it writes on its board, on its own thread, which of its requests are the oldest. Nobody waits for a worker that does
 * not come round or has ended: the board then shows what it showed before.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_SERVER_LIVE_H
#define WEIR_SERVER_LIVE_H

#include "base/lock.h"
#include "io/loop.h"
#include "net/address.h"
#include "server/ledger_write.h"

struct worker;

#define LIVE_ROWS 12

struct live_row {
    uint64_t begin_ns;
    uint64_t sent, memory;
    const char *pattern; /* the router's; "" if none matched */
    const char *state;   /* static */
    char method[16];     /* cut; "" once the handler has ended */
    char peer[ADDRESS_TEXT_MAX];
};

LOCK_ROLE(board_lock)

struct live_board {
    struct inbox_node node;
    struct worker *worker;
    _Atomic bool asked; /* node is on its way */
    _Atomic uint64_t taken_ns;
    struct lock lock;
    size_t count GUARDED_BY(board_lock);
    struct live_row rows[LIVE_ROWS] GUARDED_BY(board_lock); /* oldest first */
};

void live_board_init(struct live_board *b, struct worker *w);
void live_board_done(struct live_board *b);

/* Asks every worker of c's server, and gives them a moment. Nothing if the server has no boards. Suspends. */
void live_refresh(weir_ctx *c);

/* Writes the oldest LIVE_ROWS requests of all workers as a JSON array of objects; c itself is left out by its being
 * young. */
void live_put_json(struct ledger_writer *w);

#endif
