/*
 * A bounded cache: a value is computed once, however many ask for it at the same time, and is then sent from the cache
 * without a copy. Beyond 1,000 entries the least useful make room.
 *
 *     cache [PORT]
 *     curl -i http://127.0.0.1:60000/cache/apple
 *
 * SPDX-License-Identifier: MIT
 */
#include <stdio.h>
#include <stdlib.h>

#include <weir.h>

struct app {
    weir_cache *cache;
};

static int compute(weir_ctx *c, weir_cache_slot *slot, void *key)
{
    const char *quoted = weir_json_string(c, key);
    char value[8300];
    int len = quoted ? snprintf(value, sizeof value, "{\"key\":%s,\"computed\":true}", quoted) : -1;
    return len >= 0 && (size_t)len < sizeof value ? weir_cache_put(slot, value, (size_t)len) : WEIR_ETOOBIG;
}

static void cached(weir_ctx *c)
{
    const struct app *app = weir_server_data(c);
    const char *key = weir_param(c, "key");
    const weir_value *value;
    bool hit;

    int error = weir_cache_get(c, app->cache, key, compute, (void *)key, &value, &hit);
    if (error)
        weir_fail(c, error == WEIR_ETOOBIG ? 414 : 503, "%s", weir_strerror(error));
    weir_set_header(c, "X-Cache", hit ? "HIT" : "MISS");
    weir_reply_value(c, "application/json", value);
}

int main(int argc, char **argv)
{
    struct app app = {0};
    weir_server *s = weir_server_new(&(weir_config){
        .port = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 60000,
        .server_data = &app,
    });
    app.cache = weir_cache_new(s, &(weir_cache_config){.max_entries = 1000});
    weir_get(s, "/cache/{key}", cached);
    int error = weir_run(s);
    weir_server_free(s);
    return error ? 1 : 0;
}
