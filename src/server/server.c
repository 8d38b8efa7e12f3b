/*
 * A server's life: made, filled, started, stopped, freed.
 *
 * SPDX-License-Identifier: MIT
 */
#include "server/server.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "web/cache.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* ---- Making and filling ---- */

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
    list_init(&s->accounts);
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
    s->memory.limit = c->memory_limit;
    s->sockets.limit = c->kernel_memory_limit;
    offload_init(&s->offload, &s->memory, c->offload_threads, c->offload_stack_size);
    return s;
}

void weir_server_free(weir_server *s)
{
    if (!s)
        return;
    weir_server_stop(s);
    (void)weir_server_wait(s);
    list_for_each_safe (l, &s->caches) {
        struct server_cache *entry = container_of(l, struct server_cache, link);
        cache_free(entry->cache);
        memory_free(&s->account, entry, sizeof *entry);
    }
    server_close_accounts(s);
    if (s->offload.threads_max)
        offload_done(&s->offload);
    admin_done(s);
    memory_free(&s->account, s->workers, s->workers_size);
    address_table_done(&s->addresses);
    site_done(&s->site);
    if (counter_read(&s->account.reserved) > 0) {
        account_give_any(&s->account, sizeof *s);
        memory_return(&s->account, sizeof *s);
    }
    account_close(&s->thread_account);
    account_close(&s->account);
    pthread_cond_destroy(&s->changed);
    lock_done(&s->lock);
    memory_done(&s->memory);
    free(s);
}

const char *weir_server_errors(weir_server *s)
{
    return s->site.errors;
}

int weir_server_listen(weir_server *s, const weir_listen_config *config)
{
    return settings_add_listener(&s->settings, config, &s->site);
}

int weir_server_workers(const weir_server *s)
{
    return s->settings.config.workers;
}

int weir_server_port(const weir_server *s)
{
    return atomic_load(&s->port);
}

weir_cache *weir_cache_new(weir_server *s, const weir_cache_config *config)
{
    struct server_cache *entry = memory_alloc(&s->account, sizeof *entry);
    if (!entry)
        return NULL;
    entry->cache = cache_new(&s->memory, config);
    if (!entry->cache) {
        memory_free(&s->account, entry, sizeof *entry);
        return NULL;
    }
    list_push_back(&s->caches, &entry->link);
    return entry->cache;
}

void server_give_back(struct weir_server *s, uint64_t bytes)
{
    list_for_each (l, &s->caches) /* made before the start, all of them */
        cache_give_back(container_of(l, struct server_cache, link)->cache, bytes);
}

uint64_t server_spare(const struct weir_server *s)
{
    uint64_t bytes = 0;
    list_for_each (l, &s->caches)
        bytes += cache_reserved(container_of(l, const struct server_cache, link)->cache);
    return bytes;
}

/* ---- Routes, by the server's name ---- */

int weir_route(weir_server *s, const char *method, const char *pattern, weir_handler handler)
{
    return site_add_route(&s->site.root, method, pattern, handler, NULL);
}

int weir_get(weir_server *s, const char *pattern, weir_handler handler)
{
    return weir_route(s, "GET", pattern, handler);
}

int weir_post(weir_server *s, const char *pattern, weir_handler handler)
{
    return weir_route(s, "POST", pattern, handler);
}

int weir_put(weir_server *s, const char *pattern, weir_handler handler)
{
    return weir_route(s, "PUT", pattern, handler);
}

int weir_patch(weir_server *s, const char *pattern, weir_handler handler)
{
    return weir_route(s, "PATCH", pattern, handler);
}

int weir_delete(weir_server *s, const char *pattern, weir_handler handler)
{
    return weir_route(s, "DELETE", pattern, handler);
}

int weir_any(weir_server *s, const char *pattern, weir_handler handler)
{
    return weir_route(s, NULL, pattern, handler);
}

weir_group *weir_root(weir_server *s)
{
    return &s->site.root;
}

weir_group *weir_group_new(weir_server *s, weir_group *parent, const char *prefix, const char *host)
{
    return site_add_group(&s->site, parent, prefix, host);
}

int weir_not_found(weir_server *s, weir_handler handler)
{
    if (s->site.sealed || !handler)
        return WEIR_EINVAL;
    s->site.not_found = handler;
    return 0;
}

int weir_on_error(weir_server *s, weir_error_hook hook)
{
    if (s->site.sealed || !hook)
        return WEIR_EINVAL;
    s->site.on_error = hook;
    return 0;
}

void weir_routes(weir_server *s, void (*each)(void *arg, const weir_route_info *route), void *arg)
{
    router_each(s->site.router, each, arg);
}

