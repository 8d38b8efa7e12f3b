/*
 * The guess of how many connections wait to be accepted.
 *
 * SPDX-License-Identifier: MIT
 */
#include "net/accept_guess.h"

#define TURN_STEP    2       /* the loop counts a turn's beginning and its end */
#define PATIENCE_MAX 8       /* turns; so rarely is there one call in vain while connections come one by one */
#define LONG_TURN_NS 5000000 /* after a turn like this many may wait, and other workers may be free for them */

void accept_guess_init(struct accept_guess *g)
{
    *g = (struct accept_guess){.batch = 1, .patience = 1};
}

uint32_t accept_guess_ask(struct accept_guess *g, uint64_t turn, uint64_t now_ns)
{
    bool again = turn == g->turn + TURN_STEP, late = again && now_ns - g->time_ns >= LONG_TURN_NS;
    g->turn = turn;
    g->time_ns = now_ns;
    if (late)
        return ACCEPT_BATCH;
    if (!again) {
        g->full = 0;
    } else if (g->full >= g->patience) {
        g->full = 0;
        g->batch = g->batch < ACCEPT_BATCH / 2 ? (uint8_t)(g->batch * 2) : ACCEPT_BATCH;
    }
    return g->batch;
}

void accept_guess_drained(struct accept_guess *g, uint32_t taken)
{
    g->full = 0;
    g->batch = taken > 1 ? (uint8_t)taken : 1;
    if (g->patience < PATIENCE_MAX)
        g->patience *= 2;
}

void accept_guess_filled(struct accept_guess *g)
{
    if (g->full < PATIENCE_MAX)
        g->full++;
    if (g->batch > 1)
        g->patience = 1;
}
