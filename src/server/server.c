/*
 * A server's life: made, filled, started, stopped, freed.
 *
 * SPDX-License-Identifier: MIT
 */
#include "server/server.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "server/route_times.h"
#include "web/cache/cache.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define PRIVILEGED_PORTS 1024 /* the first that everybody may listen on */

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
    cache_waits_init(&s->cache_waits);
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
    /* Under a bound that is too small, every route would be one that there is no memory for; the start is refused, and
     * says why. */
    if (c->memory_limit > 0 && c->memory_limit >= plan_least(s))
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
    cache_waits_done(&s->cache_waits);
    server_close_accounts(s);
    if (s->offload.threads_max)
        offload_done(&s->offload);
    for (int i = 0; s->workers && i < s->settings.config.workers; i++)
        worker_close_wake(&s->workers[i]);
    admin_done(s);
    memory_free(&s->account, s->workers, s->workers_size);
    route_times_close(s);
    address_table_done(&s->addresses);
    site_done(&s->site);
    if (counter_read(&s->account.reserved) > 0) {
        account_give_any(&s->account, sizeof *s);
        memory_return(&s->account, sizeof *s);
    }
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

int weir_server_listen(weir_server *s, const weir_listen_config *config)
{
    return s ? settings_add_listener(&s->settings, config, &s->site) : WEIR_EINVAL;
}

int weir_server_workers(const weir_server *s)
{
    return s ? s->settings.config.workers : 0;
}

int weir_server_port(const weir_server *s)
{
    return s ? atomic_load(&s->port) : 0;
}

weir_cache *weir_cache_new(weir_server *s, const weir_cache_config *config)
{
    struct server_cache *entry = s ? memory_alloc(&s->account, sizeof *entry) : NULL;
    if (!entry)
        return NULL;
    entry->cache = cache_new(&s->memory, &s->cache_waits, config);
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

/* ---- Routes, by the server's name. The parentheses keep the header's macros from them ---- */

int(weir_route)(weir_server *s, const char *method, const char *pattern, weir_handler handler)
{
    return weir_route(s, method, pattern, handler);
}

int(weir_get)(weir_server *s, const char *pattern, weir_handler handler)
{
    return weir_get(s, pattern, handler);
}

int(weir_post)(weir_server *s, const char *pattern, weir_handler handler)
{
    return weir_post(s, pattern, handler);
}

int(weir_put)(weir_server *s, const char *pattern, weir_handler handler)
{
    return weir_put(s, pattern, handler);
}

int(weir_patch)(weir_server *s, const char *pattern, weir_handler handler)
{
    return weir_patch(s, pattern, handler);
}

int(weir_delete)(weir_server *s, const char *pattern, weir_handler handler)
{
    return weir_delete(s, pattern, handler);
}

int(weir_any)(weir_server *s, const char *pattern, weir_handler handler)
{
    return weir_any(s, pattern, handler);
}

weir_group *weir_root(weir_server *s)
{
    return s ? &s->site.root : NULL;
}

weir_group *weir_group_new(weir_server *s, weir_group *parent, const char *prefix, const char *host)
{
    return s ? site_add_group(&s->site, parent, prefix, host) : NULL;
}

int weir_not_found(weir_server *s, weir_handler handler)
{
    if (!s || s->site.sealed || !handler)
        return WEIR_EINVAL;
    s->site.not_found = handler;
    return 0;
}

int weir_on_error(weir_server *s, weir_error_hook hook)
{
    if (!s || s->site.sealed || !hook)
        return WEIR_EINVAL;
    s->site.on_error = hook;
    return 0;
}

void weir_routes(weir_server *s, void (*each)(void *arg, const weir_route_info *route), void *arg)
{
    if (s && each)
        router_each(s->site.router, each, arg);
}

/* ---- Starting ---- */

void server_count_routes(weir_server *s)
{
    struct http_settings *http = &s->settings.http;
    http->classes = s->site.route_count;
    http->memory_count = site_memories(&s->site, http->request_memory, http->memories);
}

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

/* What there is to say of a socket that cannot be had; NULL: what the system says. */
static COLD const char *listen_reason(const struct listen_spec *spec, int error)
{
    int port = address_port(&spec->address);
    if (error == WEIR_EBUSY)
        return weir_strerror(error);
    if (error == WEIR_EEXIST)
        return "there is a file, and it is no socket";
    if (spec->number == EADDRNOTAVAIL)
        return "the address is not one of this machine";
    if (spec->number == EACCES && port > 0 && port < PRIVILEGED_PORTS)
        return "not permitted: ports below 1024 are for privileged processes";
    return spec->number ? NULL : weir_strerror(error);
}

static COLD int listen_failed(weir_server *s, const struct listen_spec *spec, int error)
{
    char text[ADDRESS_TEXT_MAX] = "the inherited descriptor";
    if (spec->inherited_fd <= 0)
        address_format(&spec->address, text, sizeof text);
    const char *why = listen_reason(spec, error);
    errno = spec->number;
    if (why)
        log_error(&s->log, "cannot listen on %s: %s", text, why);
    else
        log_error(&s->log, "cannot listen on %s: %m", text);
    return error;
}

/* One line for each listener: where, and by how many. */
static void server_log_listeners(const weir_server *s)
{
    char text[ADDRESS_TEXT_MAX];
    for (size_t i = 0; i < s->settings.listener_count; i++) {
        const struct listen_spec *spec = &s->settings.listeners[i];
        log_info(&s->log, "listening on %s%s%s: %d workers with %s, process %ld",
                 address_format(&spec->address, text, sizeof text), spec->inherited_fd > 0 ? " (inherited)" : "",
                 spec->admin ? " for the ledger's page" : "", s->settings.config.workers,
                 spec->shared ? "one socket" : "a socket each", (long)getpid());
    }
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
        atomic_store(&spec->users, (int)workers);
        if (!atomic_load(&s->port))
            atomic_store(&s->port, address_port(&spec->address));
    }
    return 0;
}