/* ---- Starting ---- */

static COLD int server_refuse(weir_server *s, int error)
{
    server_lock_acquire(&s->lock);
    s->state = SERVER_FAILED;
    server_lock_release(&s->lock);
    return error;
}

/* Logs each line of the errors. */
static COLD void server_log_errors(const weir_server *s)
{
    const char *line = s->site.errors;
    while (*line) {
        const char *end = strchr(line, '\n');
        log_error(&s->log, "%.*s", (int)(end - line), line);
        line = end + 1;
    }
}

static COLD int listen_failed(weir_server *s, const struct listen_spec *spec, int error)
{
    char text[ADDRESS_TEXT_MAX];
    log_error(&s->log, "cannot listen on %s: %s",
              spec->inherited_fd > 0 ? "the inherited descriptor" : address_format(&spec->address, text, sizeof text),
              weir_strerror(error));
    return error;
}

/* Opens every listening socket: one for each worker, or one for all. */
static int server_listen(weir_server *s)
{
    size_t workers = (size_t)s->settings.config.workers;
    for (size_t i = 0; i < s->settings.listener_count; i++) {
        struct listen_spec *spec = &s->settings.listeners[i];
        int error = listen_probe(spec);
        if (error)
            return listen_failed(s, spec, error);
        for (size_t w = 0; w < workers; w++) {
            int fd = w > 0 && spec->shared ? s->workers[0].fds[i] : listen_open(spec);
            if (fd < 0)
                return listen_failed(s, spec, fd);
            s->workers[w].fds[i] = fd;
        }
        if (!atomic_load(&s->port))
            atomic_store(&s->port, address_port(&spec->address));
    }
    return 0;
}

/* Closes sockets that no worker closes: those shared by all, or all of them if the workers never listened. A Unix socket's file goes too. */
static void server_close_listeners(weir_server *s, bool all)
{
    size_t workers = s->workers ? (size_t)s->settings.config.workers : 0;
    for (size_t i = 0; i < s->settings.listener_count; i++) {
        const struct listen_spec *spec = &s->settings.listeners[i];
        for (size_t w = 0; w < workers; w++)
            if (s->workers[w].fds[i] > 0 && (w == 0 || !spec->shared) && (all || spec->shared))
                close(s->workers[w].fds[i]);
        bool opened = workers && s->workers[0].fds[i] > 0;
        if (opened && spec->inherited_fd <= 0 && spec->address.base.sa_family == AF_UNIX)
            unlink(spec->address.local.sun_path);
    }
}

bool server_worker_ready(weir_server *s, int error)
{
    server_lock_acquire(&s->lock);
    s->ready++;
    if (error)
        s->state = SERVER_FAILED;
    if (s->ready == s->settings.config.workers && s->state == SERVER_STARTING) {
        s->state = SERVER_RUNNING;
        s->start_ns = clock_monotonic_ns();
    }
    pthread_cond_broadcast(&s->changed);
    while (s->state == SERVER_STARTING)
        pthread_cond_wait(&s->changed, &s->lock.mutex);
    bool serve = s->state == SERVER_RUNNING;
    server_lock_release(&s->lock);
    return serve;
}

void server_worker_ended(weir_server *s)
{
    server_lock_acquire(&s->lock);
    if (--s->running == 0) {
        s->state = SERVER_ENDED;
        if (s->end_fd >= 0) {
            uint64_t one = 1;
            ssize_t n = write(s->end_fd, &one, sizeof one);
            (void)n;
        }
    }
    pthread_cond_broadcast(&s->changed);
    server_lock_release(&s->lock);
}

/* Returns how many were started. */
static int server_start_threads(weir_server *s)
{
    int started = 0;
    while (started < s->settings.config.workers) {
        struct worker *w = &s->workers[started];
        if (thread_start(&w->thread, &s->thread_account, WORKER_STACK_SIZE, THREAD_FAULTS, worker_main, w) != 0)
            break;
        started++;
        server_lock_acquire(&s->lock);
        s->running++;
        server_lock_release(&s->lock);
    }
    return started;
}

static int server_error(const weir_server *s, int started)
{
    for (int i = 0; i < started; i++)
        if (s->workers[i].error)
            return s->workers[i].error;
    return WEIR_ENOMEM; /* a thread could not be had */
}

