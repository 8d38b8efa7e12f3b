/*
 * A ledger as it was read from a server's JSON, for the screen to show. Figures that the JSON does not have are zero.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_CLI_VIEW_H
#define WEIR_CLI_VIEW_H

#include "base/slice.h"

#include <stdint.h>

#define VIEW_ACCOUNTS 64
#define VIEW_LIVE     32
#define VIEW_ROUTES   32
#define VIEW_CACHES   16
#define VIEW_REFUSALS 48
#define VIEW_TIMES    32
#define VIEW_NAME_MAX 96

struct view_account {
    char name[VIEW_NAME_MAX];
    uint64_t in_use, reserved, peak, objects, refused;
};

struct view_live {
    char method[16], route[VIEW_NAME_MAX], peer[VIEW_NAME_MAX], state[16];
    double seconds;
    uint64_t sent, memory;
};

/* Times are upper bounds, in seconds: 0 is not known, VIEW_BEYOND is above every bound. */
#define VIEW_BEYOND (-1.0)
struct view_route {
    char method[16], host[VIEW_NAME_MAX], pattern[VIEW_NAME_MAX];
    uint64_t requests;
    double median, p99;
};

struct view_cache {
    char name[VIEW_NAME_MAX];
    uint64_t hits, misses, waits, evictions, entries, bytes;
};

struct view_refusal {
    char cause[VIEW_NAME_MAX];
    uint64_t count;
};

struct view_time {
    double most; /* seconds; 0 in the last class, which has no end */
    uint64_t count;
};

struct view {
    char version[32];
    double uptime;
    uint64_t workers;
    uint64_t limit, in_use, reserved, kernel;
    uint64_t resident, private_bytes, remainder; /* all 0: not known */
    uint64_t accepted, open, idle, head, waiting, active, draining, lingering, handshake;
    uint64_t requests;
    uint64_t responses[6]; /* [0]: unanswered */
    uint64_t bytes_in, bytes_out;
    uint64_t fibers_running, fibers_waiting;
    uint64_t offload_threads, offload_busy, offload_queued;
    struct view_account accounts[VIEW_ACCOUNTS];
    struct view_live live[VIEW_LIVE];
    struct view_route routes[VIEW_ROUTES]; /* the busiest first */
    struct view_cache caches[VIEW_CACHES];
    struct view_refusal refusals[VIEW_REFUSALS]; /* limits that have been met */
    struct view_time times[VIEW_TIMES];
    int account_count, live_count, route_count, cache_count, refusal_count, time_count;
};

/* Reads a view from text. False: text is not the JSON of a ledger. */
bool view_read(struct view *v, struct slice text);

/* The time in seconds within which the share q of handlers ended, of those that ended between two views (before NULL:
 * ever). -1: none ended; 0: less than the first class tells. */
double view_quantile(const struct view *v, const struct view *before, double q);

/* The longest time that a class of handler times bounds, in seconds; 0: not known. */
double view_longest(const struct view *v);

#endif
