/*
 * A worker's set-up, its turns, and what it answers its listeners.
 *
 * SPDX-License-Identifier: MIT
 */
#include "server/worker.h"
#include "base/log.h"
#include "http/live.h"
#include "io/crash.h"
#include "io/overflow.h"
#include "server/connection_pools.h"
#include "server/live.h"
#include "server/pools.h"
#include "server/relief.h"
#include "server/route_times.h"
#include "server/server.h"
#include "server/state.h"
#include "server/tls.h"
#include "web/cache/value.h"
#include "web/folder/mount.h"
#include "web/live/event.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#define MAINTENANCE_MS 1000

enum { TIMER_MAINTENANCE = TIMER_WORKER, TIMER_STOP_DEADLINE, TIMER_SOCKETS, TIMER_TASK };

static struct worker *worker_of(const struct net *n)
{
    const struct http *http = n->owner;
    return container_of(http, struct worker, http);
}

/* ---- Listeners' questions ---- */

static bool worker_may_accept(void *owner)
{
    const struct worker *w = container_of((struct http *)owner, struct worker, http);
    uint64_t open = counter_read(&w->server->open);
    if (w->sockets.over)
        return false;
    if (open < (uint64_t)w->server->settings.config.max_connections)
        return true;
    http_refused(owner, REFUSAL_CONNECTIONS, NULL);
    return false;
}

static void worker_refuse_address(void *owner, int fd, uint8_t listener)
{
    http_refuse_socket(owner, fd, listener, REFUSAL_ADDRESS_CONNECTIONS);
}

static void handover_returned(struct loop *l, struct inbox_node *node)
{
    (void)l;
    struct handover *h = container_of(node, struct handover, node);
    h->next = h->from->free_handovers;
    h->from->free_handovers = h;
}

static void handover_arrived(struct loop *l, struct inbox_node *node)
{
    struct handover *h = container_of(node, struct handover, node);
    struct net *n = l->owner;
    if (net_adopt(n, h->fd, h->listener, h->address_slot) != 0)
        log_warn(l->log, "a connection was closed: no memory for it");
    h->fd = -1;
    node->fn = handover_returned;
    loop_send(&h->from->loop, node);
}

/* A worker that has clearly more connections than the mean gives new ones to the one with the fewest: the kernel's hash
 * spreads a few connections badly, and one busy processor would answer for two. */
static bool worker_hand_over(void *owner, int fd, uint8_t listener, uint32_t address_slot)
{
    struct worker *w = container_of((struct http *)owner, struct worker, http);
    struct weir_server *s = w->server;
    uint64_t workers = (uint64_t)s->settings.config.workers;
    uint64_t own = counter_read(&w->net.open) + 1, all = counter_read(&s->open) + 1;
    if (workers == 1 || own < 4 || own * workers * 4 <= all * 5 || !w->free_handovers || atomic_load(&s->stopping))
        return false;
    struct worker *least = w;
    for (uint64_t i = 0; i < workers; i++)
        if (counter_read(&s->workers[i].net.open) < counter_read(&least->net.open))
            least = &s->workers[i];
    if (least == w)
        return false;
    struct handover *h = w->free_handovers;
    w->free_handovers = h->next;
    h->fd = fd;
    h->address_slot = address_slot;
    h->listener = listener;
    h->node.fn = handover_arrived;
    loop_send(&least->loop, &h->node);
    return true;
}

static const struct listener_hooks listener_hooks = {.may_accept = worker_may_accept,
                                                     .refuse = worker_refuse_address,
                                                     .no_memory = relief_make_room,
                                                     .hand_over = worker_hand_over};

/* ---- Turns and timers ---- */

static void worker_connection_closed(void *owner)
{
    struct worker *w = container_of((struct http *)owner, struct worker, http);
    listeners_resume(w->listeners, w->listener_count);
}

static void worker_turn_begin(void *owner)
{
    const struct net *n = owner;
    http_tick(n->owner);
}

static bool worker_listens(const struct worker *w)
{
    for (size_t i = 0; i < w->listener_count; i++)
        if (!listener_has_ended(&w->listeners[i]))
            return true;
    return false;
}

