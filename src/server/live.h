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

#define LIVE_ROWS  32 /* of a board */
#define LIVE_SHOWN 12 /* of the page */

struct live_row {
    uint64_t begin_ns;
    weir_live_request is; /* but for its age and its worker */
};

LOCK_ROLE(board_lock)

struct live_board {
    struct inbox_node node;
    struct worker *worker;
    _Atomic bool asked; /* node is on its way: what is on the board is older */
    struct lock lock;
    size_t count GUARDED_BY(board_lock);
    size_t alive GUARDED_BY(board_lock);                    /* requests of the worker; the board has the oldest */
    struct live_row rows[LIVE_ROWS] GUARDED_BY(board_lock); /* oldest first */
};

/* Asks every worker of c's server, and gives them a moment. Nothing if the server has no boards. Suspends. */
void live_refresh(weir_ctx *c);

/* Makes boards for a server's workers, which are there. NULL: no memory. */
struct live_board *live_boards_new(weir_server *s);
void live_boards_free(weir_server *s, struct live_board *boards);

/* The worker has served its last request: nothing is on its board any more. */
void live_worker_ends(struct worker *w);

/* Writes the oldest LIVE_SHOWN requests of all workers as a JSON array of objects; c itself is left out by its being
 * young. */
void live_put_json(struct ledger_writer *w);

#endif
