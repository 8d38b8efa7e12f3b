/*
 * Making a server's pools of connections, and what its workers do for them.
 *
 * SPDX-License-Identifier: MIT
 */
#include "server/connection_pools.h"
#include "server/server.h"
#include "web/outgoing/resource.h"

weir_pool *weir_pool_new(weir_server *s, const weir_pool_config *config)
{
    weir_pool *p = NULL;
    if (s && config && !s->site.sealed)
        p = resource_pool_new(&s->account, s->settings.config.workers, config);
    if (p)
        list_push_back(&s->connection_pools, &p->link);
    return p;
}

static struct weir_pool *pool_at(struct list *l)
{
    return container_of(l, struct weir_pool, link);
}

void connection_pools_begin(struct worker *w)
{
    list_for_each (l, &w->server->connection_pools)
        resource_worker_begin(&pool_at(l)->workers[w->index], &w->http);
}

void connection_pools_maintain(struct worker *w)
{
    list_for_each (l, &w->server->connection_pools)
        if (pool_at(l)->share_count > 1 || w->index == 0) /* one worker looks after a share */
            resource_maintain(&pool_at(l)->workers[w->index]);
}

void connection_pools_end(struct worker *w)
{
    list_for_each (l, &w->server->connection_pools)
        resource_worker_end(&pool_at(l)->workers[w->index]);
}

void connection_pools_close(struct weir_server *s)
{
    list_for_each (l, &s->connection_pools)
        for (int i = 0; i < pool_at(l)->share_count; i++)
            resource_share_close(&pool_at(l)->shares[i]);
}

void connection_pools_free(struct weir_server *s)
{
    list_for_each_safe (l, &s->connection_pools)
        resource_pool_free(pool_at(l));
    list_init(&s->connection_pools);
}