/* What is not due at the end of every turn. */
static COLD void worker_turn_due(struct worker *w)
{
    if (w->net.handshakes_due)
        tls_worker_turn(w);
    if (w->trim_due)
        relief_trim(w);
    if (w->starved)
        relief_seek(w);
    if (w->give_back_due)
        relief_give_back(w);
    if (admission_is_waited_for(&w->http.admission))
        admission_turn(&w->http);
    if (w->stopping && counter_read(&w->net.open) == 0 && !worker_listens(w) && !tasks_are_left(w))
        loop_stop(&w->loop);
}

static void worker_turn(void *owner)
{
    struct worker *w = worker_of(owner);
    bool due = w->trim_due | w->starved | w->give_back_due | w->stopping | w->net.handshakes_due;
    if (unlikely(due || admission_is_waited_for(&w->http.admission)))
        worker_turn_due(w);
}

/* At the end of the turn, because an event that has been fetched may still point to a connection that has been
 * closed. */
static void worker_maintain(void *owner, struct timer *t)
{
    struct worker *w = worker_of(owner);
    w->trim_due = true;
    tls_worker_maintain(w);
    connection_pools_maintain(w);
    timer_arm(&w->loop.wheel, t, MAINTENANCE_MS);
}

/* Looks after the kernel's memory for this worker's sockets. */
static void worker_sample(void *owner, struct timer *t)
{
    struct worker *w = worker_of(owner);
    timer_arm(&w->loop.wheel, t, socket_memory_sample(&w->sockets));
}

/* Ends what the stop has not: connections now, handlers as they wait next. */
static void worker_end_all(struct worker *w)
{
    net_cut(&w->net);
    live_events_cut(&w->web.live);
    tasks_cut_worker(w);
}

static void worker_stop_expired(void *owner, struct timer *t)
{
    (void)t;
    struct worker *w = worker_of(owner);
    uint64_t open = counter_read(&w->net.open);
    if (open > 0)
        log_warn(w->loop.log, "the stop's time is over: %llu connections are cut", (unsigned long long)open);
    worker_end_all(w);
}

static void worker_stop(struct loop *l, struct inbox_node *node)
{
    (void)l;
    struct worker *w = container_of(node, struct order, node)->worker;
    w->stopping = true;
    for (size_t i = 0; i < w->listener_count; i++)
        listener_stop(&w->listeners[i]);
    net_drain(&w->net);
    tasks_stop_worker(w);
    timer_arm(&w->loop.wheel, &w->stop_deadline, loop_delay((uint32_t)w->server->settings.config.stop_timeout_ms));
}

static void worker_cut(struct loop *l, struct inbox_node *node)
{
    (void)l;
    struct worker *w = container_of(node, struct order, node)->worker;
    worker_end_all(w);
}

void worker_order_stop(struct worker *w)
{
    order_send(&w->stop, &w->loop);
}

void worker_order_cut(struct worker *w)
{
    order_send(&w->cut, &w->loop);
}

void worker_drop_inbox(struct worker *w)
{
    struct inbox_node *node = atomic_exchange(&w->loop.inbox, NULL);
    while (node) {
        struct inbox_node *next = node->next;
        if (node->fn == handover_arrived)
            close(container_of(node, struct handover, node)->fd);
        node = next;
    }
}

void worker_close_wake(struct worker *w)
{
    if (w->loop.wake_fd > 0)
        close(w->loop.wake_fd);
    w->loop.wake_fd = -1;
}

/* ---- Set-up ---- */

void worker_init(struct worker *w, struct weir_server *s, int index)
{
    w->server = s;
    w->index = index;
    w->listener_count = s->settings.listener_count;
    w->stop = (struct order){.node.fn = worker_stop, .worker = w};
    w->cut = (struct order){.node.fn = worker_cut, .worker = w};
    w->give_back = (struct order){.node.fn = relief_asked, .worker = w};
    for (size_t i = 0; i < HANDOVERS; i++) {
        w->handovers[i] = (struct handover){.from = w, .fd = -1, .next = w->free_handovers};
        w->free_handovers = &w->handovers[i];
    }
}

static void worker_make_listeners(struct worker *w)
{
    struct settings *settings = &w->server->settings;
    for (size_t i = 0; i < w->listener_count; i++)
        listener_init(&w->listeners[i], &w->net, w->fds[i], (uint8_t)i, &settings->listeners[i], &listener_hooks);
}