/* Closes the sockets of workers that never listened, with the files of Unix sockets. */
static COLD void server_close_listeners(weir_server *s)
{
    size_t workers = s->workers ? (size_t)s->settings.config.workers : 0;
    for (size_t i = 0; i < s->settings.listener_count; i++) {
        struct listen_spec *spec = &s->settings.listeners[i];
        listen_unlink(spec);
        for (size_t w = 0; w < workers; w++)
            if (s->workers[w].fds[i] > 0 && (w == 0 || !spec->shared))
                close(s->workers[w].fds[i]);
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

void thread_log_refusal(const struct log *l, int level, const struct thread *t, const char *whose, const char *then)
{
    errno = t->error ? t->error : ENOMEM;
    log_write(l, level, "there is no thread for %s, with a stack of %zu bytes: %s%m%s", whose,
              thread_stack_bytes(t->stack_size), t->error ? "" : "memory_limit, ", then);
}

/* Returns how many were started. */
static int server_start_threads(weir_server *s)
{
    int started = 0;
    while (started < s->settings.config.workers) {
        struct worker *w = &s->workers[started];
        if (thread_start(&w->thread, &s->thread_account, WORKER_STACK_SIZE, THREAD_FAULTS, worker_main, w) != 0) {
            thread_log_refusal(&s->log, WEIR_LOG_ERROR, &w->thread, "a worker", "");
            break;
        }
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
    if (started == s->settings.config.workers) /* else it has been told why */
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

/* What the longest body takes; 0: none is allowed any. */
static uint64_t body_size(const weir_server *s)
{
    size_t most = site_body_memory(&s->site);
    return most ? context_body_size(most) : 0;
}

uint64_t server_body_memory(const weir_server *s)
{
    const weir_config *c = &s->settings.config;
    uint64_t each = body_size(s), all = each * (uint64_t)c->max_connections;
    uint64_t most = c->max_body_memory < 0 ? UINT64_MAX : (uint64_t)c->max_body_memory;
    return all < most ? all : most;
}

/* A group that allows what the server does not would refuse its longest bodies always. */
static void server_check_bodies(weir_server *s)
{
    int64_t most = s->settings.config.max_body_memory;
    uint64_t each = body_size(s);
    if (most > 0 && each > (uint64_t)most)
        site_error(&s->site, "setting max_body_memory: %lld is less than a group's body_memory, %zu, takes: %llu",
                   (long long)most, site_body_memory(&s->site), (unsigned long long)each);
}

static void server_open_bodies(weir_server *s)
{
    int64_t most = s->settings.config.max_body_memory;
    if (site_body_memory(&s->site) > 0)
        account_open_shared(&s->body_account, &s->memory, "bodies", NULL, most < 0 ? 0 : (uint64_t)most);
}

int weir_server_start(weir_server *s)
{
    if (!s)
        return WEIR_ENOMEM; /* which is why there is none */
    server_lock_acquire(&s->lock);
    bool fresh = s->state == SERVER_NEW;
    if (fresh)
        s->state = SERVER_STARTING;
    server_lock_release(&s->lock);
    if (!fresh)
        return WEIR_EINVAL;
    settings_complete(&s->settings);
    plan_check_limit(s);
    server_check_bodies(s);
    if (s->site.errors_len > 0) {
        server_log_errors(s);
        return server_refuse(s, WEIR_EINVAL);
    }
    size_t workers = (size_t)s->settings.config.workers;
    server_count_routes(s);
    s->workers_size = workers * sizeof *s->workers;
    s->workers = memory_alloc(&s->account, s->workers_size);
    if (!s->workers || route_times_open(s) != 0 || site_seal(&s->site) != 0)
        return server_refuse(s, WEIR_ENOMEM);
    site_number_memories(&s->site, s->settings.http.memories, s->settings.http.memory_count);
    memset(s->workers, 0, s->workers_size);
    server_open_bodies(s);
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
        server_close_listeners(s);
        return server_refuse(s, error);
    }
    server_log_listeners(s);
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
    if (!s || !server_is_running(s) || atomic_exchange(&s->stopping, true))
        return;
    /* A worker that is busy must not keep clients waiting that connect from now on. */
    for (int w = 0; w < s->settings.config.workers; w++)
        for (size_t i = 0; i < s->settings.listener_count; i++)
            if (w == 0 || !s->settings.listeners[i].shared)
                listen_refuse(&s->settings.listeners[i], s->workers[w].fds[i]);
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
    if (!s)
        return WEIR_EINVAL;
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
    }
    return started ? 0 : WEIR_EINVAL;
}
