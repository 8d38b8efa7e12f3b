/*
 * A server that is watched: handlers that leave a mark in each figure of the ledger, the ledger's forms, and its page
 * at /_weir. Arguments: workers=N, memory_limit=BYTES, watchdog_ms=N, stack_size=BYTES; authorize=1: the page is for
 * who knows a password; own=1: it has a listener of its own.
 *
 * SPDX-License-Identifier: MIT
 */
#include "serving.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* A name with everything that has to be escaped, and a byte that is no UTF-8. */
#define CACHE_NAME "a \"b\" \\ \n \xff end"

static weir_cache *cache;

static int param_number(weir_ctx *c, const char *name)
{
    return (int)strtol(weir_param(c, name), NULL, 10);
}

static void hello(weir_ctx *c)
{
    weir_reply_text(c, "hello");
}

static void status(weir_ctx *c)
{
    weir_set_status(c, param_number(c, "status"));
    weir_reply_text(c, "text");
}

static void sleep_and_reply(weir_ctx *c)
{
    weir_sleep(c, param_number(c, "ms"));
    weir_reply_text(c, "slept");
}

static uint64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* Keeps its worker, which no handler should. */
static void spin(weir_ctx *c)
{
    uint64_t end = now_ms() + (uint64_t)param_number(c, "ms");
    while (now_ms() < end)
        ;
    weir_reply_text(c, "spun");
}

static void worker(weir_ctx *c)
{
    weir_reply_printf(c, "text/plain", "%d", weir_worker_index(c));
}

static void body_length(weir_ctx *c)
{
    const void *data;
    ssize_t len, total = 0;
    while ((len = weir_read_slice(c, &data)) > 0)
        total += len;
    weir_reply_printf(c, "text/plain", "%zd", total);
}

/* A reply that drains without a handler. */
static void large(weir_ctx *c)
{
    static char zeros[8 << 20];
    weir_reply_static(c, "application/octet-stream", zeros, sizeof(zeros));
}

/* A stream that waits for its reader. */
static void flood(weir_ctx *c)
{
    while (weir_printf(c, "more and more and more and more and more\n") == 0)
        ;
}

/* Memory that no account knows. */
static void hoard(weir_ctx *c)
{
    static char *volatile kept;
    size_t size = (size_t)param_number(c, "mib") << 20;
    char *more = malloc(size);
    if (more)
        memset(more, 1, size);
    free(kept);
    kept = more;
    weir_reply_text(c, "hoarded");
}

static int fill(weir_ctx *c, weir_cache_slot *slot, void *arg)
{
    (void)arg;
    weir_sleep(c, 50);
    return weir_cache_put(slot, "value", 5);
}

static void cached(weir_ctx *c)
{
    const weir_value *value;
    if (weir_cache_get(c, cache, weir_param(c, "key"), fill, NULL, &value, NULL) == 0)
        weir_reply_value(c, "text/plain", value);
}

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

static void offload(weir_ctx *c)
{
    weir_reply_printf(c, "text/plain", "%d", weir_offload(c, nothing, NULL));
}

/* The password may be known and the person not be allowed all the same. */
static int authorize(weir_ctx *c, void *data)
{
    const char *given = weir_header(c, "Authorization");
    if (given && strcmp(given, data) == 0)
        return 0;
    if (given)
        return 403;
    weir_set_header(c, "WWW-Authenticate", "Basic realm=\"ledger\"");
    return 401;
}

static const weir_listen_config own = {.host = "127.0.0.1", .port = WEIR_ANY};
static weir_admin_config admin = {.data = "Basic d2VpcjpzZWNyZXQ="}; /* weir:secret */

static bool argument(weir_config *config, const char *text)
{
    const char *equals = strchr(text, '=');
    long long number = equals ? strtoll(equals + 1, NULL, 10) : 0;
    if (strncmp(text, "workers=", 8) == 0)
        config->workers = (int)number;
    else if (strncmp(text, "memory_limit=", 13) == 0)
        config->memory_limit = (size_t)number;
    else if (strncmp(text, "watchdog_ms=", 12) == 0)
        config->watchdog_ms = (int)number;
    else if (strncmp(text, "stack_size=", 11) == 0)
        config->stack_size = (size_t)number;
    else if (strcmp(text, "authorize=1") == 0)
        admin.authorize = authorize;
    else if (strcmp(text, "own=1") == 0)
        admin.listener = &own;
    else
        return false;
    return true;
}

int main(int argc, char **argv)
{
    weir_config config = {.host = "127.0.0.1", .port = WEIR_ANY, .workers = 2};
    for (int i = 1; i < argc; i++)
        if (!argument(&config, argv[i]))
            return 2;
    weir_server *s = weir_server_new(&config);
    cache = weir_cache_new(s, &(weir_cache_config){.name = CACHE_NAME, .max_entries = 2});
    weir_get(s, "/", hello);
    weir_get(s, "/status/{status:[0-9]+}", status);
    weir_get(s, "/sleep/{ms:[0-9]+}", sleep_and_reply);
    weir_get(s, "/spin/{ms:[0-9]+}", spin);
    weir_get(s, "/worker", worker);
    weir_post(s, "/length", body_length);
    weir_get(s, "/large", large);
    weir_get(s, "/flood", flood);
    weir_get(s, "/hoard/{mib:[0-9]+}", hoard);
    weir_get(s, "/cached/{key}", cached);
    weir_get(s, "/offload", offload);
    weir_get(s, "/ledger.json", weir_ledger_json);
    weir_get(s, "/metrics", weir_ledger_metrics);
    weir_server_admin(s, "/_weir", &admin);
    bool good = serving_start(s);
    if (good) {
        printf("page on %d\n", weir_server_admin_port(s));
        good = serving_run(s);
    }
    weir_server_free(s);
    return good ? 0 : 1;
}