static int worker_make(struct worker *w, const struct pool_basis *b)
{
    int error = pools_make(http_pools, &w->http, b);
    if (!error)
        error = pools_make(worker_pools, w, b);
    return error ? error : fibers_preallocate(&w->loop.fibers, (uint32_t)w->server->settings.config.stacks);
}

static void worker_open_contexts(struct worker *w)
{
    struct weir_server *s = w->server;
    size_t sizes[CODINGS];
    site_compress_sizes(&s->site, sizes);
    contexts_open(&w->web.contexts, &s->memory, &s->compression_account, sizes);
}

/* On the worker's own thread: the tools that watch fibers want them made where they run. */
int worker_set_up(struct worker *w)
{
    struct weir_server *s = w->server;
    const struct pool_basis basis = pool_basis_of(&s->settings);
    account_open(&w->stack_account, &s->memory, "stacks");
    account_open(&w->regex_account, &s->memory, "expressions");
    int error = loop_init(&w->loop, &w->stack_account, s->settings.config.stack_size, NULL, &s->log);
    if (error)
        return error;
    account_open(&w->deep_account, &s->memory, "deep stacks");
    deep_init(&w->loop.fibers.deep, &w->deep_account, s->settings.config.deep_stack_size);
    w->loop.begin_fn = worker_turn_begin;
    w->loop.turn_fn = worker_turn;
    w->loop.wheel.handlers[TIMER_WAIT] = wait_timer_fired;
    w->loop.wheel.handlers[TIMER_NAMES] = names_timer_fired;
    w->loop.wheel.handlers[TIMER_MAINTENANCE] = worker_maintain;
    w->loop.wheel.handlers[TIMER_STOP_DEADLINE] = worker_stop_expired;
    w->loop.wheel.handlers[TIMER_SOCKETS] = worker_sample;
    w->loop.sources[SOURCE_AWAIT] = wait_descriptor_ready;
    w->loop.sources[SOURCE_WATCH] = watch_ready;
    net_init(&w->net, &w->loop, &s->memory, &w->http);
    w->net.shared_open = &s->open;
    w->net.addresses = s->addresses.memory ? &s->addresses : NULL;
    w->net.uncounted = s->site.clients.trusted;
    w->net.refuse_fn = http_refuse_client;
    w->net.closed_fn = worker_connection_closed;
    w->net.short_fn = relief_for_handshake;
    w->net.handshake_timeout_ms = s->settings.http.header_timeout_ms;
    socket_memory_init(&w->sockets, &w->net, &s->sockets);
    error = http_init(&w->http, &w->net, &s->memory, &web_host, &s->settings.http, &s->sets);
    if (error)
        return error;
    w->http.owner = &w->web;
    w->http.routes = route_times_of(s, w->index);
    w->http.offload = &s->offload;
    w->http.starved = relief_starved;
    w->http.spare = relief_spare;
    w->web = (struct web){.site = &s->site,
                          .regex = router_context_new(s->site.router, &w->regex_account),
                          .offload = &s->offload,
                          .outgoing = &s->outgoing,
                          .loop = &w->loop,
                          .server = s,
                          .server_data = s->settings.config.server_data,
                          .kept_forms = s->kept_forms,
                          .digests = s->digests,
                          .bodies = s->body_account.memory ? &s->body_account : NULL,
                          .messages = &w->messages,
                          .message_size = basis.message_size,
                          .message_account = &w->message_account,
                          .deflate_parent = &s->deflate_account,
                          .worker_index = w->index};
    tasks_init_worker(w, TIMER_TASK);
    pools_open(worker_pools, w, &s->memory, &basis);
    connection_pools_begin(w);
    list_init(&w->web.live.events);
    names_init(&w->web.names, &s->outgoing, &w->loop, &s->offload);
    topic_worker_open(&w->web.topics, &s->topics, &w->loop);
    if (s->compression_account.memory)
        worker_open_contexts(w);
    file_cache_init(&w->web.files, &s->memory, basis.files,
                    s->settings.config.open_files_valid_ms < 0 ? 0 : (uint32_t)s->settings.config.open_files_valid_ms);
    if (!w->web.regex)
        return WEIR_ENOMEM;
    w->maintenance.kind = TIMER_MAINTENANCE;
    w->stop_deadline.kind = TIMER_STOP_DEADLINE;
    w->sample.kind = TIMER_SOCKETS;
    timer_arm(&w->loop.wheel, &w->maintenance, MAINTENANCE_MS);
    timer_arm(&w->loop.wheel, &w->sample, MAINTENANCE_MS);
    error = net_listen(&w->net, s->settings.listeners, s->settings.listener_count);
    if (!error)
        error = tls_open_worker(w);
    if (!error)
        error = worker_make(w, &basis);
    if (!error)
        worker_make_listeners(w);
    return error;
}

