/*
 * The world of the connection targets: a server with one worker, which is stopped before it serves and turns only as a
 * test says. Its monotonic clock stands still but for what is told to pass, so that an input does the same each time.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_TESTS_FUZZ_CONNECTION_WORLD_H
#define WEIR_TESTS_FUZZ_CONNECTION_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct worker;

typedef void (*world_fn)(const uint8_t *data, size_t size);

/* Runs fn(data, size) on the worker's own thread and waits for it. http2: whether the server speaks that; the first
 * call says. The rest of this file is for fn. */
void world_run(world_fn fn, bool http2, const uint8_t *data, size_t size);

struct worker *world_worker(void);
/* Turns until the worker has nothing left to do but to wait for the client. */
void world_settle(void);
/* So much time goes by, at whose end there is a turn. */
void world_pass_time(uint32_t ms);
/* Lets time go by until every connection is closed, and checks that all is back: accounts, counts, fibers, and the
 * descriptors from lowest_fd on. */
void world_check_back(int lowest_fd);

#endif