/* Waits until every worker has set up. 0, or an error after which all have ended. */
static int server_await_workers(weir_server *s, int started)
{
    server_lock_acquire(&s->lock);
    if (started < s->settings.config.workers) {
        s->state = SERVER_FAILED;
        pthread_cond_broadcast(&s->changed);
    }
    while (s->ready < started)
        pthread_cond_wait(&s->changed, &s->lock.mutex);
    bool failed = s->state == SERVER_FAILED || s->state == SERVER_ENDED;
    server_lock_release(&s->lock);
    if (!failed)
        return 0;
    for (int i = 0; i < started; i++)
        thread_join(&s->workers[i].thread);
    for (int i = 0; i < started; i++)
        worker_drop_inbox(&s->workers[i]);
    int error = server_error(s, started);
    log_error(&s->log, "the server cannot start: %s", weir_strerror(error));
    return error;
}

/* Addresses that are told apart; 0: none is counted. */
static uint32_t server_addresses(const weir_server *s)
{
    const weir_config *c = &s->settings.config;
    if (c->max_connections_per_address < 0)
        return 0;
    uint64_t most = (uint64_t)c->max_connections;
    if (most > ADDRESSES_MAX)
        most = ADDRESSES_MAX;
    if (c->memory_limit && most > c->memory_limit / 512)
        most = c->memory_limit / 512;
    return (uint32_t)most;
}

uint64_t server_addresses_size(const weir_server *s)
{
    uint32_t most = server_addresses(s);
    return most ? address_table_size(most) : 0;
}

static int server_count_addresses(weir_server *s)
{
    uint32_t most = server_addresses(s), limit = (uint32_t)s->settings.config.max_connections_per_address;
    return most ? address_table_init(&s->addresses, &s->memory, most, limit) : 0;
}

int weir_server_start(weir_server *s)
{
    server_lock_acquire(&s->lock);
    bool fresh = s->state == SERVER_NEW;
    if (fresh)
        s->state = SERVER_STARTING;
    server_lock_release(&s->lock);
    if (!fresh)
        return WEIR_EINVAL;
    settings_complete(&s->settings);
    plan_check_limit(s);
    if (s->site.errors_len > 0) {
        server_log_errors(s);
        return server_refuse(s, WEIR_EINVAL);
    }
    size_t workers = (size_t)s->settings.config.workers;
    s->settings.http.classes = s->site.route_count;
    s->workers_size = workers * sizeof *s->workers;
    s->workers = memory_alloc(&s->account, s->workers_size);
    if (!s->workers || site_seal(&s->site) != 0)
        return server_refuse(s, WEIR_ENOMEM);
    memset(s->workers, 0, s->workers_size);
    for (size_t i = 0; i < workers; i++)
        worker_init(&s->workers[i], s, (int)i);
    int error = admin_start(s);
    if (!error)
        error = server_count_addresses(s);
    if (!error)
        error = server_listen(s);
    if (!error)
        error = server_await_workers(s, server_start_threads(s));
    if (error) {
        server_close_listeners(s, true);
        return server_refuse(s, error);
    }
    watchdog_start(s);
    return 0;
}

bool server_has_started(weir_server *s)
{
    server_lock_acquire(&s->lock);
    bool started = s->state == SERVER_RUNNING || s->state == SERVER_ENDED;
    server_lock_release(&s->lock);
    return started;
}

/* ---- Stopping ---- */

static bool server_is_running(weir_server *s)
{
    server_lock_acquire(&s->lock);
    bool running = s->state == SERVER_RUNNING;
    server_lock_release(&s->lock);
    return running;
}

void weir_server_stop(weir_server *s)
{
    if (!server_is_running(s))
        return;
    atomic_store(&s->stopping, true);
    for (int i = 0; i < s->settings.config.workers; i++)
        worker_order_stop(&s->workers[i]);
}

void server_cut(weir_server *s)
{
    if (!server_is_running(s))
        return;
    for (int i = 0; i < s->settings.config.workers; i++)
        worker_order_cut(&s->workers[i]);
}

int weir_server_wait(weir_server *s)
{
    server_lock_acquire(&s->lock);
    bool started = s->state == SERVER_RUNNING || s->state == SERVER_ENDED;
    while (s->state == SERVER_RUNNING)
        pthread_cond_wait(&s->changed, &s->lock.mutex);
    bool join = started && !s->joined;
    s->joined |= join;
    server_lock_release(&s->lock);
    if (join) {
        watchdog_stop(s);
        for (int i = 0; i < s->settings.config.workers; i++)
            thread_join(&s->workers[i].thread);
        for (int i = 0; i < s->settings.config.workers; i++)
            worker_drop_inbox(&s->workers[i]);
        server_close_listeners(s, false);
    }
    return started ? 0 : WEIR_EINVAL;
}
