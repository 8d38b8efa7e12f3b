/*
 * A database: its settings and its pool.
 *
 * SPDX-License-Identifier: MIT
 */
#include "internal.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NAME_MOST      23
#define CANCELLERS     2
#define CANCELS_QUEUED 64

int64_t pg_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void pg_copy_text(char *to, size_t size, const char *text)
{
    size_t len = strnlen(text, size - 1);
    memcpy(to, text, len);
    while (len > 0 && to[len - 1] == '\n')
        len--;
    to[len] = '\0';
    for (size_t i = 0; i < len; i++)
        if (to[i] == '\n')
            to[i] = ' ';
}

/* ---- Whether a host has to be looked up ---- */

static bool is_name(const char *host, size_t len)
{
    char text[INET6_ADDRSTRLEN];
    unsigned char address[sizeof(struct in6_addr)];
    if (len == 0 || host[0] == '/' || host[0] == '@')
        return false;
    if (len >= sizeof text)
        return true;
    memcpy(text, host, len);
    text[len] = '\0';
    return inet_pton(AF_INET, text, address) != 1 && inet_pton(AF_INET6, text, address) != 1;
}

/* Whether one of a list of hosts is a name. */
static bool has_name(const char *hosts)
{
    for (;;) {
        size_t len = strcspn(hosts, ",");
        if (is_name(hosts, len))
            return true;
        if (!hosts[len])
            return false;
        hosts += len + 1;
    }
}

static const char *value_of(const PQconninfoOption *options, const char *keyword)
{
    const PQconninfoOption *option = options;
    while (option->keyword && strcmp(option->keyword, keyword) != 0)
        option++;
    const char *value = option->keyword ? option->val : NULL;
    if (!value && option->keyword && option->envvar)
        value = getenv(option->envvar); /* NOLINT(concurrency-mt-unsafe): before the start */
    return value && *value ? value : NULL;
}

/* Fills pg->looks_up. False: conninfo cannot be read. */
static bool read_conninfo(struct weir_pg *pg, char *why, size_t why_size)
{
    char *text = NULL;
    PQconninfoOption *options = PQconninfoParse(pg->conninfo, &text);
    if (!options) {
        if (why_size > 0)
            pg_copy_text(why, why_size, text ? text : "conninfo cannot be read");
        PQfreemem(text);
        return false;
    }
    const char *host = value_of(options, "host");
    /* A service's file may say anything. Where addresses are given, hosts are looked up only beside an empty one. */
    pg->looks_up = value_of(options, "service") || (!value_of(options, "hostaddr") && host && has_name(host));
    PQconninfoFree(options);
    return true;
}

/* ---- The database ---- */

static int or_default(int value, int otherwise)
{
    return value == 0 ? otherwise : value;
}

static const char *wrong_number(const weir_pg_config *config)
{
    if (config->connect_ms < 0)
        return "connect_ms is negative";
    if (config->query_ms < 0)
        return "query_ms is negative";
    if (config->cancel_ms < 0)
        return "cancel_ms is negative";
    if (config->statements < WEIR_OFF || config->statements > 1024)
        return "statements is not within -1 and 1024";
    return config->name && strlen(config->name) > NAME_MOST ? "name is too long" : NULL;
}

static weir_pool *new_pool(weir_server *s, struct weir_pg *pg, const weir_pg_config *config)
{
    return weir_pool_new(s, &(weir_pool_config){.name = config->name,
                                                .open = pg_link_open,
                                                .check = pg_link_check,
                                                .close = pg_link_close,
                                                .data = pg,
                                                .max = config->max,
                                                .max_waiting = config->max_waiting,
                                                .wait_ms = config->wait_ms,
                                                .idle_ms = config->idle_ms,
                                                .check_idle_ms = config->check_idle_ms,
                                                .backoff_min_ms = config->backoff_min_ms,
                                                .backoff_max_ms = config->backoff_max_ms,
                                                .shared = config->shared});
}

/* libpq before 17 can cancel only by calls that block: on threads of their own. */
static weir_offload_pool *new_cancellers(weir_server *s, const char *name)
{
    char text[NAME_MOST + sizeof " cancel"];
    snprintf(text, sizeof text, "%s cancel", name);
    return weir_offload_pool_new(
        s,
        &(weir_offload_pool_config){.name = text, .threads = CANCELLERS, .max_queued = CANCELS_QUEUED, .idle_s = 10});
}

static struct weir_pg *fail(struct weir_pg *pg, const weir_pg_config *config, const char *why)
{
    if (why && config->why && config->why_size > 0)
        pg_copy_text(config->why, config->why_size, why);
    weir_pg_free(pg);
    return NULL;
}

weir_pg *weir_pg_new_sized(weir_server *s, const weir_pg_config *given, size_t config_size)
{
    weir_pg_config config = {0};
    if (!s)
        return NULL;
    if (given)
        memcpy(&config, given, config_size < sizeof config ? config_size : sizeof config);
    if (!config.name)
        config.name = "postgres";
    const char *wrong = wrong_number(&config);
    struct weir_pg *pg = wrong ? NULL : calloc(1, sizeof *pg);
    if (!pg)
        return fail(NULL, &config, wrong ? wrong : "no memory");
    pthread_mutex_init(&pg->lock, NULL);
    pg->server = s;
    pg->connect_ms = or_default(config.connect_ms, 5000);
    pg->query_ms = config.query_ms;
    pg->cancel_ms = or_default(config.cancel_ms, 2000);
    pg->statements = config.statements == WEIR_OFF ? 0 : or_default(config.statements, 64);
    pg->conninfo = strdup(config.conninfo ? config.conninfo : "");
    if (!pg->conninfo)
        return fail(pg, &config, "no memory");
    if (!read_conninfo(pg, config.why, config.why ? config.why_size : 0))
        return fail(pg, &config, NULL);
    pg->cancellers = new_cancellers(s, config.name);
    if (!pg->cancellers)
        return fail(pg, &config, "the server takes no pool of threads of this name");
    pg->pool = new_pool(s, pg, &config);
    if (!pg->pool)
        return fail(pg, &config, "a number is negative, or there is no memory");
    return pg;
}

void weir_pg_free(weir_pg *pg)
{
    if (!pg)
        return;
    pthread_mutex_destroy(&pg->lock);
    free(pg->conninfo);
    free(pg);
}

PGconn *weir_pg_handle(weir_pg_conn *conn)
{
    return conn ? conn->handle : NULL;
}

void weir_pg_get_counts(weir_pg *pg, weir_pg_counts *counts)
{
    if (!counts)
        return;
    *counts = (weir_pg_counts){0};
    if (!pg)
        return;
    counts->queries = atomic_load_explicit(&pg->queries, memory_order_relaxed);
    counts->failed = atomic_load_explicit(&pg->failed, memory_order_relaxed);
    counts->prepared = atomic_load_explicit(&pg->prepared, memory_order_relaxed);
    counts->cancelled = atomic_load_explicit(&pg->cancelled, memory_order_relaxed);
    counts->healed = atomic_load_explicit(&pg->healed, memory_order_relaxed);
    counts->dropped = atomic_load_explicit(&pg->dropped, memory_order_relaxed);
}
