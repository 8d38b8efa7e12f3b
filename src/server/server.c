/*
 * A server's record: made and freed.
 *
 * SPDX-License-Identifier: MIT
 */
#include "server/server.h"
#include "server/account.h"
#include "server/caches.h"
#include "server/connection_pools.h"
#include "server/offload_pools.h"
#include "server/plan.h"
#include "server/route_times.h"
#include "server/test/test.h"
#include "server/tls.h"
#include "server/topics.h"

#include <stdlib.h>

weir_server *weir_server_new_sized(const weir_config *config, size_t config_size)
{
    weir_server *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    memory_init(&s->memory, 0);
    lock_init(&s->lock);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(
        &attributes, CLOCK_MONOTONIC); /* the watchdog does not sleep longer when the time of day is set back */
    weir_assert(pthread_cond_init(&s->changed, &attributes) == 0);
    pthread_condattr_destroy(&attributes);
    list_init(&s->caches);
    list_init(&s->connection_pools);
    cache_waits_init(&s->cache_waits);
    list_init(&s->accounts);
    list_init(&s->offload_pools);
    account_open_shared(&s->account, &s->memory, "server", NULL, 0);
    account_open_shared(&s->thread_account, &s->memory, "threads", NULL, 0);
    s->end_fd = -1;
    /* The account lies in the memory that it counts. */
    int error = memory_grant(&s->account, sizeof *s) ? 0 : WEIR_ENOMEM;
    if (!error)
        account_take_any(&s->account, sizeof *s);
    if (!error)
        error = site_init(&s->site, &s->memory, &s->log);
    if (error) {
        weir_server_free(s);
        return NULL;
    }
    settings_read(&s->settings, config, config_size, &s->site);
    const weir_config *c = &s->settings.config;
    s->log = (struct log){.level = c->log_level, .fn = c->log, .data = c->log_data};
    /* Sets no bound that is too small. Because every route would be one that there is no memory for; the start is
     * refused, and says why. */
    if (c->memory_limit > 0 && c->memory_limit >= plan_least(s))
        s->memory.limit = c->memory_limit;
    s->sockets.limit = c->kernel_memory_limit;
    if (topics_open(s) != 0) {
        weir_server_free(s);
        return NULL;
    }
    tasks_open(s);
    outgoing_init(&s->outgoing, &s->memory);
    if (c->nameservers && !outgoing_set_nameservers(&s->outgoing, c->nameservers))
        site_error(&s->site, "setting nameservers: \"%.200s\" is no list of addresses", c->nameservers);
    s->settings.config.nameservers = NULL; /* the caller's, for this call */
    offload_init(&s->offload, &s->memory,
                 &(struct offload_config){.threads_max = c->offload_threads,
                                          .stack_size = c->offload_stack_size,
                                          .idle_s = OFFLOAD_IDLE_SECONDS});
    return s;
}

void weir_server_free(weir_server *s)
{
    if (!s)
        return;
    test_end(s);
    weir_server_stop(s);
    (void)weir_server_wait(s);
    tasks_done(s);
    connection_pools_free(s);
    caches_free(s);
    topics_done(&s->topics);
    accounts_close_all(s);
    offload_pools_free(s);
    if (s->offload.config.threads_max)
        offload_done(&s->offload);
    outgoing_done(&s->outgoing);
    for (int i = 0; s->workers && i < s->settings.config.workers; i++)
        worker_close_wake(&s->workers[i]);
    admin_done(s);
    tls_free(s);
    memory_free(&s->account, s->workers, s->workers_size);
    route_times_close(s);
    address_table_done(&s->addresses);
    site_done(&s->site);
    if (counter_read(&s->account.reserved) > 0) {
        account_give_any(&s->account, sizeof *s);
        memory_return(&s->account, sizeof *s);
    }
    account_close(&s->compression_account);
    account_close(&s->deflate_account);
    account_close(&s->body_account);
    account_close(&s->thread_account);
    account_close(&s->account);
    pthread_cond_destroy(&s->changed);
    lock_done(&s->lock);
    memory_done(&s->memory);
    free(s);
}

const char *weir_server_errors(weir_server *s)
{
    return s ? s->site.errors : "";
}

int weir_server_workers(const weir_server *s)
{
    return s ? s->settings.config.workers : 0;
}
