/*
 * How many connections to ask a listening socket for. Asking in vain is dear, because the kernel makes a socket and a
 * file before it looks, and asking for too few costs a turn. Most often one waits, so that a guess begins there; it
 * doubles while all that was asked for was there and the socket is readable again in the very next turn, and falls to
 * what was there when it was too high. After growing in vain it grows more slowly.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_NET_ACCEPT_GUESS_H
#define WEIR_NET_ACCEPT_GUESS_H

#include <stdbool.h>
#include <stdint.h>

#define ACCEPT_BATCH 64 /* connections accepted before other events get a turn */

struct accept_guess {
    uint64_t turn; /* the loop's count and time when the socket was last readable */
    uint64_t time_ns;
    uint8_t batch;    /* how many to ask for */
    uint8_t full;     /* turns in succession in which all that was asked for was there */
    uint8_t patience; /* how many of them it takes to ask for more */
};

void accept_guess_init(struct accept_guess *g);

/* The socket is readable in a turn of that count, which began at now_ns. How many to ask for: 1 to ACCEPT_BATCH. */
uint32_t accept_guess_ask(struct accept_guess *g, uint64_t turn, uint64_t now_ns);

/* Fewer connections were there than were asked for: `taken`, and then none. */
void accept_guess_drained(struct accept_guess *g, uint32_t taken);
/* All connections that were asked for were there. */
void accept_guess_filled(struct accept_guess *g);

#endif
