/*
 * A server whose requests can be made to hold all that a request can hold, for the plan's test: a long table of fields,
 * both buffers, request memory and a stack. It prints its plan, `plan START CONNECTION REQUEST WORST`. Arguments:
 * CONNECTIONS WORKERS MEMORY_LIMIT (0: none) BOUND (0: none), of a worker's stacks, records and blocks; buffers have
 * twice that.
 *
 * SPDX-License-Identifier: MIT
 */
#include "serving.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Takes its memory, begins a reply, which needs the second buffer because the head fills the first, and waits for a
 * body that does not end. */
static void hold(weir_ctx *c)
{
    const void *piece;
    if (!weir_alloc(c, 10000))
        weir_fail(c, 503, "no memory");
    weir_write(c, "x", 1);
    while (weir_read_slice(c, &piece) > 0)
        weir_write(c, "y", 1);
}

struct site {
    weir_cache *cache;
};

static int fill(weir_ctx *c, weir_cache_slot *slot, void *arg)
{
    static char value[3000];
    (void)c;
    (void)arg;
    return weir_cache_put(slot, value, sizeof(value));
}

static void cached(weir_ctx *c)
{
    const struct site *site = weir_server_data(c);
    const weir_value *value;
    if (weir_cache_get(c, site->cache, weir_param(c, "key"), fill, NULL, &value, NULL) == 0)
        weir_reply_value(c, NULL, value);
}

static long argument(char **argv, int i)
{
    return strtol(argv[i], NULL, 10);
}

int main(int argc, char **argv)
{
    if (argc != 5)
        return 2;
    int bound = (int)argument(argv, 4);
    struct site site;
    weir_memory_plan plan;
    weir_server *s = weir_server_new(&(weir_config){.port = WEIR_ANY,
                                                    .max_connections = (int)argument(argv, 1),
                                                    .max_connections_per_address = (int)argument(argv, 1),
                                                    .workers = (int)argument(argv, 2),
                                                    .memory_limit = (size_t)argument(argv, 3),
                                                    .max_stacks = bound,
                                                    .max_request_records = bound,
                                                    .max_request_memory_blocks = bound,
                                                    .max_http_buffers = 2 * bound,
                                                    .memory_wait_ms = 60000,
                                                    .log_level = WEIR_OFF,
                                                    .server_data = &site});
    site.cache = weir_cache_new(s, &(weir_cache_config){.max_bytes = 1 << 20});
    weir_post(s, "/hold", hold);
    weir_get(s, "/cache/{key:[a-z0-9]+}", cached);
    weir_get(s, "/ledger.json", weir_ledger_json);
    if (weir_plan(s, &plan) == 0)
        printf("plan %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", plan.start, plan.connection, plan.request,
               plan.worst);
    return serve(s);
}
