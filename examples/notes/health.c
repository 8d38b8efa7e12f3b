/*
 * Alive and ready. Ready asks the database and the cache at the same time, and gives both half a second.
 *
 * SPDX-License-Identifier: MIT
 */
#include "health.h"

#include <inttypes.h>

#include "app.h"

enum { READY_MS = 500 };

static int ask_store(weir_ctx *c, void *arg)
{
    struct app *app = arg;
    return app->store.ping(c, app->store.data);
}

static int ask_cache(weir_ctx *c, void *arg)
{
    struct app *app = arg;
    return cache_ping(c, &app->cache);
}

void health_live(weir_ctx *c)
{
    weir_reply_json(c, "{\"alive\":true}\n");
}

static const char *state(int error)
{
    return error ? weir_strerror(error) : "good";
}

void health_ready(weir_ctx *c)
{
    struct app *app = app_of(c);
    weir_work works[] = {{.fn = ask_store, .arg = app}, {.fn = ask_cache, .arg = app}};
    int error = weir_group_run(c, works, 2, &(weir_group_options){.timeout_ms = READY_MS, .keep_on = WEIR_ON});
    bool stopping = weir_stopping(c), ready = !error && !works[0].result && !works[1].result && !stopping;
    weir_set_status(c, ready ? 200 : 503);
    weir_set_header(c, "Cache-Control", "no-store");
    weir_reply_printf(c, "application/json", "{\"ready\":%s,\"stopping\":%s,\"database\":\"%s\",\"cache\":\"%s\"}\n",
                      ready ? "true" : "false", stopping ? "true" : "false", state(works[0].result),
                      state(works[1].result));
}

void health_cache(weir_ctx *c)
{
    struct cache *cache = &app_of(c)->cache;
    weir_reply_printf(c, "application/json", "{\"hits\":%" PRIu64 ",\"misses\":%" PRIu64 ",\"failures\":%" PRIu64 "}\n",
                      atomic_load(&cache->hits), atomic_load(&cache->misses), atomic_load(&cache->failures));
}
