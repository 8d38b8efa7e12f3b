/*
 * From a request to a stream of bytes in both directions (RFC 9110 section 7.8; over HTTP/2 RFC 8441): what is the same
 * for every version of HTTP. A version commits the head in its own way (exchange_ops.upgrade); from then on reading the
 * request's body gives what the client sends, and what is written of the reply's is sent as it is.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_HTTP_UPGRADE_H
#define WEIR_HTTP_UPGRADE_H

#include "http/exchange.h"

/* How long an upgraded exchange waits for input, where nobody has said: any time. */
#define PATIENCE_ENDLESS TIMER_DELAY_MAX

/* Bits of body_clock.nudge. */
enum exchange_nudge {
    NUDGE_CAME = 1,      /* exchange_nudge() was called, and no read has said so */
    NUDGE_ENDS_READ = 2, /* the present read is one that says so */
};

/* What reading says beside errors: exchange_nudge() was called. */
#define EXCHANGE_NUDGED (-102)

/* Before an exchange is upgraded, its head made for `status`: response middleware runs, and filters are dropped. 0;
 * WEIR_ECANCELED: the server stops, or response middleware has made another status of it, with which the reply goes
 * on; or an error as exchange_may()'s. May suspend. */
int upgrade_prepare(struct exchange *x, uint16_t status);

/* Sets how long a read waits from here on; ms < 0: any time. */
static inline void upgrade_set_patience(struct exchange *x, int ms)
{
    bool endless = ms < 0 || (uint32_t)ms > PATIENCE_ENDLESS;
    x->body_clock.patience_ms = (endless ? PATIENCE_ENDLESS : (uint32_t)ms) & PATIENCE_ENDLESS;
}

/* The head is committed: the exchange is upgraded. No limit of a request or its body holds any more, but for those on
 * the output. The begin of a stop ends its waits, as if weir_stop_ends_waits() were on. */
void upgrade_begin(struct exchange *x);

/* Waits for input, for struct exchange_ops.read: 0, WEIR_ETIMEDOUT, EXCHANGE_NUDGED, or an error. */
int upgrade_wait(struct exchange *x);

/*
 * exchange_read() that waits for ms at most (< 0: any time), and no longer than until exchange_nudge() is called, or
 * has been since the last such call: WEIR_ETIMEDOUT or EXCHANGE_NUDGED, after which it can be called again. May
 * suspend.
 */
ssize_t exchange_read_within(struct exchange *x, int ms, const char **data);

/* Has exchange_read_within(), the present one or the next, return. On the exchange's worker. */
void exchange_nudge(struct exchange *x);

#endif
