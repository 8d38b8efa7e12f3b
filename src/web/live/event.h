/*
 * An event of a client that stays: a context without a request, for as long as the program's function for it runs. It
 * has the record of a request, for its memory and its waits, and gives it back.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_WEB_LIVE_EVENT_H
#define WEIR_WEB_LIVE_EVENT_H

#include "web/context.h"
#include "web/live/stream.h"

/* An event's fiber is abandoned, by weir_fail() or a cut: ends the event, and fails its duplex. */
typedef void (*live_failed)(weir_ctx *c, struct duplex *d);

/* Begins an event of d, which has begun, on a fiber. NULL: no memory. */
weir_ctx *live_event_begin(struct http *http, struct duplex *d, live_failed failed);
/* Deferred calls run, and what was allocated goes, before the next event of the same client. */
void live_event_renew(weir_ctx *c);
/* What is told next is the client's end: waits do not end with that. */
void live_event_is_last(weir_ctx *c);
void live_event_end(weir_ctx *c);

/* Tells the event of l, if one is being told, that the client has gone or the server stops: its wait ends. */
void live_event_tell(struct live_stream *l, enum exchange_news news);
/* The time for stopping is over: ends all events of a worker, as they wait next. */
void live_events_cut(struct live_worker *w);

/* The duplex of an event's context. */
struct duplex *live_event_duplex(const weir_ctx *c);

#endif
