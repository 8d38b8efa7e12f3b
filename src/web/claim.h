/*
 * Claims: what a handler has taken from others and owes them, should it be ended before it gives that back. A claim is
 * a record of who made it, on the handler's stack or elsewhere, so that it costs no memory of the request and comes and
 * goes any number of times.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_WEB_CLAIM_H
#define WEIR_WEB_CLAIM_H

struct weir_ctx;

struct claim {
    struct claim *next;
    struct claim **at; /* what points to this claim; NULL: it is settled */
    void (*forfeit)(struct claim *claim);
};

/* Makes a claim of c's handler: forfeited when that has ended and its deferred calls have run. */
void claim_make(struct weir_ctx *c, struct claim *claim, void (*forfeit)(struct claim *claim));

/* What was claimed has been given back. On the handler's fiber, or when that has ended. Does nothing to a claim that is
 * settled. */
void claim_settle(struct claim *claim);

/* Forfeits all claims of a list, the last one first. */
void claims_forfeit(struct claim **list);

#endif
