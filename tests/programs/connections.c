/*
 * A server for the wire tests of weir_pool: connections of a kind that only pretends. `connections NAME=NUMBER...`
 * takes members of weir_pool_config and `workers`. Ends with 1 if a connection was used by two, was closed twice, or
 * is left.
 *
 * SPDX-License-Identifier: MIT
 */
#include "serving.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define FAKES 10000

struct fake {
    int number;
    _Atomic int users; /* 0 or 1 */
    _Atomic bool dead, closed;
};

static struct fake fakes[FAKES];
static _Atomic int made, attempts, closed, closed_without, at_once, most_at_once, faults, order;
static _Atomic int open_ms;
static _Atomic bool down, fails_in_open, hold;
static weir_pool *pool;

static int fake_open(weir_ctx *c, void *data, void **connection)
{
    (void)data;
    attempts++;
    if (fails_in_open)
        weir_fail(c, 500, "within open");
    int error = open_ms > 0 ? weir_sleep(c, open_ms) : 0;
    if (error || down)
        return error ? error : WEIR_EIO;
    int now = ++at_once, most = most_at_once;
    while (now > most && !atomic_compare_exchange_weak(&most_at_once, &most, now))
        ;
    struct fake *fake = &fakes[made++ % FAKES];
    fake->number = (int)(fake - fakes);
    *connection = fake;
    return 0;
}

static int fake_check(weir_ctx *c, void *data, void *connection)
{
    (void)data;
    const struct fake *fake = connection;
    int error = weir_sleep(c, 1);
    return error ? error : fake->dead ? WEIR_EIO : 0;
}

static void fake_close(weir_ctx *c, void *data, void *connection)
{
    (void)data;
    struct fake *fake = connection;
    if (c)
        (void)weir_sleep(c, 5);
    else
        closed_without++;
    faults += fake->closed;
    faults += fake->users != 0;
    fake->closed = true;
    at_once--;
    closed++;
}

/* ---- Routes */

static const char *how_of(weir_ctx *c)
{
    const char *how = weir_query(c, "how");
    return how ? how : "good";
}

static void leave(void *fake)
{
    faults += --((struct fake *)fake)->users != 0;
}

static void use(weir_ctx *c, struct fake *fake)
{
    int64_t ms = 0;
    faults += ++fake->users != 1;
    if (weir_query(c, "stop")) { /* until the server stops */
        weir_stop_ends_waits(c, true);
        (void)weir_sleep(c, 60000);
    }
    if (weir_query(c, "ms") && weir_query_int(c, "ms", 0, 60000, &ms) == 0)
        (void)weir_sleep(c, (int)ms);
    if (strcmp(how_of(c), "abandoned") == 0 && weir_defer(c, leave, fake) == 0)
        for (;;)
            (void)weir_sleep(c, 1);
    while (hold && weir_query(c, "hold"))
        (void)weir_sleep(c, 1);
    leave(fake);
}

static void put_back(void *connection)
{
    faults += weir_pool_put(pool, connection, true) != 0;
}

/* Takes a connection, and gives it back in the way that is asked for. */
static void get(weir_ctx *c)
{
    void *connection;
    const char *how = how_of(c);
    int error = weir_pool_get(c, pool, &connection), place = ++order;
    if (error) {
        faults += connection != NULL;
        weir_reply_printf(c, "text/plain", "%d", error);
        return;
    }
    struct fake *fake = connection;
    use(c, fake);
    if (strcmp(how, "deferred") == 0)
        weir_defer(c, put_back, fake);
    else if (strcmp(how, "fail") == 0)
        weir_fail(c, 500, "with a connection");
    else if (strcmp(how, "keep") != 0)
        faults += weir_pool_put(pool, fake, strcmp(how, "broken") != 0) != 0;
    if (strcmp(how, "twice") == 0)
        faults += weir_pool_put(pool, fake, true) != WEIR_EINVAL;
    weir_reply_printf(c, "text/plain", "%d %d", fake->number, place);
}

/* A task takes one and forgets it. */
static int forget(weir_ctx *c, void *arg)
{
    void *connection;
    (void)arg;
    return weir_pool_get(c, pool, &connection);
}

