/*
 * Notes: a service with a database, a cache, calls of other services and work in the background, as a model of how one
 * is laid out. README.md says what is where.
 *
 * SPDX-License-Identifier: MIT
 */
#include <stdio.h>
#include <stdlib.h>

#include <weir-curl.h>
#include <weir-pg.h>
#include <weir-redis.h>

#include "app.h"
#include "jobs.h"
#include "migrate.h"
#include "routes.h"

/* The clients of what the service uses. Each is made before the server starts and connects when it is first asked. */
struct clients {
    weir_pg *pg;
    weir_redis *redis;
    weir_curl *curl;
};

static weir_server *make_server(struct app *app)
{
    return weir_server_new(&(weir_config){
        .host = app->settings.host,
        .port = app->settings.port ? app->settings.port : WEIR_ANY,
        .workers = app->settings.workers,
        .memory_limit = 64 << 20,    /* of all that weir takes */
        .handler_timeout_ms = 10000, /* for handlers that do not look at results; deadlines come first */
        .stop_timeout_ms = 5000,     /* less than whoever stops the service waits before killing it */
        .log_level = WEIR_LOG_INFO,
        .server_data = app,
    });
}

/* A slow database must not be waited for by all handlers at once, nor a slow cache at all: each has its times. */
static bool make_clients(weir_server *s, struct app *app, struct clients *clients)
{
    char why[160] = "";
    clients->pg = weir_pg_new(s, &(weir_pg_config){
                                     .conninfo = app->settings.database,
                                     .max = 8,
                                     .wait_ms = 1000,
                                     .connect_ms = 1000,
                                     .query_ms = 2000,
                                     .backoff_max_ms = 1000,
                                     .shared = WEIR_ON,
                                     .why = why,
                                     .why_size = sizeof why,
                                 });
    clients->redis = weir_redis_new(s, &(weir_redis_config){
                                           .target = app->settings.redis,
                                           .max = 4,
                                           .wait_ms = 200,
                                           .connect_timeout_ms = 200,
                                           .timeout_ms = 200,
                                           .backoff_max_ms = 1000,
                                       });
    clients->curl = weir_curl_new(s, &(weir_curl_config){.connect_timeout_ms = 2000, .max_connections = 8});
    if (!clients->pg || !clients->redis || !clients->curl)
        fprintf(stderr, "notes: %s\n", *why ? why : "a client cannot be made");
    return clients->pg && clients->redis && clients->curl;
}

int main(void)
{
    static struct app app;
    struct clients clients = {0};
    if (!settings_from_environment(&app.settings))
        return 2;
    weir_catch_crash();
    if (!migrate(app.settings.database))
        return EXIT_FAILURE;
    weir_server *s = make_server(&app);
    bool good = make_clients(s, &app, &clients);
    if (good) {
        app.store = store_postgres(clients.pg);
        app.cache.redis = clients.redis;
        app.links = links_curl(clients.curl);
        routes(s);
        jobs_add(s, &app);
        good = weir_run(s) == 0; /* until SIGINT or SIGTERM; tells of every mistake above */
    }
    weir_curl_free(clients.curl); /* before the server, which closes the connections of the others */
    weir_server_free(s);
    weir_pg_free(clients.pg);
    weir_redis_free(clients.redis);
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