void worker_clean_up(struct worker *w)
{
    connection_pools_end(w);
    regex_context_free(w->web.regex);
    file_cache_done(&w->web.files);
    pipes_close(&w->web.pipes);
    if (w->http.net)
        http_done(&w->http);
    topic_worker_close(&w->web.topics);
    contexts_close(&w->web.contexts);
    ws_contexts_close(&w->web.deflate);
    socket_memory_done(&w->sockets);
    tls_close_worker(w);
    if (w->net.loop)
        net_done(&w->net);
    names_close(&w->web.names);
    watches_leave_loop(&w->server->outgoing.watches, &w->loop);
    if (w->loop.fibers.entry)
        loop_end(&w->loop); /* others may still send: see worker_close_wake() */
    pools_close(worker_pools, w);
    account_close(&w->stack_account);
    account_close(&w->deep_account);
    account_close(&w->regex_account);
}

static int worker_listen(struct worker *w)
{
    for (size_t i = 0; i < w->listener_count; i++) {
        int error = listener_start(&w->listeners[i]);
        if (error)
            return error;
    }
    return 0;
}

/* The methods of running requests of a route: handlers that have yielded are among them. */
struct running {
    const char *pattern;
    struct slice method; /* empty: none was found, or several */
    bool several;
};

static void running_add(void *arg, struct exchange *x)
{
    struct running *r = arg;
    struct http_live live;
    const char *pattern = web_host.pattern(x);
    if (pattern != r->pattern)
        return;
    http_live_read(x, &live);
    if (live.state != LIVE_RUNNING)
        return;
    r->several |= r->method.len > 0 && !slice_equal(r->method, live.method);
    r->method = live.method;
}

/* In a signal handler, on the worker's thread: so nobody changes what is read here, unless it is broken. */
static void worker_running_method(void *arg, char *method, size_t size)
{
    struct worker *w = arg;
    struct running r = {.pattern = w->loop.fibers.current->label};
    http_each_live(&w->http, running_add, &r);
    size_t len = r.several || r.method.len >= size ? 0 : r.method.len;
    memcpy(method, r.method.data, len);
    method[len] = '\0';
}

void worker_enter(struct worker *w)
{
    crash_name(w->index, worker_running_method, w);
    mime_use(folders_types(&w->server->site));
}

void worker_begin(struct worker *w)
{
    const weir_config *c = &w->server->settings.config;
    if (c->worker_start)
        w->web.worker_data = c->worker_start(c->server_data, w->index);
}

void worker_finish(struct worker *w)
{
    const weir_config *c = &w->server->settings.config;
    live_worker_ends(w);
    if (c->worker_stop)
        c->worker_stop(c->server_data, w->index, w->web.worker_data);
}

static void worker_serve(struct worker *w)
{
    overflow_watch(&w->loop.fibers, &w->server->thread_account);
    worker_enter(w);
    worker_begin(w);
    loop_run(&w->loop);
    worker_finish(w);
    overflow_unwatch();
}

void *worker_main(void *arg)
{
    struct worker *w = arg;
    char name[16];
    snprintf(name, sizeof name, "weir %d", w->index);
    pthread_setname_np(pthread_self(), name);
    w->error = worker_set_up(w);
    if (!w->error)
        w->error = worker_listen(w);
    if (state_worker_ready(w->server, w->error))
        worker_serve(w);
    worker_clean_up(w);
    state_worker_ended(w->server);
    return NULL;
}