static void spawn(weir_ctx *c)
{
    weir_reply_printf(c, "text/plain", "%d", weir_spawn(weir_ctx_server(c), forget, NULL, NULL));
}

static void kill_all(weir_ctx *c)
{
    for (int i = 0; i < FAKES; i++)
        fakes[i].dead = i < made;
    weir_reply_text(c, "killed");
}

static void set(weir_ctx *c)
{
    int64_t value = 0;
    const char *name = weir_param(c, "name");
    (void)weir_query_int(c, "to", 0, 60000, &value);
    if (strcmp(name, "down") == 0)
        down = value != 0;
    else if (strcmp(name, "fails_in_open") == 0)
        fails_in_open = value != 0;
    else if (strcmp(name, "hold") == 0)
        hold = value != 0;
    else if (strcmp(name, "open_ms") == 0)
        open_ms = (int)value;
    weir_reply_text(c, "set");
}

/* What the program and the ledger know. */
static void show(weir_ctx *c)
{
    weir_ledger ledger;
    weir_ledger_read(weir_ctx_server(c), &ledger);
    const weir_ledger_pool *p = &ledger.pools[0];
    weir_reply_printf(c, "application/json",
                      "{\"made\":%d,\"attempts\":%d,\"closed\":%d,\"closed_without\":%d,\"most_at_once\":%d,"
                      "\"faults\":%d,\"name\":\"%s\",\"open\":%" PRIu64 ",\"idle\":%" PRIu64 ",\"waiting\":%" PRIu64
                      ",\"opened\":%" PRIu64 ",\"failed\":%" PRIu64 ",\"broken\":%" PRIu64 ",\"timed_out\":%" PRIu64
                      ",\"refused\":%" PRIu64 ",\"checks_failed\":%" PRIu64 "}",
                      made, attempts, closed, closed_without, most_at_once, faults, p->name, p->open, p->idle,
                      p->waiting, p->opened, p->failed, p->broken, p->timed_out, p->refused, p->checks_failed);
}

static int number_of(int count, char **arguments, const char *name)
{
    size_t len = strlen(name);
    for (int i = 1; i < count; i++)
        if (strncmp(arguments[i], name, len) == 0 && arguments[i][len] == '=')
            return (int)strtol(arguments[i] + len + 1, NULL, 10);
    return 0;
}

int main(int count, char **arguments)
{
#define NUMBER(name) .name = number_of(count, arguments, #name)
    weir_server *s = weir_server_new(&(weir_config){.port = WEIR_ANY,
                                                    .workers = number_of(count, arguments, "workers"),
                                                    .stop_timeout_ms = number_of(count, arguments, "stop_timeout_ms")});
    pool = weir_pool_new(s, &(weir_pool_config){.name = "fakes",
                                                .open = fake_open,
                                                .check = fake_check,
                                                .close = fake_close,
                                                NUMBER(max),
                                                NUMBER(max_waiting),
                                                NUMBER(wait_ms),
                                                NUMBER(idle_ms),
                                                NUMBER(check_idle_ms),
                                                NUMBER(backoff_min_ms),
                                                NUMBER(backoff_max_ms),
                                                NUMBER(shared)});
    weir_get(s, "/get", get);
    weir_group *hasty = weir_group_new(s, NULL, "/hasty", NULL);
    weir_group_set(hasty, &(weir_group_settings){.handler_timeout_ms = 200});
    weir_group_route(hasty, "GET", "/get", get, NULL);
    weir_group *late = weir_group_new(s, NULL, "/late", NULL);
    weir_group_set(late, &(weir_group_settings){.deadline_ms = 200});
    weir_group_route(late, "GET", "/get", get, NULL);
    weir_get(s, "/spawn", spawn);
    weir_get(s, "/kill", kill_all);
    weir_get(s, "/set/{name}", set);
    weir_get(s, "/show", show);
    weir_get(s, "/ledger.json", weir_ledger_json);
    weir_get(s, "/metrics", weir_ledger_metrics);
    int status = pool ? serve(s) : 2;
    if (made != closed || faults > 0) {
        fprintf(stderr, "%d made, %d closed, %d faults\n", made, closed, faults);
        status = 1;
    }
    return status;
}
