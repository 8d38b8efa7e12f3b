/*
 * Stopping a server, and waiting for its end.
 *
 * SPDX-License-Identifier: MIT
 */
#include "server/stop.h"
#include "server/connection_pools.h"
#include "server/server.h"
#include "server/sockets.h"
#include "server/state.h"
#include "server/tls.h"
#include "server/watchdog.h"

void weir_server_stop(weir_server *s)
{
    if (!s || !state_is_running(s) || atomic_exchange(&s->stopping, true))
        return;
    tasks_close(s);
    sockets_refuse(s); /* a worker that is busy must not keep clients waiting that connect from now on */
    for (int i = 0; i < s->settings.config.workers; i++)
        worker_order_stop(&s->workers[i]);
}

void stop_cut(weir_server *s)
{
    if (!state_is_running(s))
        return;
    for (int i = 0; i < s->settings.config.workers; i++)
        worker_order_cut(&s->workers[i]);
}

int weir_server_wait(weir_server *s)
{
    bool join;
    if (!s || s->test || !state_await_end(s, &join))
        return WEIR_EINVAL;
    if (join) {
        watchdog_stop(s);
        tls_unwatch(s);
        for (int i = 0; i < s->settings.config.workers; i++)
            thread_join(&s->workers[i].thread);
        connection_pools_close(s);
        for (int i = 0; i < s->settings.config.workers; i++)
            worker_drop_inbox(&s->workers[i]);
    }
    return 0;
}
