/*
 * What a worker has for live streams (live/stream.h): their records, and what they have while something is under way.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_WEB_LIVE_WORKER_H
#define WEIR_WEB_LIVE_WORKER_H

#include "base/list.h"
#include "base/pool.h"

/* Figures of a worker's clients that stay, as weir_ledger_sockets has them; its thread alone writes them. */
struct live_figures {
    _Atomic uint64_t websockets, event_streams, received, sent;
};

struct live_worker {
    struct account account;
    struct pool streams, works, further, lines;
    struct list events; /* struct live_event: those that are being told */
    struct live_figures figures;
};

/* Bytes of the objects of each pool. */
size_t live_stream_size(void);
size_t live_work_size(void);
size_t live_further_size(void);
size_t live_line_size(void);

#endif
